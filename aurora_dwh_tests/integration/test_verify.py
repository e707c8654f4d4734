"""`aurora-dwh verify` on real servers that end its sessions: one table's trouble is no other's, and is told plainly."""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh.proof.verdict import Verdict
from aurora_dwh.source.connection import connect, execute
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.servers import Server
from aurora_dwh_tests.services import lake_variables
from aurora_dwh_tests.statements import selects

NAMES = ("a", "b", "c")
CATALOG = "timezone: UTC\nstart_date: 2024-01-01\ntables:\n"
ENDLESS = "b: {mode: full, key: id, filter: \"GET_LOCK('verify', 600) >= 0\"}"
"""A table whose reading ends as soon as another session leaves a lock, which it never does."""


@pytest.fixture
def verify(
    server: Server,
    database: str,
    warehouse: Warehouse,
    lake_server: LakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Iterator[Verdict]]:
    """Compares three tables that are equal on both sides, with other lines of the catalog for some of them."""
    assert warehouse.settings.password
    variables = {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_DATABASE": database,
        "AURORA_USER": server.user,
        "AURORA_PASSWORD": server.password,
        "AURORA_TLS": "disabled",
        "REDSHIFT_HOST": str(warehouse.settings.host),
        "REDSHIFT_PORT": str(warehouse.settings.port),
        "REDSHIFT_DATABASE": warehouse.settings.database,
        "REDSHIFT_USER": str(warehouse.settings.user),
        "REDSHIFT_PASSWORD": warehouse.settings.password.get_secret_value(),
        "REDSHIFT_TLS": "disabled",
        **lake_variables(lake_server, f"s3://{lake_server.bucket}/verify-{secrets.token_hex(4)}"),
        "AURORA_DWH_CATALOG": str(tmp_path / "catalog.yaml"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with server.connect(database) as connection, connection.cursor() as cursor:
        for name in NAMES:
            cursor.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY)")
            cursor.execute(f"INSERT INTO {name} VALUES (1), (2)")
    with warehouse.session() as session:
        session.execute("CREATE SCHEMA staging")
        for name in NAMES:
            session.execute(f"CREATE TABLE staging.{name} (id INTEGER)")
            session.execute(f"INSERT INTO staging.{name} VALUES (1), (2)")

    def run(**lines: str) -> Iterator[Verdict]:
        written = "".join(f"  {lines.get(name, f'{name}: {{mode: full, key: id}}')}\n" for name in NAMES)
        (tmp_path / "catalog.yaml").write_text(CATALOG + written, encoding="utf-8")
        catalog = Catalog.load()
        return compare_tables(catalog, catalog.tables.values())

    return run


@pytest.fixture
def kill_others(server: Server) -> Callable[[], int]:
    """Ends all sessions but its own as an administrator would, and returns how many there were."""

    def kill() -> int:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE user = %s AND id <> CONNECTION_ID()", server.user
            )
            found = cursor.fetchall()
            for (number,) in found:
                cursor.execute(f"KILL {int(number)}")
        return len(found)

    return kill


def test_m04_values_are_compared_by_what_every_version_of_the_server_has(
    verify: Callable[..., Iterator[Verdict]], server: Server, database: str
) -> None:
    # MySQL 9.6 and later have MD5 and SHA1 as a component that need not be there.
    with selects(server, database) as asked:
        assert [verdict.equal for verdict in verify()] == [True, True, True]
        statements = asked()
    assert any("SHA2(" in statement for statement in statements)
    assert not [statement for statement in statements if re.search(r"\b(MD5|SHA1?)\(", statement)]


def test_m06_a_session_that_was_ended_between_two_tables_is_no_tables_loss(
    verify: Callable[..., Iterator[Verdict]], kill_others: Callable[[], int]
) -> None:
    verdicts = verify()
    found = [next(verdicts)]
    assert kill_others() >= 1
    found += verdicts
    assert [(verdict.table, verdict.equal, verdict.error) for verdict in found] == [(n, True, "") for n in NAMES]


def test_m06_a_session_that_is_ended_under_way_costs_its_own_table_alone(
    verify: Callable[..., Iterator[Verdict]], server: Server
) -> None:
    verify(b=ENDLESS)
    with server.connect() as holder, holder.cursor() as held:
        held.execute("SELECT GET_LOCK('verify', 0)")
        assert held.fetchone() == (1,)
        result: list[Any] = []
        shell = threading.Thread(target=lambda: result.append(CliRunner().invoke(app, ["verify", "--json"])))
        shell.start()
        with server.connect() as admin, admin.cursor() as cursor:
            waiting: tuple[Any, ...] = ()
            while shell.is_alive() and not waiting:
                cursor.execute("SELECT id FROM information_schema.processlist WHERE state = 'User lock'")
                waiting = cursor.fetchall()
            cursor.execute(f"KILL {int(waiting[0][0])}")
        shell.join(60)
    assert result[0].exit_code == 1
    a, b, c = json.loads(result[0].stdout)
    assert [v["equal"] for v in (a, b, c)] == [True, False, True]
    assert b["error"].startswith("the connection to Aurora was lost: ")
    assert "MySQL error 0" not in b["error"]
    assert b["differences"] == []


def test_m06_a_statement_that_is_longer_than_the_server_takes_costs_its_own_table_alone(
    verify: Callable[..., Iterator[Verdict]], server: Server, database: str, warehouse: Warehouse
) -> None:
    columns = [f"column_{number}" for number in range(40)]
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE b")
        cursor.execute(f"CREATE TABLE b (id INT PRIMARY KEY, {', '.join(f'{name} DOUBLE' for name in columns)})")
    with warehouse.session() as session:
        for name in columns:
            session.execute(f"ALTER TABLE staging.b ADD COLUMN {name} DOUBLE PRECISION")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        ((size,),) = cursor.fetchall()
        cursor.execute("SET GLOBAL max_allowed_packet = 1024")
        try:
            a, b, c = verify()
        finally:
            cursor.execute(f"SET GLOBAL max_allowed_packet = {size}")
    assert a.equal, a
    assert "max_allowed_packet takes 1,024; raise that, or leave columns out with `exclude`" in b.error
    assert c.equal, c


def test_m06_a_servers_wait_timeout_does_not_end_the_products_sessions(server: Server) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@global.wait_timeout")
        ((seconds,),) = cursor.fetchall()
        cursor.execute("SET GLOBAL wait_timeout = 1")
        try:
            with connect(**server.arguments()) as session:
                assert execute(session, "SELECT @@wait_timeout") == [(28_800,)]
        finally:
            cursor.execute(f"SET GLOBAL wait_timeout = {seconds}")


def test_m06_a_source_that_is_out_of_reach_from_the_start_ends_the_command(
    verify: Callable[..., Iterator[Verdict]], monkeypatch: pytest.MonkeyPatch
) -> None:
    verify()
    monkeypatch.setenv("AURORA_PORT", "1")
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 1
    assert "cannot connect to Aurora" in result.stderr
