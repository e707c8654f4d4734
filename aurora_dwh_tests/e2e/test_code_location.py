"""The code location as Dagster loads it: it validates, and its schedule asks for yesterday."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from aurora_dwh.catalog.errors import CatalogError
from aurora_dwh.orchestration.assets.names import asset_name
from aurora_dwh_tests.e2e.world import World

ROOT = Path(__file__).parents[2]


def test_the_workspace_validates_without_any_server_or_variable(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("zone", "now", "yesterday"),
    [
        ("Asia/Tokyo", "2024-02-11T01:00", "2024-02-10"),
        ("America/Chicago", "2024-03-11T01:00", "2024-03-10"),  # yesterday had 23 hours
        ("America/Chicago", "2024-11-04T01:00", "2024-11-03"),  # yesterday had 25 hours
    ],
)
def test_the_schedule_asks_for_yesterday_of_the_whole_graph(world: World, zone: str, now: str, yesterday: str) -> None:
    world.catalog("item: {mode: full}", timezone=zone)
    definitions = world.definitions()
    schedule = definitions.resolve_schedule_def("daily_load")
    assert schedule.cron_schedule == "0 1 * * *"
    assert schedule.execution_timezone == zone
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    moment = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(zone))
    tick = schedule.evaluate_tick(
        dg.build_schedule_context(
            instance=world.instance,
            scheduled_execution_time=moment,
            repository_def=definitions.get_repository_def(),
        )
    )
    (request,) = tick.run_requests or []
    assert request.partition_key == yesterday
    job = definitions.resolve_job_def("daily_load")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {"lake/item", "staging/item"}


def test_a_catalog_of_ones_own_tables_loads_without_the_sample_shops_marts(world: World) -> None:
    world.catalog("売上: {mode: full}")
    keys = world.definitions().resolve_asset_graph().get_all_asset_keys()
    assert keys == {dg.AssetKey([layer, asset_name("売上")]) for layer in ("aurora", "lake", "staging", "proof")}


def test_a_wrong_catalog_is_told_by_file_and_line(world: World) -> None:
    world.catalog("item: {mode: fully}")
    with pytest.raises(CatalogError, match=f"{re.escape(str(world.catalog_file))}:4"):
        world.definitions()
