"""Runs of the code location inside this process, for commands and the demo.

They are kept in the instance that DAGSTER_HOME names, so that the UI shows them: what was made beside Dagster would be
missing or stale there, and sensors would make it again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from aurora_dwh.core.models import DataError
from aurora_dwh.instance import run_tags
from aurora_dwh.instance.health import open_instance
from aurora_dwh.orchestration.assets.names import PLAIN

LOAD, MARTS = "daily_load", "marts"
"""The jobs: a day's tables, and every mart."""


def partitioned(location: dg.Definitions, layers: Sequence[str]) -> list[dg.AssetKey]:
    """Return a code location's assets of those layers that have days."""
    graph = location.resolve_asset_graph()
    return [key for key in graph.materializable_asset_keys if key.path[0] in layers and graph.get(key).is_partitioned]


def run(
    location: dg.Definitions,
    job: str,
    first: date,
    last: date,
    assets: Sequence[dg.AssetKey] | None,
    on_day: Callable[[dg.AssetKey, str], None],
) -> None:
    """Materialize a range of days of a job, or of some of its assets, as one run.

    Args:
        on_day: Called with an asset and a day when that day stands.

    Raises:
        ConfigError: No instance of Dagster's is named.
        RuntimeError: The run failed; the message is the failed step's.
    """

    def listen(event: dg.EventLogEntry) -> None:
        happened = event.dagster_event
        if happened and happened.is_step_materialization and happened.asset_key:
            on_day(happened.asset_key, happened.partition or "")

    with open_instance() as instance:
        run_id = str(uuid.uuid4())
        instance.add_event_listener(run_id, listen)
        result = location.resolve_job_def(job).execute_in_process(
            instance=instance, asset_selection=assets, run_id=run_id, **_quiet(first, last)
        )
    if not result.success:
        raise RuntimeError(f"run {run_id} failed: {'; '.join(_reasons(result.all_events))}")


class RunError(DataError):
    """A run that failed; the message is the failed step's."""


@dataclass(frozen=True)
class Materialized:
    """A run that succeeded."""

    run_id: str  # Dagster's id of the run
    # what the asset's checks found; one that did not pass is a warning, for another would have failed the run
    checks: tuple[dg.AssetCheckEvaluation, ...]


def materialize(location: dg.Definitions, layer: str, name: str, days: Sequence[date] = ()) -> Materialized:
    """Materialize an asset, of consecutive days if it has days, in a run of its own.

    Raises:
        ConfigError: No instance of Dagster's is named.
        RunError: The run failed.
        KeyboardInterrupt: It was stopped.
    """
    with open_instance() as instance:
        job = location.resolve_implicit_global_asset_job_def()
        try:
            result = job.execute_in_process(
                instance=instance, asset_selection=[PLAIN.key(layer, name)], **_quiet(*days[:1], *days[-1:])
            )
        except dg.DagsterExecutionInterruptedError as interrupt:
            raise KeyboardInterrupt from interrupt
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    if dg.DagsterExecutionInterruptedError.__name__ in [error.cls_name for error in failures if error]:
        raise KeyboardInterrupt  # which a step tells of as of a failure
    if not result.success:
        raise RunError("; ".join(_reasons(result.all_events)))
    return Materialized(result.run_id, tuple(result.get_asset_check_evaluations()))


def _quiet(first: date | None = None, last: date | None = None) -> dict[str, Any]:
    """Return what makes `execute_in_process` one run of a day or a range, if any, whose caller says what came of it."""
    quiet: dict[str, Any] = {
        "run_config": {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        "raise_on_error": False,
    }
    if first is None or last is None:
        return quiet
    if last == first:
        return quiet | {"partition_key": first.isoformat()}
    return quiet | {"tags": run_tags.of_range(first.isoformat(), last.isoformat())}


def _reasons(events: Sequence[dg.DagsterEvent]) -> list[str]:
    steps = [event.step_failure_data for event in events if event.is_step_failure]
    named = [step.user_failure_data.description if step.user_failure_data else None for step in steps]
    reasons = [name or step.error_display_string for name, step in zip(named, steps, strict=True)]
    return reasons or [event.message or "" for event in events if event.is_failure]
