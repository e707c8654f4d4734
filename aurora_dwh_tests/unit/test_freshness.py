"""Whether each table has yesterday by its deadline, over Dagster's own event log."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.orchestration.automation import freshness
from aurora_dwh.orchestration.automation.freshness import due_day
from aurora_dwh_tests.instances import empty_instance

CATALOG = """
timezone: Asia/Tokyo
start_date: 2024-01-01
defaults: {deadline: "07:00"}
tables:
  a: {key: id, cursor: updated}
  b: {key: id, cursor: updated, deadline: "09:30"}
  m: {key: id, cursor: updated, schedule: monthly}
"""


def tokyo(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 3, day, hour, minute, tzinfo=ZoneInfo("Asia/Tokyo"))


class Watch:
    """A code location, an instance of its own, a clock, and the sensor's cursor."""

    def __init__(self) -> None:
        self.instance = empty_instance()
        found = load_definitions()
        assert isinstance(found, dg.Definitions)
        self.defs = found
        self.now = tokyo(11, 6)
        self.cursor: str | None = None

    def load(self, table: str, day: str) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(["staging", table], partition=day))

    def said(self, now: datetime) -> dict[str, tuple[bool, str]]:
        """Return what a tick of the sensor says, by table, and record it as the daemon does."""
        self.now = now
        repository = self.defs.get_repository_def()
        context = dg.build_sensor_context(instance=self.instance, repository_def=repository, cursor=self.cursor)
        result = repository.get_sensor_def("freshness").evaluate_tick(context)
        self.cursor = result.cursor or self.cursor
        events: Any = result.asset_events
        for event in events:
            self.instance.report_runless_asset_event(event)
        return {event.asset_key.path[-1]: (event.passed, event.description) for event in events}


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    made = Watch()
    monkeypatch.setattr(freshness, "utc_now", lambda: made.now)
    for table in ("a", "b"):
        made.load(table, "2024-03-09")
    made.load("m", "2024-02-29")
    made.said(tokyo(11, 6))
    return made


def test_at_its_deadline_each_table_is_judged_once(watch: Watch) -> None:
    watch.load("a", "2024-03-10")
    assert watch.said(tokyo(11, 6, 59)) == {}
    assert watch.said(tokyo(11, 7)) == {"a": (True, "2024-03-10 is loaded")}
    assert watch.said(tokyo(11, 9, 29)) == {}
    assert watch.said(tokyo(11, 9, 30)) == {"b": (False, "2024-03-10 is not loaded, and was due by 09:30")}
    assert watch.said(tokyo(11, 12)) == {}


def test_a_late_day_makes_the_table_fresh_when_it_comes_and_an_old_one_does_not(watch: Watch) -> None:
    assert set(watch.said(tokyo(11, 10))) == {"a", "b"}
    watch.load("a", "2024-03-01")
    assert watch.said(tokyo(11, 11)) == {}
    watch.load("a", "2024-03-10")
    assert watch.said(tokyo(11, 12)) == {"a": (True, "2024-03-10 is loaded")}


def test_the_next_deadline_judges_the_next_day(watch: Watch) -> None:
    watch.load("a", "2024-03-10")
    assert watch.said(tokyo(11, 7))["a"][0] is True
    assert watch.said(tokyo(12, 7))["a"] == (False, "2024-03-11 is not loaded, and was due by 07:00")


def test_what_the_sensor_says_is_the_checks_state(watch: Watch) -> None:
    watch.said(tokyo(11, 10))
    key = dg.AssetCheckKey(dg.AssetKey(["staging", "a"]), "fresh")
    last = watch.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert last.event is not None
    evaluation: Any = last.event.dagster_event
    assert evaluation.asset_check_evaluation_data.passed is False
    assert evaluation.asset_check_evaluation_data.metadata["day"].value == "2024-03-10"


def test_the_check_can_be_executed_by_hand(watch: Watch) -> None:
    watch.now = tokyo(11, 10)
    watch.load("a", "2024-03-10")
    checks = dg.AssetSelection.checks_for_assets(*(dg.AssetKey(["staging", name]) for name in "ab"))
    (definition,) = freshness.build_freshness_checks(catalog=Catalog.load())
    staging = [dg.AssetSpec(["staging", name]) for name in "abm"]
    found = dg.Definitions(assets=staging, asset_checks=[definition], jobs=[dg.define_asset_job("checks", checks)])
    result = found.resolve_job_def("checks").execute_in_process(instance=watch.instance)
    assert {one.asset_key.path[-1]: one.passed for one in result.get_asset_check_evaluations()} == {
        "a": True,
        "b": False,
    }


@pytest.mark.parametrize(
    ("table", "now", "day"),
    [
        ("a", tokyo(11, 6, 59), date(2024, 3, 9)),
        ("a", tokyo(11, 7), date(2024, 3, 10)),
        ("m", tokyo(1, 6, 59), date(2024, 1, 31)),
        ("m", tokyo(1, 7), date(2024, 2, 29)),
        ("m", tokyo(31, 12), date(2024, 2, 29)),
    ],
)
def test_a11_the_day_that_is_due_goes_by_the_catalogs_zone(watch: Watch, table: str, now: datetime, day: date) -> None:
    catalog = Catalog.load()
    assert due_day(catalog.tables[table], catalog, now.astimezone(ZoneInfo("UTC"))) == day


def test_without_a_deadline_there_is_no_check_and_no_sensor(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG.replace("defaults", "# ").replace(', deadline: "09:30"', ""))
    repository = load_definitions().get_repository_def()
    assert "freshness" not in {sensor.name for sensor in repository.sensor_defs}
