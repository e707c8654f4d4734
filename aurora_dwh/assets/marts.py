"""Marts as assets: each `marts/<name>.sql` becomes `bi/<name>`, downstream of the tables that its SELECT names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg

from aurora_dwh.assets.addresses import Addresses
from aurora_dwh.assets.checks import mart_check_results, mart_check_specs
from aurora_dwh.assets.names import PLAIN, Names
from aurora_dwh.assets.step import BACKFILL, code_link
from aurora_dwh.automation.marts import mart_condition
from aurora_dwh.catalog import Catalog
from aurora_dwh.failures import RETRY
from aurora_dwh.servers import ENVIRONMENT, Servers
from aurora_dwh.stopping import stoppable_parts
from aurora_dwh.warehouse.io_manager import MartBuild
from aurora_dwh.warehouse.lineage import column_origins, lineage_list
from aurora_dwh.warehouse.mart import Mart, check_inputs


def build_mart_assets(
    *,
    marts: Iterable[Mart],
    catalog: Catalog,
    partitions: dg.DailyPartitionsDefinition,
    computed: Mapping[str, dg.AssetKey] | None = None,
    names: Names = PLAIN,
    servers: Servers = ENVIRONMENT,
) -> list[dg.AssetsDefinition]:
    """Return an asset for each mart.

    Args:
        marts: As `read_marts` gives them.
        catalog: Which staging tables there are.
        partitions: The days of the table chains, which incremental marts share.
        computed: The staging tables that transforms make, and their assets.
        names: What the assets are called.
        servers: Where their data lie.

    Raises:
        MartError: A mart reads what neither the catalog nor a transform nor a mart makes.
    """
    marts = list(marts)
    check_inputs(marts, catalog, computed or {})
    tables = catalog.tables.values()
    known = {("staging", table.target): names.table_key("staging", table) for table in tables}
    known |= {("staging", target): key for target, key in (computed or {}).items()}
    known |= {("bi", mart.name): names.key("bi", mart.name) for mart in marts}
    monthly = {names.table_key("staging", table) for table in tables if table.schedule == "monthly"}
    places = Addresses.of(servers)
    return [_mart(mart, [known[one] for one in mart.inputs], partitions, names, places, monthly) for mart in marts]


def _mart(
    mart: Mart,
    inputs: Sequence[dg.AssetKey],
    partitions: dg.DailyPartitionsDefinition,
    names: Names,
    places: Addresses,
    monthly: AbstractSet[dg.AssetKey],
) -> dg.AssetsDefinition:
    key = names.key("bi", mart.name)
    incremental = mart.header.materialization == "incremental"

    @dg.asset(
        key=key,
        deps=inputs,
        automation_condition=mart_condition(by_day=incremental, monthly=sorted(monthly & set(inputs))),
        group_name=names.group("bi"),
        kinds={"redshift", "view" if mart.header.materialization == "view" else "sql"},
        owners=mart.header.owners,
        description=_description(mart),
        metadata={
            **places.of_warehouse("bi", mart.name),
            **code_link(mart.file),
            "materialization": mart.header.materialization,
            "grain": ", ".join(mart.header.grain),
            **({"aurora_dwh/day_column": mart.header.day_column} if incremental else {}),
        },
        check_specs=mart_check_specs(key, mart.header),
        partitions_def=partitions if incremental else None,
        backfill_policy=BACKFILL if incremental else None,
        io_manager_key=names.of_project("redshift_io"),
        retry_policy=RETRY,
        pool=names.of_project("redshift"),
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from aurora_dwh.instance.details import drop_repeated_columns

        work = MartBuild(mart)
        yield dg.MaterializeResult(value=work)  # the IO manager has built it when the next line is reached
        drop_repeated_columns(context.instance, key)
        yield from stoppable_parts(context, mart_check_results(mart.header, work.built))

    return build


def _description(mart: Mart) -> str:
    """Return what the mart's page says of it; the first line stands in lists, and so is plain text."""
    origins = column_origins(mart)
    lineage = f"\n\n### Columns\n\n{lineage_list(origins)}" if origins else ""
    return f"{mart.header.description.strip()}\n\n### SQL\n\n```sql\n{mart.query}\n```{lineage}"
