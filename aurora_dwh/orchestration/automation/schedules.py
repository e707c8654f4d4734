"""When the platform runs by itself, in the catalog's zone: daily and monthly loads, and proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.instance import run_tags
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.automation.jobs import build_schedule

T = TypeVar("T")

HOURS_BEHIND_LOAD = 4
"""So that proofs do not read Aurora together with the daily load."""

SUNDAY = 7
"""By `date.isoweekday`."""

MONTHLY_HOURS_BEHIND_LOAD = 2
"""So that the monthly load does not either."""

TABLES_A_RUN = 25
"""How many tables are loaded one after the other, before more runs are begun beside."""

STEP_SECONDS = 0.2
"""What a small day of a table takes in a run: docs/benchmarks.md, "Orchestration"."""


def monthly_tables(catalog: Catalog) -> list[Table]:
    """Return the tables that are loaded once a month."""
    return [table for table in catalog.tables.values() if table.schedule == "monthly"]


def daily_tables(catalog: Catalog) -> list[Table]:
    """Return the tables that are loaded each day."""
    return [table for table in catalog.tables.values() if table.schedule != "monthly"]


def time_behind_load(catalog: Catalog, hours: int = 0) -> tuple[int, int]:
    """Return the hour and the minute, on a clock of the catalog's zone, some hours behind the daily load."""
    hour, minute = (int(part) for part in catalog.schedule.split(":"))
    return (hour + hours) % 24, minute


def monthly_time(catalog: Catalog) -> tuple[int, int]:
    """Return the hour and the minute at which the monthly load begins on a month's first day."""
    return time_behind_load(catalog, MONTHLY_HOURS_BEHIND_LOAD)


def month_before(catalog: Catalog, day: date) -> tuple[date, date] | None:
    """Return the first and the last day of the month before a day's, as far as the catalog's days reach back."""
    last = day.replace(day=1) - timedelta(days=1)
    first = max(last.replace(day=1), catalog.start_date)
    return None if first > last else (first, last)


def build_monthly_schedule(
    *, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition, names: Names = PLAIN
) -> dg.ScheduleDefinition:
    """Return the schedule that loads the month before, some hours behind the daily load of a month's first day."""
    hour, minute = monthly_time(catalog)
    description = f"Loads the days of the month before on its first at {hour:02}:{minute:02} {catalog.timezone}."
    return build_schedule(
        job,
        catalog,
        f"{minute} {hour} 1 * *",
        description,
        lambda context: month_requests(catalog, context.scheduled_execution_time, names),
    )


def month_requests(catalog: Catalog, tick: datetime, names: Names = PLAIN) -> Iterator[dg.RunRequest]:
    """Yield the runs of the month before a tick: one for the days of all tables, one for those copied whole.

    A whole table is the same for every day of the month that is read at once, so that its last day stands for them.
    """
    month = month_before(catalog, tick.astimezone(catalog.zone).date())
    if month is None:
        return
    first, last = month
    tables = monthly_tables(catalog)
    by_day = names.chain_keys(table for table in tables if table.mode != "full")
    whole = names.chain_keys(table for table in tables if table.mode == "full")
    if by_day:
        days = run_tags.of_range(first.isoformat(), last.isoformat())
        yield dg.RunRequest(run_key=f"{first}...{last}", asset_selection=by_day, tags=days)
    if whole:
        yield dg.RunRequest(run_key=f"{last}", asset_selection=whole, partition_key=last.isoformat())


def build_daily_schedule(
    *, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition, names: Names = PLAIN
) -> dg.ScheduleDefinition:
    """Return the schedule of the daily job."""
    hour, minute = time_behind_load(catalog)

    def ask(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        seconds = last_seconds(context, daily_tables(catalog), names)
        yield from day_requests(catalog, context.scheduled_execution_time, seconds, names)

    description = f"Loads yesterday at {catalog.schedule} {catalog.timezone}."
    return build_schedule(job, catalog, f"{minute} {hour} * * *", description, ask)


def last_seconds(
    context: dg.ScheduleEvaluationContext, tables: Sequence[Table], names: Names = PLAIN
) -> dict[str, float]:
    """Return by name how long each table's last day took to read; nothing is asked where one run is enough."""
    if len(tables) <= TABLES_A_RUN:
        return {}
    named = {names.table_key("lake", table): table.name for table in tables}
    found: dict[str, float] = {}
    for record in context.instance.get_asset_records(list(named)):
        event = record.asset_entry.last_materialization
        day = event.asset_materialization if event else None
        seconds = day.metadata.get("extract_seconds") if day else None
        if isinstance(seconds, dg.FloatMetadataValue) and seconds.value is not None:
            found[named[record.asset_entry.asset_key]] = seconds.value
    return found


def day_requests(
    catalog: Catalog, tick: datetime, seconds: Mapping[str, float], names: Names = PLAIN
) -> Iterator[dg.RunRequest]:
    """Yield the runs of the day before a tick: one, or of many tables several beside one another, and of none no run.

    A run's steps follow one another in its process, since a process for each would cost more than the step itself. So
    tables are loaded beside one another by runs, of which each has its share: never more than the pools let work.

    Args:
        seconds: How long a table's last day took to read, by its name, so that all runs are at work for about as long.
    """
    day = tick.astimezone(catalog.zone).date() - timedelta(days=1)
    tables = daily_tables(catalog)
    if day < catalog.start_date or not tables:
        return
    most = min(catalog.pools.aurora, catalog.pools.redshift)
    shares = dealt(tables, most, lambda table: STEP_SECONDS + seconds.get(table.name, 0.0))
    if len(shares) <= 1:
        yield dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())
        return
    for label, share in shares.items():
        keys = names.chain_keys(share)
        yield dg.RunRequest(run_key=f"{day} {label}", partition_key=day.isoformat(), asset_selection=keys)


def dealt(items: Sequence[T], most: int, cost: Callable[[T], float] = lambda item: 1.0) -> dict[str, list[T]]:
    """Return what several runs have to do, a share for each, by a label that tells them apart: `1 of 3`.

    The most costly is dealt first, each to the run that has least yet, which is never more than a third above the best
    (R. L. Graham, Bounds on Multiprocessing Timing Anomalies, 1969). Where all cost the same, neighbours come into
    different runs.
    """
    runs = min(most, -(-len(items) // TABLES_A_RUN))
    shares: list[list[T]] = [[] for _ in range(runs)]
    sums = [0.0] * runs
    for item in sorted(items, key=cost, reverse=True):
        least = min(range(runs), key=lambda run: (sums[run], len(shares[run])))
        shares[least].append(item)
        sums[least] += cost(item)
    return {f"{number} of {runs}": share for number, share in enumerate(shares, 1)}


def build_proof_schedule(
    *, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition, names: Names = PLAIN
) -> dg.ScheduleDefinition:
    """Return the schedule of the proofs, some hours behind the daily load; each table has its own days."""
    hour, minute = time_behind_load(catalog, HOURS_BEHIND_LOAD)
    when = f"{hour:02}:{minute:02} {catalog.timezone}"
    description = f"Proves tables at {when}: on Sundays, where the catalog does not say otherwise."
    return build_schedule(
        job,
        catalog,
        f"{minute} {hour} * * *",
        description,
        lambda context: proof_requests(catalog, context.scheduled_execution_time, names),
    )


def proof_requests(catalog: Catalog, tick: datetime, names: Names = PLAIN) -> Iterator[dg.RunRequest]:
    """Yield the runs of the tables that are to be proven on the day of a tick, dealt out as those of a daily load."""
    day = tick.astimezone(catalog.zone).date()
    due = {"daily": True, "weekly": day.isoweekday() == SUNDAY, "monthly": day.day == 1, "never": False}
    tables = [table for table in catalog.tables.values() if due[table.proof]]
    for label, share in dealt(tables, catalog.pools.aurora).items():
        keys = [names.table_key("proof", table) for table in share]
        yield dg.RunRequest(run_key=f"{day} {label}", asset_selection=keys)
