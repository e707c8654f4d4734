"""What has gone wrong since a place in Dagster's event log: runs that failed, checks that did not pass.

A run that failed for nothing but a blocking check is the check's incident and no second one; nor is one a run that
Dagster starts again by itself, whose last attempt counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from aurora_dwh.instance import run_tags

RUNS_PER_TICK = 100
CHECKS_PER_TICK = 2000
"""How many events are read at a time, checks that passed among them; the next tick goes on from there."""

MAX_AGE_SECONDS = 3 * 24 * 3600
"""What is older is passed over: alerts that were switched on again do not tell of last month."""

STEPS_SHOWN = 3
REASON_CHARACTERS = 400


@dataclass(frozen=True)
class Place:
    """A place in the event log: the last failed run and the last check that were looked at, by storage id."""

    runs: int
    checks: int

    @staticmethod
    def end(instance: dg.DagsterInstance) -> Place:
        """Return the place behind everything that is there."""
        last = instance.event_log_storage.get_maximum_record_id() or 0
        return Place(last, last)


@dataclass(frozen=True)
class Incident:
    """One thing that people should hear of."""

    severity: str  # `error` or `warning`
    what: str  # what went wrong: table or job, day, check
    reasons: tuple[str, ...]  # why, a line each
    path: str  # where it is shown, below the UI's address


def incidents_after(
    instance: dg.DagsterInstance, place: Place, *, location: str | None
) -> tuple[list[Incident], Place]:
    """Return what went wrong behind a place, in runs of a code location or of none, and the place to go on from."""
    look = _Look(instance, location)
    checks = instance.event_log_storage.get_logs_for_all_runs_by_log_id(
        after_cursor=place.checks, dagster_event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=CHECKS_PER_TICK
    )
    runs = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=place.runs),
        limit=RUNS_PER_TICK,
        ascending=True,
    ).records
    found = [*look.checks(list(checks.values())), *look.runs([record.event_log_entry for record in runs])]
    return found, Place(max([place.runs, *(r.storage_id for r in runs)]), max([place.checks, *checks]))


@dataclass
class _Look:
    instance: dg.DagsterInstance
    location: str | None
    _runs: dict[str, dg.DagsterRun | None] = field(default_factory=dict)

    def checks(self, entries: Sequence[dg.EventLogEntry]) -> Iterator[Incident]:
        for entry in entries:
            evaluation = _evaluation(entry)
            if evaluation.passed or _is_old(entry) or not self._is_ours(entry.run_id):
                continue
            if not self._failed_before(entry):
                yield self._check(entry, evaluation)

    def runs(self, entries: Sequence[dg.EventLogEntry]) -> Iterator[Incident]:
        for entry in entries:
            run = self._run(entry.run_id)
            if (
                run is None
                or _is_old(entry)
                or not self._is_ours(run.run_id)
                or run.tags.get(run_tags.WILL_RETRY) == "true"
            ):
                continue
            steps = [
                (log.step_key or "", log.dagster_event.step_failure_data)
                for log in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
                if log.dagster_event
            ]
            untold = [_named(step, failure) for step, failure in steps if not _is_check(failure)]
            if untold or not steps:
                message = entry.get_dagster_event().message or entry.user_message or "no reason is recorded"
                yield _run_incident(run, untold, message)

    def _check(self, entry: dg.EventLogEntry, evaluation: dg.AssetCheckEvaluation) -> Incident:
        run = self._run(entry.run_id)
        asset = evaluation.asset_key.to_user_string()
        day = evaluation.partition or (_day(run.tags) if run else "")
        known = ", ".join(f"{name}: {value.value}" for name, value in evaluation.metadata.items())
        reason = evaluation.description or known or "the check did not pass"
        return Incident(
            severity="warning" if evaluation.severity is dg.AssetCheckSeverity.WARN else "error",
            what=_joined(asset, day, f"check {evaluation.check_name}"),
            reasons=(_short(reason),),
            path=f"/runs/{run.run_id}" if run else f"/assets/{asset}?view=checks",
        )

    def _failed_before(self, entry: dg.EventLogEntry) -> bool:
        """Whether an earlier attempt of the run's step had the same check fail."""
        if self._run(entry.run_id) is None:
            return False
        earlier = self.instance.all_logs(entry.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        return any(
            _identity(_evaluation(other)) == _identity(_evaluation(entry)) and not _evaluation(other).passed
            for other in earlier
            if other.timestamp < entry.timestamp
        )

    def _run(self, run_id: str) -> dg.DagsterRun | None:
        if run_id not in self._runs:
            self._runs[run_id] = self.instance.get_run_by_id(run_id)
        return self._runs[run_id]

    def _is_ours(self, run_id: str) -> bool:
        run = self._run(run_id)
        origin = run.remote_job_origin if run else None
        return None in (origin, self.location) or origin.location_name == self.location  # type: ignore[union-attr]


def _run_incident(run: dg.DagsterRun, steps: Sequence[tuple[str, str]], message: str) -> Incident:
    day, path = _day(run.tags), f"/runs/{run.run_id}"
    if len(steps) == 1:
        (asset, reason) = steps[0]
        return Incident("error", _joined(asset, day), (reason,), path)
    if not steps:
        return Incident("error", _joined(run.job_name, day), (_short(message),), path)
    reasons = [f"{asset}: {reason}" for asset, reason in steps[:STEPS_SHOWN]]
    if len(steps) > STEPS_SHOWN:
        reasons.append(f"and {len(steps) - STEPS_SHOWN} more")
    return Incident("error", _joined(run.job_name, day, f"{len(steps)} assets"), tuple(reasons), path)


def _evaluation(entry: dg.EventLogEntry) -> dg.AssetCheckEvaluation:
    data = entry.get_dagster_event().event_specific_data
    if not isinstance(data, dg.AssetCheckEvaluation):
        raise TypeError(f"event of run {entry.run_id} is no evaluation of a check")
    return data


def _identity(evaluation: dg.AssetCheckEvaluation) -> tuple[str, str, str]:
    return evaluation.asset_key.to_user_string(), evaluation.check_name, evaluation.partition or ""


def _is_old(entry: dg.EventLogEntry) -> bool:
    return entry.timestamp < time.time() - MAX_AGE_SECONDS


def _is_check(failure: Any) -> bool:
    """Whether a step failed for blocking checks, which are incidents themselves."""
    return failure.error is not None and failure.error.cls_name == "DagsterAssetCheckFailedError"


def _named(step: str, failure: Any) -> tuple[str, str]:
    """Return the asset that a step makes and why it failed; Dagster names the step of `lake/orders` `lake__orders`."""
    asset = step.replace("__", "/", 1)
    return asset, _reason(failure).removeprefix(f"{asset}: ")


def _reason(failure: Any) -> str:
    """Return why a step failed: what the product says of it, else the innermost cause."""
    if failure.user_failure_data and failure.user_failure_data.description:
        return _short(failure.user_failure_data.description)
    error = failure.error
    while error and error.cause:
        error = error.cause
    return _short(error.message if error else "no reason is recorded")


def _day(tags: Mapping[str, str]) -> str:
    first, last = tags.get(run_tags.RANGE_START), tags.get(run_tags.RANGE_END)
    if first and last and first != last:
        return f"{first} to {last}"
    return tags.get(run_tags.PARTITION) or first or ""


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= REASON_CHARACTERS else f"{line[: REASON_CHARACTERS - 1]}…"
