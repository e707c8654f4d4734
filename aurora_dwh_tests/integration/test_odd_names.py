"""Names that nobody would choose, all that a server takes, through the commands: what is written is what was there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.commands.console import plain
from aurora_dwh.commands.doctor import source
from aurora_dwh.commands.doctor.check import Attempts, Check, State
from aurora_dwh.source import discovery
from aurora_dwh.source.quoting import identifier
from aurora_dwh_tests.servers import KINDS, Server

NAMES = (
    *("a\nb", "a\r\nb", "a\rb", "a\tb", " lead", "\x01", "\x1b[31m", "\x7f", "\x85", "a\x0cb", "a\u2028b", "\u2029"),
    *("\ufeff", "\xa0", "\ue000" * 40, "\x01" * 50, "x" * 64, "日本", "é", "'", '"', "`", "``", "''", '""', "\\"),
    *("a\\n", "#", " #b", "a#b", "a: b", "a:", ":", "-", "- a", "?", "? a", "|", ">", "!t", "&x", "*x", "%d", "%s"),
    *("@a", "=", "<<", "{a", "{}", "[a", "a]", "[/]", "[red]x", "a,b", "null", "~", "yes", "true", "NaN", ".inf", "1"),
    *("1e3", "0x1", "1:30", "2024-01-01", ".", "..", "a/b", "/", "a%2Fb", "_arrivals", "--", "/*", "a;b", "$a", "{0}"),
)


def cursor_of(name: str) -> str:
    return f"{name[:63]}z"


@pytest.fixture
def environment(server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a catalog that is not written yet, and an environment that names the source and it."""
    return _environment(server, database, tmp_path / "catalog.yaml", monkeypatch)


def _environment(server: Server, database: str, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)  # no table is too small for advice
    variables = {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_DATABASE": database,
        "AURORA_USER": server.user,
        "AURORA_PASSWORD": server.password,
        "AURORA_TLS": "disabled",
        "AURORA_DWH_CATALOG": str(catalog),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return catalog


def run(*arguments: str) -> Result:
    """Run a command and expect success."""
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "250"})
    assert result.exit_code == 0, (result.stderr, result.exception)
    return result


def checks_of_tables() -> dict[str, Check]:
    made = Attempts()
    source.check(made, Catalog.load())
    start = source.TABLE
    return {check.name.removeprefix(start): check for check in made.checks if check.name.startswith(start)}


def test_m13_a_catalog_holds_every_name_and_comment_as_it_is(server: Server, database: str, environment: Path) -> None:
    with server.connect(database) as connection, connection.cursor() as cursor:
        for name in NAMES:
            key, changed, comment = identifier(name), identifier(cursor_of(name)), connection.escape(name)
            cursor.execute(
                f"CREATE TABLE {key} ({key} INT PRIMARY KEY COMMENT {comment}, {changed} DATETIME ON UPDATE NOW()) "
                f"COMMENT {comment}"
            )
    found = run("discover", "--output", str(environment))
    assert "Traceback" not in found.stderr
    assert "\x1b[31m" not in found.stdout
    tables = Catalog.load().tables
    assert {name: (t.key, t.cursor, t.description) for name, t in tables.items()} == {
        name: ((name,), cursor_of(name), name) for name in NAMES
    }
    before = environment.read_bytes()
    assert " 0 added" in run("discover", "--output", str(environment)).stdout
    assert environment.read_bytes() == before

    for name, check in checks_of_tables().items():
        assert check.state is State.WARNING, check
        assert check.detail == f"cursor {cursor_of(name)} has no index: each day scans the table"
        with server.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(check.remedy)
    assert {check.state for check in checks_of_tables().values()} == {State.OK}

    with server.connect(database) as connection, connection.cursor() as cursor:
        for name in NAMES:
            cursor.execute(f"DROP TABLE {identifier(name)}")
    gone = run("discover", "--output", str(environment)).stdout
    assert all(f"{plain(name)} is in the catalog and not in the database\n" in gone for name in NAMES)


def test_m13_a_key_of_several_columns_holds_every_name(server: Server, database: str, environment: Path) -> None:
    keys = {f"t{start}": NAMES[start : start + 16] for start in range(0, len(NAMES), 16)}
    with server.connect(database) as connection, connection.cursor() as cursor:
        for table, key in keys.items():
            columns = ", ".join(f"{identifier(name)} INT" for name in key)
            cursor.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({', '.join(map(identifier, key))}))")
    run("discover", "--output", str(environment))
    assert {name: table.key for name, table in Catalog.load().tables.items()} == keys


class FoldingServer(Server):
    """A server that stores names of tables in lower case, which its data folder must have been made for."""

    def _make_data(self) -> None:
        (self._home / "tmp").mkdir(parents=True, exist_ok=True)
        if self.is_mariadb:
            shutil.copytree(self.program.template, self.data)
            return
        self.data.mkdir()
        small = ("--innodb-redo-log-capacity=8M", "--secure-file-priv=", "--auto-generate-certs=OFF")
        command = [*self.program.command, f"--datadir={self.data}", "--initialize-insecure", *small]
        subprocess.run([*command, "--lower-case-table-names=1"], check=True, capture_output=True)


@pytest.fixture(params=KINDS)
def folding(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = FoldingServer(request.param, "--lower-case-table-names=1")
    yield server
    server.remove()


def test_m13_a_table_whose_name_the_server_folds_is_the_one_in_the_catalog(
    folding: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = _environment(folding, "Shop", tmp_path / "catalog.yaml", monkeypatch)
    text = "timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n  OrdersMaster: {key: id, cursor: Changed}\n"
    catalog.write_text(text, encoding="utf-8")
    with folding.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE Shop")
        cursor.execute(
            "CREATE TABLE Shop.OrdersMaster (Id INT PRIMARY KEY, changed DATETIME DEFAULT NOW() ON UPDATE NOW())"
        )
        cursor.execute("INSERT INTO Shop.OrdersMaster (Id) VALUES (1), (2)")
        cursor.execute("ANALYZE TABLE Shop.OrdersMaster")
        cursor.execute("CREATE TABLE Shop.Country (code CHAR(2) PRIMARY KEY)")
        found = run("discover", "--output", str(catalog)).stdout
        assert "is in the catalog and not in the database" not in found
        assert list(Catalog.load().tables) == ["OrdersMaster", "country"]
        assert catalog.read_text(encoding="utf-8").startswith(text)
        made = Attempts()
        source.check(made, Catalog.load())
        details = {check.name: check.detail for check in made.checks}
        assert "the catalog takes it for Asia/Tokyo" in details["aurora: zone of OrdersMaster.Changed"]
        assert details["aurora: table OrdersMaster"] == "cursor Changed has no index: each day scans the table"
        cursor.execute("CREATE INDEX c ON Shop.OrdersMaster (changed)")
        assert checks_of_tables()["OrdersMaster"].detail == "about 2 rows"
