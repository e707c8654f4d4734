"""The monthly schedule, and how many runs the daily one asks for; the rest is tested with the code location."""

from __future__ import annotations

from collections import Counter
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
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    return found


def requests(
    defs: dg.Definitions, *when: int, name: str = "monthly_load", instance: dg.DagsterInstance | None = None
) -> list[tuple[object, ...]]:
    schedule = defs.resolve_schedule_def(name)
    tick = datetime(*when, tzinfo=ZoneInfo("America/Chicago"))  # type: ignore[misc,arg-type]
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=tick, repository_def=defs.get_repository_def()
    )
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


def test_without_daily_tables_the_location_still_loads_and_the_night_asks_for_nothing(
    tmp_path: Path, defs: dg.Definitions
) -> None:
    assert requests(defs, 2024, 3, 1, 23, 30, name="daily_load")
    (tmp_path / "catalog.yaml").write_text(CATALOG.replace("daily: {", "daily: {schedule: monthly, "))
    monthly = load_definitions()
    dg.Definitions.validate_loadable(monthly)
    assert requests(monthly, 2024, 3, 1, 23, 30, name="daily_load") == []


def test_without_monthly_tables_there_is_no_monthly_schedule(tmp_path: Path, defs: dg.Definitions) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG.replace(", schedule: monthly", ""))
    repository = load_definitions().get_repository_def()
    assert not [schedule for schedule in repository.schedule_defs if schedule.name == "monthly_load"]


@pytest.mark.parametrize(
    ("tables", "pools", "runs"),
    [(1, "", [1]), (25, "", [25]), (26, "", [13, 13]), (101, "", [26, 25, 25, 25]), (101, "{redshift: 2}", [51, 50])],
)
def test_a24_many_tables_are_dealt_to_as_many_runs_as_the_pools_let_work(
    tables: int, pools: str, runs: list[int], tmp_path: Path, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    more = "".join(f"  t{n}: {{key: id, cursor: updated}}\n" for n in range(tables - 1))
    (tmp_path / "catalog.yaml").write_text(CATALOG + more + (f"pools: {pools}\n" if pools else ""))
    found = load_definitions()
    asked = requests(found, 2024, 3, 1, 23, 30, name="daily_load", instance=instance)  # type: ignore[arg-type]
    assert {day for _, day in asked} == {"2024-02-29"}
    dealt = [list(keys) for keys, _ in asked]  # type: ignore[call-overload]
    if len(runs) == 1:  # the job's own selection
        assert dealt == [[]]
        return
    assert [len(keys) for keys in dealt] == [2 * run for run in runs]
    chains = [{key.partition("/")[2] for key in keys} for keys in dealt]
    assert [len(names) for names in chains] == runs  # the lake and the staging of a table are in one run
    assert Counter(name for names in chains for name in names) == Counter(
        ["daily", *(f"t{n}" for n in range(tables - 1))]
    )


def test_tables_are_dealt_by_how_long_their_last_day_took(
    tmp_path: Path, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    names = [f"timed{n}" for n in range(51)]
    (tmp_path / "catalog.yaml").write_text(CATALOG + "".join(f"  {name}: {{key: id, cursor: at}}\n" for name in names))
    for name in names:
        took = {"extract_seconds": 60.0 if name == "timed7" else 1.0}
        key = dg.AssetKey(["lake", name])
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="2024-02-28", metadata=took))
    asked = requests(load_definitions(), 2024, 3, 1, 23, 30, name="daily_load", instance=instance)  # type: ignore[arg-type]
    shares = [[key for key in keys if key.startswith("lake/")] for keys, _ in asked]  # type: ignore[attr-defined]
    assert [len(share) for share in shares] == [1, 26, 25]
    assert shares[0] == ["lake/timed7"]


def test_before_the_catalogs_first_day_is_over_the_daily_schedule_asks_for_nothing(defs: dg.Definitions) -> None:
    assert requests(defs, 2024, 1, 10, 23, 30, name="daily_load") == []
    assert requests(defs, 2024, 1, 11, 23, 30, name="daily_load") == [([], "2024-01-10")]
