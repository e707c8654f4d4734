"""A day that is read again after rows of it were purged from the source: it stands, and is given up by name only."""

from __future__ import annotations

from typing import Any

import pytest

from aurora_dwh_tests.e2e.older import forget_rules
from aurora_dwh_tests.e2e.remedies import commands, run
from aurora_dwh_tests.e2e.world import World, chain, days
from aurora_dwh_tests.sampling import sample

pytestmark = pytest.mark.timeout(600)

MODES = {
    "incremental": "{key: id, cursor: changed_at}",
    "append": "{mode: append, cursor: changed_at}",
    "full": "{mode: full}",
}
KEYS = {
    "int": ("INT", "{0}"),
    "decimal": ("DECIMAL(30, 12)", "{0}.000000000001"),
    "text": ("VARCHAR(20)", "'Key '' {0} é'"),
    "binary": ("BINARY(4)", "X'0000{0:04x}'"),
    "datetime": ("DATETIME(6)", "TIMESTAMP('2020-01-01') + INTERVAL {0} MICROSECOND"),
}


def filled(world: World, fields: str, *, key: str = "int", primary: str = "PRIMARY KEY (id)", rows: int = 60) -> World:
    """Load three days of a table as one range, each with a third of its rows."""
    kind, value = KEYS[key]
    world.catalog(f"event: {fields}")
    values = [f"({value.format(n)}, {n}, '2024-01-0{1 + n % 3} 10:00:00')" for n in range(rows)]
    world.at_source(
        f"CREATE TABLE event (id {kind} NOT NULL, n INT, changed_at DATETIME NOT NULL, {primary}, KEY (changed_at))",
        f"INSERT INTO event VALUES {', '.join(values)}",
    )
    world.load("2024-01-01", "event", last="2024-01-03")
    return world


def state(world: World) -> tuple[Any, ...]:
    """Return what the lake and the staging table have."""
    from aurora_dwh.lake.factory import open_lake

    lake = [(m.day, m.attempt, m.rows) for m in open_lake().all("event")]
    objects = sorted(open_lake()._under(open_lake().layout.table("event")))
    return lake, objects, world.ask_warehouse("SELECT n, _dwh_day FROM staging.event ORDER BY n")


def again(world: World, first: str = "2024-01-01", last: str | None = "2024-01-03") -> str:
    """Launch days again, expect them to be refused with nothing changed, and return what is said."""
    before = state(world)
    done = world.run(first, last, chain("event"))
    assert not done.success
    assert state(world) == before
    return done.failure


@pytest.mark.parametrize("mode", sample(MODES, "append", "full"))
def test_c05_a_range_that_was_purged_from_the_source_stands_when_it_is_launched_again(world: World, mode: str) -> None:
    filled(world, MODES[mode])
    world.at_source("DELETE FROM event WHERE changed_at < '2024-01-03'")
    said = again(world)
    assert said.startswith(f"lake/event: 2024-01-0{3 if mode == 'full' else 1} had ")
    assert "nothing was changed" in said
    assert commands(said) == [f"purge event --days 2024-01-0{3 if mode == 'full' else 1}"]


def test_c05_days_are_given_up_by_the_named_command(world: World) -> None:
    filled(world, MODES["append"])
    world.at_source("DELETE FROM event WHERE changed_at < '2024-01-03'")
    for day in days(1, 2):
        (command,) = commands(again(world, day, None))
        assert command == f"purge event --days {day}"
        assert run(f"{command} --yes").exit_code == 0
    world.load("2024-01-01", "event", last="2024-01-03")
    world.assert_equal("event")


@pytest.mark.parametrize("key", sample(KEYS, "text", "binary"))
def test_c05_rows_that_moved_to_another_day_are_not_missed(world: World, key: str) -> None:
    filled(world, MODES["incremental"], key=key)
    world.at_source("UPDATE event SET changed_at = '2024-01-04 09:00:00' WHERE changed_at < '2024-01-03'")
    world.load("2024-01-04", "event")
    world.load("2024-01-01", "event", last="2024-01-03")
    assert world.ask_warehouse("SELECT COUNT(*), COUNT(DISTINCT n) FROM staging.event") == [(60, 60)]
    world.at_source("DELETE FROM event WHERE changed_at = '2024-01-03 10:00:00' AND n > 30")
    assert "10 of 20 rows of that reading are not in it any more" in again(world, "2024-01-03", None)


@pytest.mark.parametrize("mode", sample(MODES, "incremental", "full"))
def test_c05_a_few_rows_may_be_gone(world: World, mode: str) -> None:
    filled(world, MODES[mode])
    world.at_source("DELETE FROM event WHERE n IN (0, 3)")
    assert world.run("2024-01-01", "2024-01-03", chain("event")).success


def test_c05_rows_that_moved_and_rows_that_are_gone_are_told_apart(world: World) -> None:
    filled(world, MODES["incremental"])
    world.at_source(
        "UPDATE event SET changed_at = '2024-01-04 09:00:00' WHERE n % 3 = 0 AND n < 45",
        "DELETE FROM event WHERE n % 3 = 0 AND n >= 45",
    )
    assert "5 of 20 rows of that reading are not in it any more" in again(world)


@pytest.mark.parametrize("mode", ["append", "full"])
def test_c05_without_a_primary_key_the_number_of_rows_decides(world: World, mode: str) -> None:
    filled(world, MODES[mode], primary="KEY (id)")
    world.at_source("DELETE FROM event WHERE changed_at < '2024-01-03'")
    assert "Aurora has 0 of it now; nothing" in again(world) or mode == "full"
    assert "Aurora has 20 of it now; nothing" in again(world) or mode == "append"


def test_c05_a_key_that_is_not_primary_tells_rows_apart_too(world: World) -> None:
    filled(world, MODES["incremental"], primary="UNIQUE KEY (id)")
    world.at_source("UPDATE event SET changed_at = '2024-01-04 09:00:00' WHERE changed_at < '2024-01-02'")
    world.load("2024-01-01", "event")
    world.at_source("DELETE FROM event WHERE changed_at < '2024-01-03'")
    assert "20 of 20 rows" in again(world, "2024-01-02", None)


def test_c05_another_filter_or_first_day_is_no_purge(world: World) -> None:
    filled(world, MODES["append"], primary="KEY (id)")
    world.catalog("event: {mode: append, cursor: changed_at, filter: n > 50}")
    world.load("2024-01-01", "event", last="2024-01-03")
    world.at_source("INSERT INTO event VALUES (90, 90, '2023-12-31 09:00:00')", "DELETE FROM event WHERE n % 3 = 0")
    world.at_source("INSERT INTO event VALUES (91, 91, '2023-12-31 09:00:00')")
    world.catalog("event: {mode: append, cursor: changed_at, filter: n > 50}", start_date="2023-12-31")
    world.load("2024-01-01", "event")


def test_c05_days_are_looked_at_one_by_one_also_by_a_rebuild_and_those_of_an_older_version(world: World) -> None:
    filled(world, MODES["append"])
    world.at_source("DELETE FROM event WHERE changed_at < '2024-01-02'")
    assert world.run("2024-01-02", "2024-01-03", chain("event")).success
    before = state(world)
    done = run("rebuild event --from source")
    assert done.exit_code == 1
    assert commands(done.text) == ["purge event --days 2024-01-01"]
    assert state(world) == before
    forget_rules(world, "event")
    again(world)


def test_c05_days_are_compared_by_the_columns_that_are_read_as_they_are(world: World) -> None:
    """Of a masked key nothing can be asked: in mode append the number decides, in mode incremental rows may move."""
    filled(world, "{key: id, cursor: changed_at, mask: {id: sha256}}", key="text")
    world.at_source("DELETE FROM event WHERE changed_at < '2024-01-02'")
    world.load("2024-01-01", "event")


@pytest.mark.parametrize("key", sample(["int", "text", "binary"], "text"))
def test_c05_files_that_aurora_wrote_tell_their_keys_too(aurora_world: World, key: str) -> None:
    filled(aurora_world, "{key: id, cursor: changed_at, extract: outfile}", key=key)
    aurora_world.at_source("UPDATE event SET changed_at = '2024-01-04 09:00:00' WHERE changed_at < '2024-01-02'")
    aurora_world.load("2024-01-01", "event")
    aurora_world.at_source("DELETE FROM event WHERE changed_at < '2024-01-03'")
    assert "20 of 20 rows of that reading" in again(aurora_world, "2024-01-02", None)
