"""How many days are told in a message: those that follow one another as a range, and not too many ranges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

SHOWN_RANGES = 5


def listed(days: Iterable[date]) -> str:
    """Return days as text, such as `2024-01-01...2024-01-05, 2024-01-09`; of many ranges the first are named."""
    ranges: list[list[date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][-1] == timedelta(days=1):
            ranges[-1][1:] = [day]
        else:
            ranges.append([day])
    shown = ", ".join("...".join(str(day) for day in one) for one in ranges[:SHOWN_RANGES])
    left = len(ranges) - SHOWN_RANGES
    return shown if left <= 0 else f"{shown} and {left} more"


def counted(days: Iterable[date]) -> str:
    """Return how many days there are and which, such as `2 days (2024-01-01...2024-01-02)`."""
    known = set(days)
    return f"{len(known)} day{'s' if len(known) != 1 else ''} ({listed(known)})"
