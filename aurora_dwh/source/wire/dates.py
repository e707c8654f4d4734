"""Dates and times in bulk: from fields to days and microseconds since 1970, and which of them are no dates at all.

MySQL stores what the calendar does not have: 0000-00-00, a day or month of zero, and 31 February where
ALLOW_INVALID_DATES was set once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from aurora_dwh.source.wire.buffers import Positions
from aurora_dwh.source.wire.packets import MARGIN
from aurora_dwh.source.wire.rows import Field

Mask = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[np.int32]

_TEXT_DIGITS: Final = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22, 23, 24, 25])
"""Where the digits are in `YYYY-MM-DD hh:mm:ss.ffffff`; the end may be missing."""

_DIGIT_GROUPS: Final = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14), (14, 20))
"""Year, month, day, hour, minute, second and microsecond among those digits."""

_PARTS: Final = (
    ("year", "<u2"),
    ("month", "u1"),
    ("day", "u1"),
    ("hour", "u1"),
    ("minute", "u1"),
    ("second", "u1"),
    ("microsecond", "<u4"),
)
_BINARY: Final = np.dtype(list(_PARTS))
"""A temporal value of the binary protocol."""

_SHORTER: Final = (0, 4, 7)
"""Bytes of those values that leave out parts at their end, which are zero then."""

_NINE: Final = np.uint8(9)
_DAY_MICROSECONDS: Final = 86_400_000_000

_MONTHS: Final = np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
"""The first day of each month of MySQL's years in days since 1970-01-01, by the proleptic Gregorian calendar."""

_MONTH_DAYS: Final = np.append(np.diff(_MONTHS), np.int32(0))
"""Days of each of those months, and none for the years behind them."""


@dataclass(frozen=True)
class Moments:
    """Dates, with times of day where the type has them."""

    year: _Numbers  # 0 to 9999, and month and day likewise; garbage where the value is NULL
    month: _Numbers  # 0 to 12
    day: _Numbers  # 0 to 31
    microseconds: Positions  # since midnight
    readable: Mask  # whether the bytes were a date's at all, the calendar aside

    def zero(self) -> Mask:
        """Return which values have a year, month or day of zero."""
        zero: Mask = (self.year == 0) | (self.month == 0) | (self.day == 0)
        return zero

    def possible(self) -> Mask:
        """Return which values are in the calendar, those aside that have a zero."""
        last = _MONTH_DAYS.take(self._months, mode="clip")
        possible: Mask = (self.month <= 12) & (self.day <= last) & (self.microseconds < _DAY_MICROSECONDS)
        return possible

    def text(self, index: int, *, with_time: bool) -> str:
        """Return one value as MySQL writes it, without the zeros at the end of its fraction."""
        day = f"{self.year[index]:04}-{self.month[index]:02}-{self.day[index]:02}"
        if not with_time:
            return day
        seconds, micro = divmod(int(self.microseconds[index]), 1_000_000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{day} {clock}" + (f".{micro:06}".rstrip("0") if micro else "")

    def days(self) -> _Numbers:
        """Return days since 1970-01-01; garbage where a value is not in the calendar."""
        days: _Numbers = _MONTHS.take(self._months, mode="clip") + (self.day - 1)
        return days

    def timestamps(self) -> Positions:
        """Return microseconds since 1970-01-01 00:00."""
        timestamps: Positions = self.days().astype(np.int64) * _DAY_MICROSECONDS + self.microseconds
        return timestamps

    @cached_property
    def _months(self) -> _Numbers:
        months: _Numbers = self.year * 12 + (self.month - 1)
        return months


def from_text(field: Field) -> Moments:
    """Read `YYYY-MM-DD[ hh:mm:ss[.f..]]`."""
    widths, longest = _widths(field)
    places = _TEXT_DIGITS[: np.searchsorted(_TEXT_DIGITS, longest)]
    characters = field.data[field.starts + places[:, None]]
    characters -= np.uint8(ord("0"))
    if widths is not None:
        characters[places[:, None] >= widths] = 0
    readable = _TEXT_WIDTHS[np.minimum(longest if widths is None else widths, MARGIN)] & (characters <= _NINE).all(
        axis=0
    )
    digits = np.zeros((len(_TEXT_DIGITS), len(field.starts)), np.int32)
    digits[: len(places)] = characters
    year, month, day, hour, minute, second, micro = (_number(digits[a:b]) for a, b in _DIGIT_GROUPS)
    return Moments(year, month, day, _microseconds(hour, minute, second, micro), readable)


def from_binary(field: Field) -> Moments:
    """Read a temporal value of the binary protocol, whose length says which of its parts are zero and left out."""
    widths = field.ends - field.starts
    parts = field.gather(np.dtype((np.void, _BINARY.itemsize))).view(np.uint8).reshape(-1, _BINARY.itemsize)
    if widths.min(initial=_BINARY.itemsize) < _BINARY.itemsize:
        for width in _SHORTER:
            parts[widths == width, width:] = 0
    values = parts.view(_BINARY)[:, 0]
    year, month, day, *clock = (values[part].astype(np.int32) for part, _ in _PARTS)
    return Moments(year, month, day, _microseconds(*clock), _BINARY_WIDTHS[np.minimum(widths, MARGIN)])


def _widths(field: Field) -> tuple[Positions | None, int]:
    """Return how many bytes each value has, None where all have equally many, and how many the longest has."""
    widths = field.ends - field.starts
    longest = int(widths.max(initial=0))
    return (None if widths.min(initial=longest) == longest else widths), longest


def _number(digits: _Numbers) -> _Numbers:
    number: _Numbers = digits[0]
    for digit in digits[1:]:
        number = number * 10 + digit
    return number


def _microseconds(hour: _Numbers, minute: _Numbers, second: _Numbers, micro: _Numbers) -> Positions:
    seconds = (hour * 60 + minute) * 60 + second
    microseconds: Positions = seconds.astype(np.int64) * 1_000_000 + micro
    return microseconds


def _which(*widths: int) -> Mask:
    """Return a table that says of each width whether it is one of those given."""
    return np.isin(np.arange(MARGIN + 1), widths)


_TEXT_WIDTHS: Final = _which(10, 19, *range(21, 27))
_BINARY_WIDTHS: Final = _which(*_SHORTER, _BINARY.itemsize)
