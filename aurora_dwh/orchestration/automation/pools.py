"""The pool sensor: the limits of the pools `aurora` and `redshift` are what the catalog says, on every instance.

Dagster keeps such limits in the instance's storage, for which there is no setting in dagster.yaml. A sensor sets them
from whichever daemon serves the code location, at its start and when a changed catalog has been deployed, so that no
start command of any deployment has to. Until its first tick the instance's default limit holds.
"""

from __future__ import annotations

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.orchestration.assets.names import PLAIN, Names

INTERVAL_SECONDS = 300


def build_pool_sensor(*, catalog: Catalog, names: Names = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that sets the limits of the pools."""

    @dg.sensor(
        name=names.of_project("pools"),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sets how many steps may use Aurora and Redshift at once, as `pools` in the catalog says.",
    )
    def pools(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        changed = set_pools(context.instance, catalog, names)
        return dg.SkipReason(f"set {', '.join(changed)}" if changed else "the limits are the catalog's")

    return pools


def set_pools(instance: dg.DagsterInstance, catalog: Catalog, names: Names = PLAIN) -> list[str]:
    """Set the instance's limits of the catalog's pools, and return those that were others, as texts."""
    storage = instance.event_log_storage
    limits = {limit.name: limit.limit for limit in storage.get_pool_limits() if not limit.from_default}
    wanted = {names.of_project(pool): limit for pool, limit in catalog.pools.model_dump().items()}
    changed = {pool: limit for pool, limit in wanted.items() if limits.get(pool) != limit}
    for pool, limit in changed.items():
        storage.set_concurrency_slots(pool, limit)
    return [f"{pool} to {limit}" for pool, limit in changed.items()]
