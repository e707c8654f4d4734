"""Columns of other names in the copy, on real servers: SQL says the source's names, and rows have the others."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.lookup import make_lookup
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Server

UTC = ZoneInfo("UTC")
START = date(2024, 1, 1)
TABLE = {
    "name": "orders",
    "key": ("Code", "DAY"),
    "cursor": "Changed",
    "rename": {"CODE": "Number", "day": "on_day", "changed": "at"},
}


@pytest.fixture
def source(server: Server, database: str) -> Source:
    """A source with a table whose key is a text and a date."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE orders (code VARCHAR(9) CHARACTER SET latin1, v INT, day DATE, changed DATETIME, "
            "PRIMARY KEY (code, day), KEY (changed))"
        )
        rows = [f"('é{n}', {n}, '2024-01-0{1 + n % 3}', '2024-01-0{1 + n // 4} 10:00')" for n in range(8)]
        cursor.execute(f"INSERT INTO orders VALUES {', '.join(rows)}")
    return Source(lambda: connect(**server.arguments(database)), database=database, zone=UTC)


def read(source: Source, day: int, **fields: Any) -> list[dict[str, Any]]:
    table = Table(**{**TABLE, **fields})
    span = window(date(2024, 1, day), zone=UTC, start_date=START)
    extracts = source.extract(table, [span])
    rows = [row for extract in extracts for batch in extract.batches for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: row["v"])


def row(n: int) -> dict[str, Any]:
    moment = datetime(2024, 1, 1 + n // 4, 10)
    return {"number": f"é{n}", "v": n, "on_day": date(2024, 1, 1 + n % 3), "at": moment}


@pytest.mark.parametrize(
    "fields", [{}, {"chunk_rows": 2}, {"max_rows_per_second": 1000, "chunk_rows": 1}], ids=["at once", "keys", "cursor"]
)
def test_rows_have_the_new_names_however_they_are_read(source: Source, fields: dict[str, Any]) -> None:
    assert read(source, 1, **fields) == [row(n) for n in range(4)]
    assert read(source, 2, **fields) == [row(n) for n in range(4, 8)]
    assert read(source, 2, mode="full", cursor=None, **fields) == [row(n) for n in range(8)]


def test_rows_are_looked_up_by_the_names_of_the_source(source: Source, server: Server, database: str) -> None:
    table = Table(**TABLE)  # type: ignore[arg-type]
    schema = source.schema(table)
    assert schema.copied_key == ("number", "on_day")
    lookup = make_lookup(lambda: connect(**server.arguments(database)), schema, table)
    assert lookup is not None
    assert lookup.columns == ("number", "on_day")
    assert lookup.count([("é3", date(2024, 1, 1)), ("é4", date(2024, 1, 1))]) == 1


def test_a_name_that_another_column_has_or_that_redshift_does_not_take_is_refused(source: Source) -> None:
    with pytest.raises(DataError, match="`rename` gives 'v' the name 'CHANGED', which the column 'changed' has"):
        source.schema(Table(**{**TABLE, "rename": {"v": "CHANGED"}}))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="`rename` names 'gone', which is no column of the table"):
        source.schema(Table(**{**TABLE, "rename": {"gone": "x"}}))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="Redshift has a column of its own by that name"):
        source.schema(Table(**{**TABLE, "rename": {"v": "ctid"}}))  # type: ignore[arg-type]
