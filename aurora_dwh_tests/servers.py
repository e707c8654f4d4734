"""The real servers that tests read from: MySQL and MariaDB, each with a folder, port and password of its own."""

from __future__ import annotations

import itertools
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor, DictCursor

from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh.local.aurora.database import DatabaseServer
from aurora_dwh.local.aurora.program import KINDS, Kind, find
from aurora_dwh.local.processes import free_ports
from aurora_dwh_tests.sampling import soak

Run = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement, with parameters behind it, and returns its rows."""

_OPTIONS = ("--max-allowed-packet=256M", "--innodb-flush-log-at-trx-commit=2", "--skip-innodb-doublewrite")
"""As little writing as tests need: what is committed outlives the server's process, but not the machine."""


class Server(DatabaseServer):
    """A server that has started, and what tests do with it.

    Args:
        kind: Whose server.
        options: More options of it.
        setup: Statements that are run before its first client.

    Raises:
        ServerMissingError: There is none; the message says what helps. No test is skipped for that.
    """

    def __init__(self, kind: Kind, *options: str, setup: tuple[str, ...] = ()) -> None:
        self.user = "root"
        self.password = secrets.token_urlsafe(12)
        self._databases = 0
        login = f"ALTER USER root@localhost IDENTIFIED BY '{self.password}'"
        folder = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        super().__init__(
            folder,
            find(kind),
            setup=(login, *setup),
            port=free_ports(1)[0],
            options=(*_OPTIONS, *options),
        )
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB, for where the two servers differ."""
        return self.program.kind == "mariadb"

    def arguments(self, database: str | None = None) -> dict[str, Any]:
        """Return the keyword arguments of `pymysql.connect`."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": database,
            "ssl_disabled": True,
        }

    def connect(self, database: str | None = None) -> Connection[Cursor]:
        """Return a plain PyMySQL connection, the one that tests compare with."""
        return pymysql.connect(**self.arguments(database), autocommit=True)

    @contextmanager
    def running(self, database: str) -> Iterator[Run]:
        """Give what runs statements in a database, on one plain connection in UTC, and returns their rows."""
        with self.connect(database) as connection:

            def run(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
                with connection.cursor() as cursor:
                    cursor.execute(statement, parameters or None)
                    return list(cursor.fetchall())

            run("SET time_zone = '+00:00'")
            yield run

    def database(self) -> str:
        """Create an empty database and return its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it; thousands of tests fill a disk."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'")
            for (client,) in cursor.fetchall():
                with suppress(pymysql.err.MySQLError):  # which has ended by itself meanwhile
                    cursor.execute(f"KILL {client}")
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")

    def client(self, statement: str, database: str) -> str:
        """Return what the command line client prints for a statement, without a header."""
        command = [*self._client(database), "--batch", "--skip-column-names", "--raw", f"--execute={statement}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def plan(self, statement: str, database: str) -> dict[str, Any]:
        """Return how a SELECT of one table is carried out: EXPLAIN's row by its lower-cased names."""
        with self.connect(database) as connection, connection.cursor(DictCursor) as cursor:
            cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {statement}")
            (row,) = cursor.fetchall()
        return {name.lower(): value for name, value in row.items()}

    def script(self, text: str, database: str) -> None:
        """Run a script of statements with the command line client."""
        subprocess.run(self._client(database), input=text, check=True, capture_output=True, text=True)

    def _client(self, database: str) -> list[str]:
        arguments = [f"--host={self.host}", f"--port={self.port}", f"--user={self.user}", f"--password={self.password}"]
        keys = [] if self.is_mariadb else ["--get-server-public-key"]
        return [*self.program.client, "--no-defaults", *arguments, *keys, "--default-character-set=utf8mb4", database]


TIMED_OUT = r"(max_statement_time|maximum statement execution time) exceeded"
"""What MariaDB and MySQL say of a statement that ran for too long."""


def numbers(count: int) -> str:
    """Return a table for a FROM clause on either server, whose column `seq` counts from 1."""
    return f"JSON_TABLE(CONCAT('[0', REPEAT(',0', {count} - 1), ']'), '$[*]' COLUMNS (seq FOR ORDINALITY)) numbers"


def _running(kind: Kind) -> Iterator[Server]:
    server = Server(kind)
    yield server
    server.remove()


def running_aurora(folder: Path, **options: Any) -> Iterator[EmbeddedAurora]:
    """Yield an embedded Aurora while it runs, and remove its data: 150 MB each time that a fixture makes one."""
    made = EmbeddedAurora(folder, **options)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mysql() -> Iterator[Server]:
    """A MySQL server."""
    yield from _running("mysql")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A MariaDB server."""
    yield from _running("mariadb")


@pytest.fixture(scope="session", params=KINDS)
def server(request: pytest.FixtureRequest) -> Server:
    """MySQL, then MariaDB: a test that asks for it runs on both.

    Where one will do, a folder's conftest says so; a module there that is about the source imports this one.
    """
    found: Server = request.getfixturevalue(request.param)
    return found


one_server = pytest.mark.parametrize("server", ["mysql"], indirect=True)
"""Marks a test, among those that run on both, which is about what comes after the source."""

mariadb_in_soak = pytest.mark.parametrize("server", ["mysql", soak("mariadb")], indirect=True)
"""Marks one whose point another test makes on MariaDB too."""


def servers_in_turn(name: str, values: Iterable[Any], *, server: str = "server") -> pytest.MarkDecorator:
    """Mark a test that has a parameter of its own: each of its values is met once, and each server too."""
    return pytest.mark.parametrize((server, name), list(zip(itertools.cycle(KINDS), values)), indirect=[server])


def by_turns(name: str, values: Iterable[Any]) -> pytest.MarkDecorator:
    """Mark a test, among those that run on both, with values that have nothing to do with it: each runs on one."""
    return pytest.mark.parametrize(("server", name), list(zip(cycle(KINDS), values)), indirect=["server"])


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """An empty database on that server, which is dropped behind the test."""
    name = server.database()
    yield name
    server.drop(name)
