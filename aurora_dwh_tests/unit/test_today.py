"""When the running day is asked for, and that nothing takes it for a day that is there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.source.windows import as_read, awaited, window

CATALOG = """
timezone: America/Chicago
start_date: 2024-01-10
tables:
  calm: {key: id, cursor: updated}
  hour: {key: id, cursor: updated, schedule: hourly}
  shop: {mode: append, cursor: updated, schedule: "*/30 9-17 * * 1-5", deadline: "07:00"}
  skip: {mode: full, schedule: "30 2 * * *"}
"""
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in files, as a schedule opens its own by reference; each test leaves it without runs under way."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as made:
        yield made


@pytest.fixture
def defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    return found


def evaluated(defs: dg.Definitions, instance: dg.DagsterInstance, tick: datetime) -> Any:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=tick, repository_def=defs.get_repository_def()
    )
    return defs.resolve_schedule_def("today_load").evaluate_tick(context)


def asked(defs: dg.Definitions, instance: dg.DagsterInstance, tick: datetime) -> list[list[str]]:
    """Return which assets the runs of a tick make."""
    requests = evaluated(defs, instance, tick).run_requests or ()
    assert all(request.partition_key is None for request in requests)
    return [[key.to_user_string() for key in request.asset_selection or ()] for request in requests]


def test_only_tables_that_want_it_have_a_running_day_beside_all_that_a_daily_table_has(defs: dg.Definitions) -> None:
    def made_by(job: str) -> set[str]:
        return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}

    assert made_by("today_load") == {"today/hour", "today/shop", "today/skip"}
    assert made_by("daily_load") == {
        f"{layer}/{table}" for layer in ("lake", "staging") for table in ("calm", "hour", "shop", "skip")
    }
    graph = defs.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["today", "hour"]))
    assert (node.is_partitioned, node.child_keys, node.group_name) == (False, set(), "today")
    assert {key.to_user_string() for key in node.parent_keys} == {"aurora/hour"}
    ended = graph.get(dg.AssetKey(["staging", "hour"])).partitions_def
    assert isinstance(ended, dg.DailyPartitionsDefinition)
    assert ended.end_offset == 0


def test_no_table_no_job(tmp_path: Path, defs: dg.Definitions) -> None:
    (tmp_path / "catalog.yaml").write_text("\n".join(CATALOG.splitlines()[:5]))
    repository = load_definitions().get_repository_def()
    assert "today_load" not in {schedule.name for schedule in repository.schedule_defs}
    assert "today_load" not in repository.job_names


def test_the_running_day_is_checked_for_right_data_and_not_for_what_is_usual(defs: dg.Definitions) -> None:
    checks = defs.resolve_asset_graph().asset_check_keys
    assert {key.name for key in checks if key.asset_key.path == ["today", "hour"]} == {"rows", "keys", "schema"}
    assert {key.name for key in checks if key.asset_key.path == ["today", "shop"]} == {"rows", "schema"}


def test_each_tick_asks_for_the_tables_whose_cron_ticks(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    schedule = defs.resolve_schedule_def("today_load")
    assert schedule.cron_schedule == ["*/30 9-17 * * 1-5", "0 * * * *", "30 2 * * *"]
    assert schedule.execution_timezone == "America/Chicago"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING

    monday, sunday = date(2024, 3, 11), date(2024, 3, 17)
    at = lambda day, hour, minute: datetime(day.year, day.month, day.day, hour, minute, tzinfo=CHICAGO)  # noqa: E731
    assert asked(defs, instance, at(monday, 9, 0)) == [["today/hour", "today/shop"]]
    assert asked(defs, instance, at(monday, 9, 30)) == [["today/shop"]]
    assert asked(defs, instance, at(monday, 18, 0)) == [["today/hour"]]
    assert asked(defs, instance, at(sunday, 9, 0)) == [["today/hour"]]
    assert asked(defs, instance, at(monday, 2, 30)) == [["today/skip"]]
    assert asked(defs, instance, at(monday, 9, 0).astimezone(timezone.utc)) == [["today/hour", "today/shop"]]


@pytest.mark.parametrize(
    ("first", "hours", "skip"),
    [
        ("2024-03-10", 23, ["2024-03-10T03:00:00-05:00"]),  # there is no half past two: it ticks when clocks change
        ("2024-11-03", 25, ["2024-11-03T02:30:00-06:00"]),
        ("2024-06-01", 24, ["2024-06-01T02:30:00-05:00"]),
    ],
)
def test_where_clocks_change_an_hourly_table_is_asked_for_each_hour_and_no_tick_asks_for_nothing(
    first: str, hours: int, skip: list[str], defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    midnight = datetime.fromisoformat(first).replace(tzinfo=CHICAGO)
    end = (midnight + timedelta(days=1)).astimezone(timezone.utc)
    crons = list(defs.resolve_schedule_def("today_load").cron_schedule)
    ticks = schedule_execution_time_iterator(midnight.timestamp(), crons, "America/Chicago")
    utc = [tick.astimezone(timezone.utc) for tick in takewhile(lambda tick: tick < end, ticks)]
    by_tick = {tick: [key for run in asked(defs, instance, tick) for key in run] for tick in utc}
    assert all(by_tick.values())
    hourly = [tick for tick, keys in by_tick.items() if "today/hour" in keys]
    assert hourly == [midnight.astimezone(timezone.utc) + timedelta(hours=n) for n in range(hours)]
    local = [tick.astimezone(CHICAGO).isoformat() for tick, keys in by_tick.items() if "today/skip" in keys]
    assert local == skip


def test_a_table_whose_load_is_under_way_is_left_out_until_it_has_ended(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    tick = datetime(2024, 3, 11, 9, tzinfo=CHICAGO)
    job = defs.resolve_job_def("today_load")
    keys = frozenset({dg.AssetKey(["today", "hour"])})
    run = instance.create_run_for_job(job, asset_selection=keys, status=dg.DagsterRunStatus.STARTED)
    assert asked(defs, instance, tick) == [["today/shop"]]
    skipped = evaluated(defs, instance, tick.replace(hour=18))
    assert skipped.skip_message == "an earlier load is still under way of today/hour"
    instance.report_run_failed(run)
    assert asked(defs, instance, tick) == [["today/hour", "today/shop"]]


def test_many_tables_are_dealt_to_as_many_runs_as_aurora_lets_work(
    tmp_path: Path, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    more = "".join(f"  t{n}: {{mode: full, schedule: hourly}}\n" for n in range(60))
    (tmp_path / "catalog.yaml").write_text(CATALOG + more + "pools: {aurora: 2}\n")
    runs = asked(load_definitions(), instance, datetime(2024, 3, 11, 4, tzinfo=CHICAGO))
    assert sorted(map(len, runs)) == [30, 31]
    assert len({key for run in runs for key in run}) == 61


def test_to_the_deadline_and_the_gaps_the_running_day_is_not_there(
    defs: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aurora_dwh.orchestration.automation import freshness, gaps

    now = datetime(2024, 3, 12, 9, tzinfo=CHICAGO)
    for module in (freshness, gaps):
        monkeypatch.setattr(module, "utc_now", lambda: now)
    for key in ("lake/shop", "staging/shop"):
        instance.report_runless_asset_event(dg.AssetMaterialization(key.split("/"), partition="2024-03-10"))
    # What the runs of the eleventh left, the night behind which failed:
    instance.report_runless_asset_event(dg.AssetMaterialization(["today", "shop"], metadata={"day": "2024-03-11"}))
    repository = defs.get_repository_def()

    def tick(sensor: str) -> Any:
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        return repository.get_sensor_def(sensor).evaluate_tick(context)

    late = {e.asset_key.path[-1]: e.passed for e in tick("freshness").asset_events}
    assert late == {"shop": False}
    (request,) = tick("gaps").run_requests or ()
    assert (request.job_name, request.partition_key) == ("daily_load", "2024-03-11")
    assert {key.to_user_string() for key in request.asset_selection or ()} == {"lake/shop", "staging/shop"}


def test_the_running_day_is_awaited_to_its_beginning_and_every_other_day_to_its_end() -> None:
    day = window(date(2024, 3, 10), zone=CHICAGO, start_date=date(2024, 1, 1), lookback=timedelta(hours=3))
    began, ended = (datetime(2024, 3, n, 6 - n % 2, tzinfo=timezone.utc) for n in (10, 11))  # 23 hours apart
    assert awaited(day, today=day.day, zone=CHICAGO) == began
    assert awaited(day, today=None, zone=CHICAGO) == awaited(day, today=date(2024, 3, 11), zone=CHICAGO) == ended


@pytest.mark.parametrize("table", ["hour", "shop"])
def test_a_reading_before_a_days_end_brought_what_there_was_until_then(table: str, defs: dg.Definitions) -> None:
    catalog = Catalog.load()
    day = window(date(2024, 3, 11), zone=CHICAGO, start_date=catalog.start_date)
    read_at = datetime(2024, 3, 11, 15, 30, 1, 999, tzinfo=timezone.utc)
    found = as_read(day, catalog.tables[table], read_at=read_at, zone=CHICAGO)
    assert (found.start, found.end, found.is_open) == (day.start, read_at.replace(microsecond=0), False)
