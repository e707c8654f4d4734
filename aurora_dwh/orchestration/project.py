"""A project as Dagster definitions: a catalog, its marts, and the three servers between which tables are copied.

`build_definitions` makes all that belongs to one source, and may be called for several in a code location, beside a
company's own definitions. `build_location_definitions` makes what a code location has once. How each is made is in
`assets` and `automation`; nothing here asks a server.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import dagster as dg

from aurora_dwh.catalog.model import Catalog, catalog_path, marts_folder, transforms_folder
from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.assets.marts import build_mart_assets
from aurora_dwh.orchestration.assets.names import Names
from aurora_dwh.orchestration.assets.proof import build_proof_assets
from aurora_dwh.orchestration.assets.quicksight import build_quicksight_assets
from aurora_dwh.orchestration.assets.tables import build_table_assets, daily_partitions
from aurora_dwh.orchestration.assets.today import build_today_assets
from aurora_dwh.orchestration.assets.transforms import build_transform_assets
from aurora_dwh.orchestration.automation.alerts import build_alert_sensors
from aurora_dwh.orchestration.automation.freshness import build_freshness_checks, build_freshness_sensor
from aurora_dwh.orchestration.automation.gaps import build_gap_sensor
from aurora_dwh.orchestration.automation.jobs import build_condition_sensor, build_job
from aurora_dwh.orchestration.automation.manual_exports import build_arrivals_sensor
from aurora_dwh.orchestration.automation.manual_exports_job import build_arrivals_job
from aurora_dwh.orchestration.automation.pools import build_pool_sensor
from aurora_dwh.orchestration.automation.retention import build_retention_sensor
from aurora_dwh.orchestration.automation.schedules import (
    build_daily_schedule,
    build_monthly_schedule,
    build_proof_schedule,
    daily_tables,
    monthly_tables,
)
from aurora_dwh.orchestration.automation.today import build_today_schedule, today_tables
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.settings.servers import Lake, Servers, Source, Warehouse
from aurora_dwh.transforms.model import Transform, read_transforms, staged_tables
from aurora_dwh.warehouse.marts.model import Mart, read_marts

T = TypeVar("T")

_JOBS = {
    "daily_load": "Copies one day of every table from Aurora through S3 into Redshift. Marts follow by themselves.",
    "monthly_load": "Copies the days of a month of the tables with `schedule: monthly`, as one run.",
    "today_load": "Copies the running day, as far as it is, of the tables whose schedule wants it.",
    "transforms": "Computes every transform for the days of the run, from what is in the lake.",
    "marts": "Builds every mart from what is in staging; those with days, for the days of the run.",
    "proof": "Compares tables in Redshift with Aurora, row by row, and mends what differs as the catalog says.",
}
"""The jobs that make assets, for schedules, sensors, and whoever does not wait for them -> what is said of them."""

_CONDITIONS = {
    "marts": "Builds each mart once all of its inputs' day has landed, and again where a day was loaded again.",
    "transforms": "Computes a transform's day once all that it reads has it, and again where it was read again.",
    "quicksight": "Refreshes each SPICE dataset when one of its marts was rebuilt and none is being built.",
}
"""Likewise the sensors that act by the conditions of their assets."""


def build_definitions(
    *,
    catalog: Catalog | Path | str | None = None,
    marts: Iterable[Mart] | Path | str | None = None,
    transforms: Iterable[Transform] | Path | str | None = None,
    source: Source = None,
    lake: Lake = None,
    warehouse: Warehouse = None,
    key_prefix: str | Sequence[str] | None = None,
    group_prefix: str | None = None,
) -> dg.Definitions:
    """Return the assets, checks, jobs, schedules, sensors and resources that copy one source.

    They can be merged with others by `dg.Definitions.merge`, those of another source too, where each source but one
    has a `key_prefix`, a Redshift schema of its own (`RedshiftSettings.staging_schema` and `bi_schema`) and a name in
    the lake, which is its database's. No executor is among them: jobs have theirs, and all other runs, such as those
    that the UI starts, have the code location's (see `build_location_definitions`).

        defs = dg.Definitions.merge(
            build_definitions(catalog="shop/catalog.yaml"),
            build_definitions(
                catalog="crm/catalog.yaml",
                key_prefix="crm",
                source=AuroraSettings(database="crm", host="crm.cluster-ro-x.amazonaws.com", secret_id="crm/reader"),
                warehouse=RedshiftSettings(database="dwh", workgroup="dwh", staging_schema="crm", bi_schema="crm_bi"),
            ),
            build_location_definitions(),
            dg.Definitions(assets=[my_asset]),
        )

    Args:
        catalog: What is copied: a file, or a catalog that was read. Default: the file that AURORA_DWH_CATALOG names, or
            else the sample shop's.
        marts: A folder of SQL files, or marts that were read. Default: the folder `marts` beside the catalog's file,
            and none where no file is given.
        transforms: Likewise; the folder `transforms`.
        source: How to reach Aurora: settings, or a function that returns them and is called when they are needed.
            Default: the AURORA_* variables.
        lake: Likewise of S3. Default: LAKE_URI and the AWS variables.
        warehouse: Likewise of Redshift. Default: the REDSHIFT_* variables.
        key_prefix: What all asset keys begin with, one part or several. The names of jobs, schedules, sensors,
            resources and pools begin with it too.
        group_prefix: What the names of the asset groups begin with. Default: as `key_prefix`.

    Raises:
        CatalogError: The catalog is missing or wrong; it names file, line, table and field.
        MartError: A mart is wrong, or reads what neither the catalog nor a transform nor a mart makes.
        TransformError: A transform is wrong, or reads a table that there is not.
        ValueError: A prefix is no name that Dagster takes.
    """
    file = None if isinstance(catalog, Catalog) else Path(catalog) if catalog else catalog_path()
    read = catalog if isinstance(catalog, Catalog) else Catalog.load(file)
    found = _given(marts, read_marts, file and marts_folder(file))
    computed = _given(transforms, read_transforms, file and transforms_folder(file))
    servers = Servers.of(source, lake, warehouse)
    with warnings.catch_warnings():
        # `backfill_policy=` and its like are beta in Dagster 1.13; without this each process prints the same lines.
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", category=category)
        return _build(read, file, found, computed, servers, Names.of(key_prefix, group_prefix))


def _given(given: Iterable[T] | Path | str | None, read: Callable[[Path], list[T]], folder: Path | None) -> list[T]:
    """Return what was given, or what is read in the folder that was; in the other one where nothing was."""
    if given is None or isinstance(given, Path | str):
        place = folder if given is None else Path(given)
        return read(place) if place else []
    return list(given)


def build_location_definitions() -> dg.Definitions:
    """Return what a code location has once, however many projects are in it.

    These are the executor of runs that belong to no job, in one process, as a process for each step costs more than the
    step; the sensor `retention`, which removes old runs of the whole location; and the alerts that the environment
    configures. Leave it out where a company's own definitions have another executor or keep their runs for longer.
    """
    return dg.Definitions(
        sensors=[build_retention_sensor(), *build_alert_sensors()], executor=stoppable_in_process_executor
    )


def _build(
    catalog: Catalog, file: Path | None, found: list[Mart], computed: list[Transform], servers: Servers, names: Names
) -> dg.Definitions:
    partitions = daily_partitions(catalog)
    marts = build_mart_assets(
        marts=found,
        catalog=catalog,
        partitions=partitions,
        computed={target: names.key("staging", name) for target, name in staged_tables(computed).items()},
        names=names,
        servers=servers,
    )
    transforms = build_transform_assets(
        transforms=computed, catalog=catalog, partitions=partitions, names=names, servers=servers
    )
    mart_keys = [mart.key for mart in marts]
    datasets = build_quicksight_assets(
        catalog=catalog, marts=[mart.name for mart in found], names=names, servers=servers, file=file
    )
    computed_keys = [one.key for one in transforms]
    tables = catalog.tables.values()

    def job(name: str, assets: Iterable[dg.AssetKey], *, by_day: bool = True) -> dg.UnresolvedAssetJobDefinition:
        return build_job(name, assets, _JOBS[name], names=names, partitions=partitions if by_day else None)

    daily_job = job("daily_load", names.chain_keys(daily_tables(catalog)))
    proof_job = job("proof", (names.table_key("proof", table) for table in tables), by_day=False)
    monthly_keys = names.chain_keys(monthly_tables(catalog))
    today_keys = [names.table_key("today", table) for table in today_tables(catalog)]
    monthly_jobs = [job("monthly_load", monthly_keys)] if monthly_keys else []
    today_jobs = [job("today_load", today_keys, by_day=False)] if today_keys else []
    transform_jobs = [job("transforms", computed_keys)] if computed else []
    mart_jobs = [job("marts", mart_keys)] if marts else []
    arrivals_job = build_arrivals_job(catalog=catalog, names=names, servers=servers)
    freshness_checks = build_freshness_checks(catalog=catalog, names=names)
    by_condition = {"marts": mart_keys, "transforms": computed_keys, "quicksight": [one.key for one in datasets]}
    return dg.Definitions(
        assets=[
            *build_table_assets(catalog=catalog, partitions=partitions, names=names, servers=servers),
            *transforms,
            *marts,
            *datasets,
            *build_today_assets(catalog=catalog, names=names, servers=servers),
            *build_proof_assets(catalog=catalog, names=names, servers=servers),
        ],
        asset_checks=freshness_checks,
        jobs=[daily_job, *monthly_jobs, *today_jobs, *transform_jobs, *mart_jobs, proof_job, arrivals_job],
        schedules=[
            build_daily_schedule(catalog=catalog, job=daily_job, names=names),
            *(build_monthly_schedule(catalog=catalog, job=job, names=names) for job in monthly_jobs),
            *(build_today_schedule(catalog=catalog, job=job, names=names) for job in today_jobs),
            build_proof_schedule(catalog=catalog, job=proof_job, names=names),
        ],
        sensors=[
            build_gap_sensor(
                catalog=catalog,
                jobs=[daily_job, *monthly_jobs, *transform_jobs, *mart_jobs],
                marts=mart_keys,
                transforms=computed,
                names=names,
            ),
            build_arrivals_sensor(catalog=catalog, intake=arrivals_job, job=daily_job, names=names, servers=servers),
            *(
                build_condition_sensor(name, keys, _CONDITIONS[name], names=names)
                for name, keys in by_condition.items()
                if keys
            ),
            *([build_freshness_sensor(catalog=catalog, names=names)] if freshness_checks else []),
            build_pool_sensor(catalog=catalog, names=names),
        ],
        resources=_resources(servers, names),
    )


def _resources(servers: Servers, names: Names) -> dict[str, dg.ResourceDefinition]:
    """Return the project's resources, made anew for each run: Dagster's configuration has no place for settings."""
    aurora, s3, redshift = (inspect.getdoc(of) for of in (AuroraResource, S3IOManager, RedshiftIOManager))
    return {
        names.of_project("aurora"): dg.ResourceDefinition(lambda _: AuroraResource.of(servers.source), None, aurora),
        names.of_project("s3_io"): dg.IOManagerDefinition(lambda _: S3IOManager.of(servers), description=s3),
        names.of_project("redshift_io"): dg.IOManagerDefinition(
            lambda _: RedshiftIOManager.of(servers), description=redshift
        ),
    }
