"""The arrivals sensor: days that somebody exported by hand are taken into the lake, and their staging is requested.

A person who runs SELECT ... INTO OUTFILE S3 on Aurora, by the statements that `aurora-dwh plan --by-hand` prints,
leaves the day in the lake's inbox (`lake.arrivals` says where and how). The sensor compares it with the table's columns
as they are now, writes the day's manifest, records the day of `lake/<table>`, requests `staging/<table>`. The cursor
has a mark for each arrival that was dealt with, so nothing is taken in twice, or complained of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from logging import Logger
from time import monotonic
from typing import TYPE_CHECKING

import dagster as dg

from aurora_dwh.assets.names import PLAIN, Names, asset_name
from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.handoff import DataError, Export, Manifest, utc_now
from aurora_dwh.instance import REQUESTED_BY
from aurora_dwh.rules import quoted
from aurora_dwh.servers import ENVIRONMENT, Servers

if TYPE_CHECKING:
    from aurora_dwh.lake.arrivals import Arrival
    from aurora_dwh.lake.store import Lake
    from aurora_dwh.schema import TableSchema
    from aurora_dwh.source.extract import Source

ARRIVALS_PER_TICK = 20
"""How many days are looked at in one tick."""

PATIENCE = timedelta(hours=1)
"""How long an arrival may lack its count, which is exported after the rows."""

INTERVAL_SECONDS = 120


class ArrivalsError(Exception):
    """The inbox, or what is in it, is out of reach: the tick fails, where the UI shows it, and the next one tries."""


def build_arrivals_sensor(
    *,
    catalog: Catalog,
    job: dg.UnresolvedAssetJobDefinition,
    names: Names = PLAIN,
    servers: Servers = ENVIRONMENT,
) -> dg.SensorDefinition:
    """Return the sensor that takes in days that were exported by hand.

    Args:
        catalog: The catalog.
        job: The daily job, whose run loads the day into staging.
        names: What the assets are called.
        servers: How to reach the lake and the source.
    """

    @dg.sensor(
        name=names.of_project("arrivals"),
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes days that were exported by hand into the lake, from LAKE_URI/<database>/_arrivals, and "
        "requests their staging tables.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from aurora_dwh.lake.opening import open_lake
        from aurora_dwh.source.opening import open_source

        before = frozenset(json.loads(context.cursor or "[]"))
        try:
            lake = open_lake(servers)
            listed = lake.arrivals()
            source = open_source(catalog, context.log.warning, servers.source)
        except Exception as error:  # S3 or the settings
            raise ArrivalsError(f"the lake's inbox cannot be read: {error}") from error
        tick = _Tick(catalog, names, servers, lake, source, context.instance, context.log)
        new = [arrival for arrival in listed if arrival.mark not in before]
        for arrival in new[:ARRIVALS_PER_TICK]:
            tick.look_at(arrival)
        if tick.failed and not tick.done:  # else what was done is told first: the next tick fails, if it must
            raise ArrivalsError("; ".join(tick.said)) from tick.failed[0]
        marks = {arrival.mark for arrival in listed} & (before | tick.done)
        said = "; ".join(tick.said) or f"nothing new among {len(listed)} arrivals"
        return dg.SensorResult(
            run_requests=tick.requests,
            asset_events=tick.events,
            skip_reason=None if tick.requests else said,
            cursor=json.dumps(sorted(marks)),
        )

    return arrivals


@dataclass
class _Tick:
    """One look at the inbox.

    Attributes:
        done: Marks of the arrivals that need not be looked at again.
        said: What became of those that no run is requested for.
        failed: Why arrivals could not be looked at.
    """

    catalog: Catalog
    names: Names
    servers: Servers
    lake: Lake
    source: Source
    instance: dg.DagsterInstance
    log: Logger
    done: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)
    requests: list[dg.RunRequest] = field(default_factory=list)
    events: list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation] = field(default_factory=list)

    def look_at(self, arrival: Arrival) -> None:
        """Take an arrival in, or say why not; whatever goes wrong with it is its own affair."""
        where = self.lake.layout.url(arrival.key)
        try:
            table, day = self._place(arrival)
            if waits_for := self._waits_for(arrival, day):
                self.said.append(f"{where} waits for {waits_for}")
                return
            self._take_in(arrival, table, day)
        except DataError as error:
            self._refuse(arrival, str(error))
        except Exception as error:  # out of reach, say: the next tick may do better
            self.log.warning(f"{where} could not be looked at: {error}")
            self.said.append(f"{where} is tried again: {error}")
            self.failed.append(error)
            return
        self.done.add(arrival.mark)

    def _waits_for(self, arrival: Arrival, day: date) -> str | None:
        if day >= datetime.now(self.catalog.zone).date():
            return "its day to end"
        return None if arrival.is_counted or utc_now() - arrival.arrived_at > PATIENCE else "its count"

    def _take_in(self, arrival: Arrival, table: Table, day: date) -> None:
        from aurora_dwh.source.misfits import helps, misfits
        from aurora_dwh.source.opening import lookup, rules, windows
        from aurora_dwh.source.treatment import require_exportable
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
        contents = self.lake.contents(arrival, schema, len(kinds))
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
            self.said.append(f"{arrival.table} {day} was read again since it was exported by hand, which stands")
            return
        self._record(arrival, manifest, schema, monotonic() - started)

    def _place(self, arrival: Arrival) -> tuple[Table, date]:
        """Return the table and the day that an arrival is of, by its folder."""
        if arrival.day is None:
            raise DataError("a day is exported to _arrivals/<table>/day=YYYY-MM-DD/<name>, and this is another place")
        if arrival.table not in self.catalog.tables:
            raise DataError(f"the catalog has no table {arrival.table!r}")
        if arrival.day < self.catalog.start_date:
            raise DataError(f"{arrival.day} lies before the catalog's first day, {self.catalog.start_date}")
        return self.catalog.tables[arrival.table], arrival.day

    def _record(self, arrival: Arrival, manifest: Manifest, schema: TableSchema, seconds: float) -> None:
        """Record the lake's day and request the load of it, which is asked for once whatever becomes of the tick."""
        from aurora_dwh.instance.details import drop_repeated_columns
        from aurora_dwh.lake.io_manager import columns_metadata, day_metadata, statement_metadata

        key, name = manifest.day.isoformat(), asset_name(arrival.table)
        lake = self.names.key("lake", name)
        drop_repeated_columns(self.instance, lake)
        statement = f"-- exported by hand to {self.lake.layout.url(arrival.key)}"
        export = Export(schema, manifest.window, manifest.snapshot_at, manifest.rows, None, {}, statement, lambda _: ())
        metadata = day_metadata(manifest, export, seconds) | statement_metadata(export) | columns_metadata(manifest)
        self.events.append(dg.AssetMaterialization(lake, partition=key, metadata=metadata))
        self.requests.append(
            dg.RunRequest(
                run_key=f"arrival-{arrival.mark}",
                partition_key=key,
                asset_selection=[self.names.key("staging", name)],
                tags={REQUESTED_BY: "arrivals"},
            )
        )
        self.log.info(f"{arrival.table} {key}: {manifest.rows} rows exported by hand are in the lake")

    def _refuse(self, arrival: Arrival, reason: str) -> None:
        """Say once why an arrival is not taken in: in the tick, and on the asset where there is one."""
        where = self.lake.layout.url(arrival.key)
        text = f"{where} is not taken in: {reason}"
        self.log.error(text)
        self.said.append(text)
        if arrival.table in self.catalog.tables:
            self.events.append(
                dg.AssetObservation(
                    self.names.key("lake", asset_name(arrival.table)),
                    partition=arrival.day.isoformat() if arrival.day else None,
                    description=text,
                    metadata={"arrival": where, "refused": reason},
                )
            )
