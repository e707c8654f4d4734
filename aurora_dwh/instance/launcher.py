"""Dagster's launcher of runs on the machine of their code server, which notices that a run is gone with its machine.

Dagster's own asks the code server that started a run to end it. When that is gone too, as after a power cut, the run
stays in progress with its places in the pools until it would have run for too long, and to terminate it is an error.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value


class LocalRunLauncher(DefaultRunLauncher):
    """The launcher of a local instance.

    In dagster.yaml: `run_launcher: {module: aurora_dwh.instance.launcher, class: LocalRunLauncher}`. Its run monitoring
    ends what is gone. A run whose code server alone was killed may go on meanwhile: it looks whether it is still in
    progress before it writes.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether the daemon may ask how a run is: yes."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the code server that started a run still has it; a run of a terminal has no such server."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it was started in a terminal, and nobody can ask for it")
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        except DagsterUserCodeUnreachableError as error:
            if not _is_gone(error):
                return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server is too busy to answer")
            return CheckRunHealthResult(WorkerStatus.FAILED, "the code server that started it is gone")
        if not deserialize_value(answer, CanCancelExecutionResult).can_cancel:  # another server at the same address
            return CheckRunHealthResult(WorkerStatus.FAILED, "the code server does not know it")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def terminate(self, run_id: str) -> bool:
        """Terminate a run, also one that is gone with its code server; return whether that could be done."""
        try:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        except DagsterUserCodeUnreachableError as error:
            run = self._instance.get_run_by_id(run_id)
            if run is None or not _is_gone(error):
                raise
            self._instance.report_run_canceled(run, message="Its code server is gone, and the run with it.")
            return True


def _is_gone(error: DagsterUserCodeUnreachableError) -> bool:
    """Return whether nobody listens at a code server's address, where one that is busy does not answer in time."""
    code = getattr(error.__cause__, "code", None)
    return code is not None and code().name == "UNAVAILABLE"
