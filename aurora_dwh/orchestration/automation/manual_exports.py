"""The arrivals sensor: days that somebody exported by hand are taken into the lake, and their staging is requested.

A person who runs SELECT ... INTO OUTFILE S3 on Aurora, by the statements that `aurora-dwh plan --by-hand` prints,
leaves the day in the lake's inbox (`lake.inbox` says where and how). The sensor lists the inbox, which is all that
it may do there, and requests a run of the job `arrivals` for what is new; of each day that this run took in it
requests `staging/<table>`. The cursor has a mark for each arrival that was dealt with, so nothing is taken in twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.models import utc_now
from aurora_dwh.instance import run_tags
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.automation.manual_exports_job import MARK, ArrivalsError, intake_config
from aurora_dwh.settings.servers import ENVIRONMENT, Servers

if TYPE_CHECKING:
    from aurora_dwh.lake.inbox import Arrival

ARRIVALS_PER_RUN = 20
"""How many days are taken in by one run."""

PATIENCE = timedelta(hours=1)
"""How long an arrival may lack its count, which is exported after the rows, and how long a failed one is left alone."""

INTERVAL_SECONDS = 120

TAGS = {run_tags.REQUESTED_BY: "arrivals"}


def build_arrivals_sensor(
    *,
    catalog: Catalog,
    intake: dg.JobDefinition,
    job: dg.UnresolvedAssetJobDefinition,
    names: Names = PLAIN,
    servers: Servers = ENVIRONMENT,
) -> dg.SensorDefinition:
    """Return the sensor that has the job `intake` take in days that were exported by hand, and then `job` load them."""

    @dg.sensor(
        name=names.of_project("arrivals"),
        jobs=[intake, job],
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has days that were exported by hand taken into the lake, from LAKE_URI/<database>/_arrivals, and "
        "requests their staging tables.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from aurora_dwh.lake import inbox
        from aurora_dwh.lake.factory import open_lake

        kept = json.loads(context.cursor or "{}")
        cursor = _Cursor(**kept) if isinstance(kept, dict) else _Cursor(settled=kept)  # as it was before such runs
        try:
            lake = open_lake(servers)
            listed = inbox.find(lake.client, lake.layout)
        except Exception as error:  # S3 or the settings
            raise ArrivalsError(f"the lake's inbox cannot be read: {error}") from error
        requests = [*_loads(context.instance, cursor, job, names)]
        cursor.forget({arrival.mark for arrival in listed})
        said, ready = [], []
        for arrival in listed:
            if cursor.knows(arrival.mark):
                continue
            if waits_for := _waits_for(arrival, catalog):
                said.append(f"{lake.layout.url(arrival.key)} waits for {waits_for}")
            else:
                ready.append(arrival.mark)
        if ready:
            marks = ready[:ARRIVALS_PER_RUN]
            key = f"{utc_now():%Y-%m-%dT%H:%M:%S.%f} {marks[0]}"
            cursor.asked[key] = marks
            requests.append(
                dg.RunRequest(run_key=key, job_name=intake.name, run_config=intake_config(marks, names), tags=TAGS)
            )
        reason = "; ".join(said) or f"nothing new among {len(listed)} arrivals"
        return dg.SensorResult(
            run_requests=requests, skip_reason=None if requests else reason, cursor=json.dumps(vars(cursor))
        )

    return arrivals


@dataclass
class _Cursor:
    """What became of arrivals, by their marks."""

    settled: list[str] = field(default_factory=list)  # those that need not be looked at again
    asked: dict[str, list[str]] = field(default_factory=dict)  # those that a run was requested for, by the run's key
    # those that could not be looked at, with the moment from which another run is requested, in seconds
    again: dict[str, float] = field(default_factory=dict)

    def knows(self, mark: str) -> bool:
        """Say whether nothing is to be done about an arrival now."""
        is_asked = any(mark in marks for marks in self.asked.values())
        return is_asked or mark in self.settled or self.again.get(mark, 0) > utc_now().timestamp()

    def forget(self, listed: set[str]) -> None:
        """Forget what is in the inbox no more."""
        self.settled = [mark for mark in self.settled if mark in listed]
        self.again = {mark: since for mark, since in self.again.items() if mark in listed}


def _waits_for(arrival: Arrival, catalog: Catalog) -> str | None:
    if arrival.day is None or arrival.table not in catalog.tables:
        return None  # the run says what is wrong with its place
    if arrival.day >= datetime.now(catalog.zone).date():
        return "its day to end"
    return None if arrival.is_counted or utc_now() - arrival.arrived_at > PATIENCE else "its count"


def _loads(
    instance: dg.DagsterInstance, cursor: _Cursor, job: dg.UnresolvedAssetJobDefinition, names: Names
) -> Iterator[dg.RunRequest]:
    """Yield, once each, the loads of what runs that have ended took in, and settle their arrivals.

    What such a run could not look at is left alone for a while. A run that there is not any more is as one that failed.
    """
    for key, marks in list(cursor.asked.items()):
        run = next(iter(instance.get_runs(dg.RunsFilter(tags={run_tags.RUN_KEY: key, **TAGS}), limit=1)), None)
        if run and not run.is_finished:
            continue
        del cursor.asked[key]
        told = set(marks) if run and run.is_success else set()
        for record in _recorded(instance, run.run_id) if run else ():
            mark = str(record.metadata[MARK].value)
            told.add(mark)
            if isinstance(record, dg.AssetMaterialization):
                staging = names.key("staging", record.asset_key.path[-1])
                yield dg.RunRequest(
                    run_key=f"arrival-{mark}",
                    job_name=job.name,
                    partition_key=record.partition,
                    asset_selection=[staging],
                    tags=TAGS,
                )
        cursor.settled += sorted(told)
        cursor.again |= {mark: (utc_now() + PATIENCE).timestamp() for mark in marks if mark not in told}


def _recorded(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """Yield what a run recorded of arrivals."""
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION}
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.asset_materialization or entry.asset_observation
        if event and MARK in event.metadata:
            yield event
