"""How the server reads a table, and by which indexes: what it says of a SELECT before it is run, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Table
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor.check import State
from aurora_dwh.commands.doctor.source import check_table
from aurora_dwh.commands.schema_facts import Size
from aurora_dwh.core.models import Window
from aurora_dwh.source import discovery, throttle
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Server
from aurora_dwh_tests.statements import selects

UTC = ZoneInfo("UTC")
FIRST = date(2024, 1, 1)


def day(number: int) -> Window:
    return window(FIRST + timedelta(days=number - 1), zone=UTC, start_date=FIRST)


DAYS = [day(1), day(2)]


@pytest.fixture
def source(server: Server, database: str) -> Source:
    return Source(lambda: connect(**server.arguments(database)), database=database, zone=UTC)


def run(server: Server, database: str, *statements: str) -> None:
    with server.connect(database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def table(**fields: Any) -> Table:
    return Table(**{"name": "t", "key": "id", "cursor": "at", **fields})


def read(source: Source, chosen: Table, of: Window) -> list[int]:
    (found,) = [[i for b in e.batches for i in b.column("id").to_pylist()] for e in source.extract(chosen, [of])]
    return found


def make(server: Server, database: str, *, old: int, new: int, index: str = "INDEX (at)") -> None:
    """Make a table of rows of the first day, numbered from 1, and behind them rows of the second."""
    moments = [f"({i}, '2023-01-01' + INTERVAL {i} MINUTE)" for i in range(1, old + 1)]
    moments += [f"({old + i}, '2024-01-02' + INTERVAL {i % 7} MINUTE)" for i in range(1, new + 1)]
    run(
        server,
        database,
        f"CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL, note CHAR(50), {index})",
        f"INSERT INTO t (id, at) VALUES {', '.join(moments)}",
        "ANALYZE TABLE t",
    )


WAYS = [("mariadb", "as it comes"), *(("mysql", way) for way in ("as it comes", "TRADITIONAL", "TREE", "JSON"))]


@pytest.fixture
def explained(request: pytest.FixtureRequest, server: Server) -> Iterator[None]:
    """How the server explains a SELECT where a client does not say how; MariaDB knows one way."""
    if request.param == "as it comes":
        yield
        return
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.explain_format")
        ((before,),) = cursor.fetchall()
        cursor.execute(f"SET GLOBAL explain_format = {request.param}")
        yield
        cursor.execute(f"SET GLOBAL explain_format = {before}")


@pytest.mark.usefixtures("explained")
@pytest.mark.parametrize(("server", "explained"), WAYS, indirect=True)
def test_m03_the_history_that_a_scan_would_read_is_read_in_pieces(
    server: Server, database: str, source: Source
) -> None:
    make(server, database, old=1_050, new=10)
    with selects(server, database) as asked:
        assert read(source, table(chunk_rows=100), day(1)) == list(range(1, 1_051))
        assert len(asked()) == 11


@pytest.mark.usefixtures("explained")
@pytest.mark.parametrize(("server", "explained"), WAYS, indirect=True)
@pytest.mark.parametrize("fields", [{"max_rows_per_second": 10}, {"max_rows_per_second": 1_000, "chunk_rows": 10}])
def test_m03_a_day_is_read_in_pieces_where_the_source_is_spared(
    server: Server, database: str, source: Source, fields: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept))
    monkeypatch.setattr(throttle, "time", clock)
    make(server, database, old=3_000, new=35)
    with selects(server, database) as asked:
        found = read(source, table(**fields), day(2))
        assert len(asked()) == 4
    assert sorted(found) == list(range(3_001, 3_036))


def test_m03_what_is_explained_is_the_reading_of_the_table_and_not_of_another_that_the_filter_names(
    server: Server, database: str, source: Source
) -> None:
    make(server, database, old=1_050, new=10)
    few = "CREATE TABLE few (chosen INT PRIMARY KEY, note CHAR(50))"
    run(server, database, few, "INSERT INTO few VALUES (3, ''), (5, ''), (9999, '')", "ANALYZE TABLE few")
    with selects(server, database) as asked:
        chosen = table(chunk_rows=1, filter="id IN (SELECT chosen FROM few WHERE note = '')")
        assert sorted(read(source, chosen, day(1))) == [3, 5]
        assert len(asked()) == 1


def hidden(server: Server) -> str:
    """Return the word by which the server is told not to use an index."""
    return "IGNORED" if server.is_mariadb else "INVISIBLE"


def test_m11_an_index_that_the_server_may_not_use_is_none(server: Server, database: str) -> None:
    make(server, database, old=13_000, new=35, index=f"INDEX (at) {hidden(server)}")
    warnings: list[str] = []
    source = Source(lambda: connect(**server.arguments(database)), database=database, zone=UTC, warn=warnings.append)
    chosen = table(max_rows_per_second=1_000_000, chunk_rows=1_000)
    with selects(server, database) as asked:
        assert sorted(read(source, chosen, day(2))) == list(range(13_001, 13_036))
        assert "FORCE INDEX (`at`)" not in "".join(asked())
    (warning,) = warnings
    assert "no index begins with the cursor 'at'" in warning

    _, remedy = warning.split("each day scans the table; ")
    run(server, database, remedy)
    assert sorted(read(source, chosen, day(2))) == list(range(13_001, 13_036))
    assert len(warnings) == 1


def test_m11_a_range_along_a_hidden_index_is_one_scan(server: Server, database: str, source: Source) -> None:
    make(server, database, old=100, new=35, index=f"INDEX (at) {hidden(server)}")
    with selects(server, database) as asked:
        found = [[i for b in e.batches for i in b.column("id").to_pylist()] for e in source.extract(table(), DAYS)]
        assert len(asked()) == 1
    assert [sorted(ids) for ids in found] == [list(range(1, 101)), list(range(101, 136))]


@pytest.mark.parametrize("other", ["", ", INDEX other (at, note)", ", INDEX other (at DESC)"])
def test_m11_doctor_says_how_to_show_a_hidden_index(
    server: Server, database: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)
    make(server, database, old=10, new=0, index=f"INDEX odd`` (at) {hidden(server)}{other}".replace("odd``", "`odd```"))
    with closing(connect(**server.arguments(database))) as connection:
        check = check_table(connection, database, table(), Size())
        if other:
            assert check.state == State.OK
            return
        assert (check.state, check.detail) == (State.WARNING, "cursor at has no index: each day scans the table")
        run(server, database, check.remedy)
        assert check_table(connection, database, table(), Size()).state == State.OK


def test_m11_discover_counts_no_hidden_index(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(
        server,
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, updated_at DATETIME NOT NULL DEFAULT NOW() ON UPDATE NOW(), "
        f"INDEX (updated_at) {hidden(server)})",
    )
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)
    for name, value in server.arguments(database).items():
        monkeypatch.setenv(f"AURORA_{name.upper()}", str(value))
    monkeypatch.setenv("AURORA_TLS", "disabled")
    done = CliRunner().invoke(app, ["discover", "--output", str(tmp_path / "catalog.yaml")])
    assert done.exit_code == 0, done.output
    catalog = (tmp_path / "catalog.yaml").read_text(encoding="utf-8")
    assert "# cursor updated_at has no index: each day scans the whole table; add an index" in catalog
