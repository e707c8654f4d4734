"""One day's steps in processes of their own, which a test may kill in the middle.

The product is imported once, in a process that is forked for each step; what a step is told is its environment. It is
done without Dagster, whose part, to try a step again, is left to the test; whether it would is told.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ended
from typing import Literal

import dagster as dg
import pyarrow as pa  # noqa: F401 - imported once for all steps, as are the next two
import pymysql  # noqa: F401
import redshift_connector  # noqa: F401
from botocore.retries import standard

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core import retries
from aurora_dwh.lake import parquet, upload
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.orchestration.failures import named_failures
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.settings.config import RedshiftSettings
from aurora_dwh.source import giving_way
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load import transaction as load
from aurora_dwh.warehouse.load.statements import staging_target

Step = Literal["extract", "load"]
SECONDS = 300
"""How long a step may take, on a machine that has much else to do."""

_forks = get_context("forkserver")
_forks.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Outcome:
    """How a step ended that was not killed.

    Attributes:
        error: What it said, empty where it succeeded.
        again: Whether its retry policy would try it again.
    """

    error: str = ""
    again: bool = False


class StepProcess:
    """A process that does a step of a day of one table, with an environment."""

    def __init__(self, variables: Mapping[str, str], step: Step, table: str, day: str) -> None:
        self._ours, theirs = _forks.Pipe(duplex=False)
        self._process = _forks.Process(target=_run, args=(dict(variables), step, table, day, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def kill(self) -> None:
        """Kill it as the kernel kills one that takes too much memory, and wait until it is gone."""
        self._process.kill()
        ended([self._process.sentinel], SECONDS)  # `join` is `wait`'s: of two, one would not get the exit code

    def wait(self) -> Outcome | None:
        """Wait for its end and return how it ended, None where it was killed."""
        outcome: Outcome | None = None
        if not self._ours.poll(SECONDS):
            self.kill()
            raise AssertionError(f"a step did not end within {SECONDS} s")
        with suppress(EOFError):
            outcome = self._ours.recv()
        self._process.join(SECONDS)
        ends = {-signal.SIGKILL} if outcome is None else {-signal.SIGKILL, 0}  # a kill may come as it ends
        assert self._process.exitcode in ends, self._process.exitcode
        return outcome


def extract(table: str, day: str) -> None:
    """Copy a day into the lake, as `lake/<table>` does."""
    catalog, lake = Catalog.load(), open_lake()
    days = [date.fromisoformat(day)]
    for one in AuroraResource().days(catalog.tables[table], catalog, days, logging.getLogger(__name__)):
        lake.write(table, one)


def load_day(table: str, day: str) -> None:
    """Load a day from the lake, as `staging/<table>` does."""
    known, lake = Catalog.load().tables[table], open_lake()
    warehouse = Warehouse(RedshiftSettings.from_env())
    target = staging_target(known, warehouse.settings.staging_schema)
    load.load(warehouse, lake, target, known.mode, lake.read(table, [date.fromisoformat(day)]), run_id=None)


def in_small_pieces() -> None:
    """Let nine megabytes take all the calls of a large day: two files, the first of them in two blocks.

    Blocks stay as large as they are, for S3 refuses smaller ones.
    """
    parquet.ROW_GROUP_BYTES = 512 * 1024
    parquet.PART_BYTES = upload.BLOCK_BYTES + 100 * 1024


def _run(variables: dict[str, str], step: Step, table: str, day: str, answer: Connection) -> None:
    for name in os.environ:
        if name.startswith(("AURORA_", "REDSHIFT_", "AWS_", "LAKE_", "DAGSTER_")):
            del os.environ[name]
    os.environ.update(variables)
    in_small_pieces()
    giving_way.LOOK_SECONDS = SECONDS  # that session comes by the clock, so its calls have no number
    standard.ExponentialBackoff.delay_amount = lambda *_: 0.0
    retries.TRANSACTION = replace(retries.TRANSACTION, pause=0.01)
    layer, work = {"extract": ("lake", extract), "load": ("staging", load_day)}[step]
    try:
        with named_failures(dg.AssetKey([layer, table])):
            work(table, day)
    except dg.Failure as failure:
        answer.send(Outcome(str(failure.description)))
    except Exception as error:  # what the border lets through is tried again
        answer.send(Outcome(str(error), again=True))
    else:
        answer.send(Outcome())
