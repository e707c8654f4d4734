"""The copy: what a staging table must hold after each load, by the rules alone and on plain values.

Of two readings of a row the later one stands; a day of an append table, and a full table as a whole, likewise. Nothing
here knows how the product does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from aurora_dwh.core.models import Manifest

Row = dict[str, Any]
"""The columns of a row that are not NULL: a column that is not there has the same rows as one that is NULL."""

LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Reading:
    """A day as it was read from the source: its manifest, and the rows that lie in its files."""

    manifest: Manifest
    rows: tuple[Row, ...]


class Copy:
    """A staging table's rows.

    Args:
        mode: The table's mode.
        flags: Whether rows that are gone are flagged.
    """

    def __init__(self, mode: str, *, flags: bool) -> None:
        self._mode, self._flags = mode, flags
        self._rows: list[Row] = []
        self._read: dict[date, datetime] = {}

    def rows(self) -> Counter[frozenset[tuple[str, Any]]]:
        """Return each row and how often it is there."""
        return Counter(frozenset(row.items()) for row in self._rows)

    def duplicate(self) -> Copy:
        """Return a copy of the copy."""
        other = Copy(self._mode, flags=self._flags)
        other._rows, other._read = list(self._rows), dict(self._read)
        return other

    def load(self, readings: Sequence[Reading]) -> None:
        """Take in days, all at once."""
        {"incremental": self._upsert, "append": self._replace_days, "full": self._replace_all}[self._mode](readings)

    def become(self, rows: Counter[frozenset[tuple[str, Any]]]) -> None:
        """Take what the staging table holds for what it must hold, once a proof has changed it."""
        self._rows = [dict(row) for row in rows.elements()]

    def _upsert(self, readings: Sequence[Reading]) -> None:
        newest = {row["id"]: row for row in self._rows}
        for row in (row for reading in readings for row in reading.rows):
            there = newest.get(row["id"])
            if there is None or _age(there) <= _age(row):
                newest[row["id"]] = row | {"_dwh_deleted": False} if self._flags else row
        self._rows = list(newest.values())

    def _replace_days(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            day, read_at = reading.manifest.day, reading.manifest.snapshot_at
            if self._read.get(day, LONG_AGO) <= read_at:
                self._read[day] = read_at
                self._rows = [row for row in self._rows if row["_dwh_day"] != day] + list(reading.rows)

    def _replace_all(self, readings: Sequence[Reading]) -> None:
        latest = max(readings, key=lambda r: (r.manifest.snapshot_at, r.manifest.day))
        if max(self._read.values(), default=LONG_AGO) <= latest.manifest.snapshot_at:
            self._read[latest.manifest.day] = latest.manifest.snapshot_at
            self._rows = list(latest.rows)


def _age(row: Row) -> tuple[datetime, date]:
    return row["_dwh_loaded_at"], row["_dwh_day"]
