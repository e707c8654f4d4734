"""A daily run of tables of the catalog, from the source to staging, by Dagster in one process.

python -m benchmarks.clients.dagster_day DAY [NUMBER OF]: of so many runs that share the tables, that of this number
"""

from __future__ import annotations

import sys

import dagster as dg
import pyarrow.parquet  # noqa: F401 - the product imports it when it needs it, which is not to be measured
import redshift_connector  # noqa: F401

from aurora_dwh.automation.schedules import chain_keys
from aurora_dwh.catalog import Catalog
from aurora_dwh.definitions import defs
from benchmarks.clients.said import Clock

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main(day: str, number: str = "0", of: str = "1") -> None:
    """Run the daily job for a day."""
    clock = Clock()
    definitions = defs()
    share = chain_keys([*Catalog.load().tables.values()][int(number) :: int(of)])
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("daily_load").execute_in_process(
            run_config=QUIET, instance=instance, partition_key=day, asset_selection=share
        )
    assert result.success
    clock.say()


if __name__ == "__main__":
    main(*sys.argv[1:])
