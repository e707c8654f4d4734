"""Days of append tables are units: what comes into one after it was read is looked for, and no row is in two."""

from __future__ import annotations

import pytest

from aurora_dwh_tests.e2e.world import World, chain

VIEW = "view: {mode: append, cursor: seen, lookback: 2h}"
WAYS = {"index": ", KEY (seen)", "no index": ""}


def fill(world: World, index: str = ", KEY (seen)") -> None:
    """Make the table `view` with a row at noon of each of four days."""
    rows = ", ".join(f"({day}, '2024-01-0{day} 12:00:00')" for day in (1, 2, 3, 4))
    world.at_source(f"CREATE TABLE view (id INT, seen DATETIME NOT NULL{index})", f"INSERT INTO view VALUES {rows}")


def attempts(world: World, *days: str) -> list[str]:
    """Return which reading of each day is in the staging table."""
    return [
        row[0]
        for day in days
        for row in world.ask_warehouse(
            f"SELECT attempt FROM dwh.load_history WHERE day = '{day}' ORDER BY loaded_at DESC LIMIT 1"
        )
    ]


@pytest.mark.parametrize("way", WAYS)
def test_c04_a_row_that_was_committed_after_its_day_was_read_comes_with_the_next_day(world: World, way: str) -> None:
    world.catalog(VIEW)
    fill(world, WAYS[way])
    with world.source() as late, late.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO view VALUES (9, '2024-01-02 23:59:59')")
        world.load("2024-01-01", "view", last="2024-01-02")
        assert world.staged_rows("view").total() == 2
        cursor.execute("COMMIT")
    before = attempts(world, "2024-01-01", "2024-01-02")

    world.load("2024-01-03", "view")
    assert world.staged_rows("view").total() == 4
    assert attempts(world, "2024-01-01") == before[:1]
    assert attempts(world, "2024-01-02") != before[1:]
    for asset in ("lake/view", "staging/view"):
        assert world.day_metadata(asset, "2024-01-02")["dagster/partition_row_count"] == 2
    world.load("2024-01-04", "view")
    world.assert_equal("view")


def test_c04_days_that_are_as_they_were_are_not_read_again_and_those_that_never_were_are_left_alone(
    world: World,
) -> None:
    world.catalog("view: {mode: append, cursor: seen, lookback: 2d}")
    fill(world)
    world.at_source("INSERT INTO view VALUES (20, '2024-01-02 13:00:00')")
    world.load("2024-01-02", "view")
    before = attempts(world, "2024-01-02")
    world.load("2024-01-03", "view")
    assert attempts(world, "2024-01-02") == before
    assert world.materialized_days("lake/view") == {"2024-01-02", "2024-01-03"}
    world.at_source("DELETE FROM view WHERE id = 2")
    world.load("2024-01-04", "view")
    assert attempts(world, "2024-01-02") != before
    assert world.materialized_days("staging/view") == {"2024-01-02", "2024-01-03", "2024-01-04"}


def test_c04_a_day_that_was_read_again_is_loaded_whenever_the_staging_table_is(world: World) -> None:
    world.catalog(VIEW)
    fill(world)
    world.load("2024-01-01", "view", last="2024-01-02")
    world.at_source("INSERT INTO view VALUES (9, '2024-01-02 23:59:59')")
    lake, staging = chain("view")
    assert world.run("2024-01-03", assets=[lake]).success
    assert world.staged_rows("view").total() == 2
    assert world.run("2024-01-03", assets=[staging]).success
    assert world.staged_rows("view").total() == 4


def test_c04_aurora_counts_and_writes_such_a_day_itself(aurora_world: World) -> None:
    aurora_world.catalog("view: {mode: append, cursor: seen, lookback: 2h, extract: outfile}")
    fill(aurora_world)
    aurora_world.load("2024-01-01", "view", last="2024-01-02")
    before = attempts(aurora_world, "2024-01-01", "2024-01-02")
    aurora_world.at_source("INSERT INTO view VALUES (9, '2024-01-02 23:59:59')")
    aurora_world.load("2024-01-03", "view")
    aurora_world.load("2024-01-04", "view")
    aurora_world.assert_equal("view")
    assert attempts(aurora_world, "2024-01-01") == before[:1]
    assert attempts(aurora_world, "2024-01-02") != before[1:]


OWN_KEY = ", PRIMARY KEY (id), KEY (seen)"
KEYED = "view: {mode: append, cursor: seen, key: id}"


def test_c04_a_row_whose_cursor_moved_into_another_day_is_not_in_both(world: World) -> None:
    world.catalog(KEYED)
    fill(world, OWN_KEY)
    world.load("2024-01-01", "view", last="2024-01-03")
    world.at_source("UPDATE view SET seen = '2024-01-04 12:00:01' WHERE id = 2")
    run = world.run("2024-01-04", assets=chain("view"))
    assert "staging.view 2024-01-04: keys (id) such as 2 are in 2024-01-02 as well" in run.failure
    assert world.staged_rows("view").total() == 3

    world.load("2024-01-02", "view")  # as the message says
    world.load("2024-01-04", "view")
    world.assert_equal("view")

    world.catalog("view: {mode: append, cursor: seen, key: id, lookback: 3d}")  # reaches so far by itself
    world.at_source("UPDATE view SET seen = '2024-01-05 12:00:01' WHERE id = 3")
    world.load("2024-01-05", "view")
    world.assert_equal("view")


def test_c04_a_row_that_is_flagged_as_deleted_may_have_its_key_again(world: World) -> None:
    world.catalog("view: {mode: append, cursor: seen, key: id, deletes: flag}")
    fill(world)
    world.load("2024-01-01", "view", last="2024-01-03")
    world.ask_warehouse("UPDATE staging.view SET _dwh_deleted = TRUE WHERE id = 2")
    world.at_source("UPDATE view SET seen = '2024-01-04 12:00:01' WHERE id = 2")
    world.load("2024-01-04", "view")
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.view WHERE NOT _dwh_deleted") == [(4,)]
