"""A table proven equal to its source, or what differs named: walk, compare, look again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from pymysql.err import MySQLError

from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.lake.store import Lake, MissingDayError
from aurora_dwh.proof.buckets import buckets_of
from aurora_dwh.proof.compare import Candidate, Compared, compare
from aurora_dwh.proof.look import Look
from aurora_dwh.proof.pace import Pace
from aurora_dwh.proof.subject import Subject, subject
from aurora_dwh.proof.verdict import EXTRA, GONE, LATE, Found, Verdict, count, first_of_each
from aurora_dwh.proof.walk import Walk
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.source.connection import Connection, SourceError, clock, open_session
from aurora_dwh.source.locks import await_lock
from aurora_dwh.source.replication import await_data
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.sessions import Sessions, describe, is_lost
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.windows import window
from aurora_dwh.warehouse.connection import Warehouse, open_warehouse
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.load.statements import staging_target

if TYPE_CHECKING:
    from aurora_dwh.catalog.fields import PauseAbove
    from aurora_dwh.catalog.model import Catalog, Table
    from aurora_dwh.core.rules import Rules


@dataclass(frozen=True)
class Proof:
    """What a proof found."""

    verdict: Verdict  # what is said of it
    subject: Subject  # what was compared
    # the keys whose rows differed at first sight, as far as they were looked at again
    candidates: tuple[Candidate, ...]
    found: tuple[Found, ...]  # each row that differs
    at: datetime  # the moment of the source that the reading of its rows began at, in UTC
    reached: datetime | None  # how far the data of a replica reached then; None of another server


@dataclass(frozen=True)
class Places:
    """Where a proof works: the lake for its keys, Redshift, and how the source is to be spared."""

    lake: Lake
    warehouse: Warehouse
    pause_above: PauseAbove | None = None
    warn: Callable[[str], None] = logging.getLogger(__name__).warning  # takes what an operator should know
    source: Callable[[], AuroraSettings] = AuroraSettings.from_env


def comparisons(tables: Iterable[Table], days: Sequence[date] = ()) -> list[tuple[Table, date | None]]:
    """Return what there is to compare: each table with each of the days, or as a whole where it has none."""
    return [(table, day) for table in tables for day in (days if table.cursor and days else (None,))]


def compare_tables(catalog: Catalog, tables: Iterable[Table], days: Sequence[date] = ()) -> Iterator[Verdict]:
    """Compare tables of the catalog, one after the other, between the servers that the environment names.

    A table that cannot be compared has a verdict that says why, and the next one follows. Nothing is repaired.

    Args:
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
    places = Places(open_lake(), open_warehouse(), catalog.pause_above)
    with closing(Sessions(partial(open_session, aurora))) as sessions:
        for table, day in comparisons(tables, days):
            try:
                with sessions.session() as connection:
                    verdict = prove(connection, aurora.database, places, catalog, table, day).verdict
            except (DataError, SourceError, WarehouseError) as error:
                verdict = Verdict(table.name, error=_told(error))
            except MySQLError as error:
                verdict = Verdict(table.name, error=describe(error))
            yield replace(verdict, day=day)


def _told(error: Exception) -> str:
    lost = error.__cause__
    return describe(lost) if isinstance(lost, MySQLError) and is_lost(lost) else str(error)


def prove(
    connection: Connection,
    database: str,
    places: Places,
    catalog: Catalog,
    table: Table,
    day: date | None = None,
    *,
    rules: Rules | None = None,
) -> Proof:
    """Compare a table of the catalog, or one of its days.

    Args:
        day: Compare only the rows whose cursor lies in that day; None for all rows.
        rules: What shapes the table's rows now, by which another source is refused; None compares any.

    Raises:
        DataError: The table cannot be read as the catalog says, or there is nothing to compare it with.
        SourceError: The source failed, and another attempt may succeed.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
        pymysql.err.MySQLError: The source refused or ended a statement.
    """
    await_lock(connection, database, table.name, table.query, named=f"table {table.name}", warn=places.warn)
    schema = read_selected(connection, database, table)
    target = staging_target(table, places.warehouse.settings.staging_schema)
    now = clock(connection)
    what = places.warehouse.persist(lambda session: subject(session, schema, catalog, table, target, day, now))
    last = _last_reading(places.lake, table, what)
    yesterday = now.astimezone(catalog.zone).date() - timedelta(days=1)
    newest = window(max(yesterday, catalog.start_date), zone=catalog.zone, start_date=catalog.start_date)
    return examine(
        connection,
        places,
        what,
        now,
        last,
        reached=await_data(connection, newest.end, named=f"proof of {table.name}", warn=places.warn),
        ceiling=table.max_rows_per_second,
        is_kept=keeps_gone(table, is_mended=rules is not None),
        rules=rules,
    )


def keeps_gone(table: Table, *, is_mended: bool) -> bool:
    """Return whether rows stay that are gone from the source, which `repair: all` takes away where it mends."""
    return table.deletes == "keep" and table.mode != "full" and not (is_mended and table.repair == "all")


def examine(
    connection: Connection,
    places: Places,
    what: Subject,
    now: datetime,
    last: Manifest | None = None,
    *,
    reached: datetime | None = None,
    ceiling: int | None = None,
    is_kept: bool = False,
    rules: Rules | None = None,
) -> Proof:
    """Compare what a subject says, by the source's clock `now`; for what is raised see `prove`.

    Args:
        last: Of a table that is copied whole, its last reading.
        reached: How far the data of a replica reaches; None of another server.
        ceiling: The most rows of the source a second.
        is_kept: Whether rows stay that are gone from the source.
        rules: What shapes the table's rows now, by which another source is refused; None compares any.
    """
    started, named = monotonic(), what.schema.table
    at = now if reached is None else min(now, reached)
    throttle = Throttle(connection, ceiling=ceiling, limits=places.pause_above, warn=places.warn)
    pace = Pace(connection, throttle, f"proof of {named}", ceiling)
    what, compared = _compared(places, pace, what, at, last, rules)
    found = look_again(connection, places, what, compared.candidates, is_kept=is_kept, at=at, rest=pace.rest)
    verdict = Verdict(
        table=named,
        source_rows=compared.source_rows,
        staged_rows=compared.staged_rows,
        kinds=_kinds(compared, found, is_kept),
        columns=_columns(what, found),
        shown=first_of_each(found),
        read_at=at,
        seconds=monotonic() - started,
        statements=pace.statements,
        reading=pace.reading,
        longest=pace.longest,
        examined=pace.rows + sum(one.copies[0] for one in found),
        is_looked_at=compared.is_whole,
    )
    return Proof(verdict, what, compared.candidates, tuple(found), at, reached)


def _compared(
    places: Places, pace: Pace, what: Subject, at: datetime, last: Manifest | None, rules: Rules | None
) -> tuple[Subject, Compared]:
    """Return which rows were compared one by one, and what was found: by buckets first, where the table has such."""
    lake, warehouse, named = places.lake, places.warehouse, what.schema.table
    counted: tuple[int, int] | None = None
    if buckets := buckets_of(pace, what):
        with lake.keys(named, buckets.extract(at, rules)) as keys:
            first = buckets.compare(warehouse, lake, keys)
        if first.differing is not None:
            counted, what = (pace.rows, first.staged_rows), buckets.within(first.differing)
            if not first.differing:
                return what, Compared(*counted, {}, (), is_whole=True)
    with lake.keys(named, Walk(pace, what).extract(at, rules)) as keys:
        compared = compare(warehouse, lake, what, keys, last, counted and counted[1])
    return what, replace(compared, source_rows=counted[0]) if counted else compared


def look_again(
    connection: Connection,
    places: Places,
    what: Subject,
    candidates: Sequence[Candidate],
    *,
    is_kept: bool,
    at: datetime | None = None,
    rest: Callable[[], Iterable[None]] = lambda: (),
) -> list[Found]:
    """Return what rows that differed at first sight are now; those that are equal are nothing.

    Args:
        is_kept: Whether rows stay that are gone from the source.
        at: The moment of the source that it shows at the least; rows that were read later are late. None: all count.
        rest: Gives what to wait for between two statements on the source.
    """
    found = Look(connection, places.warehouse, what, at).found(candidates, rest)
    return [replace(one, kind=GONE) if is_kept and one.kind == EXTRA else one for one in found]


def _kinds(compared: Compared, found: Iterable[Found], is_kept: bool) -> dict[str, int]:
    """Return rows by kind: at the second look, where each was looked at, else at the first."""
    late = compared.kinds.get(LATE, 0)
    if compared.is_whole:
        counts = count(found)
        counts[LATE] += late
        return {kind: rows for kind, rows in counts.items() if rows}
    kinds = dict(compared.kinds)
    if is_kept and EXTRA in kinds:
        kinds[GONE] = kinds.pop(EXTRA)
    return kinds


def _columns(what: Subject, found: Iterable[Found]) -> dict[str, int]:
    """Return in how many stale rows each column differs, in the columns' order."""
    counts = Counter(name for one in found for name, *_ in one.values)
    return {column.name: counts[column.name] for column in what.schema.columns if counts[column.name]}


def _last_reading(lake: Lake, table: Table, what: Subject) -> Manifest | None:
    """Return what a table that is copied whole was loaded from last, None where the lake has it no more."""
    if what.reading is None:
        return None
    try:
        (manifest,) = lake.read(table.name, [what.reading.day])
    except MissingDayError:
        return None
    names = {column.target_name for column in manifest.schema.columns}
    is_it = manifest.attempt == what.reading.attempt and {c.target_name for c in what.schema.columns} <= names
    return manifest if is_it else None
