"""Dagster's executor of all steps in one process, which an interrupt ends while it waits, too.

Between steps Dagster keeps an interrupt for later. So a run that is terminated while it waits for a place in a pool, or
for a step's next attempt, would wait on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.definitions.executor_definition import IN_PROC_CONFIG
from dagster._core.errors import DagsterExecutionInterruptedError, raise_execution_interrupts
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.executor.in_process import InProcessExecutor

from aurora_dwh.instance import run_tags


class _Plan(ExecutionPlan):
    """A plan whose execution sleeps lightly."""

    def start(self, *arguments: Any, **named: Any) -> ActiveExecution:
        """Begin the execution."""
        execution = super().start(*arguments, **named)
        execution.sleep_til_ready = partial(_sleep, execution)  # type: ignore[method-assign]
        return execution


class _Executor(InProcessExecutor):
    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Yield the events of all steps."""
        plan = _Plan._make(execution_plan)
        plan_context._plan_data = plan_context._plan_data._replace(execution_plan=plan)
        try:
            yield from super().execute(plan_context, plan)
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            _note_cancelling(plan_context.instance, plan_context.run_id)
            raise


@dg.executor(name="in_process", config_schema=IN_PROC_CONFIG)
def stoppable_in_process_executor(context: dg.InitExecutorContext) -> InProcessExecutor:
    """Execute all steps in one process; the configuration is that of Dagster's own."""
    return _Executor(
        retries=RetryMode.from_config(context.executor_config["retries"]),  # type: ignore[arg-type]
        step_dependency_config=StepDependencyConfig.from_config(context.executor_config.get("step_dependency_config")),  # type: ignore[arg-type]
    )


def _sleep(execution: ActiveExecution) -> None:
    with raise_execution_interrupts():
        time.sleep(max(0, execution.sleep_interval()))  # type: ignore[no-untyped-call]


def _note_cancelling(instance: dg.DagsterInstance, run_id: str) -> None:
    """Note that a run is being cancelled that nobody can terminate but by Ctrl-C: it was started in a terminal.

    An interrupt of a run that was launched and that nobody terminated is of its surroundings, and Dagster's to judge.
    """
    run = instance.get_run_by_id(run_id)
    if run and run.remote_job_origin is None and run.status not in run_tags.UNWANTED:
        instance.report_run_canceling(run, message="Interrupted, as by Ctrl-C.")
