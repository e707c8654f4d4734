"""The state machine: whatever may befall a table and its copy, in any order, and what must hold after each step.

After each step that touches the warehouse, the staging table is compared, row by row and with the product's own
columns, with what it must hold: so a day is never half there, no key is there twice, and no row is replaced by an older
one. At the end the days that lack something are read, what was read is loaded, and the copy must equal the original.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import DataError, Extract, StaleManifestError
from aurora_dwh.core.rules import Rules
from aurora_dwh.lake.store import OlderReadingError
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.proof.engine import Places
from aurora_dwh.proof.nightly import Outcome, prove_and_repair
from aurora_dwh.source.connection import Connection, SourceError, connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh.warehouse import rebuild as warehouse_rebuild
from aurora_dwh.warehouse.errors import CheckError, PassingError
from aurora_dwh.warehouse.load.batches import transactions
from aurora_dwh.warehouse.load.schema_drift import DriftError
from aurora_dwh.warehouse.load.standing import RecordError
from aurora_dwh.warehouse.load.statements import staging_target
from aurora_dwh.warehouse.load.transaction import load
from aurora_dwh_tests.integration.over_time.behind import stop
from aurora_dwh_tests.integration.over_time.clock import CALENDARS, Calendar, Clock
from aurora_dwh_tests.integration.over_time.copy import Copy, Reading
from aurora_dwh_tests.integration.over_time.original import CHANGES, COLUMNS, Original
from aurora_dwh_tests.integration.over_time.parts import CrashError, Parts

LOOKBACK = timedelta(hours=1)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Kind:
    """What a table is.

    Attributes:
        mode: The table's mode.
        deletes: What becomes of deleted rows.
        cursor: The cursor's type.
        indexed: Whether an index serves the cursor.
        altered: Whether the columns change; where they do, so many days are read again that little else is seen.
        connections: How many read most of the table at once; a whole table has one.
    """

    mode: str = "incremental"
    deletes: str = "remove"
    cursor: str = "DATETIME(6)"
    indexed: bool = True
    altered: bool = False
    connections: int = 1


@dataclass(frozen=True)
class Trouble:
    """What goes wrong during a step: a process or a connection ends, or the warehouse refuses a statement.

    Attributes:
        what: `crash` at a call of S3, `cut` of the source's connection, or a fault of the warehouse.
        when: Before or after that call or statement.
        number: Which call of S3, day of a range, or statement it is.
        passes: Whether the fault is met once; else each attempt meets it.
    """

    what: str
    when: str = "before"
    number: int = 0
    passes: bool = True

    @property
    def fault(self) -> Fault | None:
        """The fault of the warehouse, None where it is none."""
        if self.what not in ("1023", "57014", "drop"):
            return None
        match = STATEMENTS[self.number % len(STATEMENTS)]
        return Fault(match, self.what, when=self.when, times=1 if self.passes else 100)  # type: ignore[arg-type]


STATEMENTS = (
    "^BEGIN",
    '^UPDATE "dwh"',
    '^CREATE TEMP TABLE "dwh_stage"',
    "^COPY",
    "pg_last_copy_count",
    '^CREATE TEMP TABLE "dwh_(fresh|differing)"',
    "^DELETE FROM",
    '^(INSERT INTO|UPDATE) "staging"',
    '^INSERT INTO "dwh"',
    "^COMMIT",
    "svv_all_columns",
    "^CREATE TABLE",
    "^ALTER TABLE",
    "^DROP TABLE",
)
"""The statements of loads, proofs and rebuilds."""

KINDS = st.builds(
    Kind,
    mode=st.sampled_from(("incremental", "incremental", "incremental", "append", "full")),
    deletes=st.sampled_from(("remove", "flag")),
    cursor=st.sampled_from(("DATETIME(6)", "TIMESTAMP(6)", "DATETIME", "DATE")),
    indexed=st.booleans(),
    altered=st.booleans(),
    connections=st.sampled_from((1, 1, 2, 3)),
)
KEYS = st.integers(1, 4)
LATE_KEYS = st.integers(4, 7)
"""Keys of rows that are written late: most of them are left alone afterwards, so that a loss is seen at the end."""

NUMBERS = st.integers(0, 30)
WHEN = st.sampled_from(("before", "after"))
CRASHES = st.builds(Trouble, what=st.just("crash"), when=WHEN, number=st.integers(0, 11))
CUTS = st.builds(Trouble, what=st.just("cut"), number=st.integers(0, 3))
FAULTS = st.builds(
    Trouble,
    what=st.sampled_from(("1023", "57014", "drop")),
    when=WHEN,
    number=st.integers(0, len(STATEMENTS) - 1),
    passes=st.booleans(),
)
NOTHING: st.SearchStrategy[Trouble | None] = st.none()


class TableLife(RuleBasedStateMachine):
    """One table, from its making to the proof that its copy is right."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.parts = parts

    @initialize(kind=KINDS, calendar=st.sampled_from(CALENDARS))
    def begin(self, kind: Kind, calendar: Calendar) -> None:
        self.kind, self.clock = kind, Clock(calendar)
        name = f"t{next(_numbers)}"
        is_incremental = kind.mode == "incremental"
        lookback = LOOKBACK if is_incremental else timedelta(0)
        self.table = Table(
            name=name,
            mode=kind.mode,
            key="id" if is_incremental else (),
            cursor=None if kind.mode == "full" else "touched",
            cursor_timezone=None if kind.mode == "full" else calendar.cursor_zone,
            lookback=lookback,
            deletes=kind.deletes if is_incremental else "keep",
            chunk_rows=2 if kind.connections == 1 else 1,  # of more than two pieces several connections read
            connections=1 if kind.mode == "full" else kind.connections,
        )
        self.original = Original(
            self.parts.server,
            self.parts.database,
            name,
            self.clock,
            mode=kind.mode,
            cursor=kind.cursor,
            lookback=lookback,
        )
        self.original.create(indexed=kind.indexed)
        self.target = staging_target(self.table, "staging")
        self.catalog = Catalog(timezone=calendar.zone, start_date=calendar.first, tables={name: self.table})
        self.rules = Rules.of(self.table, self.catalog, source="the original")
        self.lake = self.parts.lake(name)
        self.connections: list[Connection] = []
        self.beside: Callable[[], None] = lambda: None
        self.behind: Connection | None = None
        self.columns_behind: set[str] = set()
        self.parts.now = lambda: self.clock.now
        self.source = Source(self._connect, database=self.parts.database, zone=ZoneInfo(calendar.zone), warn=_ignore)
        self.readings: list[Reading] = []
        self.standing: dict[date, Reading] = {}
        self.unloaded: set[date] = set()
        self.copy = Copy(kind.mode, flags=self.target.flags_deletes)
        self.is_lost = False
        self.late: set[str] = set()

    def teardown(self) -> None:
        if not hasattr(self, "copy"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            self._leave_behind()
            self.original.drop()
            for name in (self.table.target, f"{self.table.target}__rebuild"):
                self.parts.ask(f"DROP TABLE IF EXISTS staging.{name}")

    # The application

    @rule(key=KEYS, number=NUMBERS)
    def write(self, key: int, number: int) -> None:
        self.original.write(key, number)

    @rule(key=KEYS, number=NUMBERS, zero=st.booleans())
    def write_without_cursor(self, key: int, number: int, zero: bool = False) -> None:
        self.original.write_without_cursor(key, number, zero=zero)

    @rule(key=KEYS, number=NUMBERS, hours=st.sampled_from((15, 30, 60, 20_000)))
    @precondition(lambda self: self.kind.mode == "incremental")
    def write_ahead(self, key: int, number: int, hours: int) -> None:
        """Write a row of the future, which comes with each newest day and is in no other."""
        self.original.write_ahead(key, number, hours)

    @rule(key=KEYS, number=NUMBERS)
    def write_silently(self, key: int, number: int) -> None:
        self.original.write_silently(key, number)

    @rule(key=KEYS, number=NUMBERS, hours=st.sampled_from((1, 12, 30, 60)))
    def write_back(self, key: int, number: int, hours: int) -> None:
        self.original.write_back(key, number, timedelta(hours=hours))

    @rule(key=KEYS)
    def soft_delete(self, key: int) -> None:
        self.original.soft_delete(key)

    @rule(key=KEYS)
    def delete(self, key: int) -> None:
        self.original.delete(key)

    @rule(key=LATE_KEYS, number=NUMBERS, how=st.sampled_from(("an instant", "to the day's last instant")))
    def begin_late(self, key: int, number: int, how: str) -> None:
        """Open a transaction, often so late in the day that the day is read before it is committed."""
        self.clock.move(how)
        self.original.begin_late(key, number)

    @rule(commit=st.sampled_from((True, True, False)))
    @precondition(lambda self: self.original.is_late)
    def end_late(self, commit: bool) -> None:
        self.original.end_late(commit=commit)

    @rule(change=st.sampled_from(CHANGES), column=st.sampled_from(COLUMNS), number=NUMBERS)
    @precondition(lambda self: self.kind.altered)
    def alter(self, change: str, column: str, number: int) -> None:
        self.original.alter(change, column, number)

    @rule(how=st.sampled_from(Clock.MOVES))
    def pass_time(self, how: str) -> None:
        self.clock.move(how)

    # The product

    @rule(
        first=st.integers(0, 5),
        count=st.sampled_from((1, 1, 1, 2, 4)),
        trouble=NOTHING | NOTHING | CRASHES | CUTS,
        meanwhile=KEYS,
    )
    def extract(self, first: int, count: int, trouble: Trouble | None = None, meanwhile: int = 1) -> None:
        """Read days, while a row is written between the first of them and the next."""
        days = self.clock.calendar.days[first : first + count]
        with self.original.being_read(set(days)) as done:
            try:
                with self._crashing(trouble):
                    self._extract(days, trouble, meanwhile)
            except (CrashError, SourceError):
                if trouble is None:
                    raise
            done |= {day for day in days if self._look(day)}

    @rule(back=st.lists(st.integers(0, 7), min_size=1, max_size=4), trouble=NOTHING | NOTHING | FAULTS | CRASHES)
    @precondition(lambda self: self.readings)
    def load(self, back: Sequence[int], trouble: Trouble | None = None) -> None:
        """Load days, each as it was once read: most often as it stands in the lake."""
        readings = {}
        for number in back:
            reading = self.readings[-1 - number % len(self.readings)]
            readings[reading.manifest.day] = reading
        self._load(list(readings.values()), trouble)

    @rule(key=st.sampled_from((0, 0, 1, 2, 3, 4)), number=NUMBERS)
    def nightly(self, key: int = 0, number: int = 0) -> None:
        """Load yesterday at one o'clock, as the schedule does; its rows are then there, and those that came late.

        So are those that moved on since midnight, as one may do each night: they are in no day that was read before.
        Unless more was written to the day since it was read: a rebuild may read the source after that.
        """
        yesterday = self.clock.today
        if key:
            self.clock.move("to midnight")
            self.clock.move("20 minutes")
            self.original.write(key, number)
            self.clock.move("20 minutes")
            self.clock.move("20 minutes")
        else:
            self.clock.move("to 01:00")
        self.extract(self.clock.calendar.days.index(yesterday), 1, meanwhile=0)
        self._load([self.standing[yesterday]])
        if self.kind.mode == "incremental" and yesterday not in self.unloaded | self.original.due:
            keys = self.original.keys_since(yesterday)
            there, here = self._sides()
            lost = Counter({row: n for row, n in there.items() if dict(row)["id"] in keys}) - here
            assert not lost, _difference(here, there)

    @rule()
    @precondition(lambda self: self.behind is None)
    def fall_behind(self) -> None:
        """Let a reader stop: it has what there is now, whatever is written from here on."""
        self.behind, self.columns_behind = self._connect(), set(self.original.columns())
        stop(self.behind)

    @rule(first=st.integers(0, 5), count=st.sampled_from((1, 2, 4)))
    @precondition(lambda self: self.behind is not None)
    def read_behind(self, first: int, count: int) -> None:
        """Read days from the reader that is behind, which does none of what is to be done.

        A true one knows of no change of its table either. This one is a snapshot, in which MySQL refuses a table that
        was built anew, and lists a column that was dropped instantly without finding it.
        https://dev.mysql.com/doc/refman/8.4/en/innodb-consistent-read.html
        """
        days, connections = self.clock.calendar.days[first : first + count], [self.behind]
        source = Source(lambda: connections.pop(), database=self.parts.database, zone=self.source._zone, warn=_ignore)
        alone = self.table.model_copy(update={"connections": 1})  # others would not be of the reader that is behind
        try:
            self._write(source.extract(alone, self._windows(days)))
        except OlderReadingError:
            assert any(day in self.standing for day in days)
        except SourceError as error:
            if "Table definition has changed" not in str(error):
                raise
        except DataError as error:
            gone = self.columns_behind.difference(self.original.columns())
            if not any(f"Unknown column '{name}'" in str(error) for name in gone):
                raise
        self._leave_behind()
        for day in days:
            if self._look(day):
                self.late.add(self.standing[day].manifest.attempt)

    @rule(column=st.sampled_from(COLUMNS), first=st.integers(0, 5))
    @precondition(lambda self: self.readings)
    def read_without_right(self, column: str, first: int) -> None:
        """Read a day as a user who may not read a column any more: the day stands as it was read before."""
        had, there = self.lake.columns(self.table.name, self.rules), self.original.columns()
        if column not in had or column not in there:
            return
        day, connections = self.clock.calendar.days[first], []
        with self.parts.narrow(self.table.name, [name for name in there if name != column]) as login:
            connections.append(connect(**login))
            source = Source(connections.pop, database=self.parts.database, zone=self.source._zone, warn=_ignore)
            with pytest.raises(DataError, match=f"'{column}'.* was read before, and the user may not read it"):
                self._write(source.extract(self.table, self._windows([day]), had=had))
        assert not self._look(day)

    @rule(key=KEYS)
    @precondition(lambda self: self.kind == replace(self.kind, mode="incremental", altered=False) and not self.is_lost)
    def double(self, key: int) -> None:
        """Have a key in two rows: they are not loaded, whichever of them is the right one."""
        day = self.clock.today
        with self.original.doubled(key) as is_so:
            if is_so:
                self.extract(self.clock.calendar.days.index(day), 1, meanwhile=0)
                with pytest.raises(CheckError, match="in common"):
                    load(
                        *(self.parts.warehouse, self.lake, self.target, self.table.mode),
                        [self.standing[day].manifest],
                        run_id=None,
                    )
                self._check()
        if is_so:
            self.extract(self.clock.calendar.days.index(day), 1, meanwhile=0)

    @rule(trouble=NOTHING | NOTHING | FAULTS | CRASHES)
    @precondition(lambda self: self.kind.mode == "incremental" and self.readings)
    def prove(self, trouble: Trouble | None = None) -> None:
        """Prove the table, which mends what differs; a proof after that finds nothing but what is late."""
        try:
            with self.parts.failing(trouble and trouble.fault), self._crashing(trouble):
                self._prove()
        except (PassingError, CrashError):
            if trouble is None:
                raise
        except DataError:
            assert self.is_lost or self.kind.altered or not self.copy.rows(), "a whole table cannot be proven"
        else:
            self.is_lost = False
            assert self._prove().found.equal
        self.copy.become(self.parts.staged(self.table.target))

    @rule(trouble=NOTHING | FAULTS)
    @precondition(lambda self: self.original.retyped and self.copy.rows())
    def rebuild(self, trouble: Trouble | None = None) -> None:
        """Make the staging table anew from the lake, or from the source where the lake's types do not go together."""
        try:
            self._rebuild(trouble)
        except DataError as error:
            if not (self.original.retyped and "--from source" in str(error)):
                raise
            last = 1 + self.clock.calendar.days.index(max(self.standing))
            self.extract(0, last)
            self._rebuild(None)

    @rule(how=st.sampled_from(("DROP TABLE", "TRUNCATE TABLE")))
    @precondition(lambda self: self.copy.rows())
    def lose(self, how: str) -> None:
        """Drop or empty the staging table, as a person may do in Redshift: what is loaded next must make it whole."""
        self.parts.ask(f"{how} staging.{self.table.target}")
        self.copy = Copy(self.kind.mode, flags=self.target.flags_deletes)
        self.is_lost = True

    # The end

    def settle(self) -> None:
        """Read what is due, load what was read, prove it, and compare both sides.

        The proof finds nothing but rows that were deleted: all others are as they must be without it.
        """
        self.original.end_late(commit=True)
        if self.is_lost:
            self.rebuild()
        while self.original.days_due() or self.unloaded:
            while due := sorted(self.original.days_due()):
                first = self.clock.calendar.days.index(due[0])
                length = next(n for n in itertools.count(1) if due[0] + timedelta(days=n) not in due)
                self.extract(first, length, meanwhile=0)
            if self.unloaded:
                self._load([self.standing[day] for day in self.unloaded])
        if self.readings:
            found = self._prove().found.kinds
            assert found.keys() <= ({"extra"} if self.kind.mode == "incremental" else set()), found
            assert not found or not self._prove().found.kinds
        there, here = self._sides()
        assert here == there, _difference(here, there)

    # How it is done

    def _sides(self) -> tuple[Counter[frozenset[Any]], Counter[frozenset[Any]]]:
        """Return the rows of both sides in the source's columns."""
        columns = [name.lower() for name in self.original.columns()]
        there = Counter(
            frozenset((name, value) for name, value in zip(columns, row, strict=True) if value is not None)
            for row in self.original.rows().elements()
        )
        here = Counter(
            frozenset((name, value) for name, value in row if name in columns)
            for row in self.parts.staged(self.table.target).elements()
            if ("_dwh_deleted", True) not in row
        )
        return there, here

    def _connect(self) -> Connection:
        if threading.current_thread().name != "giving-way":
            self.beside()
        self.connections.append(connect(**self.parts.server.arguments(self.parts.database)))
        return self.connections[-1]

    def _crashing(self, trouble: Trouble | None) -> Any:
        is_crash = trouble is not None and trouble.what == "crash"
        return self.parts.crashing(trouble.number if is_crash else None, when=trouble.when if is_crash else "")

    def _windows(self, days: Sequence[date]) -> list[Any]:
        calendar = self.clock.calendar
        zone = ZoneInfo(calendar.zone)
        return [window(day, zone=zone, start_date=calendar.first, lookback=self.table.lookback) for day in days]

    def _extract(self, days: Sequence[date], trouble: Trouble | None, meanwhile: int) -> None:
        steps = itertools.count(1)

        def goes_on() -> None:
            """Let the application take one of its steps, another one each time."""
            number = next(steps) if meanwhile else 0
            key = 1 + (meanwhile + number) % 4
            if number % 4 == 1:
                self.original.write(key, number)
            elif number % 4 == 2:
                self.original.end_late(commit=True)
            elif number % 4 == 3:
                self.original.write_back(key, number, timedelta(hours=1))
            elif number:
                self.original.delete(key)

        def happens(number: int) -> None:
            if number == 0 and meanwhile:
                self.original.write(meanwhile, 30)
            if trouble and trouble.what == "cut" and trouble.number == number:
                self.connections[-1]._force_close()

        self.beside = goes_on if self.table.connections > 1 else lambda: None
        try:
            self._write(self.source.extract(self.table, self._windows(days)), happens)
        finally:
            self.beside = lambda: None

    def _write(self, extracts: Iterator[Extract], before: Callable[[int], None] = lambda _: None) -> None:
        """Write readings into the lake; let something happen before each, before each session and with each batch."""
        for number, extract in enumerate(extracts):
            before(number)
            extract.batches = self._with_steps(extract.batches)
            manifest = self.lake.write(self.table.name, extract)
            for also in extract.also:
                self.lake.share(manifest, also)

    def _with_steps(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.beside()
            yield batch

    def _leave_behind(self) -> None:
        if self.behind is not None and self.behind.open:
            self.behind.close()
        self.behind = None

    def _look(self, day: date) -> bool:
        """Take note of a day as it stands in the lake; return whether it is new there."""
        reading = self.parts.reading(self.lake, self.table.name, day)
        before = self.standing.get(day)
        if reading is None or (before and before.manifest.attempt == reading.manifest.attempt):
            assert (reading is None) == (before is None), f"{day} is gone from the lake"
            return False
        self.readings.append(reading)
        self.standing[day] = reading
        self.unloaded.add(day)
        return True

    def _load(self, readings: Sequence[Reading], trouble: Trouble | None = None) -> None:
        of_day = {reading.manifest.day: reading for reading in readings}
        for manifests in transactions(reading.manifest for reading in readings):
            group = [of_day[manifest.day] for manifest in manifests]
            is_loaded = self._change(
                lambda manifests=manifests: load(
                    self.parts.warehouse, self.lake, self.target, self.table.mode, manifests, run_id=None
                ),
                lambda copy, group=group: copy.load(group),
                trouble,
                stale=any(self.standing[r.manifest.day] is not r for r in group),
            )
            if is_loaded:
                self.is_lost = False
                self.unloaded -= {day for day in of_day if self.standing[day] in group}

    def _rebuild(self, trouble: Trouble | None) -> None:
        def effect(copy: Copy) -> None:
            copy.__init__(self.kind.mode, flags=self.target.flags_deletes)  # type: ignore[misc]
            copy.load([self.standing[day] for day in sorted(self.standing)])
            if self.kind.mode == "incremental":
                copy.load(self.parts.repairs(self.lake, self.table.name))

        is_done = self._change(
            lambda: warehouse_rebuild.rebuild(
                self.parts.warehouse,
                self.lake,
                self.target,
                self.table.mode,
                lambda: self.lake.loadable(self.table.name, self.table.mode),
                table=self.table.name,
            ),
            effect,
            trouble,
        )
        if is_done:
            self.is_lost = False
            self.unloaded.clear()

    def _prove(self) -> Outcome:
        connection = self._connect()
        try:
            outcome = prove_and_repair(
                connection,
                self.parts.database,
                Places(self.lake, self.parts.warehouse),
                self.catalog,
                self.table,
                self.rules,
                max_share=1,
            )
            if outcome.repaired.refused:
                raise outcome.repaired.refused
            return outcome
        finally:
            connection.close()

    def _change(
        self,
        work: Callable[[], object],
        effect: Callable[[Copy], None],
        trouble: Trouble | None,
        *,
        stale: bool = False,
    ) -> bool:
        """Do a step in the warehouse, which must then hold either what it held or all of the step's effect."""
        after = self.copy.duplicate()
        effect(after)
        mend: Callable[[], None] = lambda: None  # noqa: E731
        try:
            with self.parts.failing(trouble and trouble.fault), self._crashing(trouble):
                work()
        except DataError as error:
            mend = self._remedy(error)
        except (PassingError, CrashError):
            if trouble is None:
                raise
        except StaleManifestError:
            assert stale
        else:
            self.copy = after
        self._check()
        mend()
        return self.copy is after

    def _remedy(self, error: DataError) -> Callable[[], None]:
        """Return what helps where a load is refused, and see that it is refused for a reason."""
        if isinstance(error, DriftError):
            assert self.original.retyped
            return self.rebuild
        if isinstance(error, RecordError):
            assert self.is_lost, "a table that has its rows is said to have lost them"
            return self.rebuild
        if not self.late or "before it began the table was loaded with a reading of" not in str(error):
            raise error
        return self._read_again

    def _read_again(self) -> None:
        """Have the days read again which a reader gave that was behind."""
        self.original.due |= {day for day in self.unloaded if self.standing[day].manifest.attempt in self.late}

    def _check(self) -> None:
        here, there = self.parts.staged(self.table.target), self.copy.rows()
        assert here == there, _difference(here, there)


def _difference(here: Counter[Any], there: Counter[Any]) -> str:
    return f"only in Redshift: {[dict(row) for row in here - there]}; not there: {[dict(row) for row in there - here]}"


def _ignore(_: str) -> None:
    """Take a warning that is expected: some cursors have no index."""
