"""The small values that pass between source, lake and warehouse."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from aurora_dwh.handoff import Manifest, Part, Window, utc_now
from aurora_dwh.schema import Column, TableSchema

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
    manifest = Manifest("t", "s3://b/m", "a", schema, window, END, parts, {})
    assert (manifest.day, manifest.rows, manifest.size) == (date(2024, 1, 5), 7, 30)


def test_the_clock_is_aware_and_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)
