"""The instance that DAGSTER_HOME names: opened, and asked whether its daemons live and whether its runs do run."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import dagster as dg
from dagster._core.launcher import WorkerStatus

from aurora_dwh.core.models import utc_now
from aurora_dwh.settings.environment import ConfigError

DAEMON_SILENCE = timedelta(minutes=5)
"""After how long without a heartbeat a daemon counts as dead; it reports every half minute."""

RUN_SILENCE = timedelta(hours=1)
"""After how long without an event a run that was started in a terminal is looked at."""

DAEMONS = ("SCHEDULER", "SENSOR", "ASSET", "BACKFILL")
"""The daemons of Dagster that loads rely on."""


def open_instance() -> dg.DagsterInstance:
    """Open the instance that DAGSTER_HOME names; raises ConfigError where it names none."""
    if not os.environ.get("DAGSTER_HOME"):
        raise ConfigError(["DAGSTER_HOME is not set; set it to the folder with the instance's dagster.yaml"])
    return dg.DagsterInstance.get()


def silent_daemons() -> list[str]:
    """Return the daemons of `DAEMONS` that have not reported for `DAEMON_SILENCE`, in small letters."""
    with open_instance() as instance:
        heartbeats = instance.get_daemon_heartbeats()
    oldest = datetime.now(timezone.utc) - DAEMON_SILENCE
    return [n.lower() for n in DAEMONS if n not in heartbeats or heartbeats[n].timestamp < oldest.timestamp()]


def lost_runs() -> tuple[int, list[str]]:
    """Return how many runs are said to be in progress, and of those that are gone their ids, jobs and what tells it.

    Raises:
        Exception: The launcher cannot tell, such as one whose service this process may not ask.
    """
    with open_instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        lost = [f"{run.run_id} of {run.job_name}: {why}" for run in runs if (why := _why_lost(instance, run))]
    return len(runs), lost


def _why_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return what tells that a run in progress is gone, empty where nothing does."""
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
