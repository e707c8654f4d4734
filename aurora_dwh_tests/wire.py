"""Packets of MySQL's protocol, written by hand."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 0xFFFFFF


def packets(payloads: Sequence[bytes], sequence: int = 0) -> bytes:
    """Write payloads as packets, a long one as several."""
    out = bytearray()
    for payload in payloads:
        for start in range(0, len(payload) + 1, LONGEST):
            piece = payload[start : start + LONGEST]
            out += len(piece).to_bytes(3, "little") + bytes([sequence & 0xFF]) + piece
            sequence += 1
    return bytes(out)
