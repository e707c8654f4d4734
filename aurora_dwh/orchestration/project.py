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
from aurora_dwh.orchestration.automation.manual_exports import build_arrivals_sensor
from aurora_dwh.orchestration.automation.manual_exports_job import build_arrivals_job
from aurora_dwh.orchestration.automation.marts import build_mart_job, build_mart_sensor
from aurora_dwh.orchestration.automation.pools import build_pool_sensor
from aurora_dwh.orchestration.automation.quicksight import build_quicksight_sensor
from aurora_dwh.orchestration.automation.retention import build_retention_sensor
from aurora_dwh.orchestration.automation.schedules import (
    build_daily_job,
    build_daily_schedule,
    build_monthly_job,
    build_monthly_schedule,
    build_proof_job,
    build_proof_schedule,
    monthly_tables,
)
from aurora_dwh.orchestration.automation.today import build_today_job, build_today_schedule, today_tables
from aurora_dwh.orchestration.automation.transforms import build_transform_job, build_transform_sensor
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.settings.servers import Lake, Servers, Source, Warehouse
from aurora_dwh.transforms.model import Transform, read_transforms, staged_tables
from aurora_dwh.warehouse.marts.model import Mart, read_marts

T = TypeVar("T")


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
    catalog: Catalog,
    file: Path | None,
    found: list[Mart],
    computed: list[Transform],
    servers: Servers,
    names: Names,
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
    daily_job = build_daily_job(catalog=catalog, partitions=partitions, names=names)
    monthly_jobs = (
        [build_monthly_job(catalog=catalog, partitions=partitions, names=names)] if monthly_tables(catalog) else []
    )
    today_jobs = [build_today_job(catalog=catalog, names=names)] if today_tables(catalog) else []
    computed_keys = [one.key for one in transforms]
    transform_jobs = (
        [build_transform_job(transforms=computed_keys, partitions=partitions, names=names)] if computed else []
    )
    mart_jobs = [build_mart_job(marts=mart_keys, partitions=partitions, names=names)] if marts else []
    proof_job = build_proof_job(catalog=catalog, names=names)
    arrivals_job = build_arrivals_job(catalog=catalog, names=names, servers=servers)
    freshness_checks = build_freshness_checks(catalog=catalog, names=names)
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
            *([build_mart_sensor(marts=mart_keys, names=names)] if marts else []),
            *([build_transform_sensor(transforms=computed_keys, names=names)] if transforms else []),
            *([build_freshness_sensor(catalog=catalog, names=names)] if freshness_checks else []),
            build_pool_sensor(catalog=catalog, names=names),
            *([build_quicksight_sensor(datasets=[d.key for d in datasets], names=names)] if datasets else []),
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
