"""Marts as assets: each `bi/<name>.sql` becomes `bi/<name>`, downstream of the tables that its SELECT names."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from aurora_dwh.assets.tables import BACKFILL, asset_name
from aurora_dwh.catalog import Catalog
from aurora_dwh.failures import RETRY
from aurora_dwh.warehouse.mart import Mart, MartError


def build_mart_assets(
    *, marts: Iterable[Mart], catalog: Catalog, partitions: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """Return an asset for each mart of the catalog.

    A mart that reads none of the catalog's tables belongs to another catalog, as the sample shop's do beside one's own,
    and is left out; one that lacks some of its tables is an error.

    Args:
        marts: As `read_marts` gives them.
        catalog: Which staging tables there are.
        partitions: The days of the table chains, which incremental marts share.

    Raises:
        MartError: A mart reads one of the catalog's tables, and another that neither the catalog nor a mart makes.
    """
    staging = {("staging", table.target): asset_name(table.name) for table in catalog.tables.values()}
    marts = _of_catalog(list(marts), set(staging))
    known = staging | {("bi", mart.name): mart.name for mart in marts}
    return [_mart(mart, known, partitions) for mart in marts]


def _of_catalog(marts: list[Mart], tables: set[tuple[str, str]]) -> list[Mart]:
    """Return the marts that read, themselves or through other marts, at least one of the tables."""
    found: list[Mart] = []
    reached = set(tables)
    while more := [mart for mart in marts if mart not in found and reached.intersection(mart.inputs)]:
        found += more
        reached |= {("bi", mart.name) for mart in more}
    return [mart for mart in marts if mart in found or not mart.inputs]


def _mart(
    mart: Mart, known: dict[tuple[str, str], str], partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    unknown = [f"{schema}.{name}" for schema, name in mart.inputs if (schema, name) not in known]
    if unknown:
        raise MartError(f"{mart.name}.sql reads {', '.join(unknown)}, which is neither in the catalog nor a mart")
    incremental = mart.header.materialization == "incremental"

    @dg.asset(
        key=["bi", mart.name],
        deps=[[schema, known[schema, name]] for schema, name in mart.inputs],
        group_name="bi",
        kinds={"redshift", "view" if mart.header.materialization == "view" else "sql"},
        owners=mart.header.owners,
        description=f"{mart.header.description.strip()}\n\n```sql\n{mart.query}\n```",
        metadata={
            "dagster/table_name": f"bi.{mart.name}",
            "materialization": mart.header.materialization,
            "grain": ", ".join(mart.header.grain),
            **({"aurora_dwh/day_column": mart.header.day_column} if incremental else {}),
        },
        partitions_def=partitions if incremental else None,
        backfill_policy=BACKFILL if incremental else None,
        io_manager_key="redshift_io",
        retry_policy=RETRY,
        pool="redshift",
    )
    def build() -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(value=mart)

    return build
