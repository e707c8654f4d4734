"""What alarms are made of, over Dagster's own storage: silence, failed runs, days that are late, a code server gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.types import DaemonHeartbeat

from aurora_dwh.catalog.model import Catalog
from infra.watch import Watch

CATALOG = """
timezone: Asia/Tokyo
start_date: 2024-01-01
tables:
  a: {key: id, cursor: updated}
  b: {key: id, cursor: updated, deadline: "09:30"}
  m: {key: id, cursor: updated, schedule: monthly}
"""


def tokyo(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2024, month, day, hour, minute, tzinfo=ZoneInfo("Asia/Tokyo"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (home := tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as made:  # an ephemeral one needs no daemon
        yield made


@pytest.fixture
def watch(instance: dg.DagsterInstance, tmp_path: Path) -> Watch:
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG)
    return Watch(instance, {None: Catalog.load(file)}, "06:00", [("127.0.0.1", 1)])  # where nobody listens


def load(instance: dg.DagsterInstance, table: str, *days: str) -> None:
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(["staging", table], partition=day))


def test_what_the_catalog_says_is_due_counts_and_nothing_else(instance: dg.DagsterInstance, watch: Watch) -> None:
    load(instance, "a", "2024-03-09")
    load(instance, "b", "2024-03-09")
    load(instance, "m", "2024-02-29")
    assert watch.days_late(tokyo(3, 11, 5, 59)) == 0  # yesterday is not due yet, and the day before is there
    assert watch.days_late(tokyo(3, 11, 6)) == 1  # a; b has its own hour, and m is not due before April
    assert watch.days_late(tokyo(3, 11, 9, 30)) == 2
    load(instance, "a", "2024-03-10")
    load(instance, "b", "2024-03-10")
    assert watch.days_late(tokyo(3, 11, 9, 30)) == 0
    load(instance, "a", "2024-03-31")
    load(instance, "b", "2024-03-30", "2024-03-31")
    assert watch.days_late(tokyo(4, 1, 6)) == 1  # the month of m
    load(instance, "m", "2024-03-31")
    assert watch.days_late(tokyo(4, 1, 6)) == 0


def test_a_day_is_late_until_it_is_loaded_and_not_until_midnight(instance: dg.DagsterInstance, watch: Watch) -> None:
    load(instance, "b", "2024-03-10", "2024-03-11")
    load(instance, "m", "2024-02-29")
    load(instance, "a", "2024-03-09")
    assert watch.days_late(tokyo(3, 12, 0, 5)) == 1
    load(instance, "a", "2024-03-10", "2024-01-05")  # an old day behind it makes nothing late
    assert watch.days_late(tokyo(3, 12, 0, 5)) == 0


def test_a_table_that_was_never_loaded_is_late_and_one_before_its_first_day_is_not(watch: Watch) -> None:
    assert watch.days_late(tokyo(3, 11, 10)) == 3
    assert watch.days_late(tokyo(1, 1, 10)) == 0


def test_locations_are_watched_together_each_by_its_own_names(instance: dg.DagsterInstance, watch: Watch) -> None:
    code = [*watch.code, ("127.0.0.1", 2)]
    both = Watch(instance, {**watch.catalogs, "crm": watch.catalogs[None]}, watch.deadline, code)
    load(instance, "a", "2024-03-10")
    assert both.days_late(tokyo(3, 11, 10)) == 5
    instance.report_runless_asset_event(dg.AssetMaterialization(["crm", "staging", "b"], partition="2024-03-10"))
    assert both.days_late(tokyo(3, 11, 10)) == 4
    assert both.location_error(tokyo(3, 11, 10)) == 2


def test_a_code_server_that_is_gone_is_an_error_and_hides_no_day(watch: Watch) -> None:
    measures = watch.measures(tokyo(3, 11, 10), days=True)
    assert measures["location_error"] == 1
    assert measures["days_late"] == 3
    assert "days_late" not in watch.measures(tokyo(3, 11, 10), days=False)


def test_a_part_of_the_daemon_that_was_never_heard_is_silent_for_ever(
    instance: dg.DagsterInstance, watch: Watch
) -> None:
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    required = instance.get_required_daemon_types()
    for part in required[1:]:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp() - 30, part, "one"))
    assert watch.daemon_silence_seconds(now) > 1e9
    instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp() - 90, required[0], "one"))
    assert watch.daemon_silence_seconds(now) == 90


def test_runs_that_failed_are_counted_for_a_while(instance: dg.DagsterInstance, watch: Watch) -> None:
    create_run_for_test(instance, status=dg.DagsterRunStatus.FAILURE)
    create_run_for_test(instance, status=dg.DagsterRunStatus.SUCCESS)
    now = datetime.fromtimestamp(time.time(), ZoneInfo("UTC"))
    assert watch.failed_runs(now) == 1
    assert watch.failed_runs(now.replace(year=now.year + 1)) == 0


def test_what_cannot_be_asked_is_left_out_and_the_rest_is_told(
    instance: dg.DagsterInstance, watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("could not connect to server")

    monkeypatch.setattr(type(instance.event_log_storage), "index_connection", refuse)
    monkeypatch.setattr(type(instance), "get_daemon_heartbeats", refuse)
    assert set(watch.measures(tokyo(3, 11, 10), days=True)) == {"failed_runs", "location_error"}
    assert "days_late: OSError: could not connect to server" in capsys.readouterr().err
