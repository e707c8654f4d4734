"""Which rows a day's load brings: none that the source had may be in no day that is loaded."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh_tests.e2e.nights import DAY, Nights
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import sample

CURSORS = ("DATETIME", "DATETIME(6)", "TIMESTAMP", "TIMESTAMP(6)", "DATE")


def said(*arguments: str, code: int = 0) -> str:
    """Run a command of the product in this process and return what it prints."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    ("cursor", "indexed"),
    sample(itertools.product(CURSORS, (True, False)), ("DATETIME", False), ("TIMESTAMP(6)", True), ("DATE", True)),
)
def test_c01_a_row_that_moves_on_every_night_is_copied_by_the_load_of_the_newest_day(
    nights: Nights, cursor: str, indexed: bool
) -> None:
    nights.catalog("event: {key: id, cursor: changed_at, lookback: 1h}", days=4)
    nights.table(cursor, indexed=indexed)
    nights.write(cursor, {1: nights.at(3, "12:00:00"), 2: nights.at(1, "12:00:00"), 3: nights.at(0, "00:15:00")})

    nights.world.load(nights.day(4), "event", last=nights.day(2))
    staged = {row[0] for row in nights.world.staged_rows("event")}
    assert 3 not in staged
    assert 1 in staged

    nights.world.load(nights.day(1), "event")
    nights.world.assert_equal("event")


def test_c01_the_last_day_of_a_range_is_open_where_it_is_the_newest_and_no_other(nights: Nights) -> None:
    cursor = "DATETIME"
    nights.catalog("event: {key: id, cursor: changed_at}")
    nights.table(cursor)
    nights.write(cursor, {n: nights.at(n, "12:00:00") for n in range(5)})  # the last one at noon of today

    nights.world.load(nights.day(4), "event", last=nights.day(1))
    assert [nights.rows(back) for back in (4, 3, 2, 1)] == [1, 1, 1, 2]
    nights.world.assert_equal("event")
    assert all(" < " in nights.statement(back) for back in (4, 3, 2))
    assert " < " not in nights.statement(1)
    assert '"open": true' in said_of_lake(nights.world, "event", nights.day(1))
    assert '"open": false' in said_of_lake(nights.world, "event", nights.day(2))

    nights.world.load(nights.day(2), "event")  # an old day again
    assert nights.rows(2) == 1
    nights.world.assert_equal("event")


def said_of_lake(world: World, table: str, day: str) -> str:
    """Return the text of a day's manifest."""
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.lake.manifest import to_json

    (manifest,) = open_lake().read(table, [date.fromisoformat(day)])
    return to_json(manifest).decode()


@pytest.mark.parametrize("indexed", [True, False], ids=["index", "no index"])
def test_c01_the_first_day_that_is_also_the_newest_holds_the_whole_table(nights: Nights, indexed: bool) -> None:
    nights.catalog("event: {key: id, cursor: changed_at}", days=1)
    nights.table("DATETIME", indexed=indexed)
    nights.write("DATETIME", {1: nights.at(99, "12:00:00"), 2: nights.at(1, "12:00:00"), 3: nights.at(0, "00:15:00")})
    nights.world.at_source("INSERT INTO event VALUES (4, 0, NULL), (5, 0, '9999-12-31 23:59:59')")

    nights.world.load(nights.day(1), "event")
    nights.world.assert_equal("event")


def test_c01_a_day_of_an_append_table_stays_bounded_for_no_row_may_be_there_twice(nights: Nights) -> None:
    nights.catalog("event: {mode: append, cursor: changed_at}")
    nights.table("DATETIME")
    nights.write("DATETIME", {1: nights.at(1, "12:00:00"), 2: nights.at(0, "00:15:00")})

    nights.world.load(nights.day(1), "event")
    assert nights.rows(1) == 1
    assert " < " in nights.statement(1)


def test_c01_of_a_monthly_table_the_last_day_of_the_month_before_is_open_however_late_it_is_loaded(
    nights: Nights,
) -> None:
    last = nights.today.replace(day=1) - DAY
    back = (nights.today - last).days
    nights.catalog("event: {key: id, cursor: changed_at, schedule: monthly}", days=back + 2)
    nights.table("DATETIME")
    nights.write("DATETIME", {1: nights.at(back + 1, "12:00:00"), 2: nights.at(0, "00:15:00")})

    nights.world.load(nights.day(back + 1), "event", last=nights.day(back))
    nights.world.assert_equal("event")


def test_c01_plan_prints_the_open_end_of_the_newest_day_alone(nights: Nights) -> None:
    nights.catalog("event: {key: id, cursor: changed_at}")
    nights.table("DATETIME")
    reading = said("plan", "event").split(";")[0]
    assert f"`changed_at` >= '{nights.day(1)} 00:00:00'" in reading
    assert " < " not in reading
    earlier = said("plan", "event", "--day", nights.day(2)).split(";")[0]
    assert f"`changed_at` >= '{nights.day(2)} 00:00:00' AND `changed_at` < '{nights.day(1)} 00:00:00'" in earlier


def test_c01_verify_of_the_newest_day_compares_what_its_reading_brought(nights: Nights) -> None:
    nights.catalog("event: {key: id, cursor: changed_at}")
    nights.table("DATETIME")
    nights.write("DATETIME", {1: nights.at(1, "12:00:00"), 2: nights.at(0, "00:15:00")})
    nights.world.load(nights.day(1), "event")
    verify = ("verify", "event", "--day", nights.day(1))
    assert "2" in said(*verify)

    now = datetime.now(ZoneInfo(nights.zone)).replace(tzinfo=None) + timedelta(seconds=2)
    nights.write("DATETIME", {3: now})  # written since the day was read: the next day's
    said(*verify)

    nights.world.ask_warehouse("UPDATE staging.event SET v = 7 WHERE id = 2")
    assert "id='2'" in said(*verify, code=1)


def test_c01_the_volume_of_a_day_is_that_of_its_own_rows_whenever_it_is_read(nights: Nights) -> None:
    """A job at 00:15 touches 300 rows: the newest day brings them, and the same day loaded again does not."""
    nights.catalog("event: {key: id, cursor: changed_at}", days=40)
    nights.table("DATETIME")
    for week in range(1, 5):
        nights.write("DATETIME", {1000 * week + n: nights.at(1 + 7 * week, "12:00:00") for n in range(20)})
    nights.write("DATETIME", {n: nights.at(1, "12:00:00") for n in range(20)})
    nights.write("DATETIME", {100 + n: nights.at(0, "00:15:00") for n in range(300)})
    nights.world.load(nights.day(40), "event", last=nights.day(2))
    run = nights.world.load(nights.day(1), "event")
    assert nights.rows(1) == 320
    assert run.check("volume").passed
