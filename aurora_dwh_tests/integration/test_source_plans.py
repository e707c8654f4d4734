"""What the server says of a SELECT before it is run: whether it scans, and whether an index serves it in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aurora_dwh.catalog import Table
from aurora_dwh.handoff import Window
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Server
from aurora_dwh_tests.statements import selects

UTC = ZoneInfo("UTC")
FIRST = date(2024, 1, 1)


def day(number: int) -> Window:
    return window(FIRST + timedelta(days=number - 1), zone=UTC, start_date=FIRST)


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


@pytest.fixture(params=["as it comes", "TRADITIONAL", "TREE", "JSON"])
def explained(request: pytest.FixtureRequest, server: Server) -> Iterator[None]:
    """How the server explains a SELECT where a client does not say how; MariaDB knows one way."""
    if request.param == "as it comes" or server.is_mariadb:
        yield
        return
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.explain_format")
        ((before,),) = cursor.fetchall()
        cursor.execute(f"SET GLOBAL explain_format = {request.param}")
        yield
        cursor.execute(f"SET GLOBAL explain_format = {before}")


@pytest.mark.usefixtures("explained")
def test_m03_the_history_that_a_scan_would_read_is_read_in_pieces(
    server: Server, database: str, source: Source
) -> None:
    make(server, database, old=1_050, new=10)
    with selects(server, database) as asked:
        assert read(source, table(chunk_rows=100), day(1)) == list(range(1, 1_051))
        assert len(asked()) == 11


@pytest.mark.usefixtures("explained")
@pytest.mark.parametrize("fields", [{"max_rows_per_second": 10}, {"max_rows_per_second": 1_000, "chunk_rows": 10}])
def test_m03_a_day_is_read_in_pieces_where_the_source_is_spared(
    server: Server, database: str, source: Source, fields: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
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
