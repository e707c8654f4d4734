"""The load: one transaction for a table and a range of days, the same in any order, any number of times.

BEGIN, take the table's turn, stage, COPY by manifest, count, keep the newest, replace, audit, COMMIT. Whatever fails
leaves the table as it was; the audit row is there exactly when the rows are.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from itertools import groupby

from aurora_dwh.handoff import DataError, Manifest, utc_now
from aurora_dwh.schema import Column
from aurora_dwh.warehouse import audit, drift
from aurora_dwh.warehouse import statements as sql
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import PassingError
from aurora_dwh.warehouse.stage import Lake, Stage
from aurora_dwh.warehouse.statements import Target

STAGE_BYTES = 256 * 1024**3
"""Parquet bytes that one transaction stages; a longer range is loaded in several, each of whole days."""


Counts = dict[date, tuple[int, int]]
"""Day -> rows new in the target, rows replaced there."""


@dataclass(frozen=True)
class DayLoad:
    """What a load did for one day: rows in the day's manifest, rows new in the target, rows replaced there."""

    day: date
    rows: int
    inserted: int
    updated: int


@dataclass(frozen=True)
class Loaded:
    """What a load did: each day's figures, and the statements that were run."""

    load_id: str
    days: tuple[DayLoad, ...]
    statements: tuple[str, ...]


def transactions(manifests: Iterable[Manifest], *, stage_bytes: int = STAGE_BYTES) -> Iterator[list[Manifest]]:
    """Yield the days in order, in groups that one transaction can load.

    A group ends where a column's type changes, since one stage has one type for it, and where the stage is full.
    """
    group: list[Manifest] = []
    kinds: dict[str, tuple[str, ...]] = {}
    size = 0
    for manifest in sorted(manifests, key=lambda m: m.day):
        of_day = {column.target_name: _kinds(column) for column in manifest.schema.columns}
        retyped = any(kinds.get(name, kind) != kind for name, kind in of_day.items())
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
        DataError: The rows do not fit the target, or COPY loaded another number of rows than the manifest says.
        StaleManifestError: A day was extracted again meanwhile; load its new manifest.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    work = Load(warehouse, lake, target, mode, sorted(manifests, key=lambda m: m.day), run_id)
    warehouse.persist(work.prepare)
    return warehouse.transaction(work.run, landed=work.landed)


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

    def prepare(self, session: Session) -> None:
        """Bring the target's columns to those of the days.

        Raises:
            DriftError: The target cannot follow them, and rows of these days would come into it.
        """
        manifests = [self._latest] if self.mode == "full" else self.manifests
        try:
            for _, days in groupby(manifests, key=lambda m: m.schema.columns):
                drift.adapt(session, self.target, next(days).schema)
        except drift.DriftError:
            if self._newer(session):
                raise

    def landed(self, session: Session) -> bool:
        """Return whether this load was committed, once a COMMIT that is still under way has ended."""
        session.execute("BEGIN")
        take_turn(self.warehouse, session, self.target)
        found = bool(session.execute(audit.find_load(self.load_id)).rows[0][0])
        session.execute("ROLLBACK")
        return found

    def run(self, session: Session) -> Loaded:
        """Run every statement between BEGIN and COMMIT."""
        take_turn(self.warehouse, session, self.target)
        write = {"incremental": self._upsert, "append": self._replace_days, "full": self._replace_all}[self.mode]
        counts = write(session)
        days = tuple(DayLoad(m.day, m.rows, *counts.get(m.day, (0, 0))) for m in self.manifests)
        session.execute(audit.insert_history(self._history(days)))
        return Loaded(self.load_id, days, (*session.statements, "COMMIT"))

    @property
    def _stage(self) -> Stage:
        return Stage(self.warehouse, self.lake, self.target.label)

    @property
    def _latest(self) -> Manifest:
        return max(self.manifests, key=lambda m: (m.snapshot_at, m.day))

    def _upsert(self, session: Session) -> Counts:
        filled = [m for m in self.manifests if m.rows]
        if not filled:
            return {}
        schema = self._stage.fill(session, filled)
        texts = [name for name in self.target.key if schema.column(name).stage_type.startswith("VARCHAR")]
        session.execute(sql.pick_newest(self.target, texts))
        counts = {}
        for day, new, old, alike in session.execute(sql.count_fresh()).rows:
            if alike:
                raise self._alike_keys(session)
            counts[day] = int(new), int(old)
        session.execute(sql.delete_replaced(self.target))
        session.execute(sql.insert(self.target, schema, sql.FRESH))
        return counts

    def _replace_days(self, session: Session) -> Counts:
        newer = self._newer(session)
        if not newer:
            return {}
        filled = [m for m in newer if m.rows]
        schema = self._stage.fill(session, filled) if filled else None
        session.execute(sql.delete_days(self.target, [m.day.isoformat() for m in newer]))
        if schema:
            session.execute(sql.insert(self.target, schema, sql.STAGE))
        return {m.day: (m.rows, 0) for m in newer}

    def _replace_all(self, session: Session) -> Counts:
        if not self._newer(session):
            return {}
        last = self._latest
        schema = self._stage.fill(session, [last]) if last.rows else None
        session.execute(sql.delete_all(self.target))
        if schema:
            session.execute(sql.insert(self.target, schema, sql.STAGE))
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

    def _alike_keys(self, session: Session) -> DataError:
        rows = session.execute(sql.alike_keys(self.target)).rows
        keys = ", ".join(repr(row[0] if len(row) == 1 else row) for row in rows)
        return DataError(
            f"{self._stage.named(self.manifests)}: rows differ only in blanks at the end of their key, such as {keys}, "
            f"and Redshift takes such keys for one; nothing was changed. Leave one of the rows out with `filter`, or "
            f"mask the key column with sha256; if the source's row was renamed, run `aurora-dwh rebuild` for the table"
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
