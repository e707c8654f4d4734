"""The factory of table chains: `aurora/<table>` (external) -> `lake/<table>` -> `staging/<table>`, one for each table.

All chains share one partitions definition and one backfill policy, so that Dagster runs a range of days of a chain as
one run. Building them reads the catalog only; no server is asked.
"""

import re
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import dagster as dg

from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.failures import RETRY
from aurora_dwh.handoff import Manifest
from aurora_dwh.lake.io_manager import S3IOManager
from aurora_dwh.source.resource import AuroraResource
from aurora_dwh.warehouse.io_manager import StagingLoad

BACKFILL = dg.BackfillPolicy.single_run()
"""A range of days is one run: Dagster keeps a chain's assets together only where this is equal for all of them."""


def daily_partitions(catalog: Catalog) -> dg.DailyPartitionsDefinition:
    """Return the one partitions definition: days of the catalog's zone, the last one being yesterday."""
    return dg.DailyPartitionsDefinition(start_date=catalog.start_date.isoformat(), timezone=catalog.timezone)


def asset_name(table: str) -> str:
    """Return a table's name in asset keys: itself, where Dagster allows it, else what it allows and a digest."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", table)
    return plain if plain == table else f"{plain}_{sha256(table.encode()).hexdigest()[:6]}"


def build_table_assets(
    *, catalog: Catalog, partitions: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return the chains of all the catalog's tables.

    Args:
        catalog: What is copied.
        partitions: `daily_partitions(catalog)`; one object, since equal days must be the same days.
    """
    chains: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for table in catalog.tables.values():
        chains += [_source(table), _lake(table, catalog, partitions), _staging(table, partitions)]
    return chains


def _described(table: Table, what: str) -> str:
    return f"{table.description or table.name}\n\n{what}"


def _source(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["aurora", asset_name(table.name)],
        group_name="aurora",
        kinds={"mysql"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, f"The table `{table.name}` in Aurora MySQL. It is only read."),
    )


def _lake(table: Table, catalog: Catalog, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key=["lake", asset_name(table.name)],
        deps=[["aurora", asset_name(table.name)]],
        group_name="lake",
        kinds={"s3", "parquet"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, _lake_text(table)),
        metadata={"aurora_dwh/table": table.name, "mode": table.mode},
        partitions_def=partitions,
        backfill_policy=BACKFILL,
        io_manager_key="s3_io",
        retry_policy=RETRY,
        pool="aurora",
    )
    def lake(context: dg.AssetExecutionContext, aurora: AuroraResource) -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(value=aurora.extract(table, catalog, _days(context.partition_keys), context.log))

    return lake


def _staging(table: Table, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key=["staging", asset_name(table.name)],
        ins={"manifests": dg.AssetIn(["lake", asset_name(table.name)], input_manager_key="s3_io")},
        group_name="staging",
        kinds={"redshift", "table"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, _staging_text(table)),
        metadata={"aurora_dwh/target": table.target, "dagster/table_name": f"staging.{table.target}"},
        partitions_def=partitions,
        backfill_policy=BACKFILL,
        io_manager_key="redshift_io",
        retry_policy=RETRY,
        pool="redshift",
        required_resource_keys={"s3_io"},
    )
    def staging(context: dg.AssetExecutionContext, manifests: list[Manifest]) -> dg.MaterializeResult[Any]:
        s3_io: S3IOManager = context.resources.s3_io
        return dg.MaterializeResult(value=StagingLoad(table, manifests, s3_io.lake))

    return staging


def _lake_text(table: Table) -> str:
    rows = {
        "incremental": f"the rows whose `{table.cursor}` lies in the day",
        "append": f"the rows whose `{table.cursor}` lies in the day",
        "full": "the whole table as it was when the day was read",
    }[table.mode]
    return f"A day holds {rows}, as Parquet files and a manifest on S3."


def _staging_text(table: Table) -> str:
    how = {
        "incremental": f"upserted by `{', '.join(table.key)}`, the newest `{table.cursor}` wins",
        "append": "each day replaced as one unit",
        "full": "the whole table replaced in one transaction",
    }[table.mode]
    return f"The exact copy of the source's rows in Redshift: {how}."


def _days(keys: Sequence[str]) -> list[date]:
    return [date.fromisoformat(key) for key in keys]
