"""Loads and builds that failed: what the sensor `gaps` requests for them is carried out, then nothing is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core import retries
from aurora_dwh.core.models import utc_now
from aurora_dwh.local.redshift import Fault
from aurora_dwh.orchestration.automation import gaps
from aurora_dwh.orchestration.automation.gaps import due_days
from aurora_dwh.orchestration.automation.run_history import PAUSE
from aurora_dwh_tests.e2e.world import LOAD, MARTS, World

MART = """/*
materialization: incremental
description: Orders of a day.
grain: [day]
day_column: day
*/
SELECT _dwh_day AS day, COUNT(*) AS orders FROM staging.orders
WHERE _dwh_day >= :first_day AND _dwh_day < :end_day GROUP BY 1
"""
LATER = 2 * PAUSE
"""More than a day waits after a failure."""


@pytest.fixture
def last(world: World) -> str:
    """The last day that is due, and is still the last one when a day that failed has waited; writes the catalog."""
    now = utc_now()
    # A day becomes due at 02:00 in the catalog's zone, which is no hour of this test in one of the two.
    zone = "UTC" if 3 <= now.hour < 23 else "Asia/Tokyo"
    start = (now - timedelta(days=9)).date().isoformat()
    world.catalog("orders: {key: id, cursor: changed}", timezone=zone, start_date=start)
    return due_days(Catalog.load(world.catalog_file), now)[0]


@pytest.fixture
def orders(world: World, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with a table and a mart of it, each with the day before the last; that one has rows in the source."""
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts" / "orders_by_day.sql").write_text(MART)
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))
    before = (date.fromisoformat(last) - timedelta(days=1)).isoformat()
    world.at_source(
        "CREATE TABLE orders (id INT PRIMARY KEY, changed DATETIME(6) NOT NULL, KEY (changed))",
        f"INSERT INTO orders VALUES (1, '{before} 10:00:00'), (2, '{last} 10:00:00'), (3, '{last} 11:00:00')",
    )
    world.load(before, "orders")
    assert world.run(before, job=MARTS).success
    return world


def tick(world: World, now: datetime, monkeypatch: pytest.MonkeyPatch) -> tuple[list[dg.RunRequest], str]:
    """Return what the sensor requests at a moment, and what it says where that is nothing."""
    monkeypatch.setattr(gaps, "utc_now", lambda: now)
    repository = world.definitions().get_repository_def()
    context = dg.build_sensor_context(instance=world.instance, repository_def=repository)
    found = repository.get_sensor_def("gaps").evaluate_tick(context)
    return list(found.run_requests or ()), found.skip_message or ""


def carry_out(world: World, requests: list[dg.RunRequest]) -> tuple[str | None, list[str]]:
    """Run the one request, and return its job and its assets."""
    (request,) = requests
    assert request.partition_key
    assert request.job_name
    run = world.run(request.partition_key, None, request.asset_selection, job=request.job_name)
    assert run.success, run.failures
    return request.job_name, [key.to_user_string() for key in request.asset_selection or ()]


def test_a25_a_load_and_a_build_that_failed_are_requested_again_and_then_nothing_is_missing(
    orders: World, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    for job, statement, assets in (
        (LOAD, "^COPY", ["staging/orders"]),  # the lake has the day
        (MARTS, "orders_by_day", ["bi/orders_by_day"]),
    ):
        orders.redshift.faults.add(Fault(statement, "1023", times=99))
        assert not orders.run(last, job=job).success
        orders.redshift.faults.clear()
        waits = f"{last} had a run without success in the last 1:00:00, and waits"
        assert tick(orders, now, monkeypatch) == ([], waits)
        assert carry_out(orders, tick(orders, now + LATER, monkeypatch)[0]) == (job, assets)
        assert tick(orders, now + LATER, monkeypatch) == ([], "nothing of the last 14 days is missing")
    orders.assert_equal("orders")
    assert orders.ask_warehouse("SELECT orders FROM bi.orders_by_day ORDER BY day") == [(1,), (2,)]
