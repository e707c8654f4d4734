"""Tables that nobody designed for the sample shop: any mode, any name, any key, any kind of cursor."""

from __future__ import annotations

import itertools
from collections import Counter

import dagster as dg
import pytest

from aurora_dwh_tests.e2e.world import World, days
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import numbers


def test_a15_a_table_copied_whole_is_there_exactly_once_however_often_it_is_loaded(world: World) -> None:
    world.catalog("country: {mode: full}")
    world.at_source(
        "CREATE TABLE country (code CHAR(2) PRIMARY KEY, name VARCHAR(60))",
        "INSERT INTO country VALUES ('JP', '日本'), ('FR', 'France'), ('XX', NULL), ('DE', '')",
    )
    world.load("2024-01-03", "country")
    world.load("2024-01-03", "country")
    world.load("2024-01-01", "country")
    world.assert_equal("country")
    world.at_source("DELETE FROM country WHERE code = 'XX'", "UPDATE country SET name = 'Allemagne' WHERE code = 'DE'")
    world.load("2024-01-02", "country")
    world.assert_equal("country")


def test_a15_a17_a_table_without_a_key_keeps_its_equal_rows_and_gets_no_more_of_them(world: World) -> None:
    world.catalog("page_view: {mode: append, cursor: seen}")
    world.at_source(
        "CREATE TABLE page_view (seen DATETIME NOT NULL, path VARCHAR(20), KEY (seen))",
        "INSERT INTO page_view VALUES ('2023-12-31 08:00:00', '/old'), ('2024-01-01 09:00:00', '/'), "
        "('2024-01-01 09:00:00', '/'), ('2024-01-02 00:00:00', '/'), ('2024-01-02 23:59:59', NULL)",
    )
    for day in ("2024-01-02", "2024-01-01", "2024-01-02"):
        world.load(day, "page_view")
    world.load("2024-01-01", "page_view", last="2024-01-03")
    world.assert_equal("page_view")
    assert world.staged_rows("page_view")[next(r for r in world.source_rows("page_view") if r[0].hour == 9)] == 2


NAMES = {
    "order": ("`group` INT, `Case` VARCHAR(9), `full` TIMESTAMP(6) NULL, `select` INT", "group", "full"),
    "table_with_space and UPPERCase": ("`id` INT, ` Näme` VARCHAR(20), `Changed At` DATETIME", "id", "Changed At"),
    "注文": ("`番号` BIGINT, `品名` VARCHAR(20), `更新日` DATETIME(3)", "番号", "更新日"),
    "semi;colon-and.dot": ("`a'b` INT, `c\"d` VARCHAR(20), `e%s` DATETIME", "a'b", "e%s"),
}


@pytest.mark.soak  # the names of `test_types_cases.py`, in the mode of `test_odd_names.py`
def test_a22_a_name_that_is_a_word_of_sql_or_has_odd_letters_is_copied(world: World) -> None:
    entries = []
    for table, (columns, key, cursor) in NAMES.items():
        quoted_key, quoted_cursor = (name.replace("'", "''") for name in (key, cursor))
        entries.append(f"'{table}': {{key: '{quoted_key}', cursor: '{quoted_cursor}'}}")
        moments = ", ".join(f"({n}, '2024-01-0{n} 12:00:00')" for n in (1, 2, 3))  # in UTC or in Tokyo
        world.at_source(
            f"CREATE TABLE `{table}` ({columns}, PRIMARY KEY (`{key}`), KEY (`{cursor}`))",
            f"INSERT INTO `{table}` (`{key}`, `{cursor}`) VALUES {moments}",
        )
    world.catalog("\n".join(entries))
    world.load("2024-01-01", *NAMES, last="2024-01-03")
    for table, (_, key, cursor) in NAMES.items():
        assert _staged(world, table) == world.source_rows(table)
        world.at_source(f"UPDATE `{table}` SET `{cursor}` = '2024-01-04 00:00:00' WHERE `{key}` = 1")
    world.load("2024-01-04", *NAMES)
    for table in NAMES:
        assert _staged(world, table) == world.source_rows(table)


def _staged(world: World, table: str) -> Counter[tuple[object, ...]]:
    names = ", ".join('"' + name.lower().replace('"', '""') + '"' for name in world.columns(table))
    return Counter(world.ask_warehouse(f'SELECT {names} FROM staging."{table.lower()}"'))


def test_a_composite_key_in_another_order_than_the_columns_upserts_by_the_whole_key(world: World) -> None:
    world.catalog("line: {key: [no, order_id], cursor: changed}")
    world.at_source(
        "CREATE TABLE line (order_id VARCHAR(9) NOT NULL, n INT, no INT NOT NULL, changed DATETIME(6), "
        "PRIMARY KEY (order_id, no), KEY (changed))",
        "INSERT INTO line VALUES ('a', 1, 1, '2024-01-01 01:00:00'), ('a', 1, 2, '2024-01-01 01:00:00'), "
        "('b', 1, 1, '2024-01-02 01:00:00'), ('b', 1, 2, '2024-01-01 01:00:00')",
    )
    world.load("2024-01-01", "line", last="2024-01-02")
    world.at_source("UPDATE line SET n = 2, changed = '2024-01-03 01:00:00' WHERE order_id = 'a' AND no = 2")
    world.load("2024-01-03", "line")
    world.load("2024-01-01", "line")
    world.assert_equal("line")


CURSORS = {
    "TIMESTAMP(6)": ("2023-12-31 14:59:59.999999", "2023-12-31 15:00:00", "2024-01-01 14:59:59.999999"),
    "DATETIME(6)": ("2023-12-31 23:59:59.999999", "2024-01-01 00:00:00", "2024-01-01 23:59:59.999999"),
    "DATETIME": ("2023-12-31 23:59:59", "2024-01-01 00:00:00", "2024-01-01 23:59:59"),
    "DATE": ("2023-12-31", "2024-01-01", "2024-01-01"),
}
"""Cursor type -> the last moment before a day in Tokyo, its first, its last; a TIMESTAMP as UTC writes it."""


def test_a11_a13_rows_at_the_edges_of_a_day_are_in_one_day_and_in_no_other(world: World) -> None:
    of_modes = zip(CURSORS, itertools.cycle(("incremental", "append")))
    tables = {f"edge_{mode}_{number}": kind for number, (kind, mode) in enumerate(of_modes)}
    entries = (f"{table}: {{mode: {table.split('_')[1]}, key: id, cursor: at}}" for table in tables)
    world.catalog("\n".join(entries), start_date="2023-12-30")
    for table, kind in tables.items():
        rows = ", ".join(f"('{moment}')" for moment in CURSORS[kind] for _ in range(3))
        world.at_source(
            f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, at {kind} NULL, KEY (at))",
            f"INSERT INTO {table} (at) VALUES {rows}",
        )
    world.load("2024-01-01", *tables)
    world.load("2023-12-30", *tables, last="2024-01-02")
    world.assert_equal(*tables)
    for table in tables:
        by_day = f"SELECT _dwh_day, COUNT(*) FROM staging.{table} GROUP BY 1 ORDER BY 1"
        found = [(day.isoformat(), rows) for day, rows in world.ask_warehouse(by_day)]
        assert found == [("2023-12-31", 3), ("2024-01-01", 6)], table


@pytest.mark.parametrize("mode", ["incremental", soak("append")])
def test_a14_rows_without_a_cursor_come_with_the_first_day(world: World, mode: str) -> None:
    world.catalog(f"maybe: {{mode: {mode}, key: id, cursor: at}}")
    world.at_source(
        "CREATE TABLE maybe (id INT PRIMARY KEY, at DATETIME NULL, note VARCHAR(9), KEY (at))",
        "INSERT INTO maybe VALUES (1, NULL, 'a'), (2, '2024-01-02 10:00:00', 'b'), (3, NULL, NULL)",
    )
    world.load("2024-01-02", "maybe")
    assert world.ask_warehouse("SELECT id FROM staging.maybe") == [(2,)]
    world.load("2024-01-01", "maybe")
    world.assert_equal("maybe")


def test_a14_a_row_that_gets_its_cursor_later_is_updated(world: World) -> None:
    world.catalog("maybe: {key: id, cursor: at}")
    world.at_source(
        "CREATE TABLE maybe (id INT PRIMARY KEY, at DATETIME NULL, note VARCHAR(9), KEY (at))",
        "INSERT INTO maybe VALUES (1, NULL, 'a')",
    )
    world.load("2024-01-01", "maybe")
    world.at_source("UPDATE maybe SET note = 'b'")
    world.load("2024-01-01", "maybe")
    world.assert_equal("maybe")
    world.at_source("UPDATE maybe SET note = 'c', at = '2024-01-03 10:00:00'")
    world.load("2024-01-03", "maybe")
    world.assert_equal("maybe")
    world.load("2024-01-01", "maybe")
    world.assert_equal("maybe")


def test_a25_an_old_day_that_is_loaded_again_never_brings_back_an_older_row(world: World) -> None:
    world.catalog("task: {key: id, cursor: changed}")
    world.at_source(
        "CREATE TABLE task (id INT PRIMARY KEY, changed DATETIME(6), state VARCHAR(9), KEY (changed))",
        "INSERT INTO task VALUES (1, '2024-01-01 10:00:00', 'new'), (2, '2024-01-01 11:00:00', 'new')",
    )
    world.load("2024-01-01", "task")
    world.at_source("UPDATE task SET state = 'done', changed = '2024-01-02 10:00:00' WHERE id = 1")
    world.load("2024-01-02", "task")
    # The lake still has the old row in its day: staging alone is loaded from it again.
    run = world.run("2024-01-01", None, [dg.AssetKey(["staging", "task"])])
    assert run.success, run.failures
    world.assert_equal("task")
    world.load("2024-01-01", "task")
    world.assert_equal("task")


def test_a12_a_row_committed_after_its_day_was_read_is_caught_by_the_next_days_lookback(world: World) -> None:
    world.catalog("late: {key: id, cursor: changed, lookback: 1h}")
    world.at_source(
        "CREATE TABLE late (id INT PRIMARY KEY, changed DATETIME(6), KEY (changed))",
        "INSERT INTO late VALUES (1, '2024-01-02 12:00:00')",
    )
    writer = world.source(autocommit=False)
    with writer.cursor() as cursor:
        cursor.execute("INSERT INTO late VALUES (2, '2024-01-02 23:30:00')")
    world.load("2024-01-02", "late")
    assert world.ask_warehouse("SELECT id FROM staging.late") == [(1,)]
    writer.commit()
    writer.close()
    world.load("2024-01-03", "late")
    world.assert_equal("late")


def test_an_empty_table_is_a_table_without_rows(world: World) -> None:
    world.catalog("nothing: {key: id, cursor: changed}\nnone: {mode: full}")
    world.at_source(
        "CREATE TABLE nothing (id INT PRIMARY KEY, changed DATETIME, KEY (changed))",
        "CREATE TABLE none (id INT PRIMARY KEY)",
    )
    world.load("2024-01-01", "nothing", "none", last="2024-01-02")
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.nothing") == [(0,)]
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.none") == [(0,)]
    assert world.materialized_days("staging/nothing") == set(days(1, 2))


def test_a11_a_cursor_in_another_zone_than_the_catalogs_brings_each_row_once(world: World) -> None:
    tables = {"of_date": "DATE", "of_datetime": "DATETIME"}
    entry = "{mode: append, cursor: at, cursor_timezone: America/Chicago}"
    world.catalog("\n".join(f"{table}: {entry}" for table in tables))
    rows = ", ".join(f"({n}, '2024-01-{n:02}')" for n in range(1, 8))
    for table, kind in tables.items():
        world.at_source(f"CREATE TABLE {table} (id INT, at {kind}, KEY (at))", f"INSERT INTO {table} VALUES {rows}")
    for first, last in (("2024-01-01", "2024-01-04"), ("2024-01-05", "2024-01-09")):
        world.load(first, *tables, last=last)
    world.assert_equal(*tables)


def test_a11_an_hour_that_clocks_show_twice_at_midnight_is_in_one_day_of_an_append_table(world: World) -> None:
    """Clocks in Havana go back from 1:00 to 0:00 on 3 November 2024."""
    world.catalog("sale: {mode: append, cursor: at}", timezone="America/Havana", start_date="2024-11-01")
    world.at_source(
        "CREATE TABLE sale (id INT, at DATETIME, KEY (at))",
        f"INSERT INTO sale SELECT seq, '2024-11-01 11:30:00' + INTERVAL seq HOUR FROM {numbers(81)}",
    )
    for day in ("2024-11-03", "2024-11-02", "2024-11-01", "2024-11-04"):
        world.load(day, "sale")
    world.assert_equal("sale")
