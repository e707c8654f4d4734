"""Loads of several tables at once: Redshift locks the table that is written, so that none waits for another."""

from __future__ import annotations

import time
from datetime import date, timedelta
from functools import partial

from pydantic import SecretStr

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.redshift import Fault
from aurora_dwh.settings.config import RedshiftSettings
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.load.transaction import load
from aurora_dwh_tests.services import extract, s3_client, together
from benchmarks.harness import Outcome, interleaved, ratio
from benchmarks.measure import Findings, Measure, Size
from benchmarks.rig import Rig

TABLES = 4
COPY_SECONDS = 2.0
_SCHEMA = TableSchema("shop", "t", (Column("id", "int", "int", nullable=False), Column("n", "int", "int")), ("id",))
_FIRST = date(2024, 1, 1)
_ONE, _ALL = "a load of one table", f"loads of {TABLES} tables at once"


def measure(rig: Rig, size: Size) -> Findings:
    """Return how much longer loads of several tables at once take than that of one, where COPY takes its time."""
    rig.redshift.create_database("writers")
    warehouse = Warehouse(
        RedshiftSettings(
            database="writers",
            host=rig.redshift.host,
            port=rig.redshift.port,
            user="dwh",
            password=SecretStr(rig.password),
            tls="disabled",
        )
    )
    lake = Lake(s3_client(rig.lake), Layout(rig.lake.bucket, "writers", "shop"))
    days = iter(range(10_000))

    def outcome(tables: int) -> Outcome:
        day = _FIRST + timedelta(days=next(days))
        manifest = lake.write("t", extract(_SCHEMA, day, [{"id": n, "n": day.day} for n in range(100)]))
        targets = [Target("staging", f"t{n}", key=("id",)) for n in range(tables)]
        works = [partial(load, warehouse, lake, one, "incremental", [manifest], run_id=None) for one in targets]
        began = time.perf_counter()
        if failed := [one for one in together(*works) if isinstance(one, Exception)]:
            raise failed[0]
        return Outcome(seconds := time.perf_counter() - began, seconds, 0.0, 0.0)

    outcome(TABLES)  # makes the tables
    rig.redshift.faults.add(Fault("^COPY", "delay", times=1_000_000, seconds=COPY_SECONDS))
    runs = interleaved({_ONE: partial(outcome, 1), _ALL: partial(outcome, TABLES)}, size.rounds)
    rig.redshift.faults.clear()
    named = f"{TABLES} loads of different tables at once / one, COPY {COPY_SECONDS:.0f} s"
    return Findings("Loads at once", [Measure(named, ratio(runs[_ALL], runs[_ONE]), 1.5, 1.1)], [])
