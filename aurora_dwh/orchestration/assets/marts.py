"""Marts as assets: each `marts/<name>.sql` becomes `bi/<name>`, downstream of the tables that its SELECT names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from functools import partial
from time import monotonic
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.schema import fold
from aurora_dwh.instance import COLUMNS
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.assets.checks import attempted, mart_check_results, mart_check_specs
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.assets.step import build_step, code_link
from aurora_dwh.orchestration.automation.marts import mart_condition
from aurora_dwh.orchestration.columns import table_schema
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.staging import Record, script
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.warehouse.marts.build import Built, build
from aurora_dwh.warehouse.marts.lineage import column_origins, lineage_list
from aurora_dwh.warehouse.marts.model import Mart, check_inputs


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
        computed: The staging tables that transforms make, and their assets.

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
    redshift_key, checks = names.of_project("redshift_io"), mart_check_specs(key, mart.header)

    def make(context: dg.AssetExecutionContext, _inputs: Mapping[str, Any]) -> Iterator[Any]:
        redshift_io: RedshiftIOManager = getattr(context.resources, redshift_key)
        started, days = monotonic(), _days(context) if incremental else None
        attempt = partial(build, redshift_io.warehouse, mart, schemas=redshift_io.schemas, days=days)
        done = yield from attempted(context, checks, attempt)
        _record(context, mart, done, monotonic() - started)
        yield dg.MaterializeResult()
        yield from mart_check_results(mart.header, done)

    spec = dg.AssetSpec(
        key,
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
        partitions_def=partitions if incremental else None,
    )
    return build_step(
        make,
        spec=spec,
        out=dg.Out(dg.Any, io_manager_key=redshift_key),
        checks=checks,
        resources={redshift_key},
        pool=names.of_project("redshift"),
    )


def _days(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """Return the first of the run's days, and the one behind the last."""
    days = list(map(date.fromisoformat, context.partition_keys))
    return min(days), max(days) + timedelta(days=1)


def _record(context: dg.AssetExecutionContext, mart: Mart, done: Built, seconds: float) -> None:
    """Say on the asset's page what was built, on the page of each day too where it has days."""
    record = Record.of(context)
    for key in record.partitions:
        record.add({"dagster/partition_row_count": done.days.get(date.fromisoformat(key), 0)}, key)
    for day in sorted(done.days.keys() - map(date.fromisoformat, record.partitions) if record.partitions else ()):
        if context.assets_def.partitions_def.has_partition_key(day.isoformat()):  # of a view that had all of them
            rows = {"dagster/partition_row_count": done.days[day]}
            record.log_event(dg.AssetMaterialization(record.asset, partition=day.isoformat(), metadata=rows))
    metadata: dict[str, Any] = {
        "build_seconds": round(seconds, 3),
        "statements": script(done.statements),
        "rows_built" if record.partitions else "dagster/row_count": done.figures.rows,
    }
    if done.columns:
        texts = {fold(name): text for name, text in mart.header.descriptions.items()}
        shown = [(name, kind, texts.get(name, "")) for name, kind in done.columns]
        metadata[COLUMNS] = table_schema(shown, key=mart.header.grain, required=())
    record.add(metadata, max(record.partitions, default=None))


def _description(mart: Mart) -> str:
    """Return what the mart's page says of it; the first line stands in lists, and so is plain text."""
    origins = column_origins(mart)
    lineage = f"\n\n### Columns\n\n{lineage_list(origins)}" if origins else ""
    return f"{mart.header.description.strip()}\n\n### SQL\n\n```sql\n{mart.query}\n```{lineage}"
