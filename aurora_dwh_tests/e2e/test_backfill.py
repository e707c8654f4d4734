"""A backfill of four months in one run: each day has its own record, and a kill leaves the remaining days to do."""

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

DAYS = [(date(2024, 1, 1) + timedelta(days=n)).isoformat() for n in range(120)]


def killed_after(world: World, days: int) -> None:
    """Run the range in a process of its own, as the command line does, and kill it once so many days are recorded."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "aurora_dwh.definitions"]
    command += ["--select", 'key:"lake/event" or key:"staging/event"', "--partition-range", f"{DAYS[0]}...{DAYS[-1]}"]
    with (world.home / "run.log").open("wb") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            while len(world.materialized_days("lake/event")) < days:
                assert run.poll() is None, (world.home / "run.log").read_text()[-2000:]
                time.sleep(0.5)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("kept")
def test_a25_of_120_days_in_one_run_that_is_killed_the_remaining_ones_are_missing(world: World) -> None:
    world.catalog("event: {key: id, cursor: at}", timezone="UTC")
    world.at_source(
        "CREATE TABLE event (id INT PRIMARY KEY, at DATETIME, KEY (at))",
        f"INSERT INTO event SELECT seq, '2023-12-31 18:00:00' + INTERVAL seq * 12 HOUR FROM {numbers(240)}",
    )
    killed_after(world, days=30)

    done = sorted(world.materialized_days("lake/event"))
    assert done == DAYS[: len(done)]
    assert 30 <= len(done) < 120
    assert world.materialized_days("staging/event") == set()

    world.load(DAYS[len(done)], "event", last=DAYS[-1])
    assert sorted(world.materialized_days("lake/event")) == DAYS
    assert sorted(world.materialized_days("staging/event")) == DAYS[len(done) :]

    run = world.run(DAYS[0], DAYS[len(done) - 1], [dg.AssetKey(["staging", "event"])])  # the lake has its days
    assert run.success, run.failures
    assert sorted(world.materialized_days("staging/event")) == DAYS
    world.assert_equal("event")
    for asset in ("lake/event", "staging/event"):
        rows = [world.day_metadata(asset, day)["dagster/partition_row_count"] for day in (DAYS[0], DAYS[-1])]
        assert rows == [2, 2], asset
    assert world.ask_warehouse("SELECT COUNT(*), MIN(rows_in_manifest) FROM dwh.load_history") == [(120, 2)]
