"""When the running day is loaded: at the ticks of each table's cron, in the catalog's zone.

One schedule has the crons of all tables, and asks for those whose cron ticks: by Dagster's own iterator, so that both
agree where clocks change. A table whose load is still under way is left out; the next tick brings what it missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.instance import run_tags
from aurora_dwh.instance.internals import cron_moments
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.automation.jobs import build_schedule
from aurora_dwh.orchestration.automation.run_history import named, selects
from aurora_dwh.orchestration.automation.schedules import dealt


def today_tables(catalog: Catalog) -> list[Table]:
    """Return the tables whose running day is loaded."""
    return [table for table in catalog.tables.values() if table.cron]


def build_today_schedule(
    *, catalog: Catalog, job: dg.UnresolvedAssetJobDefinition, names: Names = PLAIN
) -> dg.ScheduleDefinition:
    """Return the schedule of the running day."""

    def ask(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        tick = context.scheduled_execution_time
        due = [names.table_key("today", table) for table in today_tables(catalog) if _ticks(table, catalog, tick)]
        under_way = context.instance.get_runs(dg.RunsFilter(statuses=run_tags.UNFINISHED))
        busy = {key for key in due if any(selects(run, key, job=job.name) for run in under_way)}
        if busy:
            left_out = f"an earlier load is still under way of {named(sorted(busy))}"
            context.log.warning(left_out)
            if len(busy) == len(due):
                yield dg.SkipReason(left_out)
        for label, share in dealt(sorted(set(due) - busy), catalog.pools.aurora).items():
            yield dg.RunRequest(run_key=f"{tick.isoformat()} {label}", asset_selection=share)

    crons = sorted({str(table.cron) for table in today_tables(catalog)})
    description = f"Loads the running day as the tables' schedules say, in {catalog.timezone}."
    return build_schedule(job, catalog, crons, description, ask)


def _ticks(table: Table, catalog: Catalog, tick: datetime) -> bool:
    """Return whether a moment is one of a table's schedule."""
    first = next(cron_moments(str(table.cron), catalog.timezone, tick))
    return first.timestamp() == tick.timestamp()
