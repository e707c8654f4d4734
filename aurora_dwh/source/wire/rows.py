"""From a block of rows to fields: where each column's values lie in the buffer, for all rows at once.

The two protocols lay rows out differently; what both splitters give is the same. What the bytes mean is `decode`'s
business. Source: "Text Resultset Row" and "Binary Protocol Resultset Row" in the MySQL Source Code Documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pymysql.constants import FIELD_TYPE

from aurora_dwh.source.wire.buffers import Positions, everywhere
from aurora_dwh.source.wire.packets import Block, BrokenStreamError
from aurora_dwh.source.wire.protocol import WireColumn

FIXED_WIDTHS: Final = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.YEAR: 2,
    FIELD_TYPE.INT24: 4,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
    FIELD_TYPE.FLOAT: 4,
    FIELD_TYPE.DOUBLE: 8,
    FIELD_TYPE.NULL: 0,
}
"""Type code -> bytes of a value in the binary protocol; every other type has its length before its bytes."""

_NULL: Final = 0xFB
_LENGTH_BYTES: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""First byte of a length that does not fit into that byte -> the bytes that hold it."""

_BITMAP_OFFSET: Final = 2
"""Bits at the front of a binary row's NULL bitmap that stand for no column."""


@dataclass(frozen=True)
class Field:
    """One column's values in a block."""

    data: npt.NDArray[np.uint8]  # the block's buffer
    starts: Positions  # where each value begins; somewhere in its row where it is NULL
    ends: Positions  # where each value ends; equal to its start where it is NULL
    valid: npt.NDArray[np.bool_] | None  # which values are not NULL, None where all are

    def gather(self, kind: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return the bytes at each start as elements of a type of at most MARGIN bytes; none needs to be aligned."""
        gathered: npt.NDArray[Any] = everywhere(self.data, kind)[self.starts]
        return gathered


def split(block: Block, columns: Sequence[WireColumn], *, binary: bool) -> list[Field]:
    """Return the fields of a block, one for each column.

    Raises:
        BrokenStreamError: The fields of a row do not end where the row ends.
    """
    fields, ends = _split_binary(block, columns) if binary else _split_text(block, len(columns))
    if not np.array_equal(ends, block.ends):
        raise BrokenStreamError("a row's values do not fill its packet")
    return fields


def _split_text(block: Block, columns: int) -> tuple[list[Field], Positions]:
    data, position = block.data, block.starts
    fields = []
    for _ in range(columns):
        _check(position, block)
        first = data[position]
        valid = first != _NULL
        starts, ends = _strings(data, position, first)
        if valid.all():
            fields.append(Field(data, starts, ends, None))
        else:
            ends = np.where(valid, ends, starts)
            fields.append(Field(data, starts, ends, valid))
        position = ends
    return fields, position


def _split_binary(block: Block, columns: Sequence[WireColumn]) -> tuple[list[Field], Positions]:
    data = block.data
    bitmap = block.starts + 1  # behind a zero byte
    position = bitmap + (len(columns) + _BITMAP_OFFSET + 7) // 8
    fields = []
    for index, column in enumerate(columns):
        _check(position, block)
        byte, bit = divmod(index + _BITMAP_OFFSET, 8)
        if not index or not bit:
            nulls = data[bitmap + byte]
            any_null = np.bitwise_or.reduce(nulls)
        width = FIXED_WIDTHS.get(column.type_code)
        if width is None:
            starts, ends = _strings(data, position, data[position])
        else:
            starts, ends = position, position + width
        if not any_null & (1 << bit):
            fields.append(Field(data, starts, ends, None))
        else:
            # A NULL takes no bytes at all, so what was read as its length is the next value's.
            valid = nulls & np.uint8(1 << bit) == 0
            starts, ends = np.where(valid, starts, position), np.where(valid, ends, position)
            fields.append(Field(data, starts, ends, valid))
        position = ends
    return fields, position


def _check(position: Positions, block: Block) -> None:
    """Refuse positions behind their row before they are looked at; a margin after the last row may be read."""
    if (position > block.ends).any():
        raise BrokenStreamError("a row's values do not fit into its packet")


def _strings(
    data: npt.NDArray[np.uint8], position: Positions, first: npt.NDArray[np.uint8]
) -> tuple[Positions, Positions]:
    """Return start and end of the values at positions that begin with their length."""
    starts = position + 1
    ends = starts + first
    if first.max(initial=0) > _NULL:
        for marker, width in _LENGTH_BYTES.items():
            where = np.flatnonzero(first == marker)
            if where.size:
                at = starts[where]
                bytes_ = data[at[:, None] + np.arange(width)].astype(np.int64)
                starts[where] = at + width
                ends[where] = at + width + (bytes_ << np.arange(0, 8 * width, 8)).sum(axis=1)
    return starts, ends
