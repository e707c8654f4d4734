"""What a day is: its window of time, and the condition that selects its rows.

Pure functions. A day runs from midnight to midnight in the catalog's zone, so it has 23 or 25 hours where clocks
change. The rule behind every condition: each row lies in the window of at least one day. Windows of neighbouring days
may overlap where rows have a key, as loading such a row twice does no harm, but there is never a gap between them.

A row whose cursor moves on each night, between midnight and the load, would lie in no day that is loaded. So where rows
have a key the newest day that is due is read with an open end: such a row is one night late, whatever it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, TypedDict

from aurora_dwh.core.models import DataError, Window, wall_clock
from aurora_dwh.core.schema import Column
from aurora_dwh.source.quoting import identifier, literal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

_DAY = timedelta(days=1)


class CursorRules(TypedDict):
    """What a table says of its cursor: its name, the zone of the cursor's wall clock, and whether no row may repeat."""

    table: str
    cursor_zone: tzinfo
    once: bool


def window(day: date, *, zone: tzinfo, start_date: date, lookback: timedelta = timedelta(0)) -> Window:
    """Return the window of a day.

    Args:
        start_date: The first day, whose window has no lower bound.
        lookback: How much earlier the window starts, to catch rows that were committed late.

    Raises:
        ValueError: The day lies before `start_date`, or `lookback` is negative.
    """
    if day < start_date:
        raise ValueError(f"{day} lies before the first day, {start_date}")
    if lookback < timedelta(0):
        raise ValueError(f"a lookback of {lookback} would leave a gap between days")
    start = None if day == start_date else _midnight(day, zone) - lookback
    return Window(day=day, start=start, end=_midnight(day + _DAY, zone))


def days_reached(day: date, *, zone: tzinfo, start_date: date, lookback: timedelta) -> list[date]:
    """Return the days before a day that a lookback reaches into, in order; arguments are those of `window`."""
    earliest = (_midnight(day, zone) - lookback).astimezone(zone).date()
    first = max(earliest, start_date)
    return [first + n * _DAY for n in range((day - first).days)]


def newest_due(table: Table, today: date) -> date:
    """Return the last day of a table that its schedule has to load: yesterday, or the last day of the month before."""
    day = today - _DAY
    if table.schedule == "monthly" and today.day != 1:
        return today.replace(day=1) - _DAY
    return day


def opened(windows: Sequence[Window], table: Table, *, read_at: datetime, zone: tzinfo) -> list[Window]:
    """Return days as they are read at a moment: with an open end the last of them, if no later one is due by then.

    A row of mode append must not be in two days, and in mode full no cursor is looked at: there no day is open.

    Args:
        windows: The days of one reading, in order.
    """
    *earlier, last = windows
    is_newest = last.day >= newest_due(table, read_at.astimezone(zone).date())
    return [*earlier, replace(last, is_open=is_newest and table.mode == "incremental")]


def as_read(window: Window, table: Table, *, read_at: datetime, zone: tzinfo) -> Window:
    """Return what of the source a day's reading at a moment brought: an open end, or one to come, was that moment.

    It is a whole second, as a cursor may hold no fraction. The arguments are those of `opened`.
    """
    (found,) = opened([window], table, read_at=read_at, zone=zone)
    if found.is_open or read_at < found.end:
        return replace(found, end=read_at.replace(microsecond=0), is_open=False)
    return found


def awaited(window: Window, *, today: date | None, zone: tzinfo) -> datetime:
    """Return the moment that the source's data must have reached before a day is read: its end.

    Args:
        today: The running day, which is read as far as it is, once it has begun; None where a day is awaited.
    """
    return _midnight(window.day, zone) if window.day == today else window.end


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Return the instant at which a day begins; where clocks skip midnight, the instant of the change."""
    return datetime.combine(day, time.min, zone).astimezone(timezone.utc)


def condition(
    column: Column,
    window: Window,
    *,
    table: str,
    cursor_zone: tzinfo,
    once: bool = False,
    named: Callable[[Column], str] = lambda column: identifier(column.name),
) -> str:
    """Return the SQL condition that selects a window's rows: half-open, and a plain range that an index serves.

    The session's zone must be UTC. The first window also takes the rows whose cursor is NULL, an open one all behind.

    Args:
        cursor_zone: The zone of a DATETIME or DATE cursor's wall clock.
        once: Whether no row may lie in two days, as in mode append. What a clock shows twice, and a date that two days
            share, then belongs to the earlier day or to the day in which the date ends.
        named: Names the column in SQL; another than MySQL's asks the same of the warehouse's copy.

    Raises:
        DataError: The column's type cannot tell when a row was written.
    """
    start, end = bounds(column, window, table=table, cursor_zone=cursor_zone, once=once)
    name = named(column)
    if window.is_open:
        return "TRUE" if start is None else f"{name} >= {literal(start)}"
    if start is None:
        return f"{name} < {literal(end)} OR {name} IS NULL"
    return f"{name} >= {literal(start)} AND {name} < {literal(end)}"


def bounds(
    column: Column, window: Window, *, table: str, cursor_zone: tzinfo, once: bool = False
) -> tuple[date | None, date]:
    """Return the half-open range of the cursor's values in a window, as the column shows them in a session in UTC.

    Args and errors are those of `condition`. The start is None in the first window; the end is the day's, though rows
    behind it belong to an open window too.
    """
    require_moment(column, table)
    return (_BOUNDS_ONCE if once else _BOUNDS)[column.data_type](window, cursor_zone)


def require_moment(column: Column, table: str) -> None:
    """Refuse a cursor that cannot tell when a row was written.

    Raises:
        DataError: It is of another type than TIMESTAMP, DATETIME or DATE.
    """
    if column.data_type not in _BOUNDS:
        raise DataError(
            f"table {table}: the cursor {column.name!r} is of type {column.column_type}, and only TIMESTAMP, DATETIME "
            "and DATE say when a row was written; set another `cursor`, or `mode: full`"
        )


def _instants(window: Window, _: tzinfo) -> tuple[date | None, date]:
    """A TIMESTAMP is an instant, which a session in UTC shows and compares in UTC."""
    return window.start and wall_clock(window.start), wall_clock(window.end)


def _wall_clock(window: Window, zone: tzinfo) -> tuple[datetime | None, datetime]:
    """A DATETIME is what a clock on a wall showed."""
    return window.start and _earliest_shown(window.start, zone), _latest_shown(window.end, zone)


def _days(window: Window, zone: tzinfo) -> tuple[date | None, date]:
    """A DATE has no time to cut at, so every day of the calendar that the window touches is read whole."""
    start, end = _wall_clock(window, zone)
    whole = end.date() if end.time() == time.min else end.date() + _DAY
    return start and start.date(), whole


def _wall_clock_once(window: Window, zone: tzinfo) -> tuple[datetime | None, datetime]:
    return window.start and _latest_shown(window.start, zone), _latest_shown(window.end, zone)


def _days_once(window: Window, zone: tzinfo) -> tuple[date | None, date]:
    """A date has ended when the window does, so nothing is added to it after it was read."""
    start, end = _wall_clock_once(window, zone)
    return start and start.date(), end.date()


_BOUNDS = {"timestamp": _instants, "datetime": _wall_clock, "date": _days}
_BOUNDS_ONCE = {"timestamp": _instants, "datetime": _wall_clock_once, "date": _days_once}


def _earliest_shown(instant: datetime, zone: tzinfo) -> datetime:
    """Return a time that the wall clock shows at the instant, and never an earlier one after it."""
    shown = instant.astimezone(zone)
    # Shown for the first time of two: clocks are about to be set back, at the most by the repeated span.
    return shown.replace(tzinfo=None) - (timedelta(0) if shown.fold else _repeated(shown))


def _latest_shown(instant: datetime, zone: tzinfo) -> datetime:
    """Return a time that the wall clock shows at the instant, and reached or passed at no time before it."""
    shown = instant.astimezone(zone)
    # Shown for the second time: before clocks were set back they had shown up to the repeated span more.
    return shown.replace(tzinfo=None, fold=0) + (_repeated(shown) if shown.fold else timedelta(0))


def _repeated(shown: datetime) -> timedelta:
    """Return by how much clocks are set back where a wall clock's time is shown twice, zero elsewhere."""
    first, second = shown.replace(fold=0).utcoffset(), shown.replace(fold=1).utcoffset()
    if first is None or second is None:
        raise ValueError(f"{shown} has no zone")
    return max(first - second, timedelta(0))
