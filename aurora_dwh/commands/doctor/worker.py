"""What `doctor` checks of this machine: room for scans, and a Dagster instance whose daemon is alive."""

from __future__ import annotations

import os
import shutil
import tempfile

from aurora_dwh.commands.doctor.check import Attempts, Check, State, ok_or_warning

LEAST_FREE = 2**30
"""Bytes of disk that a worker should have whatever it reads."""


def check(run: Attempts, scanned: int) -> None:
    """Check the machine; `scanned` are bytes of the largest table whose days are read by scanning it."""
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
    from aurora_dwh.instance.health import DAEMON_SILENCE, silent_daemons

    dead = silent_daemons()
    return ok_or_warning(
        "dagster: daemon",
        f"no heartbeat of {', '.join(dead)} in the last {DAEMON_SILENCE.seconds // 60} minutes" if dead else "",
        "alive",
        "run `dagster-daemon run` (`dagster dev` does): without it no schedule, sensor or backfill starts",
    )


def check_runs() -> Check:
    """Check that what is said to run does run: a run that is gone holds its place in a pool."""
    from aurora_dwh.instance.health import lost_runs

    name = "dagster: runs"
    try:
        count, gone = lost_runs()
    except Exception as error:  # as of a launcher whose service this process may not ask
        return Check(name, State.WARNING, f"whether all that is said to run does cannot be told: {error}")
    return ok_or_warning(
        name,
        "; ".join(gone),
        f"{count} in progress",
        "terminate them in the UI, with `Force termination` where that is offered; their days are asked for again",
    )


def _open() -> None:
    from aurora_dwh.instance.health import open_instance

    with open_instance() as instance:
        instance.get_runs_count()


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
