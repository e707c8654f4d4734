"""The factory of `today/<table>` assets: the running day of a table that is loaded several times a day.

Each has one step, without days: it reads the running day as far as it is, into the day's place in the lake, and loads
it into the staging table, as often as it is run. It is an asset of its own, and no partition of `lake/<table>` and
`staging/<table>`, as these say that a day is there: whatever follows from that (marts, the deadline, what the sensor
`gaps` requests, the colour of the day in the UI) has to wait for the load behind midnight, and does.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Export, Extract, Manifest, utc_now
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.assets.checks import attempted, right_data_results, staging_check_specs
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.assets.step import build_step
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.orchestration.staging import Record, load_days
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.source.factory import rules_of_any_source
from aurora_dwh.warehouse.load.transaction import Loaded


def build_today_assets(
    *, catalog: Catalog, names: Names = PLAIN, servers: Servers = ENVIRONMENT
) -> list[dg.AssetsDefinition]:
    """Return the assets that load the running day, one for each table whose schedule wants it."""
    places = Addresses.of(servers)
    return [_today(table, catalog, names, places, servers) for table in catalog.tables.values() if table.cron]


def _today(table: Table, catalog: Catalog, names: Names, places: Addresses, servers: Servers) -> dg.AssetsDefinition:
    aurora_key, s3_key, redshift_key = map(names.of_project, ("aurora", "s3_io", "redshift_io"))

    def load(context: dg.AssetExecutionContext, _inputs: Mapping[str, Any]) -> Iterator[Any]:
        aurora: AuroraResource = getattr(context.resources, aurora_key)
        s3_io: S3IOManager = getattr(context.resources, s3_key)
        redshift_io: RedshiftIOManager = getattr(context.resources, redshift_key)
        today = utc_now().astimezone(catalog.zone).date()

        def read_and_load() -> tuple[Manifest, Extract | Export, list[Loaded]]:
            had = partial(s3_io.lake.columns, table.name)
            extracts = aurora.days(table, catalog, [today], context.log, had=had, today=today)
            ((manifest, extract),) = s3_io.lake.write_each(extracts)
            rules = rules_of_any_source(table, catalog, servers.source)
            record, warehouse = Record.of(context), redshift_io.warehouse
            return manifest, extract, load_days(record, warehouse, s3_io.lake, table, rules, [manifest])

        manifest, extract, loads = yield from attempted(context, checks, read_and_load)
        read: dict[str, Any] = {
            "day": today.isoformat(),
            "snapshot_at": dg.MetadataValue.timestamp(manifest.snapshot_at),
            "statement": dg.MetadataValue.md(f"```sql\n{extract.statement}\n```"),
        }
        yield dg.MaterializeResult(metadata=read)
        yield from right_data_results(table, loads)

    spec = dg.AssetSpec(
        names.table_key("today", table),
        deps=[names.table_key("aurora", table)],
        group_name=names.group("today"),
        kinds={"mysql", "redshift"},
        owners=table.owners,
        tags=table.tags,
        description=(
            f"The running day of `staging.{table.target}`, as far as it is.\n\n"
            f"It is read and loaded again at `{table.cron}` ({catalog.timezone}). Whatever follows from a day being "
            "there waits for `staging` to have the whole of it, which is loaded behind midnight."
        ),
        metadata={"aurora_dwh/target": table.target, **places.of_warehouse("staging", table.target)},
    )
    checks = staging_check_specs(spec.key, table, is_running=True)
    return build_step(
        load,
        spec=spec,
        out=dg.Out(dg.Any, io_manager_key=redshift_key),
        checks=checks,
        resources={aurora_key, s3_key, redshift_key},
        pool=names.of_project("aurora"),
    )
