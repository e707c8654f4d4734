"""The gap sensor: days that the schedule missed, or whose run failed, are requested again, a few at a time.

A day is missing where an asset has an earlier day of the last two weeks and not this one; so what was never loaded, or
not for so long, is never begun by itself. Dagster's event log is asked for these days alone and not for all history,
which takes about 2 ms for a table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from aurora_dwh.automation.schedules import chain_keys, monthly_tables
from aurora_dwh.catalog import Catalog
from aurora_dwh.handoff import utc_now

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

HORIZON_DAYS = 14
"""How many days back is looked; a longer gap is somebody's decision, and a backfill."""

RUNS_PER_TICK = 3
"""How many days are requested at a time."""

ATTEMPTS = 3
"""After so many runs of a day without success, the scheduled one among them, the day is left to people."""

PAUSE = timedelta(hours=1)
"""How long a day waits after the schedule's time, and after a run without success."""

INTERVAL_SECONDS = 900


def build_gap_sensor(*, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Return the sensor that requests missing days of the daily job.

    Args:
        catalog: The catalog, for its zone, its first day and the hour of its schedule.
        job: The daily job.
    """
    left_out = frozenset(chain_keys(monthly_tables(catalog)))

    @dg.sensor(
        name="gaps",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Requests days of the last {HORIZON_DAYS} that the schedule missed or that failed, newest first; "
        f"gives up on a day after {ATTEMPTS} runs without success.",
    )
    def gaps(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.repository_def is None:
            raise dg.DagsterInvariantViolationError("the sensor needs the code location's asset graph")
        days = due_days(catalog, utc_now())
        search = _Search(context.instance, context.repository_def.asset_graph, job.name, days, left_out)
        requests = [request for _, request in zip(range(RUNS_PER_TICK), search.requests(), strict=False)]
        left = "; ".join(search.left) or f"no day of the last {HORIZON_DAYS} is missing"
        if not requests:
            return dg.SkipReason(left)
        context.log.info(f"requests {', '.join(str(r.partition_key) for r in requests)}; {left}")
        return dg.SensorResult(run_requests=requests)

    return gaps


def due_days(catalog: Catalog, now: datetime) -> list[str]:
    """Return the days that the schedule should have loaded by now, newest first.

    Args:
        catalog: The catalog.
        now: The moment, aware.
    """
    hour, minute = (int(part) for part in catalog.schedule.split(":"))
    shown = now.astimezone(catalog.zone).replace(tzinfo=None) - PAUSE
    last = (shown - timedelta(hours=hour, minutes=minute)).date()
    days = (last - timedelta(days=number) for number in range(1, HORIZON_DAYS + 1))
    return [day.isoformat() for day in days if day >= catalog.start_date]


@dataclass
class _Search:
    """One look at what is missing.

    Attributes:
        left_out: Assets whose days are not the daily job's: those of tables that are loaded monthly.
        left: Days that are missing and not requested, with the reason, as sentences.
    """

    instance: dg.DagsterInstance
    graph: AssetGraph
    job: str
    days: Sequence[str]
    left_out: Collection[dg.AssetKey] = ()
    left: list[str] = field(default_factory=list)
    _in_lake: dict[dg.AssetKey, set[str]] = field(default_factory=dict)

    def requests(self) -> Iterator[dg.RunRequest]:
        """Yield a run for each day that is missing, newest first, with all the assets that lack it."""
        loaded = self._loaded(self._ends())
        busy = self._busy() if any(_missing(days, self.days) for days in loaded.values()) else set()
        for day in self.days:
            lacking = [key for key, days in loaded.items() if day in _missing(days, self.days)]
            if not lacking:
                continue
            if day in busy:
                self.left.append(f"{day} has a run under way")
                continue
            yield from self._request(day, lacking)

    def _request(self, day: str, lacking: Sequence[dg.AssetKey]) -> Iterator[dg.RunRequest]:
        failed = self._unsuccessful(day)
        if any(record.update_timestamp > utc_now() - PAUSE for record in failed):
            self.left.append(f"{day} had a run without success in the last {PAUSE}, and waits")
            return
        tried = {key: sum(self._selects(record.dagster_run, key) for record in failed) for key in lacking}
        given_up = [key for key in lacking if tried[key] >= ATTEMPTS]
        if given_up:
            names = ", ".join(key.to_user_string() for key in given_up)
            self.left.append(f"{day} is given up for {names} after {ATTEMPTS} runs without success: materialize it")
        if chosen := [key for key in lacking if key not in given_up]:
            keys = sorted([*chosen, *self._unread(chosen, day)])
            yield _run(day, keys, attempt=max(tried[key] for key in chosen))

    def _ends(self) -> list[dg.AssetKey]:
        """Return the staging tables; marts follow them by their own conditions."""
        keys = sorted(self.graph.materializable_asset_keys)
        return [key for key in keys if key.path[0] == "staging" and key not in self.left_out]

    def _loaded(self, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, set[str]]:
        """Return which of the days each asset has; an asset that never had any day costs nothing."""
        records = self.instance.get_asset_records(keys)
        known = {r.asset_entry.asset_key for r in records if r.asset_entry.last_materialization_record}
        return {key: self._days_of(key) if key in known else set() for key in keys}

    def _days_of(self, key: dg.AssetKey) -> set[str]:
        return set(
            self.instance.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(self.days)
            )
        )

    def _unread(self, chosen: Sequence[dg.AssetKey], day: str) -> set[dg.AssetKey]:
        """Return the lake's assets that chosen ones are made from and that lack the day too."""
        parents = {parent for key in chosen for parent in self.graph.get(key).parent_keys if parent.path[0] == "lake"}
        self._in_lake |= {parent: self._days_of(parent) for parent in parents - self._in_lake.keys()}
        return {parent for parent in parents if day not in self._in_lake[parent]}

    def _busy(self) -> set[str]:
        """Return the days that a run under way or in the queue is about."""
        runs = self.instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
        return {day for run in runs if self._is_ours(run) for day in self.days if _covers(run, day)}

    def _unsuccessful(self, day: str) -> list[dg.RunRecord]:
        statuses = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        records = self.instance.get_run_records(dg.RunsFilter(statuses=statuses, tags={PARTITION_NAME_TAG: day}))
        return [record for record in records if self._is_ours(record.dagster_run)]

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        return run.job_name == self.job or any(self.graph.has(key) for key in run.asset_selection or ())

    def _selects(self, run: dg.DagsterRun, key: dg.AssetKey) -> bool:
        return run.asset_selection is None or key in run.asset_selection


def _missing(loaded: set[str], days: Sequence[str]) -> set[str]:
    """Return the days that lie behind the first one that is there, and are not."""
    return {day for day in days if day > min(loaded)} - loaded if loaded else set()


def _covers(run: dg.DagsterRun, day: str) -> bool:
    first, last = (run.tags.get(tag) for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
    return run.tags.get(PARTITION_NAME_TAG) == day or (first is not None and last is not None and first <= day <= last)


def _run(day: str, keys: Sequence[dg.AssetKey], *, attempt: int) -> dg.RunRequest:
    names = " ".join(key.to_user_string() for key in keys)
    return dg.RunRequest(
        run_key=f"{day}-{attempt}-{sha256(names.encode()).hexdigest()[:12]}",
        partition_key=day,
        asset_selection=list(keys),
        tags={"aurora_dwh/requested_by": "gaps"},
    )
