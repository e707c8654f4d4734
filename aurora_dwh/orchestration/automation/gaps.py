"""The gap sensor: what the schedules missed, and what failed, is requested again, a few runs at a time.

A day of a table is missing where Dagster's record has an earlier day of the table and not this one; so what was never
loaded is never begun by itself. A day of a transform is so too, once all that it reads has the day. A day that is
missing for longer than is looked at is told with the command that loads it. Days that a run left in the lake, whose end
it did not come to, are loaded from there, however old they are. A mart misses nothing, as it follows its inputs; a
build of it that failed is repeated here, since its own condition acts once for a change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from itertools import chain, islice
from typing import TYPE_CHECKING

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.days import ends, ranges, span
from aurora_dwh.core.models import utc_now
from aurora_dwh.core.retries import DAY
from aurora_dwh.instance.days import materialized_days
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.automation.run_history import (
    PAUSE,
    RunHistory,
    covers,
    named,
    request,
    run_days,
    selects,
)
from aurora_dwh.orchestration.automation.schedules import month_before, monthly_tables, monthly_time, time_behind_load

if TYPE_CHECKING:
    from aurora_dwh.instance.internals import AssetGraph
    from aurora_dwh.transforms.model import Transform

HORIZON_DAYS = 14
"""How many days back is looked; days that are missing for longer are told, and somebody's backfill."""

HORIZON_MONTHS = 3
"""How many months back is looked for tables that are loaded once a month."""

HORIZON = timedelta(days=31 * (HORIZON_MONTHS + 1))
"""How far back runs without success are looked for: as long as any day that is looked at can be tried."""

RUNS_PER_TICK = 3
"""How many runs are requested at a time."""

INTERVAL_SECONDS = 900

_SHOWN = 3
"""How many gaps are told that are older than is looked at; the next ones are, once these are closed."""


def build_gap_sensor(
    *,
    catalog: Catalog,
    jobs: Sequence[dg.UnresolvedAssetJobDefinition],
    marts: Sequence[dg.AssetKey] = (),
    transforms: Sequence[Transform] = (),
    names: Names = PLAIN,
) -> dg.SensorDefinition:
    """Return the sensor that requests missing days of tables and transforms, and failed builds of marts.

    Args:
        jobs: The daily job, and those of monthly tables, of transforms and of marts where there are any.
    """

    @dg.sensor(
        name=names.of_project("gaps"),
        jobs=jobs,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Requests days of the last {HORIZON_DAYS}, and months of the last {HORIZON_MONTHS}, that the "
        "schedules missed or that failed, newest first, and builds of marts that failed; "
        f"what somebody cancelled waits until the next day; gives up after {DAY.attempts} runs without success.",
    )
    def gaps(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.repository_def is None:
            raise dg.DagsterInvariantViolationError("the sensor needs the code location's asset graph")
        now = utc_now().astimezone(catalog.zone)
        days, months = due_days(catalog, now), due_months(catalog, now)
        history = RunHistory(context.instance, now, now - HORIZON)
        graph = context.repository_def.asset_graph
        computed = [names.key(layer, one.name) for one in transforms for layer in ("lake", "staging")]
        ours = frozenset([*names.chain_keys(catalog.tables.values()), *computed, *marts])
        tables = list(_table_searches(catalog, names, ours, history, days, months))
        if transforms:
            tables.append(_transform_search(catalog, transforms, names, ours, history, days, graph))
        builds = _Marts(graph, sorted(marts), history, days, names.of_project("marts"))
        searches: list[_Tables | _Marts] = [*tables, builds]
        requests = list(islice(chain.from_iterable(one.requests() for one in searches), RUNS_PER_TICK))
        nothing = f"nothing of the last {HORIZON_DAYS} days is missing"
        left = "; ".join([*(history.left or [nothing]), *_told_old(tables, _pointer(context))])
        if not requests:
            return dg.SkipReason(left)
        context.log.info(f"requests {', '.join(str(r.run_key) for r in requests)}; {left}")
        return dg.SensorResult(run_requests=requests)

    return gaps


def due_days(catalog: Catalog, now: datetime) -> list[str]:
    """Return the days that the schedule should have loaded by now (an aware moment), newest first."""
    last = _last_tick(catalog, now, *time_behind_load(catalog))
    days = (last - timedelta(days=number) for number in range(1, HORIZON_DAYS + 1))
    return [day.isoformat() for day in days if day >= catalog.start_date]


def due_months(catalog: Catalog, now: datetime) -> list[list[str]]:
    """Return the days of each month that the monthly schedule should have loaded by now, newest month first."""
    tick = _last_tick(catalog, now, *monthly_time(catalog))
    months: list[list[str]] = []
    while monthly_tables(catalog) and len(months) < HORIZON_MONTHS and (month := month_before(catalog, tick)):
        tick, last = month
        months.append(span(tick.isoformat(), last.isoformat()))
    return months


def _last_tick(catalog: Catalog, now: datetime, hour: int, minute: int) -> date:
    """Return the last day on which a schedule's time is over since `PAUSE`: it has its hour first."""
    return (now.astimezone(catalog.zone).replace(tzinfo=None) - PAUSE - timedelta(hours=hour, minutes=minute)).date()


def _table_searches(
    catalog: Catalog,
    names: Names,
    ours: frozenset[dg.AssetKey],
    history: RunHistory,
    days: Sequence[str],
    months: Sequence[Sequence[str]],
) -> Iterator[_Tables]:
    """Yield what is looked for: days of daily tables, months, and last days of months of tables copied whole."""
    tables = sorted(names.table_key("staging", table) for table in catalog.tables.values())
    rare = set(names.chain_keys(monthly_tables(catalog)))
    whole = frozenset(names.chain_keys(table for table in catalog.tables.values() if table.mode == "full"))
    daily_load, monthly_load = names.of_project("daily_load"), names.of_project("monthly_load")
    keeps = {names.table_key("lake", table): table.keep for table in catalog.tables.values() if table.keep}
    kept = {key: _first_kept(history, keep) for key, keep in keeps.items()}
    search = partial(_Tables, ours, history, first=catalog.start_date.isoformat(), whole=whole, kept=kept)
    yield search(daily_load, [key for key in tables if key not in rare], [[day] for day in days])
    if months:
        yield search(monthly_load, [key for key in tables if key in rare - whole], months)
        yield search(monthly_load, [key for key in tables if key in rare & whole], [month[-1:] for month in months])


def _transform_search(
    catalog: Catalog,
    transforms: Sequence[Transform],
    names: Names,
    ours: frozenset[dg.AssetKey],
    history: RunHistory,
    days: Sequence[str],
    graph: AssetGraph,
) -> _Tables:
    """Return the look at days of transforms: at the last asset of each, in Redshift or else in the lake."""
    late = set(names.chain_keys(monthly_tables(catalog)))
    last = {one.name: names.key("staging" if one.header.staging else "lake", one.name) for one in transforms}
    return _Tables(
        ours,
        history,
        names.of_project("transforms"),
        sorted(last.values()),
        [[day] for day in days],
        catalog.start_date.isoformat(),
        whole=frozenset(last[one.name] for one in transforms if one.table.mode == "full"),
        kept={
            names.key("lake", one.name): _first_kept(history, one.table.keep) for one in transforms if one.table.keep
        },
        inputs={last[one.name]: graph.get(names.key("lake", one.name)).parent_keys - late for one in transforms},
    )


def _first_kept(history: RunHistory, keep: timedelta) -> str:
    """Return the first day whose copy is in the lake for sure: it was read after its end."""
    return (history.now - keep).date().isoformat()


@dataclass
class _Tables:
    """One look at what tables, or transforms, lack."""

    ours: frozenset[dg.AssetKey]  # all assets of the project: their runs are waited for, and no others
    history: RunHistory
    job: str  # their job
    # their staging assets, or those in the lake of what is not in Redshift; marts follow by their own conditions
    keys: Sequence[dg.AssetKey]
    units: Sequence[Sequence[str]]  # what one run of the job loads: days, in order; newest unit first
    first: str  # the catalog's first day
    # assets of tables that are copied whole, in which a later day stands for an older one
    whole: frozenset[dg.AssetKey]
    # the lake's assets whose older copies are removed, each with the first day that has its copy for sure
    kept: Mapping[dg.AssetKey, str]
    # assets that are computed, each with those that must have the day before it can be
    inputs: Mapping[dg.AssetKey, Iterable[dg.AssetKey]] = field(default_factory=dict)
    _in_lake: dict[dg.AssetKey, set[str]] = field(default_factory=dict)

    def requests(self) -> Iterator[dg.RunRequest]:
        """Yield a run for each unit of which days are missing, with all the assets that lack any of them.

        Behind those come days that lie in the lake alone, as their run ended before it had loaded them.
        """
        for unit in self.units:
            missing = {key: lacking for key in self.keys if (lacking := self._lacking(key, unit))}
            if missing:
                yield from self._request(missing)
        for days, keys in _grouped((key, self._stranded(key)) for key in self.keys):
            yield from self._request({key: set(days) for key in keys})

    def _lacking(self, key: dg.AssetKey, unit: Sequence[str]) -> set[str]:
        """Return the days of a unit that an asset lacks and could have."""
        lacking = _missing(self._loaded[key], unit)
        inputs = list(self.inputs.get(key, ())) if lacking else []
        for days in self._days_in_lake(inputs).values():
            lacking &= days
        return lacking

    def old(self) -> Iterator[tuple[list[str], list[dg.AssetKey], list[dg.AssetKey]]]:
        """Yield days that are missing for longer than is looked at, those that follow one another, and what lacks them.

        Behind the assets are those to materialize, in the lake too where it has not all of the days. A table that is
        copied whole lacks nothing: an older copy of it cannot be had, and nobody needs it.
        """
        end = min((unit[0] for unit in self.units), default=self.first)
        lacking = ((key, self._old(key, end)) for key in self.keys if key not in self.whole)
        for days, keys in _grouped(lacking):
            yield days, keys, sorted({*keys, *self._unread(keys, days)})

    def _old(self, key: dg.AssetKey, end: str) -> set[str]:
        begun = max(min(self._loaded[key], default=end), self.first)
        return {*span(begun, end)[:-1]} - self._loaded[key]

    def _stranded(self, key: dg.AssetKey) -> set[str]:
        """Return days that runs without success left in the lake alone, without those that are looked at anyway."""
        wanted = {day for run, days in self._ended if selects(run, key, job=self.job) for day in days}
        seen = {day for unit in self.units for day in _missing(self._loaded[key], unit)}
        left = {day for day in wanted - self._loaded[key] - seen if day >= self.first}
        parent = _lake_of(key)
        return left & self._days_in_lake([parent])[parent] if left else left

    def _request(self, missing: dict[dg.AssetKey, set[str]]) -> Iterator[dg.RunRequest]:
        days = sorted(set().union(*missing.values()))
        if any(self._is_ours(run) and _touches(run, days) for run in self.history.under_way):
            self.history.left.append(f"{ends(days)} has a run under way")
            return
        failed = [r for r in self.history.without_success if self._is_ours(r.dagster_run)]
        failed = [record for record in failed if _touches(record.dagster_run, days)]
        tried = {key: [r for r in failed if selects(r.dagster_run, key, job=self.job)] for key in missing}
        if chosen := self.history.chosen(ends(days), tried):
            days = sorted(set().union(*(missing[key] for key in chosen)))
            yield request(self.job, sorted({*chosen, *self._unread(chosen, days)}), days, tried)

    @cached_property
    def _ended(self) -> list[tuple[dg.DagsterRun, list[str]]]:
        """Return the runs without success that were to load any of the assets, each with its days."""
        ended = (record.dagster_run for record in self.history.without_success)
        ours = (run for run in ended if any(selects(run, key, job=self.job) for key in self.keys))
        return [(run, run_days(run)) for run in ours]

    @cached_property
    def _loaded(self) -> dict[dg.AssetKey, set[str]]:
        """Return which days each asset has."""
        return materialized_days(self.history.instance, self.keys)

    def _days_in_lake(self, parents: Collection[dg.AssetKey]) -> dict[dg.AssetKey, set[str]]:
        """Return which days the lake has of assets, all of them asked for together."""
        new = [parent for parent in parents if parent not in self._in_lake]
        for parent, days in (materialized_days(self.history.instance, new) if new else {}).items():
            first = self.kept.get(parent, "")
            self._in_lake[parent] = {day for day in days if day >= first}
        return {parent: self._in_lake[parent] for parent in parents}

    def _unread(self, chosen: Sequence[dg.AssetKey], days: Sequence[str]) -> set[dg.AssetKey]:
        """Return the lake's assets that chosen ones are made from and that lack one of the days too."""
        in_lake = self._days_in_lake({_lake_of(key) for key in chosen})
        return {parent for parent, there in in_lake.items() if not there.issuperset(days)}

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        return run.job_name == self.job or not self.ours.isdisjoint(run.asset_selection or ())


@dataclass
class _Marts:
    """One look at marts whose last build, of a day or of the whole mart, was without success."""

    graph: AssetGraph
    marts: Sequence[dg.AssetKey]  # the marts, in order
    history: RunHistory
    days: Sequence[str]  # the days that are looked at, newest first
    job: str  # their job

    def requests(self) -> Iterator[dg.RunRequest]:
        """Yield a run for each day, and one for the marts without days, with all the marts that failed."""
        for day in (None, *self.days):
            keys = [key for key in self.marts if self.graph.get(key).is_partitioned == (day is not None)]
            tried = {key: failed for key in keys if (failed := self._failed(key, day))}
            name = day or "the last build"
            if not tried:
                continue
            about = [run for run in self.history.under_way if covers(run, day)]
            if any(selects(run, key, job=self.job) for run in about for key in tried):
                self.history.left.append(f"{name} of {named(tried)} has a run under way")
            elif chosen := self.history.chosen(name, tried):
                yield request(self.job, chosen, [day] if day else [], tried)

    def _failed(self, key: dg.AssetKey, day: str | None) -> list[dg.RunRecord]:
        """Return the runs without success that began when the mart's latest success was over."""
        ended = self.history.without_success
        runs = [r for r in ended if covers(r.dagster_run, day) and selects(r.dagster_run, key, job=self.job)]
        if not runs:
            return []
        filters = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day] if day else None)
        built = self.history.instance.fetch_materializations(filters, limit=1).records
        return [run for run in runs if not built or run.create_timestamp.timestamp() > built[0].timestamp]


def _grouped(lacking: Iterable[tuple[dg.AssetKey, set[str]]]) -> Iterator[tuple[list[str], list[dg.AssetKey]]]:
    """Yield days that follow one another, newest first, and the assets that lack just these of their neighbours."""
    found: dict[tuple[str, ...], list[dg.AssetKey]] = {}
    for key, days in lacking:
        for one in ranges(date.fromisoformat(day) for day in days):
            found.setdefault(tuple(day.isoformat() for day in one), []).append(key)
    for days_of, keys in sorted(found.items(), reverse=True):
        yield list(days_of), keys


def _pointer(context: dg.SensorEvaluationContext) -> str:
    """Return the options by which Dagster's commands find the code location, of which a server alone says nothing."""
    try:
        target = context.code_location_origin.loadable_target_origin if context.code_location_origin else None
    except dg.DagsterInvariantViolationError:  # a server's address, as `dagster dev` and production have it
        target = None
    if target and target.python_file:
        return f"-f {target.python_file}"
    return f"-m {target.module_name if target and target.module_name else 'aurora_dwh.definitions'}"


def _lake_of(staging: dg.AssetKey) -> dg.AssetKey:
    return dg.AssetKey([*staging.path[:-2], "lake", staging.path[-1]])


def _told_old(searches: Iterable[_Tables], pointer: str) -> Iterator[str]:
    """Yield sentences about days that are missing for longer than is looked at, each with its command."""
    found = [one for search in searches for one in search.old()]
    for days, lacking, keys in found[:_SHOWN]:
        selected = " or ".join(f'key:"{key.to_user_string()}"' for key in keys)
        of_days = f"--partition-range {days[0]}...{days[-1]}" if len(days) > 1 else f"--partition {days[0]}"
        yield (
            f"{ends(days)} is missing for longer in {named(lacking)}, and left to "
            f"you: `dagster asset materialize {pointer} --select '{selected}' {of_days}`"
        )
    if len(found) > _SHOWN:
        yield f"and so are {len(found) - _SHOWN} more such gaps"


def _missing(loaded: set[str], days: Sequence[str]) -> set[str]:
    """Return the days that lie behind the first one that is there, and are not."""
    return {day for day in days if day > min(loaded)} - loaded if loaded else set()


def _touches(run: dg.DagsterRun, days: Sequence[str]) -> bool:
    return any(covers(run, day) for day in days)
