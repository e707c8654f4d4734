"""From fields to Arrow: what the bytes of a column mean, and what becomes of those that mean nothing.

Strings and numbers in text never become Python objects: Arrow compacts them and parses them in C++. Everything that is
returned is a copy, so that the receive buffer can be used again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pymysql.constants import FIELD_TYPE

from aurora_dwh.source.wire import dates, decimals
from aurora_dwh.source.wire.dates import Mask
from aurora_dwh.source.wire.protocol import WireColumn
from aurora_dwh.source.wire.rows import FIXED_WIDTHS, Field

ZERO_DATE: Final = "zero_date"
"""Reason: a year, month or day of zero, which is NULL in the copy."""

INVALID_DATE: Final = "invalid_date"
"""Reason: a day that its month does not have, which is NULL in the copy."""

_TEMPORAL: Final = frozenset({FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP})
_BIGINT_UNSIGNED: Final = pa.decimal128(20, 0)
_FLOATS: Final = {FIELD_TYPE.FLOAT: "<f4", FIELD_TYPE.DOUBLE: "<f8"}


@dataclass(frozen=True)
class Decoded:
    """A column of a block."""

    values: pa.Array  # the values
    converted: dict[str, Mask] = field(default_factory=dict)  # says for each reason which values were made NULL
    original: Callable[[int], str] = str  # gives the text of a value that was

    def shown(self, index: int) -> object:
        """Return a value as the source has it, None for NULL."""
        is_converted = any(mask[index] for mask in self.converted.values())
        return self.original(index) if is_converted else self.values[index].as_py()


def decode(fields: Field, wire: WireColumn, target: pa.DataType, *, binary: bool) -> Decoded:
    """Return a column's values in the type that the schema gives it.

    Args:
        binary: Whether the values come in the binary protocol.

    Raises:
        pa.ArrowInvalid: A value cannot be read as that type, or does not fit into it.
    """
    if pa.types.is_date(target) or pa.types.is_timestamp(target):
        as_binary = binary and wire.type_code in _TEMPORAL
        return _moments(fields, dates.from_binary(fields) if as_binary else dates.from_text(fields), target)
    if binary and wire.type_code in FIXED_WIDTHS:
        return Decoded(_cast(_fixed(fields, wire), target))
    if binary and wire.type_code in (*_TEMPORAL, FIELD_TYPE.TIME):
        raise pa.ArrowInvalid(f"the server sends MySQL type {wire.type_code} where {target} is expected")
    if pa.types.is_decimal128(target) and (numbers := decimals.from_text(fields, target)) is not None:
        return Decoded(as_array(_halves(numbers), fields.valid, target))
    return Decoded(_cast(_compact(fields), target))


def _moments(fields: Field, moments: dates.Moments, target: pa.DataType) -> Decoded:
    valid = np.ones(len(fields.starts), np.bool_) if fields.valid is None else fields.valid
    if not (moments.readable | ~valid).all():
        raise pa.ArrowInvalid("a value is no date")
    zero = moments.zero() & valid
    invalid = ~moments.possible() & ~zero & valid
    converted = {reason: mask for reason, mask in ((ZERO_DATE, zero), (INVALID_DATE, invalid)) if mask.any()}
    values = moments.days() if pa.types.is_date(target) else moments.timestamps()
    original = partial(moments.text, with_time=not pa.types.is_date(target))
    return Decoded(as_array(values, valid & ~zero & ~invalid, target), converted, original)


def _fixed(fields: Field, wire: WireColumn) -> pa.Array:
    """Gather numbers of a fixed width, of which none needs to be aligned."""
    kind = _FLOATS.get(wire.type_code) or f"<{'u' if wire.unsigned else 'i'}{FIXED_WIDTHS[wire.type_code]}"
    if wire.type_code == FIELD_TYPE.NULL:
        return pa.nulls(len(fields.starts))
    dtype = np.dtype(kind)
    return as_array(fields.gather(dtype), fields.valid, pa.from_numpy_dtype(dtype))


def _compact(fields: Field) -> pa.Array:
    """Copy byte strings out of the buffer, without what lies between them.

    Over the buffer lies an Arrow array whose offsets are start, end, start, end...: every other one of its elements is
    a value, the rest are the gaps.
    """
    rows = len(fields.starts)
    offsets = np.empty(2 * rows, np.int32)
    offsets[0::2] = fields.starts
    offsets[1::2] = fields.ends
    if not rows:
        return pa.array([], pa.binary())
    interleaved = pa.Array.from_buffers(
        pa.binary(), 2 * rows - 1, [None, pa.py_buffer(offsets), pa.py_buffer(fields.data)]
    )
    values = interleaved.take(as_array(np.arange(0, 2 * rows, 2, dtype=np.int32), None, pa.int32()))
    if fields.valid is None:
        return values
    return pa.Array.from_buffers(pa.binary(), rows, [_bitmap(fields.valid), *values.buffers()[1:]])


def as_array(values: npt.NDArray[np.generic], valid: Mask | None, kind: pa.DataType) -> pa.Array:
    """Return numbers as an Arrow array over the same memory; `pa.array` would import 2 MB of numpy for it."""
    bitmap = None if valid is None or valid.all() else _bitmap(valid)
    return pa.Array.from_buffers(kind, len(values), [bitmap, pa.py_buffer(values)])


def _widen(values: pa.Array) -> pa.Array:
    """Return unsigned numbers as decimals; Arrow's cast takes ten times as long."""
    bitmap, numbers = values.buffers()
    halves = _halves(np.frombuffer(numbers, np.uint64))
    return pa.Array.from_buffers(_BIGINT_UNSIGNED, len(values), [bitmap, pa.py_buffer(halves)])


def _halves(numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return numbers of 64 bits as the 128 bits of an Arrow decimal, the low half first."""
    halves = np.zeros((len(numbers), 2), numbers.dtype)
    halves[:, 0] = numbers
    if numbers.dtype == np.int64:
        halves[:, 1] = numbers >> 63  # its sign
    return halves


def _bitmap(valid: Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def _cast(values: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the values in the target's type; a value that would change raises, but for a DOUBLE that is a FLOAT."""
    if values.type == target:
        return values
    if pa.types.is_uint64(values.type) and target == _BIGINT_UNSIGNED:
        return _widen(values)
    if pa.types.is_binary(values.type) and not pa.types.is_string(target):
        values = values.cast(pa.string())
        if pa.types.is_boolean(target):
            values = values.cast(pa.int64())
        elif pa.types.is_float32(target):
            values = values.cast(pa.float64())
    return pc.cast(values, target, safe=not pa.types.is_floating(target))
