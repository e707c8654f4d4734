"""The job that takes days which were exported by hand into the lake; the sensor `arrivals` says which, and when.

It compares an arrival with the table's columns as they are now, writes the day's manifest and records the day of
`lake/<table>`. It is a job, and not the sensor's own work, as a sensor is evaluated where neither the source nor the
files of the lake may be read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from logging import Logger
from time import monotonic
from typing import TYPE_CHECKING

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import DataError, Export, Manifest
from aurora_dwh.core.rules import quoted
from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.assets.names import PLAIN, Names, asset_name
from aurora_dwh.settings.servers import ENVIRONMENT, Servers

if TYPE_CHECKING:
    from aurora_dwh.core.schema import TableSchema
    from aurora_dwh.lake.inbox import Arrival
    from aurora_dwh.lake.store import Lake
    from aurora_dwh.source.extract import Source

TAKE_IN = "take_in_arrivals"
"""The job's one step."""

MARKS = "arrivals"
"""Its configuration: the marks of the arrivals to take in."""

MARK = "arrival_mark"
"""In the metadata of what is recorded of an arrival."""


class ArrivalsError(Exception):
    """The inbox, or what is in it, is out of reach: the run or the tick fails, and a later one tries again."""


def intake_config(marks: list[str], names: Names = PLAIN) -> dict[str, object]:
    """Return the run configuration that names arrivals to take in."""
    return {"ops": {names.of_project(TAKE_IN): {"config": {MARKS: marks}}}}


def build_arrivals_job(*, catalog: Catalog, names: Names = PLAIN, servers: Servers = ENVIRONMENT) -> dg.JobDefinition:
    """Return the job."""

    @dg.op(
        name=names.of_project(TAKE_IN),
        config_schema={MARKS: [str]},
        out=dg.Out(dg.Nothing),
        description="Takes the days of these arrivals into the lake.",
    )
    def take_in(context: dg.OpExecutionContext) -> None:
        from aurora_dwh.lake import inbox
        from aurora_dwh.lake.factory import open_lake
        from aurora_dwh.source.factory import open_source

        marks = set(context.op_config[MARKS])
        lake = open_lake(servers)
        source = open_source(catalog, context.log.warning, servers.source)
        intake = _Intake(catalog, names, servers, lake, source, context.instance, context.log, context.log_event)
        for arrival in inbox.find(lake.client, lake.layout):  # one that was exported again since has another mark
            if arrival.mark in marks:
                intake.look_at(arrival)
        if intake.failed:
            raise ArrivalsError("; ".join(intake.said)) from intake.failed[0]

    @dg.job(
        name=names.of_project("arrivals"),
        executor_def=stoppable_in_process_executor,
        description="Takes days that were exported by hand into the lake. The sensor of the same name runs it.",
    )
    def arrivals() -> None:
        take_in()

    return arrivals


@dataclass
class _Intake:
    """One run's work."""

    catalog: Catalog
    names: Names
    servers: Servers
    lake: "Lake"
    source: "Source"
    instance: dg.DagsterInstance
    log: Logger
    # records a day of the lake, or what became of an arrival
    record: Callable[[dg.AssetMaterialization | dg.AssetObservation], None]
    said: list[str] = field(default_factory=list)  # what became of those that could not be looked at
    failed: list[Exception] = field(default_factory=list)  # why

    def look_at(self, arrival: "Arrival") -> None:
        """Take an arrival in, or say why not; whatever goes wrong with it is its own affair."""
        where = self.lake.layout.url(arrival.key)
        try:
            table, day = self._place(arrival)
            self._take_in(arrival, table, day)
        except DataError as error:
            self._refuse(arrival, str(error))
        except Exception as error:  # out of reach, say: the next tick may do better
            self.log.warning(f"{where} could not be looked at: {error}")
            self.said.append(f"{where} is tried again: {error}")
            self.failed.append(error)

    def _take_in(self, arrival: "Arrival", table: Table, day: date) -> None:
        from aurora_dwh.lake import inbox
        from aurora_dwh.source.factory import lookup, rules, windows
        from aurora_dwh.source.masking import require_exportable
        from aurora_dwh.source.value_checks import helps, misfits
        from aurora_dwh.source.windows import opened

        started = monotonic()
        require_exportable(table)
        if not arrival.is_counted:
            raise DataError(
                "there is no count of its rows beside it; run the statements of `aurora-dwh plan "
                f"{quoted(table.name)} --day {day} --by-hand`, all of them in one transaction"
            )
        schema = self.source.schema(table)
        kinds = misfits(schema, table)
        contents = inbox.read(self.lake.client, self.lake.layout, arrival, schema, len(kinds))
        found = {kind: count for kind, count in zip(kinds, contents.counts, strict=True) if count}
        for kind, count in found.items():
            if kind.is_refused:
                raise DataError(
                    f"{count:,} values of column {kind.column.name!r} do not fit ({kind.reason.replace('_', ' ')}); "
                    f"{helps(kind, schema, table)}"
                )
        converted = {(kind.column.target_name, kind.reason): count for kind, count in found.items()}
        asked = windows(table, self.catalog, [day])
        (span,) = opened(asked, table, read_at=contents.read_at, zone=self.catalog.zone)
        by, again = rules(table, self.catalog, self.servers.source), lookup(table, schema, self.servers.source)
        manifest = self.lake.take_in(arrival, contents, schema, span, converted, by, again)
        if manifest is None:
            self.log.info(f"{arrival.table} {day} was read again since it was exported by hand, which stands")
            return
        self._record(arrival, manifest, schema, monotonic() - started)

    def _place(self, arrival: "Arrival") -> tuple[Table, date]:
        """Return the table and the day that an arrival is of, by its folder."""
        if arrival.day is None:
            raise DataError("a day is exported to _arrivals/<table>/day=YYYY-MM-DD/<name>, and this is another place")
        if arrival.table not in self.catalog.tables:
            raise DataError(f"the catalog has no table {arrival.table!r}")
        if arrival.day < self.catalog.start_date:
            raise DataError(f"{arrival.day} lies before the catalog's first day, {self.catalog.start_date}")
        return self.catalog.tables[arrival.table], arrival.day

    def _record(self, arrival: "Arrival", manifest: Manifest, schema: "TableSchema", seconds: float) -> None:
        """Record the lake's day, by which the sensor knows what to load."""
        from aurora_dwh.instance.details import drop_repeated_columns
        from aurora_dwh.orchestration.io_managers.lake import columns_metadata, day_metadata, statement_metadata

        key, name = manifest.day.isoformat(), asset_name(arrival.table)
        lake = self.names.key("lake", name)
        drop_repeated_columns(self.instance, lake)
        statement = f"-- exported by hand to {self.lake.layout.url(arrival.key)}"
        export = Export(schema, manifest.window, manifest.snapshot_at, manifest.rows, None, {}, statement, lambda _: ())
        metadata = day_metadata(manifest, export, seconds) | statement_metadata(export) | columns_metadata(manifest)
        metadata |= {MARK: dg.MetadataValue.text(arrival.mark)}
        self.record(dg.AssetMaterialization(lake, partition=key, metadata=metadata))
        self.log.info(f"{arrival.table} {key}: {manifest.rows} rows exported by hand are in the lake")

    def _refuse(self, arrival: "Arrival", reason: str) -> None:
        """Say why an arrival is not taken in: in the run, and on the asset where there is one."""
        where = self.lake.layout.url(arrival.key)
        text = f"{where} is not taken in: {reason}"
        self.log.error(text)
        if arrival.table in self.catalog.tables:
            self.record(
                dg.AssetObservation(
                    self.names.key("lake", asset_name(arrival.table)),
                    partition=arrival.day.isoformat() if arrival.day else None,
                    description=text,
                    metadata={"arrival": where, "refused": reason, MARK: arrival.mark},
                )
            )
