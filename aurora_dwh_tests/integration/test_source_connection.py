"""Sessions and discovery on a real server: what a session is set to, TLS, secrets, and what a table looks like."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pymysql
import pytest

from aurora_dwh.commands.doctor.check import State
from aurora_dwh.commands.doctor.source import check_tls
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.source.connection import Connection, connect, execute, snapshot
from aurora_dwh.source.discovery import indexes, read_schema, read_tables
from aurora_dwh.source.reader import Protocol, read
from aurora_dwh.source.statement import select
from aurora_dwh_tests.servers import TIMED_OUT, Server, numbers


@pytest.fixture
def session(server: Server, database: str) -> Iterator[Connection]:
    with connect(**server.arguments(database)) as connection:
        yield connection


def fill(server: Server, database: str, *statements: str) -> None:
    with server.connect(database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a11_a_session_is_utc_read_only_and_repeatable(server: Server, session: Connection) -> None:
    modes = execute(session, "SELECT @@session.sql_mode, @@global.sql_mode")[0]

    transactions = execute(
        session, "SHOW VARIABLES WHERE Variable_name RLIKE '^(tx|transaction)_(isolation|read_only)$'"
    )
    assert {value for _, value in transactions} == {"REPEATABLE-READ", "ON"}
    assert execute(session, "SELECT @@time_zone, @@character_set_results, @@net_write_timeout") == [
        ("+00:00", "utf8mb4", 1800)
    ]
    assert modes[0] == modes[1]


def test_a19_a_statement_has_an_end(server: Server) -> None:
    with (
        connect(**server.arguments("mysql"), statement_timeout=timedelta(seconds=0.2)) as hasty,
        pytest.raises(pymysql.err.OperationalError, match=TIMED_OUT),
    ):
        execute(hasty, f"SELECT SLEEP(10) FROM {numbers(3)}")


def test_the_snapshots_clock_is_the_servers(session: Connection) -> None:
    with snapshot(session) as at:
        assert at.tzinfo is timezone.utc
        assert abs(at - datetime.now(timezone.utc)) < timedelta(seconds=30)


@pytest.mark.parametrize("password", ["hunter2-wrong", "пароль-hunter2"])
def test_a28_no_error_holds_the_password(server: Server, password: str) -> None:
    arguments = {**server.arguments(), "password": password.encode()}

    with pytest.raises(DataError, match="Access denied") as caught:
        connect(**arguments)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_password_of_any_letters_is_taken(server: Server) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER IF NOT EXISTS letters IDENTIFIED BY 'sésame 寿司'")
    with connect(**{**server.arguments(), "user": "letters", "password": "sésame 寿司".encode()}) as session:
        assert execute(session, "SELECT USER()")[0][0].startswith("letters@")


# TLS.


def over_tls(server: Server, context: ssl.SSLContext, database: str | None = None) -> Connection:
    arguments: dict[str, Any] = {**server.arguments(database), "ssl": context}
    del arguments["ssl_disabled"]
    return connect(**arguments)


@pytest.mark.parametrize("wire", ["binary", "text"])
def test_rows_are_read_over_tls(tls_server: Server, certificate: Path, wire: Protocol) -> None:
    database = tls_server.database()
    fill(tls_server, database, "CREATE TABLE t (id int PRIMARY KEY, v varchar(100))")
    fill(tls_server, database, f"INSERT INTO t SELECT seq, REPEAT('é', seq % 40) FROM {numbers(100_000)}")

    with over_tls(tls_server, ssl.create_default_context(cafile=certificate / "cert.pem"), database) as session:
        ((_, cipher),) = execute(session, "SHOW STATUS LIKE 'Ssl_cipher'")
        schema = read_schema(session, database, "t")
        rows = [
            r
            for b in read(session, select(schema), schema, wire=wire)
            for r in zip(*b.to_pydict().values(), strict=True)
        ]

    assert cipher
    assert sorted(rows) == [(n, "é" * (n % 40)) for n in range(1, 100_001)]


def test_doctor_tells_a_session_over_tls_from_one_in_the_clear(tls_server: Server, certificate: Path) -> None:
    path = str(certificate / "cert.pem")
    settings = AuroraSettings(database="d", host=tls_server.host, user="u", tls=path)
    with over_tls(tls_server, ssl.create_default_context(cafile=path)) as session:
        found = check_tls(session, settings)
    assert found.state is State.OK
    assert found.detail == f"TLSv1.3, certificate and host name verified against {path}"
    with connect(**tls_server.arguments()) as session:
        assert check_tls(session, settings).state is State.WARNING


def test_a_certificate_that_is_not_trusted_is_refused(tls_server: Server) -> None:
    with pytest.raises(DataError, match="certificate verify failed"):
        over_tls(tls_server, ssl.create_default_context())


# Discovery.


def test_a_pymysql_without_what_is_used_of_it_is_refused_by_name(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("pymysql.connections.Connection._read_packet")
    monkeypatch.setattr("pymysql.connections.Connection.connect", lambda _: None)  # which needs it, too
    monkeypatch.setattr("pymysql.connections.Connection.close", lambda _: None)
    with pytest.raises(
        DataError, match=r"PyMySQL 1\.2\.\d+ .* lacks _read_packet.*; .*`pip install 'pymysql>=1.2,<1.3'`"
    ):
        connect(**server.arguments(database))


def test_a_tables_columns_key_and_comment(server: Server, database: str, session: Connection) -> None:
    fill(
        server,
        database,
        """
        CREATE TABLE Orders (
          Id bigint unsigned NOT NULL COMMENT 'the key', region char(2) NOT NULL DEFAULT 'eu',
          amount decimal(12,2) unsigned, flags bit(5), kind enum('A','it''s') CHARACTER SET latin1, doc json,
          at timestamp(3) NOT NULL DEFAULT current_timestamp(3), raw varbinary(16), small tinyint(1),
          PRIMARY KEY (region, Id), INDEX by_time (at, amount)
        ) COMMENT 'all orders'
        """,
        "CREATE VIEW seen AS SELECT 1 AS one",
    )

    schema = read_schema(session, database, "Orders")

    assert (schema.primary_key, schema.comment) == (("region", "Id"), "all orders")
    assert [(c.name, c.data_type, c.nullable, c.length, c.precision, c.scale) for c in schema.columns] == [
        ("Id", "bigint", False, None, None, None),
        ("region", "char", False, 2, None, None),
        ("amount", "decimal", True, None, 12, 2),
        ("flags", "bit", True, None, 5, None),
        ("kind", "enum", True, 4, None, None),
        ("doc", "longtext", True, 2**32 - 1, None, None)
        if server.is_mariadb
        else ("doc", "json", True, None, None, None),
        ("at", "timestamp", False, None, None, None),
        ("raw", "varbinary", True, 16, None, None),
        ("small", "tinyint", True, None, None, None),
    ]
    assert schema.column("kind").members == ("A", "it's")
    written = "bigint(20) unsigned" if server.is_mariadb else "bigint unsigned"
    assert schema.column("id") == Column("Id", "bigint", written, nullable=False, comment="the key")
    assert schema.column("amount").unsigned
    assert read_tables(session, database) == ("Orders",)
    found = {c: indexes(session, database, "Orders", c) for c in ("at", "AT", "amount", "region", "Id")}
    assert {column: [(i.name, i.columns) for i in of] for column, of in found.items()} == {
        "at": [("by_time", ("at", "amount"))],
        "AT": [("by_time", ("at", "amount"))],
        "amount": [],
        "region": [("PRIMARY", ("region", "Id"))],
        "Id": [],
    }
