"""The gap sensor against the real code location and Dagster's own records of what was loaded and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    GrpcServerCodeLocationOrigin,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from dagster._core.test_utils import create_run_for_test, freeze_time

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.days import span
from aurora_dwh.core.retries import DAY
from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.orchestration.automation import gaps
from aurora_dwh.orchestration.automation.gaps import HORIZON_DAYS, HORIZON_MONTHS, RUNS_PER_TICK, due_days, due_months
from aurora_dwh.orchestration.automation.run_history import PAUSE
from aurora_dwh_tests.instances import empty_instance

CATALOG = """
timezone: Asia/Tokyo
start_date: 2024-01-01
schedule: "01:00"
tables:
  a: {key: id, cursor: updated}
  b: {key: id, cursor: updated}
"""
MART = """/*
materialization: incremental
description: Rows of both tables.
grain: [id]
day_column: day
*/
SELECT a._dwh_day AS day, a.id FROM staging.a JOIN staging.b ON a.id = b.id
WHERE a._dwh_day >= :first_day AND a._dwh_day < :end_day
"""
WHOLE = """/*
materialization: table
description: Rows of one table.
grain: [id]
*/
SELECT id FROM staging.a
"""
NOW = datetime(2024, 3, 11, 3, tzinfo=timezone.utc)


class Place:
    """A code location, an instance of its own, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog.load(folder / "catalog.yaml")
        self.instance = empty_instance()
        self.now = NOW
        found = load_definitions()
        assert isinstance(found, dg.Definitions)
        self.defs = found

    @property
    def days(self) -> list[str]:
        """The days that are due, newest first."""
        return due_days(self.catalog, self.now)

    def loaded(self, days: Iterable[str], *assets: str) -> None:
        for day in days:
            for asset in assets:
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(dg.AssetKey(asset.split("/")), partition=day)
                )

    def run(
        self,
        day: str,
        status: str,
        *assets: str,
        last: str | None = None,
        job: str = "daily_load",
        ended: datetime = NOW - PAUSE,
    ) -> None:
        """Record a run of a day, a range, or no day where it is empty; of all the job's assets if none are named."""
        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aurora_dwh"), "__repository__").get_job_origin(
            job
        )
        has_ended = status in ("FAILURE", "CANCELED")
        tags = {ASSET_PARTITION_RANGE_START_TAG: day, ASSET_PARTITION_RANGE_END_TAG: last or day}
        run = create_run_for_test(
            self.instance,
            job_name=job,
            status=dg.DagsterRunStatus["STARTED" if has_ended else status],
            remote_job_origin=origin,
            tags=tags if last else {PARTITION_NAME_TAG: day} if day else {},
            asset_selection=frozenset(dg.AssetKey(a.split("/")) for a in assets) or None,
        )
        if has_ended:
            with freeze_time(ended):
                end = self.instance.report_run_failed if status == "FAILURE" else self.instance.report_run_canceled
                end(run)

    def tick(self, origin: CodeLocationOrigin | None = None) -> Any:
        repository = self.defs.get_repository_def()
        context = dg.build_sensor_context(instance=self.instance, repository_def=repository)
        context._code_location_origin = origin
        return repository.get_sensor_def("gaps").evaluate_tick(context)

    def requested(self) -> list[tuple[str, list[str]]]:
        """Return the days of a tick's requests, each with its assets."""
        return [
            (request.partition_key, [key.to_user_string() for key in request.asset_selection])
            for request in self.tick().run_requests or []
        ]


ALL = ("lake/a", "staging/a", "lake/b", "staging/b")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    made = Place(tmp_path)
    monkeypatch.setattr(gaps, "utc_now", lambda: made.now)
    return made


def test_a25_days_that_the_schedule_missed_are_requested_newest_first_a_few_at_a_time(place: Place) -> None:
    place.loaded(place.days[7:], *ALL)  # nothing ran for a week
    asked = []
    while found := place.requested():
        assert len(found) <= RUNS_PER_TICK
        for day, assets in found:
            assert assets == sorted(ALL)
            asked.append(day)
            place.loaded([day], *assets)
    assert asked == place.days[:7]
    assert place.tick().skip_message == f"nothing of the last {HORIZON_DAYS} days is missing"


def test_one_run_asks_for_all_tables_that_lack_a_day_and_for_nothing_that_is_there(place: Place) -> None:
    day = place.days[2]
    others = [d for d in place.days if d != day]
    place.loaded(others, *ALL)
    place.loaded([day], "lake/a")  # its load failed and b's extraction
    assert place.requested() == [(day, ["lake/b", "staging/a", "staging/b"])]
    place.loaded([day], "lake/b", "staging/b")
    assert place.requested() == [(day, ["staging/a"])]


def test_a_tick_asks_with_the_same_run_key_until_something_changed(place: Place) -> None:
    place.loaded(place.days[1:], *ALL)
    first, second = (place.tick().run_requests[0] for _ in range(2))
    assert first.run_key == second.run_key
    assert first.tags["aurora_dwh/requested_by"] == "gaps"
    place.run(place.days[0], "FAILURE")
    assert place.tick().run_requests[0].run_key != first.run_key


def test_a_table_that_was_never_loaded_is_left_alone(place: Place) -> None:
    place.loaded(place.days[1:], "lake/a", "staging/a")
    place.loaded(place.days, "lake/b")
    assert place.requested() == [(place.days[0], ["lake/a", "staging/a"])]


def test_days_before_the_first_one_loaded_are_left_alone(place: Place) -> None:
    place.loaded([place.days[1]], "lake/a", "staging/a")
    assert place.requested() == [(place.days[0], ["lake/a", "staging/a"])]


def test_o05_after_an_outage_longer_than_is_looked_the_last_days_are_requested_and_the_older_ones_told(
    place: Place,
) -> None:
    place.loaded(["2024-02-01", "2024-02-03"], *ALL)
    place.loaded(["2024-02-02", "2024-02-05"], "lake/a", "staging/a", "lake/b")
    asked = []
    while found := place.requested():
        for day, assets in found:
            assert assets == sorted(ALL)
            asked.append(day)
            place.loaded([day], *assets)
    assert asked == place.days
    end = f"{date.fromisoformat(place.days[-1]) - timedelta(days=1)}"
    run = "`dagster asset materialize -m aurora_dwh.definitions --select"
    told = [
        ("a", f"2024-02-06...{end}", "--partition-range"),
        ("b", f"2024-02-04...{end}", "--partition-range"),
        ("a", "2024-02-04", "--partition"),
    ]
    sentences = [
        f"{days} is missing for longer in staging/{table}, and left to you: {run} "
        f'\'key:"lake/{table}" or key:"staging/{table}"\' {how} {days}`'
        for table, days, how in told
    ]
    nothing = "nothing of the last 14 days is missing"
    assert place.tick().skip_message == "; ".join([nothing, *sentences, "and so are 1 more such gaps"])


@pytest.mark.parametrize(
    "origin", [GrpcServerCodeLocationOrigin(host="127.0.0.1", port=4000), RegisteredCodeLocationOrigin("mine")]
)
def test_a_location_that_is_known_by_its_address_alone_has_ticks_as_any_other(
    place: Place, origin: CodeLocationOrigin
) -> None:
    """So `dagster dev` knows it, and production."""
    place.loaded(["2024-02-01", "2024-02-03", *place.days], *ALL)
    assert "materialize -m aurora_dwh.definitions --select" in place.tick(origin).skip_message


def test_o05_what_the_command_for_older_days_names_is_what_is_missing(place: Place) -> None:
    """The lake has the day; a table that is copied whole lacks nothing."""
    (place.folder / "catalog.yaml").write_text(CATALOG + "  f: {mode: full}\n")
    place = Place(place.folder)
    place.loaded(place.days, *ALL, "lake/f", "staging/f")
    place.loaded(["2024-02-01"], *ALL, "lake/f", "staging/f")
    old = span("2024-02-02", place.days[-1])[:-1]
    place.loaded(old[1:], *ALL)
    place.loaded(old, "lake/b", "lake/a", "staging/a")
    (told,) = re.findall(r"--select '(.*)' --partition (\S+)`", place.tick().skip_message)
    assert told == ('key:"staging/b"', "2024-02-02")
    place.loaded(["2024-02-02"], "staging/b")
    assert place.tick().skip_message == "nothing of the last 14 days is missing"


@pytest.mark.parametrize("begun", [True, False])
def test_o06_days_that_a_failed_range_left_in_the_lake_are_loaded_from_there(place: Place, begun: bool) -> None:
    place.loaded(place.days if begun else [], *ALL)
    place.loaded(["2024-01-20", "2024-01-21", "2024-01-24"], "lake/a", "lake/b")
    assert spans(place) == []  # somebody wanted them in the lake alone
    place.run("2024-01-20", "FAILURE", "lake/a", "staging/a", last="2024-01-22", job="__ASSET_JOB")
    assert spans(place) == [("daily_load", "2024-01-20...2024-01-21", ["staging/a"])]
    for _ in range(DAY.attempts - 1):
        place.run("2024-01-20", "FAILURE", "staging/a", last="2024-01-21")
    assert "2024-01-20...2024-01-21 is given up for staging/a" in place.tick().skip_message


def test_a_copy_that_was_pruned_is_not_loaded_from_the_lake(place: Place) -> None:
    """The lake's asset has the days in Dagster's record, and its files are there for as long as `keep` says."""
    (place.folder / "catalog.yaml").write_text(CATALOG + "  f: {mode: full, keep: 5d}\n")
    place = Place(place.folder)
    place.loaded(place.days, *ALL, "lake/f")
    missing = [place.days[2], place.days[8]]
    place.loaded({*place.days, "2024-02-01", "2024-02-02"} - {*missing}, "staging/f")
    place.loaded(["2024-02-03"], "lake/f")
    place.run("2024-02-03", "FAILURE", "lake/f", "staging/f", job="__ASSET_JOB")
    assert place.requested() == [(missing[0], ["staging/f"]), (missing[1], ["lake/f", "staging/f"])]


def test_days_that_a_transform_lacks_are_computed_once_all_that_it_reads_has_them(place: Place) -> None:
    (place.folder / "transforms").mkdir()
    for name, text in (
        ("t", "/*\ndescription: Both.\nstaging: true\n*/\nSELECT * FROM lake.a JOIN lake.b USING (id)\n"),
        ("u", "/*\ndescription: Once more.\n*/\nSELECT * FROM lake.t\n"),
    ):
        (place.folder / "transforms" / f"{name}.sql").write_text(text)
    place = Place(place.folder)
    first, second, third, *rest = place.days
    place.loaded([second, third, *rest], *ALL)
    place.loaded([first], "lake/a", "staging/a")
    assert place.requested() == [(first, ["lake/b", "staging/b"])]  # a transform that was never computed is not begun
    place.loaded([third, *rest], "lake/t", "staging/t", "lake/u")
    place.loaded([first], "lake/b", "staging/b")
    assert place.requested() == [(first, ["lake/t", "staging/t"]), (second, ["lake/t", "staging/t"])]
    assert {request.job_name for request in place.tick().run_requests} == {"transforms"}
    place.loaded([first], "lake/t", "staging/t")
    place.run(second, "FAILURE", "lake/t", "staging/t", job="transforms")
    assert place.requested() == [(first, ["lake/u"]), (second, ["lake/t", "staging/t"])]
    for _ in range(DAY.attempts - 1):
        place.run(second, "FAILURE", "lake/t", "staging/t", job="__ASSET_JOB")
    assert place.requested() == [(first, ["lake/u"])]
    place.loaded([first], "lake/u")
    assert f"{second} is given up for staging/t after {DAY.attempts} runs" in place.tick().skip_message
    place.loaded(["2024-01-20"], "lake/t", "staging/t", *ALL)
    told = re.findall(r"(\S+) is missing for longer in (\S+), .*? --select '(.*?)' ", place.tick().skip_message)
    assert ("2024-01-21...2024-02-25", "staging/t", 'key:"lake/t" or key:"staging/t"') in told


@pytest.mark.parametrize("status", ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_a_day_with_a_run_under_way_is_left_to_it(place: Place, status: str) -> None:
    place.loaded(place.days[3:], *ALL)
    newest, middle, oldest = place.days[:3]
    place.run(newest, status)
    place.run(oldest, status, "staging/b", last=middle, job="__ASSET_JOB")
    tick = place.tick()
    assert not tick.run_requests
    assert tick.skip_message == "; ".join(f"{day} has a run under way" for day in (newest, middle, oldest))


def test_a_run_of_something_else_does_not_count(place: Place) -> None:
    place.loaded(place.days[1:], *ALL)
    place.run(place.days[0], "STARTED", "other/asset", job="another")
    assert [day for day, _ in place.requested()] == place.days[:1]


def test_a_day_that_failed_is_tried_again_after_a_pause(place: Place) -> None:
    place.loaded(place.days[1:], *ALL)
    place.run(place.days[0], "FAILURE", ended=NOW - PAUSE + timedelta(seconds=1))
    assert place.tick().skip_message == f"{place.days[0]} had a run without success in the last 1:00:00, and waits"
    place.now += timedelta(seconds=1)
    assert [day for day, _ in place.requested()] == place.days[:1]


def test_a_day_that_fails_for_good_is_given_up_and_named(place: Place) -> None:
    day = place.days[0]
    place.loaded(place.days[1:], *ALL)
    place.loaded([day], "lake/a", "staging/a")
    for _ in range(DAY.attempts - 1):
        place.run(day, "FAILURE")
    assert place.requested() == [(day, ["lake/b", "staging/b"])]
    place.run(day, "FAILURE", "lake/b", "staging/b")
    tick = place.tick()
    assert not tick.run_requests
    assert tick.skip_message == (
        f"{day} is given up for staging/b after {DAY.attempts} runs without success: materialize it"
    )


def test_o01_what_a_person_cancelled_is_not_asked_for_before_the_next_day(place: Place) -> None:
    day = place.days[0]
    place.loaded(place.days[1:], *ALL)
    place.run(day, "CANCELED", ended=NOW)
    for hours in (2, 11):  # NOW is noon in Tokyo
        place.now = NOW + timedelta(hours=hours)
        with freeze_time(place.now):
            assert place.tick().skip_message.startswith(f"{day} was cancelled today, and waits until tomorrow")
    place.now = NOW + timedelta(hours=13)
    with freeze_time(place.now):
        assert place.requested() == [(day, sorted(ALL))]


def test_runs_that_did_not_select_a_table_are_not_counted_against_it(place: Place) -> None:
    day = place.days[0]
    place.loaded(place.days[1:], *ALL)
    for _ in range(DAY.attempts):
        place.run(day, "FAILURE", "lake/a", "staging/a")
    assert place.requested() == [(day, ["lake/b", "staging/b"])]


def test_days_that_are_given_up_do_not_keep_others_waiting(place: Place) -> None:
    place.loaded(place.days[RUNS_PER_TICK + 1 :], *ALL)
    for day in place.days[:RUNS_PER_TICK]:
        for _ in range(DAY.attempts):
            place.run(day, "FAILURE")
    assert [day for day, _ in place.requested()] == [place.days[RUNS_PER_TICK]]


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2024-03-10T16:59:00+00:00", "2024-03-09"),  # 01:59 in Tokyo: the schedule has its hour first
        ("2024-03-10T17:00:00+00:00", "2024-03-10"),
        ("2024-03-11T14:00:00+00:00", "2024-03-10"),
    ],
)
def test_a11_a_day_is_due_an_hour_after_its_schedule_in_the_catalogs_zone(place: Place, now: str, newest: str) -> None:
    days = due_days(place.catalog, datetime.fromisoformat(now))
    assert days[0] == newest
    assert len(days) == HORIZON_DAYS
    assert days == sorted(days, reverse=True)


def test_no_day_before_the_catalogs_first_is_due(place: Place) -> None:
    assert due_days(place.catalog, datetime(2024, 1, 3, tzinfo=timezone.utc)) == ["2024-01-02", "2024-01-01"]


MONTHLY = """\
  c: {key: id, cursor: updated, schedule: monthly}
  d: {mode: full, schedule: monthly}
"""
RARE = ("lake/c", "staging/c")
FEBRUARY = [f"2024-02-{number:02}" for number in range(1, 30)]


@pytest.fixture
def monthly(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place with two more tables that are loaded once a month, all of whose daily days are there."""
    (place.folder / "catalog.yaml").write_text(CATALOG + MONTHLY)
    place = Place(place.folder)
    monkeypatch.setattr(gaps, "utc_now", lambda: place.now)
    place.loaded(place.days, *ALL)
    return place


def spans(place: Place) -> list[tuple[str, str, list[str]]]:
    """Return the job, the days and the assets of a tick's requests."""
    found = []
    for request in place.tick().run_requests or []:
        first, last = (request.tags.get(t) for t in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
        days = f"{first}...{last}" if first else str(request.partition_key)
        found.append((request.job_name, days, [key.to_user_string() for key in request.asset_selection]))
    return found


def test_months_that_the_schedule_missed_are_requested_newest_first_each_as_one_run(monthly: Place) -> None:
    monthly.now = datetime(2024, 5, 2, 3, tzinfo=timezone.utc)
    monthly.loaded(monthly.days, *ALL)
    monthly.loaded(FEBRUARY, *RARE)
    monthly.loaded(["2024-02-29"], "lake/d", "staging/d")
    assert spans(monthly) == [
        ("monthly_load", "2024-04-01...2024-04-30", list(RARE)),
        ("monthly_load", "2024-03-01...2024-03-31", list(RARE)),
        ("monthly_load", "2024-04-30", ["lake/d", "staging/d"]),  # copied whole: its last day stands for the month
    ]
    monthly.loaded([f"2024-04-{number:02}" for number in range(1, 31)], *RARE)
    monthly.loaded([f"2024-03-{number:02}" for number in range(1, 32)], *RARE)
    monthly.loaded(["2024-04-30", "2024-03-31"], "lake/d", "staging/d")
    assert spans(monthly) == []


def test_of_a_month_that_broke_off_the_rest_is_requested(monthly: Place) -> None:
    monthly.loaded(FEBRUARY[:11], *RARE)
    monthly.loaded(FEBRUARY[11:12], "lake/c")
    assert spans(monthly) == [("monthly_load", "2024-02-12...2024-02-29", list(RARE))]


def test_a_monthly_table_that_was_never_loaded_is_left_alone(monthly: Place) -> None:
    monthly.loaded(FEBRUARY, "lake/c")
    assert spans(monthly) == []


def test_a_month_with_a_run_under_way_is_left_to_it(monthly: Place) -> None:
    monthly.loaded(["2024-01-31"], *RARE)
    monthly.run(FEBRUARY[0], "STARTED", *RARE, last=FEBRUARY[-1], job="monthly_load")
    assert monthly.tick().skip_message == f"{FEBRUARY[0]}...{FEBRUARY[-1]} has a run under way"


def test_a_month_that_fails_for_good_is_given_up_and_named(monthly: Place) -> None:
    monthly.loaded(["2024-01-31"], *RARE)
    for attempt in range(DAY.attempts):
        assert len(spans(monthly)) == 1, attempt
        monthly.run(FEBRUARY[0], "FAILURE", *RARE, last=FEBRUARY[-1], job="monthly_load")
    assert monthly.tick().skip_message == (
        f"{FEBRUARY[0]}...{FEBRUARY[-1]} is given up for staging/c after 3 runs without success: materialize it"
    )


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2024-02-29T18:59:00+00:00", "2024-01-31"),  # 03:59 on the first in Tokyo: the schedule has its hour first
        ("2024-02-29T19:00:00+00:00", "2024-02-29"),
        ("2024-03-30T19:00:00+00:00", "2024-02-29"),
    ],
)
def test_a11_a_month_is_due_an_hour_after_its_schedule_in_the_catalogs_zone(
    monthly: Place, now: str, newest: str
) -> None:
    months = due_months(monthly.catalog, datetime.fromisoformat(now))
    assert months[0][-1] == newest
    assert [month[0] for month in months] == ["2024-02-01", "2024-01-01"][-len(months) :]  # none before the first day


def test_no_more_than_the_last_months_are_looked_at(monthly: Place) -> None:
    months = due_months(monthly.catalog, datetime(2025, 1, 9, tzinfo=timezone.utc))
    assert [month[0] for month in months] == ["2024-12-01", "2024-11-01", "2024-10-01"]
    assert len(months) == HORIZON_MONTHS


def test_a_range_that_failed_counts_for_each_of_its_days(place: Place) -> None:
    place.loaded(place.days[2:], *ALL)
    newest, before = place.days[:2]
    for _ in range(DAY.attempts):
        place.run(before, "FAILURE", *ALL, last=newest, job="__ASSET_JOB")
    assert place.tick().skip_message == "; ".join(
        f"{day} is given up for staging/a, staging/b after 3 runs without success: materialize it"
        for day in (newest, before)
    )


@pytest.fixture
def marts(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place with a mart of days and one without; its tables' days are all there."""
    (place.folder / "marts").mkdir()
    (place.folder / "marts" / "m.sql").write_text(MART)
    (place.folder / "marts" / "whole.sql").write_text(WHOLE)
    place = Place(place.folder)
    monkeypatch.setattr(gaps, "utc_now", lambda: place.now)
    place.loaded(place.days, *ALL)
    return place


def test_marts_that_were_never_built_or_whose_builds_went_well_are_not_its_business(marts: Place) -> None:
    assert marts.requested() == []
    with freeze_time(NOW - 3 * PAUSE):
        marts.run(marts.days[0], "FAILURE", "bi/m", job="__ASSET_JOB", ended=NOW - 2 * PAUSE)
        marts.run(marts.days[0], "FAILURE", *ALL, ended=NOW - 2 * PAUSE)  # makes no mart
    with freeze_time(NOW - PAUSE):
        marts.loaded(marts.days[:1], "bi/m")
    assert marts.requested() == []


def test_a_build_of_a_mart_that_failed_is_requested_again_after_a_pause_until_it_is_given_up(marts: Place) -> None:
    day = marts.days[3]
    keys = set()
    for _ in range(DAY.attempts - 1):
        marts.run(day, "FAILURE", "bi/m", job="__ASSET_JOB", ended=marts.now)
        waits = marts.tick()
        assert waits.skip_message == f"{day} had a run without success in the last 1:00:00, and waits"
        marts.now += PAUSE
        (request,) = marts.tick().run_requests
        assert (request.job_name, request.partition_key) == ("marts", day)
        assert [key.to_user_string() for key in request.asset_selection] == ["bi/m"]
        keys.add(request.run_key)
    assert len(keys) == DAY.attempts - 1
    marts.run(day, "FAILURE", "bi/m", job="marts")
    assert (
        marts.tick().skip_message
        == f"{day} is given up for bi/m after {DAY.attempts} runs without success: materialize it"
    )


def test_a_mart_without_days_is_built_again_and_its_failures_are_counted_from_its_last_success(marts: Place) -> None:
    for hours in range(9, 9 - DAY.attempts, -1):
        with freeze_time(NOW - timedelta(hours=hours)):
            marts.run("", "FAILURE", "bi/whole", job="marts", ended=NOW - timedelta(hours=hours))
    assert "the last build is given up for bi/whole" in marts.tick().skip_message
    with freeze_time(NOW - timedelta(hours=4)):
        marts.instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["bi", "whole"])))
    assert marts.requested() == []
    with freeze_time(NOW - timedelta(hours=2)):
        marts.run("", "FAILURE", "bi/whole", job="__ASSET_JOB")
    assert marts.requested() == [(None, ["bi/whole"])]


def test_a_mart_that_is_being_built_is_left_to_the_run(marts: Place) -> None:
    marts.run(marts.days[0], "FAILURE", "bi/m", job="marts")
    marts.run(marts.days[0], "STARTED", "bi/m", job="__ASSET_JOB")
    assert marts.tick().skip_message == f"{marts.days[0]} of bi/m has a run under way"


@pytest.mark.parametrize("count", [50, pytest.param(1_000, marks=pytest.mark.soak)])
def test_a_day_that_many_tables_lack_is_one_run(place: Place, tmp_path: Path, count: int) -> None:
    tables = "".join(f"  table_{n:04d}: {{key: id, cursor: updated}}\n" for n in range(count))
    (tmp_path / "catalog.yaml").write_text(CATALOG + tables)
    large = Place(tmp_path)
    repository = large.defs.get_repository_def()
    _ = repository.asset_graph  # the code server has it once
    for n in range(count):
        large.loaded(large.days[1:3], f"staging/table_{n:04d}")
    context = dg.build_sensor_context(instance=large.instance, repository_def=repository)
    tick = repository.get_sensor_def("gaps").evaluate_tick(context)
    (request,) = tick.run_requests
    assert len(request.asset_selection) == 2 * count


def test_it_runs_from_the_start_on_the_daily_job(place: Place) -> None:
    sensor = place.defs.get_repository_def().get_sensor_def("gaps")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert [target.job_name for target in sensor.targets] == ["daily_load"]
