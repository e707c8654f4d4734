"""The running day, loaded several times, and the night behind it: on real servers, whose clock a test tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from aurora_dwh.core import models
from aurora_dwh.orchestration.assets import today
from aurora_dwh.proof import engine
from aurora_dwh.source import factory as opening
from aurora_dwh.source.connection import open_session
from aurora_dwh_tests.e2e.nights import Nights
from aurora_dwh_tests.e2e.proofs import verify
from aurora_dwh_tests.e2e.test_windows import said
from aurora_dwh_tests.e2e.world import QUIET, Run

TABLES = ("event", "visit", "place")
CATALOG = """
event: {key: id, cursor: changed_at, lookback: 1h, schedule: hourly}
visit: {mode: append, key: id, cursor: changed_at, schedule: "*/15 * * * *"}
place: {mode: full, key: id, schedule: hourly}
"""


@pytest.fixture
def at(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the clock shows of yesterday, on the source's sessions and to the asset; yesterday is the running day.

    Of a session on MySQL it is `timestamp`: https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html.
    """
    shown = nights.at(1, "00:00:00")

    def moment() -> datetime:
        return shown.replace(tzinfo=ZoneInfo(nights.zone)).astimezone(timezone.utc)

    def set_clock(clock: str) -> None:
        nonlocal shown
        shown = nights.at(1, clock)

    def open_then(settings: Any) -> Any:
        connection = open_session(settings)
        with connection.cursor() as cursor:
            cursor.execute(f"SET timestamp = {moment().timestamp()}")
        return connection

    for module in (opening, engine):
        monkeypatch.setattr(module, "open_session", open_then)
    monkeypatch.setattr(today, "utc_now", moment)
    monkeypatch.setattr(models, "utc_now", moment)
    return set_clock


def load_today(nights: Nights) -> Run:
    """Run the job of the running day."""
    job = nights.world.definitions().resolve_job_def("today_load")
    result = job.execute_in_process(run_config=QUIET, instance=nights.world.instance, raise_on_error=False)
    failures = tuple(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)
    return Run(result.run_id, result.success, failures, tuple(result.all_events))


def test_the_running_day_equals_the_source_each_time_and_is_a_day_only_when_the_night_has_loaded_it(
    nights: Nights, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = nights.world
    nights.catalog(CATALOG, days=4)
    nights.table("DATETIME")
    world.at_source(
        "CREATE TABLE visit (id INT PRIMARY KEY, changed_at DATETIME NOT NULL, KEY (changed_at))",
        "CREATE TABLE place (id INT PRIMARY KEY, name VARCHAR(20))",
        "INSERT INTO place VALUES (1, 'here'), (2, 'there')",
    )
    nights.write("DATETIME", {n: nights.at(n, "12:00:00") for n in (2, 3, 4)})
    world.at_source(f"INSERT INTO visit VALUES (1, '{nights.at(3, '08:00:00')}'), (2, '{nights.at(2, '23:59:59')}')")

    def happens(number: int, clock: str) -> None:
        """Let rows be written, changed and removed at a moment of the running day."""
        nights.write("DATETIME", {number: nights.at(1, clock), 4: nights.at(1, clock)}, value=number)
        world.at_source(
            f"INSERT INTO visit VALUES ({number}, '{nights.at(1, clock)}'), ({number + 1}, '{nights.at(1, clock)}')",
            f"DELETE FROM visit WHERE id = {number - 9}",  # a row that the reading before had
            f"INSERT INTO place VALUES ({number}, '{clock}')",
            f"UPDATE place SET name = '{clock}' WHERE id = 1",
        )

    at("01:00:00")
    world.load(nights.day(4), *TABLES, last=nights.day(2))
    world.assert_equal(*TABLES)

    runs = []
    for number, clock in ((110, "09:00:00"), (120, "15:30:00"), (130, "23:50:00")):
        happens(number, clock)
        at(clock)
        runs.append(load_today(nights))
        assert runs[-1].success, runs[-1].failures
        world.assert_equal(*TABLES)
    assert {c.check_name for c in _checks(runs[-1])} == {"rows", "keys", "schema"}
    assert all(check.passed for run in runs for check in _checks(run))

    said("rebuild", "event", "--from", "source")  # of all days that the table has, the running one among them
    world.assert_equal("event")

    at("23:55:00")  # what is written behind the reading is late, and no difference
    happens(140, "23:52:00")
    found = {table: verify(table) for table in TABLES}
    assert {table: one.wrong for table, one in found.items()} == dict.fromkeys(TABLES, 0), found
    assert (found["event"].kinds["late"], found["visit"].kinds["late"]) == (2, 2)

    day = nights.day(1)
    for layer in ("lake", "staging"):
        assert all(day not in world.materialized_days(f"{layer}/{table}") for table in TABLES)
    refused = world.run(day, assets=[dg.AssetKey(["staging", "event"])])
    assert refused.failure == (
        f"lake/event {day}: it was read at {_utc(nights, '23:50:00')}, before the day had ended; "
        "materialize lake/event for the day, too"
    )

    nights.write("DATETIME", {50: nights.at(0, "00:20:00")})
    for module in (opening, engine):
        monkeypatch.setattr(module, "open_session", open_session)
    world.load(day, *TABLES)  # the night
    world.assert_equal(*TABLES)
    for layer in ("lake", "staging"):
        assert all(day in world.materialized_days(f"{layer}/{table}") for table in TABLES)
    history = f"SELECT COUNT(*) FROM dwh.load_history WHERE table_name = 'staging.visit' AND day = '{day}'"
    assert world.ask_warehouse(history) == [(4,)]

    plan = said("plan", "event", "--day", nights.day(0))
    assert f"{nights.day(0)} is the running day, which today_load reads so at `0 * * * *`" in plan
    assert " < " not in plan.split(";")[0]


def _checks(run: Run) -> list[Any]:
    return [e.asset_check_evaluation_data for e in run.events if e.event_type_value == "ASSET_CHECK_EVALUATION"]


def _utc(nights: Nights, clock: str) -> str:
    moment = nights.at(1, clock).replace(tzinfo=ZoneInfo(nights.zone)).astimezone(timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}.000 UTC"


def test_the_running_day_of_a_table_that_is_hashed_with_a_key_is_loaded(
    nights: Nights, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_MASK_KEY", "0123456789abcdef" * 2)
    nights.catalog("place: {mode: full, key: id, schedule: hourly, mask: {name: hmac}}", days=4)
    nights.world.at_source(
        "CREATE TABLE place (id INT PRIMARY KEY, name VARCHAR(20))", "INSERT INTO place VALUES (1, 'here')"
    )
    at("09:00:00")
    run = load_today(nights)
    assert run.success, run.failures
    ((name,),) = nights.world.ask_warehouse("SELECT LEN(name) FROM staging.place")
    assert name == 64
