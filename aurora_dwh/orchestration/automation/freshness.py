"""Freshness that knows days: by its deadline, each table must have yesterday.

Dagster's own freshness policies look at the last materialization of any day, so that an old day loaded again makes a
table look fresh. Here the event log is asked for the day itself. The sensor says it once a day for each table, and
again when a late day has come; the check may also be executed by hand.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import utc_now
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.source.windows import newest_due

CHECK = "fresh"

INTERVAL_SECONDS = 60


def build_freshness_checks(*, catalog: Catalog, names: Names = PLAIN) -> list[dg.AssetChecksDefinition]:
    """Return the checks of all tables with a deadline as one definition, none where no table has one."""
    tables = _with_deadline(catalog)
    if not tables:
        return []

    @dg.multi_asset_check(
        name=names.of_project("freshness"),
        specs=[
            dg.AssetCheckSpec(CHECK, asset=names.table_key("staging", table), description=_description(table, catalog))
            for table in tables
        ],
        can_subset=True,
    )
    def freshness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        chosen = {key.asset_key for key in context.selected_asset_check_keys}
        for table in tables:
            if (key := names.table_key("staging", table)) in chosen:
                day = due_day(table, catalog, utc_now())
                found = _evaluation(key, table, day, is_there=is_loaded(context.instance, key, day))
                yield dg.AssetCheckResult(
                    asset_key=found.asset_key,
                    check_name=CHECK,
                    passed=found.passed,
                    description=found.description,
                    metadata=dict(found.metadata),
                )

    return [freshness]


def build_freshness_sensor(*, catalog: Catalog, names: Names = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that evaluates the checks at the tables' deadlines, without a run."""
    tables = _with_deadline(catalog)

    @dg.sensor(
        name=names.of_project("freshness"),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Checks at each table's deadline ({catalog.timezone}) that yesterday is loaded.",
    )
    def freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        said: dict[str, str] = json.loads(context.cursor or "{}")
        now, found = utc_now(), []
        for table in tables:
            day = due_day(table, catalog, now)
            if day < catalog.start_date or said.get(table.name) == f"{day} there":
                continue
            key = names.table_key("staging", table)
            is_there = is_loaded(context.instance, key, day)
            state = f"{day} {'there' if is_there else 'late'}"
            if said.get(table.name) != state:
                said[table.name] = state
                found.append(_evaluation(key, table, day, is_there=is_there))
        if not found:
            return dg.SkipReason("nothing has changed since the last deadline")
        return dg.SensorResult(asset_events=found, cursor=json.dumps(said))

    return freshness


def due_day(table: Table, catalog: Catalog, now: datetime, *, deadline: str = "00:00") -> date:
    """Return the last day that must be loaded by now: yesterday from the deadline on, before it the day before that.

    Of a table that is loaded monthly it is the last day of a month.

    Args:
        table: A table.
        catalog: Its catalog, for the zone.
        now: The moment, aware.
        deadline: HH:MM, for a table that has none.
    """
    hour, minute = (int(part) for part in (table.deadline or deadline).split(":"))
    shown = now.astimezone(catalog.zone).replace(tzinfo=None)
    return newest_due(table, (shown - timedelta(hours=hour, minutes=minute)).date())


def is_loaded(instance: dg.DagsterInstance, key: dg.AssetKey, day: date) -> bool:
    """Return whether Dagster's record has a day of an asset."""
    loaded = dg.DagsterEventType.ASSET_MATERIALIZATION
    return bool(instance.get_latest_storage_id_by_partition(key, loaded, {day.isoformat()}))


def _with_deadline(catalog: Catalog) -> Sequence[Table]:
    return [table for table in catalog.tables.values() if table.deadline]


def _evaluation(key: dg.AssetKey, table: Table, day: date, *, is_there: bool) -> dg.AssetCheckEvaluation:
    text = f"{day} is loaded" if is_there else f"{day} is not loaded, and was due by {table.deadline}"
    metadata = {"day": day.isoformat(), "deadline": table.deadline}
    return dg.AssetCheckEvaluation(key, CHECK, passed=is_there, description=text, metadata=metadata)


def _description(table: Table, catalog: Catalog) -> str:
    when = "on the first of a month" if table.schedule == "monthly" else "each day"
    return f"The day before is loaded by {table.deadline} {catalog.timezone}, {when}."
