"""The IO manager of the lake: takes rows of any kind, or extracts of the source, and gives them, or their manifests.

For one day and for ranges alike. What becomes of an asset's rows on their way is `transforms.computed`'s and `rows`'s
business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from aurora_dwh.core.days import counted
from aurora_dwh.core.frames import FrameError
from aurora_dwh.core.models import Export, Extract, Manifest, Readings, shown
from aurora_dwh.instance import COLUMNS
from aurora_dwh.lake.athena import GlueDatabase
from aurora_dwh.lake.factory import open_glue, open_lake
from aurora_dwh.lake.parquet import own_columns
from aurora_dwh.lake.pruning import prune
from aurora_dwh.lake.store import Lake, MissingDayError
from aurora_dwh.orchestration.columns import table_schema
from aurora_dwh.orchestration.failures import attempts_left, named_failures
from aurora_dwh.orchestration.io_managers.partitions import windows
from aurora_dwh.orchestration.io_managers.rows import Computed, given, table_name, wanted
from aurora_dwh.orchestration.staging import Record
from aurora_dwh.orchestration.stopping import stoppable
from aurora_dwh.settings.servers import ENVIRONMENT, Servers


class S3IOManager(dg.ConfigurableIOManager):
    """Days of tables on S3: parts and, last, the manifest that names them.

    An asset gives the rows of its day: an Arrow table or reader, a pandas or polars frame, or a DuckDB relation. For a
    range of days it gives a mapping from partition to rows, or has `partition_expr` among its metadata, which names the
    column that tells the day. An asset without partitions gives all of its rows each time. Its metadata may say how
    they are stored, as `Storing` has it. Weeks and months lie under their first day.

    A downstream asset gets the rows of the days of its own run by its annotation, as any of these, a mapping from
    partition to any, or as manifests. Of an asset without partitions it gets the latest rows.

    Attributes:
        folder: The folder in the lake that the tables lie in; without it the one named as the source's database.
    """

    folder: str = ""
    _servers: Servers = PrivateAttr(default=ENVIRONMENT)
    _lake: Lake | None = PrivateAttr(default=None)

    @staticmethod
    def of(servers: Servers) -> S3IOManager:
        """Return the IO manager of a lake that settings name; they are asked for in the first step."""
        made = S3IOManager()
        made._servers = servers
        return made

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Begin anew; the environment is read in the first step, whose failure can name what is wrong with it."""
        self._lake = None

    @property
    def lake(self) -> Lake:
        """The lake behind the manager."""
        if self._lake is None:
            self._lake = open_lake(self._servers, self.folder)
        return self._lake

    @property
    def glue(self) -> GlueDatabase | None:
        """The database of Glue that the lake has its tables in for Athena, None where it has none."""
        return open_glue(self._servers)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write the days one after the other; each is recorded as soon as it stands.

        Days before those of the run may be among them, which were read again.
        """
        with named_failures(context.asset_key, attempts_left=attempts_left(context)), stoppable(context):
            if isinstance(obj, Readings):
                written = self._write(context, obj.extracts, {})
                if obj.keep:
                    self._prune(context, written.table, obj.keep)
            else:
                computed = Computed.of(context)
                self._write(context, computed.extracts(obj, self.lake), computed.keys)

    def _write(
        self, context: dg.OutputContext, extracts: Iterable[Extract | Export], keys: Mapping[date, str]
    ) -> Manifest:
        """Write days and return the last one's manifest."""
        record = Record.of(context)
        asked = record.partitions
        started, told, manifest = monotonic(), "", None
        for manifest, extract in _telling(context, self._written(extracts)):
            metadata = day_metadata(manifest, extract, monotonic() - started)
            key = keys.get(manifest.day, manifest.day.isoformat())
            if extract.statement != told:  # one statement may read all days of a range
                metadata |= statement_metadata(extract)
                told = extract.statement
            if extract.waited and manifest.day == extract.window.day:
                metadata |= _waiting(extract.waited)
                waits = ", ".join(f"{seconds:.1f} s for {what}" for what, seconds in sorted(extract.waited.items()))
                context.log.info(f"{context.asset_key.to_user_string()} {key}: reading waited {waits}")
            if key in asked or not asked:
                record.add(metadata, key if asked else None)
            if len(asked) > 1 or (asked and key not in asked):  # a range that fails later keeps the days that stand
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
            started = monotonic()
        if manifest is None:
            raise FrameError(f"{context.asset_key.to_user_string()}: no day was given of {', '.join(sorted(asked))}")
        record.add(columns_metadata(manifest), max(asked, default=None))
        if not (manifest.rules and manifest.rules.is_computed):
            seen = _seen_in_source(context.asset_key, manifest)
            if _is_news(context.step_context.instance, seen):
                context.log_event(seen)
        return manifest

    def _prune(self, context: dg.OutputContext, table: str, keep: timedelta) -> None:
        """Remove older copies and say so on their partitions; what S3 refuses is tried again with the next day."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            done = prune(self.lake, table, keep)
        except (BotoCoreError, ClientError) as error:
            context.log.warning(f"{context.asset_key.to_user_string()}: older copies were not pruned: {error}")
            return
        for manifest in done.days:  # of no run, so that it is still there when the run is not
            context.step_context.instance.report_runless_asset_event(_pruned(context.asset_key, manifest))

    def _written(self, extracts: Iterable[Extract | Export]) -> Iterator[tuple[Manifest, Extract | Export]]:
        """Write the extracts, and yield each day's manifest as soon as it stands, with the extract behind it."""
        last: tuple[Manifest, Extract | Export] | None = None
        for last in self.lake.write_each(extracts):
            yield last
        if last is not None:  # and the source's snapshot has ended
            manifest, extract = last
            for window in extract.also:
                yield self.lake.share(manifest, window, lookup=extract.lookup), extract

    def load_input(self, context: dg.InputContext) -> Any:
        """Give the rows of the run's days, or their manifests, as the input is annotated."""
        with named_failures(context.asset_key, attempts_left=attempts_left(context)):
            name = context.asset_key.to_user_string()
            upstream = context.upstream_output
            table = table_name(context.asset_key, upstream.definition_metadata if upstream else {})
            return given(name, wanted(context), self._standing(context, table), self.lake.reader)

    def _standing(self, context: dg.InputContext, table: str) -> dict[str, Manifest]:
        """Return the manifests of the run's days by partition; of an asset without partitions the latest alone.

        A day that was read before it had ended, as the running day is, is not there yet.

        Raises:
            MissingDayError: Some are not in the lake, and the input's metadata do not say `allow_missing_partitions`.
        """
        if not context.has_asset_partitions:
            return {"": self.lake.latest(table)}
        found = {window.day: key for key, window in windows(context).items()}
        may_lack = (context.definition_metadata or {}).get("allow_missing_partitions")
        manifests = self.lake.known(table, [*found]) if may_lack else self.lake.read(table, [*found])
        for manifest in manifests if not may_lack else ():
            if _has_running_day(manifest):
                raise MissingDayError(
                    f"lake/{table} {manifest.day}: it was read at {shown(manifest.snapshot_at)}, before the day had "
                    f"ended; materialize lake/{table} for the day, too"
                )
        return {found[manifest.day]: manifest for manifest in manifests if not _has_running_day(manifest)}


def _has_running_day(manifest: Manifest) -> bool:
    """Return whether a day was read of the source before it had ended; a computed one may be of whatever it likes."""
    return not manifest.is_finished and not (manifest.rules and manifest.rules.is_computed)


def _telling(
    context: dg.OutputContext, written: Iterator[tuple[Manifest, Extract | Export]]
) -> Iterator[tuple[Manifest, Extract | Export]]:
    """Yield what is written; where a range ends early, log which of its days stand and how they come into Redshift."""
    days: list[date] = []
    try:
        for manifest, extract in written:
            yield manifest, extract
            days.append(manifest.day)
    except Exception:
        if days:
            context.log.warning(
                f"{context.asset_key.to_user_string()}: {counted(days)} of the range are in the lake and "
                "stay there; the sensor gaps has them loaded into Redshift"
            )
        raise


def day_metadata(manifest: Manifest, extract: Extract | Export, seconds: float) -> dict[str, Any]:
    """Return what the UI shows of a day in the lake, of an extract that was read to its end."""
    changed = {"converted": dg.MetadataValue.json(manifest.converted)} if manifest.converted else {}
    counted: dict[str, Any] = {"rows_counted_by_source": manifest.counted_rows}
    if manifest.counted_rows is None and isinstance(extract, Extract):
        counted = {"not_counted_by_source": extract.counted.reason}
    newest = extract.newest_at
    lag = {"lag_seconds": round((manifest.snapshot_at - newest).total_seconds(), 3)} if newest else {}
    return changed | {
        "dagster/partition_row_count": manifest.rows,
        "dagster/uri": manifest.url,
        "bytes": manifest.size,
        "files": len(manifest.parts),
        "extract_seconds": round(seconds, 3),
        "rows_per_second": round(manifest.rows / max(seconds, 0.001)),
        "converted_values": manifest.converted_values,
        **counted,
        **lag,
        "snapshot_at": dg.MetadataValue.timestamp(manifest.snapshot_at),
    }


def statement_metadata(extract: Extract | Export) -> dict[str, Any]:
    """Return what the UI shows of the statement that read rows."""
    return {"statement": dg.MetadataValue.md(f"```sql\n{extract.statement}\n```")}


def _waiting(waited: Mapping[str, float]) -> dict[str, Any]:
    """Return what the UI shows of the waits that spared the source."""
    seconds = {what: round(of, 3) for what, of in waited.items()}
    return {"seconds_waited": round(sum(waited.values()), 3), "waited_for": dg.MetadataValue.json(seconds)}


def columns_metadata(manifest: Manifest) -> dict[str, Any]:
    """Return what the UI shows of the columns of a day's files: the source's with comments, then the product's own."""
    comments = {column.target_name: column.comment for column in manifest.schema.columns}
    fields = own_columns(manifest.schema.arrow_schema)
    shown = [(f.name, str(f.type), comments.get(f.name, "")) for f in fields]
    return {COLUMNS: table_schema(shown, key=manifest.schema.copied_key)}


def _seen_in_source(lake: dg.AssetKey, manifest: Manifest) -> dg.AssetObservation:
    """Return what the reading saw of the table itself, for the page of the asset that stands for it."""
    schema = manifest.schema
    said = {"comment": schema.comment, "primary_key": ", ".join(schema.primary_key)}
    columns = table_schema(
        [(c.name, c.column_type, c.comment) for c in schema.columns],
        key=schema.primary_key,
        required=[c.name for c in schema.columns if not c.nullable],
    )
    source = dg.AssetKey([*lake.path[:-2], "aurora", lake.path[-1]])
    # Of a table that Dagster does not write its page shows what is under a key of one's own, and no column schema.
    shown: dict[str, Any] = {
        **{name: text for name, text in said.items() if text},
        "columns": columns,
        COLUMNS: columns,
    }
    return dg.AssetObservation(source, metadata=shown)


def _is_news(instance: dg.DagsterInstance, seen: dg.AssetObservation) -> bool:
    """Return whether the table was another one when it was last observed."""
    records = instance.fetch_observations(seen.asset_key, limit=1).records
    before = records[0].asset_observation if records else None
    return before is None or before.metadata != seen.metadata


def _pruned(lake: dg.AssetKey, manifest: Manifest) -> dg.AssetObservation:
    """Return what the UI shows of a day whose copy the table's retention removed."""
    return dg.AssetObservation(
        lake,
        partition=manifest.day.isoformat(),
        description="pruned: the catalog's `keep` has this copy removed; materialize the day to copy the table anew",
        metadata={
            "pruned": True,
            "dagster/partition_row_count": manifest.rows,
            "bytes": manifest.size,
            "snapshot_at": dg.MetadataValue.timestamp(manifest.snapshot_at),
        },
    )
