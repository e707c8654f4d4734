"""What the source itself finds in a day that it is to export, where the value is in the key: nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from typing import Any

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError, Window
from aurora_dwh.source.connection import Connection, connect
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.export import export
from aurora_dwh.source.selection import selected
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.value_checks import told
from aurora_dwh_tests.servers import Server

WINDOW = Window(date(2024, 1, 1), None, datetime(2024, 1, 2, tzinfo=timezone.utc))

PLAIN: Any = {"cursor": None, "cursor_zone": timezone.utc, "ends_before": None}


@pytest.fixture
def source(server: Server, database: str) -> Iterator[Connection]:
    """A session on the source's database, opened as the product opens it."""
    connection = connect(**server.arguments(database))
    yield connection
    connection.close()


def exported(source: Connection, server: Server, database: str, column: str, value: str, **fields: Any) -> str:
    """Return why a table with such a key is not exported, and what a plan says of it beforehand."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute(f"CREATE TABLE t (id INT, k {column}, at DATETIME, UNIQUE (id))")
        cursor.execute(f"INSERT INTO t VALUES (7, {value}, '2023-12-31')")
    table = Table(**{"name": "t", "key": ("k", "id"), "cursor": "at", **fields})
    schema = selected(read_schema(source, database, "t"), table)
    throttle = Throttle(source, ceiling=None, limits=None, warn=print)
    with pytest.raises(DataError) as refused:
        export(source, table, schema, (), WINDOW, WINDOW.end, throttle, **PLAIN)
    assert any(line.startswith("column k: ") and line.endswith("fail the day") for line in told(schema, table))
    return str(refused.value)


@pytest.mark.parametrize(
    ("column", "value", "fields", "said"),
    [
        (
            "DATE",
            "'0000-00-00'",
            {},
            "column 'k': zero date: '0000-00-00'; the key needs a value: mend the row, or set",
        ),
        ("DATE", "'2021-02-31'", {}, "column 'k': invalid date: '2021-02-31'; the key needs a value: mend the row, or"),
        ("INT", "NULL", {}, "column 'k': no key: NULL; the key needs a value: give it one, name other columns in"),
        (
            "TEXT",
            "'a\\0'",
            {"nul_bytes": "remove"},
            "holds a NUL byte, which no Redshift text can; a key cannot be cha",
        ),
        ("LONGTEXT", "REPEAT('x', 70000)", {"oversize": "null"}, "has 70,000 bytes, and Redshift's VARCHAR(65535)"),
    ],
)
def test_m08_a_key_that_would_be_changed_is_not_exported(
    source: Connection, server: Server, database: str, column: str, value: str, fields: dict[str, Any], said: str
) -> None:
    assert said in exported(source, server, database, column, value, **fields)


def test_m08_the_row_of_a_primary_key_is_named_as_it_is_in_the_source(
    source: Connection, server: Server, database: str
) -> None:
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("CREATE TABLE t (d DATE, id INT, PRIMARY KEY (d, id))")
        cursor.execute("INSERT INTO t VALUES ('0000-00-00', 7), ('0000-00-00', 8)")
    table = Table(name="t", mode="full", key=("d", "id"))
    schema = selected(read_schema(source, database, "t"), table)
    throttle = Throttle(source, ceiling=None, limits=None, warn=print)
    with pytest.raises(DataError, match=r"zero date in the row d = 0000-00-00, id = 7: '0000-00-00'; .* \(2 such"):
        export(source, table, schema, (), WINDOW, WINDOW.end, throttle, **PLAIN)
