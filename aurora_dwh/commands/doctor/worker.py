"""What `doctor` checks of this machine: room for scans, and a Dagster instance whose daemon is alive."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from aurora_dwh.commands.doctor.check import Attempts, Check, State, ok_or_warning
from aurora_dwh.handoff import utc_now

if TYPE_CHECKING:
    import dagster as dg

LEAST_FREE = 2**30
"""Bytes of disk that a worker should have whatever it reads."""

DAEMON_SILENCE = timedelta(minutes=5)
"""After how long without a heartbeat a daemon counts as dead; it reports every half minute."""

RUN_SILENCE = timedelta(hours=1)
"""After how long without an event a run that was started in a terminal is looked at."""

DAEMONS = ("SCHEDULER", "SENSOR", "ASSET", "BACKFILL")
"""The daemons of Dagster that loads rely on."""


def check(run: Attempts, scanned: int) -> None:
    """Check the machine.

    Args:
        run: Takes the checks.
        scanned: Bytes of the largest table whose days are read by scanning it.
    """
    run.add(check_disk(scanned))
    if not os.environ.get("DAGSTER_HOME"):
        detail = "DAGSTER_HOME is not set: runs and their history are gone when `dagster dev` ends"
        run.add(Check("dagster: instance", State.WARNING, detail, "set DAGSTER_HOME to a folder with a dagster.yaml"))
        return
    run.attempt("dagster: instance", _open, remedy="mend dagster.yaml in the folder that DAGSTER_HOME names")
    if run.checks[-1].state is State.OK:
        run.add(check_daemons(), check_runs())


def check_disk(scanned: int) -> Check:
    """Check that a table's rows fit the disk while a range of days without an index is parted into days."""
    folder = tempfile.gettempdir()
    free, needed = shutil.disk_usage(folder).free, max(scanned, LEAST_FREE)
    found = f"{_gib(free)} free in {folder}"
    return ok_or_warning(
        "worker: disk",
        f"{found}, and a range over an unindexed cursor may need {_gib(needed)}" if free < needed else "",
        found,
        "set TMPDIR to a folder on a larger disk, or add the indexes named above",
    )


def check_daemons() -> Check:
    """Check that the daemons which start schedules and sensors have reported lately."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        heartbeats = instance.get_daemon_heartbeats()
    oldest = datetime.now(timezone.utc) - DAEMON_SILENCE
    dead = [n.lower() for n in DAEMONS if n not in heartbeats or heartbeats[n].timestamp < oldest.timestamp()]
    return ok_or_warning(
        "dagster: daemon",
        f"no heartbeat of {', '.join(dead)} in the last {DAEMON_SILENCE.seconds // 60} minutes" if dead else "",
        "alive",
        "run `dagster-daemon run` (`dagster dev` does): without it no schedule, sensor or backfill starts",
    )


def check_runs() -> Check:
    """Check that what is said to run does run: a run that is gone holds its place in a pool."""
    import dagster as dg

    name = "dagster: runs"
    try:
        with dg.DagsterInstance.get() as instance:
            runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
            gone = [f"{run.run_id} of {run.job_name}: {why}" for run in runs if (why := _why_gone(instance, run))]
    except Exception as error:  # as of a launcher whose service this process may not ask
        return Check(name, State.WARNING, f"whether all that is said to run does cannot be told: {error}")
    return ok_or_warning(
        name,
        "; ".join(gone),
        f"{len(runs)} in progress",
        "terminate them in the UI, with `Force termination` where that is offered; their days are asked for again",
    )


def _why_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return what tells that a run in progress is gone, empty where nothing does."""
    from dagster._core.launcher import WorkerStatus

    if run.remote_job_origin is None:  # of a terminal: nobody but itself knows it
        last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
        silence = utc_now().timestamp() - (last[0].timestamp if last else 0)
        return (
            "" if silence < RUN_SILENCE.total_seconds() else f"perhaps gone, as it has said nothing for {RUN_SILENCE}"
        )
    if not instance.run_launcher.supports_check_run_worker_health:
        return ""
    health = instance.run_launcher.check_run_worker_health(run)
    return "" if health.status in (WorkerStatus.RUNNING, WorkerStatus.SUCCESS) else health.msg or "its worker is gone"


def _open() -> None:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
