"""Tags and statuses of runs, as Dagster keeps them in its storage.

Dagster documents the tags that it sets itself as texts, and exports no names for them; so they are written here, once:
https://docs.dagster.io/guides/build/assets/metadata-and-tags/tags
"""

from typing import Final

import dagster as dg

PARTITION: Final = "dagster/partition"
RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"
RUN_KEY: Final = "dagster/run_key"
SENSOR: Final = "dagster/sensor_name"
BACKFILL: Final = "dagster/backfill"
PARENT_RUN: Final = "dagster/parent_run_id"
ROOT_RUN: Final = "dagster/root_run_id"
REPOSITORY: Final = ".dagster/repository"
WILL_RETRY: Final = "dagster/will_retry"

REQUESTED_BY: Final = "aurora_dwh/requested_by"
"""The tag of runs that the product's own sensors request, none of which relies on Dagster to know a run by its key."""

FINISHED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
"""The statuses of a run that is over."""

UNFINISHED: Final = tuple(set(dg.DagsterRunStatus) - {*FINISHED, dg.DagsterRunStatus.MANAGED})
"""The statuses of a run that is or will be in progress; one that is managed is another system's."""

UNWANTED: Final = frozenset({*FINISHED, dg.DagsterRunStatus.CANCELING})
"""The statuses of a run whose work is not wanted any more."""

WANTED: Final = tuple(set(dg.DagsterRunStatus) - UNWANTED)
"""All others."""


def of_range(first: str, last: str) -> dict[str, str]:
    """Return the tags of a run of the partitions from a first to a last one."""
    return {RANGE_START: first, RANGE_END: last}
