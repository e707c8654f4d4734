"""The source as the rest of the product sees it: a table and its days go in, rows come out, day by day.

Here the parts of this package come together: session, snapshot, schema, window, statement, reader. Which days are asked
for, and where rows go, is decided elsewhere.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from typing import TYPE_CHECKING, TypeVar

import pymysql

from aurora_dwh.core.models import (
    Export,
    Extract,
    GaveWay,
    SourceCount,
    Strays,
    Window,
    told_strays,
    utc_now,
)
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source import side_by_side
from aurora_dwh.source.connection import Connection, clock, failure, snapshot
from aurora_dwh.source.counting import count_in
from aurora_dwh.source.cursor import TableCursor
from aurora_dwh.source.discovery import Index, indexes, missing_index
from aurora_dwh.source.export import export, require_export
from aurora_dwh.source.giving_way import Watch, once
from aurora_dwh.source.keyset import index_keyset, primary_keyset
from aurora_dwh.source.locks import await_lock, clock_in_lock
from aurora_dwh.source.masking import require_exportable
from aurora_dwh.source.outfile import NOW, by_hand, into_s3, select_csv
from aurora_dwh.source.plans import Access, find_access, is_in_order, sorts
from aurora_dwh.source.query_plan import Reading, count_changed
from aurora_dwh.source.replication import await_data
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.strays import find_strays
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.turns import Known, Tries, Turn
from aurora_dwh.source.value_checks import count_rows, misfits
from aurora_dwh.source.windows import awaited, opened

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.catalog.fields import PauseAbove
    from aurora_dwh.catalog.model import Table
    from aurora_dwh.source.wire.dates import Mask

_log = logging.getLogger(__name__)

Given = TypeVar("Given", Extract, Export)


@dataclass(frozen=True)
class _Seen:
    """What is known of a snapshot."""

    # the moment of the source that it shows. Of a replica that is when it was last known to have all that the
    # writer had: of two readings the one is later that saw the source later, whatever a clock shows
    at: datetime
    begun_at: datetime  # this machine's clock when it was taken
    windows: list[Window]  # the days, the newest of them with an open end
    strays: Strays  # rows that none of the days brings
    watch: Watch  # has the reading give way

    def extract(
        self,
        cursor: TableCursor,
        window: Window,
        reading: Reading,
        batches: Iterator[pa.RecordBatch],
        converted: Counter[tuple[str, str]],
        waited: dict[str, float],
        counted: SourceCount,
        also: Sequence[Window] = (),
    ) -> Extract:
        """Return a day's rows with what is known of the snapshot that they are read in."""
        return Extract(
            cursor.schema,
            window,
            self.at,
            batches,
            converted,
            reading.statement,
            also,
            waited,
            counted,
            begun_at=self.begun_at,
            strays=self.strays,
            abandon=self.watch.abandon,
            **cursor.said(window),
        )


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
        today: date | None = None,
    ) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            connect: Opens a session, as `connection.connect` does.
            zone: The catalog's zone, which cursors have that say nothing of their own.
            pause_above: How busy the source may be before reading pauses; None for no limit.
            today: The running day, which is read as far as it is; None where each day's end is awaited.
        """
        self._connect = connect
        self._database = database
        self._zone = zone
        self._today = today
        self._pause_above = pause_above
        self._warn = warn
        self._warn_once = once(warn)

    def schema(self, table: Table) -> TableSchema:
        """Return the columns of a table that the catalog selects, as they are in the source now.

        Raises:
            DataError: The table, or a column that the catalog names, is not there, or a type is not known.
            SourceError: The source cannot be reached.
        """
        with self._session(table) as connection:
            self._await_lock(connection, table, f"table {table.name}")
            return read_selected(connection, self._database, table)

    def opened(self, table: Table, windows: Sequence[Window]) -> list[Window]:
        """Return days as a reading of them now would take them: the newest one with an open end.

        Raises:
            SourceError: The source cannot be reached; it is asked for its clock.
        """
        with self._session(table) as connection:
            return opened(windows, table, read_at=clock(connection), zone=self._zone)

    def extract(
        self, table: Table, windows: Sequence[Window], again: Known = (), had: Sequence[str] = ()
    ) -> Iterator[Extract]:
        """Yield the rows of each window, all of them as they were at one moment.

        One connection and one consistent snapshot serve the whole range, unless reading gives way to those who wait for
        the table, or to a busy source: days that are read by then stand, and the others follow in a snapshot of their
        own. A large day may be read by several connections (`side_by_side`). Rows are read as `batches` is iterated,
        and the batches of one extract must all have been taken before the next extract is asked for. Where no index
        serves the cursor, a range is read at once and waits on local disk, in the room that its rows take.

        Args:
            table: The table; in mode full there is one extract, which is all the windows'.
            again: Days before them which come first where they have another number of rows now, else not at all.
            had: The columns that the table had when it was last read.

        Raises:
            DataError: The user may not read one of them any more, or the table cannot be copied as the catalog says.
            SourceError: The source failed, and another attempt may succeed. `batches` raises the same two errors.
            GaveWay: By `batches` alone: what they gave is void, and the next extract is the same day's.
            RuntimeError: Batches of the extract before were left behind.
        """
        return self._in_turns(partial(self._extracts, had), table, windows, again)

    def export(
        self, table: Table, windows: Sequence[Window], again: Known = (), had: Sequence[str] = ()
    ) -> Iterator[Export]:
        """Yield the rows of each window for Aurora to write them, all of them as they were at one moment.

        Aurora counts a day's rows, and what a policy changes of them, before it writes them. A day must be written
        before the next one is asked for; in mode full there is one export, which is all the windows'.

        Args:
            again: As for `extract`.
            had: As for `extract`.

        Raises:
            DataError: The user may not export, or a value does not fit and its policy is to fail.
            SourceError: The source failed, and another attempt may succeed. `write` raises the same two errors.
            GaveWay: By `write` alone: what it wrote is void, and the next export is the same day's.
        """
        return self._in_turns(partial(self._exports, had), table, windows, again)

    def _in_turns(
        self, read: Callable[[Turn], Iterator[Given]], table: Table, windows: Sequence[Window], again: Known
    ) -> Iterator[Given]:
        """Yield what a reading gives; where it gave way, what is left of it is read on a session of its own.

        Raises:
            SourceError: A day gave way too often.
        """
        done: set[date] = set()
        tries, throttle = Tries(), None
        while True:
            with self._session(table) as connection:
                throttle = throttle or Throttle(
                    connection, ceiling=table.max_rows_per_second, limits=self._pause_above, warn=self._warn
                )
                throttle.connection = connection
                turn = Turn(connection, table, windows, again, throttle, done)
                named = f"table {table.name}, day {turn.days[0].day}"
                try:
                    throttle.pause(named)
                    self._await_lock(connection, table, named)
                    yield from read(turn)
                    return
                except GaveWay as error:
                    tries.count(error, named, len(done))
                    self._warn(f"{named}: {error}; the snapshot is ended, and what is left is read anew after that")

    @contextmanager
    def _session(self, table: Table) -> Iterator[Connection]:
        """Give a session for work on a table, whose errors then name it."""
        connection = self._connect()
        try:
            yield connection
        except pymysql.err.Error as error:
            raise failure(f"table {table.name}", error) from error
        finally:
            if connection.open:
                connection.close()

    def _extracts(self, had: Sequence[str], turn: Turn) -> Iterator[Extract]:
        schema = read_selected(turn.connection, self._database, turn.table, had)
        along = self._indexes(turn.connection, turn.table)
        if along or turn.table.mode == "full" or len(turn.days) == 1:
            return self._day_by_day(turn, schema, along)
        return self._in_one_scan(turn, schema)

    def _exports(self, had: Sequence[str], turn: Turn) -> Iterator[Export]:
        connection, table = turn.connection, turn.table
        require_export(connection)
        schema = read_selected(connection, self._database, table, had)
        along, cursor = self._indexes(connection, table), TableCursor(table, schema, self._zone)
        with self._snapshot(turn, cursor, turn.days, along) as seen:
            for window in seen.windows[-1:] if table.mode == "full" else seen.windows:
                where, said = cursor.where(window), cursor.said(window)
                if not self._stands(turn, window, partial(count_in, connection, schema, where)):
                    made = export(connection, table, schema, where, window, seen.at, turn.throttle, **said)
                    write = partial(seen.watch.call, made.write)
                    also = seen.windows[:-1] if table.mode == "full" else ()
                    yield replace(made, write=write, begun_at=seen.begun_at, strays=seen.strays, also=also)
                    seen.watch.check()
                turn.done.add(window.day)

    def _day_by_day(self, turn: Turn, schema: TableSchema, along: Sequence[Index]) -> Iterator[Extract]:
        """Yield the days, each read for itself; in mode full one reading is every day's."""
        connection, table, throttle = turn.connection, turn.table, turn.throttle
        is_full, cursor = table.mode == "full", TableCursor(table, schema, self._zone)
        with self._snapshot(turn, cursor, turn.days, along) as seen:
            for window in seen.windows[-1:] if is_full else seen.windows:
                where = cursor.where(window)
                if self._stands(turn, window, partial(count_in, connection, schema, where)):
                    continue
                reading = self._planned(connection, table, schema, window, along)
                converted: Counter[tuple[str, str]] = Counter()
                waited = throttle.begin()
                counted = SourceCount()
                changed = partial(count_changed, converted)
                if reading.connections == 1:
                    rows = reading.rows(connection, throttle, changed, counted)
                else:
                    lock = self._lock(table)
                    rows = side_by_side.rows(reading, connection, seen.watch, lock, throttle, changed, counted)
                batches = seen.watch.over(reading.fitted(rows, converted))
                also = seen.windows[:-1] if is_full else ()
                try:
                    yield seen.extract(cursor, window, reading, batches, converted, waited, counted, also)
                    seen.watch.check()
                    if getgeneratorstate(rows) != GEN_CLOSED:
                        raise RuntimeError(
                            f"table {table.name}, day {window.day}: the rows must all be read before the next day's"
                        )
                finally:  # before the snapshot ends, whose session threads of theirs may be reading on
                    with suppress(ValueError):  # whoever takes them is about to notice that they were cut
                        rows.close()
                turn.done.add(window.day)

    def _in_one_scan(self, turn: Turn, schema: TableSchema) -> Iterator[Extract]:
        """Yield the days of a range that was read at once, where a read for each would scan the table each time."""
        from aurora_dwh.source.wire.day_splitter import Split

        connection, table, throttle, windows = turn.connection, turn.table, turn.throttle, turn.days
        named = f"days {windows[0].day}...{windows[-1].day}"
        waited = throttle.begin()
        with ExitStack() as stack:
            cursor = TableCursor(table, schema, self._zone)
            with self._snapshot(turn, cursor, windows, ()) as seen:
                span = replace(seen.windows[-1], day=windows[0].day, start=windows[0].start)
                reading = _in_pieces(connection, self._reading(table, schema, span, named))
                spans = [cursor.span(window) for window in seen.windows]
                split = stack.enter_context(
                    Split(schema.arrow_schema, schema.column(table.cursor or "").target_name, spans)
                )
                changed: dict[tuple[str, str], Mask] = {}
                counted = SourceCount()
                for batch in reading.rows(connection, throttle, partial(_note, changed), counted):
                    split.add(batch, changed)
                    changed.clear()
            for window in seen.windows:
                if self._stands(turn, window, partial(split.count, window.day)):
                    continue
                converted = split.converted(window.day)
                batches = replace(reading, named=f"day {window.day}").fitted(split.rows(window.day), converted)
                yield seen.extract(cursor, window, reading, batches, converted, waited, _of_one(counted, named))
                waited = {}  # told once, with the first day

    def statement(self, table: Table, schema: TableSchema, window: Window) -> str:
        """Return the SELECT that reads a window's rows, or the first of several.

        Raises:
            DataError: The cursor is not there, or its type cannot tell when a row was written.
            SourceError: The source cannot be reached; it is asked how it would run the SELECT.
        """
        with self._session(table) as connection:
            along = self._indexes(connection, table)
            return self._planned(connection, table, schema, window, along).statement

    def export_statements(
        self, table: Table, schema: TableSchema, window: Window, prefix: str, *, is_by_hand: bool = False
    ) -> list[str]:
        """Return the statements that count a window's rows and misfits, and by which Aurora writes the rows to S3.

        Args:
            schema: Its columns, as `schema` gives them.
            prefix: The address that the files begin with.
            is_by_hand: Whether a person is to run them, whose session must be set up too.

        Raises:
            DataError: As `statement`; or columns are hashed with a key, which Aurora does not have.
        """
        require_exportable(table)
        cursor = TableCursor(table, schema, self._zone)
        where, said, kinds = cursor.where(window), cursor.said(window), misfits(schema, table)
        behind = None if is_by_hand else said["ends_before"]  # the inbox knows what a person's count holds
        count = count_rows(schema, kinds, where, newest=said["cursor"], ends_before=behind)
        rows = select_csv(schema, table, where=where, day=window.day, read_at=NOW)
        return by_hand(count, rows, prefix) if is_by_hand else [count, into_s3(rows, prefix)]

    def _reading(self, table: Table, schema: TableSchema, window: Window, named: str) -> Reading:
        return Reading(table, schema, TableCursor(table, schema, self._zone).where(window), named)

    def _stands(self, turn: Turn, window: Window, count: Callable[[], int]) -> bool:
        """Return whether a day has as many rows as when it was last read, and say where it has not."""
        if window.day not in turn.known or (rows := count()) == turn.known[window.day]:
            return window.day in turn.known
        self._warn(
            f"table {turn.table.name}, day {window.day}: {rows:,} rows, and {turn.known[window.day]:,} when it was "
            "read; it is read again"
        )
        return False

    def _planned(
        self, connection: Connection, table: Table, schema: TableSchema, window: Window, along: Sequence[Index]
    ) -> Reading:
        """Return the reading of a day: along the primary key where the server would go through the whole table anyway.

        Where the source is to be spared, a day of a few rows is read in pieces too, along an index on the cursor. Only
        the first day is not, which has rows whose cursor is NULL; most often it is most of the table.
        """
        reading = self._reading(table, schema, window, f"day {window.day}")
        access = Access.SCAN if table.mode == "full" else find_access(connection, reading.statement, schema)
        if access is Access.SCAN:
            return side_by_side.shared(connection, _in_pieces(connection, reading))
        reading = replace(reading, is_short=access is Access.FEW)
        is_spared = table.max_rows_per_second is not None or self._pause_above is not None
        if is_spared and window.start is not None:
            keysets = (index_keyset(schema, index) for index in along if index.is_plain)
            in_pieces = (replace(reading, keyset=keyset) for keyset in keysets if keyset)
            return next((one for one in in_pieces if is_in_order(connection, one.statement, schema)), reading)
        return reading

    @contextmanager
    def _snapshot(
        self, turn: Turn, cursor: TableCursor, windows: Sequence[Window], along: Sequence[Index]
    ) -> Iterator[_Seen]:
        """Hold a consistent snapshot, once the server's data reaches the last day's end."""
        table, connection = turn.table, turn.connection
        named = f"table {table.name}, day {windows[-1].day}"
        end = awaited(windows[-1], today=self._today, zone=self._zone)
        reached = await_data(connection, end, named=named, warn=self._warn)
        begun_at = utc_now()
        watch = Watch(
            self._connect, connection, database=self._database, table=table.name, named=named, warn=self._warn_once
        )
        with watch, watch.translated(), snapshot(connection, self._lock(table)) as now:
            at = now if reached is None else min(now, reached)
            strays = find_strays(connection, cursor, windows[0], at) if along else Strays()
            for found in told_strays(strays, table.cursor or "", is_upserted=table.mode == "incremental"):
                self._warn(f"table {table.name}: {found}")
            yield _Seen(at, begun_at, opened(windows, table, read_at=at, zone=self._zone), strays, watch)

    def _lock(self, table: Table) -> Callable[[Connection], datetime]:
        return partial(clock_in_lock, database=self._database, table=table.name, query=table.query)

    def _await_lock(self, connection: Connection, table: Table, named: str) -> None:
        await_lock(connection, self._database, table.name, table.query, named=named, warn=self._warn)

    def _indexes(self, connection: Connection, table: Table) -> list[Index]:
        """Return the indexes by which Aurora finds a day's rows without a scan; warn where a large table has none."""
        if table.mode == "full" or table.cursor is None:
            return []
        found = indexes(connection, self._database, table.name, table.cursor)
        if not found:
            missing = missing_index(connection, self._database, table.name, table.cursor)
            if missing:
                self._warn(
                    f"table {table.name}: no index begins with the cursor {table.cursor!r}: {missing.effect}; "
                    f"{missing.remedy}"
                )
        return found


def _of_one(counted: SourceCount, named: str) -> SourceCount:
    """Return what is known of one day where the source counted the rows of several together."""
    if counted.rows is None:
        return counted
    return SourceCount(reason=f"{named} were counted together: {counted.rows:,} rows", seconds=counted.seconds)


def _in_pieces(connection: Connection, reading: Reading) -> Reading:
    """Return a reading of a whole table along its primary key, as it is where no index has the key's order.

    The key of the beginning of a text, of descending parts, or of hashes gives none: each piece would sort the rest.
    """
    keyset = primary_keyset(reading.schema)
    pieces = replace(reading, keyset=keyset)
    return pieces if keyset and not sorts(connection, pieces.statement, reading.schema) else reading


def _note(changed: dict[tuple[str, str], Mask], column: str, reason: str, mask: Mask) -> None:
    changed[column, reason] = mask
