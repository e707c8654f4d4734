"""Types that one server alone has: MySQL's VECTOR, MariaDB's UUID, INET4 and INET6, through the whole chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.source.connection import connect, execute
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.outfile import NOW, select_csv
from aurora_dwh.source.reader import Protocol, read
from aurora_dwh.source.statement import select
from aurora_dwh_tests.e2e.test_types import verify
from aurora_dwh_tests.e2e.test_types_policies import converted, refused
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    Server,
    server,
    servers_in_turn,
)

DAY = "2024-01-01"


@dataclass(frozen=True)
class Kinds:
    """A server's own types.

    Attributes:
        columns: Column -> type.
        key: The column that is the key.
        rows: The rows, by SQL of their values.
        copied: The rows as Redshift holds them, in the order of the key.
    """

    columns: dict[str, str]
    key: str
    rows: Sequence[Sequence[str]]
    copied: Sequence[tuple[Any, ...]]


MYSQL = Kinds(
    {"id": "INT", "v": "VECTOR(3)", "w": "VECTOR"},
    "id",
    [
        ("1", "STRING_TO_VECTOR('[1, 2.5, -0.0]')", "STRING_TO_VECTOR('[3.4028235e38]')"),
        ("2", "STRING_TO_VECTOR('[1.1754944e-38, 0, 1]')", "NULL"),
        ("3", "NULL", "NULL"),
    ],
    [(1, "0000803f0000204000000080", "ffff7f7f"), (2, "00008000000000000000803f", None), (3, None, None)],
)
MARIADB = Kinds(
    {"id": "UUID", "a": "INET6", "b": "INET4"},
    "id",
    [
        ("'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'255.255.255.255'"),
        ("'00000000-0000-0000-0000-000000000000'", "'::'", "'0.0.0.0'"),
        ("'123e4567-e89b-12d3-a456-426655440000'", "'::ffff:1.2.3.4'", "NULL"),
        ("'223e4567-e89b-12d3-a456-426655440000'", "'2001:DB8:0:0:0:FF00:42:8329'", "'1.2.3.4'"),
    ],
    [
        ("00000000-0000-0000-0000-000000000000", "::", "0.0.0.0"),
        ("123e4567-e89b-12d3-a456-426655440000", "::ffff:1.2.3.4", None),
        ("223e4567-e89b-12d3-a456-426655440000", "2001:db8::ff00:42:8329", "1.2.3.4"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "255.255.255.255"),
    ],
)


def kinds(of: Server) -> Kinds:
    return MARIADB if of.is_mariadb else MYSQL


def make(world: World, table: str) -> Kinds:
    """Make a table of the server's own types, with rows of the first day."""
    own = kinds(world.server)
    columns = ", ".join(f"{name} {kind}" for name, kind in own.columns.items())
    world.at_source(
        f"CREATE TABLE {table} ({columns}, updated_at DATETIME NOT NULL DEFAULT '2023-12-31', PRIMARY KEY ({own.key}), "
        "KEY (updated_at))",
        *(f"INSERT INTO {table} ({', '.join(own.columns)}) VALUES ({', '.join(row)})" for row in own.rows),
    )
    return own


def test_m07_they_are_offered_loaded_and_proven(world: World) -> None:
    own = make(world, "own")
    world.catalog("")
    found = CliRunner().invoke(app, ["discover", "--output", str(world.catalog_file)])
    assert found.exit_code == 0, found.stderr
    table = Catalog.load().tables["own"]
    assert (table.mode, table.key, table.exclude) == ("incremental", (own.key,), ())
    world.load(DAY, "own")
    names = ", ".join(f'"{name}"' for name in own.columns)
    assert world.ask_warehouse(f"SELECT {names} FROM staging.own ORDER BY 1") == list(own.copied)
    assert verify("own").equal, verify("own").differences
    others = [name for name in own.columns if name != own.key]
    world.ask_warehouse(f"UPDATE staging.own SET {', '.join(f'{name} = NULL' for name in others)}")
    assert verify("own").differences[0] == f"columns that differ: {', '.join(sorted(others))}"
    world.at_source("UPDATE own SET updated_at = '2024-01-02 00:00:00'")
    world.load("2024-01-02", "own")
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.own") == [(len(own.rows),)]
    assert verify("own").equal


@pytest.mark.parametrize("wire", ["binary", "text"])
def test_m07_both_protocols_carry_them(world: World, wire: Protocol) -> None:
    own = make(world, "own")
    connection = connect(**world.server.arguments(world.database))
    schema = read_schema(connection, world.database, "own").select(exclude=("updated_at",))
    (batch,) = read(connection, select(schema, order_by=[own.key]), schema, wire=wire)
    rows = [
        tuple(value.hex() if isinstance(value, bytes) else value for value in row.values()) for row in batch.to_pylist()
    ]
    assert sorted(rows) == list(own.copied)
    connection.close()


def test_m07_an_export_writes_them_as_text_that_copy_reads(world: World) -> None:
    own = make(world, "own")
    world.catalog("own: {mode: full}")
    connection = connect(**world.server.arguments(world.database))
    schema = read_schema(connection, world.database, "own").select(exclude=("updated_at",))
    statement = select_csv(schema, Catalog.load().tables["own"], where=(), day=date(2024, 1, 1), read_at=NOW)
    rows = sorted(row[: len(own.columns)] for row in execute(connection, statement))
    null = "<aurora-dwh NULL>"
    written = {
        str: lambda value: value if own is MARIADB else f"00{value.upper()}",
        int: str,
        type(None): lambda _: null,
    }
    assert rows == sorted(tuple(written[type(value)](value) for value in row) for row in own.copied)
    connection.close()


@servers_in_turn("policy", ["truncate", "null", "fail"])
def test_m07_a_vector_of_more_bytes_than_redshift_holds_meets_the_policy(world: World, policy: str) -> None:
    if world.server.is_mariadb:
        world.at_source("CREATE TABLE long_ones (id INT PRIMARY KEY, at DATETIME, v LONGBLOB, KEY (at))")
        vector = "REPEAT(x'0000803f', 16001)"
    else:
        world.at_source("CREATE TABLE long_ones (id INT PRIMARY KEY, at DATETIME, v VECTOR(16383), KEY (at))")
        vector = "STRING_TO_VECTOR(CONCAT('[1', REPEAT(',1', 16000), ']'))"
    world.at_source(f"INSERT INTO long_ones VALUES (1, '2023-12-31', {vector}), (2, '2023-12-31', NULL)")
    world.catalog(f"long_ones: {{key: id, cursor: at, oversize: {policy}}}")
    if policy == "fail":
        assert "column 'v': in the row id = 1 the value b'\\x00\\x00\\x80?" in refused(world, "long_ones")
        return
    world.load(DAY, "long_ones")
    kept = "0000803f" * 16_000 if policy == "truncate" else None
    assert world.ask_warehouse("SELECT v FROM staging.long_ones ORDER BY id") == [(kept,), (None,)]
    assert converted(world, "long_ones") == {"v": {"oversize": 1}}
    assert verify("long_ones").equal, verify("long_ones").differences
