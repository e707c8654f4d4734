"""When the platform runs by itself: yesterday's day of the whole graph, each day at the catalog's hour in its zone."""

from __future__ import annotations

import dagster as dg

from aurora_dwh.catalog import Catalog


def build_daily_job(*, partitions: dg.DailyPartitionsDefinition) -> dg.UnresolvedAssetJobDefinition:
    """Return the job of a day: every table's lake and staging, then the marts."""
    return dg.define_asset_job(
        "daily_load",
        selection=dg.AssetSelection.groups("lake", "staging", "bi"),
        description="Copies one day of every table from Aurora through S3 into Redshift and builds the marts.",
        partitions_def=partitions,
    )


def build_daily_schedule(
    *, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition
) -> dg.ScheduleDefinition | dg.UnresolvedPartitionedAssetScheduleDefinition:
    """Return the schedule of the daily job; its zone is the partitions' zone."""
    hour, minute = (int(part) for part in catalog.schedule.split(":"))
    return dg.build_schedule_from_partitioned_job(
        job,
        name="daily_load",
        hour_of_day=hour,
        minute_of_hour=minute,
        description=f"Loads yesterday at {catalog.schedule} {catalog.timezone}.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
