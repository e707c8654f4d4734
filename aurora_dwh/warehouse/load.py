"""The load: one transaction for a table and a range of days, the same in any order, any number of times.

BEGIN, take the table's turn, stage, COPY by manifest, count, keep the newest, replace, audit, COMMIT. Whatever fails
leaves the table as it was; the audit row is there exactly when the rows are.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from itertools import groupby
from statistics import median
from typing import TypeVar

from aurora_dwh.handoff import Manifest, Strays, utc_now
from aurora_dwh.schema import Column, FileFormat
from aurora_dwh.warehouse import audit, checks, drift
from aurora_dwh.warehouse import statements as sql
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import KEYS, CheckError, PassingError
from aurora_dwh.warehouse.stage import Lake, Stage
from aurora_dwh.warehouse.statements import Target

T = TypeVar("T")

STAGE_BYTES = 256 * 1024**3
"""Bytes of files that one transaction stages; a longer range is loaded in several, each of whole days."""


USUAL_WEEKS = 4
"""How many weeks back a day's rows are compared with those of the same weekday."""

Counts = dict[date, tuple[int, int]]
"""Day -> rows new in the target, rows replaced there."""


@dataclass(frozen=True)
class DayLoad:
    """What a load did for one day.

    Attributes:
        day: The day.
        rows: Rows in its manifest, which are as many as the source gave and COPY loaded.
        inserted: Rows new in the target.
        updated: Rows replaced there.
        usual_rows: What the same weekday had in the weeks before, None where too few are known.
        is_counted: Whether the source itself counted as many rows when they were read.
        strays: Rows of the source that no day's reading saw then.
    """

    day: date
    rows: int
    inserted: int
    updated: int
    usual_rows: float | None = None
    is_counted: bool = False
    strays: Strays = field(default_factory=Strays)


@dataclass(frozen=True)
class Loaded:
    """What a load did.

    Attributes:
        load_id: Its id in the audit table.
        days: Each day's figures.
        statements: What was run between BEGIN and COMMIT.
        changes: What was run before, because the source's columns had changed.
        copy_seconds: How long COPY took.
        write_seconds: How long the rest of the transaction took, up to COMMIT.
    """

    load_id: str
    days: tuple[DayLoad, ...]
    statements: tuple[str, ...]
    changes: tuple[str, ...] = ()
    copy_seconds: float = 0.0
    write_seconds: float = 0.0


@dataclass(frozen=True)
class Prepared:
    """What is known before the transaction: the statements that changed the target's columns, and days' usual rows."""

    changes: tuple[str, ...]
    usual: dict[date, float]


def transactions(manifests: Iterable[Manifest], *, stage_bytes: int = STAGE_BYTES) -> Iterator[list[Manifest]]:
    """Yield the days in order, in groups that one transaction can load.

    A group ends where a column's type or the files' format changes, since one stage has one type for a column, and
    where the stage is full.
    """
    group: list[Manifest] = []
    kinds: dict[str, tuple[str, ...]] = {}
    size = 0
    for manifest in sorted(manifests, key=lambda m: m.day):
        of_day = {column.target_name: _kinds(column) for column in manifest.schema.columns}
        retyped = any(kinds.get(name, kind) != kind for name, kind in of_day.items())
        retyped = retyped or any(m.files != manifest.files for m in group[-1:])
        if group and (retyped or size + manifest.size > stage_bytes):
            yield group
            group, kinds, size = [], {}, 0
        group.append(manifest)
        kinds |= of_day
        size += manifest.size
    if group:
        yield group


def load(
    warehouse: Warehouse, lake: Lake, target: Target, mode: str, manifests: Sequence[Manifest], *, run_id: str | None
) -> Loaded:
    """Load days of one table.

    Args:
        warehouse: Redshift.
        lake: The lake, for a manifest that spans several days.
        target: The staging table.
        mode: `incremental`, `append` or `full`, as in the catalog.
        manifests: The days, one manifest each; at least one, and as `transactions` groups them.
        run_id: The Dagster run, for the audit table.

    Raises:
        DataError: The rows do not fit the target.
        CheckError: What would be in the target is not what the source gave.
        StaleManifestError: A day was extracted again meanwhile; load its new manifest.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    work = Load(warehouse, lake, target, mode, sorted(manifests, key=lambda m: m.day), run_id)
    prepared: list[Prepared] = []
    # On one session: a connection to Redshift takes longer than most statements of a small day.
    done = warehouse.transaction(
        work.run, before=lambda session: prepared.append(work.prepare(session)), landed=work.landed
    )
    days = tuple(replace(day, usual_rows=prepared[-1].usual.get(day.day)) for day in done.days)
    return replace(done, days=days, changes=tuple(change for one in prepared for change in one.changes))


def take_turn(warehouse: Warehouse, session: Session, target: Target) -> None:
    """Make the session's transaction the target's only writer, as its first statement.

    Raises:
        PassingError: Another writer has or had the turn, or there was no row to take it on; try the transaction again.
    """
    if session.execute(audit.take_turn(target.label)).count == 0:
        # Made outside this transaction: two first loads would else each make a row and not meet on it.
        with warehouse.session() as other:
            other.execute(audit.make_turn(target.label))
        raise PassingError(f"{target.label} had no row in {audit.LOCK}; it has one now")


def in_turn(warehouse: Warehouse, session: Session, target: Target, ask: Callable[[Session], T]) -> T:
    """Return what `ask` finds once a COMMIT of the target that is still under way has ended.

    Raises:
        PassingError: There was such a one; ask again.
    """
    session.execute("BEGIN")
    take_turn(warehouse, session, target)
    found = ask(session)
    session.execute("ROLLBACK")
    return found


@dataclass(frozen=True)
class Load:
    """One load's work, which the transaction may call several times, or a plan once."""

    warehouse: Warehouse
    lake: Lake
    target: Target
    mode: str
    manifests: Sequence[Manifest]
    run_id: str | None
    load_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def prepare(self, session: Session) -> Prepared:
        """Bring the target's columns to those of the days, and look up what these usually have.

        Raises:
            DriftError: The target cannot follow them, and rows of these days would come into it.
        """
        manifests = [self._latest] if self.mode == "full" else self.manifests
        changes: list[str] = []
        try:
            for _, days in groupby(manifests, key=lambda m: m.schema.columns):
                changes += drift.adapt(session, self.target, next(days).schema)
        except drift.DriftError:
            if self._newer(session):
                raise
        is_new = any(statement.startswith("CREATE TABLE") for statement in changes)
        return Prepared(() if is_new else tuple(changes), self._usual(session))

    def _usual(self, session: Session) -> dict[date, float]:
        """Return the middle of what the same weekdays of the last weeks had, where at least three of them are known.

        The middle, because one of them may be a table's first day, which holds all history.

        Raises:
            DataError: A day was read later than the last load, and shows the source as it was before that.
        """
        weeks = {m.day: [m.day - timedelta(weeks=week) for week in range(1, USUAL_WEEKS + 1)] for m in self.manifests}
        asked = {day for days in weeks.values() for day in days}
        loads = session.execute(audit.known_loads(self.target.label, asked)).rows
        checks.check_order(self.target, self.manifests, [(at, by) for _, _, at, by, is_there in loads if is_there])
        known = {day: int(rows) for day, rows, *_ in loads}
        known |= {m.day: m.rows for m in self.manifests}
        counts = {day: [known[other] for other in days if other in known] for day, days in weeks.items()}
        return {day: median(rows) for day, rows in counts.items() if len(rows) >= USUAL_WEEKS - 1}

    def landed(self, session: Session) -> bool:
        """Return whether this load was committed, once a COMMIT that is still under way has ended."""
        query = audit.find_load(self.load_id)
        return in_turn(self.warehouse, session, self.target, lambda s: bool(s.execute(query).rows[0][0]))

    def run(self, session: Session) -> Loaded:
        """Run every statement between BEGIN and COMMIT."""
        checks.check_source_rows(self.target, self.manifests)
        take_turn(self.warehouse, session, self.target)
        write = {"incremental": self._upsert, "append": self._replace_days, "full": self._replace_all}[self.mode]
        counts = write(session)
        days = tuple(
            DayLoad(m.day, m.rows, *counts.get(m.day, (0, 0)), is_counted=m.counted_rows is not None, strays=m.strays)
            for m in self.manifests
        )
        session.execute(audit.insert_history(self._history(days)))
        took = list(zip(session.statements, session.seconds, strict=True))
        return Loaded(
            self.load_id,
            days,
            (*session.statements, "COMMIT"),
            copy_seconds=sum(seconds for statement, seconds in took if statement.startswith("COPY")),
            write_seconds=sum(seconds for statement, seconds in took if not statement.startswith("COPY")),
        )

    @property
    def _stage(self) -> Stage:
        return Stage(self.warehouse, self.lake, self.target.label)

    @property
    def _latest(self) -> Manifest:
        return max(self.manifests, key=lambda m: (m.snapshot_at, m.day))

    @property
    def _files(self) -> FileFormat:
        return self.manifests[0].files

    def _upsert(self, session: Session) -> Counts:
        filled = [m for m in self.manifests if m.rows]
        if not filled:
            return {}
        schema = self._stage.fill(session, filled)
        session.execute(
            sql.pick_newest(self.target, sql.texts_of(self.target, schema), sql.staged(schema, self._files))
        )
        counts = {}
        for day, new, old, alike in session.execute(sql.count_fresh()).rows:
            if alike:
                raise self._alike_keys(session)
            counts[day] = int(new), int(old)
        session.execute(sql.delete_replaced(self.target))
        session.execute(sql.insert(self.target, schema, sql.FRESH))
        checks.check_keys(session, self.target, sql.staged(schema, self._files))
        return counts

    def _replace_days(self, session: Session) -> Counts:
        newer = self._newer(session)
        if not newer:
            return {}
        filled = [m for m in newer if m.rows]
        schema = self._stage.fill(session, filled) if filled else None
        session.execute(sql.delete_days(self.target, [m.day.isoformat() for m in newer]))
        if schema:
            session.execute(sql.insert(self.target, schema, sql.STAGE, self._files))
            texts = sql.texts_of(self.target, schema)
            checks.check_rows(session, self.target, texts, newer)
            if self.target.key:
                checks.check_days_apart(session, self.target, texts, filled)
        return {m.day: (m.rows, 0) for m in newer}

    def _replace_all(self, session: Session) -> Counts:
        if not self._newer(session):
            return {}
        last = self._latest
        schema = self._stage.fill(session, [last]) if last.rows else None
        session.execute(sql.delete_all(self.target))
        if schema:
            session.execute(sql.insert(self.target, schema, sql.STAGE, self._files))
            checks.check_rows(session, self.target, sql.texts_of(self.target, schema), [last])
        return {last.day: (last.rows, 0)}

    def _newer(self, session: Session) -> Sequence[Manifest]:
        """Return the days whose rows belong into the target: those that no later reading of the source overtook.

        A key decides row by row. Without one, what was loaded says it: of the same day, and in mode full of any day.
        """
        if self.mode == "incremental":
            return self.manifests
        loaded = {day: _utc(at) for day, at in session.execute(audit.last_snapshots(self.target.label)).rows}
        if self.mode == "full":
            return [self._latest] if all(at <= self._latest.snapshot_at for at in loaded.values()) else []
        return [m for m in self.manifests if m.day not in loaded or loaded[m.day] <= m.snapshot_at]

    def _alike_keys(self, session: Session) -> CheckError:
        rows = session.execute(sql.alike_keys(self.target)).rows
        keys = ", ".join(repr(row[0] if len(row) == 1 else row) for row in rows)
        return CheckError(
            KEYS,
            f"{self._stage.named(self.manifests)}: rows differ only in blanks at the end of their key, such as {keys}, "
            f"and Redshift takes such keys for one; nothing was changed. Leave one of the rows out with `filter`, or "
            f"mask the key column with sha256; if the source's row was renamed, run `aurora-dwh rebuild` for the table",
        )

    def _history(self, days: Iterable[DayLoad]) -> list[audit.HistoryRow]:
        return [
            audit.HistoryRow(
                load_id=self.load_id,
                run_id=self.run_id,
                table_name=self.target.label,
                day=manifest.day,
                mode=self.mode,
                manifest_url=manifest.url,
                attempt=manifest.attempt,
                snapshot_at=manifest.snapshot_at.astimezone(timezone.utc),
                rows_in_manifest=manifest.rows,
                rows_inserted=done.inserted,
                rows_updated=done.updated,
                converted=json.dumps(manifest.converted),
                loaded_at=utc_now(),
            )
            for manifest, done in zip(self.manifests, days, strict=True)
        ]


def _kinds(column: Column) -> tuple[str, ...]:
    """Return a column's types on the stage and in the target, a VARCHAR's without its size, which can be the widest."""
    return tuple(re.sub(r"^VARCHAR\(\d+\)$", "VARCHAR", t) for t in (column.stage_type, column.redshift_type))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=timezone.utc)
