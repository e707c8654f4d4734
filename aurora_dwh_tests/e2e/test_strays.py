"""Rows that no day's reading sees: those that an index counts are counted, and said on the day's check."""

from __future__ import annotations

import pytest

from aurora_dwh_tests.e2e.nights import Nights
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import sample
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers, unlike elsewhere in this folder
    one_server,
    server,
    servers_in_turn,
)

CURSORS = {
    "DATETIME NULL": ("key: id, ", "NULL", "'0000-00-00'"),
    "DATETIME(6) NOT NULL": ("mode: append, ", "'0000-00-00'", "'0000-00-00 00:00:00'"),
    "TIMESTAMP NULL": ("mode: append, ", "NULL", "'0000-00-00 00:00:00'"),
    "DATE NULL": ("key: id, ", "NULL", "'0000-00-00'"),
}
"""Cursors: a mode, which the counting does not look at, and values of theirs that say nothing."""

LAST = {"TIMESTAMP NULL": "'2037-12-31 00:00:00'"}


def lenient(world: World, *statements: str) -> None:
    """Run statements in the source in a session that takes any date."""
    with world.source() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        for statement in statements:
            cursor.execute(statement)


@one_server
@pytest.mark.parametrize("kind", sample(CURSORS, "DATETIME(6) NOT NULL", "TIMESTAMP NULL"))
def test_c02_rows_without_a_cursor_are_counted_on_each_day_and_come_with_the_first(world: World, kind: str) -> None:
    mode, nothing, zero = CURSORS[kind]
    world.catalog(f"event: {{{mode}cursor: at}}")
    world.at_source(
        f"CREATE TABLE event (id INT PRIMARY KEY, at {kind}, KEY (at))", "INSERT INTO event VALUES (1, '2024-01-03')"
    )
    world.load("2024-01-01", "event")
    lenient(world, f"INSERT INTO event VALUES (2, {nothing}), (3, {zero})")
    done = world.load("2024-01-03", "event")
    found = done.check("cursor")
    assert not found.passed
    assert found.severity.value == "WARN"
    assert found.metadata["rows_without_cursor"].value == 2
    assert "2 rows have no 'at', which is NULL or zero, and come with the first day alone" in found.description
    assert world.staged_rows("event").total() == 1

    done = world.load("2024-01-01", "event")  # as the check says
    assert done.check("cursor").passed
    assert {row[0] for row in world.staged_rows("event")} == {1, 2, 3}


@one_server
@pytest.mark.parametrize("kind", sample(CURSORS, "TIMESTAMP NULL", "DATE NULL"))
def test_c02_rows_whose_cursor_is_still_to_come_are_counted_and_come_with_the_newest_day(
    nights: Nights, kind: str
) -> None:
    world = nights.world
    nights.catalog("event: {key: id, cursor: at}")
    world.at_source(f"CREATE TABLE event (id INT PRIMARY KEY, at {kind}, KEY (at))")
    last = LAST.get(kind, "'9999-12-31'")
    old = nights.stored(kind, nights.at(3, "12:00:00"))
    world.at_source(f"INSERT INTO event VALUES (1, '{old}'), (2, '2031-01-01'), (3, {last})")
    done = world.load(nights.day(3), "event")
    assert done.check("cursor").metadata["rows_in_future"].value == 2
    assert "2 rows have a 'at' that is still to come, and are read again with each newest day" in str(
        done.check("cursor").description
    )
    done = world.load(nights.day(1), "event")
    assert not done.check("cursor").passed
    world.assert_equal("event")


@one_server
def test_c02_in_mode_append_a_row_of_the_future_is_said_to_come_when_its_day_does(nights: Nights) -> None:
    world = nights.world
    nights.catalog("event: {mode: append, cursor: at, filter: id <> 4}")
    world.at_source("CREATE TABLE event (id INT PRIMARY KEY, at DATETIME NOT NULL, KEY (at))")
    world.at_source(f"INSERT INTO event VALUES (1, '{nights.day(1)}'), (2, '2031-01-01'), (4, '2031-01-02')")
    done = world.load(nights.day(1), "event")
    assert "1 rows have a 'at' that is still to come, and are read with no day before that time" in str(
        done.check("cursor").description
    )


@one_server
def test_c02_where_no_index_counts_such_rows_the_check_says_so(world: World) -> None:
    world.catalog("event: {key: id, cursor: at}")
    world.at_source("CREATE TABLE event (id INT PRIMARY KEY, at DATETIME NULL)", "INSERT INTO event VALUES (1, NULL)")
    found = world.load("2024-01-03", "event").check("cursor")
    assert found.description == "2024-01-03: not counted, as no index begins with 'at'"


@servers_in_turn("index", ["", ", KEY (at)"])
def test_c02_a_row_whose_cursor_is_a_date_with_a_part_of_zero_is_of_some_day(world: World, index: str) -> None:
    world.catalog("event: {key: id, cursor: at}")
    world.at_source(f"CREATE TABLE event (id INT PRIMARY KEY, at DATETIME NULL{index})")
    lenient(world, "INSERT INTO event VALUES (1, '2024-01-31 12:00:00'), (2, '2024-02-00'), (3, '2024-01-00')")
    world.load("2024-01-01", "event")
    world.load("2024-01-30", "event", last="2024-02-01")
    assert {row[0] for row in world.staged_rows("event")} == {1, 2, 3}


@one_server
def test_c02_a_row_that_was_imported_with_an_old_cursor_is_found_by_verify(world: World) -> None:
    world.catalog("event: {key: id, cursor: at}")
    world.at_source(
        "CREATE TABLE shop (id INT PRIMARY KEY)",
        "CREATE TABLE event (id INT PRIMARY KEY, v INT, shop_id INT, at DATETIME NOT NULL, KEY (at), "
        "FOREIGN KEY (shop_id) REFERENCES shop (id) ON UPDATE CASCADE)",
        "INSERT INTO shop VALUES (1)",
        "INSERT INTO event VALUES (1, 1, 1, '2024-01-01'), (2, 1, NULL, '2024-01-02')",
    )
    world.load("2024-01-01", "event", last="2024-01-02")
    world.at_source(
        "INSERT INTO event VALUES (3, 1, NULL, '2024-01-01 12:00:00')",  # imported with the time that it had elsewhere
        "UPDATE event SET v = 2 WHERE id = 2",  # by an application that leaves the cursor alone
        "UPDATE shop SET id = 9",  # which changes a row of the other table
    )
    done = world.load("2024-01-03", "event")
    assert done.check("cursor").passed
    found = run("verify event")
    assert found.exit_code == 1
    assert "only in Aurora: id='3'" in found.text
    assert "id='2': v is '2' in Aurora, '1' in Redshift" in found.text
    assert "id='1': shop_id is '9' in Aurora, '1' in Redshift" in found.text
    world.load("2024-01-01", "event", last="2024-01-02")
    assert run("verify event").exit_code == 0
