"""Values that cannot be in a key of the copy: told when the rows are read, named as they are in the source, mended."""

from __future__ import annotations

import re
from typing import Any

from aurora_dwh_tests.e2e.test_types import verify
from aurora_dwh_tests.e2e.test_types_policies import converted, refused
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
    servers_in_turn,
)

DAY = "2024-01-01"
NOON = "'2023-12-31 12:00:00'"


def at_source(world: World, *statements: str) -> None:
    """Run statements in a session that takes every date."""
    with world.source(sql_mode="ALLOW_INVALID_DATES") as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


BY_DAY = "key: [D, id], cursor: at"


@servers_in_turn(
    "case",
    [
        (BY_DAY, "", "DATE", "0000-00-00", "0000-00-00", "zero date"),
        (BY_DAY, ", zero_dates: fail", "DATE", "2021-02-31", "2021-02-31", "invalid date"),
        ("mode: full, key: [D, id]", "", "DATETIME(3)", "2021-00-05 01:02:03.5", "2021-00-05 01:02:03.5", "zero date"),
        (f"mode: append, {BY_DAY}", "", "TIMESTAMP", "0000-00-00", "0000-00-00 00:00:00", "zero date"),
    ],
)
def test_m08_a_date_that_is_none_in_a_key_is_told_with_the_row_and_what_helps(
    world: World, case: tuple[str, str, str, str, str, str]
) -> None:
    fields, policy, kind, value, shown, reason = case
    at_source(
        world,
        f"CREATE TABLE t (d {kind} NOT NULL, id INT, at DATETIME, PRIMARY KEY (d, id), KEY (at))",
        f"INSERT INTO t VALUES ('2024-01-01', 6, {NOON}), ('{value}', 7, {NOON})",
    )
    world.catalog(f"t: {{{fields}{policy}}}")
    failure = refused(world, "t")
    told = f"table {world.database}.t, column 'd': {reason} in the row d = {shown}, id = 7: '{shown}'; the key needs a "
    assert told + "value: mend the row, or set `zero_dates: text`" in failure
    assert "None" not in failure

    world.catalog(f"t: {{{fields}, zero_dates: text}}")
    world.load(DAY, "t")
    assert {row[0] for row in world.ask_warehouse("SELECT id FROM staging.t")} == {6, 7}
    assert verify("t").equal, verify("t").differences


@mariadb_in_soak
def test_m08_where_the_key_is_the_cursor_too_the_filter_that_is_told_helps(world: World) -> None:
    at_source(
        world,
        "CREATE TABLE t (at DATETIME, id INT, PRIMARY KEY (at, id))",
        f"INSERT INTO t VALUES ({NOON}, 6), ('2021-02-31', 7), ('0000-00-00', 8), ('2021-03-00', 9), ('0000-02-03', 0)",
    )
    world.catalog("t: {key: [at, id], cursor: at, zero_dates: text}")
    failure = refused(world, "t")
    assert "the key needs a date: mend the row, or leave such rows out with `filter: " in failure
    advice = re.search(r"`(filter: \".*\")`", failure)
    assert advice
    world.catalog(f"t: {{key: [at, id], cursor: at, {advice[1]}}}")
    world.load(DAY, "t")
    assert world.ask_warehouse("SELECT id FROM staging.t") == [(6,)]
    assert verify("t").equal, verify("t").differences


@mariadb_in_soak
def test_m08_a_row_is_named_by_its_key_as_it_is_in_the_source_whatever_else_fails(world: World) -> None:
    at_source(
        world,
        "CREATE TABLE t (d DATE, id INT, at DATETIME, e DATE, PRIMARY KEY (d, id), KEY (at))",
        f"INSERT INTO t VALUES ('0000-00-00', 7, {NOON}, '2021-00-00')",
    )
    world.catalog("t: {key: id, cursor: at, exclude: d, zero_dates: fail}")
    assert "column 'e': zero date in the row id = 7: '2021-00-00'" in refused(world, "t")
    world.catalog("t: {key: id, cursor: at, zero_dates: fail}")
    assert "column 'd': zero date in the row d = 0000-00-00, id = 7: '0000-00-00'" in refused(world, "t")


@servers_in_turn("kind", ["INT", "DATETIME"])
def test_m08_a_key_that_is_null_in_the_source_is_told_with_what_helps(world: World, kind: str) -> None:
    value = "'2024-01-01'" if kind == "DATETIME" else "1"
    world.at_source(
        f"CREATE TABLE t (id INT PRIMARY KEY, k {kind} NULL UNIQUE, at DATETIME, KEY (at))",
        f"INSERT INTO t VALUES (6, {value}, {NOON}), (7, NULL, {NOON})",
    )
    world.catalog("t: {key: k, cursor: at}")
    failure = refused(world, "t")
    assert "column 'k': no key in the row id = 7: NULL; the key needs a value: give it one, name the source" in failure
    world.catalog("t: {key: id, cursor: at}")
    world.load(DAY, "t")
    assert verify("t").equal, verify("t").differences


@servers_in_turn(
    "case",
    [
        ("'a\\0b'", "nul_bytes: remove", "holds a NUL byte"),
        ("REPEAT('x', 70000)", "oversize: 'null'", "has 70,000 bytes"),
    ],
)
def test_m08_a_key_is_never_changed_by_a_policy(world: World, case: tuple[str, str, str]) -> None:
    value, policy, reason = case
    world.at_source(
        "CREATE TABLE t (id INT PRIMARY KEY, k LONGTEXT, at DATETIME, KEY (at))",
        f"INSERT INTO t VALUES (6, 'ab', {NOON}), (7, {value}, {NOON})",
    )
    world.catalog(f"t: {{key: k, cursor: at, {policy}}}")
    failure = refused(world, "t")
    assert "column 'k': in the row id = 7 the value " in failure
    assert reason in failure
    advice = re.search(r"name another `key`, or set `(mask: .*?)`", failure)
    assert advice
    world.catalog(f"t: {{key: k, cursor: at, {policy}, {advice[1]}}}")
    world.load(DAY, "t")
    assert len(set(world.ask_warehouse("SELECT k FROM staging.t"))) == 2
    assert verify("t").equal, verify("t").differences


@mariadb_in_soak
def test_m08_dates_that_are_none_in_the_cursor_and_in_the_column_of_deletes_are_null_and_counted(world: World) -> None:
    at_source(
        world,
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL, gone DATETIME NOT NULL, KEY (at))",
        f"INSERT INTO t VALUES (1, {NOON}, '0000-00-00'), (2, '0000-00-00', {NOON}), (3, '2023-02-31', {NOON})",
    )
    world.catalog("t: {key: id, cursor: at, soft_delete: gone, dist_key: at, sort_key: [gone]}")
    world.load(DAY, "t")
    rows: list[Any] = world.ask_warehouse("SELECT id, at IS NULL, gone IS NULL FROM staging.t ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, False, True), (2, True, False), (3, True, False)]
    assert converted(world, "t") == {"at": {"zero_date": 1, "invalid_date": 1}, "gone": {"zero_date": 1}}
    assert verify("t").equal, verify("t").differences
