"""The monthly schedule; the daily one and the reconciliation's are tested with the code location."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from aurora_dwh.definitions import defs as load_definitions

CATALOG = """
timezone: America/Chicago
start_date: 2024-01-10
schedule: "23:30"
tables:
  daily: {key: id, cursor: updated}
  rare: {key: id, cursor: updated, schedule: monthly}
  whole: {mode: full, schedule: monthly}
"""
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    monkeypatch.setattr("aurora_dwh.definitions.BI_FOLDER", tmp_path)
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    return found


def requests(defs: dg.Definitions, *when: int) -> list[tuple[object, ...]]:
    schedule = defs.resolve_schedule_def("monthly_load")
    tick = datetime(*when, tzinfo=ZoneInfo("America/Chicago"))  # type: ignore[misc,arg-type]
    context = dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def())
    return [
        (
            sorted(key.to_user_string() for key in request.asset_selection or ()),
            request.partition_key or tuple(request.tags[tag] for tag in RANGE),
        )
        for request in schedule.evaluate_tick(context).run_requests or ()
    ]


def test_it_is_on_and_states_its_zone(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("monthly_load")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 1 1 * *", "America/Chicago")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.description == "Loads the days of the month before on its first at 01:30 America/Chicago."


def test_it_asks_for_the_month_before_as_one_range_and_for_the_last_day_of_whole_tables(defs: dg.Definitions) -> None:
    assert requests(defs, 2024, 3, 1, 1, 30) == [
        (["lake/rare", "staging/rare"], ("2024-02-01", "2024-02-29")),
        (["lake/whole", "staging/whole"], "2024-02-29"),
    ]


def test_the_first_month_begins_on_the_catalogs_first_day(defs: dg.Definitions) -> None:
    assert requests(defs, 2024, 2, 1, 1, 30)[0][1] == ("2024-01-10", "2024-01-31")
    assert requests(defs, 2024, 1, 1, 1, 30) == []


def test_monthly_tables_have_a_job_of_their_own(defs: dg.Definitions) -> None:
    jobs = {
        name: {key.to_user_string() for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys}
        for name in ("daily_load", "monthly_load")
    }
    assert jobs == {
        "daily_load": {"lake/daily", "staging/daily"},
        "monthly_load": {"lake/rare", "staging/rare", "lake/whole", "staging/whole"},
    }


def test_without_daily_tables_the_location_still_loads(tmp_path: Path, defs: dg.Definitions) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG.replace("daily: {", "daily: {schedule: monthly, "))
    dg.Definitions.validate_loadable(load_definitions())


def test_without_monthly_tables_there_is_no_monthly_schedule(tmp_path: Path, defs: dg.Definitions) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG.replace(", schedule: monthly", ""))
    repository = load_definitions().get_repository_def()
    assert not [schedule for schedule in repository.schedule_defs if schedule.name == "monthly_load"]
