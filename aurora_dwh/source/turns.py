"""What is left of a reading that gave way, and how often it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from aurora_dwh.core import retries
from aurora_dwh.core.models import GaveWay, Window
from aurora_dwh.source.connection import Connection, SourceError
from aurora_dwh.source.throttle import Throttle

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

Known = Sequence[tuple[Window, int]]
"""Days and how many rows they had when they were last read."""


@dataclass(frozen=True)
class Turn:
    """What is left to be read of a table, on one session."""

    connection: Connection  # the session
    table: Table  # the table
    windows: Sequence[Window]  # the days that were asked for
    again: Known  # days before them which come where they have another number of rows now
    throttle: Throttle  # spares the source
    done: set[date]  # the days of both that need not be read any more; the reading adds to them

    @property
    def days(self) -> list[Window]:
        """What is left, in order."""
        every = [*(window for window, _ in self.again), *self.windows]
        return [window for window in every if window.day not in self.done]

    @property
    def known(self) -> Mapping[date, int]:
        """Of the days that may stand, how many rows they had."""
        return {window.day: rows for window, rows in self.again}


class Tries:
    """Counts how often in a row a reading gave way without a day that stands."""

    def __init__(self) -> None:
        self._count = self._done = 0

    def count(self, error: GaveWay, named: str, done: int) -> None:
        """Count one.

        Args:
            named: The table and day, as messages name them.

        Raises:
            SourceError: It was one too many.
        """
        self._count, self._done = self._count + 1 if done == self._done else 1, done
        if self._count >= retries.READING.attempts:
            raise SourceError(
                f"{named}: reading gave way {self._count - 1} times and would have to again: {error}; nothing of the "
                "day is kept. Load it when nobody needs the table alone and the source is less busy"
            ) from error
