"""A backfill of many days in one run: each day has its own record, and a kill leaves the remaining days to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta

import dagster as dg
import pytest

from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.servers import numbers


def killed_after(world: World, chosen: list[str], days: int) -> None:
    """Run the range in a process of its own, as the command line does, and kill it once so many days are recorded."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "aurora_dwh.definitions"]
    command += [
        "--select",
        'key:"lake/event" or key:"staging/event"',
        "--partition-range",
        f"{chosen[0]}...{chosen[-1]}",
    ]
    with (world.home / "run.log").open("wb") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            while len(world.materialized_days("lake/event")) < days:
                assert run.poll() is None, (world.home / "run.log").read_text()[-2000:]
                time.sleep(0.1)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("count", [40, pytest.param(120, marks=pytest.mark.soak)])
def test_a25_of_many_days_in_one_run_that_is_killed_the_remaining_ones_are_missing(world: World, count: int) -> None:
    days = [(date(2024, 1, 1) + timedelta(days=n)).isoformat() for n in range(count)]
    world.catalog("event: {key: id, cursor: at}", timezone="UTC")
    world.at_source(
        "CREATE TABLE event (id INT PRIMARY KEY, at DATETIME, KEY (at))",
        f"INSERT INTO event SELECT seq, '2023-12-31 18:00:00' + INTERVAL seq * 12 HOUR FROM {numbers(2 * count)}",
    )
    killed_after(world, days, count // 4)

    done = sorted(world.materialized_days("lake/event"))
    assert done == days[: len(done)]
    assert count // 4 <= len(done) < count
    assert world.materialized_days("staging/event") == set()

    world.load(days[len(done)], "event", last=days[-1])
    assert sorted(world.materialized_days("lake/event")) == days
    assert sorted(world.materialized_days("staging/event")) == days[len(done) :]

    run = world.run(days[0], days[len(done) - 1], [dg.AssetKey(["staging", "event"])])  # the lake has its days
    assert run.success, run.failures
    assert sorted(world.materialized_days("staging/event")) == days
    world.assert_equal("event")
    for asset in ("lake/event", "staging/event"):
        rows = [world.day_metadata(asset, day)["dagster/partition_row_count"] for day in (days[0], days[-1])]
        assert rows == [2, 2], asset
    assert world.ask_warehouse("SELECT COUNT(*), MIN(rows_in_manifest) FROM dwh.load_history") == [(count, 2)]
