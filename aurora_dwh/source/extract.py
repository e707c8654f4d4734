"""The source as the rest of the product sees it: a table and its days go in, rows come out, day by day.

Here the parts of this package come together: session, snapshot, schema, window, statement, reader. Which days are asked
for, and where rows go, is decided elsewhere.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timezone, tzinfo
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from typing import TYPE_CHECKING, TypedDict
from zoneinfo import ZoneInfo

import pymysql

from aurora_dwh.handoff import DataError, Extract, Window
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.source.connection import Connection, SourceError, explain, is_permanent, snapshot
from aurora_dwh.source.dates import Mask
from aurora_dwh.source.discovery import indexed, read_schema, scans
from aurora_dwh.source.quoting import identifier
from aurora_dwh.source.reading import Reading
from aurora_dwh.source.split import Span, Split
from aurora_dwh.source.treatment import treat
from aurora_dwh.source.windows import CursorRules, bounds, condition

if TYPE_CHECKING:
    from aurora_dwh.catalog import Table

_log = logging.getLogger(__name__)


class ExtractCursor(TypedDict):
    """What an `Extract` says of its cursor."""

    cursor: str | None
    cursor_zone: tzinfo


class Source:
    """One database of the source."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        database: str,
        zone: tzinfo,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            connect: Opens a session, as `connection.connect` does.
            database: The database whose tables are read.
            zone: The catalog's zone, which cursors have that say nothing of their own.
            warn: Takes what an operator should know.
        """
        self._connect = connect
        self._database = database
        self._zone = zone
        self._warn = warn

    def schema(self, table: Table) -> TableSchema:
        """Return the columns of a table that the catalog selects, as they are in the source now.

        Raises:
            DataError: The table, or a column that the catalog names, is not there, or a type is not known.
            SourceError: The source cannot be reached.
        """
        connection = self._connect()
        try:
            return self._selected(connection, table)
        except pymysql.err.Error as error:
            raise _failure(table, error) from error
        finally:
            _close(connection)

    def extract(self, table: Table, windows: Sequence[Window]) -> Iterator[Extract]:
        """Yield the rows of each window, all of them as they were at one moment.

        One connection and one consistent snapshot serve the whole range. Rows are read as `batches` is iterated, and
        the batches of one extract must all have been taken before the next extract is asked for. Where no index serves
        the cursor, a range is read at once and waits on local disk, in the room that its rows take.

        Args:
            table: The table; in mode full there is one extract, which is all the windows'.
            windows: The days, in order.

        Raises:
            DataError: The table cannot be copied as the catalog says.
            SourceError: The source failed, and another attempt may succeed. `batches` raises the same two errors.
            RuntimeError: Batches of the extract before were left behind.
        """
        _refuse_unsupported(table)
        connection = self._connect()
        try:
            schema = self._selected(connection, table)
            is_indexed = self._is_indexed(connection, table)
            days = self._day_by_day if is_indexed or len(windows) == 1 else self._in_one_scan
            yield from days(connection, table, schema, windows)
        except pymysql.err.Error as error:
            raise _failure(table, error) from error
        finally:
            _close(connection)

    def _day_by_day(
        self, connection: Connection, table: Table, schema: TableSchema, windows: Sequence[Window]
    ) -> Iterator[Extract]:
        """Yield the days, each read for itself; in mode full one reading is every day's."""
        is_full = table.mode == "full"
        with snapshot(connection) as taken_at:
            for window in windows[-1:] if is_full else windows:
                reading = self._planned(connection, self._reading(table, schema, window, f"day {window.day}"))
                converted: Counter[tuple[str, str]] = Counter()
                rows = reading.rows(connection, partial(_count, converted))
                batches = reading.fitted(rows, converted)
                also = windows[:-1] if is_full else ()
                yield Extract(
                    schema, window, taken_at, batches, converted, reading.statement, also, **self._cursor_of(reading)
                )
                if getgeneratorstate(rows) != GEN_CLOSED:
                    raise RuntimeError(
                        f"table {table.name}, day {window.day}: the rows must all be read before the next day's"
                    )

    def _in_one_scan(
        self, connection: Connection, table: Table, schema: TableSchema, windows: Sequence[Window]
    ) -> Iterator[Extract]:
        """Yield the days of a range that was read at once, where a read for each would scan the table each time."""
        first, last = windows[0], windows[-1]
        span = Window(first.day, first.start, last.end)
        reading = replace(self._reading(table, schema, span, f"days {first.day}...{last.day}"), is_whole=True)
        cursor = _existing(schema, table.cursor or "")
        spans = [Span(w.day, *bounds(cursor, w, **self._cursor_rules(table))) for w in windows]
        changed: dict[tuple[str, str], Mask] = {}
        with Split(schema.arrow_schema, cursor.target_name, spans) as split:
            with snapshot(connection) as taken_at:
                for batch in reading.rows(connection, partial(_note, changed)):
                    split.add(batch, changed)
                    changed.clear()
            for window in windows:
                converted = split.converted(window.day)
                batches = replace(reading, named=f"day {window.day}").fitted(split.rows(window.day), converted)
                yield Extract(
                    schema, window, taken_at, batches, converted, reading.statement, **self._cursor_of(reading)
                )

    def statement(self, table: Table, schema: TableSchema, window: Window) -> str:
        """Return the SELECT that reads a window's rows, or the first of several.

        Raises:
            DataError: The cursor is not there, or its type cannot tell when a row was written.
            SourceError: The source cannot be reached; it is asked how it would run the SELECT.
        """
        connection = self._connect()
        try:
            return self._planned(connection, self._reading(table, schema, window, f"day {window.day}")).statement
        except pymysql.err.Error as error:
            raise _failure(table, error) from error
        finally:
            _close(connection)

    def _reading(self, table: Table, schema: TableSchema, window: Window, named: str) -> Reading:
        where = [] if table.filter is None else [table.filter]
        if table.mode != "full" and table.cursor is not None:
            cursor = _existing(schema, table.cursor)
            where.insert(0, condition(cursor, window, **self._cursor_rules(table)))
        return Reading(table, schema, tuple(where), named, is_whole=table.mode == "full")

    def _planned(self, connection: Connection, reading: Reading) -> Reading:
        """Return the reading, along the primary key where the server would go through the whole table anyway."""
        return reading if reading.is_whole else replace(reading, is_whole=scans(connection, reading.statement))

    def _cursor_of(self, reading: Reading) -> ExtractCursor:
        """Return what an extract says of its cursor, none where it has no moments."""
        table = reading.table
        if table.cursor is None or table.mode == "full":
            return {"cursor": None, "cursor_zone": timezone.utc}
        cursor = _existing(reading.schema, table.cursor)
        shown_in = timezone.utc if cursor.data_type == "timestamp" else self._cursor_rules(table)["cursor_zone"]
        return {"cursor": cursor.target_name, "cursor_zone": shown_in}

    def _cursor_rules(self, table: Table) -> CursorRules:
        zone = ZoneInfo(table.cursor_timezone) if table.cursor_timezone else self._zone
        return {"table": table.name, "cursor_zone": zone, "once": table.mode == "append"}

    def _selected(self, connection: Connection, table: Table) -> TableSchema:
        schema = read_schema(connection, self._database, table.name)
        try:
            selected = treat(schema.select(include=table.include, exclude=table.exclude), table)
            _ = selected.arrow_schema
        except (KeyError, ValueError) as error:
            raise DataError(f"table {table.name}: {error.args[0]}") from error
        return selected

    def _is_indexed(self, connection: Connection, table: Table) -> bool:
        """Return whether Aurora finds a day's rows without a scan of the table, and warn if not."""
        if table.mode == "full" or table.cursor is None:
            return True
        if indexed(connection, self._database, table.name, table.cursor):
            return True
        self._warn(
            f"table {table.name}: no index begins with the cursor {table.cursor!r}, so Aurora scans the whole table "
            f"for each run; add one: ALTER TABLE {identifier(table.name)} ADD INDEX ({identifier(table.cursor)})"
        )
        return False


def _count(converted: Counter[tuple[str, str]], column: str, reason: str, mask: Mask) -> None:
    converted[column, reason] += int(mask.sum())


def _note(changed: dict[tuple[str, str], Mask], column: str, reason: str, mask: Mask) -> None:
    changed[column, reason] = mask


def _refuse_unsupported(table: Table) -> None:
    """Refuse what the catalog can ask for and this reader does not do, instead of passing over it."""
    asked = {
        "extract: outfile": table.extract == "outfile",
    }
    for what, is_asked in asked.items():
        if is_asked:
            raise DataError(f"table {table.name}: `{what}` is not supported yet; take it out of the catalog")


def _existing(schema: TableSchema, column: str) -> Column:
    try:
        return schema.column(column)
    except KeyError as error:
        raise DataError(f"the cursor is missing: {error.args[0]}") from error


def _failure(table: Table, error: pymysql.err.MySQLError) -> Exception:
    kind = DataError if is_permanent(error) else SourceError
    return kind(f"table {table.name}: {explain(error)}")


def _close(connection: Connection) -> None:
    if connection.open:
        connection.close()
