"""The small values that pass between source, lake and warehouse."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from aurora_dwh.core.models import Extract, Manifest, Part, Window, utc_now
from aurora_dwh.core.schema import Column, TableSchema

END = datetime(2024, 1, 5, 15, tzinfo=timezone.utc)


@pytest.mark.parametrize("start", [None, END - timedelta(days=1, hours=1), END - timedelta(microseconds=1)])
def test_a_window_comes_back_from_json_as_it_was(start: datetime | None) -> None:
    window = Window(date(2024, 1, 5), start, END)
    assert Window.from_json(window.to_json()) == window
    assert Window.from_json(window.to_json()).end.tzinfo == timezone.utc


def test_only_a_window_without_a_start_is_the_first() -> None:
    assert Window(date(2024, 1, 5), None, END).is_first
    assert not Window(date(2024, 1, 5), END - timedelta(days=1), END).is_first


def test_a_manifest_sums_up_its_parts() -> None:
    schema = TableSchema("shop", "t", (Column("id", "int", "int"),))
    window = Window(date(2024, 1, 5), None, END)
    parts = (Part("s3://b/0", 10, 3), Part("s3://b/1", 20, 4))
    manifest = Manifest(
        "t", "s3://b/m", "a", schema, window, END, 7, parts, {"a": {"nul_bytes": 2, "cut": 1}, "b": {"zero_date": 4}}
    )
    assert (manifest.day, manifest.rows, manifest.size) == (date(2024, 1, 5), 7, 30)
    assert manifest.converted_values == 7


def test_the_clock_is_aware_and_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)


def extract(*batches: list[Any], cursor: str | None = "at", zone: tzinfo = timezone.utc) -> Extract:
    schema = TableSchema("shop", "t", (Column("at", "datetime", "datetime"),))
    read = (pa.RecordBatch.from_pydict({"at": values}) for values in batches)
    return Extract(schema, Window(date(2024, 1, 5), None, END), END, read, cursor=cursor, cursor_zone=zone)


def clock(hour: int) -> datetime:
    return datetime(2024, 1, 5, hour)  # noqa: DTZ001 - a wall clock


def test_an_extract_counts_its_rows_and_knows_their_newest_cursor_as_they_are_read() -> None:
    read = extract([clock(3), None], [], [clock(9), clock(5)], [clock(4)], zone=ZoneInfo("Asia/Tokyo"))
    assert (read.rows_read, read.newest_at) == (0, None)
    assert next(read.batches).num_rows == 2
    assert (read.rows_read, read.newest_at) == (2, datetime(2024, 1, 4, 18, tzinfo=timezone.utc))
    assert sum(batch.num_rows for batch in read.batches) == 3
    assert (read.rows_read, read.newest_at) == (5, datetime(2024, 1, 5, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("values", "cursor", "newest"),
    [
        ([clock(1)], None, None),
        ([None, None], "at", None),
        ([date(2024, 1, 5)], "at", datetime(2024, 1, 5, tzinfo=timezone.utc)),
    ],
)
def test_an_extract_without_cursors_has_no_newest(values: list[Any], cursor: str | None, newest: object) -> None:
    read = extract(values, cursor=cursor)
    assert [batch.num_rows for batch in read.batches] == [len(values)]
    assert (read.rows_read, read.newest_at) == (len(values), newest)


def test_a_cursor_at_the_end_of_the_calendar_is_no_failure() -> None:
    last = datetime.max.replace(tzinfo=timezone.utc)
    read = extract([last.replace(tzinfo=None)], zone=ZoneInfo("America/Chicago"))
    list(read.batches)
    assert read.newest_at == last
