"""Days that have just ended, for tests of what only the newest day has: a catalog whose zone has its noon now."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from aurora_dwh_tests.e2e.world import World

DAY = timedelta(days=1)


def noon_zone() -> str:
    """Return a zone in which it is about noon now, so that no day ends while a test runs."""
    ahead = 12 - datetime.now(timezone.utc).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


class Nights:
    """A catalog whose days are the last ones, and a table of its own.

    Attributes:
        world: The servers.
        zone: The catalog's zone.
        today: The day that it is there.
    """

    def __init__(self, world: World) -> None:
        self.world, self.zone = world, noon_zone()
        self.today = datetime.now(ZoneInfo(self.zone)).date()

    def day(self, back: int) -> str:
        """Return the day so many days ago."""
        return (self.today - back * DAY).isoformat()

    def at(self, back: int, clock: str) -> datetime:
        """Return what the wall clock showed so many days ago."""
        return datetime.fromisoformat(f"{self.day(back)} {clock}")

    def stored(self, cursor: str, moment: datetime) -> str:
        """Return what a session in UTC writes into a cursor at a moment of the wall clock."""
        if cursor.startswith("TIMESTAMP"):
            return f"{moment.replace(tzinfo=ZoneInfo(self.zone)).astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}"
        return f"{moment:%Y-%m-%d %H:%M:%S}" if cursor.startswith("DATETIME") else f"{moment:%Y-%m-%d}"

    def catalog(self, tables: str, *, days: int = 10) -> None:
        """Write the catalog, whose first day is so many days ago."""
        self.world.catalog(tables, timezone=self.zone, start_date=self.day(days))

    def table(self, cursor: str, *, indexed: bool = True) -> None:
        """Make the table `event`."""
        index = ", KEY (changed_at)" if indexed else ""
        self.world.at_source(f"CREATE TABLE event (id INT PRIMARY KEY, v INT, changed_at {cursor} NULL{index})")

    def write(self, cursor: str, moments: dict[int, datetime], value: int = 0) -> None:
        """Write rows, each at its moment."""
        rows = (f"({number}, {value}, '{self.stored(cursor, moment)}')" for number, moment in moments.items())
        self.world.at_source(f"REPLACE INTO event VALUES {', '.join(rows)}")

    def rows(self, back: int) -> int:
        """Return how many rows the lake has of a day."""
        return int(self.world.day_metadata("lake/event", self.day(back))["dagster/partition_row_count"])

    def statement(self, back: int) -> str:
        """Return the SELECT that a day was read by, as the UI shows it."""
        return str(self.world.day_metadata("lake/event", self.day(back))["statement"])
