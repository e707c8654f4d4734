"""A daily run of every table of the catalog, from the source to staging, by Dagster in one process.

python -m benchmarks.clients.dagster_day DAY
"""

from __future__ import annotations

import sys

import dagster as dg
import pyarrow.parquet  # noqa: F401 - the product imports it when it needs it, which is not to be measured
import redshift_connector  # noqa: F401

from aurora_dwh.definitions import defs
from benchmarks.clients.said import Clock

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main(day: str) -> None:
    """Run the daily job for a day, without the marts, whose tables these are not."""
    clock = Clock()
    definitions = defs()
    chains = dg.AssetSelection.groups("lake", "staging").resolve(definitions.resolve_asset_graph())
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("daily_load").execute_in_process(
            run_config=QUIET, instance=instance, partition_key=day, asset_selection=sorted(chains)
        )
    assert result.success
    clock.say()


if __name__ == "__main__":
    main(*sys.argv[1:])
