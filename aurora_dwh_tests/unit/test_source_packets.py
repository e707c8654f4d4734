"""Blocks of rows from a byte stream, however the network cuts it into pieces."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_dwh.source.wire.packet_index import LEAST_ROWS
from aurora_dwh.source.wire.packets import MARGIN, Block, BrokenStreamError, ErrorPacketError, blocks
from aurora_dwh_tests.wire import LONGEST, packets

EOF = b"\xfe\x00\x00\x02\x00"
OK_AS_EOF = b"\xfe\x00\x00\x02\x00\x00\x00"
ERROR = b"\xff\x25\x0b#HY000stopped"


class Pieces:
    """A stream that gives its bytes in pieces of given sizes, and then ends."""

    def __init__(self, data: bytes, sizes: Iterable[int] = ()) -> None:
        self._data = data
        self._sizes = iter(sizes)

    def readinto(self, buffer: memoryview, /) -> int:
        size = min(len(buffer), len(self._data), next(self._sizes, len(self._data)))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


def rows_of(block: Block) -> list[bytes]:
    assert block.starts.min() >= MARGIN
    assert len(block.data) >= block.ends.max() + MARGIN
    return [block.data[a:b].tobytes() for a, b in zip(block.starts, block.ends, strict=True)]


def read(data: bytes, sizes: Iterable[int] = (), *, sequence: int = 0, block_bytes: int = 64) -> list[bytes]:
    stream = Pieces(data, sizes)
    return list(chain.from_iterable(rows_of(b) for b in blocks(stream, sequence=sequence, block_bytes=block_bytes)))


row = st.binary(min_size=1, max_size=150).filter(lambda r: r[0] < 0xFE)


@given(
    rows=st.lists(row, max_size=60),
    sizes=st.lists(st.integers(1, 90), max_size=300),
    sequence=st.integers(0, 255),
    end=st.sampled_from([EOF, OK_AS_EOF]),
    block_bytes=st.integers(16, 400),
)
def test_any_cut_of_the_stream_gives_the_same_rows(
    rows: list[bytes], sizes: list[int], sequence: int, end: bytes, block_bytes: int
) -> None:
    data = packets([*rows, end], sequence)

    assert read(data, sizes, sequence=sequence, block_bytes=block_bytes) == rows


@given(
    rows=st.lists(row, max_size=20),
    sizes=st.lists(st.integers(1, 90), max_size=50),
    cut=st.integers(0, 4000),
    block_bytes=st.integers(16, 400),
)
def test_a18_a_stream_cut_anywhere_is_an_error_and_never_the_end(
    rows: list[bytes], sizes: list[int], cut: int, block_bytes: int
) -> None:
    data = packets([*rows, EOF])

    with pytest.raises(BrokenStreamError):
        read(data[: min(cut, len(data) - 1)], sizes, block_bytes=block_bytes)


@given(rows=st.lists(row, max_size=20), block_bytes=st.integers(32, 400))
def test_an_error_packet_ends_the_rows_with_an_error(rows: list[bytes], block_bytes: int) -> None:
    with pytest.raises(ErrorPacketError) as caught:
        read(packets([*rows, ERROR]), block_bytes=block_bytes)

    assert caught.value.packet == ERROR


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 2 * LONGEST + 5])
def test_a_row_of_16_mib_and_more_is_put_together(size: int) -> None:
    large = bytes(np.arange(size, dtype=np.uint32).astype(np.uint8))

    assert read(packets([b"before", large, b"after", EOF]), block_bytes=1 << 20) == [b"before", large, b"after"]


def test_a_first_value_of_16_mib_is_no_end_though_it_begins_like_one() -> None:
    large = b"\xfe" + (LONGEST + 9).to_bytes(8, "little") + bytes(LONGEST + 9)

    assert read(packets([large, EOF]), block_bytes=1 << 20) == [large]


@pytest.mark.parametrize("block_bytes", [16, 1024])
def test_packets_out_of_order_are_an_error(block_bytes: int) -> None:
    data = packets([b"first" * 5, b"second" * 5, EOF])
    swapped = data.replace(b"\x01second", b"\x07second")
    assert swapped != data

    with pytest.raises(BrokenStreamError, match="order"):
        read(swapped, block_bytes=block_bytes)


def test_packets_behind_the_end_are_an_error() -> None:
    with pytest.raises(BrokenStreamError, match="end"):
        read(packets([b"row", EOF, b"row"]), block_bytes=1024)


def test_an_empty_packet_is_an_error() -> None:
    with pytest.raises(BrokenStreamError, match="empty"):
        read(packets([b"row", b"", EOF]), block_bytes=1024)


@pytest.mark.parametrize("binary", [True, False])
def test_blocks_of_many_rows_hold_them_all_in_order(binary: bool) -> None:
    random = np.random.default_rng(11)
    rows = [b"\0" + random.bytes(size) for size in random.integers(1, 200, 20 * LEAST_ROWS).tolist()]
    stream = Pieces(packets([*rows, EOF]))

    read = chain.from_iterable(map(rows_of, blocks(stream, sequence=0, binary=binary, block_bytes=1 << 20)))

    assert list(read) == rows
