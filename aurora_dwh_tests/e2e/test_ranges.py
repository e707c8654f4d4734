"""A range of days as one run: the rows of its days one by one, figures for each, and what is finished stays."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
import pytest

from aurora_dwh_tests.e2e.world import World, chain, days

CATALOG = "event: {key: id, cursor: changed_at, zero_dates: fail}"
TABLE = (
    "CREATE TABLE event (id INT PRIMARY KEY, changed_at DATETIME(6) NOT NULL, due DATE NULL, note VARCHAR(40), "
    "KEY (changed_at))"
)


@pytest.fixture
def events(world: World) -> World:
    """Five days with 2, 3, 0, 1 and 4 events."""
    world.catalog(CATALOG)
    rows = [(day, n) for day, count in enumerate((2, 3, 0, 1, 4), 1) for n in range(count)]
    values = ", ".join(
        f"({number}, '2024-01-{day:02} 0{n}:30:00', '2024-02-0{day}', 'note {number}')"
        for number, (day, n) in enumerate(rows, 1)
    )
    world.at_source(TABLE, f"INSERT INTO event VALUES {values}")
    return world


def test_a_range_in_one_run_ends_in_the_same_rows_as_its_days_one_by_one(events: World) -> None:
    with_days = "SELECT id, changed_at, due, note, _dwh_day FROM staging.event ORDER BY id"
    events.load("2024-01-01", "event", last="2024-01-05")
    events.assert_equal("event")
    as_range = events.ask_warehouse(with_days)

    events.ask_warehouse("DROP TABLE staging.event")
    events.ask_warehouse("DROP TABLE dwh.load_history")
    for day in days(1, 5):
        events.load(day, "event")
    for asset in ("lake/event", "staging/event"):
        assert [_rows(events, asset, day) for day in days(1, 5)] == [2, 3, 0, 1, 4], asset
    assert events.ask_warehouse(with_days) == as_range


def test_each_day_of_a_range_has_its_own_rows_in_its_metadata(events: World) -> None:
    run = events.load("2024-01-01", "event", last="2024-01-05")
    logs = events.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    staged = [log.partition_key for log in logs if log.asset_key == dg.AssetKey(["staging", "event"])]
    assert sorted(map(str, staged)) == days(1, 5)  # one record for each, as the run came to its end
    for asset in ("lake/event", "staging/event"):
        assert events.materialized_days(asset) == set(days(1, 5))
        counts = [_rows(events, asset, day) for day in days(1, 5)]
        assert counts == [2, 3, 0, 1, 4], asset
    history = events.ask_warehouse("SELECT rows_in_manifest FROM dwh.load_history ORDER BY day")
    assert [rows for (rows,) in history] == [2, 3, 0, 1, 4]


def _rows(world: World, asset: str, day: str) -> Any:
    return world.day_metadata(asset, day)["dagster/partition_row_count"]


def test_a_range_that_fails_on_a_later_day_keeps_the_days_before_it(events: World) -> None:
    with events.source() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("INSERT INTO event VALUES (99, '2024-01-04 12:00:00', '0000-00-00', 'no day at all')")
    run = events.run("2024-01-01", "2024-01-05", chain("event"))
    assert not run.success
    assert "lake/event" in run.failure
    assert "2024-01-04" in run.failure
    assert "due" in run.failure
    assert "\n" not in run.failure.strip()
    assert events.materialized_days("lake/event") == set(days(1, 3))
    assert events.materialized_days("staging/event") == set()

    events.at_source("UPDATE event SET due = NULL WHERE id = 99")
    events.load("2024-01-01", "event", last="2024-01-05")
    events.assert_equal("event")
    assert events.materialized_days("staging/event") == set(days(1, 5))


def test_a25_a_range_of_a_whole_table_reads_it_once_and_gives_each_day(world: World) -> None:
    world.catalog("country: {mode: full}")
    world.at_source("CREATE TABLE country (code CHAR(2) PRIMARY KEY)", "INSERT INTO country VALUES ('at'), ('jp')")
    run = world.load("2024-01-01", "country", last="2024-01-05")
    assert run.success
    world.assert_equal("country")
    for asset in ("lake/country", "staging/country"):
        assert world.materialized_days(asset) == set(days(1, 5))
    assert [_rows(world, "lake/country", day) for day in days(1, 5)] == [2] * 5

    world.at_source("INSERT INTO country VALUES ('mt')")
    world.load("2024-01-06", "country")
    world.run("2024-01-02", assets=[dg.AssetKey(["staging", "country"])])
    world.assert_equal("country")
    world.ask_warehouse("DROP TABLE staging.country")
    world.run("2024-01-02", assets=[dg.AssetKey(["staging", "country"])])
    assert world.ask_warehouse("SELECT code, _dwh_day FROM staging.country ORDER BY 1") == [
        ("at", date(2024, 1, 2)),
        ("jp", date(2024, 1, 2)),
    ]
