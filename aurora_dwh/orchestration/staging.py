"""Days of the lake, loaded into their table of Redshift by a step, and what the asset's page shows of them.

The step is one of the catalog's, of a transform, or of any asset whose rows an IO manager has put into the lake.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from logging import Logger
from time import monotonic
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import Manifest
from aurora_dwh.core.rules import Rules, check_days
from aurora_dwh.instance import COLUMNS, SAMPLE
from aurora_dwh.lake.contents import head
from aurora_dwh.lake.parquet import own_columns
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.columns import table_schema
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load import batches, transaction
from aurora_dwh.warehouse.load.statements import Target, staging_target

_log = logging.getLogger(__name__)

_COLUMNS, _CHARACTERS = 30, 40
"""How many columns are shown of a wide table's rows, and how much of a long value."""


@dataclass(frozen=True)
class Record:
    """Where a step tells Dagster what it made, be it an asset's own or its IO manager's."""

    asset: dg.AssetKey
    partitions: frozenset[str]  # those that the step is to make; none of an asset without any
    run_id: str  # the run
    log: Logger  # the run's log
    log_event: Callable[[dg.AssetMaterialization], None]  # records a partition at once, be the step's end what it may
    # adds to what Dagster records of the asset, or of one of its partitions, when the step has ended
    add_metadata: Callable[..., None]

    @staticmethod
    def of(context: dg.AssetExecutionContext | dg.OutputContext) -> Record:
        """Return the record of a step."""
        keys: Sequence[str] = ()
        if isinstance(context, dg.OutputContext):
            keys = context.asset_partition_keys if context.has_asset_partitions else ()
            add = context.step_context.add_asset_metadata
        else:
            keys = context.partition_keys if context.assets_def.partitions_def else ()  # the run may have some
            add = context.add_asset_metadata
        return Record(context.asset_key, frozenset(keys), context.run_id, context.log, context.log_event, add)

    def add(self, metadata: Mapping[str, Any], partition: str | None = None) -> None:
        """Add metadata to the asset's record, or to a partition's."""
        self.add_metadata(metadata, asset_key=self.asset, partition_key=partition)


def load_days(
    record: Record,
    warehouse: Warehouse,
    lake: Lake,
    table: Table,
    rules: Rules,
    manifests: Sequence[Manifest],
    *,
    schema: str | None = None,
    keys: Mapping[date, str] | None = None,
) -> list[transaction.Loaded]:
    """Load days of a table in as few transactions as `batches` allows, and record each as soon as it stands.

    Args:
        schema: The schema that the table lies in; None for that of staging tables.
        keys: The partitions of days that are not named by them.

    Returns:
        The loads, one for each transaction.

    Raises:
        DataError: A day was read by other rules, or its rows cannot be loaded.
        WarehouseError: As Redshift has it.
    """
    target, started = staging_target(table, schema or warehouse.settings.staging_schema), monotonic()
    remedy = f"Materialize lake/{table.name} for these days again, and staging/{table.name} with it"
    check_days(rules, manifests, remedy=remedy)
    asked, loads = record.partitions, list[transaction.Loaded]()
    standing: list[dg.AssetMaterialization] = []  # days that Dagster records itself, if the step comes to its end

    def record_standing() -> None:
        for event in standing:
            record.log_event(event)
        standing.clear()

    def load(some: list[Manifest]) -> None:
        record_standing()
        done = transaction.load(warehouse, lake, target, table.mode, some, run_id=record.run_id)
        loads.append(done)
        for manifest in some:
            metadata = _day_metadata(done, manifest)
            key = (keys or {}).get(manifest.day, manifest.day.isoformat())
            if key in asked or not asked:
                record.add(metadata, key if asked else None)
            event = dg.AssetMaterialization(record.asset, partition=key, metadata=metadata)
            if key in asked and len(asked) > 1:
                standing.append(event)
            elif asked and key not in asked:
                record.log_event(event)

    try:
        batches.load_all(manifests, load)
    except BaseException:  # a range that fails keeps the days that are committed
        record_standing()
        raise
    days = [day for done in loads for day in done.days]
    record.log.info(f"{target.label}: {len(days)} days, {sum(day.rows for day in days)} rows staged")
    of_run = {
        COLUMNS: _columns(target, manifests),
        **_shown_rows(table, lake, loads, manifests),
        "load_seconds": round(monotonic() - started, 3),
        "statements": script(statement for done in loads for statement in done.statements),
    }
    record.add(of_run, max(asked, default=None))
    return loads


def script(statements: Iterable[str]) -> dg.MetadataValue:
    """Return statements as metadata, one below the other."""
    return dg.MetadataValue.md("```sql\n" + ";\n\n".join(statements) + ";\n```")


def _shown_rows(
    table: Table, lake: Lake, loads: Sequence[transaction.Loaded], manifests: Sequence[Manifest]
) -> dict[str, Any]:
    """Return what the UI shows of the table's rows: how many there are now, and a few of the last day that has some."""
    totals = [done.total for done in loads if done.total is not None]
    found: dict[str, Any] = {"dagster/row_count": totals[-1]} if totals else {}
    filled = [manifest for manifest in manifests if manifest.rows]
    if filled and table.sample_rows:
        found |= _sample(lake, max(filled, key=lambda manifest: manifest.day), table.sample_rows)
    return found


def _sample(lake: Lake, manifest: Manifest, rows: int) -> dict[str, Any]:
    """Return a day's first rows, masked as in the lake; none where they cannot be read, as of one written anew."""
    import pyarrow as pa
    from botocore.exceptions import BotoCoreError, ClientError

    names = own_columns(manifest.schema.arrow_schema).names[:_COLUMNS]
    try:
        found = head(lake.client, lake.layout, manifest, names, rows)
    except (BotoCoreError, ClientError, pa.ArrowException, OSError, ValueError, KeyError) as error:
        _log.warning(f"{manifest.table} {manifest.day}: no rows of it are shown, as they cannot be read: {error}")
        return {}
    records = [dg.TableRecord({name: _shown(one) for name, one in zip(names, row, strict=True)}) for row in found]
    columns = dg.TableSchema([dg.TableColumn(name) for name in names])
    return {SAMPLE: dg.MetadataValue.table(records, columns)} if records else {}


def _shown(value: Any) -> str:
    """Return a value in few characters; NULL is told from the text by its sign."""
    if value is None:
        return "∅"
    text = f"0x{value[:_CHARACTERS].hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _day_metadata(done: transaction.Loaded, manifest: Manifest) -> dict[str, Any]:
    """Return what the UI shows of one day in Redshift.

    One COPY and one upsert write all the days of a transaction: a day's share of their seconds goes by its rows.
    """
    (day,) = (day for day in done.days if day.day == manifest.day)
    all_rows = sum(day.rows for day in done.days)
    share = day.rows / all_rows if all_rows else 1 / len(done.days)
    copy_seconds, write_seconds = share * done.copy_seconds, share * done.write_seconds
    return {
        "dagster/partition_row_count": day.rows,
        "load_id": done.load_id,
        "rows_inserted": day.inserted,
        "rows_updated": day.updated,
        "bytes": manifest.size,
        "copy_seconds": round(copy_seconds, 3),
        "upsert_seconds": round(write_seconds, 3),
        "rows_per_second": round(day.rows / max(copy_seconds + write_seconds, 0.001)),
        "converted_values": manifest.converted_values,
    }


def _columns(target: Target, manifests: Sequence[Manifest]) -> dg.TableSchema:
    """Return the staging table's columns as the latest day has them, then the product's own."""
    latest = max(manifests, key=lambda m: m.day).schema
    columns = [(c.target_name, c.redshift_type, c.comment) for c in latest.columns]
    columns += [(name, kind.partition(" ")[0], "") for name, kind in target.own_columns]
    return table_schema(columns, key=target.key)
