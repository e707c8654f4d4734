"""Runs whose code server is gone, or never was: what the local launcher, its daemon and `doctor` make of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from aurora_dwh.commands.doctor import worker
from aurora_dwh.core.models import utc_now
from aurora_dwh.instance import health
from aurora_dwh.instance.launcher import LocalRunLauncher
from aurora_dwh_tests.instances import PROJECT_SETTINGS


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the project's settings."""
    shutil.copy(PROJECT_SETTINGS, tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as made:
        yield made


def started(instance: dg.DagsterInstance, socket: Path | None) -> dg.DagsterRun:
    """Return a run that a code server at a socket has started, or that was started in a terminal."""
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__").get_job_origin("load")
    tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": str(socket)})} if socket else {}
    run = create_run_for_test(
        instance, job_name="load", status=dg.DagsterRunStatus.STARTED, tags=tags, remote_job_origin=socket and origin
    )
    instance.report_engine_event("it goes", run)
    return run


def test_o04_a_run_whose_code_server_is_gone_is_found_out_and_can_be_terminated(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    launcher, run = instance.run_launcher, started(instance, tmp_path / "gone")
    assert isinstance(launcher, LocalRunLauncher)
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status is WorkerStatus.FAILED
    assert worker.check_runs().detail == f"{run.run_id} of load: the code server that started it is gone"
    assert launcher.terminate(run.run_id)
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.CANCELED  # type: ignore[union-attr]
    assert worker.check_runs().state == "ok"


def test_o04_a_run_of_a_terminal_is_left_alone_and_named_once_it_is_silent(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, now = started(instance, None), utc_now()
    assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    monkeypatch.setattr(health, "utc_now", lambda: now + timedelta(minutes=50))
    assert worker.check_runs().state == "ok"
    monkeypatch.setattr(health, "utc_now", lambda: now + timedelta(hours=2))
    assert worker.check_runs().detail == f"{run.run_id} of load: perhaps gone, as it has said nothing for 1:00:00"
    assert "Force termination" in worker.check_runs().remedy
