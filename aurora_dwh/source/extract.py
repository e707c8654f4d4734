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

from aurora_dwh.handoff import DataError, Export, Extract, Window
from aurora_dwh.schema import TableSchema
from aurora_dwh.source.connection import Connection, SourceError, execute, explain, snapshot
from aurora_dwh.source.dates import Mask
from aurora_dwh.source.discovery import Index, index_ddl, indexes
from aurora_dwh.source.export import export, require_export
from aurora_dwh.source.keyset import index_keyset, primary_keyset
from aurora_dwh.source.misfits import count_rows, misfits
from aurora_dwh.source.outfile import NOW, by_hand, into_s3, select_csv
from aurora_dwh.source.plans import is_in_order, scans, sorts
from aurora_dwh.source.quoting import identifier
from aurora_dwh.source.reading import Reading
from aurora_dwh.source.refusals import is_permanent
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.split import Span, Split
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.windows import CursorRules, bounds, condition

if TYPE_CHECKING:
    from aurora_dwh.catalog import Table
    from aurora_dwh.catalog_fields import PauseAbove

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
        pause_above: PauseAbove | None = None,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            connect: Opens a session, as `connection.connect` does.
            database: The database whose tables are read.
            zone: The catalog's zone, which cursors have that say nothing of their own.
            pause_above: How busy the source may be before reading pauses; None for no limit.
            warn: Takes what an operator should know.
        """
        self._connect = connect
        self._database = database
        self._zone = zone
        self._pause_above = pause_above
        self._warn = warn

    def schema(self, table: Table) -> TableSchema:
        """Return the columns of a table that the catalog selects, as they are in the source now.

        Raises:
            DataError: The table, or a column that the catalog names, is not there, or a type is not known.
            SourceError: The source cannot be reached.
        """
        connection = self._connect()
        try:
            return read_selected(connection, self._database, table)
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
        connection = self._connect()
        try:
            schema = read_selected(connection, self._database, table)
            along = self._indexes(connection, table)
            self._report_rows_without_cursor(connection, schema, windows, along, table)
            if along or table.mode == "full" or len(windows) == 1:
                yield from self._day_by_day(connection, table, schema, windows, along)
            else:
                yield from self._in_one_scan(connection, table, schema, windows)
        except pymysql.err.Error as error:
            raise _failure(table, error) from error
        finally:
            _close(connection)

    def export(self, table: Table, windows: Sequence[Window]) -> Iterator[Export]:
        """Yield the rows of each window for Aurora to write them, all of them as they were at one moment.

        Aurora counts a day's rows, and what a policy changes of them, before it writes them. A day must be written
        before the next one is asked for; in mode full each day is written anew, since each has its own day in its rows.

        Args:
            table: The table.
            windows: The days, in order.

        Raises:
            DataError: The user may not export, or a value does not fit and its policy is to fail.
            SourceError: The source failed, and another attempt may succeed. `write` raises the same two errors.
        """
        connection = self._connect()
        try:
            require_export(connection)
            schema = read_selected(connection, self._database, table)
            along = self._indexes(connection, table)
            self._report_rows_without_cursor(connection, schema, windows, along, table)
            throttle = self._throttle(connection, table)
            with snapshot(connection) as taken_at:
                for window in windows:
                    reading = self._reading(table, schema, window, f"day {window.day}")
                    said = self._cursor_of(reading)
                    yield export(connection, table, schema, reading.where, window, taken_at, throttle, **said)
        except pymysql.err.Error as error:
            raise _failure(table, error) from error
        finally:
            _close(connection)

    def _day_by_day(
        self,
        connection: Connection,
        table: Table,
        schema: TableSchema,
        windows: Sequence[Window],
        along: Sequence[Index],
    ) -> Iterator[Extract]:
        """Yield the days, each read for itself; in mode full one reading is every day's."""
        is_full = table.mode == "full"
        throttle = self._throttle(connection, table)
        with snapshot(connection) as taken_at:
            for window in windows[-1:] if is_full else windows:
                reading = self._planned(connection, table, schema, window, along)
                converted: Counter[tuple[str, str]] = Counter()
                waited = throttle.begin(f"table {table.name}, day {window.day}")
                rows = reading.rows(connection, throttle, partial(_count, converted))
                batches = reading.fitted(rows, converted)
                also = windows[:-1] if is_full else ()
                yield Extract(
                    schema,
                    window,
                    taken_at,
                    batches,
                    converted,
                    reading.statement,
                    also,
                    waited=waited,
                    **self._cursor_of(reading),
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
        reading = _in_pieces(connection, self._reading(table, schema, span, f"days {first.day}...{last.day}"))
        throttle = self._throttle(connection, table)
        waited = throttle.begin(f"table {table.name}, days {first.day}...{last.day}")
        cursor = schema.column(table.cursor or "")
        spans = [Span(w.day, *bounds(cursor, w, **self._cursor_rules(table))) for w in windows]
        changed: dict[tuple[str, str], Mask] = {}
        with Split(schema.arrow_schema, cursor.target_name, spans) as split:
            with snapshot(connection) as taken_at:
                for batch in reading.rows(connection, throttle, partial(_note, changed)):
                    split.add(batch, changed)
                    changed.clear()
            for window in windows:
                converted = split.converted(window.day)
                batches = replace(reading, named=f"day {window.day}").fitted(split.rows(window.day), converted)
                said = self._cursor_of(reading)
                yield Extract(schema, window, taken_at, batches, converted, reading.statement, waited=waited, **said)
                waited = {}  # told once, with the first day

    def statement(self, table: Table, schema: TableSchema, window: Window) -> str:
        """Return the SELECT that reads a window's rows, or the first of several.

        Raises:
            DataError: The cursor is not there, or its type cannot tell when a row was written.
            SourceError: The source cannot be reached; it is asked how it would run the SELECT.
        """
        connection = self._connect()
        try:
            along = self._indexes(connection, table)
            return self._planned(connection, table, schema, window, along).statement
        except pymysql.err.Error as error:
            raise _failure(table, error) from error
        finally:
            _close(connection)

    def export_statements(
        self, table: Table, schema: TableSchema, window: Window, prefix: str, *, is_by_hand: bool = False
    ) -> list[str]:
        """Return the statements that count a window's rows and misfits, and by which Aurora writes the rows to S3.

        Args:
            table: The table.
            schema: Its columns, as `schema` gives them.
            window: The day.
            prefix: The address that the files begin with.
            is_by_hand: Whether a person is to run them, whose session must be set up too.

        Raises:
            DataError: As `statement`.
        """
        reading = self._reading(table, schema, window, f"day {window.day}")
        newest = self._cursor_of(reading)["cursor"]
        count = count_rows(schema, misfits(schema, table), reading.where, newest=newest)
        rows = select_csv(schema, table, where=reading.where, day=window.day, read_at=NOW)
        return by_hand(count, rows, prefix) if is_by_hand else [count, into_s3(rows, prefix)]

    def _reading(self, table: Table, schema: TableSchema, window: Window, named: str) -> Reading:
        where = [] if table.filter is None else [table.filter]
        if table.mode != "full" and table.cursor is not None:
            cursor = schema.column(table.cursor)
            where.insert(0, condition(cursor, window, **self._cursor_rules(table)))
        return Reading(table, schema, tuple(where), named)

    def _planned(
        self, connection: Connection, table: Table, schema: TableSchema, window: Window, along: Sequence[Index]
    ) -> Reading:
        """Return the reading of a day: along the primary key where the server would go through the whole table anyway.

        Where the source is to be spared, a day of a few rows is read in pieces too, along an index on the cursor. Only
        the first day is not, which has rows whose cursor is NULL; most often it is most of the table.
        """
        reading = self._reading(table, schema, window, f"day {window.day}")
        if table.mode == "full" or scans(connection, reading.statement, schema):
            return _in_pieces(connection, reading)
        is_spared = table.max_rows_per_second is not None or self._pause_above is not None
        if is_spared and window.start is not None:
            keysets = (index_keyset(schema, index) for index in along if index.is_plain)
            in_pieces = (replace(reading, keyset=keyset) for keyset in keysets if keyset)
            return next((one for one in in_pieces if is_in_order(connection, one.statement, schema)), reading)
        return reading

    def _report_rows_without_cursor(
        self,
        connection: Connection,
        schema: TableSchema,
        windows: Sequence[Window],
        along: Sequence[Index],
        table: Table,
    ) -> None:
        """Warn of rows that no day but the first brings, with their number, which the cursor's index gives."""
        if windows[0].is_first or not along:
            return
        cursor = schema.column(table.cursor or "")
        if not cursor.nullable:
            return
        name, place = identifier(cursor.name), identifier(self._database, table.name)
        ((rows,),) = execute(connection, f"SELECT COUNT(*) FROM {place} WHERE {name} IS NULL")
        if int(rows):
            self._warn(
                f"table {table.name}: {int(rows):,} rows have no {cursor.name!r} and come with the first day alone; "
                "materialize that day again when such rows were added or changed, or fill the column"
            )

    def _throttle(self, connection: Connection, table: Table) -> Throttle:
        return Throttle(connection, ceiling=table.max_rows_per_second, limits=self._pause_above, warn=self._warn)

    def _cursor_of(self, reading: Reading) -> ExtractCursor:
        """Return what an extract says of its cursor, none where it has no moments."""
        table = reading.table
        if table.cursor is None or table.mode == "full":
            return {"cursor": None, "cursor_zone": timezone.utc}
        cursor = reading.schema.column(table.cursor)
        shown_in = timezone.utc if cursor.data_type == "timestamp" else self._cursor_rules(table)["cursor_zone"]
        return {"cursor": cursor.target_name, "cursor_zone": shown_in}

    def _cursor_rules(self, table: Table) -> CursorRules:
        zone = ZoneInfo(table.cursor_timezone) if table.cursor_timezone else self._zone
        return {"table": table.name, "cursor_zone": zone, "once": table.mode == "append"}

    def _indexes(self, connection: Connection, table: Table) -> list[Index]:
        """Return the indexes by which Aurora finds a day's rows without a scan of the table, and warn of none."""
        if table.mode == "full" or table.cursor is None:
            return []
        found = indexes(connection, self._database, table.name, table.cursor)
        if not found:
            self._warn(
                f"table {table.name}: no index begins with the cursor {table.cursor!r}, so Aurora scans the whole "
                f"table for each run; add one: {index_ddl(connection, self._database, table.name, table.cursor)}"
            )
        return found


def _in_pieces(connection: Connection, reading: Reading) -> Reading:
    """Return a reading of a whole table along its primary key, as it is where no index has the key's order.

    The key of the beginning of a text, of descending parts, or of hashes gives none: each piece would sort the rest.
    """
    keyset = primary_keyset(reading.schema)
    pieces = replace(reading, keyset=keyset)
    return pieces if keyset and not sorts(connection, pieces.statement, reading.schema) else reading


def _count(converted: Counter[tuple[str, str]], column: str, reason: str, mask: Mask) -> None:
    converted[column, reason] += int(mask.sum())


def _note(changed: dict[tuple[str, str], Mask], column: str, reason: str, mask: Mask) -> None:
    changed[column, reason] = mask


def _failure(table: Table, error: pymysql.err.MySQLError) -> Exception:
    kind = DataError if is_permanent(error) else SourceError
    return kind(f"table {table.name}: {explain(error)}")


def _close(connection: Connection) -> None:
    if connection.open:
        connection.close()
