"""Transforms as assets: each becomes `lake/<name>`, downstream of the lake's tables that it reads, day by day.

Where its header says so, `staging/<name>` follows, by the load and with the checks of every table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from functools import partial

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.models import Extract, Window
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.assets.names import PLAIN, Names, asset_name
from aurora_dwh.orchestration.assets.step import code_link
from aurora_dwh.orchestration.assets.tables import Chains, build_lake_step, build_staging_step
from aurora_dwh.orchestration.automation.marts import mart_condition
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.transforms.computed import extract, rules_of
from aurora_dwh.transforms.model import Transform, TransformError


def build_transform_assets(
    *,
    transforms: Iterable[Transform],
    catalog: Catalog,
    partitions: dg.DailyPartitionsDefinition,
    names: Names = PLAIN,
    servers: Servers = ENVIRONMENT,
) -> list[dg.AssetsDefinition]:
    """Return the assets of transforms: one in the lake for each, and one in Redshift where its header says so.

    Raises:
        TransformError: Two of them, or one and a table, have one name, or one reads a table that there is not.
    """
    transforms = list(transforms)
    keys = {table.name: asset_name(table.name) for table in catalog.tables.values()}
    targets = {table.target: table.name for table in catalog.tables.values()}
    for one in transforms:
        if one.name in keys:
            raise TransformError(f"transform {one.name}: there is a table or a transform of that name; rename it")
        keys[one.name] = one.name
        target = one.table.target
        if one.header.staging and target in targets:
            raise TransformError(
                f"transform {one.name}: staging.{target} is the table of {targets[target]}; set another `target_table`"
            )
        targets |= {target: one.name} if one.header.staging else {}
    of = Chains(catalog, partitions, names, Addresses.of(servers))
    monthly = {keys[table.name] for table in catalog.tables.values() if table.schedule == "monthly"}
    made = []
    for one in transforms:
        unknown = [f"{schema}.{table}" for schema, table in one.inputs if table not in keys or table == one.name]
        if unknown:
            raise TransformError(
                f"transform {one.name} reads {', '.join(unknown)}, which is neither in the catalog nor another "
                f"transform; there are {', '.join(sorted(keys.keys() - {one.name}))}"
            )
        inputs = {name: name in monthly for name in sorted({keys[table] for _, table in one.inputs})}
        made.append(_lake(one, inputs, of))
        if one.header.staging:
            made.append(_staging(one, of))
    return made


def extracts(one: Transform, days: Iterable[date], lake: Lake, catalog: Catalog) -> Iterator[Extract]:
    """Yield days of a transform, each computed when it is asked for."""
    from aurora_dwh.lake.reader import Query

    table = one.table
    before = lake.newest(one.name)
    for day in days:
        yield extract(
            one.rows(Query(lake), day),
            table,
            _window(day, catalog),
            rules_of(table, f"lake/{one.name}", catalog.timezone),
            columns=one.header.columns,
            before=before.schema if before else None,
            statement=one.text if one.is_sql else "",
        )


def _window(day: date, catalog: Catalog) -> Window:
    start, end = (
        datetime.combine(one, time(), catalog.zone).astimezone(timezone.utc) for one in (day, day + timedelta(days=1))
    )
    return Window(day, start, end)


def _lake(one: Transform, inputs: Mapping[str, bool], of: Chains) -> dg.AssetsDefinition:
    """Return a transform's asset in the lake; of the assets that it reads those that are loaded monthly are marked."""
    spec = dg.AssetSpec(
        of.names.key("lake", one.name),
        deps=[of.names.key("lake", name) for name in inputs],
        automation_condition=mart_condition(
            by_day=True, monthly=[of.names.key("lake", name) for name, is_monthly in inputs.items() if is_monthly]
        ),
        group_name=of.names.group("lake"),
        kinds={"s3", "parquet", "duckdb" if one.is_sql else "python"},
        owners=one.header.owners,
        tags=one.header.tags,
        description=_description(one),
        metadata={
            "aurora_dwh/table": one.name,
            "mode": one.table.mode,
            **code_link(one.file),
            **of.places.of_lake(one.name),
        },
        partitions_def=of.partitions,
    )
    return build_lake_step(
        spec, one.table, of, lambda _, lake, days: extracts(one, days, lake, of.catalog), pool="transforms"
    )


def _staging(one: Transform, of: Chains) -> dg.AssetsDefinition:
    table = one.table
    spec = dg.AssetSpec(
        of.names.key("staging", one.name),
        deps=[of.names.key("lake", one.name)],
        automation_condition=mart_condition(by_day=True),
        group_name=of.names.group("staging"),
        kinds={"redshift", "table"},
        owners=one.header.owners,
        tags=one.header.tags,
        description=f"{one.header.description.strip()}\n\nWhat the transform computes, in Redshift.",
        metadata={"aurora_dwh/target": table.target, **of.places.of_warehouse("staging", table.target)},
        partitions_def=of.partitions,
    )
    return build_staging_step(spec, table, of, partial(rules_of, table, f"lake/{one.name}", of.catalog.timezone))


def _description(one: Transform) -> str:
    """Return what the transform's page says of it; the first line stands in lists, and so is plain text."""
    language = "sql" if one.is_sql else "python"
    return f"{one.header.description.strip()}\n\n```{language}\n{one.text.strip()}\n```"
