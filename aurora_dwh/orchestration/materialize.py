"""An asset materialized by a command: a run of Dagster's own in this process, so that its record and the UI know of it.

A table that is made beside Dagster would be missing or stale there, and sensors would make it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from aurora_dwh.core.models import DataError
from aurora_dwh.instance.health import open_instance
from aurora_dwh.orchestration.assets.names import PLAIN
from aurora_dwh.orchestration.runs import quiet_arguments, reasons


class RunError(DataError):
    """A run that failed; the message is the failed step's."""


@dataclass(frozen=True)
class Materialized:
    """A run that succeeded."""

    run_id: str  # Dagster's id of the run
    # what the asset's checks found; one that did not pass is a warning, for another would have failed the run
    checks: tuple[dg.AssetCheckEvaluation, ...]


def materialize(location: dg.Definitions, layer: str, name: str, days: Sequence[date] = ()) -> Materialized:
    """Materialize an asset in a run of its own.

    Args:
        layer: The first part of its key, such as `bi`.
        days: Consecutive days, of an asset that has days.

    Raises:
        ConfigError: No instance of Dagster's is named.
        RunError: The run failed.
        KeyboardInterrupt: It was stopped.
    """
    with open_instance() as instance:
        job = location.resolve_implicit_global_asset_job_def()
        try:
            result = job.execute_in_process(
                instance=instance, asset_selection=[PLAIN.key(layer, name)], **quiet_arguments(*days[:1], *days[-1:])
            )
        except dg.DagsterExecutionInterruptedError as interrupt:
            raise KeyboardInterrupt from interrupt
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    if dg.DagsterExecutionInterruptedError.__name__ in [error.cls_name for error in failures if error]:
        raise KeyboardInterrupt  # which a step tells of as of a failure
    if not result.success:
        raise RunError("; ".join(reasons(result.all_events)))
    return Materialized(result.run_id, tuple(result.get_asset_check_evaluations()))
