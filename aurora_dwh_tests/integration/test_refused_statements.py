"""A server that refuses any one statement of the product's: what is seen then is a sentence, never a driver's tuple.

An account that may run a number of statements is refused the one after them, whichever that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor import source
from aurora_dwh.commands.doctor.check import Attempts, State
from aurora_dwh.core.models import DataError, Window
from aurora_dwh.source.connection import SourceError, connect
from aurora_dwh.source.extract import Source
from aurora_dwh_tests.servers import Server

CATALOG = """\
timezone: UTC
start_date: 2024-01-01
tables:
  orders: {key: id, cursor: changed, max_rows_per_second: 1000000}
  lines: {key: [o, p], cursor: update_date}
  country: {mode: full, key: code}
"""
TABLES = (
    "CREATE TABLE orders (id INT PRIMARY KEY, changed DATETIME NOT NULL, KEY (changed))",
    "CREATE TABLE `lines` (o INT, p INT, update_date DATETIME, PRIMARY KEY (o, p))",
    "CREATE TABLE country (code CHAR(2) PRIMARY KEY)",
    *(f"INSERT INTO orders VALUES ({n}, '2024-01-0{n} 10:00:00')" for n in range(1, 5)),
)
TUPLE = re.compile(r"\(\d{4}, ['\"]")
"""What a driver's error looks like that nobody put into words."""

REFUSED = "'max_queries_per_hour' resource|'max_questions' resource"


@pytest.fixture
def allow(server: Server, database: str) -> Iterator[Callable[[int], None]]:
    """Lets the account `counted` run so many statements from now on."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        for statement in (*TABLES, "CREATE USER counted IDENTIFIED BY 'c'", f"GRANT SELECT ON {database}.* TO counted"):
            cursor.execute(statement)

        def statements(number: int) -> None:
            cursor.execute(f"ALTER USER counted WITH MAX_QUERIES_PER_HOUR {number}")
            cursor.execute("FLUSH USER_RESOURCES")

        yield statements
        cursor.execute("DROP USER counted")


@pytest.fixture
def environment(server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that names the source as `counted`, a catalog, and neither lake nor warehouse."""
    (tmp_path / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    variables = {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_DATABASE": database,
        "AURORA_USER": "counted",
        "AURORA_PASSWORD": "c",
        "AURORA_TLS": "disabled",
        "LAKE_URI": "",
        "REDSHIFT_HOST": "",
        "AURORA_DWH_CATALOG": str(tmp_path / "catalog.yaml"),
        "DAGSTER_HOME": str(tmp_path),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_m13_discover_says_in_words_which_statement_was_refused(
    allow: Callable[[int], None], environment: Path
) -> None:
    for number in range(1, 200):
        allow(number)
        done = CliRunner().invoke(app, ["discover", "--output", str(environment / "new.yaml")])
        assert isinstance(done.exception, SystemExit | None), (number, done.exception)
        said = done.stdout + done.stderr
        if done.exit_code == 0 and not re.search(REFUSED, said):
            break
        assert_words(number, said)
        assert (environment / "new.yaml").exists() is (done.exit_code == 0)
        (environment / "new.yaml").unlink(missing_ok=True)
    assert number > 10


def test_m13_doctor_says_in_words_which_statement_was_refused(allow: Callable[[int], None], environment: Path) -> None:
    for number in range(1, 200):
        allow(number)
        run = Attempts()
        source.check(run, Catalog.load())
        assert not any(TUPLE.search(check.detail + check.remedy) for check in run.checks), (number, run.checks)
        if all(check.state is not State.FAILED for check in run.checks):
            break
    assert number > 10


def test_m13_a_load_says_in_words_which_statement_was_refused(
    server: Server, database: str, allow: Callable[[int], None], environment: Path
) -> None:
    login: dict[str, Any] = {**server.arguments(database), "user": "counted", "password": b"c"}
    source = Source(lambda: connect(**login), database=database, zone=ZoneInfo("UTC"), warn=lambda _: None)

    def load(table: Table) -> None:
        for extract in source.extract(table, [_window(day) for day in (2, 3)]):
            list(extract.batches)

    for table in Catalog.load().tables.values():
        for number in range(1, 200):
            allow(number)
            if (said := _failure(lambda: load(table))) is None:  # noqa: B023 - called at once
                break
            assert_words(number, said)
        assert number > 10


def assert_words(number: int, said: str) -> None:
    """Expect a sentence of ours about a statement that was refused."""
    assert re.search(REFUSED, said), (number, said)
    assert not TUPLE.search(said), (number, said)


def _failure(work: Callable[[], None]) -> str | None:
    """Return what the product says of a failure, None where there is none."""
    try:
        work()
    except (DataError, SourceError) as error:
        return str(error)
    return None


def _window(number: int) -> Window:
    start = datetime(2024, 1, number, tzinfo=timezone.utc)
    return Window(start.date(), start, start + timedelta(days=1))
