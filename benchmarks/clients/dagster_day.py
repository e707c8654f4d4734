"""A daily run of tables of the catalog, from the source to staging, by Dagster in one process.

python -m benchmarks.clients.dagster_day DAY            # all tables as one run
python -m benchmarks.clients.dagster_day DAY NUMBER     # of the runs that the schedule makes of them, that one
python -m benchmarks.clients.dagster_day FIRST...LAST   # a range of days as one run, as the UI launches it
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.definitions import defs
from aurora_dwh.instance import run_tags
from aurora_dwh.orchestration.assets.names import PLAIN
from aurora_dwh.orchestration.automation.schedules import day_requests
from benchmarks.clients.import_warmup import warm_up_imports
from benchmarks.clients.output_format import Clock

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main(day: str, number: str | None = None) -> None:
    """Run the daily job for a day or a range."""
    warm_up_imports("pyarrow.parquet", "redshift_connector")
    clock = Clock()
    definitions, catalog = defs(), Catalog.load()
    first, _, last = day.partition("...")
    everything = PLAIN.chain_keys(catalog.tables.values())
    share = everything if number is None else shares(catalog, date.fromisoformat(day))[int(number)]
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("daily_load").execute_in_process(
            run_config=QUIET,
            instance=instance,
            partition_key=None if last else day,
            tags=run_tags.of_range(first, last) if last else None,
            asset_selection=share,
        )
    assert result.success
    clock.say()


def shares(catalog: Catalog, day: date) -> list[Sequence[dg.AssetKey]]:
    """Return what each of the runs loads that the schedule makes of a day of many tables."""
    tick = datetime.combine(day + timedelta(days=1), time(), catalog.zone)
    return [request.asset_selection or () for request in day_requests(catalog, tick, {})]


if __name__ == "__main__":
    main(*sys.argv[1:])
