"""Time as the source's application lives through it: a few days of a calendar, and an instant that only moves on.

Written without the product's windows, which it is to check: a day is what lies between two midnights of a zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Calendar:
    """The days of an example, of which the last one never comes: a wall clock of another zone may show it already.

    Attributes:
        zone: The catalog's zone.
        cursor_zone: The zone of a DATETIME cursor's wall clock.
        first: The first day.
        count: How many days there are.
    """

    zone: str
    cursor_zone: str
    first: date
    count: int = 7

    @property
    def days(self) -> list[date]:
        """All days, in order."""
        return [self.first + timedelta(days=n) for n in range(self.count)]

    def start(self, day: date) -> datetime:
        """Return the instant at which a day begins."""
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(timezone.utc)

    def end(self, day: date) -> datetime:
        """Return the instant at which a day ends."""
        return self.start(day + DAY)

    def day_of(self, instant: datetime) -> date:
        """Return the day in which an instant lies; all that was before the first day is the first one's."""
        return max(instant.astimezone(ZoneInfo(self.zone)).date(), self.first)

    def shown(self, instant: datetime) -> datetime:
        """Return what the cursor's wall clock shows at an instant."""
        return instant.astimezone(ZoneInfo(self.cursor_zone)).replace(tzinfo=None, fold=0)

    def days_showing(self, shown: datetime) -> set[date]:
        """Return the days in which the cursor's wall clock shows a time: two, where it is shown across midnight."""
        both = (shown.replace(tzinfo=ZoneInfo(self.cursor_zone), fold=fold) for fold in (0, 1))
        return {self.day_of(instant.astimezone(timezone.utc)) for instant in both}


CALENDARS = (
    Calendar("Asia/Tokyo", "Asia/Tokyo", date(2024, 1, 1)),
    Calendar("America/Chicago", "America/Chicago", date(2024, 3, 9)),  # the second day has 23 hours
    Calendar("America/Chicago", "America/Chicago", date(2024, 11, 2)),  # the second day has 25 hours
    Calendar("America/Havana", "America/Havana", date(2024, 11, 2)),  # the second day has two midnights
    Calendar("America/Phoenix", "America/Chicago", date(2024, 11, 2)),  # the cursor's clock is set back at midnight
)


class Clock:
    """The present instant of an example.

    Attributes:
        calendar: The days.
        now: The instant.
    """

    MOVES = ("an instant", "20 minutes", "an hour", "to the day's last instant", "to midnight", "to 01:00")

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.now = calendar.start(calendar.first) + timedelta(hours=9)

    @property
    def today(self) -> date:
        """The day that it is."""
        return self.calendar.day_of(self.now)

    def move(self, how: str) -> None:
        """Move on, but never into the last day."""
        end = self.calendar.end(self.today)
        self.now = {
            "an instant": self.now + INSTANT,
            "20 minutes": self.now + timedelta(minutes=20),
            "an hour": self.now + timedelta(hours=1),
            "to the day's last instant": end - INSTANT,
            "to midnight": end,
            "to 01:00": end + timedelta(hours=1),
        }[how]
        self.now = min(self.now, self.calendar.start(self.calendar.days[-1]) - INSTANT)
