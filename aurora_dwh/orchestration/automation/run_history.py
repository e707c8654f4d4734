"""What Dagster's runs tell of days of assets: which are under way, which ended without success, what is tried again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

import dagster as dg

from aurora_dwh.core.days import ends, span
from aurora_dwh.core.retries import DAY
from aurora_dwh.instance import run_tags

PAUSE = timedelta(seconds=DAY.pause)
"""How long a day waits after a run without success."""

Tried = Mapping[dg.AssetKey, Sequence[dg.RunRecord]]
"""Assets that want a run, each with its runs without success."""


@dataclass
class RunHistory:
    """Runs as they are at one moment. The storage is asked once for each kind, and only where it matters."""

    instance: dg.DagsterInstance  # whose runs
    now: datetime  # the moment, in the zone in which days begin
    since: datetime  # from when on runs without success are of interest, aware
    left: list[str] = field(default_factory=list)  # what wants a run and gets none, with the reason, as sentences

    @cached_property
    def under_way(self) -> Sequence[dg.DagsterRun]:
        """The runs that run or wait in the queue."""
        return self.instance.get_runs(dg.RunsFilter(statuses=run_tags.UNFINISHED))

    @cached_property
    def without_success(self) -> Sequence[dg.RunRecord]:
        """The runs that failed or were cancelled, newest first."""
        statuses = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        return self.instance.get_run_records(dg.RunsFilter(statuses=statuses, updated_after=self.since))

    def chosen(self, name: str, tried: Tried) -> list[dg.AssetKey]:
        """Return which assets are tried again now; `left` is told of the others."""
        ends = [record for records in tried.values() for record in records]
        if any(self._was_cancelled_today(record) for record in ends):
            self.left.append(f"{name} was cancelled today, and waits until tomorrow: materialize it, or leave it")
            return []
        if any(record.update_timestamp > self.now - PAUSE for record in ends):
            self.left.append(f"{name} had a run without success in the last {PAUSE}, and waits")
            return []
        given_up = [key for key, records in tried.items() if len(records) >= DAY.attempts]
        if given_up:
            self.left.append(
                f"{name} is given up for {named(given_up)} after {DAY.attempts} runs without success: materialize it"
            )
        return [key for key in tried if key not in given_up]

    def _was_cancelled_today(self, record: dg.RunRecord) -> bool:
        """Return whether somebody cancelled a run today; an interrupt that nobody asked for ends as a failure."""
        ended = record.update_timestamp.astimezone(self.now.tzinfo)
        return record.dagster_run.status == dg.DagsterRunStatus.CANCELED and ended.date() == self.now.date()


def selects(run: dg.DagsterRun, key: dg.AssetKey, *, job: str) -> bool:
    """Return whether a run makes an asset; one without a selection, or an empty one, makes all of its job."""
    return key in run.asset_selection if run.asset_selection else run.job_name == job


def covers(run: dg.DagsterRun, day: str | None) -> bool:
    """Return whether a run is about a day, by itself or in a range; None asks whether it is about no day."""
    first, last = _range(run)
    return first <= day <= last if day and first and last else first == day


def run_days(run: dg.DagsterRun) -> list[str]:
    """Return the days that a run is about, in order."""
    first, last = _range(run)
    return span(first, last) if first and last else []


def _range(run: dg.DagsterRun) -> tuple[str | None, str | None]:
    day = run.tags.get(run_tags.PARTITION)
    return run.tags.get(run_tags.RANGE_START, day), run.tags.get(run_tags.RANGE_END, day)


def request(job: str, keys: Sequence[dg.AssetKey], days: Sequence[str], tried: Tried) -> dg.RunRequest:
    """Return the request of one run of all days from the first to the last, none for assets without days.

    It comes again, as the same one, until one of the runs changes that `RunHistory.chosen` had.
    """
    is_range = len(days) > 1
    runs = sorted({record.dagster_run.run_id for key in keys for record in tried.get(key, ())})
    digest = sha256(" ".join([*(key.to_user_string() for key in keys), *runs]).encode()).hexdigest()[:12]
    span = run_tags.of_range(days[0], days[-1]) if is_range else {}
    return dg.RunRequest(
        job_name=job,
        run_key=f"{ends(days) or job}-{digest}",
        partition_key=days[0] if days and not is_range else None,
        asset_selection=list(keys),
        tags={run_tags.REQUESTED_BY: "gaps", **span},
    )


def named(keys: Iterable[dg.AssetKey]) -> str:
    """Return assets as people write them."""
    return ", ".join(key.to_user_string() for key in keys)
