"""When marts are built by themselves, with Dagster's own evaluation of their conditions over its own records."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.test_utils import create_run_for_test

from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh_tests.instances import empty_instance

CATALOG = """
timezone: UTC
start_date: 2024-01-01
tables:
  a: {key: id, cursor: updated}
  b: {key: id, cursor: updated}
  c: {key: id, cursor: updated, schedule: monthly}
"""
HEADER = "/*\nmaterialization: {}\ndescription: d\ngrain: [id]\n{}*/\n"
BY_DAY = HEADER.format("incremental", "day_column: day\n") + (
    "SELECT a._dwh_day AS day, a.id FROM staging.a JOIN staging.b ON a.id = b.id JOIN staging.c ON c.id = b.id\n"
    "WHERE a._dwh_day >= :first_day AND a._dwh_day < :end_day"
)
WHOLE = (
    HEADER.format("table", "")
    + "SELECT a.id FROM staging.a JOIN staging.b ON a.id = b.id JOIN staging.c ON c.id = b.id"
)
ABOVE = HEADER.format("view", "") + "SELECT id FROM bi.whole"
NOW = datetime(2024, 3, 11, 3, tzinfo=timezone.utc)
YESTERDAY, BEFORE, OLD = "2024-03-10", "2024-03-09", "2024-01-20"
MARTS = {"by_day": BY_DAY, "whole": WHOLE, "above": ABOVE}


class Watch:
    """A code location whose marts are watched, tick by tick."""

    def __init__(self, catalog_file: Path) -> None:
        self.instance = empty_instance()
        self.catalog_file = catalog_file
        self.deploy(CATALOG)
        self.cursor: Any = None

    def deploy(self, catalog: str) -> None:
        """Load the code location anew, from another catalog."""
        self.catalog_file.write_text(catalog)
        found = load_definitions()
        assert isinstance(found, dg.Definitions)
        self.defs = found

    def load(self, day: str, *tables: str) -> None:
        for table in tables:
            self.report(f"staging/{table}", day)

    def report(self, asset: str, day: str | None = None) -> None:
        event = dg.AssetMaterialization(dg.AssetKey(asset.split("/")), partition=day)
        self.instance.report_runless_asset_event(event)

    def tick(self) -> dict[str, set[str]]:
        """Return which marts are requested, with their days; the requests are not carried out."""
        keys = [dg.AssetKey(["bi", name]) for name in MARTS]
        selection = dg.AssetSelection.assets(*keys)
        result = dg.evaluate_automation_conditions(
            self.defs, self.instance, asset_selection=selection, evaluation_time=NOW, cursor=self.cursor
        )
        self.cursor = result.cursor
        asked: dict[str, set[str]] = {}
        for key in keys:
            if result.get_num_requested(key):
                asked[key.path[-1]] = {str(day) for day in result.get_requested_partitions(key)}
        return asked


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    (tmp_path / "marts").mkdir()
    for name, text in MARTS.items():
        (tmp_path / "marts" / f"{name}.sql").write_text(text)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    made = Watch(tmp_path / "catalog.yaml")
    made.tick()  # the first evaluation only looks around
    return made


def test_marts_are_built_once_all_inputs_have_the_day_and_not_before(watch: Watch) -> None:
    watch.load(YESTERDAY, "a")
    assert watch.tick() == {}
    watch.load(YESTERDAY, "b")
    assert watch.tick() == {"by_day": {YESTERDAY}, "whole": {"None"}}
    watch.report("bi/whole")
    assert watch.tick() == {"above": {"None"}}  # a mart upon a mart


def test_a_change_is_acted_upon_once_even_where_the_build_fails(watch: Watch) -> None:
    watch.load(YESTERDAY, "a", "b")
    assert watch.tick()
    for _ in range(3):  # nothing is built: as after a failure
        assert watch.tick() == {}


@pytest.fixture
def built(watch: Watch) -> Watch:
    """Everything of yesterday is loaded and built, and nothing has happened since."""
    watch.load(YESTERDAY, "a", "b")
    watch.tick()
    watch.report("bi/by_day", YESTERDAY)
    for mart in ("whole", "above"):
        watch.report(f"bi/{mart}")
        watch.tick()
    assert watch.tick() == {}
    return watch


def test_a_day_that_is_loaded_again_is_built_again(built: Watch) -> None:
    built.load(YESTERDAY, "a")
    assert built.tick() == {"by_day": {YESTERDAY}, "whole": {"None"}, "above": {"None"}}
    assert built.tick() == {}


def test_a_change_right_behind_a_request_is_not_forgotten(built: Watch) -> None:
    built.load(YESTERDAY, "a")
    built.tick()
    built.load(YESTERDAY, "b")  # the build that was requested may not have seen it
    assert built.tick() == {"by_day": {YESTERDAY}, "whole": {"None"}, "above": {"None"}}
    assert built.tick() == {}


def test_an_old_day_is_followed_once_it_is_whole(built: Watch) -> None:
    built.load(OLD, "a")
    assert built.tick() == {"whole": {"None"}, "above": {"None"}}
    built.load(OLD, "b")
    assert built.tick() == {"by_day": {OLD}, "whole": {"None"}, "above": {"None"}}


@pytest.mark.parametrize("start", ["2023-12-01", "2024-01-15"])
def test_o20_a_changed_start_date_forgets_no_day_that_waits_or_is_loaded_in_the_same_tick(
    watch: Watch, start: str
) -> None:
    watch.load(OLD, "a", "b")
    for day in (BEFORE, "2024-01-05"):  # which is no day of the catalog's any more where it begins later
        watch.load(day, "a")
    assert watch.tick() == {"by_day": {OLD}}
    watch.load(YESTERDAY, "a", "b")
    watch.deploy(CATALOG.replace("2024-01-01", start))
    assert watch.tick() == {"by_day": {YESTERDAY}, "whole": {"None"}}
    watch.load(BEFORE, "b")
    assert watch.tick() == {"by_day": {BEFORE}, "whole": {"None"}}
    assert watch.tick() == {}


def test_a_mart_without_days_waits_for_yesterday_and_not_for_all_of_history(watch: Watch) -> None:
    watch.load(BEFORE, "a", "b")
    assert watch.tick() == {"by_day": {BEFORE}}
    watch.load(YESTERDAY, "a", "b")
    assert watch.tick() == {"by_day": {YESTERDAY}, "whole": {"None"}}


def test_a_monthly_table_is_not_waited_for_and_is_followed(built: Watch) -> None:
    built.load("2024-02-29", "c")
    assert built.tick() == {"whole": {"None"}, "above": {"None"}}


def test_nothing_is_built_while_an_input_is_being_loaded(built: Watch) -> None:
    built.load(YESTERDAY, "b")
    key = dg.AssetKey(["staging", "a"])
    run = create_run_for_test(
        built.instance, job_name="daily_load", status=dg.DagsterRunStatus.STARTED, asset_selection=frozenset({key})
    )
    planned = AssetMaterializationPlannedData(key, partition=YESTERDAY)
    event = DagsterEvent.build_asset_materialization_planned_event("daily_load", "step", planned)
    built.instance.report_dagster_event(event, run.run_id)
    assert built.tick() == {}
    built.instance.report_run_failed(run)
    assert built.tick() == {"by_day": {YESTERDAY}, "whole": {"None"}, "above": {"None"}}


def test_the_sensor_is_on_and_has_all_marts(watch: Watch) -> None:
    sensor = watch.defs.get_repository_def().get_sensor_def("marts")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    graph = watch.defs.resolve_asset_graph()
    assert sensor.asset_selection.resolve(graph) == {dg.AssetKey(["bi", name]) for name in MARTS}
