"""What a new source is set up with, on a real server and over TLS: the reading user and the sample shop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pymysql
import pytest

from aurora_dwh.local import shop
from aurora_dwh_tests.servers import Server
from infra import seed

EXPORT_ROLE = "AWS_SELECT_S3_ACCESS"
"""Aurora's own; here a role of that name that may do nothing."""

Seed = Callable[..., None]

pytestmark = pytest.mark.parametrize("tls_server", ["mysql"], indirect=True)


@pytest.fixture
def passwords(tls_server: Server) -> dict[str, str]:
    """Secret -> the password that it holds now."""
    return {"admin": tls_server.password, "reader": 'one\'s own; "quoted" 1'}


@pytest.fixture
def database(tls_server: Server) -> Iterator[str]:
    name = tls_server.database()
    with tls_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE IF NOT EXISTS {EXPORT_ROLE}")
    yield name
    with tls_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER IF EXISTS dwh_reader@'%'")
    tls_server.drop(name)


@pytest.fixture
def run(
    tls_server: Server,
    certificate: Path,
    database: str,
    passwords: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Seed:
    """The task's own command, with the secrets and the port of the server."""
    users = {"admin": tls_server.user, "reader": "dwh_reader"}

    def secret(name: str, region: str | None) -> dict[str, Any]:
        return {"username": users[name], "password": passwords[name]}

    variables = {
        "SEED_HOST": tls_server.host,
        "SEED_ADMIN_SECRET": "admin",
        "AURORA_SECRET_ID": "reader",
        "AURORA_DATABASE": database,
        "AURORA_TLS": str(certificate / "cert.pem"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(seed, "fetch_secret", secret)
    monkeypatch.setattr(seed.pymysql, "connect", functools.partial(pymysql.connect, port=tls_server.port))

    def command(first: date, last: date) -> None:
        monkeypatch.setattr("sys.argv", ["seed", "--first", str(first), "--last", str(last)])
        seed.main()

    return command


def reader(server: Server, database: str, password: str, trusted: Path | None) -> pymysql.Connection[Any]:
    arguments = {**server.arguments(database), "user": "dwh_reader", "password": password}
    if trusted:
        del arguments["ssl_disabled"]
        arguments["ssl_ca"] = str(trusted / "cert.pem")
    return pymysql.connect(**arguments)


def counts(server: Server, database: str) -> dict[str, str]:
    return {table: server.client(f"SELECT COUNT(*) FROM {table}", database).strip() for table in shop.TABLES}


def test_the_shop_lives_and_its_reader_may_read_and_nothing_else(
    tls_server: Server,
    certificate: Path,
    database: str,
    passwords: dict[str, str],
    run: Seed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(shop.START, shop.START)

    held = counts(tls_server, database)
    assert all(int(count) > 0 for count in held.values()), held
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines()] == list(shop.TABLES)
    assert passwords["reader"] not in said
    with reader(tls_server, database, passwords["reader"], certificate) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM orders_master")
        assert str(cursor.fetchone()[0]) == held["orders_master"]
        # Of a database whose name is alike but for an underscore, which GRANT would take for any character:
        alike = database.replace("_", "x")
        tls_server.client(f"CREATE DATABASE {alike}; CREATE TABLE {alike}.t (id INT)", database)
        refused = ("DELETE FROM country", "DROP TABLE country", "SELECT * FROM mysql.user", f"SELECT * FROM {alike}.t")
        for statement in refused:
            with pytest.raises(pymysql.err.OperationalError, match="denied"):
                cursor.execute(statement)
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        reader(tls_server, database, passwords["reader"], None)
    tls_server.drop(alike)
    assert EXPORT_ROLE in tls_server.client("SHOW GRANTS FOR dwh_reader@'%'", database)


def test_another_run_lives_on_and_takes_the_secrets_new_password(
    tls_server: Server,
    certificate: Path,
    database: str,
    passwords: dict[str, str],
    run: Seed,
) -> None:
    run(shop.START, shop.START)
    before, old = counts(tls_server, database), passwords["reader"]
    passwords["reader"] = "another"

    run(shop.START, shop.START)

    assert counts(tls_server, database) == before
    reader(tls_server, database, "another", certificate).close()
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        reader(tls_server, database, old, certificate)
