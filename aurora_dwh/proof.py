"""The proof: a table's rows in Aurora against its rows in Redshift, value by value, by clients of their own.

The source is read by PyMySQL's ordinary cursor, which shares no code with the columnar reader, and the warehouse by
redshift_connector. Each row becomes one canonical text, and each side the count of its rows and the sum of their
digests, which the order of the rows does not change. Where the sums differ, the rows that only one side has are named.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from struct import pack, unpack
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.source.windows import condition, window
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.sql import identifier, qualified

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from aurora_dwh.catalog import Catalog, Table

_SHOWN_ROWS = 5
_WHOLE = 2**64


@dataclass(frozen=True)
class Side:
    """One side's rows: how many, and the sum of their digests modulo 2^64."""

    rows: int
    checksum: int


@dataclass(frozen=True)
class Verdict:
    """A table compared.

    Attributes:
        table: The table's name in the source.
        source: Aurora's rows.
        warehouse: Redshift's rows.
        differences: Rows that only one side has, as sentences; some of them where there are many.
    """

    table: str
    source: Side
    warehouse: Side
    differences: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.source == self.warehouse


def compare_tables(catalog: Catalog, tables: Iterable[Table], day: date | None = None) -> Iterator[Verdict]:
    """Compare tables of the catalog, one after the other, between the servers that the environment names.

    Args:
        catalog: The catalog, for its zone and first day.
        tables: The tables to compare.
        day: Compare only the rows whose cursor lies in this day; None compares all rows.

    Raises:
        DataError: A table of mode full has no days to compare.
        ConfigError: Variables are missing or wrong.
        SourceError: The source is out of reach.
        WarehouseError: A staging table is not there, or lacks a column.
    """
    from aurora_dwh.config import AuroraSettings, RedshiftSettings
    from aurora_dwh.source.connection import connect
    from aurora_dwh.source.discovery import read_schema

    aurora = AuroraSettings.from_env()
    warehouse = Warehouse(RedshiftSettings.from_env())
    connection = connect(**aurora.connect_arguments())
    try:
        for table in tables:
            schema = read_schema(connection, aurora.database, table.name)
            schema = schema.select(include=table.include, exclude=table.exclude)
            target = (warehouse.settings.staging_schema, table.target)
            there, here = _conditions(catalog, table, schema, day)
            yield compare(connection, schema, warehouse, target, there=there, here=here)
    finally:
        connection.close()


def compare(
    connection: Connection[Any],
    schema: TableSchema,
    warehouse: Warehouse,
    target: tuple[str, str],
    *,
    there: str = "TRUE",
    here: str = "TRUE",
) -> Verdict:
    """Compare a table.

    Args:
        connection: A connection to the source, its session's zone UTC.
        schema: The columns to compare.
        warehouse: Redshift.
        target: Redshift's schema and table.
        there: Condition on the source's rows, in its SQL.
        here: Condition on Redshift's rows, in its SQL.

    Raises:
        WarehouseError: The table is not there, or lacks a column.
    """
    rows_of = (
        lambda: _source_rows(connection, schema, there),
        lambda: _warehouse_rows(warehouse, schema, target, here),
    )
    source, copy = (_sum_up(rows()) for rows in rows_of)
    if source == copy:
        return Verdict(schema.table, source, copy)
    source_rows, copied_rows = (Counter(rows()) for rows in rows_of)
    differences = [
        *(f"only in Aurora: {_shown(schema, row)}" for row in list(source_rows - copied_rows)[:_SHOWN_ROWS]),
        *(f"only in Redshift: {_shown(schema, row)}" for row in list(copied_rows - source_rows)[:_SHOWN_ROWS]),
    ]
    return Verdict(schema.table, source, copy, tuple(differences))


Row = tuple[str | None, ...]


def _sum_up(rows: Iterable[Row]) -> Side:
    count = total = 0
    for row in rows:
        text = "".join("N" if value is None else f"{len(value)}:{value}" for value in row)
        total += int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
        count += 1
    return Side(count, total % _WHOLE)


def _conditions(catalog: Catalog, table: Table, schema: TableSchema, day: date | None) -> tuple[str, str]:
    """Return the conditions that select the rows to compare, in MySQL's SQL and in Redshift's."""
    there, here = [f"({table.filter})"] if table.filter else [], []
    if day is not None:
        if table.cursor is None:
            raise DataError(f"table {table.name} is copied as a whole: compare it without a day")
        span = window(day, zone=catalog.zone, start_date=catalog.start_date)
        zone = ZoneInfo(table.cursor_timezone) if table.cursor_timezone else catalog.zone
        for conditions, quote in ((there, mysql_identifier), (here, identifier)):
            in_day = condition(schema.column(table.cursor), span, table=table.name, cursor_zone=zone, quote=quote)
            conditions.append(f"({in_day})")
    return " AND ".join(there) or "TRUE", " AND ".join(here) or "TRUE"


def _source_rows(connection: Connection[Any], schema: TableSchema, where: str) -> Iterator[Row]:
    from pymysql.cursors import SSCursor

    names = ", ".join(_source_expression(column) for column in schema.columns)
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(f"SELECT {names} FROM {mysql_identifier(schema.database, schema.table)} WHERE {where}")
        yield from _canonical(schema.columns, cursor)


def _source_expression(column: Column) -> str:
    name = mysql_identifier(column.name)
    if column.data_type == "float":
        return f"{name} * 1e0"  # MySQL's own text of a FLOAT is rounded to 6 digits
    if column.data_type == "bit":
        return f"{name} + 0"
    return f"HEX({name})" if _is_binary(column) else name


def _warehouse_rows(warehouse: Warehouse, schema: TableSchema, target: tuple[str, str], where: str) -> Iterator[Row]:
    names = ", ".join(_warehouse_expression(column) for column in schema.columns)
    with warehouse.session() as session:
        rows = session.execute(f"SELECT {names} FROM {qualified(*target)} WHERE {where}").rows
    yield from _canonical(schema.columns, rows)


def _warehouse_expression(column: Column) -> str:
    name = identifier(column.name)
    if column.data_type == "json":
        return f"JSON_SERIALIZE({name})"
    return f"FROM_VARBYTE({name}, 'hex')" if _is_binary(column) else name


def _is_binary(column: Column) -> bool:
    return column.redshift_type == "VARBYTE"


def _canonical(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    texts = [_TEXTS.get(column.redshift_type.partition("(")[0], str) for column in columns]
    for row in rows:
        yield tuple(None if value is None else text(value) for text, value in zip(texts, row, strict=True))


def _moment(value: Any) -> str | None:
    if isinstance(value, str):
        if value.startswith("0000") or "-00" in value[:10]:
            return None  # a zero date, which the default policy copies as NULL
        value = datetime.fromisoformat(value)
    return str(value.isoformat(sep=" ", timespec="microseconds"))


def _day(value: Any) -> str | None:
    text = value.isoformat() if isinstance(value, date) else str(value)
    return None if "-00" in text or text.startswith("0000") else text


def _json(value: Any) -> str:
    return json.dumps(json.loads(value, parse_float=Decimal), sort_keys=True, default=str)


def _real(value: Any) -> str:
    return repr(unpack("f", pack("f", float(value)))[0])


def _integer(value: Any) -> str:
    return str(int(value))


_TEXTS: dict[str, Callable[[Any], str | None]] = {
    "SMALLINT": _integer,
    "INTEGER": _integer,
    "BIGINT": _integer,
    "BOOLEAN": _integer,
    "DECIMAL": lambda value: str(Decimal(value)),
    "REAL": _real,
    "DOUBLE PRECISION": lambda value: repr(float(value)),
    "DATE": _day,
    "TIMESTAMP": _moment,
    "SUPER": _json,
    "VARBYTE": lambda value: str(value).upper(),
}
"""Redshift type -> a value's canonical text, the same for what either driver gives; strings are their own."""


def _shown(schema: TableSchema, row: Row) -> str:
    keys = {name.lower() for name in schema.primary_key}
    pairs = [(column.name, value) for column, value in zip(schema.columns, row, strict=True)]
    pairs.sort(key=lambda pair: pair[0].lower() not in keys)  # the key first
    text = ", ".join(f"{name}={value!r}" for name, value in pairs)
    return text if len(text) <= 500 else text[:500] + "..."
