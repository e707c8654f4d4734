"""The proof: a table in Aurora against its copy in Redshift, by count, by keys and by every value of every column.

Each side computes its own fingerprint by its own SQL (`fingerprint`), asked through plain PyMySQL and
redshift_connector: no code is shared with the columnar reader or the load. Where fingerprints differ, the rows are
narrowed down by buckets of keys, and the first that differ are shown with both values.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from hashlib import md5
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pymysql.cursors import SSCursor
from pymysql.err import MySQLError

from aurora_dwh import fingerprint
from aurora_dwh.config import AuroraSettings, RedshiftSettings
from aurora_dwh.documents import canonical_text
from aurora_dwh.fingerprint import AURORA, REDSHIFT, Dialect
from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.source.connection import SourceError, connect
from aurora_dwh.source.limits import expected
from aurora_dwh.source.locks import await_lock
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.sessions import Sessions, describe
from aurora_dwh.source.windows import as_read, condition, window
from aurora_dwh.warehouse import audit
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.drift import LiveColumn, holds, live_columns
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.sql import identifier, qualified
from aurora_dwh.warehouse.statements import DELETED, Target

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from aurora_dwh.catalog import Catalog, Table

_log = logging.getLogger(__name__)

SHOWN_ROWS = 5
"""Differing rows that are named."""

_BUCKETS_READ = 4
_SHOWN_VALUE = 80
_WHOLE = 2**64
_DOCUMENT_BUCKETS = 256

Row = tuple[Any, ...]
Query = Callable[[str], Iterable[Row]]
"""Runs a query; its rows must all be taken before the next."""


@dataclass(frozen=True)
class Side:
    """One side's rows: how many, and a checksum over all their values, modulo 2^64."""

    rows: int
    checksum: int


@dataclass(frozen=True)
class Verdict:
    """A table compared, or one day of it.

    Attributes:
        table: The table's name in the source.
        source: Aurora's rows.
        warehouse: Redshift's rows.
        differences: What differs, as sentences: columns first, then some of the rows.
        day: The day whose rows were compared; None where all were.
        error: Why nothing could be compared; empty where it could.
    """

    table: str
    source: Side = Side(0, 0)
    warehouse: Side = Side(0, 0)
    differences: tuple[str, ...] = ()
    day: date | None = None
    error: str = ""

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.source == self.warehouse and not self.differences and not self.error


def comparisons(tables: Iterable[Table], days: Sequence[date] = ()) -> list[tuple[Table, date | None]]:
    """Return what there is to compare: each table with each of the days, or as a whole where it has none."""
    return [(table, day) for table in tables for day in (days if table.cursor and days else (None,))]


def compare_tables(catalog: Catalog, tables: Iterable[Table], days: Sequence[date] = ()) -> Iterator[Verdict]:
    """Compare tables of the catalog, one after the other, between the servers that the environment names.

    A table that cannot be compared has a verdict that says why, and the next one follows.

    Args:
        catalog: The catalog, for its zone and first day.
        tables: The tables to compare.
        days: Compare only the rows whose cursor lies in these days, each by itself; without days, and in a table
            without a cursor, all rows are compared at once.

    Yields:
        The verdicts, in the order of `comparisons`.

    Raises:
        ConfigError: Variables are missing or wrong.
        SourceError: The source is out of reach.
        DataError: The source does not let the user in.
    """
    aurora = AuroraSettings.from_env()
    warehouse = Warehouse(RedshiftSettings.from_env())
    with closing(Sessions(lambda: connect(**aurora.connect_arguments()))) as sessions:
        for table, day in comparisons(tables, days):
            try:
                with sessions.session() as connection:
                    verdict = _compare_table(connection, aurora.database, warehouse, catalog, table, day)
            except (DataError, SourceError, WarehouseError) as error:
                verdict = Verdict(table.name, error=str(error))
            except MySQLError as error:
                verdict = Verdict(table.name, error=describe(error))
            yield replace(verdict, day=day)


def _compare_table(
    connection: Connection[Any], database: str, warehouse: Warehouse, catalog: Catalog, table: Table, day: date | None
) -> Verdict:
    await_lock(connection, database, table.name, named=f"table {table.name}", warn=_log.warning)
    schema = expected(read_selected(connection, database, table), table)
    target = (warehouse.settings.staging_schema, table.target)
    read_at = None if day is None else _last_reading(warehouse, Target(*target), day)
    there, here = _conditions(catalog, table, schema, day, read_at)
    return compare(connection, schema, warehouse, target, key=table.key, there=there, here=here)


def compare(
    connection: Connection[Any],
    schema: TableSchema,
    warehouse: Warehouse,
    target: tuple[str, str],
    *,
    key: Sequence[str] = (),
    there: str = "TRUE",
    here: str = "TRUE",
) -> Verdict:
    """Compare a table.

    Args:
        connection: A connection to the source, its session's zone UTC.
        schema: The columns to compare.
        warehouse: Redshift.
        target: Redshift's schema and table.
        key: The columns that tell one row from another; empty where rows have no key.
        there: Condition on the source's rows, in its SQL.
        here: Condition on Redshift's rows, in its SQL.

    Raises:
        WarehouseError: The table is not there, or lacks a column.
    """
    with warehouse.session() as session:
        sides = (
            _Asked(AURORA, _mysql(connection), mysql_identifier(schema.database, schema.table), there, False),
            _Asked(REDSHIFT, lambda sql: session.execute(sql).rows, qualified(*target), here, True),
        )
        live = live_columns(session, Target(*target))
        if not live:
            raise WarehouseError(f"{'.'.join(target)} is not there: load a day of the table first")
        return _Comparison(_as_held(schema, live), tuple(key), *sides).verdict()


@dataclass(frozen=True)
class _Asked:
    """One side of a comparison: its SQL, how to ask it, the table and the rows that count.

    A side is paged whose answers are in memory as a whole.
    """

    dialect: Dialect
    query: Query
    table: str
    where: str
    is_paged: bool


@dataclass(frozen=True)
class _Comparison:
    schema: TableSchema
    key: tuple[str, ...]
    source: _Asked
    copy: _Asked

    @property
    def columns(self) -> list[Column]:
        return fingerprint.comparable(self.schema)

    def verdict(self) -> Verdict:
        (original, keys_there), (copied, keys_here) = (self._sums(side) for side in (self.source, self.copy))
        documents = list(self._differing_documents(copied.rows))
        if original == copied and keys_there == keys_here and not documents:
            return Verdict(self.schema.table, original, copied)
        differences = [
            *(
                [f"{original.rows:,} rows in Aurora, {copied.rows:,} in Redshift"]
                if original.rows != copied.rows
                else ()
            ),
            *(["the keys differ"] if keys_there != keys_here else ()),
            *self._differing_columns(),
            *documents,
            *self._differing_rows(),
        ]
        return Verdict(self.schema.table, original, copied, tuple(differences))

    def _sums(self, side: _Asked) -> tuple[Side, list[int]]:
        """Return a side's rows, and the sum of its keys' digests where there is a key."""
        query = fingerprint.row_sums(side.dialect, self.columns, self.key, side.table, side.where)
        ((rows, digests, *keys),) = side.query(query)
        return Side(int(rows), int(digests) % _WHOLE), [int(digests) for digests in keys]

    def _differing_columns(self) -> Iterator[str]:
        there, here = (
            [
                int(digests)
                for query in fingerprint.column_sums(side.dialect, self.columns, side.table, side.where)
                for row in side.query(query)
                for digests in row
            ]
            for side in (self.source, self.copy)
        )
        names = [c.name for c, one, other in zip(self.columns, there, here, strict=True) if one != other]
        if names:
            yield f"columns that differ: {', '.join(names)}"

    def _differing_rows(self) -> Iterator[str]:
        """Yield some rows that differ, found in a few of the buckets whose sums do."""
        original, copied = (self._buckets(side) for side in (self.source, self.copy))
        differing = sorted(b for b in original.keys() | copied.keys() if original.get(b) != copied.get(b))
        if not differing:
            return
        there, here = (self._rows(side, differing[:_BUCKETS_READ]) for side in (self.source, self.copy))
        keys = sorted(k for k in there.keys() | here.keys() if there.get(k) != here.get(k))
        for key in keys[:SHOWN_ROWS]:
            yield self._shown(key, there.get(key), here.get(key))

    def _buckets(self, side: _Asked) -> dict[str, tuple[int, int]]:
        sql = fingerprint.bucket_sums(side.dialect, self.columns, self.key, side.table, side.where)
        return {_text(bucket): (int(rows), int(digest)) for bucket, rows, digest in side.query(sql)}

    def _rows(self, side: _Asked, buckets: Sequence[str]) -> dict[str, list[Row]]:
        """Return the buckets' rows by key, each as canonical texts; without a key a row is its own."""
        sql = fingerprint.rows_of_buckets(side.dialect, self.columns, self.key, side.table, side.where, buckets)
        found: dict[str, list[Row]] = {}
        for values in side.query(sql):
            row = tuple(None if value is None else _text(value) for value in values)
            found.setdefault(self._named(row), []).append(row)
        return {key: sorted(rows, key=repr) for key, rows in found.items()}

    def _named(self, row: Row) -> str:
        names = {name.lower() for name in self.key}
        pairs = list(zip(self.columns, row, strict=True))
        shown = [(c, value) for c, value in pairs if c.target_name in names] or pairs
        return ", ".join(f"{column.name}={_brief(value)}" for column, value in shown)

    def _shown(self, key: str, there: list[Row] | None, here: list[Row] | None) -> str:
        if not there or not here:
            return f"only in {'Redshift' if not there else 'Aurora'}: {key}"
        if len(there) != len(here):
            return f"{key}: {len(there)} times in Aurora, {len(here)} times in Redshift"
        values = [
            f"{column.name} is {_brief(original)} in Aurora, {_brief(copied)} in Redshift"
            for column, original, copied in zip(self.columns, there[0], here[0], strict=True)
            if original != copied
        ]
        return f"{key}: {'; '.join(values)}"

    def _differing_documents(self, rows: int) -> Iterator[str]:
        """Compare JSON documents by content, each with its row's key; `rows` are in Redshift's table."""
        for column in self.schema.columns:
            if not fingerprint.is_document(column):
                continue
            there, here = (self._document_sums(side, column, rows) for side in (self.source, self.copy))
            differing = {b for b in range(_DOCUMENT_BUCKETS) if there[b] != here[b]}
            if differing:
                yield f"JSON column that differs: {column.name}"
                yield from self._differing_contents(column, rows, set(sorted(differing)[:_BUCKETS_READ]))

    def _document_sums(self, side: _Asked, column: Column, rows: int) -> list[int]:
        """Return for each bucket of keys the digests of its documents and keys, summed."""
        sums = [0] * _DOCUMENT_BUCKETS
        for text, key in self._documents(side, column, rows):
            row = json.dumps([None if text is None else canonical_text(text), *key])
            sums[_bucket(key)] += int.from_bytes(md5(row.encode(), usedforsecurity=False).digest()[:8], "big")
        return [total % _WHOLE for total in sums]

    def _differing_contents(self, column: Column, rows: int, buckets: set[int]) -> Iterator[str]:
        there, here = (self._rows_of_documents(side, column, rows, buckets) for side in (self.source, self.copy))
        differing = sorted(k for k in there.keys() | here.keys() if there.get(k) != here.get(k))
        for key in differing[:SHOWN_ROWS]:
            original, copied = (
                ", ".join(map(_brief, sorted(side.get(key, ()), key=repr))) or "not there" for side in (there, here)
            )
            yield f"{', '.join(key) or 'rows'}: {column.name} is {original} in Aurora, {copied} in Redshift"

    def _rows_of_documents(
        self, side: _Asked, column: Column, rows: int, buckets: set[int]
    ) -> dict[tuple[str, ...], list[str | None]]:
        found: dict[tuple[str, ...], list[str | None]] = {}
        for text, key in self._documents(side, column, rows):
            if _bucket(key) in buckets:
                named = tuple(f"{c.name}={_brief(value)}" for c, value in zip(self._keys, key, strict=True))
                found.setdefault(named, []).append(None if text is None else canonical_text(text))
        return {key: sorted(documents, key=repr) for key, documents in found.items()}

    @property
    def _keys(self) -> list[Column]:
        return [c for c in self.columns if c.target_name in {name.lower() for name in self.key}]

    def _documents(
        self, side: _Asked, column: Column, rows: int
    ) -> Iterator[tuple[str | None, tuple[str | None, ...]]]:
        """Yield each row's document and key as texts; of Redshift's in pages, as its driver reads a result whole."""
        pages = fingerprint.pages(side.dialect, self.columns, self.key, rows) if side.is_paged else ["TRUE"]
        texts = ", ".join(side.dialect.text(c) for c in (column, *self._keys))
        for page in pages:
            for row in side.query(f"SELECT {texts} FROM {side.table} WHERE ({side.where}) AND {page}"):
                text, *key = (None if value is None else _text(value) for value in row)
                yield text, tuple(key)


def _bucket(key: tuple[str | None, ...]) -> int:
    return md5(json.dumps(key).encode(), usedforsecurity=False).digest()[0]


def _last_reading(warehouse: Warehouse, target: Target, day: date) -> datetime | None:
    """Return when the source was read for the day that the target holds, None where it holds no such day."""
    with warehouse.session() as session:
        if not live_columns(session, target):
            return None
        read_at: datetime | None = session.execute(audit.last_snapshot(target.label, day)).rows[0][0]
    return read_at and read_at.replace(tzinfo=timezone.utc)


def _conditions(
    catalog: Catalog, table: Table, schema: TableSchema, day: date | None, read_at: datetime | None
) -> tuple[str, str]:
    """Return the conditions that select the rows to compare, in MySQL's SQL and in Redshift's.

    Args:
        catalog: The catalog.
        table: The table.
        schema: Its columns.
        day: The day; None for all rows.
        read_at: When the day was read, which says how far an open end reached.
    """
    there = [f"({table.filter})"] if table.filter else []
    here = [f"NOT {identifier(DELETED)}"] if table.deletes == "flag" else []
    if day is not None and table.cursor is not None:
        span = window(day, zone=catalog.zone, start_date=catalog.start_date)
        if read_at is not None:
            span = as_read(span, table, read_at=read_at, zone=catalog.zone)
        zone = ZoneInfo(table.cursor_timezone) if table.cursor_timezone else catalog.zone
        for conditions, quote in ((there, mysql_identifier), (here, identifier)):
            in_day = condition(schema.column(table.cursor), span, table=table.name, cursor_zone=zone, quote=quote)
            conditions.append(f"({in_day})")
    return " AND ".join(there) or "TRUE", " AND ".join(here) or "TRUE"


def _as_held(schema: TableSchema, live: Mapping[str, LiveColumn]) -> TableSchema:
    """Return the schema as the target holds its values, whose columns may be wider than the source's are now.

    Only a wider DECIMAL and a TIMESTAMP that takes dates show a value by another text.
    """

    def held(column: Column) -> Column:
        type_ = live[column.target_name].type if column.target_name in live else column.redshift_type
        if type_ == column.redshift_type or not holds(type_, column.redshift_type):
            return column
        if type_ == "TIMESTAMP":
            return replace(column, data_type="datetime", column_type="datetime")
        if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_):
            precision, scale = int(match[1]), int(match[2])
            wide = replace(column, data_type="decimal", column_type=type_.lower(), precision=precision, scale=scale)
            return wide.reading(f"CAST({{0}} AS {type_})")
        return column

    return replace(schema, columns=tuple(held(column) for column in schema.columns))


def _mysql(connection: Connection[Any]) -> Query:
    def query(sql: str) -> Iterator[Row]:
        with connection.cursor(SSCursor) as cursor:
            cursor.execute(sql)
            yield from cursor

    return query


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _brief(value: str | None) -> str:
    if value is None:
        return "NULL"
    return repr(value) if len(value) <= _SHOWN_VALUE else repr(value[:_SHOWN_VALUE]) + "..."
