"""The load: one transaction for a table and a range of days, the same in any order, any number of times.

BEGIN, take the table's turn, stage, COPY by manifest, count, keep the newest, replace, audit, COMMIT. Whatever fails
leaves the table as it was; the audit row is there exactly when the rows are.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timezone
from itertools import groupby
from typing import Protocol

from aurora_dwh.handoff import DataError, Manifest, StaleManifestError, utc_now
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.warehouse import audit, drift
from aurora_dwh.warehouse import statements as sql
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.statements import Target


class Lake(Protocol):
    """What the load needs of the lake: one manifest for several days."""

    def copy_manifest(self, manifests: Sequence[Manifest]) -> AbstractContextManager[str]:
        """Give the address of a manifest that COPY can read for all the days at once."""

    def is_current(self, manifests: Sequence[Manifest]) -> bool:
        """Return whether the manifests are still those that the lake has for their days."""


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


def load(
    warehouse: Warehouse, lake: Lake, target: Target, mode: str, manifests: Sequence[Manifest], *, run_id: str | None
) -> Loaded:
    """Load the days of one table.

    Args:
        warehouse: Redshift.
        lake: The lake, for a manifest that spans several days.
        target: The staging table.
        mode: `incremental`, `append` or `full`, as in the catalog.
        manifests: The days, one manifest each; at least one.
        run_id: The Dagster run, for the audit table.

    Raises:
        DataError: The rows do not fit the target, or COPY loaded another number of rows than the manifest says.
        StaleManifestError: A day was extracted again meanwhile; load its new manifest.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    manifests = sorted(manifests, key=lambda m: m.day)
    with warehouse.session() as session:
        for schema in _schemas(manifests):
            drift.adapt(session, target, schema)
    work = Load(warehouse, lake, target, mode, manifests, run_id)
    return warehouse.transaction(work.run, landed=work.landed)


@dataclass(frozen=True)
class Load:
    """One load's work, which the transaction may call several times, or a plan once."""

    warehouse: Warehouse
    lake: Lake
    target: Target
    mode: str
    manifests: Sequence[Manifest]
    run_id: str | None
    load_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "load_id", secrets.token_hex(16))

    def landed(self, session: Session) -> bool:
        """Return whether this load was committed."""
        return bool(session.execute(audit.find_load(self.load_id)).rows[0][0])

    def run(self, session: Session) -> Loaded:
        """Run every statement between BEGIN and COMMIT."""
        self._take_turn(session)
        write = {"incremental": self._upsert, "append": self._replace_days, "full": self._replace_all}[self.mode]
        counts = write(session)
        days = tuple(DayLoad(m.day, m.rows, *counts.get(m.day, (0, 0))) for m in self.manifests)
        session.execute(audit.insert_history(self._history(days)))
        return Loaded(self.load_id, days, (*session.statements, "COMMIT"))

    def _take_turn(self, session: Session) -> None:
        if session.execute(audit.take_turn(self.target.label)).count == 0:
            # Made outside this transaction: two first loads would else each make a row and not meet on it.
            with self.warehouse.session() as other:
                other.execute(audit.make_turn(self.target.label))
            raise PassingError(f"{self.target.label} had no row in {audit.LOCK}; it has one now")

    def _upsert(self, session: Session) -> dict[date, tuple[int, int]]:
        filled = [m for m in self.manifests if m.rows]
        if not filled:
            return {}
        schema = self._stage(session, filled)
        session.execute(sql.pick_newest(self.target))
        counts = {day: (int(new), int(old)) for day, new, old in session.execute(sql.count_fresh()).rows}
        session.execute(sql.delete_replaced(self.target))
        session.execute(sql.insert(self.target, schema, sql.FRESH))
        return counts

    def _replace_days(self, session: Session) -> dict[date, tuple[int, int]]:
        current = self._current(session)
        if not current:
            return {}
        filled = [m for m in current if m.rows]
        schema = self._stage(session, filled) if filled else None
        session.execute(sql.delete_days(self.target, [m.day.isoformat() for m in current]))
        if schema:
            session.execute(sql.insert(self.target, schema, sql.STAGE))
        return {m.day: (m.rows, 0) for m in current}

    def _replace_all(self, session: Session) -> dict[date, tuple[int, int]]:
        last = max(self.manifests, key=lambda m: m.snapshot_at)
        loaded = self._snapshots(session).values()
        if any(_utc(snapshot) > last.snapshot_at for snapshot in loaded):
            return {}
        schema = self._stage(session, [last]) if last.rows else None
        session.execute(sql.delete_all(self.target))
        if schema:
            session.execute(sql.insert(self.target, schema, sql.STAGE))
        return {last.day: (last.rows, 0)}

    def _current(self, session: Session) -> list[Manifest]:
        """Return the days that are not in the target yet from a later reading of the source."""
        loaded = self._snapshots(session)
        return [m for m in self.manifests if m.day not in loaded or _utc(loaded[m.day]) <= m.snapshot_at]

    def _snapshots(self, session: Session) -> dict[date, datetime]:
        return dict(session.execute(audit.last_snapshots(self.target.label)).rows)

    def _stage(self, session: Session, manifests: Sequence[Manifest]) -> TableSchema:
        """Fill the stage and return its columns: those of all the days, however the source changed between them."""
        union = _union(_schemas(manifests))
        session.execute(sql.create_stage(union))
        for _, group in groupby(manifests, key=lambda m: m.schema.columns):
            days = list(group)
            with self.lake.copy_manifest(days) as url:
                statement = sql.copy(days[0].schema, url, self.warehouse.settings.iam_role)
                self._copy(session, statement, days)
        return union

    def _copy(self, session: Session, statement: str, manifests: Sequence[Manifest]) -> None:
        try:
            session.execute(statement)
        except PassingError:
            raise
        except WarehouseError as error:
            self._check_current(manifests)
            raise DataError(f"{self._named(manifests)}: COPY failed. {self._reason(session.pid)}{error}") from error
        copied = int(session.execute(sql.COPY_COUNT).rows[0][0])
        expected = sum(m.rows for m in manifests)
        if copied != expected:
            self._check_current(manifests)
            raise DataError(
                f"{self._named(manifests)}: COPY loaded {copied} rows and the manifest has {expected}; nothing was "
                f"changed in {self.target.label}. Materialize those days of the lake again"
            )

    def _check_current(self, manifests: Sequence[Manifest]) -> None:
        if not self.lake.is_current(manifests):
            raise StaleManifestError(
                f"{self._named(manifests)}: the lake's day was extracted again while it was loaded; nothing was changed"
            )

    def _reason(self, pid: int) -> str:
        """Return what Redshift wrote down about the COPY that failed in session `pid`, empty where it wrote nothing."""
        with self.warehouse.session() as session:
            rows = session.execute(
                "SELECT file_name, line_number, column_name, error_code, error_message FROM sys_load_error_detail "
                f"WHERE session_id = {pid} ORDER BY start_time DESC LIMIT 1"
            ).rows
        if not rows:
            return ""
        file, line, column, code, message = (str(value).strip() for value in rows[0])
        return f"File {file}, line {line}, column {column}: {message} (code {code}). "

    def _named(self, manifests: Sequence[Manifest]) -> str:
        first, last = manifests[0].day, manifests[-1].day
        return f"{self.target.label} {first}" + (f"...{last}" if last != first else "")

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


def _schemas(manifests: Sequence[Manifest]) -> list[TableSchema]:
    """Return the different schemas of the days, in the order of the days."""
    return [next(group).schema for _, group in groupby(manifests, key=lambda m: m.schema.columns)]


def _union(schemas: Sequence[TableSchema]) -> TableSchema:
    """Return a schema with every column of the days, each as the latest day has it, but for the widest VARCHAR."""
    columns: dict[str, Column] = {}
    for column in (c for schema in schemas for c in schema.columns):
        before = columns.get(column.target_name)
        columns[column.target_name] = before if before and drift.is_wider(before, column) else column
    last = schemas[-1]
    return TableSchema(last.database, last.table, tuple(columns.values()), last.primary_key, last.comment)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=timezone.utc)
