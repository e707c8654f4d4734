"""What a proof found of a table: how many rows are proven, which differ, by kinds, and what is said of them.

The kinds: a row is `missing` that the source alone has, `extra` that Redshift alone has, `stale` where both have it
with other values, `duplicate` where Redshift has it more often. None of them is a row that is `late`, written in the
source since the table was last read, or `gone`, deleted from the source and kept in Redshift as the catalog says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

MISSING, EXTRA, STALE, DUPLICATE = KINDS = ("missing", "extra", "stale", "duplicate")
"""What is wrong with a row."""

LATE, GONE = "late", "gone"
"""What is told of rows that are not wrong."""

SHOWN_ROWS = 5
"""Differing rows of a kind that are shown with both values."""

_SHOWN_VALUE = 80

Key = tuple[str | None, ...]
"""A row's key as canonical texts; of a table without a key, its digests."""


@dataclass(frozen=True)
class Found:
    """A row that differs."""

    kind: str  # one of `KINDS`
    key: Key
    label: str  # the row as people read it, by its key, else by all its values
    # of a stale row, the columns that differ, each with the source's value and Redshift's
    values: tuple[tuple[str, str | None, str | None], ...] = ()
    copies: tuple[int, int] = (1, 1)  # how often the source and Redshift have it
    days: frozenset[date] = frozenset()  # the days that brought it to Redshift
    written: str | None = None  # its cursor in the source as canonical text; None where it has none

    @property
    def rows(self) -> int:
        """How many rows are missing, too many, or have other values."""
        return abs(self.copies[0] - self.copies[1]) or self.copies[0]

    def __str__(self) -> str:
        """Say what is wrong with the row."""
        there, here = self.copies
        if not here:
            return f"only in Aurora: {self.label}"
        if not there:
            return f"only in Redshift: {self.label}"
        if there != here:
            return f"{self.label}: {there} times in Aurora, {here} times in Redshift"
        values = (f"{name} is {brief(one)} in Aurora, {brief(other)} in Redshift" for name, one, other in self.values)
        return f"{self.label}: {'; '.join(values)}"


@dataclass(frozen=True)
class Verdict:
    """A table compared, or one day of it."""

    table: str  # the table's name in the source
    day: date | None = None  # the day whose rows were compared; None where all were
    source_rows: int = 0  # the source's rows
    staged_rows: int = 0  # Redshift's rows, without those that are flagged as deleted
    kinds: Mapping[str, int] = field(default_factory=dict)  # kind -> rows; `late` and `gone` are among them
    columns: Mapping[str, int] = field(default_factory=dict)  # column -> stale rows in which it differs
    shown: tuple[Found, ...] = ()  # the first differing rows of each kind, read on both sides
    read_at: datetime | None = None  # the moment of the source that the reading of its rows began at, in UTC
    seconds: float = 0.0  # how long all took
    statements: int = 0  # how many SELECTs read the source's rows
    reading: float = 0.0  # seconds that they took together
    longest: float = 0.0  # seconds that the longest of them took
    examined: int = 0  # rows that were read from the source
    is_looked_at: bool = True  # whether each differing row was read a second time; they may be too many for that
    error: str = ""  # why nothing could be compared; empty where it could

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same rows, but for those that are late, or kept though they are gone."""
        return not self.wrong and not self.error

    @property
    def wrong(self) -> int:
        """How many rows differ."""
        return sum(rows for kind, rows in self.kinds.items() if kind in KINDS)

    @property
    def proven(self) -> int:
        """How many of the source's rows are proven equal."""
        unproven = sum(self.kinds.get(kind, 0) for kind in (MISSING, STALE, DUPLICATE, LATE))
        return 0 if self.error else max(0, self.source_rows - unproven)

    @property
    def share(self) -> float:
        """The share of the source's rows that is proven equal, from 0 to 1."""
        return self.proven / self.source_rows if self.source_rows else float(self.equal)

    @property
    def differences(self) -> tuple[str, ...]:
        """What differs, as sentences: how many rows, which columns, then some of the rows."""
        return tuple(self._differences())

    def _differences(self) -> Iterator[str]:
        if self.equal or self.error:
            return
        if self.source_rows != self.staged_rows:
            yield f"{self.source_rows:,} rows in Aurora, {self.staged_rows:,} in Redshift"
        if self.columns:
            yield f"columns that differ: {', '.join(self.columns)}"
        yield from map(str, self.shown)
        if not self.is_looked_at:
            yield f"{counted(self.kinds)}: too many to read each of them again"


def counted(kinds: Mapping[str, int]) -> str:
    """Return rows by kind as text: `2 missing, 1 late`; empty where there are none."""
    return ", ".join(f"{kinds[kind]:,} {kind}" for kind in (*KINDS, LATE, GONE) if kinds.get(kind))


def first_of_each(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return the first rows of each kind that are to be shown, kind by kind."""
    by_kind: dict[str, list[Found]] = {kind: [] for kind in KINDS}
    for one in found:
        if one.kind in by_kind and len(by_kind[one.kind]) < SHOWN_ROWS:
            by_kind[one.kind].append(one)
    return tuple(one for kind in KINDS for one in by_kind[kind])


def count(found: Iterable[Found]) -> Counter[str]:
    """Return how many rows of each kind there are; of a kind that has none, nothing."""
    counts: Counter[str] = Counter()
    for one in found:
        counts[one.kind] += one.rows
    return counts


def brief(value: str | None) -> str:
    """Return a value as it is shown: quoted, and no more than its beginning where it is long."""
    if value is None:
        return "NULL"
    return repr(value) if len(value) <= _SHOWN_VALUE else repr(value[:_SHOWN_VALUE]) + "..."
