"""A backfill whose code server is replaced meanwhile, as by a deploy: it waits, and goes on where it was.

The code server is the product's own, as a process; the daemon's step of backfills is called as the daemon does, each
half minute. https://github.com/dagster-io/dagster/issues/33527, https://github.com/dagster-io/dagster/issues/33059
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._grpc.client import DagsterGrpcClient

from aurora_dwh.local.processes import free_ports
from aurora_dwh_tests.instances import PROJECT_SETTINGS
from aurora_dwh_tests.polling import until
from infra import commands

LOG = logging.getLogger("backfills")
CATALOG = "timezone: UTC\nstart_date: 2024-01-01\ntables:\n  orders: {key: id, cursor: at}\n"
CHAIN = [dg.AssetKey(["lake", "orders"]), dg.AssetKey(["staging", "orders"])]
DAYS = [str(date(2024, 1, 1) + timedelta(days=n)) for n in range(3)]


@contextmanager
def code_server(home: Path, port: int) -> Iterator[None]:
    """Serve the product's definitions, and end as ECS ends a container."""
    command = [str(Path(sys.executable).with_name("dagster")), *commands.code_server(port)[1:]]
    with (home / "code.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
    try:
        until(lambda: _serves(port), 240, lambda: (home / "code.log").read_text()[-2000:])
        yield
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()


def _serves(port: int) -> bool:
    client = DagsterGrpcClient(host="127.0.0.1", port=port)
    return bool(client.health_check_query() == "SERVING")  # type: ignore[no-untyped-call]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    (tmp_path / "dagster.yaml").write_text(PROJECT_SETTINGS.read_text())
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    monkeypatch.setenv("AURORA_DATABASE", "shop")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
    with dg.DagsterInstance.get() as made:
        yield made


def request(workspace: WorkspaceProcessContext, name: str, *, of_assets: bool) -> None:
    """Request a backfill as the UI does: of assets, or of a job's partitions."""
    context = workspace.create_request_context()
    now, status = time.time(), BulkActionStatus.REQUESTED
    if of_assets:
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=name, asset_graph=context.asset_graph, partition_names=DAYS, asset_selection=CHAIN,
            backfill_timestamp=now, tags={}, dynamic_partitions_store=workspace.instance, all_partitions=False,
            title=None, description=None, run_config=None,
        )  # fmt: skip
    else:
        (location,) = context.code_locations
        (repository,) = location.get_repositories().values()
        (daily,) = [found for found in repository.get_partition_sets() if found.job_name == "daily_load"]
        backfill = PartitionBackfill(
            backfill_id=name, status=status, from_failure=False, tags={}, backfill_timestamp=now,
            partition_set_origin=daily.get_remote_origin(), partition_names=DAYS,
        )  # fmt: skip
    workspace.instance.add_backfill(backfill)


def step(workspace: WorkspaceProcessContext) -> list[str]:
    """Let the daemon's part for backfills go one step, and return the errors that it met."""
    workspace.refresh_workspace()  # as the daemon does each minute
    return [error.message for error in execute_backfill_iteration(workspace, LOG) if error]


def state(instance: dg.DagsterInstance) -> dict[str, tuple[str, list[str]]]:
    """Return how each backfill is, and its runs."""
    return {
        backfill.backfill_id: (
            backfill.status.value,
            [run.status.value for run in instance.get_runs(dg.RunsFilter.for_backfill(backfill.backfill_id))],
        )
        for backfill in instance.get_backfills()
    }


def end_runs(instance: dg.DagsterInstance) -> None:
    """Let all queued runs end well, as their own containers do."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
        made = [StepMaterializationData(dg.AssetMaterialization(key, partition=day)) for key in CHAIN for day in DAYS]
        kinds = dg.DagsterEventType
        for kind, data in [*((kinds.ASSET_MATERIALIZATION, one) for one in made), (kinds.RUN_SUCCESS, None)]:
            event = dg.DagsterEvent(kind.value, run.job_name, event_specific_data=data)
            instance.report_dagster_event(event, run_id=run.run_id)


@pytest.mark.parametrize("is_of_production", [True, False])
def test_a_backfill_waits_for_its_code_server_and_goes_on_where_it_was(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_of_production: bool
) -> None:
    """Without what the daemon's container has in its environment, Dagster takes the assets for removed."""
    for name, value in commands.DAEMON_ENVIRONMENT.items() if is_of_production else ():
        monkeypatch.setenv(name, value)
    (port,) = free_ports(1)
    target = GrpcServerTarget("127.0.0.1", port, None, "aurora_dwh")
    with code_server(tmp_path, port), WorkspaceProcessContext(instance, target) as workspace:
        request(workspace, "assets", of_assets=True)
        request(workspace, "job", of_assets=False)
        assert step(workspace) == []
        request(workspace, "later", of_assets=False)
    begun, failed = ("REQUESTED", ["QUEUED"]), ("FAILING", ["QUEUED"])
    with WorkspaceProcessContext(instance, target) as workspace:
        errors = step(workspace)
        assets = begun if is_of_production else failed
        assert state(instance) == {"assets": assets, "job": begun, "later": ("REQUESTED", [])}
        assert any("will resume once the code server is available" in error for error in errors)
        if not is_of_production:
            return
        step(workspace)
        assert state(instance) == {"assets": begun, "job": begun, "later": ("REQUESTED", [])}
        with code_server(tmp_path, port):
            assert step(workspace) == []
            assert state(instance) == {"assets": begun, "job": begun, "later": begun}
            end_runs(instance)
            step(workspace)
            step(workspace)
    done = ("COMPLETED_SUCCESS", ["SUCCESS"])
    assert state(instance) == {"assets": done, "job": done, "later": done}
