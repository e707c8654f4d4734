"""The factory of table chains: `aurora/<table>` (external) -> `lake/<table>` -> `staging/<table>`, one for each table.

All chains share one partitions definition and one backfill policy, so that Dagster runs a range of days of a chain as
one run. Building them reads the catalog only; no server is asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Export, Extract, Manifest, Readings
from aurora_dwh.core.rules import Rules
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.assets.checks import (
    attempted,
    glue_check_result,
    glue_check_specs,
    staging_check_results,
    staging_check_specs,
)
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.assets.step import build_step
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.orchestration.staging import Record, load_days
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.source.coverage import mismatches, seams
from aurora_dwh.source.factory import counted_again, rules_of_any_source
from aurora_dwh.warehouse.load.transaction import Loaded

_MANIFESTS = dg.In(list[Manifest])

Read = Callable[[dg.AssetExecutionContext, Lake, Sequence[date]], Iterator[Extract | Export]]
"""Reads a table's days, each when it is asked for."""


def daily_partitions(catalog: Catalog) -> dg.DailyPartitionsDefinition:
    """Return the one partitions definition: days of the catalog's zone, the last one being yesterday."""
    return dg.DailyPartitionsDefinition(start_date=catalog.start_date.isoformat(), timezone=catalog.timezone)


def build_table_assets(
    *, catalog: Catalog, partitions: dg.DailyPartitionsDefinition, names: Names = PLAIN, servers: Servers = ENVIRONMENT
) -> list[dg.AssetsDefinition]:
    """Return the chains of all the catalog's tables: their sources as one definition, for nothing makes those.

    Args:
        partitions: `daily_partitions(catalog)`; one object, since equal days must be the same days.
    """
    chains, tables = Chains(catalog, partitions, names, Addresses.of(servers), servers.source), catalog.tables.values()
    return [
        dg.AssetsDefinition(specs=[_source(table, chains) for table in tables]),
        *(_lake(table, chains) for table in tables),
        *(_staging(table, chains) for table in tables),
    ]


@dataclass(frozen=True)
class Chains:
    """What the assets of all tables and transforms of a project have in common."""

    catalog: Catalog
    partitions: dg.DailyPartitionsDefinition
    names: Names
    places: Addresses
    source: Callable[[], AuroraSettings] = AuroraSettings.from_env


def _described(table: Table, otherwise: str, what: str) -> str:
    """Return a description; its first line stands in lists, and so is plain text."""
    return f"{table.description.strip() or otherwise}\n\n{what}"


def _source(table: Table, of: Chains) -> dg.AssetSpec:
    return dg.AssetSpec(
        of.names.table_key("aurora", table),
        group_name=of.names.group("aurora"),
        kinds={"mysql"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, f"Table {table.name} of the source.", _source_text(table)),
        metadata={
            "mode": table.mode,
            **({"cursor": table.cursor} if table.cursor else {}),
            **of.places.of_source(table.name),
        },
    )


def _lake(table: Table, of: Chains) -> dg.AssetsDefinition:
    names, aurora_key = of.names, of.names.of_project("aurora")

    def read(context: dg.AssetExecutionContext, lake: Lake, days: Sequence[date]) -> Iterator[Extract | Export]:
        aurora: AuroraResource = getattr(context.resources, aurora_key)
        known, had = partial(lake.counts, table.name), partial(lake.columns, table.name)
        return aurora.days(table, of.catalog, days, context.log, known, had)

    spec = dg.AssetSpec(
        names.table_key("lake", table),
        deps=[names.table_key("aurora", table)],
        group_name=names.group("lake"),
        kinds={"s3", "parquet" if table.extract == "stream" else "csv"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, f"Table {table.name} in the lake, a folder for each day.", _lake_text(table)),
        metadata={"aurora_dwh/table": table.name, "mode": table.mode, **of.places.of_lake(table.name)},
        partitions_def=of.partitions,
    )
    return build_lake_step(spec, table, of, read, resources={aurora_key}, pool="aurora")


def build_lake_step(
    spec: dg.AssetSpec, table: Table, of: Chains, read: Read, *, resources: Set[str] = frozenset(), pool: str
) -> dg.AssetsDefinition:
    """Return the asset of a table's days in the lake, which a step reads, and Athena finds where Glue knows of it."""
    s3_key = of.names.of_project("s3_io")
    checks = glue_check_specs(spec.key, of.places, is_parquet="csv" not in spec.kinds)

    def lake(context: dg.AssetExecutionContext, _inputs: Mapping[str, Any]) -> Iterator[Any]:
        s3_io: S3IOManager = getattr(context.resources, s3_key)
        days = _days(context.partition_keys)
        yield dg.MaterializeResult(value=Readings(read(context, s3_io.lake, days), table.keep))
        if checks:
            yield glue_check_result(s3_io.glue, s3_io.lake, table.name, days)

    return build_step(
        lake,
        spec=spec,
        out=dg.Out(dg.Any, io_manager_key=s3_key),
        checks=checks,
        resources={s3_key, *resources},
        pool=of.names.of_project(pool),
    )


def _staging(table: Table, of: Chains) -> dg.AssetsDefinition:
    names = of.names
    spec = dg.AssetSpec(
        names.table_key("staging", table),
        deps=[names.table_key("lake", table)],
        group_name=names.group("staging"),
        kinds={"redshift", "table"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, f"Table {table.name} in Redshift.", _staging_text(table)),
        metadata={"aurora_dwh/target": table.target, **of.places.of_warehouse("staging", table.target)},
        partitions_def=of.partitions,
    )
    return build_staging_step(spec, table, of, partial(rules_of_any_source, table, of.catalog, of.source))


def build_staging_step(spec: dg.AssetSpec, table: Table, of: Chains, rules: Callable[[], Rules]) -> dg.AssetsDefinition:
    """Return the asset of a table in Redshift, which a step loads from its days in the lake, and the checks of that."""
    s3_key, redshift_key = of.names.of_project("s3_io"), of.names.of_project("redshift_io")
    checks = staging_check_specs(spec.key, table)

    def staging(context: dg.AssetExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Any]:
        s3_io: S3IOManager = getattr(context.resources, s3_key)
        redshift_io: RedshiftIOManager = getattr(context.resources, redshift_key)
        wanted, manifests = rules(), inputs["manifests"]
        earlier = [] if table.is_computed else counted_again(table, of.catalog, _days(context.partition_keys))

        def load() -> list[Loaded]:
            again = s3_io.lake.of_reading(table.name, earlier, manifests)
            return load_days(Record.of(context), redshift_io.warehouse, s3_io.lake, table, wanted, [*again, *manifests])

        loads = yield from attempted(context, checks, load)
        yield dg.MaterializeResult()
        found = [] if table.is_computed else _mismatches(table, of.catalog, s3_io.lake, manifests, loads[-1])
        yield from staging_check_results(table, wanted, loads, found)

    return build_step(
        staging,
        spec=spec,
        ins={"manifests": (next(iter(spec.deps)).asset_key, _MANIFESTS)},
        out=dg.Out(dg.Any, io_manager_key=redshift_key),
        checks=checks,
        resources={s3_key, redshift_key},
        pool=of.names.of_project("redshift"),
    )


def _mismatches(table: Table, catalog: Catalog, lake: Lake, manifests: Iterable[Manifest], last: Loaded) -> list[str]:
    """Return where days of the table do not meet that were read by different rules."""
    of_days = {**{m.day: m.rules for m in manifests if m.rules}, **last.others}
    at_seams = (lake.known(table.name, pair) for pair in seams(of_days))
    return [text for pair in at_seams for text in mismatches(table, catalog, pair)]


def _source_text(table: Table) -> str:
    if table.query is None:
        return f"The table `{table.name}` in Aurora MySQL. It is only read."
    return f"What this query gives in Aurora MySQL, whose tables are only read.\n\n```sql\n{table.query}\n```"


def _lake_text(table: Table) -> str:
    of_day = f"the rows whose `{table.cursor}` lies in the day"
    rows = "the whole table as it was when the day was read" if table.mode == "full" else of_day
    files = "Parquet files" if table.extract == "stream" else "CSV files that Aurora writes"
    return f"A day holds {rows}, as {files} and a manifest on S3."


def _staging_text(table: Table) -> str:
    how = {
        "incremental": f"upserted by `{', '.join(table.key)}`, the latest reading of a row wins",
        "append": "each day replaced as one unit",
        "full": "the whole table replaced in one transaction",
    }[table.mode]
    return f"The exact copy of the source's rows in Redshift: {how}."


def _days(keys: Sequence[str]) -> list[date]:
    return [date.fromisoformat(key) for key in keys]
