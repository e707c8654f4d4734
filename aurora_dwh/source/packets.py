"""From a stream of bytes to blocks of row packets.

MySQL sends each row as a packet: 3 bytes of length, 1 byte of sequence number, the row. Finding where rows begin is the
one thing that takes a step of Python per row; what is in the rows is left to the splitters, a block at a time. A packet
of 0xFFFFFF bytes goes on in the next one. Source: "MySQL Packets" in the MySQL Source Code Documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

BLOCK_BYTES: Final = 2 << 20
"""Bytes received before rows are split; half of it is a twentieth slower, and double of it takes 20 MB more memory."""

MARGIN: Final = 32
"""Bytes behind the last row that may be read, as values are read at full width before their length is looked at."""

_HEADER: Final = 4
_LENGTH: Final = Struct("<I")  # the fourth byte is masked away
_LONGEST: Final = 0xFFFFFF
_ERROR: Final = 0xFF
_END: Final = 0xFE

Positions = npt.NDArray[np.int64]


class ByteStream(Protocol):
    """What is read from; `readinto` returns at least one byte unless the stream has ended."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Read what is there, up to the buffer's size, and return the number of bytes."""


class BrokenStreamError(Exception):
    """The bytes ended, or are no MySQL packets, before the result's end was seen."""


class ErrorPacketError(Exception):
    """The server ended the result with an error; `packet` is its payload."""

    def __init__(self, packet: bytes) -> None:
        super().__init__("the server sent an error")
        self.packet = packet


@dataclass(frozen=True)
class Block:
    """Rows whose bytes lie in one buffer, valid until the next block is asked for.

    Attributes:
        data: The buffer; rows are followed by at least MARGIN bytes.
        starts: Where each row begins.
        ends: Where each row ends.
    """

    data: npt.NDArray[np.uint8]
    starts: Positions
    ends: Positions


def blocks(stream: ByteStream, *, sequence: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield all rows of a result, and return when its end has been seen.

    Args:
        stream: Positioned on the first row's packet.
        sequence: The sequence number that the first row's packet must have.
        block_bytes: About how many bytes a block holds, less than 16 MiB; a larger row makes a block of its own.

    Raises:
        BrokenStreamError: The stream ended before the result did, or is out of step.
        ErrorPacketError: The server reports an error in place of the next row.
        OSError: The connection failed.
    """
    receiver = _Receiver(stream, sequence, block_bytes)
    while not receiver.ended:
        receiver.fill()
        if receiver.headers:
            yield receiver.rows()
        elif not receiver.ended and (row := receiver.large_row()):
            yield row


class _Receiver:
    """The receive buffer: `[0, scanned)` holds whole packets, `[scanned, filled)` the beginning of the next."""

    def __init__(self, stream: ByteStream, sequence: int, block_bytes: int) -> None:
        if block_bytes >= _LONGEST:
            raise ValueError("a packet that goes on in another would fit into a block")
        self._stream = stream
        self._sequence = sequence
        self._size = block_bytes
        self._buffer = bytearray(block_bytes + MARGIN)
        self._view = memoryview(self._buffer)
        self._data = np.frombuffer(self._buffer, np.uint8)
        self._filled = 0
        self._scanned = 0
        self.headers: list[int] = []
        self.ended = False

    def fill(self) -> None:
        """Receive until the next packet would not fit into the buffer, or the result has ended."""
        rest = self._filled - self._scanned
        self._view[:rest] = bytes(self._view[self._scanned : self._filled])
        self._scanned, self._filled, self.headers = 0, rest, []
        wanted = self._scan()
        while not self.ended and wanted <= self._size:
            self._filled += self._receive(self._view[self._filled : self._size])
            if self._filled >= wanted:
                wanted = self._scan()

    def rows(self) -> Block:
        """Return the rows that `fill` found."""
        headers = np.array([*self.headers, self._scanned], np.int64)
        starts, ends = headers[:-1] + _HEADER, headers[1:]
        if (starts == ends).any():
            raise BrokenStreamError("a packet is empty")
        expected = np.arange(self._sequence, self._sequence + len(starts)).astype(np.uint8)
        if not np.array_equal(self._data[starts - 1], expected):
            raise BrokenStreamError("packets are out of order")
        if (self._data[starts] >= _END).any():
            raise BrokenStreamError("packets follow the result's end")
        self._sequence = (self._sequence + len(starts)) & 0xFF
        return Block(self._data, starts, ends)

    def large_row(self) -> Block | None:
        """Receive the row that begins the buffer and does not fit into it; None where it is the result's end."""
        row = bytearray()
        packets = 0
        length = _LONGEST
        while length == _LONGEST:
            header = self._exactly(_HEADER)
            length = _LENGTH.unpack(header)[0] & _LONGEST
            self._advance(header[3])
            row += self._exactly(length)
            packets += 1
        if packets == 1 and row[0] >= _END:
            self._end(bytes(row))
            return None
        size = len(row)
        row += bytes(MARGIN)
        return Block(np.frombuffer(row, np.uint8), np.array([0], np.int64), np.array([size], np.int64))

    def _scan(self) -> int:
        """Find the packets that have come in whole, and return how far the buffer must be filled for the next.

        The loop is the one piece of Python that runs for each row, so it does nothing but follow the lengths. A header
        that has come in by half needs no test: whatever its length reads as, the packet ends behind what is filled.
        """
        buffer, filled, position = self._buffer, self._filled, self._scanned
        unpack, found = _LENGTH.unpack_from, self.headers.append
        while (following := position + _HEADER + (unpack(buffer, position)[0] & _LONGEST)) <= filled:
            found(position)
            position = following
        self._scanned = position
        if position == filled and self.headers and buffer[self.headers[-1] + _HEADER] >= _END:
            # Nothing is sent after the packet that ends the result, so it is the last one or not there yet.
            self._scanned = self.headers.pop()
            self._end(bytes(self._view[self._scanned + _HEADER : filled]))
        return following if position + _HEADER <= filled else position + _HEADER

    def _end(self, packet: bytes) -> None:
        """Take the packet that stands where a row would: the result's end (EOF, or OK in its place), or an error.

        A row begins with a byte as high only if its first value has 16 MiB or more, and so not in a single packet.
        """
        if not packet:
            raise BrokenStreamError("a packet is empty")
        if packet[0] == _ERROR:
            raise ErrorPacketError(packet)
        self.ended = True

    def _receive(self, target: memoryview) -> int:
        received = self._stream.readinto(target)
        if not received:
            raise BrokenStreamError("the connection was closed before the result's end")
        return received

    def _exactly(self, size: int) -> bytearray:
        """Take bytes: what the buffer still holds, then what the stream gives."""
        taken = self._buffer[self._scanned : min(self._scanned + size, self._filled)]
        self._scanned += len(taken)
        missing = size - len(taken)
        if missing:
            position = len(taken)
            taken += bytes(missing)
            with memoryview(taken) as view:
                while position < size:
                    position += self._receive(view[position:])
        return taken

    def _advance(self, sequence: int) -> None:
        if sequence != self._sequence:
            raise BrokenStreamError("packets are out of order")
        self._sequence = (self._sequence + 1) & 0xFF
