"""`aurora-dwh discover` of databases in which some tables cannot be copied: all others are, and those are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
)

DAY = "2024-01-01"
LONG = "顧" * 43
"""A name of 129 bytes."""

GOOD = ("good", "long_key", "system_key", "other_key")


def make(world: World) -> None:
    """Make tables that can be copied, some without a column or their key, and some that cannot be."""
    many = ", ".join(f"c{number} INT" for number in range(1_599))
    at = "updated_at DATETIME NOT NULL DEFAULT '2023-12-31', KEY (updated_at)"
    world.at_source(
        f"CREATE TABLE good (id INT PRIMARY KEY, {at})",
        f"CREATE TABLE long_key (`{LONG}` INT PRIMARY KEY, n INT, {at})",
        f"CREATE TABLE system_key (Oid INT PRIMARY KEY, n INT, {at})",
        f"CREATE TABLE other_key (ctid INT PRIMARY KEY, n INT NOT NULL UNIQUE, _dwh_x INT, {at})",
        "CREATE TABLE nothing_left (xmin INT PRIMARY KEY, `_DWH_y` INT)",
        "CREATE TABLE _dwh_own (id INT PRIMARY KEY)",
        f"CREATE TABLE too_wide ({many}) ENGINE=MyISAM",
        "INSERT INTO good (id) VALUES (1)",
        f"INSERT INTO long_key (`{LONG}`, n) VALUES (1, 2)",
        "INSERT INTO system_key (Oid, n) VALUES (1, 2)",
        "INSERT INTO other_key (ctid, n) VALUES (1, 2)",
    )


def discover(world: World, *options: str) -> str:
    done = CliRunner().invoke(app, ["discover", "--output", str(world.catalog_file), *options])
    assert done.exit_code == 0, (done.stderr, done.exception)
    return done.stdout


def test_m07_one_table_that_cannot_be_copied_stops_no_other_and_stands_in_a_comment(world: World) -> None:
    make(world)
    world.catalog("")
    found = json.loads(discover(world, "--json"))
    assert found["refused"] == {
        "_dwh_own": "'_dwh_own' is reserved: names that begin with _dwh_ are aurora-dwh's own",
        "nothing_left": f"table {world.database}.nothing_left: include and exclude leave no column",
        "too_wide": (
            "1,599 columns are to be copied, and Redshift has room for 1,598 of a table in mode full; name those to "
            "copy in `include`, or leave some out with `exclude`"
        ),
    }
    assert [added["table"] for added in found["added"]] == sorted(GOOD)
    tables = Catalog.load().tables
    assert {name: (table.mode, table.key, table.exclude) for name, table in tables.items()} == {
        "good": ("incremental", ("id",), ()),
        "long_key": ("full", (), (LONG,)),
        "system_key": ("full", (), ("Oid",)),
        "other_key": ("incremental", ("n",), ("ctid", "_dwh_x")),
    }
    text = world.catalog_file.read_text(encoding="utf-8")
    for name, reason in found["refused"].items():
        assert f"\n  # {name} is not copied: {reason}\n" in text
    assert f"  # column {LONG} is left out: its name has 129 bytes, and Redshift cuts names at 127\n" in text

    world.load(DAY, *GOOD)
    assert all(verdict.equal for verdict in compare_tables(Catalog.load(), tables.values()))


@mariadb_in_soak
def test_m07_a_table_that_can_be_copied_at_last_takes_its_comments_place(world: World) -> None:
    make(world)
    world.catalog("")
    said = discover(world)
    assert "too_wide is not copied: 1,599 columns are to be copied" in said
    before = world.catalog_file.read_text(encoding="utf-8")
    assert json.loads(discover(world, "--json"))["added"] == []
    assert sorted(world.catalog_file.read_text(encoding="utf-8").splitlines()) == sorted(before.splitlines())
    world.at_source("ALTER TABLE too_wide DROP c0", "ALTER TABLE nothing_left ADD n INT")
    discover(world)
    text = world.catalog_file.read_text(encoding="utf-8")
    assert text.count("is not copied: ") == 1
    assert "# _dwh_own is not copied: " in text
    assert {"too_wide", "nothing_left"} <= Catalog.load().tables.keys()


@mariadb_in_soak
def test_m07_what_the_catalog_says_of_all_tables_is_not_written_for_one_that_it_does_not_fit(world: World) -> None:
    world.at_source(
        "CREATE TABLE a (id INT PRIMARY KEY, gone DATETIME, mail TEXT)",
        "CREATE TABLE b (n INT, mail TEXT)",
        "CREATE TABLE c (id INT PRIMARY KEY)",
    )
    defaults = "defaults: {key: id, soft_delete: gone, mask: {mail: sha256}}\n"
    text = f"timezone: UTC\nstart_date: 2024-01-01\n{defaults}tables:\n  a: {{mode: full}}\n"
    world.catalog_file.write_text(text, encoding="utf-8")
    reason = "`mask` names 'mail', which is no column of the table, or none that this user may read"
    assert json.loads(discover(world, "--json"))["refused"] == {"c": reason}
    b = Catalog.load().tables["b"]
    assert (b.key, b.soft_delete, b.mask) == ((), None, {"mail": "sha256"})
    world.load(DAY, "a", "b")


@mariadb_in_soak
def test_m07_a_catalog_with_problems_of_its_own_is_not_touched(world: World) -> None:
    world.at_source("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)")
    world.catalog("a: {mode: full, key: id, exclude: id}")
    before = world.catalog_file.read_bytes()
    done = CliRunner().invoke(app, ["discover", "--output", str(world.catalog_file)])
    assert done.exit_code == 2
    assert "table a: exclude: 'id' is the table's key and must be copied" in done.stderr
    assert world.catalog_file.read_bytes() == before


def test_m06_a_table_whose_session_is_lost_stops_no_other(world: World, monkeypatch: Any) -> None:
    make_lost(world, monkeypatch, "b")
    world.at_source(*(f"CREATE TABLE {name} (id INT PRIMARY KEY)" for name in "abc"))
    world.catalog("")
    found = json.loads(discover(world, "--json"))
    assert [added["table"] for added in found["added"]] == ["a", "c"]
    assert found["refused"]["b"].startswith("the connection to Aurora was lost: ")


def make_lost(world: World, monkeypatch: Any, table: str) -> None:
    """Have an administrator end the session that asks for a table's columns, just before it does."""
    from aurora_dwh.source import discovery

    execute: Callable[..., Any] = discovery.execute

    def ended(connection: Any, statement: str, parameters: tuple[object, ...] = ()) -> Any:
        if "information_schema.COLUMNS" in statement and table in parameters:
            world.at_source(f"KILL {connection.thread_id()}")
        return execute(connection, statement, parameters)

    monkeypatch.setattr(discovery, "execute", ended)
