"""From a stream of bytes to blocks of row packets.

MySQL sends each row as a packet: 3 bytes of length, 1 byte of sequence number, the row. Most are found by
`packet_index`, the rest by a step of Python for each; what is in the rows is left to the splitters, a block at a time.
A packet of 0xFFFFFF bytes goes on in the next one. Source: "MySQL Packets" in the MySQL Source Code Documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from aurora_dwh.source.wire.buffers import Positions
from aurora_dwh.source.wire.packet_index import HEADER, LEAST_ROWS, LONGEST, leap

BLOCK_BYTES: Final = 2 << 20
"""Bytes received before rows are split; half of it is a twentieth slower, and double of it takes 20 MB more memory."""

MARGIN: Final = 32
"""Bytes before the first row and behind the last that may be read, as values are read at full width before their length
is looked at."""

_LENGTH: Final = Struct("<I")  # the fourth byte is masked away
_ERROR: Final = 0xFF
_END: Final = 0xFE


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
    """Rows whose bytes lie in one buffer, valid until the next block is asked for."""

    data: npt.NDArray[np.uint8]  # the buffer; at least MARGIN bytes are before the rows, and as many behind them
    starts: Positions  # where each row begins
    ends: Positions  # where each row ends

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.starts)

    def __getitem__(self, rows: slice) -> Block:
        """Return some of the rows."""
        return Block(self.data, self.starts[rows], self.ends[rows])


def blocks(
    stream: ByteStream, *, sequence: int, binary: bool = False, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Yield all rows of a result, and return when its end has been seen.

    Args:
        sequence: The sequence number that the first row's packet must have.
        binary: Whether the rows come in the binary protocol.
        block_bytes: About how many bytes a block holds, less than 16 MiB; a larger row makes a block of its own.

    Raises:
        BrokenStreamError: The stream ended before the result did, or is out of step.
        ErrorPacketError: The server reports an error in place of the next row.
        OSError: The connection failed.
    """
    receiver = _Receiver(stream, sequence, binary, block_bytes)
    while not receiver.ended:
        receiver.fill()
        if receiver.found:
            yield receiver.rows()
        elif not receiver.ended and (row := receiver.large_row()):
            yield row


class _Receiver:
    """The receive buffer: `[MARGIN, scanned)` holds whole packets, `[scanned, filled)` the beginning of the next."""

    def __init__(self, stream: ByteStream, sequence: int, binary: bool, block_bytes: int) -> None:
        if block_bytes >= LONGEST:
            raise ValueError("a packet that goes on in another would fit into a block")
        self._stream = stream
        self._sequence = sequence
        self._binary = binary
        self._end_of_room = MARGIN + block_bytes
        self._buffer = bytearray(self._end_of_room + MARGIN)
        self._view = memoryview(self._buffer)
        self._data = np.frombuffer(self._buffer, np.uint8)
        self._filled = MARGIN
        self._scanned = MARGIN
        self._row_bytes = 0  # on the average; 0 while nothing is known of it
        self.found: list[Positions] = []
        self.ended = False

    def fill(self) -> None:
        """Receive until the next packet would not fit into the buffer, or the result has ended."""
        rest = bytes(self._view[self._scanned : self._filled])
        self._scanned, self._filled, self.found = MARGIN, MARGIN + len(rest), []
        self._view[self._scanned : self._filled] = rest
        wanted = self._scan()
        while not self.ended and wanted <= self._end_of_room:
            self._filled += self._receive(self._view[self._filled : self._end_of_room])
            if self._filled >= wanted:
                wanted = self._scan()

    def rows(self) -> Block:
        """Return the rows that `fill` found."""
        headers = np.concatenate([*self.found, np.array([self._scanned])])
        starts, ends = headers[:-1] + HEADER, headers[1:]
        self._row_bytes = (self._scanned - MARGIN) // len(starts)
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
        row = bytearray(MARGIN)
        packets = 0
        length = LONGEST
        while length == LONGEST:
            header = self._exactly(HEADER)
            length = _LENGTH.unpack(header)[0] & LONGEST
            self._advance(header[3])
            row += self._exactly(length)
            packets += 1
        if packets == 1 and row[MARGIN] >= _END:
            self._end(bytes(row[MARGIN:]))
            return None
        end = len(row)
        row += bytes(MARGIN)
        return Block(np.frombuffer(row, np.uint8), np.array([MARGIN], np.int64), np.array([end], np.int64))

    def _scan(self) -> int:
        """Find the packets that have come in whole, and return how far the buffer must be filled for the next.

        The loop runs in Python for each packet, so it does nothing but follow the lengths. A header that has come in by
        half needs no test: whatever its length reads as, the packet ends behind what is filled.
        """
        buffer, filled, position = self._buffer, self._filled, self._leap()
        headers: list[int] = []
        unpack, found = _LENGTH.unpack_from, headers.append
        while (following := position + HEADER + (unpack(buffer, position)[0] & LONGEST)) <= filled:
            found(position)
            position = following
        self._scanned = position
        if position == filled and headers and buffer[headers[-1] + HEADER] >= _END:
            # Nothing is sent after the packet that ends the result, so it is the last one or not there yet.
            self._scanned = headers.pop()
            self._end(bytes(self._view[self._scanned + HEADER : filled]))
        if headers:
            self.found.append(np.array(headers, np.int64))
        return following if position + HEADER <= filled else position + HEADER

    def _leap(self) -> int:
        """Find packets without the loop as long as that finds many, and return where the next begins."""
        position = self._scanned
        many = self._binary and self._row_bytes > 0
        while many and self._filled - position > LEAST_ROWS * self._row_bytes:
            headers = leap(self._data, position, self._filled, self._row_bytes)
            if len(headers) > 1:
                self.found.append(headers[:-1])
                position = int(headers[-1])
            many = len(headers) > LEAST_ROWS // 2  # guesses that are often wrong take longer than the loop
        return position

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
