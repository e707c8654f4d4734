"""Which failures a run tries again: those that may pass. The others end it at once, with asset and cause."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pymysql
import pytest

from aurora_dwh.core import retries
from aurora_dwh.local.redshift import Fault
from aurora_dwh_tests.e2e.world import Run, World, chain
from aurora_dwh_tests.sampling import soak

DAY = "2024-01-01"


@pytest.fixture
def orders(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))
    monkeypatch.setattr(retries, "REQUEST", retries.Retries(1))
    world.catalog("orders: {key: id, cursor: changed}")
    world.at_source(
        "CREATE TABLE orders (id INT PRIMARY KEY, changed DATETIME(6) NOT NULL, note VARCHAR(9), KEY (changed))",
        f"INSERT INTO orders VALUES (1, '{DAY} 10:00:00', 'a')",
    )
    return world


def attempts(run: Run) -> int:
    """Return how often steps were begun anew after a failure."""
    return sum(event.is_step_up_for_retry for event in run.events)


WRONG = {
    "password of Aurora": ("AURORA_PASSWORD", "nonsense", "lake/orders", "Access denied"),
    "database of Aurora": ("AURORA_DATABASE", "nonsense", "lake/orders", "nonsense"),
    "bucket": ("LAKE_URI", "s3://no-such-bucket/lake", "lake/orders", "S3: .*NoSuchBucket|S3: .*bucket does not exist"),
    "key of S3": ("AWS_SECRET_ACCESS_KEY", "nonsense", "lake/orders", "S3: .*SignatureDoesNotMatch"),
    "password of Redshift": ("REDSHIFT_PASSWORD", "nonsense", "staging/orders", "password authentication failed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a26_what_would_come_again_fails_at_the_first_attempt_with_asset_and_cause(
    orders: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name, value, asset, cause = WRONG[what]
    monkeypatch.setenv(name, value)
    run = orders.run(DAY, None, chain("orders"))
    assert not run.success
    assert attempts(run) == 0
    assert run.failure.startswith(f"{asset}: ")
    assert re.search(cause, run.failure), run.failure


@pytest.mark.parametrize(("action", "times"), [("1023", 2), soak("57014", 2), ("drop", 2)])
def test_a24_what_outlasts_a_step_s_own_patience_is_tried_again_by_the_step(
    orders: World, action: Any, times: int
) -> None:
    orders.redshift.faults.add(Fault("^COPY", action, times=times))
    run = orders.load(DAY, "orders")
    assert attempts(run) == 1
    orders.assert_equal("orders")


def test_a18_a_source_that_is_away_for_a_moment_is_tried_again_by_the_step(
    orders: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away: list[str] = []
    connect = pymysql.connect

    def later(**arguments: Any) -> Any:
        if not away:
            away.append("once")
            arguments["port"] = 1
        return connect(**arguments)

    monkeypatch.setattr("pymysql.connect", later)
    run = orders.load(DAY, "orders")
    assert attempts(run) == 1
