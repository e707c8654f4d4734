"""The pace of a proof on the source: how long statements may take, what they took, and when to wait between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from aurora_dwh.core.models import GaveWay
from aurora_dwh.source.connection import Connection
from aurora_dwh.source.throttle import Throttle

PIECE_SECONDS = 0.25
"""How long a statement is to take; the rows of a piece follow from how long the one before took."""

FIRST_ROWS, FEWEST_ROWS, MOST_ROWS = 10_000, 100, 500_000
"""Rows of the first piece, and the bounds of all others."""


@dataclass
class Pace:
    """How a table is gone through in pieces, each a statement of its own."""

    connection: Connection
    throttle: Throttle
    named: str  # the proof, as messages name it
    ceiling: int | None = None  # the most rows of a second; None for no ceiling
    rows: int = field(init=False, default=0)  # rows that statements read so far
    statements: int = field(init=False, default=0)  # SELECTs that read them
    reading: float = field(init=False, default=0.0)  # seconds that they took together
    longest: float = field(init=False, default=0.0)  # seconds that the longest of them took

    @property
    def first(self) -> int:
        """How many rows the first piece has."""
        return self._allowed(FIRST_ROWS)

    def next(self, rows: int, seconds: float) -> int:
        """Return how many rows the next piece has, behind one of so many rows that took so long."""
        return self._allowed(min(2 * rows, int(rows * PIECE_SECONDS / max(seconds, 0.001))))

    def _allowed(self, rows: int) -> int:
        """Return the rows of a piece: under a ceiling no more than those of a second."""
        return max(1, min(max(rows, FEWEST_ROWS), MOST_ROWS, self.ceiling or MOST_ROWS))

    def note(self, rows: int, seconds: float) -> None:
        """Take note of a statement that has ended."""
        self.rows += rows
        self.statements += 1
        self.reading += seconds
        self.longest = max(self.longest, seconds)

    def rest(self) -> Iterator[None]:
        """Wait between two statements, for as long as the source is busy: no snapshot is held.

        Yields:
            Nothing, now and then, so that whoever reads can stop.

        Raises:
            SourceError: The source was too busy for as long as the catalog lets a pause last.
        """
        try:
            yield from self.throttle.rest(is_between_selects=True)
        except GaveWay:
            self.throttle.pause(self.named)
