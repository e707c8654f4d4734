# ruff: noqa: E501 - one row a case reads best
"""`aurora-dwh discover`: what is suggested for a table, how the catalog is added to, and the two on a real server."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog import PACKAGED_CATALOG, Catalog, CatalogError
from aurora_dwh.cli import app
from aurora_dwh.commands.catalog_edit import CatalogFile
from aurora_dwh.commands.suggest import Index, Suggestion, TableFacts, suggest
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh_tests.mariadb import MariaDB

ID = Column("id", "bigint", "bigint", nullable=False)
CODE = Column("Code", "char", "char(2)", nullable=False, length=2)
OPTIONAL = Column("alias", "char", "char(2)", length=2)
UPDATED = Column("updated_at", "datetime", "datetime")
MODIFIED = Column("modified", "timestamp", "timestamp")
CREATED = Column("created_at", "datetime", "datetime")
TOUCHED = Column("seen", "timestamp", "timestamp")
STRANGE = Column("strange", "vector", "vector(3)")


def facts(
    *columns: Column, primary: tuple[str, ...] = ("id",), indexes: tuple[Index, ...] = (), touched: str = ""
) -> TableFacts:
    return TableFacts(TableSchema("d", "t", columns, primary), indexes, frozenset(touched.split()))


def on(*columns: str, unique: bool = False) -> Index:
    return Index(columns, unique)


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        (facts(ID, UPDATED), {"mode": "incremental", "key": ("id",), "cursor": "updated_at"}),
        (facts(ID, UPDATED, MODIFIED, indexes=(on("modified"),)), {"mode": "incremental", "key": ("id",), "cursor": "modified"}),
        (facts(ID, UPDATED, TOUCHED, touched="seen"), {"mode": "incremental", "key": ("id",), "cursor": "seen"}),
        (facts(ID, UPDATED, primary=()), {"mode": "full"}),
        (facts(ID, CREATED), {"mode": "full", "key": ("id",)}),
        (facts(ID, CREATED, indexes=(on("created_at"),)), {"mode": "append", "cursor": "created_at", "key": ("id",)}),
        (facts(ID, CREATED, primary=(), indexes=(on("created_at"),)), {"mode": "append", "cursor": "created_at"}),
        (facts(ID, CREATED, indexes=(on("id", "created_at"),)), {"mode": "full", "key": ("id",)}),
        (
            facts(ID, CODE, primary=(), indexes=(on("id", "Code", unique=True), on("Code", unique=True))),
            {"mode": "full", "key": ("Code",)},
        ),
        (facts(ID, OPTIONAL, primary=(), indexes=(on("alias", unique=True), on("id"))), {"mode": "full"}),
        (facts(ID, UPDATED, STRANGE), {"mode": "incremental", "key": ("id",), "cursor": "updated_at", "exclude": ("strange",)}),
    ],
)  # fmt: skip
def test_what_is_suggested(table: TableFacts, fields: dict[str, object]) -> None:
    assert suggest(table).fields == fields


@pytest.mark.parametrize(
    ("table", "warnings"),
    [
        (facts(ID, UPDATED, indexes=(on("updated_at"),)), ()),
        (facts(ID, UPDATED), ("cursor updated_at has no index: each day scans the whole table; add an index",)),
        (facts(ID), ("no cursor: no column says when a row was last written, so it is copied whole",)),
        (
            facts(ID, UPDATED, primary=()),
            ("no primary key, nor a unique index without NULLs: rows cannot be upserted",),
        ),
        (
            facts(ID, CREATED, indexes=(on("created_at"),)),
            ("taken for rows that never change after created_at; use mode full where they do",),
        ),
        (
            facts(ID, UPDATED, STRANGE, indexes=(on("updated_at"),)),
            ("column strange is left out: type vector(3) is not known",),
        ),
    ],
)
def test_what_is_warned_of(table: TableFacts, warnings: tuple[str, ...]) -> None:
    assert suggest(table).warnings == warnings


ADDED = "  # first\n  # second\n  events:\n    mode: append\n    cursor: made_at\n  shops:\n    key: [area, id]\n"
HEAD = "timezone: UTC\nstart_date: 2024-01-01\n"


def add_two(path: Path) -> str:
    file = CatalogFile(path, start=date(2026, 1, 1))
    file.add(
        [
            Suggestion("events", {"mode": "append", "cursor": "made_at"}, ("first", "second")),
            Suggestion("shops", {"mode": "incremental", "key": ("area", "id"), "cursor": "update_date"}, ()),
        ]
    )
    file.save()
    assert list(Catalog.load(path).tables)[-2:] == ["events", "shops"]
    assert file.tables[-2:] == ("events", "shops")
    return path.read_bytes().decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PACKAGED_CATALOG.read_text(encoding="utf-8"), ""),
        (PACKAGED_CATALOG.read_text(encoding="utf-8") + "    # chunk_rows: 9\n", "\n# the end\n"),
        (HEAD + "tables:\n  t:   {mode:  full}   # by hand\n", "\n\ndefaults: {cursor: update_date}\n"),
        (HEAD + "tables: # all of them\n", "defaults: {cursor: update_date}\n"),
    ],
)
def test_comments_and_edits_stay_as_they_are(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_text(before + after, encoding="utf-8")
    assert add_two(path) == before + ADDED + after


@pytest.mark.parametrize("tables", ["", "tables: {}\n", "tables: null\n", "tables:"])
def test_the_first_tables_of_a_file(tmp_path: Path, tables: str) -> None:
    path = tmp_path / "catalog.yaml"
    head = HEAD + "defaults: {cursor: update_date}\n"
    path.write_text(head + tables, encoding="utf-8")
    assert add_two(path) == head + "tables:\n" + ADDED


def test_indentation_and_line_ends_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    before = (HEAD + "defaults: {cursor: update_date}\ntables:\n    t:\n        mode: full").replace("\n", "\r\n")
    path.write_bytes(before.encode())
    added = "".join(f"  {line}\r\n" for line in ADDED.splitlines())
    assert add_two(path).replace("full\n", "full\r\n") == before + "\r\n" + added


def test_a_file_that_is_no_catalog_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    for text in ("- a\n", "tables: [a]\n", "a: [\n", "tables: {a: {mode: full}}\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CatalogError):
            CatalogFile(path, start=date(2026, 1, 1))
        assert path.read_text(encoding="utf-8") == text


@pytest.fixture
def shop(mariadb: MariaDB, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    values = {
        "HOST": mariadb.host,
        "PORT": str(mariadb.port),
        "USER": mariadb.user,
        "PASSWORD": mariadb.password,
        "TLS": "disabled",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"AURORA_{name}", value)
    monkeypatch.delenv("AURORA_DATABASE", raising=False)
    monkeypatch.delenv("AURORA_DWH_CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, "
            "changed TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, INDEX (changed)) COMMENT 'Orders'"
        )
        cursor.execute("CREATE TABLE `lines` (o INT, p INT, update_date DATETIME, PRIMARY KEY (o, p))")
        cursor.execute("CREATE TABLE views (at_page INT, viewed_at DATETIME, INDEX (viewed_at))")
        cursor.execute("CREATE TABLE `my country` (code CHAR(2) NOT NULL, name TEXT, UNIQUE (code))")
        cursor.execute("CREATE VIEW a_view AS SELECT id FROM orders")
    return database


def test_a_new_catalog_of_a_real_database(shop: str) -> None:
    result = CliRunner().invoke(app, ["discover", "--database", shop])
    assert result.exit_code == 0, result.stderr
    text = Path("catalog.yaml").read_text(encoding="utf-8")
    assert text.partition("\ntables:\n")[2] == (
        "  # cursor update_date has no index: each day scans the whole table; add an index\n"
        "  lines:\n    key: [o, p]\n    cursor: update_date\n"
        "  # no cursor: no column says when a row was last written, so it is copied whole\n"
        "  my country:\n    mode: full\n    key: code\n"
        "  orders:\n    key: id\n    cursor: changed\n    description: Orders\n"
        "  # taken for rows that never change after viewed_at; use mode full where they do\n"
        "  # no primary key, nor a unique index without NULLs: rows cannot be upserted\n"
        "  views:\n    mode: append\n    cursor: viewed_at\n"
    )
    assert result.stdout.splitlines()[-2:] == [
        "catalog.yaml: 4 added, 4 in all",
        "The catalog in use is the packaged one until you set AURORA_DWH_CATALOG=catalog.yaml",
    ]
    assert set(Catalog.load(Path("catalog.yaml")).tables) == {"lines", "my country", "orders", "views"}


def test_a_second_run_adds_only_what_is_new_and_tells_what_is_gone(shop: str, mariadb: MariaDB) -> None:
    CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"])
    before = Path("c.yaml").read_text(encoding="utf-8")
    edited = before.replace("key: id", "key: id # checked")
    Path("c.yaml").write_text(edited, encoding="utf-8")
    with mariadb.connect(shop) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE views")
        cursor.execute("CREATE TABLE extra (id INT PRIMARY KEY)")
    result = CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml", "--json"])
    assert result.exit_code == 0, result.stderr
    warning = "no cursor: no column says when a row was last written, so it is copied whole"
    assert json.loads(result.stdout) == {
        "catalog": "c.yaml",
        "added": [{"table": "extra", "fields": {"mode": "full", "key": ["id"]}, "warnings": [warning]}],
        "not_in_database": ["views"],
        "tables": ["lines", "my country", "orders", "views", "extra"],
    }
    assert Path("c.yaml").read_text(encoding="utf-8").startswith(edited)
