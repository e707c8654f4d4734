"""The source counts what was read of it, in the same snapshot: a reading that lost rows is no day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from aurora_dwh.source import plans, reader
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    numbers,
    server,
    servers_in_turn,
)

MODES = {
    "incremental": "{key: id, cursor: at}",
    "append": "{mode: append, cursor: at}",
    "full": "{mode: full, chunk_rows: 7}",
    "throttled": "{key: id, cursor: at, max_rows_per_second: 1000000, chunk_rows: 7}",
}


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the reader lose the last row of each batch."""
    read = reader.read

    def lossy(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        for batch in read(*arguments, **options):
            yield batch.slice(0, batch.num_rows - 1) if batch.num_rows else batch

    return lambda: monkeypatch.setattr(reader, "read", lossy)


def fill(world: World, *, index: str = ", KEY (at)", engine: str = "InnoDB") -> None:
    """Make the table `event` with ten rows on each of three days."""
    world.at_source(
        f"CREATE TABLE event (id INT PRIMARY KEY, v INT, at DATETIME NOT NULL{index}) ENGINE = {engine}",
        f"INSERT INTO event SELECT seq, seq % 7, '2024-01-01 12:00:00' + INTERVAL seq % 3 DAY FROM {numbers(30)}",
    )


@servers_in_turn("mode", MODES)
def test_c09_a_reading_that_lost_a_row_is_no_day(world: World, losing: Callable[[], None], mode: str) -> None:
    world.catalog(f"event: {MODES[mode]}")
    fill(world)
    losing()
    run = world.run("2024-01-02", assets=chain("event"))
    assert not run.success
    assert "lake/event: day 2024-01-02: table" in run.failure
    assert "rows in the snapshot of which" in run.failure
    assert world.materialized_days("lake/event") == set()


@mariadb_in_soak
def test_c09_a_scan_of_a_range_that_lost_a_row_is_none_of_its_days(world: World, losing: Callable[[], None]) -> None:
    world.catalog("event: {key: id, cursor: at}")
    fill(world, index="")
    losing()
    run = world.run("2024-01-01", "2024-01-03", chain("event"))
    assert "days 2024-01-01...2024-01-03: table" in run.failure
    assert world.materialized_days("lake/event") == set()


def test_c09_a_day_says_how_many_rows_the_source_counted_or_why_it_did_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "FEW_ROWS", 0)
    fill(world)
    world.catalog("event: {key: id, cursor: at}")
    run = world.load("2024-01-02", "event")
    day = world.day_metadata("lake/event", "2024-01-02")
    assert day["rows_counted_by_source"] == 10
    assert run.check("rows").description == (
        "2024-01-02: 10 rows read from the source, which counted as many, in the manifest and copied"
    )

    world.catalog("event: {key: id, cursor: at, filter: v <> 3}")
    run = world.load("2024-01-02", "event")
    day = world.day_metadata("lake/event", "2024-01-02")
    assert "rows_counted_by_source" not in day
    assert day["not_counted_by_source"].startswith("no index holds what is asked for, and about ")
    assert "which did not count them" in str(run.check("rows").description)


@mariadb_in_soak
def test_c09_rows_are_not_counted_by_a_filter_that_another_statement_takes_otherwise(
    world: World, losing: Callable[[], None]
) -> None:
    fill(world)
    losing()
    world.catalog("event: {mode: full, filter: 'at < NOW()'}")
    world.load("2024-01-02", "event")
    day = world.day_metadata("lake/event", "2024-01-02")
    assert day["not_counted_by_source"] == "`filter` asks for NOW, which may have changed since"


@mariadb_in_soak
def test_c09_a_table_without_snapshots_is_not_failed_for_what_was_written_meanwhile(
    world: World, losing: Callable[[], None]
) -> None:
    world.catalog("event: {key: id, cursor: at}")
    fill(world, engine="MyISAM")
    losing()
    world.load("2024-01-02", "event")
    day = world.day_metadata("lake/event", "2024-01-02")
    assert day["not_counted_by_source"] == "engine MyISAM keeps no snapshot of its rows"


@mariadb_in_soak
def test_c09_rows_written_while_a_day_is_read_are_not_counted_either(world: World, monkeypatch: Any) -> None:
    world.catalog("event: {key: id, cursor: at}")
    fill(world)
    read = reader.read

    def busy(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        for batch in read(*arguments, **options):
            world.at_source("REPLACE INTO event VALUES (99, 0, '2024-01-02 13:00:00')")
            yield batch

    monkeypatch.setattr(reader, "read", busy)
    world.load("2024-01-02", "event")
    assert world.day_metadata("lake/event", "2024-01-02")["rows_counted_by_source"] == 10
