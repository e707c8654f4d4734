"""Dagster's tags and statuses of runs, as the installed version writes them."""

from __future__ import annotations

import pytest
from dagster._core.storage import dagster_run, tags

from aurora_dwh.instance import run_tags


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (run_tags.PARTITION, tags.PARTITION_NAME_TAG),
        (run_tags.RANGE_START, tags.ASSET_PARTITION_RANGE_START_TAG),
        (run_tags.RANGE_END, tags.ASSET_PARTITION_RANGE_END_TAG),
        (run_tags.RUN_KEY, tags.RUN_KEY_TAG),
        (run_tags.SENSOR, tags.SENSOR_NAME_TAG),
        (run_tags.BACKFILL, tags.BACKFILL_ID_TAG),
        (run_tags.PARENT_RUN, tags.PARENT_RUN_ID_TAG),
        (run_tags.ROOT_RUN, tags.ROOT_RUN_ID_TAG),
        (run_tags.REPOSITORY, tags.REPOSITORY_LABEL_TAG),
        (run_tags.WILL_RETRY, tags.WILL_RETRY_TAG),
    ],
)
def test_tags_are_those_that_dagster_writes(ours: str, theirs: str) -> None:
    assert ours == theirs


def test_statuses_are_over_where_dagster_says_so() -> None:
    assert set(run_tags.FINISHED) == set(dagster_run.FINISHED_STATUSES)
    assert set(run_tags.UNFINISHED) == set(dagster_run.NOT_FINISHED_STATUSES)
