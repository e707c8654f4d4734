"""Whole tables in pieces along the primary key: the same rows as in one read, whatever the key is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Run, Server, numbers
from aurora_dwh_tests.statements import selects

UTC = ZoneInfo("UTC")
DAY = window(date(2024, 1, 1), zone=UTC, start_date=date(2024, 1, 1))
Asked = Callable[[], list[str]]


@pytest.fixture
def run(server: Server, database: str) -> Iterator[Run]:
    """Runs a statement in the test's database, on a session in UTC."""
    with server.running(database) as run:
        yield run


@pytest.fixture
def source(server: Server, database: str) -> Source:
    return Source(lambda: connect(**server.arguments(database)), database=database, zone=UTC)


def table(**fields: Any) -> Table:
    return Table(**{"name": "t", "mode": "full", "chunk_rows": 7, **fields})


def rows(source: Source, chosen: Table) -> list[tuple[Any, ...]]:
    (found,) = [[tuple(r.values()) for b in e.batches for r in b.to_pylist()] for e in source.extract(chosen, [DAY])]
    return found


@pytest.fixture
def asked(server: Server, database: str) -> Iterator[Asked]:
    """Returns the SELECTs of the database's tables that the server was asked in this test."""
    with selects(server, database) as found:
        yield found


KEYS = {
    "unsigned": ("a BIGINT UNSIGNED PRIMARY KEY", "seq * 3 + 18446744073709551000"),
    "negative": ("a TINYINT PRIMARY KEY", "CAST(seq AS SIGNED) - 40"),
    "decimal": ("a DECIMAL(30,10) PRIMARY KEY", "seq / 7 - 3"),
    "text": (
        "a VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY",
        "CONCAT(CHAR(97 + seq % 26), IF(seq % 2, '\\\\', ''''), 'É', seq)",
    ),
    "latin1": (
        "a CHAR(10) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY",
        "CONCAT(ELT(1 + seq % 3, 'ä', 'a', 'b'), seq)",
    ),
    "bytes": ("a VARBINARY(8) PRIMARY KEY", "UNHEX(LPAD(HEX(seq * 7), 6, '0'))"),
    "moment": ("a TIMESTAMP(6) PRIMARY KEY", "TIMESTAMP('2024-01-01') + INTERVAL seq * 13 MICROSECOND"),
    "wall clock": ("a DATETIME PRIMARY KEY", "TIMESTAMP('0600-12-02') + INTERVAL seq * 13 SECOND"),
    "composite": (
        "a INT, b VARCHAR(9), c DATE, PRIMARY KEY (a, b, c)",
        "seq DIV 30, ELT(1 + seq DIV 10 % 3, 'x', 'y', 'z'), DATE('2024-01-01') + INTERVAL seq % 10 DAY",
    ),
    "reserved": ("`group` INT, `na``me` INT, PRIMARY KEY (`na``me`, `group`)", "seq, seq % 5"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a18_a22_pieces_are_the_whole_table_in_the_order_of_its_key(
    run: Run, source: Source, server: Server, database: str, kind: str, asked: Asked
) -> None:
    columns, values = KEYS[kind]
    run(f"CREATE TABLE t ({columns})")
    run(f"INSERT INTO t SELECT {values} FROM {numbers(90)}")

    found = rows(source, table())

    statements = asked()
    assert sorted(found) == sorted(run("SELECT * FROM t"))
    assert len(found) == 90
    assert len(statements) == 13
    for statement in statements[1:]:
        plan = server.plan(statement.replace("?", "1"), database)
        assert (plan["type"], plan["key"]) == ("range", "PRIMARY"), statement
        assert "filesort" not in (plan["extra"] or "")


@pytest.mark.parametrize(
    ("columns", "values", "fields"),
    [
        ("a INT", "seq", {}),
        ("a FLOAT PRIMARY KEY", "seq / 7", {}),
        ("a ENUM('x','b','c','y'), b INT, PRIMARY KEY (a, b)", "1 + seq % 4, seq", {}),
        ("a INT, b INT, PRIMARY KEY (a, b)", "seq, seq", {"exclude": ("b",)}),
        ("a INT PRIMARY KEY", "seq", {"mask": {"a": "sha256"}}),
    ],
    ids=["no key", "float", "enum", "not copied", "masked"],
)
def test_a17_without_a_key_to_go_on_from_a_table_is_read_at_once(
    run: Run, source: Source, asked: Asked, columns: str, values: str, fields: dict[str, Any]
) -> None:
    run(f"CREATE TABLE t ({columns})")
    run(f"INSERT INTO t SELECT {values} FROM {numbers(90)}")

    assert len(set(rows(source, table(**fields)))) == 90
    assert len(asked()) == 1


def test_a18_all_pieces_are_of_one_moment(run: Run, source: Source) -> None:
    run("CREATE TABLE t (a INT PRIMARY KEY)")
    run(f"INSERT INTO t SELECT seq FROM {numbers(30)}")
    (extract,) = [source.extract(table(chunk_rows=10), [DAY])]
    batches = next(iter(extract)).batches
    first = next(batches)
    run("DELETE FROM t WHERE a = 20")
    run("INSERT INTO t VALUES (99)")

    rest = [value for batch in batches for value in batch.column("a").to_pylist()]
    assert first.column("a").to_pylist() + rest == list(range(1, 31))


@pytest.mark.parametrize(("old", "pieces"), [(2000, 5), (20, 1)])
def test_a19_the_history_before_the_first_day_goes_along_the_key_where_the_server_would_scan(
    run: Run, source: Source, asked: Asked, old: int, pieces: int
) -> None:
    run("CREATE TABLE t (a INT PRIMARY KEY, at DATETIME, note CHAR(50), INDEX (at))")
    before = "IF(seq % 9, '2023-01-01' + INTERVAL seq MINUTE, NULL)"
    run(f"INSERT INTO t SELECT seq, IF(seq <= {old}, {before}, '2024-01-05'), '' FROM {numbers(2010)}")
    run("ANALYZE TABLE t")

    history = table(mode="incremental", key=("a",), cursor="at", chunk_rows=500)
    assert len(rows(source, history)) == old

    statements = asked()
    assert len(statements) == pieces
    assert all(("PRIMARY" in statement) == (pieces > 1) for statement in statements)


def test_the_policies_hold_for_every_piece(run: Run, source: Source) -> None:
    run("SET sql_mode = ''")
    run("CREATE TABLE t (a INT PRIMARY KEY, d DATE, n VARCHAR(9))")
    values = "seq, IF(seq % 2, '0000-00-00', '2024-01-01'), IF(seq % 3, 'a', 'a\\0b')"
    run(f"INSERT INTO t SELECT {values} FROM {numbers(30)}")

    (extract,) = [e for e in source.extract(table(nul_bytes="remove"), [DAY]) if list(e.batches)]

    assert extract.converted == {("d", "zero_date"): 15, ("n", "nul_bytes"): 10}
