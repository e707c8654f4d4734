"""Whether the days of a table meet: which values of its cursor lie in no day that was read, and which in two.

Days are cut by the catalog's `timezone` and `start_date`, and a wall clock is read by `cursor_timezone`. Where one of
them was changed after some days were read, the windows of two neighbours may have a gap between them or overlap. In a
table whose rows are upserted by a key an overlap is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from aurora_dwh.core.models import Manifest
from aurora_dwh.core.rules import CUTS, Rules
from aurora_dwh.core.schema import fold
from aurora_dwh.source.windows import bounds

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog, Table

Span = tuple[date | None, date]
"""The half-open range of the cursor's values in a day; its start is None where the day holds all history."""


def seams(rules: Mapping[date, Rules]) -> list[tuple[date, date]]:
    """Return the days that follow one another in a table and were cut by different rules."""
    return [(one, other) for one, other in pairwise(sorted(rules)) if rules[one].differences(rules[other], CUTS)]


def mismatches(table: Table, catalog: Catalog, days: Iterable[Manifest]) -> Iterator[str]:
    """Yield, in sentences, what lies in none of the days or in two of them, of each two that follow one another.

    Args:
        table: The table as in the catalog; of one in mode full each day is a whole copy, so that there is nothing.
        catalog: The catalog, whose zone a day has that an older version read.
        days: The days as they lie in the lake.
    """
    if table.mode == "full":
        return
    for one, other in pairwise(sorted(days, key=lambda manifest: manifest.day)):
        yield from _mismatch(table, one, other, *(_span(table, catalog, manifest) for manifest in (one, other)))


def _mismatch(table: Table, one: Manifest, other: Manifest, before: Span, after: Span) -> Iterator[str]:
    end, start = before[1], after[0]
    column = one.schema.column(table.cursor or "")
    cursor = f"{column.name!r}{' (UTC)' if column.data_type == 'timestamp' else ''}"
    if start is not None and end < start and other.day - one.day == timedelta(days=1):
        yield f"no day has the rows whose {cursor} is from {end} up to {start}, between {one.day} and {other.day}"
    if table.mode == "append" and (start is None or start < end):
        since = "" if start is None else f"from {start} "
        yield f"{one.day}, or a day before it, and {other.day} both have the rows whose {cursor} is {since}up to {end}"


def _span(table: Table, catalog: Catalog, day: Manifest) -> Span:
    zone = day.rules.cursor_timezone if day.rules else table.cursor_timezone
    window = day.window
    if window.is_open:
        window = replace(window, end=max(window.end, day.snapshot_at))
    return bounds(
        day.schema.column(fold(table.cursor or "")),
        window,
        table=table.name,
        cursor_zone=ZoneInfo(zone) if zone else catalog.zone,
        once=table.mode == "append",
    )


def told(found: Sequence[str]) -> str:
    """Return sentences of `mismatches` as one, of many the first ones."""
    left = len(found) - _SHOWN
    return "; ".join(found[:_SHOWN]) + (f"; and {left} more" if left > 0 else "")


_SHOWN = 3
