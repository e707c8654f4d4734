"""How jobs, schedules and the sensors of assets' own conditions are made: all of a project alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.assets.names import Names

Requests = Callable[[dg.ScheduleEvaluationContext], Iterator[dg.RunRequest | dg.SkipReason]]
"""Yields what a schedule asks for at a tick."""


def build_job(
    name: str,
    assets: Iterable[dg.AssetKey],
    description: str,
    *,
    names: Names,
    partitions: dg.DailyPartitionsDefinition | None = None,
) -> dg.UnresolvedAssetJobDefinition:
    """Return the job that makes assets, whose steps follow one another in one process."""
    return dg.define_asset_job(
        names.of_project(name),
        selection=dg.AssetSelection.assets(*assets),
        executor_def=stoppable_in_process_executor,
        description=description,
        partitions_def=partitions,
    )


def build_schedule(
    job: dg.UnresolvedAssetJobDefinition, catalog: Catalog, cron: str | Sequence[str], description: str, ask: Requests
) -> dg.ScheduleDefinition:
    """Return the schedule of a job, which has its name; it ticks in the catalog's zone, which is the partitions'."""
    return dg.schedule(
        name=job.name,
        job=job,
        cron_schedule=cron,
        execution_timezone=catalog.timezone,
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )(ask)


def build_condition_sensor(
    name: str, assets: Iterable[dg.AssetKey], description: str, *, names: Names
) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that makes assets when their own conditions say so."""
    return dg.AutomationConditionSensorDefinition(
        names.of_project(name),
        target=dg.AssetSelection.assets(*assets),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
