"""When the platform runs by itself, in the catalog's zone: the daily load, and the reconciliation on Sundays."""

from __future__ import annotations

import dagster as dg

from aurora_dwh.catalog import Catalog

HOURS_BEHIND_LOAD = 4
"""So that the reconciliation does not read Aurora together with the daily load."""


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


def build_reconcile_job() -> dg.UnresolvedAssetJobDefinition:
    """Return the job that looks for deleted rows in every table whose deletes are flagged or removed."""
    return dg.define_asset_job(
        "reconcile",
        selection=dg.AssetSelection.groups("reconcile"),
        description="Flags or removes the rows that are gone from Aurora, in the tables whose catalog entry says so.",
    )


def build_reconcile_schedule(*, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Return the weekly schedule of the reconciliation, some hours behind the daily load."""
    hour, minute = (int(part) for part in catalog.schedule.split(":"))
    hour = (hour + HOURS_BEHIND_LOAD) % 24
    return dg.ScheduleDefinition(
        name="reconcile",
        job=job,
        cron_schedule=f"{minute} {hour} * * SUN",
        execution_timezone=catalog.timezone,
        description=f"Looks for deleted rows on Sundays at {hour:02}:{minute:02} {catalog.timezone}.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
