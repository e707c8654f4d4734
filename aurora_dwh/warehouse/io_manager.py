"""The IO manager of `staging/` and `bi/` assets: manifests become rows of staging tables, a mart's SELECT its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.events import DagsterEvent
from pydantic import PrivateAttr

from aurora_dwh.catalog import Table
from aurora_dwh.columns import COLUMNS, table_schema
from aurora_dwh.config import RedshiftSettings
from aurora_dwh.failures import attempts_left, named_failures
from aurora_dwh.handoff import Manifest
from aurora_dwh.rules import Rules, check_days
from aurora_dwh.stopping import stoppable
from aurora_dwh.warehouse import batches, load, mart_build
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import CheckError
from aurora_dwh.warehouse.mart import Mart
from aurora_dwh.warehouse.sql import identifier, literal, qualified
from aurora_dwh.warehouse.stage import Lake
from aurora_dwh.warehouse.statements import DAY, Target
from aurora_dwh.warehouse.target import staging_target

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class StagingLoad:
    """What a `staging/` asset hands over: a table of the catalog, its rules, days to load, and the lake they lie in.

    `also` gives days before them that were read again together with them, and are loaded with them. `loads` is filled
    as they are loaded, with an entry for each transaction.
    """

    table: Table
    rules: Rules
    manifests: list[Manifest]
    lake: Lake
    also: Callable[[], list[Manifest]] = list
    loads: list[load.Loaded] = field(default_factory=list)


@dataclass(frozen=True)
class MartBuild:
    """What a `bi/` asset hands over: a mart; `built` is filled when it stands."""

    mart: Mart
    built: list[mart_build.Built] = field(default_factory=list)


class RedshiftIOManager(dg.ConfigurableIOManager):
    """Tables in Redshift. One transaction loads all the days of a run, or those that can be, or builds a mart.

    A downstream asset gets the rows of its own days (all rows, where the table has no days) as a `pyarrow.Table`.
    """

    _settings: Callable[[], RedshiftSettings] = PrivateAttr(default_factory=lambda: RedshiftSettings.from_env)
    _warehouse: Warehouse | None = PrivateAttr(default=None)

    @staticmethod
    def of(settings: Callable[[], RedshiftSettings]) -> RedshiftIOManager:
        """Return the IO manager of a warehouse that settings name, which are asked for in the first step."""
        made = RedshiftIOManager()
        made._settings = settings
        return made

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Begin anew; the environment is read in the first step, whose failure can name what is wrong with it."""
        self._warehouse = None

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse behind the manager."""
        if self._warehouse is None:
            self._warehouse = Warehouse(self._settings())
        return self._warehouse

    @property
    def schemas(self) -> Mapping[str, str]:
        """What the schemas that marts name are called in this warehouse."""
        settings = self.warehouse.settings
        return {"staging": settings.staging_schema, "bi": settings.bi_schema}

    def handle_output(self, context: dg.OutputContext, obj: StagingLoad | MartBuild) -> None:
        """Load the days of a staging table, or build a mart."""
        with named_failures(context.asset_key, attempts_left=attempts_left(context)), stoppable(context):
            try:
                self._build(context, obj) if isinstance(obj, MartBuild) else self._load(context, obj)
            except CheckError as error:
                _show_failed_check(context, error)
                raise

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Give the table's rows, for assets that compute in Python on what fits into memory."""
        import pyarrow as pa

        layer, name = context.asset_key.path[-2:]
        schema = self.schemas[layer]
        upstream = context.upstream_output
        known = upstream.definition_metadata if upstream else {}
        target = known.get("aurora_dwh/target", name)
        query = f"SELECT * FROM {qualified(schema, target)}"
        if context.has_asset_partitions:
            days = ", ".join(literal(key) for key in context.asset_partition_keys)
            query += f" WHERE {identifier(known.get('aurora_dwh/day_column', DAY))} IN ({days})"
        with self.warehouse.session() as session:
            answer = session.execute(query)
        names = [column for column, _ in answer.columns]
        return pa.table({n: [row[i] for row in answer.rows] for i, n in enumerate(names)})

    def _load(self, context: dg.OutputContext, work: StagingLoad) -> None:
        target = staging_target(work.table, self.warehouse.settings.staging_schema)
        started = monotonic()
        asked = set(context.asset_partition_keys)
        to_load = [*work.also(), *work.manifests]
        remedy = f"Materialize lake/{work.table.name} for these days again, and staging/{work.table.name} with it"
        check_days(work.rules, to_load, remedy=remedy)

        def load_days(manifests: list[Manifest]) -> None:
            done = load.load(self.warehouse, work.lake, target, work.table.mode, manifests, run_id=context.run_id)
            work.loads.append(done)
            for manifest in manifests:
                metadata = _day_metadata(done, manifest)
                key = manifest.day.isoformat()
                if key in asked:
                    context.step_context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=key)
                if len(asked) > 1 or key not in asked:  # a range that fails later keeps the days that are committed
                    context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))

        batches.load_all(to_load, load_days)
        days = [day for done in work.loads for day in done.days]
        context.log.info(f"{target.label}: {len(days)} days, {sum(day.rows for day in days)} rows staged")
        statements = (statement for done in work.loads for statement in done.statements)
        of_run = {
            COLUMNS: _columns(target, work.manifests),
            "load_seconds": round(monotonic() - started, 3),
            "statements": dg.MetadataValue.md("```sql\n" + ";\n\n".join(statements) + ";\n```"),
        }
        context.step_context.add_asset_metadata(of_run, asset_key=context.asset_key, partition_key=max(asked))

    def _build(self, context: dg.OutputContext, work: MartBuild) -> None:
        header = work.mart.header
        days: tuple[date, date] | None = None
        if header.materialization == "incremental":
            keys = [date.fromisoformat(key) for key in context.asset_partition_keys]
            days = (min(keys), max(keys) + timedelta(days=1))
        started = monotonic()
        done = mart_build.build(self.warehouse, work.mart, schemas=self.schemas, days=days)
        work.built.append(done)
        for key in context.asset_partition_keys if days else ():
            rows = {"dagster/partition_row_count": done.days.get(date.fromisoformat(key), 0)}
            context.step_context.add_asset_metadata(rows, asset_key=context.asset_key, partition_key=key)
        for day in sorted(done.days.keys() - map(date.fromisoformat, context.asset_partition_keys) if days else ()):
            if context.asset_partitions_def.has_partition_key(day.isoformat()):  # of a view that had all of them
                rows = {"dagster/partition_row_count": done.days[day]}
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=day.isoformat(), metadata=rows))
        metadata: dict[str, Any] = {
            "build_seconds": round(monotonic() - started, 3),
            "statements": dg.MetadataValue.md("```sql\n" + ";\n\n".join(done.statements) + ";\n```"),
            "rows_built" if days else "dagster/row_count": done.figures.rows,
        }
        if done.columns:
            shown = [(name, kind, "") for name, kind in done.columns]
            metadata[COLUMNS] = table_schema(shown, key=header.grain, required=())
        last = context.asset_partition_keys[-1] if days else None
        context.step_context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=last)


def _day_metadata(done: load.Loaded, manifest: Manifest) -> dict[str, Any]:
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


def _show_failed_check(context: dg.OutputContext, error: CheckError) -> None:
    """Record a check that ends the step, which itself could only tell of those that it comes to."""
    evaluation = AssetCheckEvaluation(
        context.asset_key, error.check, passed=False, description=str(error), blocking=True
    )
    DagsterEvent.asset_check_evaluation(context.step_context, evaluation)


def _columns(target: Target, manifests: Sequence[Manifest]) -> dg.TableSchema:
    """Return the staging table's columns as the latest day has them, then the product's own."""
    latest = max(manifests, key=lambda m: m.day).schema
    columns = [(c.target_name, c.redshift_type, c.comment) for c in latest.columns]
    columns += [(name, kind.partition(" ")[0], "") for name, kind in target.own_columns]
    return table_schema(columns, key=target.key)
