"""Tables whose names mean something else to a path, a key on S3, YAML or a terminal are copied like any other."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.source.quoting import identifier
from aurora_dwh_tests.e2e.world import World

NAMES = (".", "..", "a/b", "_arrivals", "a\nb", "null", "#", "'`'", "[/]", " lead")


def test_m13_tables_of_any_name_are_planned_loaded_and_verified(world: World, s3: Any) -> None:
    for name in NAMES:
        quoted, cursor = identifier(name), identifier(f"{name} z")
        world.at_source(
            f"CREATE TABLE {quoted} ({quoted} INT PRIMARY KEY, {cursor} DATETIME NOT NULL DEFAULT '2024-01-02' "
            f"ON UPDATE CURRENT_TIMESTAMP, KEY ({cursor}))",
            f"INSERT INTO {quoted} ({quoted}) VALUES (1), (2)",
        )
    world.catalog("")
    for command in (["discover", "--output", str(world.catalog_file)], ["plan", "a\nb", "--day", "2024-01-02"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (done.stderr, done.exception)
    assert "-- 1. Aurora: read a\\nb 2024-01-02\n" in done.stdout

    world.load("2024-01-02", *NAMES)

    tables = Catalog.load().tables
    for name in NAMES:
        here = world.ask_warehouse(f'SELECT * FROM staging."{tables[name].target}"')
        assert sorted(row[0] for row in here) == [1, 2], name
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=_bucket(world), Prefix=_prefix(world))["Contents"]]
    assert not [key for key in keys if {".", "..", ""} & set(key.split("/"))]
    verified = CliRunner().invoke(app, ["verify"], env={"COLUMNS": "200"})
    assert verified.exit_code == 0, (verified.stdout, verified.stderr, verified.exception)
    assert verified.stdout.count("equal") == len(NAMES), verified.stdout


def _bucket(world: World) -> str:
    return world.variables["LAKE_URI"].split("/")[2]


def _prefix(world: World) -> str:
    return world.variables["LAKE_URI"].split("/", 3)[3]
