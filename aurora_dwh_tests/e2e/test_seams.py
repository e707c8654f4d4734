"""The catalog's zone or first day changed after loads: rows in no day or in two are said, and the command mends it."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from aurora_dwh_tests.e2e.remedies import commands, follow, run
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import sample, soak

pytestmark = pytest.mark.timeout(600)

MODES = {"incremental": "key: id, cursor: at", "append": "mode: append, cursor: at"}
HOURS = 24 * 6
GAP = (
    "no day has the rows whose 'at'{} is from 2024-01-03 15:00:00 up to 2024-01-04 00:00:00, "
    "between 2024-01-03 and 2024-01-04"
)
TWICE = "2024-01-0{}, or a day before it, and 2024-01-0{} both have the rows whose 'at'"


def made(world: World, kind: str) -> World:
    """Make a table with a row for each hour of six days."""
    hours = ", ".join(f"({n}, '2024-01-01' + INTERVAL {n} HOUR)" for n in range(HOURS))
    world.at_source(
        f"CREATE TABLE event (id INT PRIMARY KEY, at {kind} NOT NULL, KEY (at))", f"INSERT INTO event VALUES {hours}"
    )
    return world


def found(done: dg.AssetCheckEvaluation) -> tuple[bool, str, int]:
    return done.passed, str(done.description), int(done.metadata["mismatches"].value)


def doctor(world: World) -> list[dict[str, str]]:
    """Return what `doctor` says of the days of tables."""
    return [one for one in json.loads(run("doctor --json").text) if one["name"].startswith("redshift: days")]


def assert_mended(world: World, said: str, *, rows: int) -> None:
    """Expect the table to be wrong, `doctor` and `rebuild` to say so, and the named command to mend all of it."""
    assert world.staged_rows("event").total() == rows
    (advice,) = doctor(world)
    assert (advice["name"], advice["state"]) == ("redshift: days of staging.event", "warning")
    assert advice["detail"] == f"days do not meet: {said}"
    refused = run("rebuild event")
    assert refused.exit_code == 1
    assert "lake/event: days do not meet, as the catalog's zone or first day was another one" in refused.text
    assert said in " ".join(refused.text.split())
    assert world.staged_rows("event").total() == rows
    assert commands(advice["remedy"]) == commands(refused.text)
    assert follow(refused.text) == "rebuild event --from source"
    world.assert_equal("event")
    assert doctor(world) == []


@pytest.mark.parametrize("mode", sample(MODES, "incremental"))
def test_c03_a_zone_whose_days_end_later_leaves_a_gap_that_is_said(world: World, mode: str) -> None:
    made(world, "TIMESTAMP")
    world.catalog(f"event: {{{MODES[mode]}}}", timezone="Asia/Tokyo")
    world.load("2024-01-01", "event", last="2024-01-03")
    world.catalog(f"event: {{{MODES[mode]}}}", timezone="UTC")
    passed, said, mismatches = found(world.load("2024-01-04", "event", last="2024-01-06").check("rules"))
    gap = GAP.format(" (UTC)")
    assert (passed, mismatches) == (False, 1)
    assert f"; days of the table do not meet: {gap}; to read all of it again, run" in said
    assert_mended(world, gap, rows=HOURS - 9)
    assert run("rebuild event").exit_code == 0
    assert found(world.load("2024-01-06", "event").check("rules"))[::2] == (True, 0)
    world.assert_equal("event")


def test_c03_a_zone_whose_days_end_earlier_has_rows_twice_where_there_is_no_key(world: World) -> None:
    made(world, "TIMESTAMP")
    world.catalog(f"event: {{{MODES['append']}}}", timezone="UTC")
    world.load("2024-01-01", "event", last="2024-01-03")
    world.catalog(f"event: {{{MODES['append']}}}", timezone="Asia/Tokyo")
    said = found(world.load("2024-01-04", "event", last="2024-01-07").check("rules"))[1]
    twice = f"{TWICE.format(3, 4)} (UTC) is from 2024-01-03 15:00:00 up to 2024-01-04 00:00:00"
    assert twice in said
    assert_mended(world, twice, rows=HOURS + 9)


def test_c03_another_zone_of_the_cursor_moves_the_days_of_a_wall_clock(world: World) -> None:
    made(world, "DATETIME")
    world.catalog(f"event: {{{MODES['append']}, cursor_timezone: UTC}}", timezone="Asia/Tokyo")
    world.load("2024-01-01", "event", last="2024-01-03")
    world.catalog(f"event: {{{MODES['append']}}}", timezone="Asia/Tokyo")
    said = found(world.load("2024-01-04", "event", last="2024-01-06").check("rules"))[1]
    gap = GAP.format("")
    assert gap in said
    assert_mended(world, gap, rows=HOURS - 9)


@pytest.mark.parametrize(("before", "after", "again"), [soak(1, 3, 3), (3, 1, 1)], ids=["later", "earlier"])
def test_c03_another_first_day_has_the_history_twice_where_there_is_no_key(
    world: World, before: int, after: int, again: int
) -> None:
    made(world, "DATETIME")
    world.catalog(f"event: {{{MODES['append']}}}", start_date=f"2024-01-0{before}")
    world.load(f"2024-01-0{before}", "event", last="2024-01-06")
    world.catalog(f"event: {{{MODES['append']}}}", start_date=f"2024-01-0{after}")
    run_ = world.load(f"2024-01-0{again}", "event", last=f"2024-01-0{max(again, 2)}")
    said = found(run_.check("rules"))[1]
    twice = f"{TWICE.format(2, 3)} is up to 2024-01-03 00:00:00"
    assert twice in said
    assert_mended(world, twice, rows=HOURS + 48)


def test_c03_what_moves_no_day_is_no_mismatch(world: World) -> None:
    made(world, "DATETIME")
    world.catalog(f"event: {{{MODES['incremental']}}}", timezone="Asia/Tokyo")
    world.load("2024-01-01", "event", last="2024-01-03")
    world.catalog(f"event: {{{MODES['incremental']}, lookback: 1h}}", timezone="UTC", start_date="2023-12-01")
    done = world.load("2024-01-04", "event", last="2024-01-06").check("rules")
    assert "timezone Asia/Tokyo, now UTC" in str(done.description)
    assert found(done)[2] == 0
    world.assert_equal("event")
    assert doctor(world) == []
    assert run("rebuild event").exit_code == 0
