"""The code location: the catalog and the marts' SQL become assets, jobs, schedules and resources; nothing else."""

import warnings
from pathlib import Path

import dagster as dg

from aurora_dwh.catalog import catalog_path
from aurora_dwh.loading import loaded_once

# `backfill_policy=` and its like are beta in Dagster 1.13; without this each process prints the same lines.
for category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=category)

BI_FOLDER = Path(__file__).with_name("bi")


def _files() -> list[Path]:
    from aurora_dwh.transforms import transforms_folder

    folder = transforms_folder()
    return [catalog_path(), *sorted([*BI_FOLDER.glob("*.sql"), *folder.glob("*.sql"), *folder.glob("*.py")])]


@dg.definitions
@loaded_once(_files)
def defs() -> dg.Definitions:
    """Assemble the code location from the catalog that the environment names."""
    from aurora_dwh.assets.marts import build_mart_assets
    from aurora_dwh.assets.proof import build_proof_assets
    from aurora_dwh.assets.quicksight import build_quicksight_assets
    from aurora_dwh.assets.tables import build_table_assets, daily_partitions
    from aurora_dwh.assets.transforms import build_transform_assets
    from aurora_dwh.automation.alerts import build_alert_sensors
    from aurora_dwh.automation.arrivals import build_arrivals_sensor
    from aurora_dwh.automation.freshness import build_freshness_checks, build_freshness_sensor
    from aurora_dwh.automation.gaps import build_gap_sensor
    from aurora_dwh.automation.marts import build_mart_job, build_mart_sensor
    from aurora_dwh.automation.pools import build_pool_sensor
    from aurora_dwh.automation.quicksight import build_quicksight_sensor
    from aurora_dwh.automation.retention import build_retention_sensor
    from aurora_dwh.automation.schedules import (
        build_daily_job,
        build_daily_schedule,
        build_monthly_job,
        build_monthly_schedule,
        build_proof_job,
        build_proof_schedule,
        monthly_tables,
    )
    from aurora_dwh.automation.transforms import build_transform_sensor
    from aurora_dwh.catalog import Catalog
    from aurora_dwh.executor import stoppable_in_process_executor
    from aurora_dwh.lake.io_manager import S3IOManager
    from aurora_dwh.source.resource import AuroraResource
    from aurora_dwh.transforms import read_transforms, transforms_folder
    from aurora_dwh.warehouse.io_manager import RedshiftIOManager
    from aurora_dwh.warehouse.mart import read_marts

    catalog = Catalog.load()
    partitions = daily_partitions(catalog)
    daily_job = build_daily_job(catalog=catalog, partitions=partitions)
    monthly_jobs = [build_monthly_job(catalog=catalog, partitions=partitions)] if monthly_tables(catalog) else []
    marts = build_mart_assets(marts=read_marts(BI_FOLDER), catalog=catalog, partitions=partitions)
    transforms = build_transform_assets(
        transforms=read_transforms(transforms_folder()), catalog=catalog, partitions=partitions
    )
    datasets = build_quicksight_assets(catalog=catalog, marts=[mart.key.path[-1] for mart in marts])
    proof_job = build_proof_job()
    mart_jobs = [build_mart_job(partitions=partitions)] if marts else []
    freshness_checks = build_freshness_checks(catalog=catalog)
    return dg.Definitions(
        assets=[
            *build_table_assets(catalog=catalog, partitions=partitions),
            *transforms,
            *marts,
            *datasets,
            *build_proof_assets(catalog=catalog),
        ],
        asset_checks=freshness_checks,
        jobs=[daily_job, *monthly_jobs, *mart_jobs, proof_job],
        schedules=[
            build_daily_schedule(catalog=catalog, job=daily_job),
            *(build_monthly_schedule(catalog=catalog, job=job) for job in monthly_jobs),
            build_proof_schedule(catalog=catalog, job=proof_job),
        ],
        sensors=[
            build_gap_sensor(catalog=catalog, jobs=[daily_job, *monthly_jobs, *mart_jobs]),
            build_arrivals_sensor(catalog=catalog, job=daily_job),
            *([build_mart_sensor()] if marts else []),
            *([build_transform_sensor(transforms=[one.key for one in transforms])] if transforms else []),
            *([build_freshness_sensor(catalog=catalog)] if freshness_checks else []),
            build_pool_sensor(catalog=catalog),
            build_retention_sensor(),
            *build_alert_sensors(),
            *([build_quicksight_sensor()] if datasets else []),
        ],
        resources={"aurora": AuroraResource(), "s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()},
        # A step in its own process costs 20 to 40 times what the step itself does.
        executor=stoppable_in_process_executor,
    )
