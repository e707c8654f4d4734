"""Stopping a run: an interrupt is no failure, and a run that Dagster has ended makes nothing visible any more.

Dagster hands an interrupt to a step's retry policy as it does a failure, so that a run that somebody terminates begins
anew: https://github.com/dagster-io/dagster/issues/15026. And whoever forces a run to an end sees it ended while its
process may go on; so that process asks before each manifest and each COMMIT.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from aurora_dwh.core.waiting import Behalf, on_behalf_of
from aurora_dwh.instance import run_tags

_END: Any = object()


class RetryOfFailures(dg.RetryPolicy):
    """A retry policy for failures alone: an interrupt goes on as it came."""

    def calculate_delay(self, attempt_num: int) -> float:
        """Return how long the next attempt waits, in seconds; Dagster asks while it handles the error."""
        if isinstance(sys.exc_info()[1], KeyboardInterrupt | dg.DagsterExecutionInterruptedError):
            raise  # the error that the caller handles
        return super().calculate_delay(attempt_num)


@contextmanager
def stoppable(context: dg.AssetExecutionContext | dg.OutputContext) -> Iterator[None]:
    """Do a part of a step's work: say in the run's log what it waits for, and ask whether the run still wants it.

    Raises:
        DagsterExecutionInterruptedError: The run was ended meanwhile, of which it would else become a success.
    """
    behalf = _behalf_of(context)
    with on_behalf_of(behalf):
        yield
    behalf.require()


def stoppable_parts(context: dg.AssetExecutionContext, results: Iterator[Any]) -> Iterator[Any]:
    """Yield a step's results, which together are made as `stoppable` has it; what becomes of one is done outside."""
    behalf = _behalf_of(context)
    while True:
        with on_behalf_of(behalf):
            result = next(results, _END)
        if result is _END:
            behalf.require()
            return
        yield result


def _behalf_of(context: dg.AssetExecutionContext | dg.OutputContext) -> Behalf:
    step = context.step_context if isinstance(context, dg.OutputContext) else context
    return Behalf(tell=context.log.info, require=partial(require_in_progress, step.instance, step.run_id))


def require_in_progress(instance: dg.DagsterInstance, run_id: str) -> None:
    """Raise DagsterExecutionInterruptedError where a run has been ended, or is about to be."""
    if instance.get_run_ids(dg.RunsFilter(run_ids=[run_id], statuses=run_tags.WANTED), limit=1):
        return  # a run's whole record is long, as of one that loads a range of many tables' days
    run = instance.get_run_by_id(run_id)
    if run is None or run.status in run_tags.UNWANTED:
        state = "was deleted" if run is None else f"is {run.status.value}"
        raise dg.DagsterExecutionInterruptedError(f"run {run_id} {state}, so that its work goes no further")
