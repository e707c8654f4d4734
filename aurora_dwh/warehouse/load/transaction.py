"""The load: one transaction for a table and a range of days, the same in any order, any number of times.

BEGIN, lock the table, see what stands, bring its columns to those of the days, stage, COPY by manifest, count,
keep the newest, replace, audit, COMMIT. Whatever fails leaves the table as it was, also the one that it was to make;
the audit row is there exactly when the rows are. The one thing that must be done before BEGIN is to widen a VARCHAR.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import partial
from itertools import groupby
from statistics import median

from aurora_dwh.core.models import Manifest, Strays, utc_now
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import FileFormat, TableSchema, fold
from aurora_dwh.warehouse import load_history, locks
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.load import checks, schema_drift, standing
from aurora_dwh.warehouse.load import statements as sql
from aurora_dwh.warehouse.load.schema_drift import Preparation
from aurora_dwh.warehouse.load.stage import Lake, Stage, union
from aurora_dwh.warehouse.load.standing import Standing
from aurora_dwh.warehouse.load.statements import Target

USUAL_WEEKS = 4
"""How many weeks back a day's rows are compared with those of the same weekday."""

Counts = dict[date, tuple[int, int]]
"""Day -> rows new in the target, rows replaced there."""

Written = tuple[Counts, int | None]
"""What a load wrote, and how many rows the target has then; None where nobody counted them."""


@dataclass(frozen=True)
class DayLoad:
    """What a load did for one day."""

    day: date
    rows: int  # rows in its manifest, which are as many as the source gave and, where they were copied, COPY loaded
    inserted: int  # rows new in the target
    updated: int  # rows replaced there
    rows_behind: int = 0  # how many of the rows are of later days, as the newest day brings them
    usual_rows: float | None = None  # what the same weekday had in the weeks before, None where too few are known
    is_copied: bool = True  # whether they were copied; those of a day are not that a later reading overtook
    is_counted: bool = False  # whether the source itself counted as many rows when they were read
    strays: Strays = field(default_factory=Strays)  # rows of the source that no day's reading saw then

    @property
    def rows_in_day(self) -> int:
        """Rows of the day itself."""
        return self.rows - self.rows_behind


@dataclass(frozen=True)
class Loaded:
    """What a load did."""

    load_id: str  # its id in the audit table
    days: tuple[DayLoad, ...]  # each day's figures
    statements: tuple[str, ...]  # what was run between BEGIN and COMMIT
    # those of them, and of what was run before, that followed a change of the source's columns
    changes: tuple[str, ...] = ()
    # other days in the table, with the rules that they were read by, where those are known
    others: Mapping[date, Rules] = field(default_factory=dict)
    # columns of the table that the days do not have -> how many values went with the rows that were replaced
    lost: Mapping[str, int] = field(default_factory=dict)
    unrecorded: Sequence[date] = ()  # days of rows that the table had and of which `dwh.load_history` knew no load
    # how many rows the table has now, those flagged as deleted among them; None where none were written
    total: int | None = None
    copy_seconds: float = 0.0  # how long COPY took
    write_seconds: float = 0.0  # how long the rest of the transaction took, up to COMMIT


def load(
    warehouse: Warehouse,
    lake: Lake,
    target: Target,
    mode: str,
    manifests: Sequence[Manifest],
    *,
    run_id: str | None,
    is_anew: bool = False,
) -> Loaded:
    """Load days of one table.

    Args:
        manifests: The days, one manifest each; at least one, and as `batches.transactions` groups them.
        is_anew: Whether the table is being made anew, so that the days go with whatever stands.

    Raises:
        DataError: The rows do not fit the target, or contradict what it was loaded with.
        CheckError: What would be in the target is not what the source gave.
        StaleManifestError: A day was extracted again meanwhile; load its new manifest.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    work = Load(warehouse, lake, target, mode, sorted(manifests, key=lambda m: m.day), run_id, is_anew)
    prepared: list[Preparation] = []
    # On one session: a connection to Redshift takes longer than most statements of a small day.
    return warehouse.transaction(
        lambda session: work.run(session, prepared[-1]),
        before=lambda session: prepared.append(work.prepare(session)),
        landed=lambda session: work.landed(session, prepared[-1]),
    )


@dataclass(frozen=True)
class Load:
    """One load's work, which the transaction may call several times, or a plan once."""

    warehouse: Warehouse
    lake: Lake
    target: Target
    mode: str
    manifests: Sequence[Manifest]
    run_id: str | None
    is_anew: bool = False
    load_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def prepare(self, session: Session) -> Preparation:
        """See what must become of the target's columns, and do that of it which a transaction cannot.

        Raises:
            DataError: The days contradict what the target was loaded with, or lack its key or cursor.
        """
        for manifest in self.manifests:
            if manifest.rows:
                schema_drift.require_columns(self.target, manifest.schema)
        schemas = [self._latest.schema] if self.mode == "full" else [m.schema for m in self.manifests]
        schemas = [next(alike) for _, alike in groupby(schemas, key=lambda schema: schema.columns)]
        found = schema_drift.prepare(session, self.target, union(schemas), schemas)
        if found.widening:
            self._find(session)
            schema_drift.widen(session, self.target, self._latest.table, found.widening)
        return found

    def _find(self, session: Session, *, is_new: bool = False) -> tuple[Standing, bool]:
        """Return what stands of the table, and whether it is to be taken for a new one; raises DataError."""
        found = standing.find(session, self.target, self._latest, is_new=is_new)
        return found, not self.is_anew and found.check(self.mode, self.manifests)

    def _usual(self, known: Mapping[date, int]) -> dict[date, float]:
        """Return the middle of what the same weekdays of the last weeks had, where at least three of them are known.

        The middle, because one of them may be a table's first day, which holds all history. A day that had not ended
        when it was read is neither compared nor compared with.
        """
        ended = [m for m in self.manifests if m.is_finished]
        known = {**known, **{m.day: m.rows - m.rows_behind for m in ended}}
        weeks = {m.day: [m.day - timedelta(weeks=week) for week in range(1, USUAL_WEEKS + 1)] for m in ended}
        counts = {day: [known[other] for other in days if other in known] for day, days in weeks.items()}
        return {day: median(rows) for day, rows in counts.items() if len(rows) >= USUAL_WEEKS - 1}

    def begin(self, session: Session, prepared: Preparation) -> None:
        """Make the session's transaction the target's only writer, as its first statement: make the target or lock it.

        Raises:
            PassingError: The target was made or removed since it was looked at; look again.
        """
        if prepared.making:
            self._change(session, prepared.making)
        else:
            locks.lock(session, self.target.sql)

    def landed(self, session: Session, prepared: Preparation) -> bool:
        """Return whether this load was committed, once a COMMIT that is still under way has ended."""
        locks.await_writer(session, lambda: self.begin(session, prepared), locks.GONE, *schema_drift.DONE_BY_ANOTHER)
        return bool(session.execute(load_history.find_load(self.load_id)).rows[0][0])

    def run(self, session: Session, prepared: Preparation) -> Loaded:
        """Run every statement between BEGIN and COMMIT."""
        checks.check_source_rows(self.target, self.manifests)
        self.begin(session, prepared)
        stands, is_forgotten = self._find(session, is_new=bool(prepared.making))
        fresh = self._newer({} if is_forgotten else stands.snapshots)
        if not is_forgotten:
            there = [(load.snapshot_at, load.loaded_at) for load in stands.days.values() if load.in_target]
            checks.check_order(self.target, self.manifests, there)
        if fresh and prepared.misfit:
            raise prepared.misfit
        is_record_lost = self.mode != "full" and not (prepared.making or stands.days)
        unrecorded = sorted(standing.unrecorded(session, self.target)) if is_record_lost else []
        self._change(session, prepared.adding)
        write = {"incremental": self._upsert, "append": self._replace_days, "full": self._replace_all}[self.mode]
        lost: dict[str, int] = {}
        lose = partial(self._lose, session, prepared.absent, lost)
        counts, total = write(session, fresh, lose) if fresh else ({}, None)
        usual = self._usual({day: of.rows - of.rows_behind for day, of in stands.days.items() if of.is_finished})
        days = tuple(
            DayLoad(
                m.day,
                m.rows,
                *counts.get(m.day, (0, 0)),
                rows_behind=m.rows_behind,
                usual_rows=usual.get(m.day),
                is_copied=m in fresh,
                is_counted=m.counted_rows is not None,
                strays=m.strays,
            )
            for m in self.manifests
        )
        if is_forgotten:
            session.execute(load_history.forget(self.target.label))
        session.execute(load_history.insert_history(self._history(days)))
        took = list(zip(session.statements, session.seconds, strict=True))
        return Loaded(
            self.load_id,
            days,
            (*session.statements, "COMMIT"),
            changes=(*prepared.widening, *prepared.adding),
            others={} if is_forgotten or (self.mode == "full" and fresh) else stands.rules([m.day for m in fresh]),
            lost=lost,
            unrecorded=unrecorded,
            total=total,
            copy_seconds=sum(seconds for statement, seconds in took if statement.startswith("COPY")),
            write_seconds=sum(seconds for statement, seconds in took if not statement.startswith("COPY")),
        )

    def _change(self, session: Session, statements: Iterable[str]) -> None:
        """Make the target or add columns to it; raises PassingError where another load did so meanwhile."""
        with locks.passing(*schema_drift.DONE_BY_ANOTHER):
            for statement in statements:
                session.execute(statement)

    @property
    def _latest(self) -> Manifest:
        return max(self.manifests, key=lambda m: (m.snapshot_at, m.day))

    @property
    def _files(self) -> FileFormat:
        return self.manifests[0].files

    def _lose(self, session: Session, absent: Sequence[str], lost: dict[str, int], replaced: str = "") -> None:
        """Count the values of columns that are gone, in the rows that are about to be replaced."""
        if absent:
            (counts,) = session.execute(sql.count_lost(self.target, absent, replaced)).rows
            lost.update({name: int(count) for name, count in zip(absent, counts, strict=True)})

    def _upsert(self, session: Session, fresh: Sequence[Manifest], lose: Callable[..., None]) -> Written:
        filled = [m for m in fresh if m.rows]
        if not filled:
            return {}, None
        schema = self._fill(session, filled)
        session.execute(
            sql.pick_newest(self.target, sql.texts_of(self.target, schema), sql.staged(schema, self._files))
        )
        counts, ends = {}, []
        schemas = {m.day: m.schema for m in self.manifests}
        for day, new, old, *unfit, least, greatest in session.execute(sql.count_fresh(self.target)).rows:
            checks.check_fresh(session, self.target, schemas[day], [int(rows) for rows in unfit])
            counts[day] = int(new), int(old)
            ends += [least, greatest] if old else []
        if ends:
            lose(sql.replaced_by_fresh(self.target))
            session.execute(sql.delete_replaced(self.target, None if None in ends else (min(ends), max(ends))))
        session.execute(sql.insert(self.target, schema, sql.FRESH))
        return counts, checks.check_keys(session, self.target, schema.table, sql.staged(schema, self._files))

    def _replace_days(self, session: Session, fresh: Sequence[Manifest], lose: Callable[..., None]) -> Written:
        filled = [m for m in fresh if m.rows]
        schema = self._filled(session, filled)
        days = [m.day.isoformat() for m in fresh]
        lose(sql.of_days(days))
        session.execute(sql.delete_days(self.target, days))
        total = self._insert(session, schema, fresh)
        if schema and self.target.key:
            checks.check_days_apart(session, self.target, sql.texts_of(self.target, schema), filled)
        return {m.day: (m.rows, 0) for m in fresh}, total

    def _replace_all(self, session: Session, fresh: Sequence[Manifest], lose: Callable[..., None]) -> Written:
        schema = self._filled(session, [m for m in fresh if m.rows])
        lose()
        session.execute(sql.delete_all(self.target))
        total = self._insert(session, schema, fresh)
        return {m.day: (m.rows, 0) for m in fresh}, total or 0

    def _fill(self, session: Session, days: Sequence[Manifest]) -> TableSchema:
        return Stage(self.warehouse, self.lake, self.target.label).fill(session, days)

    def _filled(self, session: Session, days: Sequence[Manifest]) -> TableSchema | None:
        """Stage days whose rows are taken as they are, and return their columns; None where there are no rows."""
        if not days:
            return None
        schema = self._fill(session, days)
        if self.target.key:
            checks.check_keys_given(session, self.target, schema, sql.staged(schema, self._files))
        return schema

    def _insert(self, session: Session, schema: TableSchema | None, days: Sequence[Manifest]) -> int | None:
        if schema is None:
            return None
        session.execute(sql.insert(self.target, schema, sql.STAGE, self._files))
        return checks.check_rows(session, self.target, sql.texts_of(self.target, schema), days)

    def _newer(self, loaded: Mapping[date, datetime]) -> Sequence[Manifest]:
        """Return the days whose rows belong into the target: those that no later reading of the source overtook.

        A key decides row by row. Without one, what was loaded says it: of the same day, and in mode full of any day.
        """
        if self.mode == "incremental":
            return self.manifests
        if self.mode == "full":
            return [self._latest] if all(at <= self._latest.snapshot_at for at in loaded.values()) else []
        return [m for m in self.manifests if m.day not in loaded or loaded[m.day] <= m.snapshot_at]

    def _history(self, days: Iterable[DayLoad]) -> list[load_history.Row]:
        return [
            {
                "load_id": self.load_id,
                "run_id": self.run_id,
                "table_name": self.target.label,
                "day": manifest.day,
                "mode": self.mode,
                "manifest_url": manifest.url,
                "attempt": manifest.attempt,
                "snapshot_at": manifest.snapshot_at.astimezone(timezone.utc),
                "rows_in_manifest": manifest.rows,
                "rows_inserted": done.inserted,
                "rows_updated": done.updated,
                "converted": json.dumps(manifest.converted),
                "loaded_at": utc_now(),
                "key_columns": json.dumps(sorted(fold(name) for name in self.target.key)),
                "cursor_column": self.target.cursor and fold(self.target.cursor),
                "rules": manifest.rules.to_text() if manifest.rules else None,
                "rows_behind": manifest.rows_behind,
                "in_target": True,
            }
            for manifest, done in zip(self.manifests, days, strict=True)
        ]
