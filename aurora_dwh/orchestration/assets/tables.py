"""The factory of table chains: `aurora/<table>` (external) -> `lake/<table>` -> `staging/<table>`, one for each table.

All chains share one partitions definition and one backfill policy, so that Dagster runs a range of days of a chain as
one run. Building them reads the catalog only; no server is asked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Manifest, Readings
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.assets.checks import attempted, staging_check_results, staging_check_specs
from aurora_dwh.orchestration.assets.glue import glue_check_result, glue_check_specs
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


def daily_partitions(catalog: Catalog) -> dg.DailyPartitionsDefinition:
    """Return the one partitions definition: days of the catalog's zone, the last one being yesterday."""
    return dg.DailyPartitionsDefinition(start_date=catalog.start_date.isoformat(), timezone=catalog.timezone)


def build_table_assets(
    *,
    catalog: Catalog,
    partitions: dg.DailyPartitionsDefinition,
    names: Names = PLAIN,
    servers: Servers = ENVIRONMENT,
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
    names, catalog = of.names, of.catalog
    aurora_key, s3_key = names.of_project("aurora"), names.of_project("s3_io")

    def lake(context: dg.AssetExecutionContext, _inputs: Mapping[str, Any]) -> Iterator[Any]:
        aurora: AuroraResource = getattr(context.resources, aurora_key)
        s3_io: S3IOManager = getattr(context.resources, s3_key)

        def known(earlier: Sequence[date]) -> Mapping[date, int]:
            return s3_io.lake.counts(table.name, earlier)

        days = _days(context.partition_keys)
        had = partial(s3_io.lake.columns, table.name)
        read = aurora.days(table, catalog, days, context.log, known, had)
        yield dg.MaterializeResult(value=Readings(read, table.keep))
        if checks:
            yield glue_check_result(s3_io, table.name, days)

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
    checks = glue_check_specs(spec.key, of.places, is_parquet=table.extract == "stream")
    return build_step(
        lake,
        spec=spec,
        out=dg.Out(dg.Any, io_manager_key=s3_key),
        checks=checks,
        resources={aurora_key, s3_key},
        pool=names.of_project("aurora"),
    )


def _staging(table: Table, of: Chains) -> dg.AssetsDefinition:
    names, catalog = of.names, of.catalog
    s3_key, redshift_key = names.of_project("s3_io"), names.of_project("redshift_io")

    def staging(context: dg.AssetExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Any]:
        s3_io: S3IOManager = getattr(context.resources, s3_key)
        redshift_io: RedshiftIOManager = getattr(context.resources, redshift_key)
        rules = rules_of_any_source(table, catalog, of.source)
        manifests: list[Manifest] = inputs["manifests"]
        earlier = counted_again(table, catalog, _days(context.partition_keys))

        def load() -> list[Loaded]:
            again = s3_io.lake.of_reading(table.name, earlier, manifests)
            return load_days(Record.of(context), redshift_io.warehouse, s3_io.lake, table, rules, [*again, *manifests])

        loads = yield from attempted(context, checks, load)
        yield dg.MaterializeResult()
        of_days = {**{m.day: m.rules for m in manifests if m.rules}, **loads[-1].others}
        at_seams = (s3_io.lake.known(table.name, pair) for pair in seams(of_days))
        found = [text for pair in at_seams for text in mismatches(table, catalog, pair)]
        yield from staging_check_results(table, rules, loads, found)

    lake = names.table_key("lake", table)
    spec = dg.AssetSpec(
        names.table_key("staging", table),
        deps=[lake],
        group_name=names.group("staging"),
        kinds={"redshift", "table"},
        owners=table.owners,
        tags=table.tags,
        description=_described(table, f"Table {table.name} in Redshift.", _staging_text(table)),
        metadata={"aurora_dwh/target": table.target, **of.places.of_warehouse("staging", table.target)},
        partitions_def=of.partitions,
    )
    checks = staging_check_specs(spec.key, table)
    return build_step(
        staging,
        spec=spec,
        ins={"manifests": (lake, _MANIFESTS)},
        out=dg.Out(dg.Any, io_manager_key=redshift_key),
        checks=checks,
        resources={s3_key, redshift_key},
        pool=names.of_project("redshift"),
    )


def _source_text(table: Table) -> str:
    if table.query is None:
        return f"The table `{table.name}` in Aurora MySQL. It is only read."
    return f"What this query gives in Aurora MySQL, whose tables are only read.\n\n```sql\n{table.query}\n```"


def _lake_text(table: Table) -> str:
    rows = {
        "incremental": f"the rows whose `{table.cursor}` lies in the day",
        "append": f"the rows whose `{table.cursor}` lies in the day",
        "full": "the whole table as it was when the day was read",
    }[table.mode]
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
