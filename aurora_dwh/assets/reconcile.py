"""The factory of `reconcile/<table>` assets: one, without days, for each table whose catalog entry asks for deletes.

Here the source, the lake and the warehouse are joined for it: the key's columns are read, put into the lake for a
while, and compared in Redshift. What the comparison does is `warehouse.reconcile`.
"""

from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import Field

from aurora_dwh.assets.tables import asset_name
from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.failures import RETRY, named_failures
from aurora_dwh.lake.io_manager import S3IOManager
from aurora_dwh.schema import fold
from aurora_dwh.source.resource import AuroraResource
from aurora_dwh.warehouse.io_manager import RedshiftIOManager, staging_target
from aurora_dwh.warehouse.reconcile import MAX_SHARE, Reconciled, prepare, reconcile


class ReconcileConfig(dg.Config):
    """What may be set for one run."""

    max_share: float = Field(
        default=MAX_SHARE,
        ge=0,
        le=1,
        description="The share of a table's live rows, from 0 to 1, that may be gone from the source. More is refused, "
        "for it is rather a wrong source than deleted rows; 1 allows all of them.",
    )


def build_reconcile_assets(*, catalog: Catalog) -> list[dg.AssetsDefinition]:
    """Return the assets that reconcile tables with deletes, none where no table has `deletes: flag` or `remove`."""
    return [_reconcile(table, catalog) for table in catalog.tables.values() if table.deletes != "keep"]


def keys_of(table: Table) -> Table:
    """Return the table as its keys are read: nothing but the key's columns, of all the rows that are copied."""
    names = {fold(name) for name in table.key}
    cursor = table.cursor if fold(table.cursor or "") in names else None  # which no policy makes a text
    return table.model_copy(
        update={
            "mode": "full",
            "include": table.key,
            "exclude": (),
            "cursor": cursor,
            "soft_delete": None,
            "mask": {name: mask for name, mask in table.mask.items() if fold(name) in names},
            "extract": "stream",
            "dist_key": None,
            "sort_key": (),
        }
    )


def _reconcile(table: Table, catalog: Catalog) -> dg.AssetsDefinition:
    done = {"flag": "flagged in `_dwh_deleted`", "remove": "removed"}[table.deletes]

    @dg.asset(
        key=["reconcile", asset_name(table.name)],
        deps=[["aurora", asset_name(table.name)], ["staging", asset_name(table.name)]],
        group_name="reconcile",
        kinds={"mysql", "redshift"},
        owners=table.owners,
        tags=table.tags,
        description=(
            f"Rows of `staging.{table.target}` that are gone from Aurora are {done}.\n\n"
            "All keys are read from Aurora and compared in Redshift; too many gone at once are refused."
        ),
        metadata={"dagster/table_name": f"staging.{table.target}"},
        retry_policy=RETRY,
        pool="aurora",
        required_resource_keys={"aurora", "s3_io", "redshift_io"},
    )
    def reconcile_table(context: dg.AssetExecutionContext, config: ReconcileConfig) -> dg.MaterializeResult[Any]:
        aurora: AuroraResource = context.resources.aurora
        s3_io: S3IOManager = context.resources.s3_io
        redshift_io: RedshiftIOManager = context.resources.redshift_io
        started = monotonic()
        with named_failures(context.asset_key, attempts_left=context.retry_number < RETRY.max_retries):
            warehouse = redshift_io.warehouse
            target = staging_target(table, warehouse.settings.staging_schema)
            prepare(warehouse, target)
            lake = s3_io.lake
            with lake.keys(table.name, aurora.extract(keys_of(table), catalog, [_day(catalog)], context.log)) as keys:
                found = reconcile(warehouse, lake, target, keys, max_share=config.max_share, run_id=context.run_id)
        context.log.info(f"{target.label}: {found.gone} of {found.live_rows} rows were gone and are {done}")
        return dg.MaterializeResult(metadata=_metadata(table, found, keys.snapshot_at, monotonic() - started))

    return reconcile_table


def _metadata(table: Table, found: Reconciled, read_at: datetime, seconds: float) -> dict[str, Any]:
    outcome = {
        "flag": {"rows_flagged": found.gone, "rows_unflagged": found.back},
        "remove": {"rows_removed": found.gone},
    }
    return {
        "source_keys": found.source_keys,
        "staging_rows": found.live_rows,
        **outcome[table.deletes],
        "share": round(found.share, 6),
        "snapshot_at": dg.MetadataValue.timestamp(read_at),
        "seconds": round(seconds, 3),
        "statements": dg.MetadataValue.md("```sql\n" + ";\n\n".join(found.statements) + ";\n```"),
    }


def _day(catalog: Catalog) -> date:
    """Return the last day that is over, whose end the source's data must have reached."""
    return max(datetime.now(catalog.zone).date() - timedelta(days=1), catalog.start_date)
