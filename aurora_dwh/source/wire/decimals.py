"""Decimal numbers in bulk: from the text that both protocols send to whole numbers, eight digits at a time.

Arrow's own parser takes twice as long. It is still asked for larger types and for what is not written as MySQL writes a
DECIMAL, and so it is Arrow that refuses what is no number.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aurora_dwh.source.wire.buffers import everywhere
from aurora_dwh.source.wire.rows import Field

_MOST_DIGITS: Final = 18
"""What fits into 64 bits whatever the digits are."""

_MOST_SCALE: Final = 7
"""Digits behind the point that fit, with the point, into the last word."""

_WORDS: Final = 3
_TEXT: Final = np.dtype((np.void, 8 * _WORDS))
"""The end of a value's text, with whatever is before it in the buffer. The first character is a word's lowest byte."""

_U64 = np.uint64
_Words = npt.NDArray[np.uint64]

_MINUS, _POINT = ord("-"), ord(".")
_ZEROS: Final = _U64(0x3030303030303030)
_ABOVE_NINE: Final = _U64(0x7676767676767676)
_NO_DIGIT: Final = _U64(0x8080808080808080)
_LAST: Final = np.array([-1 << 8 * (8 - count) & (1 << 64) - 1 for count in range(9)], _U64)
"""Masks of the last so many characters of a word."""

_MERGES: Final = (
    (_U64(1 + (10 << 8)), _U64(8), _U64(0x00FF00FF00FF00FF)),
    (_U64(1 + (100 << 16)), _U64(16), _U64(0x0000FFFF0000FFFF)),
    (_U64(1 + (10_000 << 32)), _U64(32), _U64(0x00000000FFFFFFFF)),
)
"""By what a word is multiplied, shifted and masked to make neighbours one number: of 8 digits 4 pairs, and so on."""


def from_text(field: Field, target: pa.Decimal128Type) -> npt.NDArray[np.int64] | None:
    """Read `[-]digits[.digits]` with as many digits behind the point as the type has.

    Returns:
        The values in units of their last digit, garbage where they are NULL. None where the type is too large for this,
        or a value is not written so or too large for the type.
    """
    scale = target.scale
    if target.precision > _MOST_DIGITS or scale > _MOST_SCALE:
        return None
    is_negative = field.data[field.starts] == _MINUS
    digits = field.ends - field.starts - is_negative
    text = everywhere(field.data, _TEXT)[field.ends - _TEXT.itemsize].view(_U64).reshape(-1, _WORDS)
    words = [text[:, _WORDS - 1 - index] for index in range(min(-(-int(digits.max(initial=0)) // 8), _WORDS))]
    is_good = digits > scale
    if scale and words:
        digits -= 1
        is_good &= (words[0] >> _U64(8 * (_MOST_SCALE - scale))) & _U64(0xFF) == _POINT
        words = _without_point(words, _LAST[scale])
    values, is_number = _numbers(words, digits)
    is_good &= is_number & (digits <= _MOST_DIGITS) & (values < 10**target.precision)
    if field.valid is not None:
        is_good |= ~field.valid
    if not is_good.all():
        return None
    signed = values.view(np.int64)
    return np.negative(signed, where=is_negative, out=signed)


def _without_point(words: list[_Words], behind: np.uint64) -> list[_Words]:
    """Return texts, their last words first, with what is before the point moved over it; `behind` masks what stays."""
    moved = [word << _U64(8) for word in words]
    for word, before in zip(moved, words[1:], strict=False):
        word |= before >> _U64(56)
    moved[0] = (words[0] & behind) | (moved[0] & ~behind)
    return moved


def _numbers(words: list[_Words], digits: npt.NDArray[np.int64]) -> tuple[_Words, npt.NDArray[np.bool_]]:
    """Return the numbers that the last so many characters of texts are, and which of them are digits all."""
    numbers, seen = np.zeros(len(digits), _U64), np.zeros(len(digits), _U64)
    for index, text in enumerate(words):
        offset = 8 * index
        word = (text ^ _ZEROS) & _LAST.take(digits - offset, mode="clip")
        seen |= word | (word + _ABOVE_NINE)
        for factor, shift, mask in _MERGES:
            word = (word * factor >> shift) & mask
        numbers += word * _U64(10**offset)
    return numbers, seen & _NO_DIGIT == 0
