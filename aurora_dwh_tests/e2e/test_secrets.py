"""A28: whatever happens to a run, no password or secret key is written where people or machines read."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from aurora_dwh.core import retries
from aurora_dwh.local.redshift import Fault
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.sampling import soak

pytestmark = pytest.mark.usefixtures("kept")
WRONG = "a-wrong-and-yet-secret-password"


@pytest.fixture
def item(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A table of one row."""
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))
    monkeypatch.setattr(retries, "REQUEST", retries.Retries(2))
    world.catalog("item: {key: id, cursor: changed}")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, changed DATETIME, KEY (changed))",
        "INSERT INTO item VALUES (1, '2024-01-01 10:00:00')",
    )
    return world


def test_a28_no_secret_is_seen_after_a_run_that_succeeds(
    item: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    item.load("2024-01-01", "item")
    _assert_unseen(item, item.secrets, capfd, caplog)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AURORA_PASSWORD", WRONG),
        ("AURORA_PORT", "1"),
        ("REDSHIFT_PASSWORD", WRONG),
        soak("REDSHIFT_PORT", "1"),
        ("AWS_SECRET_ACCESS_KEY", WRONG),
        soak("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ("REDSHIFT_TLS", "sometimes"),
    ],
)
def test_a28_no_secret_is_seen_after_a_run_that_fails_to_connect(
    item: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(name, value)
    run = item.run("2024-01-01", None, chain("item"))
    assert not run.success
    assert "Traceback" not in run.failure
    assert "max_retries" not in run.failure
    _assert_unseen(item, [*item.secrets, WRONG], capfd, caplog)


def test_a28_no_secret_is_seen_after_a_load_that_is_cut(
    item: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    item.redshift.faults.add(Fault("^COPY", "drop", times=9))
    run = item.run("2024-01-01", None, chain("item"))
    assert not run.success
    _assert_unseen(item, item.secrets, capfd, caplog)


def _assert_unseen(
    world: World, secrets: list[str], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Look through the console, Python's log, and all that Dagster keeps: events, tracebacks, compute logs."""
    printed = capfd.readouterr()
    texts = {"stdout": printed.out, "stderr": printed.err, "log": caplog.text}
    for record in world.instance.get_run_records():
        entries = world.instance.all_logs(record.dagster_run.run_id)
        assert entries
        texts[f"events of {record.dagster_run.run_id}"] = "\n".join(repr(entry) for entry in entries)
    files = [path for path in Path(world.home).rglob("*") if path.is_file()]
    assert files
    for path in files:
        texts[str(path)] = path.read_bytes().decode(errors="replace")
    seen = [place for place, text in texts.items() for secret in secrets if secret in text]
    assert not seen
