"""The checks that are shown on assets: what there is to check, and what a load or a build found.

They are made in the step that writes the data, over the days of the run, and those that tell right data from wrong
inside its transaction: where one fails, the step fails and nothing was committed. Only an unusual number of rows,
columns that changed, rows that no day brings, and what Glue refuses are warnings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import dagster as dg

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.days import counted, ends, listed
from aurora_dwh.core.models import DataError, told_strays
from aurora_dwh.core.rules import SHAPE, Rules, quoted, rebuild_anew
from aurora_dwh.lake.athena import GlueDatabase
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.failures import attempts_left, named_failures
from aurora_dwh.source.coverage import told
from aurora_dwh.warehouse.errors import CURSOR, KEYS, ROWS, RULES, SCHEMA, VOLUME, CheckError
from aurora_dwh.warehouse.load.transaction import DayLoad, Loaded
from aurora_dwh.warehouse.marts.build import Built
from aurora_dwh.warehouse.marts.checks import NOT_EMPTY, SUMS, UNIQUE_GRAIN
from aurora_dwh.warehouse.marts.model import MartHeader

T = TypeVar("T")

UNUSUAL_ROWS = 100
"""A difference of fewer rows than this is no surprise, unless there are none at all."""

_STAGING: Mapping[str, tuple[bool, str]] = {
    ROWS: (True, "As many rows were read from the source as it counts itself, lie in the manifest and were copied."),
    KEYS: (True, "Each key of the days is in the table, once."),
    SCHEMA: (
        True,
        "The source's columns fit the table's. A warning where some were added or widened, or values went with one.",
    ),
    RULES: (False, "All days in the table were read by the rules that the catalog has now, and meet one another."),
    CURSOR: (
        False,
        "Each row's cursor tells its day: none is NULL, zero or still to come, as far as an index counts them.",
    ),
    VOLUME: (False, "The day has about as many rows as the same weekday of the last 28 days."),
}

_WARNS = "Otherwise it warns, and stops nothing: beside the yellow sign, the word Failed is only the UI's."
"""What is said of checks that do not block: the UI has one word for all that did not pass."""


def staging_check_specs(key: dg.AssetKey, table: Table, *, is_running: bool = False) -> list[dg.AssetCheckSpec]:
    """Return the checks of a staging table; of the running day those alone that tell right data from wrong.

    What is unusual is known when the day has ended.
    """
    return [
        dg.AssetCheckSpec(name, asset=key, blocking=blocking, description=text if blocking else f"{text} {_WARNS}")
        for name, (blocking, text) in _STAGING.items()
        if (name != KEYS or table.key)
        and (name != CURSOR or (table.mode != "full" and table.cursor))
        and (blocking or not is_running)
    ]


def staging_check_results(
    table: Table, rules: Rules, loads: Sequence[Loaded], mismatches: Sequence[str] = ()
) -> Iterator[dg.AssetCheckResult]:
    """Yield what a run's loads found, and where days do not meet; what blocked would have ended the run."""
    days = [day for done in loads for day in done.days]
    yield from right_data_results(table, loads)
    yield _rules(table, rules, loads, days, mismatches)
    if table.mode != "full" and table.cursor:
        yield _cursor(table, days)
    yield _volume(days)


def attempted(
    context: dg.AssetExecutionContext, checks: Iterable[dg.AssetCheckSpec], work: Callable[[], T]
) -> Generator[dg.AssetCheckResult, None, T]:
    """Do a step's work, named as `named_failures` has it; where a check ends it, yield that one before the error."""
    try:
        with named_failures(context.asset_key, attempts_left=attempts_left(context)):
            return work()
    except dg.Failure as failure:
        error = failure.__cause__
        if isinstance(error, CheckError) and error.check in [check.name for check in checks]:
            yield dg.AssetCheckResult(check_name=error.check, passed=False, description=str(error))
        raise


def right_data_results(table: Table, loads: Sequence[Loaded]) -> Iterator[dg.AssetCheckResult]:
    """Yield what loads found that told right data from wrong, of days that have ended or not."""
    days = [day for done in loads for day in done.days]
    rows, copied = (sum(day.rows for day in some) for some in (days, [day for day in days if day.is_copied]))
    overtaken = [day.day for day in days if not day.is_copied]
    but = f"; not so of {counted(overtaken)}, which a later reading overtook" if overtaken else ""
    by_source = sum(day.is_counted for day in days)
    told = {0: "which did not count them", len(days): "which counted as many"}
    source = told.get(by_source, f"which counted as many on {by_source} of {len(days)} days")
    figures = {"source_rows": rows, "manifest_rows": rows, "copied_rows": copied, "days_counted_by_source": by_source}
    yield _passed(
        ROWS, days, f"{copied:,} rows read from the source, {source}, in the manifest and copied{but}", figures
    )
    if table.key:
        written = {"rows_inserted": sum(d.inserted for d in days), "rows_updated": sum(d.updated for d in days)}
        yield _passed(KEYS, days, _keys(table, copied) + but, written)
    yield _schema(table, loads, days)


def _keys(table: Table, rows: int) -> str:
    key = ", ".join(table.key)
    if table.mode == "incremental":
        return f"{rows:,} rows have, within their day, each a key ({key}) of its own, and the table has each key once"
    return f"{rows:,} rows have, within their day, each a key ({key}) of its own"


def _rules(
    table: Table, rules: Rules, loads: Sequence[Loaded], days: Sequence[DayLoad], mismatches: Sequence[str]
) -> dg.AssetCheckResult:
    found: dict[str, set[date]] = {}
    loaded = {day.day for day in days}
    for day, before in loads[-1].others.items():
        for difference in before.differences(rules, SHAPE):
            found.setdefault(difference, set()).add(day)
    older = {day for those in found.values() for day in those} - loaded
    unrecorded = {day for done in loads for day in done.unrecorded} - loaded
    figures = {"days_of_older_rules": len(older), "mismatches": len(mismatches), "days_unrecorded": len(unrecorded)}
    if unrecorded:
        text = f"the table had rows of {counted(unrecorded)}, of which dwh.load_history knew no load"
        return _warning(
            RULES, f"{text}; to have them on record again, run `aurora-dwh rebuild {quoted(table.name)}`", figures
        )
    if not older and not mismatches:
        return _passed(RULES, days, "no day in the table is known to stand under older rules", figures)
    what = "; ".join(f"{listed(those)}: {difference}" for difference, those in found.items())
    texts = [f"to read all of it again, run {rebuild_anew(table.name, is_computed=table.is_computed)}"]
    if mismatches:
        texts.insert(0, f"days of the table do not meet: {told(mismatches)}")
    if older:
        texts.insert(0, f"the table was read by older rules than the catalog has now on {counted(older)} ({what})")
    return _warning(RULES, "; ".join(texts), figures)


_MART: Mapping[str, str] = {
    NOT_EMPTY: "The mart has rows.",
    UNIQUE_GRAIN: "Each row differs from all others in the columns of the grain.",
    SUMS: "The sums of the mart's columns are those of staging.",
}


def mart_check_specs(key: dg.AssetKey, header: MartHeader) -> list[dg.AssetCheckSpec]:
    """Return the checks of a mart."""
    return [
        dg.AssetCheckSpec(name, asset=key, blocking=True, description=text)
        for name, text in _MART.items()
        if name != SUMS or header.sums
    ]


def mart_check_results(header: MartHeader, done: Built) -> Iterator[dg.AssetCheckResult]:
    """Yield what a build found; what blocked would have ended it."""
    figures = done.figures
    days = f"{min(done.days)}...{max(done.days)}: " if done.days else ""
    rows = {"rows": figures.rows}
    if figures.rows:
        yield _result(NOT_EMPTY, f"{days}{figures.rows:,} rows", rows)
    else:
        yield _warning(NOT_EMPTY, "no rows, which may be right for the days of the run and for a view", rows)
    grain = f"{days}{figures.rows:,} rows, each with its own ({', '.join(header.grain)})"
    yield _result(UNIQUE_GRAIN, grain, rows)
    if header.sums:
        sums = {name: float(found) for name, (found, _) in figures.sums.items()}
        text = days + ", ".join(f"{name} is {found:,}" for name, (found, _) in figures.sums.items()) + " in both"
        yield _result(SUMS, text, sums)


GLUE = "glue"


def glue_check_specs(key: dg.AssetKey, places: Addresses, *, is_parquet: bool) -> list[dg.AssetCheckSpec]:
    """Return the check of an asset in the lake, if LAKE_GLUE_DATABASE is set when the definitions are loaded."""
    if places.glue is None or not is_parquet:
        return []
    text = f"Athena finds the table's days in database {places.glue} of Glue, and no others."
    return [dg.AssetCheckSpec(GLUE, asset=key, blocking=False, description=text)]


def glue_check_result(glue: GlueDatabase | None, lake: Lake, table: str, days: Iterable[date]) -> dg.AssetCheckResult:
    """Bring a table in Glue up to date, and return how that went; the day is in the lake, and goes on, in any case."""
    if glue is None:
        return _warning(GLUE, "LAKE_GLUE_DATABASE is not set where this ran, so Glue was not brought up to date", {})
    try:
        done = glue.publish(lake, table, days)
    except DataError as error:
        return _warning(GLUE, f"Glue was not brought up to date, which the next load tries again: {error}", {})
    changes = f"{done.added:,} are new, {done.removed:,} were removed"
    text = f"{glue.name}.{done.name} has {done.partitions:,} days with rows; {changes}"
    return _result(GLUE, text, {"days": done.partitions})


def _schema(table: Table, loads: Sequence[Loaded], days: Sequence[DayLoad]) -> dg.AssetCheckResult:
    changes = [statement for done in loads for statement in done.changes]
    lost: Counter[str] = Counter()
    for done in loads:
        lost.update(done.lost)
    figures: dict[str, Any] = {"changes": len(changes)}
    if lost:
        figures["values_lost"] = dg.MetadataValue.json(dict(lost))
    gone = [f"{name!r} ({count:,} rows that had a value have none now)" for name, count in (+lost).items()]
    said = []
    if changes:
        said.append(f"the source's columns changed and the table followed them in {len(changes)} statements")
        figures["statements"] = dg.MetadataValue.md("```sql\n" + ";\n\n".join(changes) + ";\n```")
    if gone:
        freeze = "" if table.is_computed else "set `on_drift: freeze` to have such a load fail, or "
        said.append(
            f"columns are gone from what is read, and their values from the rows that were read again: "
            f"{', '.join(gone)}; {freeze}run {rebuild_anew(table.name, is_computed=table.is_computed)} for a table "
            "without them"
        )
    if said:
        return _warning(SCHEMA, f"{_span(days)}: {'; '.join(said)}", figures)
    rest = f"; it has also {', '.join(map(repr, lost))}, which are gone from what is read" if lost else ""
    return _passed(SCHEMA, days, f"the source's columns fit the table's{rest}", figures)


def _cursor(table: Table, days: Sequence[DayLoad]) -> dg.AssetCheckResult:
    """Return what the last of the days' readings said of rows that no day's reading sees."""
    strays = max(days, key=lambda day: day.day).strays
    known = {"rows_without_cursor": strays.without_cursor, "rows_in_future": strays.in_future}
    figures = {name: rows for name, rows in known.items() if rows is not None}
    if not figures:
        return _passed(CURSOR, days, f"not counted, as no index begins with {table.cursor!r}", figures)
    if found := told_strays(strays, table.cursor or "", is_upserted=table.mode == "incremental"):
        return _warning(CURSOR, f"{_span(days)}: {'; '.join(found)}", figures)
    return _passed(CURSOR, days, "no row was left out for its cursor", figures)


def _volume(days: Sequence[DayLoad]) -> dg.AssetCheckResult:
    known = [day for day in days if day.usual_rows is not None]
    figures: dict[str, Any] = {"days_compared": len(known)}
    if len(days) == len(known) == 1:
        figures |= {"rows": days[0].rows_in_day, "usual_rows": known[0].usual_rows}
    odd = [_compared(day) for day in known if is_unusual(day.rows_in_day, day.usual_rows or 0)]
    if odd:
        return _warning(VOLUME, "; ".join(odd), figures)
    if not known:
        return _passed(VOLUME, days, "fewer than three of the last four same weekdays are loaded", figures)
    text = _compared(known[0]) if len(known) == len(days) == 1 else f"{len(known)} days have about their usual rows"
    return _result(VOLUME, text, figures, severity=dg.AssetCheckSeverity.WARN)


def is_unusual(rows: int, usual: float) -> bool:
    """Return whether a day's rows are fewer than half or more than twice of what is usual, and not just by a few."""
    return not usual / 2 <= rows <= usual * 2 and (abs(rows - usual) >= UNUSUAL_ROWS or rows == 0)


def _compared(day: DayLoad) -> str:
    return f"{day.day}: {day.rows_in_day:,} rows, and {day.usual_rows:,.0f} are usual on a {day.day:%A}"


def _passed(check: str, days: Sequence[DayLoad], text: str, figures: Mapping[str, Any]) -> dg.AssetCheckResult:
    return _result(check, f"{_span(days)}: {text}", {"days": len(days), **figures})


def _warning(check: str, text: str, figures: Mapping[str, Any]) -> dg.AssetCheckResult:
    return _result(check, text, figures, passed=False, severity=dg.AssetCheckSeverity.WARN)


def _result(
    check: str,
    text: str,
    figures: Mapping[str, Any],
    *,
    passed: bool = True,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check, passed=passed, severity=severity, description=text, metadata=dict(figures)
    )


def _span(days: Iterable[DayLoad]) -> str:
    return ends(sorted(day.day for day in days))
