"""Freshness that knows days: by its deadline, each table must have yesterday.

Dagster's own freshness policies look at the last materialization of any day, so that an old day loaded again makes a
table look fresh. Here the event log is asked for the day itself. The sensor says it once a day for each table, and
again when a late day has come; the check may also be executed by hand.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import utc_now
from aurora_dwh.instance.days import materialized_days
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.source.windows import newest_due

CHECK = "fresh"

INTERVAL_SECONDS = 60


def build_freshness_checks(*, catalog: Catalog, names: Names = PLAIN) -> list[dg.AssetChecksDefinition]:
    """Return the checks of all tables with a deadline as one definition, none where no table has one."""
    by_key = _with_deadline(catalog, names)
    if not by_key:
        return []

    @dg.multi_asset_check(
        name=names.of_project("freshness"),
        specs=[
            dg.AssetCheckSpec(CHECK, asset=key, description=_description(table, catalog))
            for key, table in by_key.items()
        ],
        can_subset=True,
    )
    def freshness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        now = utc_now()
        chosen = {key.asset_key for key in context.selected_asset_check_keys}
        due = {key: due_day(table, catalog, now) for key, table in by_key.items() if key in chosen}
        late = late_assets(context.instance, due)
        for key, day in due.items():
            yield dg.AssetCheckResult(**_found(key, by_key[key], day, is_there=key not in late))

    return [freshness]


def build_freshness_sensor(*, catalog: Catalog, names: Names = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that evaluates the checks at the tables' deadlines, without a run."""
    by_key = _with_deadline(catalog, names)

    @dg.sensor(
        name=names.of_project("freshness"),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Checks at each table's deadline ({catalog.timezone}) that yesterday is loaded.",
    )
    def freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        said: dict[str, str] = json.loads(context.cursor or "{}")
        now, found = utc_now(), []
        due = {
            key: day
            for key, table in by_key.items()
            if (day := due_day(table, catalog, now)) >= catalog.start_date and said.get(table.name) != f"{day} there"
        }
        late = late_assets(context.instance, due)
        for key, day in due.items():
            table, is_there = by_key[key], key not in late
            state = f"{day} {'there' if is_there else 'late'}"
            if said.get(table.name) != state:
                said[table.name] = state
                found.append(dg.AssetCheckEvaluation(**_found(key, table, day, is_there=is_there)))
        if not found:
            return dg.SkipReason("nothing has changed since the last deadline")
        return dg.SensorResult(asset_events=found, cursor=json.dumps(said))

    return freshness


def due_day(table: Table, catalog: Catalog, now: datetime, *, deadline: str = "00:00") -> date:
    """Return the last day that must be loaded by now: yesterday from the deadline on, before it the day before that.

    Of a table that is loaded monthly it is the last day of a month.

    Args:
        now: The moment, aware.
        deadline: HH:MM, for a table that has none.
    """
    hour, minute = (int(part) for part in (table.deadline or deadline).split(":"))
    shown = now.astimezone(catalog.zone).replace(tzinfo=None)
    return newest_due(table, (shown - timedelta(hours=hour, minutes=minute)).date())


def late_assets(instance: dg.DagsterInstance, due: Mapping[dg.AssetKey, date]) -> set[dg.AssetKey]:
    """Return the assets of which Dagster's record lacks the day that is due."""
    loaded = materialized_days(instance, due, {day.isoformat() for day in due.values()})
    return {key for key, day in due.items() if day.isoformat() not in loaded[key]}


def _with_deadline(catalog: Catalog, names: Names) -> dict[dg.AssetKey, Table]:
    return {names.table_key("staging", table): table for table in catalog.tables.values() if table.deadline}


def _found(key: dg.AssetKey, table: Table, day: date, *, is_there: bool) -> dict[str, Any]:
    """Return what a check says, as Dagster's results and evaluations take it."""
    text = f"{day} is loaded" if is_there else f"{day} is not loaded, and was due by {table.deadline}"
    metadata = {"day": day.isoformat(), "deadline": table.deadline}
    return {"asset_key": key, "check_name": CHECK, "passed": is_there, "description": text, "metadata": metadata}


def _description(table: Table, catalog: Catalog) -> str:
    when = "on the first of a month" if table.schedule == "monthly" else "each day"
    return f"The day before is loaded by {table.deadline} {catalog.timezone}, {when}."
