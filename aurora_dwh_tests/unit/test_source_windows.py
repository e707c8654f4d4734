"""Days as windows of time: where they begin and end, and that no row falls between two of them."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_dwh.core.models import DataError, Window
from aurora_dwh.core.schema import Column
from aurora_dwh.source.windows import condition, window

UTC = timezone.utc
START = date(2024, 1, 1)
MICROSECOND = timedelta(microseconds=1)

ZONES = [
    "UTC", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "America/Chicago", "America/St_Johns", "Europe/Berlin",
    "Europe/London", "Australia/Lord_Howe", "Pacific/Chatham", "America/Sao_Paulo", "America/Havana", "Asia/Beirut",
    "Africa/Cairo", "Atlantic/Azores", "America/Santiago", "Pacific/Apia", "Asia/Tehran", "Antarctica/Troll",
]  # fmt: skip
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2000, 1, 1), date(2037, 12, 1))
lookbacks = st.timedeltas(timedelta(0), timedelta(days=3))


def column(data_type: str, name: str = "update_date") -> Column:
    return Column(name, data_type, f"{data_type}(6)" if data_type != "date" else "date")


def text_of(
    kind: str, day: date, zone: str, *, cursor_zone: str | None = None, lookback: timedelta = timedelta(0)
) -> str:
    of = window(day, zone=ZoneInfo(zone), start_date=START, lookback=lookback)
    return condition(column(kind), of, table="orders", cursor_zone=ZoneInfo(cursor_zone or zone))


# A brute-force reading of a condition's text, so that the tests see what MySQL sees.


def bounds(text: str, kind: str) -> tuple[datetime | None, datetime]:
    quoted = text.split("'")[1::2]
    parsed = [
        datetime.combine(date.fromisoformat(q), time()) if kind == "date" else datetime.fromisoformat(q) for q in quoted
    ]
    return (None, parsed[0]) if len(parsed) == 1 else (parsed[0], parsed[1])


def selects(of: Window, kind: str, stored: datetime, cursor_zone: ZoneInfo) -> bool:
    start, end = bounds(condition(column(kind), of, table="t", cursor_zone=cursor_zone), kind)
    return (start is None or stored >= start) and stored < end


def stored_in(kind: str, instant: datetime, cursor_zone: ZoneInfo) -> datetime:
    """Return what an application that wrote a row at an instant has put into its cursor."""
    if kind == "timestamp":
        return instant.astimezone(UTC).replace(tzinfo=None)
    shown = instant.astimezone(cursor_zone).replace(tzinfo=None)
    return shown if kind == "datetime" else datetime.combine(shown.date(), time())


@given(day=days, zone=zones, lookback=lookbacks)
def test_days_follow_one_another_without_a_gap(day: date, zone: ZoneInfo, lookback: timedelta) -> None:
    first, second = (
        window(d, zone=zone, start_date=date(1999, 1, 1), lookback=lookback) for d in (day, day + timedelta(days=1))
    )

    assert second.start is not None
    assert second.start + lookback == first.end


@given(
    kind=st.sampled_from(["timestamp", "datetime", "date"]),
    day=days,
    zone=zones,
    cursor_zone=zones,
    lookback=lookbacks,
    offset=st.one_of(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([0.0, 1 / 24, 2 / 24, 3 / 24, 23 / 24, 1 - 1e-11]),
    ),
)
def test_a11_a13_a_row_lies_in_the_window_of_the_day_on_which_it_was_written(
    kind: str, day: date, zone: ZoneInfo, cursor_zone: ZoneInfo, lookback: timedelta, offset: float
) -> None:
    of = window(day, zone=zone, start_date=date(1999, 1, 1), lookback=lookback)
    assert of.start is not None
    start = of.start + lookback
    written = start + (of.end - start) * offset
    if written >= of.end:  # a day that the zone skipped has no instants
        return

    assert selects(of, kind, stored_in(kind, written, cursor_zone), cursor_zone)


@given(
    kind=st.sampled_from(["datetime", "date"]),
    clock=st.datetimes(datetime(2000, 1, 2), datetime(2037, 12, 1)),
    zone=zones,
    cursor_zone=zones,
)
def test_any_wall_clock_lies_in_some_window_be_it_one_that_no_clock_showed(
    kind: str, clock: datetime, zone: ZoneInfo, cursor_zone: ZoneInfo
) -> None:
    stored = clock if kind == "datetime" else datetime.combine(clock.date(), time())
    near = [clock.date() + timedelta(days=n) for n in range(-2, 3)]
    windows = [window(day, zone=zone, start_date=date(1999, 1, 1)) for day in near]

    assert any(selects(of, kind, stored, cursor_zone) for of in windows)


@pytest.mark.parametrize("zone", ["America/Chicago", "America/Havana", "Australia/Lord_Howe"])
@pytest.mark.parametrize("cursor_zone", ["America/Havana", "Atlantic/Azores"])
def test_every_half_hour_of_a_year_is_in_its_day(zone: str, cursor_zone: str) -> None:
    catalog, cursor, half = ZoneInfo(zone), ZoneInfo(cursor_zone), timedelta(minutes=30)
    for day in (date(2024, 1, 2) + timedelta(days=n) for n in range(366)):
        of = window(day, zone=catalog, start_date=START)
        assert of.start is not None
        start, end = bounds(condition(column("datetime"), of, table="t", cursor_zone=cursor), "datetime")
        assert start is not None
        for n in range((of.end - of.start) // half):
            earliest = stored_in("datetime", of.start + n * half, cursor)
            latest = stored_in("datetime", of.start + (n + 1) * half - MICROSECOND, cursor)
            assert start <= earliest < end, (day, n)
            assert start <= latest < end, (day, n)


@pytest.mark.parametrize(("day", "hours"), [(date(2024, 3, 10), 23), (date(2024, 11, 3), 25), (date(2024, 7, 1), 24)])
def test_a11_a_day_has_23_or_25_hours_where_clocks_change(day: date, hours: int) -> None:
    of = window(day, zone=ZoneInfo("America/Chicago"), start_date=START)

    assert of.start is not None
    assert of.end - of.start == timedelta(hours=hours)


def test_a_day_that_the_zone_skipped_is_empty() -> None:
    of = window(date(2011, 12, 30), zone=ZoneInfo("Pacific/Apia"), start_date=date(2011, 1, 1))

    assert of.start == of.end == datetime(2011, 12, 30, 10, tzinfo=UTC)


def test_timestamps_compare_as_instants_in_utc() -> None:
    assert text_of("timestamp", date(2024, 1, 5), "Asia/Tokyo") == (
        "`update_date` >= '2024-01-04 15:00:00' AND `update_date` < '2024-01-05 15:00:00'"
    )


def test_datetimes_compare_as_wall_clock() -> None:
    assert text_of("datetime", date(2024, 1, 5), "Asia/Tokyo") == (
        "`update_date` >= '2024-01-05 00:00:00' AND `update_date` < '2024-01-06 00:00:00'"
    )
    assert text_of("datetime", date(2024, 1, 5), "Asia/Tokyo", cursor_zone="UTC") == (
        "`update_date` >= '2024-01-04 15:00:00' AND `update_date` < '2024-01-05 15:00:00'"
    )


def test_dates_compare_by_every_day_that_the_window_touches() -> None:
    assert text_of("date", date(2024, 1, 5), "Asia/Tokyo") == (
        "`update_date` >= '2024-01-05' AND `update_date` < '2024-01-06'"
    )
    assert text_of("date", date(2024, 1, 5), "Asia/Tokyo", cursor_zone="UTC") == (
        "`update_date` >= '2024-01-04' AND `update_date` < '2024-01-06'"
    )


def test_a12_the_lookback_moves_the_lower_bound_only() -> None:
    assert text_of("datetime", date(2024, 1, 5), "UTC", lookback=timedelta(minutes=90, microseconds=1)) == (
        "`update_date` >= '2024-01-04 22:29:59.999999' AND `update_date` < '2024-01-06 00:00:00'"
    )


def test_a14_the_first_window_takes_all_history_and_rows_without_a_cursor() -> None:
    assert text_of("datetime", START, "UTC", lookback=timedelta(hours=1)) == (
        "`update_date` < '2024-01-02 00:00:00' OR `update_date` IS NULL"
    )


def test_a_wall_clock_that_is_shown_twice_is_read_in_full() -> None:
    """In Havana clocks went from 01:00 back to 00:00 on 2024-11-03, so midnight came twice."""
    assert text_of("datetime", date(2024, 11, 3), "America/Havana") == (
        "`update_date` >= '2024-11-02 23:00:00' AND `update_date` < '2024-11-04 00:00:00'"
    )


@pytest.mark.parametrize("kind", ["int", "bigint", "varchar", "time", "year"])
def test_a_cursor_that_tells_no_time_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match=r"table orders: the cursor 'update_date'"):
        text_of(kind, date(2024, 1, 5), "UTC")


def test_a_day_before_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="first day"):
        window(date(2023, 12, 31), zone=UTC, start_date=START)


def test_a_negative_lookback_is_refused() -> None:
    with pytest.raises(ValueError, match="gap"):
        window(date(2024, 1, 5), zone=UTC, start_date=START, lookback=timedelta(seconds=-1))
