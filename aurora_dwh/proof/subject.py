"""What is compared: a table's columns as both sides are to hold them, its key, the rows that count, and which are late.

The source's columns are taken with what the catalog's policies make of them, and with the types that the staging table
has, which may be wider than the source's are now.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from aurora_dwh.core.models import DataError, Manifest, Window
from aurora_dwh.core.schema import Column, TableSchema, fold
from aurora_dwh.source.value_policies import expected
from aurora_dwh.source.windows import as_read, bounds, condition, window
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.load import standing
from aurora_dwh.warehouse.load.schema_drift import Columns, holds, look
from aurora_dwh.warehouse.load.statements import DAY, DELETED, Target
from aurora_dwh.warehouse.sql import identifier

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog, Table


@dataclass(frozen=True)
class Reading:
    """A reading of the source that the staging table was loaded from."""

    day: date
    at: datetime  # the moment of the source that it shows, in UTC
    attempt: str  # the extraction that wrote it into the lake


@dataclass(frozen=True)
class Subject:
    """What is compared."""

    schema: TableSchema  # the columns, as both sides are to hold them
    source: TableSchema  # the same as they are read, without what the policies and the target's types make of them
    key: tuple[Column, ...]  # those that tell one row from another; none where a row is told by all its values
    target: Target  # the staging table
    has_days: bool = False  # whether its rows say which day brought them, as all rows do that the product loaded
    there: tuple[str, ...] = ()  # conditions on the source's rows, in its SQL
    here: str = "TRUE"  # condition on Redshift's rows, in its SQL
    # condition of the rows of the one day that is compared, in the source's SQL; None where all are
    day_there: str | None = None
    day_here: str | None = None  # the same in Redshift's
    cursor: Column | None = None  # the column that says when a row was written; None where there is none
    # the half-open range of the cursor's values of rows that were written since the table was last read; None where no
    # cursor tells
    late: tuple[date, date] | None = None
    # the last reading of a table that is copied whole, by which late rows are told there
    reading: Reading | None = None
    newest: date | None = None  # the newest day that the staging table was loaded with; None where nothing is known

    @property
    def walked(self) -> tuple[str, ...]:
        """The conditions of the source's rows that are read."""
        return (*self.there, self.day_there) if self.day_there else self.there

    @property
    def gathered(self) -> str:
        """The condition of Redshift's rows that are gathered."""
        return f"{self.here} AND ({self.day_here})" if self.day_here else self.here

    def check_source(self, session: Session, keys: Manifest) -> None:
        """Refuse, by a RulesError, what was read of another source than that which the target was loaded from."""
        if keys.rules and self.newest:
            standing.find(session, self.target, keys).check_source(keys)


def plain_subject(source: TableSchema, schema: TableSchema, target: Target, live: Columns) -> Subject:
    """Return what is compared of a table whose rows all count, told apart by the target's key or the source's own.

    Args:
        source: The columns as they are read.
        schema: The same with what the policies make of their values.

    Raises:
        DataError: The staging table is not there, or lacks columns.
    """
    if not live:
        raise DataError(f"{target.label} is not there: load a day of the table first")
    if missing := [column.name for column in schema.columns if column.target_name not in live]:
        raise DataError(
            f"{target.label} has no column {', '.join(missing)}, which the source has: load a day of the table first"
        )
    held = replace(schema, columns=tuple(_held(column, live[column.target_name]) for column in schema.columns))
    return Subject(held, source, _key(held, target), target, has_days=DAY in live)


def subject(
    session: Session,
    schema: TableSchema,
    catalog: Catalog,
    table: Table,
    target: Target,
    day: date | None,
    now: datetime,
) -> Subject:
    """Return what is compared of a table of the catalog, or of one of its days.

    Args:
        schema: The columns as they are read.
        now: The source's clock, in UTC.

    Raises:
        DataError: The staging table is not there, or lacks columns.
    """
    live = look(session, target)
    whole = plain_subject(schema, expected(schema, table), target, live.columns)
    readings = _readings(session, target) if live.history else []
    cursor = whole.schema.column(table.cursor) if table.cursor is not None and table.mode != "full" else None
    day_there = day_here = None
    if day is not None and cursor is not None:
        span = window(day, zone=catalog.zone, start_date=catalog.start_date)
        if read_at := max((reading.at for reading in readings if reading.day == day), default=None):
            span = as_read(span, table, read_at=read_at, zone=catalog.zone)
        of_day = partial(condition, cursor, span, table=table.name, cursor_zone=table.cursor_zone(catalog.zone))
        day_there, day_here = of_day(), of_day(named=lambda column: identifier(column.target_name))
    return replace(
        whole,
        there=(table.filter,) if table.filter else (),
        here=f"NOT {identifier(DELETED)}" if target.flags_deletes and DELETED in live.columns else "TRUE",
        day_there=day_there,
        day_here=day_here,
        cursor=cursor,
        late=_late(catalog, table, cursor, readings, now) if cursor else None,
        reading=max(readings, key=lambda reading: reading.at, default=None) if table.mode == "full" else None,
        newest=max((reading.day for reading in readings), default=None),
    )


def _key(schema: TableSchema, target: Target) -> tuple[Column, ...]:
    """Return the columns of the catalog's key, else of the source's own where all of them are copied."""
    by_name = {column.target_name: column for column in schema.columns}
    for names in (target.key, schema.copied_key):
        columns = [by_name.get(fold(name)) for name in names]
        # The source cannot be asked for a row by a hash that it does not make.
        if columns and None not in columns and not any(column.keyed for column in columns if column):
            return tuple(column for column in columns if column)
    return ()


def _readings(session: Session, target: Target) -> list[Reading]:
    rows = session.execute(load_history.readings(target.label)).rows
    return [Reading(day, at.replace(tzinfo=timezone.utc), attempt) for day, at, attempt in rows]


def _late(
    catalog: Catalog, table: Table, cursor: Column, readings: list[Reading], now: datetime
) -> tuple[date, date] | None:
    """Return the cursor's values from the moment that the last readings reached to, up to now."""
    zone, first = catalog.zone, catalog.start_date
    days = ((window(r.day, zone=zone, start_date=first), r.at) for r in readings if r.day >= first)
    reached = max((as_read(day, table, read_at=at, zone=zone).end for day, at in days), default=None)
    if reached is None:
        return None
    span = Window(max(reading.day for reading in readings), reached, now + timedelta(seconds=1))
    start, end = bounds(cursor, span, table=table.name, cursor_zone=table.cursor_zone(catalog.zone))
    return (start, end) if start else None


def _held(column: Column, type_: str) -> Column:
    """Return a column as the target holds its values, whose type may be wider than the source's is now.

    Only a wider DECIMAL and a TIMESTAMP that takes dates show a value by another text.
    """
    if type_ == column.redshift_type or not holds(type_, column.redshift_type):
        return column
    if type_ == "TIMESTAMP":
        moment = replace(column, data_type="datetime", column_type="datetime(6)")
        return moment.reading("CAST({0} AS DATETIME(6))")
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_):
        precision, scale = int(match[1]), int(match[2])
        wide = replace(column, data_type="decimal", column_type=type_.lower(), precision=precision, scale=scale)
        return wide.reading(f"CAST({{0}} AS {type_})")
    return column
