"""Days as ranges, and how they are told in a message: not too many of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

SHOWN_RANGES = 5


def listed(days: Iterable[date]) -> str:
    """Return days as text, such as `2024-01-01...2024-01-05, 2024-01-09`; of many ranges the first are named."""
    found = ranges(days)
    shown = ", ".join(map(ends, found[:SHOWN_RANGES]))
    left = len(found) - SHOWN_RANGES
    return shown if left <= 0 else f"{shown} and {left} more"


def ends(items: Sequence[object]) -> str:
    """Return what follows one another as `A...B`, one alone as `A`; nothing is empty."""
    return "...".join(map(str, dict.fromkeys((*items[:1], *items[-1:]))))


def ranges(days: Iterable[date]) -> list[list[date]]:
    """Return days in order, those together that follow one another."""
    found: list[list[date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return found


def between(first: date, last: date) -> list[date]:
    """Return the days from a first to a last one, both among them."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def span(first: str, last: str) -> list[str]:
    """Return the days from a first to a last one, as ISO dates."""
    return [day.isoformat() for day in between(date.fromisoformat(first), date.fromisoformat(last))]


def counted(days: Iterable[date]) -> str:
    """Return how many days there are and which, such as `2 days (2024-01-01...2024-01-02)`."""
    known = set(days)
    return f"{len(known)} day{'s' if len(known) != 1 else ''} ({listed(known)})"
