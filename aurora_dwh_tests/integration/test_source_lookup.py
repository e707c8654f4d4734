"""Rows of an earlier reading, looked for in the source by their keys."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import Lookup
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source.connection import connect
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.lookup import make_lookup
from aurora_dwh.source.masking import treat
from aurora_dwh_tests.servers import Server


def table(
    server: Server, database: str, columns: str, *statements: str, **fields: Any
) -> tuple[Lookup | None, TableSchema]:
    """Make a table t and return how its rows are looked up."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        for statement in (f"CREATE TABLE t ({columns})", *statements):
            cursor.execute(statement)
    entry = Table(**{"name": "t", "mode": "full", **fields})
    with connect(**server.arguments(database)) as session:
        schema = treat(read_schema(session, database, "t"), entry)
    return make_lookup(lambda: connect(**server.arguments(database)), schema, entry), schema


@pytest.mark.parametrize(
    ("kind", "there", "gone"),
    [
        ("BIGINT UNSIGNED", 2**64 - 1, 2**63),
        ("DECIMAL(38,30)", Decimal("0.000000001234567890123456789012"), Decimal("0.000000001234567890123456789013")),
        ("VARCHAR(20) COLLATE utf8mb4_bin", "a'\\é%s🍣", "a'\\é%s"),
        ("VARBINARY(4)", b"\x00'\xff", b"\x00'"),
        ("DATE", date(2024, 2, 29), date(2024, 2, 28)),
        ("DATETIME(6)", datetime(2024, 2, 29, 1, 2, 3, 4), datetime(2024, 2, 29, 1, 2, 3, 5)),  # noqa: DTZ001
        ("TIMESTAMP(6)", datetime(2024, 2, 29, 1, 2, 3, 4), datetime(2024, 2, 29, 1, 2, 3, 5)),  # noqa: DTZ001
        ("TIME", "838:59:59", "-838:59:59"),
        ("ENUM('a','b')", "a", "b"),
        ("YEAR", 2024, 2023),
    ],
)
def test_c05_rows_are_found_again_by_keys_of_each_type(
    server: Server, database: str, kind: str, there: Any, gone: Any
) -> None:
    lookup, _ = table(server, database, f"id {kind} PRIMARY KEY, note INT")
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("INSERT INTO t VALUES (%s, 1)", (there,))
    assert lookup is not None
    assert lookup.columns == ("id",)
    assert lookup.count([(there,)]) == 1
    assert lookup.count([(gone,)]) == 0
    assert lookup.count([(gone,), (None,), (there,)]) == 1
    assert lookup.count([]) == 0


def test_c05_a_key_of_several_columns_is_looked_up_as_a_whole(server: Server, database: str) -> None:
    rows = "INSERT INTO t VALUES (1, 'x', 1), (1, 'y', 1), (2, 'x', 1)"
    lookup, _ = table(server, database, "`B` INT, `a` VARCHAR(9), n INT, PRIMARY KEY (`B`, `a`)", rows)
    assert lookup is not None
    assert lookup.columns == ("b", "a")
    assert lookup.count([(1, "x"), (2, "y"), (2, "x")]) == 2


def test_c05_the_catalog_s_key_serves_where_there_is_no_primary_key_and_an_index_finds_it(
    server: Server, database: str
) -> None:
    lookup, _ = table(server, database, "id INT, UNIQUE KEY (id)", "INSERT INTO t VALUES (1)", key="id")
    assert lookup is not None
    assert lookup.count([(1,), (2,)]) == 1
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("DROP INDEX id ON t")
    assert lookup.count([(1,)]) is None


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ("id INT", {}),
        ("id FLOAT PRIMARY KEY", {}),
        ("id VARCHAR(9) PRIMARY KEY", {"mask": {"id": "sha256"}}),
    ],
)
def test_c05_nothing_is_asked_where_nothing_tells_rows_apart(
    server: Server, database: str, columns: str, fields: dict[str, Any]
) -> None:
    lookup, _ = table(server, database, columns, **fields)
    assert lookup is None
