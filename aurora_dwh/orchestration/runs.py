"""Runs of the code location inside this process, for the demo: the same jobs that the UI launches.

The runs are kept in the instance that DAGSTER_HOME names, so that the UI shows them afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from aurora_dwh.instance import run_tags
from aurora_dwh.instance.health import open_instance

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
    """Materialize a range of days as one run.

    Args:
        job: `LOAD` or `MARTS`.
        assets: What to materialize; None for the whole job.
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
            instance=instance, asset_selection=assets, run_id=run_id, **quiet_arguments(first, last)
        )
    if not result.success:
        raise RuntimeError(f"run {run_id} failed: {'; '.join(reasons(result.all_events))}")


def quiet_arguments(first: date | None = None, last: date | None = None) -> dict[str, Any]:
    """Return what makes `execute_in_process` one run of a day or a range, whose caller says what came of it.

    Args:
        first: The first day; None where the assets have no days.
        last: The last day; None is the first.
    """
    quiet: dict[str, Any] = {
        "run_config": {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        "raise_on_error": False,
    }
    if first is None:
        return quiet
    if last is None or last == first:
        return quiet | {"partition_key": first.isoformat()}
    return quiet | {"tags": run_tags.of_range(first.isoformat(), last.isoformat())}


def reasons(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """Return why a run failed: its failed steps' messages, or its own where it did not come to a step."""
    steps = [event.step_failure_data for event in events if event.is_step_failure]
    named = [step.user_failure_data.description if step.user_failure_data else None for step in steps]
    reasons = [name or step.error_display_string for name, step in zip(named, steps, strict=True)]
    return reasons or [event.message or "" for event in events if event.is_failure]
