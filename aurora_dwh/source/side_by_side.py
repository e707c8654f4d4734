"""A reading by several sessions at once, each of ranges of the primary key, and each in a snapshot of its own.

No server gives two sessions one snapshot. So all of them are begun before a row is read, and the reading is said to be
of the earliest: each row is whole, and as new as that or newer. What was committed between the first and the last may
be seen in some ranges only; whatever changed since has a cursor that a later day brings.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from aurora_dwh.core.models import DataError, SourceCount
from aurora_dwh.core.prefetch import prefetch
from aurora_dwh.core.schema import fold
from aurora_dwh.source.chunks import CHUNK_ROWS, behind_rows
from aurora_dwh.source.connection import Connection, SourceError, snapshot
from aurora_dwh.source.counting import SNAPSHOT_ENGINE
from aurora_dwh.source.discovery import table_fact
from aurora_dwh.source.giving_way import Watch
from aurora_dwh.source.plans import FEW_ROWS, estimated_rows
from aurora_dwh.source.query_plan import Reading
from aurora_dwh.source.statement import select
from aurora_dwh.source.throttle import Throttle

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.source.reader import Changed
    from aurora_dwh.source.wire.dates import Mask

    Batches: TypeAlias = Generator[pa.RecordBatch, None, None]

_ROOM = 2
"""Batches of each session that may wait to be taken."""


def shared(connection: Connection, reading: Reading) -> Reading:
    """Return a reading as one of the connections that the catalog gives it, where it is large and may be parted.

    A row whose primary key is changed meanwhile may be read twice, under both keys: an upsert needs these to be two.

    Raises:
        pymysql.err.Error: The server or the connection failed.
    """
    table, schema = reading.table, reading.schema
    is_row_key = {fold(name) for name in table.key} == {fold(name) for name in schema.primary_key}
    if table.connections == 1 or reading.keyset is None or not (is_row_key or table.mode == "append"):
        return reading
    rows = estimated_rows(connection, select(schema, where=reading.where), schema)
    is_large = rows > 2 * (table.chunk_rows or CHUNK_ROWS)
    if not is_large or str(table_fact(connection, schema.database, schema.table, "ENGINE")).lower() != SNAPSHOT_ENGINE:
        return reading
    return replace(reading, connections=table.connections)


def rows(
    reading: Reading,
    first: Connection,
    watch: Watch,
    lock: Callable[[Connection], datetime],
    throttle: Throttle,
    changed: Changed,
    counted: SourceCount,
) -> Batches:
    """Yield a reading's rows as `Reading.rows` does, in no order, by as many sessions as the reading has connections.

    Args:
        reading: What `shared` gives.
        first: The session whose snapshot is the earliest; it locks the definition until all have read.
        watch: Opens the other sessions, and ends all of them where one fails or nobody takes the rows any more.
        lock: The first statement of each snapshot, which takes the lock on the table's definition.
        throttle: Says when to wait: all of them.
        changed: As for `Reading.rows`.
        counted: As for `Reading.rows`; each range is counted in the snapshot that it was read in.

    Raises:
        DataError: As `Reading.rows`; SourceError and GaveWay too. The first that one of the sessions meets.
    """
    counts: list[SourceCount] = []
    telling = Lock()

    def tell(column: str, reason: str, mask: Mask) -> None:
        with telling:
            changed(column, reason, mask)

    def read(session: Connection, ranges: _Ranges) -> Batches:
        while one := ranges.find(session):
            counts.append(count := SourceCount())
            yield from one.rows(session, throttle, tell, count)

    with ExitStack() as stack:
        sessions = [first]
        while len(sessions) < reading.connections and (session := watch.join()):
            stack.callback(_close, session)
            stack.enter_context(snapshot(session, lock))
            sessions.append(session)
        ranges = _Ranges(reading, len(sessions))
        readings = [read(session, ranges) for session in sessions]
        yield from prefetch(*readings, room=_ROOM, abandon=watch.abandon)
    _add_up(counts, counted)


class _Ranges:
    """The ranges of a reading, one after the other: who is done with one finds where the next ends, and reads it.

    In which snapshot an end is found does not matter: ranges are disjoint and whole by their form, whatever rows there
    are. Each has so few rows that counting them, which were read a moment ago, is cheap.
    """

    def __init__(self, reading: Reading, sessions: int) -> None:
        self._reading = replace(reading, connections=sessions)
        self._rows = min(reading.table.chunk_rows or CHUNK_ROWS, FEW_ROWS)
        self._behind: list[str] | None = []
        self._finding = Lock()

    def find(self, session: Connection) -> Reading | None:
        """Return the reading of the next range, None behind the last.

        Raises:
            SourceError: The server or the connection failed.
        """
        with self._finding:
            if self._behind is None:
                return None
            within, is_short = self._behind, True
            try:
                after = self._end(session, within)
            except DataError:  # a date that the calendar does not have, say: the rest is one range
                after, is_short = None, False
            except SourceError as error:
                raise SourceError(f"{self._reading.named}: {error}; run it again") from error
            self._behind = None if after is None else [after]
        bounds = within if after is None else [*within, f"NOT {after}"]
        return replace(self._reading, where=(*self._reading.where, *bounds), is_short=is_short)

    def _end(self, session: Connection, within: list[str]) -> str | None:
        from aurora_dwh.source.reader import read

        schema, keyset = self._reading.schema, self._reading.keyset
        return behind_rows(partial(read, session), schema, within, keyset, self._rows) if keyset else None


def _add_up(counts: list[SourceCount], counted: SourceCount) -> None:
    """Tell what the source counted of all ranges, or why it did not count one of them."""
    counted.seconds = sum(count.seconds for count in counts)
    counted.reason = next((count.reason for count in counts if count.rows is None), "")
    if not counted.reason:
        counted.rows = sum(count.rows or 0 for count in counts)


def _close(session: Connection) -> None:
    if session.open:
        session.close()
