"""A launched run's own process is told to end by SIGTERM, as ECS ends a task: nobody terminated the run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG, WILL_RETRY_TAG
from dagster._grpc.types import ExecuteRunArgs

from aurora_dwh_tests.instances import PROJECT_SETTINGS
from aurora_dwh_tests.polling import until

JOB = "__ASSET_JOB"
DEFINITIONS = """
import time
from pathlib import Path
import dagster as dg
from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.stopping import RetryOfFailures, stoppable

@dg.asset(retry_policy=RetryOfFailures(max_retries=2))
def held(context):
    with stoppable(context):
        Path("begun").touch()
        time.sleep(600)
        Path("done").touch()

defs = dg.Definitions([held], executor=stoppable_in_process_executor)
"""


def test_sigterm_ends_a_run_within_what_fargate_grants_and_dagster_starts_it_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "held.py").write_text(DEFINITIONS)
    (tmp_path / "dagster.yaml").write_text(PROJECT_SETTINGS.read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    repository = ReconstructableRepository.for_file(str(tmp_path / "held.py"), "defs", str(tmp_path))
    job = repository.get_reconstructable_job(JOB)
    location = GrpcServerCodeLocationOrigin("127.0.0.1", 1, None, "aurora_dwh")
    with dg.DagsterInstance.get() as instance:
        run_id = instance.create_run_for_job(
            job.get_definition(),
            job_code_origin=job.get_python_origin(),
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), JOB),
        ).run_id
        # What the ECS launcher gives the container as its command.
        command = ExecuteRunArgs(job.get_python_origin(), run_id, instance.get_ref()).get_command_args()
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [Path(sys.executable).with_name(command[0]), *command[1:]], cwd=tmp_path, stdout=log, stderr=log
            )
        try:
            until((tmp_path / "begun").exists, 120, lambda: (tmp_path / "log").read_text()[-2000:])
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
        run = instance.get_run_by_id(run_id)
        assert run
        assert run.status is dg.DagsterRunStatus.FAILURE
        assert run.tags[RUN_FAILURE_REASON_TAG] == "UNEXPECTED_TERMINATION"
        assert run.tags[WILL_RETRY_TAG] == "true"
        kinds = [event.dagster_event_type for event in instance.all_logs(run_id)]
        assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
    assert not (tmp_path / "done").exists()
