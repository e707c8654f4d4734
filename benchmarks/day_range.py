"""A range of days of many small tables as one run, as a backfill in the UI launches it, beside the same in a bare loop.

Each runs once, as it takes minutes and is itself a mean of many days, and loads a range which nobody has loaded before.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count

from benchmarks import small_tables
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

MUST = 1.5
DAGSTER, BARE = "Dagster, one run", "bare loop"


def measure(rig: Rig, size: Size) -> Findings:
    """Return the run by the loop."""
    length = size.range_days
    variables = small_tables.make(rig, "day_range", size.range_tables, range(2 * length + 1))
    for program in ("bare_day", "dagster_day"):  # which make the staging tables, and the instance
        rig.run(program, FIRST_DAY, variables=variables)
    starts = (FIRST_DAY + timedelta(days=1 + length * number) for number in count())

    def bounds() -> tuple[date, date]:
        first = next(starts)
        return first, first + timedelta(days=length - 1)

    def dagster() -> Outcome:
        return rig.run("dagster_day", "...".join(map(str, bounds())), variables=variables)

    def bare() -> Outcome:
        return rig.run("bare_day", *bounds(), variables=variables)

    runs = interleaved({DAGSTER: dagster, BARE: bare}, 1)
    days = size.range_tables * length
    rows = [
        [
            program,
            f"{(seconds := middle(of, lambda run: run.seconds)):.1f}",
            f"{middle(of, lambda run: run.said['cpu']):.1f}",
            f"{seconds / days * 1000:.1f}",
        ]
        for program, of in runs.items()
    ]
    name = f"{length} days of {size.range_tables} small tables as one run / in a bare loop"
    return Findings(
        "A range of days",
        [Measure(name, ratio(runs[DAGSTER], runs[BARE]), MUST)],
        [
            f"{small_tables.ROWS_A_DAY} rows a table and day.",
            *table(["program", "wall s", "its CPU s", "ms a table's day"], rows),
        ],
    )
