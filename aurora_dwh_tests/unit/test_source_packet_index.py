"""Packets that are found by guess and proof are those that a step for each of them finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_dwh.source.wire.packet_index import leap
from aurora_dwh.source.wire.packets import MARGIN
from aurora_dwh_tests.wire import packets

SIZES = {
    "alike": lambda random, count: np.full(count, 90),
    "various": lambda random, count: random.integers(2, 300, count),
    "mostly short": lambda random, count: np.where(random.random(count) < 0.02, random.integers(2, 20_000, count), 12),
    "short, then long": lambda random, count: np.sort(random.integers(2, 1_500, count)),
}


def row_of(size: int, fill: bytes) -> bytes:
    """Return a row of the binary protocol: it begins with a zero byte."""
    return b"\0" + (fill * (size // len(fill) + 1))[: size - 1]


def positions_of(rows: Sequence[bytes]) -> list[int]:
    return [0, *np.cumsum([4 + len(row) for row in rows]).tolist()]


def leap_over(stream: bytes, end: int, row_bytes: int) -> list[int]:
    data = np.frombuffer(bytearray(stream + bytes(MARGIN)), np.uint8)
    found: list[int] = leap(data, 0, end, row_bytes).tolist()
    return found


@given(
    seed=st.integers(0, 2**32),
    sizes=st.sampled_from(sorted(SIZES)),
    fill=st.sampled_from([b"\0", b"\x01\0", b"\x10\0\0\x05\0", b"text", b"\xfe\xff\0"]),
    sequence=st.integers(0, 255),
    cut=st.integers(0, 5_000),
    mistaken=st.sampled_from([0.1, 0.5, 1, 2, 10]),
)
def test_what_is_found_is_what_is_there(
    seed: int, sizes: str, fill: bytes, sequence: int, cut: int, mistaken: float
) -> None:
    rows = [row_of(size, fill) for size in SIZES[sizes](np.random.default_rng(seed), 2_000).tolist()]
    stream = packets(rows, sequence)
    average = max(1, int(len(stream) // len(rows) * mistaken))

    found = leap_over(stream, len(stream) - cut, average)

    assert found == positions_of(rows)[: len(found)]


@pytest.mark.parametrize("sizes", ["alike", "various"])
def test_of_ordinary_rows_nearly_all_are_found(sizes: str) -> None:
    random = np.random.default_rng(7)
    rows = [row_of(size, random.bytes(300)) for size in SIZES[sizes](random, 10_000).tolist()]
    stream = packets(rows)

    assert len(leap_over(stream, len(stream), len(stream) // len(rows))) > 9_800


def test_packets_within_a_row_are_not_taken_for_packets() -> None:
    plain = [row_of(100, b"x")] * 2_000
    trap = b"\0" + packets(plain[:500], sequence=len(plain) + 1)  # in step with what is around it
    rows = [*plain, trap, *plain]
    stream = packets(rows)

    found = leap_over(stream, len(stream), 104)

    assert found == positions_of(rows)[: len(found)]
    assert len(found) > 1_900
