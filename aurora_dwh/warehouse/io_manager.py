"""The IO manager of Redshift: days of the lake and rows of any kind become tables, and so does a mart's SELECT."""

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

from aurora_dwh import frames
from aurora_dwh.catalog import Table
from aurora_dwh.columns import COLUMNS, table_schema
from aurora_dwh.computed import Storing
from aurora_dwh.failures import attempts_left, named_failures
from aurora_dwh.frames import FrameError
from aurora_dwh.handing import Computed, wanted
from aurora_dwh.handoff import Manifest
from aurora_dwh.lake.opening import open_lake
from aurora_dwh.partitions import windows
from aurora_dwh.rules import Rules, check_days
from aurora_dwh.samples import sample
from aurora_dwh.schema import fold
from aurora_dwh.servers import ENVIRONMENT, Servers
from aurora_dwh.stopping import stoppable
from aurora_dwh.warehouse import batches, load, mart_build, rows
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import CheckError
from aurora_dwh.warehouse.mart import Mart
from aurora_dwh.warehouse.sql import identifier, literal, qualified
from aurora_dwh.warehouse.statements import DAY, Target
from aurora_dwh.warehouse.target import staging_target

if TYPE_CHECKING:
    from aurora_dwh.lake.store import Lake


@dataclass(frozen=True)
class StagingLoad:
    """What a `staging/` asset hands over: a table of the catalog, its rules, days to load, and the lake they lie in.

    `also` gives days before them that were read again together with them, and are loaded with them. `keys` has the
    partitions of days that are not named by them. `loads` is filled as they are loaded, with an entry for each
    transaction.
    """

    table: Table
    rules: Rules
    manifests: list[Manifest]
    lake: Lake
    also: Callable[[], list[Manifest]] = list
    keys: Mapping[date, str] = field(default_factory=dict)
    loads: list[load.Loaded] = field(default_factory=list)


@dataclass(frozen=True)
class MartBuild:
    """What a `bi/` asset hands over: a mart; `built` is filled when it stands."""

    mart: Mart
    built: list[mart_build.Built] = field(default_factory=list)


class RedshiftIOManager(dg.ConfigurableIOManager):
    """Tables in Redshift: days of a run in as few transactions as `batches` allows, and marts, one each.

    An asset gives rows as to an `S3IOManager`; they are written into the lake, and copied from there. Its metadata may
    say how they are stored, as `Storing` has it. A downstream asset gets the rows of its own days (all rows, where the
    table has no days) by its annotation; they come through a cursor, a batch at a time.

    Attributes:
        folder: The folder in the lake that rows lie in; without it the one named as the source's database.
    """

    folder: str = ""
    _servers: Servers = PrivateAttr(default=ENVIRONMENT)
    _warehouse: Warehouse | None = PrivateAttr(default=None)

    @staticmethod
    def of(servers: Servers) -> RedshiftIOManager:
        """Return the IO manager of a warehouse that settings name; they are asked for in the first step."""
        made = RedshiftIOManager()
        made._servers = servers
        return made

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Begin anew; the environment is read in the first step, whose failure can name what is wrong with it."""
        self._warehouse = None

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse behind the manager."""
        if self._warehouse is None:
            self._warehouse = Warehouse(self._servers.warehouse())
        return self._warehouse

    @property
    def schemas(self) -> Mapping[str, str]:
        """What the schemas that marts name are called in this warehouse."""
        settings = self.warehouse.settings
        return {"staging": settings.staging_schema, "bi": settings.bi_schema}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Load the days of a staging table, or rows of any kind, or build a mart."""
        with named_failures(context.asset_key, attempts_left=attempts_left(context)), stoppable(context):
            try:
                if isinstance(obj, MartBuild):
                    self._build(context, obj)
                elif isinstance(obj, StagingLoad):
                    self._load(context, obj, self.warehouse.settings.staging_schema)
                else:
                    self._store(context, obj)
            except CheckError as error:
                _show_failed_check(context, error)
                raise

    def load_input(self, context: dg.InputContext) -> Any:
        """Give the rows of the run's days, or of the whole table, as the input is annotated."""
        upstream = context.upstream_output
        asset, metadata = context.asset_key, upstream.definition_metadata if upstream else {}
        kind = wanted(context)
        with named_failures(asset, attempts_left=attempts_left(context)):
            known = Storing.of_metadata(asset.to_user_string(), metadata)
            days = [window.day for window in windows(context).values()]
            if not frames.is_kind(kind):
                told = "" if not days else f" {days[0]}" + (f"...{days[-1]}" if len(days) > 1 else "")
                raise FrameError(
                    f"{asset.to_user_string()}{told} can be taken as {', '.join(frames.KINDS)}, not as "
                    f"{frames.name_of(kind)}; annotate the input with one of them"
                )
            query = f"SELECT * FROM {qualified(self._schema(asset, known), known.target or fold(asset.path[-1]))}"
            if days:
                column = identifier(known.day_column or DAY)
                query += f" WHERE {column} IN ({', '.join(literal(day) for day in days)})"
            return frames.frame(rows.reader(self.warehouse, query), kind)

    def _schema(self, asset: dg.AssetKey, known: Storing) -> str:
        """Return the schema of an asset's table."""
        if known.schema_name:
            return known.schema_name
        return self.schemas.get(asset.path[-2], asset.path[-2]) if len(asset.path) > 1 else self.schemas["staging"]

    def _store(self, context: dg.OutputContext, value: Any) -> None:
        """Write rows into the lake, and load them from there."""
        computed, lake = Computed.of(context), open_lake(self._servers, self.folder)
        extracts = computed.extracts(value, lake)
        manifests = [manifest for manifest, _ in lake.write_each(extracts)]
        work = StagingLoad(computed.table, computed.rules, manifests, lake, keys=computed.keys)
        self._load(context, work, self._schema(context.asset_key, computed.storing))

    def _load(self, context: dg.OutputContext, work: StagingLoad, schema: str) -> None:
        target = staging_target(work.table, schema)
        started = monotonic()
        asked = set(context.asset_partition_keys) if context.has_asset_partitions else set()
        to_load = [*work.also(), *work.manifests]
        remedy = f"Materialize lake/{work.table.name} for these days again, and staging/{work.table.name} with it"
        check_days(work.rules, to_load, remedy=remedy)

        standing: list[dg.AssetMaterialization] = []  # days that Dagster records itself, if the step comes to its end

        def record_standing() -> None:
            for event in standing:
                context.log_event(event)
            standing.clear()

        def load_days(manifests: list[Manifest]) -> None:
            record_standing()
            done = load.load(self.warehouse, work.lake, target, work.table.mode, manifests, run_id=context.run_id)
            work.loads.append(done)
            for manifest in manifests:
                metadata = _day_metadata(done, manifest)
                key = work.keys.get(manifest.day, manifest.day.isoformat())
                if key in asked or not asked:
                    context.step_context.add_asset_metadata(
                        metadata, asset_key=context.asset_key, partition_key=key if asked else None
                    )
                event = dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
                if key in asked and len(asked) > 1:
                    standing.append(event)
                elif asked and key not in asked:
                    context.log_event(event)

        try:
            batches.load_all(to_load, load_days)
        except BaseException:  # a range that fails keeps the days that are committed
            record_standing()
            raise
        days = [day for done in work.loads for day in done.days]
        context.log.info(f"{target.label}: {len(days)} days, {sum(day.rows for day in days)} rows staged")
        statements = (statement for done in work.loads for statement in done.statements)
        of_run = {
            COLUMNS: _columns(target, work.manifests),
            **_shown_rows(work),
            "load_seconds": round(monotonic() - started, 3),
            "statements": dg.MetadataValue.md("```sql\n" + ";\n\n".join(statements) + ";\n```"),
        }
        last = max(asked, default=None)
        context.step_context.add_asset_metadata(of_run, asset_key=context.asset_key, partition_key=last)

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
            texts = {fold(name): text for name, text in header.descriptions.items()}
            shown = [(name, kind, texts.get(name, "")) for name, kind in done.columns]
            metadata[COLUMNS] = table_schema(shown, key=header.grain, required=())
        last = context.asset_partition_keys[-1] if days else None
        context.step_context.add_asset_metadata(metadata, asset_key=context.asset_key, partition_key=last)


def _shown_rows(work: StagingLoad) -> dict[str, Any]:
    """Return what the UI shows of the table's rows: how many there are now, and a few of the last day that has some."""
    totals = [done.total for done in work.loads if done.total is not None]
    found: dict[str, Any] = {"dagster/row_count": totals[-1]} if totals else {}
    filled = [manifest for manifest in work.manifests if manifest.rows]
    if filled and work.table.sample_rows:
        found |= sample(work.lake, max(filled, key=lambda manifest: manifest.day), work.table.sample_rows)
    return found


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
