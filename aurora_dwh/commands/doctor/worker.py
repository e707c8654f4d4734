"""What `doctor` checks of this machine: room for scans, and a Dagster instance whose daemon is alive."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime, timedelta, timezone

from aurora_dwh.commands.doctor.check import Attempts, Check, State, ok_or_warning

LEAST_FREE = 2**30
"""Bytes of disk that a worker should have whatever it reads."""

DAEMON_SILENCE = timedelta(minutes=5)
"""After how long without a heartbeat a daemon counts as dead; it reports every half minute."""

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
        run.add(check_daemons())


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


def _open() -> None:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
