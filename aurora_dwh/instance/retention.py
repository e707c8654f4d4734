"""What an instance forgets of runs that ended long ago, and what it keeps: which partitions are there, and since when.

Dagster removes no run by itself, and its own call for it removes a run's materializations as well, so that their days
would be missing, and be loaded again. Here their rows stay as they are, each under its id, so that nothing looks new
either: the last materialization and observation of each asset and partition, without their details, and the last result
of each check. Run, log, superseded events and planned ones go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Table, delete, func, or_, select, text

from aurora_dwh.core.models import wall_clock
from aurora_dwh.instance import run_tags
from aurora_dwh.instance.details import DETAILS, EVENTS, shorten
from aurora_dwh.settings.environment import ConfigError

BATCH: Final = 20
"""Runs that are forgotten at a time: writers of an SQLite file wait while its rows are deleted."""

_IDS: Final = 500
_CHECKS: Final = AssetCheckExecutionsTable.c
_LAST: Final = (dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value)
_RESULTS: Final = [status.value for status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES]
_TAGS: Final = (
    run_tags.BACKFILL,
    run_tags.PARENT_RUN,
    run_tags.REPOSITORY,
    run_tags.REQUESTED_BY,
    run_tags.ROOT_RUN,
    run_tags.RUN_KEY,
    run_tags.SENSOR,
)


@dataclass(frozen=True)
class Pruned:
    """What was removed."""

    runs: int = 0  # runs
    events: int = 0  # rows that were stored of events
    size: int = 0  # bytes of their texts, and of files

    def __str__(self) -> str:
        return f"{self.runs:,} runs, {self.events:,} events, {self.size / 1e6:,.1f} MB"

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.runs + other.runs, self.events + other.events, self.size + other.size)


class Retention:
    """An instance whose runs are to be forgotten.

    Raises:
        ConfigError: It keeps its runs in something else than SQL.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        runs, log = instance.run_storage, instance.event_log_storage
        if not (isinstance(runs, SqlRunStorage) and isinstance(log, SqlEventLogStorage)):
            raise ConfigError([f"runs are kept in {type(runs).__name__}, and can be pruned in SQLite and PostgreSQL"])
        self._instance, self._runs, self._log = instance, runs, log

    def old(self, before: datetime, *, failed: datetime, location: str | None = None) -> list[str]:
        """Return the ids of runs that may be forgotten, oldest first.

        Never among them are the instance's last run; runs of a backfill that goes on; runs which one that stays was
        started again from; and runs that a sensor of another project requested by a key, for which it relies on
        Dagster to know them.

        Args:
            before: Runs that ended before it, aware.
            failed: The same for those without success, where it is earlier.
            location: The code location whose runs alone are meant, as Dagster labels them; None for any.
        """
        run = RunsTable.c
        ended = run.status.in_([status.value for status in run_tags.FINISHED])
        query = select(run.run_id, run.status, run.update_timestamp).where(
            ended, run.update_timestamp < wall_clock(before), run.id < select(func.max(run.id)).scalar_subquery()
        )
        tag = RunTagsTable.c
        with self._runs.connect() as connection:
            found = connection.execute(query.order_by(run.id)).all()
            tags: dict[str, dict[str, str]] = {}
            for run_id, key, value in connection.execute(
                select(tag.run_id, tag.key, tag.value).where(tag.key.in_(_TAGS))
            ):
                tags.setdefault(run_id, {})[key] = value
        going = self._backfills_under_way()
        old = {
            run_id: None
            for run_id, status, at in found
            if (status == dg.DagsterRunStatus.SUCCESS.value or at < wall_clock(failed))
            and _may_go(tags.get(run_id, {}), going, location)
        }
        for run_id, of_run in tags.items():
            if run_id not in old:
                for origin in (of_run.get(run_tags.ROOT_RUN), of_run.get(run_tags.PARENT_RUN)):
                    old.pop(origin or "", None)
        return list(old)

    def prune(self, run_ids: Sequence[str], *, is_dry: bool = False) -> Iterator[Pruned]:
        """Forget runs, a batch at a time, and yield what each batch had; what ends this half way leaves whole runs."""
        for start in range(0, len(run_ids), BATCH):
            batch = run_ids[start : start + BATCH]
            files = [file for run_id in batch for file in self._files(run_id)]
            stored = sum(map(_stored, files))
            size = sum(file.stat().st_size for file in files if file.is_file())
            with self._log.index_connection() as connection:
                rows = _Rows.of(connection, batch)
                if not is_dry:
                    rows.delete(connection)
            if not is_dry:  # the run last: as long as it is there, the rest is found again
                for file in files:
                    file.unlink(missing_ok=True)
                self._delete_runs(batch)
            yield Pruned(len(batch), rows.count + stored, rows.size + size)

    def compact(self) -> None:
        """Give the room of what was removed back to the disk, where the instance is in SQLite.

        PostgreSQL uses it again by itself. Others may read meanwhile; writers wait.

        Raises:
            OSError: Somebody writes all the time, or the disk has no room for a second copy of a file.
        """
        if isinstance(self._log, SqliteEventLogStorage):
            for connect in (self._log.index_connection, self._runs.connect):
                with connect() as connection:
                    file = connection.scalar(text("SELECT file FROM pragma_database_list WHERE name = 'main'"))
                try:
                    with closing(sqlite3.connect(file, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)) as database:
                        database.execute("VACUUM")
                        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.OperationalError as error:
                    raise OSError(f"runs were removed, but {file} is not smaller yet: {error}; prune again") from error

    def _backfills_under_way(self) -> set[str]:
        statuses = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]
        return {found.backfill_id for found in self._instance.get_backfills(BulkActionsFilter(statuses=statuses))}

    def _files(self, run_id: str) -> list[Path]:
        """Return the files that a run may have: its log in SQLite, and what its steps printed."""
        found: list[Path] = []
        if isinstance(self._log, SqliteEventLogStorage):
            log = self._log.path_for_shard(run_id)
            found += [Path(log + end) for end in ("", "-wal", "-shm")]
        manager = self._instance.compute_log_manager
        if isinstance(manager, LocalComputeLogManager):
            folder = Path(manager.get_captured_local_path([run_id, "x"], "x")).parent
            found += [file for file in folder.rglob("*") if file.is_file()]
        return found

    def _delete_runs(self, run_ids: Collection[str]) -> None:
        manager = self._instance.compute_log_manager
        if isinstance(manager, LocalComputeLogManager):
            for run_id in run_ids:
                manager.delete_logs(prefix=[run_id])
        with self._runs.connect() as connection:
            connection.execute(delete(RunTagsTable).where(RunTagsTable.c.run_id.in_(run_ids)))
            connection.execute(delete(RunsTable).where(RunsTable.c.run_id.in_(run_ids)))


@dataclass(frozen=True)
class _Rows:
    """What goes of the events of some runs, in the tables that all runs share."""

    events: dict[int, int]  # ids of events, with the bytes of each
    checks: dict[int, int]  # ids of results of checks, likewise
    long: dict[int, str]  # ids and texts of materializations that stay without their details

    @property
    def count(self) -> int:
        return len(self.events) + len(self.checks)

    @property
    def size(self) -> int:
        return sum(chain(self.events.values(), self.checks.values()))

    @classmethod
    def of(cls, connection: Connection, run_ids: Sequence[str]) -> _Rows:
        """Return the rows of runs. The table's last one stays in any case: SQLite would give its id again."""
        event, check = SqlEventLogStorageTable, AssetCheckExecutionsTable
        of_runs, checked = EVENTS.run_id.in_(run_ids), _CHECKS.run_id.in_(run_ids)
        of_assets = EVENTS.dagster_event_type.in_(_LAST) & EVENTS.asset_key.in_(select(EVENTS.asset_key).where(of_runs))
        last = (
            select(func.max(EVENTS.id))
            .where(of_assets)
            .group_by(EVENTS.asset_key, EVENTS.dagster_event_type, EVENTS.partition)
        )
        shown = select(func.max(EVENTS.id)).where(of_assets).group_by(EVENTS.asset_key, EVENTS.dagster_event_type)
        results = (
            select(func.max(_CHECKS.id))
            .where(
                _CHECKS.execution_status.in_(_RESULTS), _CHECKS.asset_key.in_(select(_CHECKS.asset_key).where(checked))
            )
            .group_by(_CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition)
        )
        told = select(_CHECKS.evaluation_event_storage_id).where(
            _CHECKS.id.in_(results), _CHECKS.evaluation_event_storage_id.is_not(None)
        )
        going = select(EVENTS.id, func.length(EVENTS.event)).where(
            of_runs, EVENTS.id.not_in(last), EVENTS.id.not_in(told), EVENTS.id != _last_id(event)
        )
        superseded = select(_CHECKS.id, func.coalesce(func.length(_CHECKS.evaluation_event), 0)).where(
            checked, _CHECKS.id.not_in(results), _CHECKS.id != _last_id(check)
        )
        long = select(EVENTS.id, EVENTS.event).where(
            of_runs,
            EVENTS.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
            EVENTS.id.in_(last),
            EVENTS.id.not_in(shown),
            or_(*(EVENTS.event.contains(f'"label": "{name}"') for name in DETAILS)),
        )
        return cls(*({row[0]: row[1] for row in connection.execute(query)} for query in (going, superseded, long)))

    def delete(self, connection: Connection) -> None:
        """Delete them, and shorten what stays."""
        for ids in _portions(self.events):
            connection.execute(delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(ids)))
            connection.execute(delete(SqlEventLogStorageTable).where(EVENTS.id.in_(ids)))
        for ids in _portions(self.checks):
            connection.execute(delete(AssetCheckExecutionsTable).where(_CHECKS.id.in_(ids)))
        for event_id, event in self.long.items():
            shorten(connection, event_id, event, DETAILS)


def _last_id(table: Table) -> Any:
    return select(func.max(table.c.id)).scalar_subquery()


def _portions(ids: Collection[int]) -> Iterator[list[int]]:
    every = list(ids)
    return (every[start : start + _IDS] for start in range(0, len(every), _IDS))


def _may_go(tags: dict[str, str], backfills: Collection[str], location: str | None) -> bool:
    """Return whether nobody asks for a run any more, by its tags, and whether it is of the location."""
    is_key_needed = run_tags.SENSOR in tags and run_tags.RUN_KEY in tags and run_tags.REQUESTED_BY not in tags
    is_of_location = location is None or tags.get(run_tags.REPOSITORY) == location
    return is_of_location and not is_key_needed and tags.get(run_tags.BACKFILL) not in backfills


def _stored(file: Path) -> int:
    """Return how many events a run's own log in SQLite has; 0 for any other file."""
    if file.suffix != ".db" or not file.is_file():
        return 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as log:
        (count,) = log.execute("SELECT COUNT(*) FROM event_logs").fetchone()
        return int(count)
    return 0
