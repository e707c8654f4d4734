"""The retention sensor: what Dagster keeps of runs that ended long ago is removed, a little at a time.

Nothing of what the runs made goes, and Dagster still knows which days are there; `aurora_dwh.instance.retention` says
what stays. Other code locations may share the instance: their runs are left alone. `aurora-dwh prune` takes all.
"""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

import dagster as dg

from aurora_dwh.core.models import utc_now
from aurora_dwh.orchestration.automation.gaps import HORIZON

KEPT = timedelta(days=30)
"""How long a run is kept after its end. Those without success are kept as long as the sensor `gaps` counts them."""

INTERVAL_SECONDS = 3600

TICK_SECONDS = 20.0
"""How long one tick may take, which Dagster ends after 60 seconds; the next goes on."""


def build_retention_sensor() -> dg.SensorDefinition:
    """Return the sensor that removes old runs of its code location, with their logs."""

    @dg.sensor(
        name="retention",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Removes runs that ended {KEPT.days} days ago, with their logs; those without success after "
        f"{HORIZON.days} days. Which days are there stays known.",
    )
    def retention(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from aurora_dwh.instance.retention import Pruned, Retention

        location = context.code_location_origin
        if location is None:
            raise dg.DagsterInvariantViolationError("the sensor needs to know its code location")
        started, now, kept = monotonic(), utc_now(), Retention(context.instance)
        label = f"{context.repository_name}@{location.location_name}"
        old = kept.old(now - KEPT, failed=now - HORIZON, location=label)
        done = Pruned()
        for batch in kept.prune(old):
            done += batch
            if monotonic() - started > TICK_SECONDS:
                break
        left = f"; {len(old) - done.runs:,} are left for the next ticks" if done.runs < len(old) else ""
        return dg.SkipReason(f"removed {done}{left}")

    return retention
