"""How Dagster's PostgreSQL grows: real days of one run, before and after their pruning, and a year of such days.

The year is made in SQL of the rows that Dagster itself wrote: the days whose runs are kept of all rows of one, the days
before of what pruning left. So it has its indexes and its number of partitions, and is asked what the UI asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg

from aurora_dwh.core.models import utc_now
from aurora_dwh.instance.retention import Retention
from aurora_dwh.orchestration.automation.retention import KEPT
from aurora_dwh.orchestration.automation.schedules import TABLES_A_RUN
from aurora_dwh_tests.instances import Storage, postgres_settings
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

COLUMNS = 30
YEAR = 365
OF = (50, 1_000)
"""Tables of the years that are told."""

PARTS = {
    "event_logs": "run_id",
    "asset_check_executions": "run_id",
    "runs": "run_id",
    "run_tags": "run_id",
}
"""Tables of Dagster's that grow with runs, and the column of each that names the run."""

DDL = "CREATE TABLE t{0} (id int PRIMARY KEY, updated_at datetime NOT NULL, {1}, KEY (updated_at))"
ROWS = (
    "INSERT INTO t{0} (id, updated_at) SELECT seq, TIMESTAMP '" + str(FIRST_DAY) + " 00:00:00' + INTERVAL seq HOUR "
    "FROM seq_0_to_{1}"
)
COPY = """
INSERT INTO {part} ({columns})
SELECT {values} FROM {kept}_{part} CROSS JOIN generate_series({first}, {last}) AS day
CROSS JOIN generate_series(1, {runs}) AS share ORDER BY day, share, {kept}_{part}.id"""
CHANGED = {
    "run_id": "md5(run_id || day || ' ' || share)",
    "partition": f"CASE WHEN partition IS NOT NULL THEN (DATE '{FIRST_DAY}' + day)::text END",
    "asset_key": """replace(asset_key, '"t', '"t' || share || '_')""",
}
"""Columns that a copy has otherwise: SQL of what they hold."""


def measure(rig: Rig, size: Size) -> Findings:
    """Return what a table's day takes while its run is kept and then, and how large a year is."""
    tables, days = min(TABLES_A_RUN, size.tables), max(size.days, 2 * KEPT.days)
    with _storage(rig) as storage:
        _load(rig, storage, tables, days=3)
        with dg.DagsterInstance.from_config(str(rig.home / "record")) as instance:
            run = instance.get_runs()[-2].run_id  # not the first, which made the staging tables
            _keep(storage, "whole", run)
            whole = _sizes(storage, run)
            kept = Retention(instance)
            now = utc_now() + timedelta(seconds=1)
            list(kept.prune(kept.old(now, failed=now)))
            _keep(storage, "left", run)
            left = _sizes(storage, run)
        shares = OF[0] // tables
        storage.query(f"TRUNCATE {', '.join(PARTS)}, asset_event_tags")
        before = _bytes(storage)
        _repeat(storage, "left", 0, days - KEPT.days - 1, shares)
        pruned = (_bytes(storage) - before) / (shares * tables * (days - KEPT.days))
        _repeat(storage, "whole", days - KEPT.days, days - 1, shares)
        year = _bytes(storage) - before
        unpruned = (year - pruned * shares * tables * (days - KEPT.days)) / (shares * tables * KEPT.days)
        answers = _ask(rig, storage)
    rows = [
        [kind, f"{sum(of.values()) / tables:.1f}", f"{of['event_logs'] / tables:.1f}", f"{bytes_ / 1e3:.1f}"]
        for kind, of, bytes_ in (("while its run is kept", whole, unpruned), ("after", left, pruned))
    ]
    found = Findings("Dagster's PostgreSQL", lines=[f"{tables} tables of {COLUMNS} columns in a run."])
    found.lines += table(["a table's day", "rows", "of them events", "kB with indexes"], rows)
    found.lines += [f"{shares * tables} tables, {days} days, of which the last {KEPT.days} have their runs:"]
    found.lines += table(["question", "ms"], [[name, f"{seconds * 1000:.0f}"] for name, seconds in answers.items()])
    of_table = (pruned * (YEAR - KEPT.days) + unpruned * KEPT.days) / 1e9
    for count in OF:
        name = f"a year of {count:,} tables in Dagster's PostgreSQL, {KEPT.days} days of it with their runs, GB"
        found.measures.append(Measure(name, of_table * count))
        name = f"the same without pruning, GB, {count:,} tables"
        found.measures.append(Measure(name, unpruned * YEAR / 1e9 * count))
    return found


@contextmanager
def _storage(rig: Rig) -> Iterator[Storage]:
    made = Storage(rig.home / "dagster")
    try:
        yield made
    finally:
        made.close()


def _load(rig: Rig, storage: Storage, tables: int, *, days: int) -> None:
    """Load days of tables, as the schedule does, with production's storage."""
    rig.execute("CREATE DATABASE record")
    columns = ", ".join(f"attribute_{n:02} varchar(40) COMMENT 'What attribute {n} says'" for n in range(COLUMNS - 2))
    for number in range(tables):
        rig.execute(DDL.format(number, columns), ROWS.format(number, days * 24 - 1), database="record")
    rig.redshift.create_database("record")
    entries = {f"t{number}": "{key: id, cursor: updated_at}" for number in range(tables)}
    variables = rig.variables(entries, name="record", database="record")
    settings = postgres_settings(storage)
    (Path(variables["DAGSTER_HOME"]) / "dagster.yaml").write_text(settings, encoding="utf-8")
    for day in range(days):
        rig.run("dagster_day", FIRST_DAY + timedelta(days=day), variables=variables)


def _keep(storage: Storage, name: str, run: str) -> None:
    """Set aside the rows that there are of a run."""
    for part, column in PARTS.items():
        storage.query(f"CREATE UNLOGGED TABLE {name}_{part} AS SELECT * FROM {part} WHERE {column} = '{run}'")


def _sizes(storage: Storage, run: str) -> dict[str, int]:
    """Return how many rows there are of a run."""
    return {
        part: int(storage.query(f"SELECT COUNT(*) FROM {part} WHERE {column} = '{run}'")[0][0])
        for part, column in PARTS.items()
    }


def _repeat(storage: Storage, kept: str, first: int, last: int, shares: int) -> None:
    """Write days of several runs, each of the rows that were set aside."""
    for part in PARTS:
        found = storage.query(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{part}'")
        columns = [name for (name,) in found if name != "id"]
        quoted = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(CHANGED.get(name, f'"{name}"') for name in columns)
        storage.query(
            COPY.format(part=part, columns=quoted, values=values, kept=kept, first=first, last=last, runs=shares)
        )


def _bytes(storage: Storage) -> int:
    parts = ", ".join(f"('{part}')" for part in PARTS)
    return int(storage.query(f"SELECT SUM(pg_total_relation_size(p::regclass)) FROM (VALUES {parts}) t (p)")[0][0])


def _ask(rig: Rig, storage: Storage) -> dict[str, float]:
    """Return how many seconds some questions of the UI and of the sensors take of the whole year."""
    storage.query("ANALYZE")
    asked: dict[str, float] = {}
    with dg.DagsterInstance.from_config(str(rig.home / "record")) as instance:
        key, event = dg.AssetKey(["staging", "t1_1"]), dg.DagsterEventType.ASSET_MATERIALIZATION
        questions: dict[str, Callable[[], object]] = {
            "the days of a table": lambda: instance.get_materialized_partitions(key),
            "the last materialization of each": lambda: instance.get_latest_storage_id_by_partition(key, event),
            "the last 25 runs": lambda: instance.get_run_records(limit=25),
        }
        for name, question in questions.items():
            began = time.perf_counter()
            answer = question()
            asked[name] = time.perf_counter() - began
            assert answer
    return asked
