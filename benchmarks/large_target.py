"""What a small day costs beneath a large staging table: its load's time, and how often it reads that table.

The rows are made in the stand-in itself, beside a first day that was loaded; half of a day's keys are among them. A
scan is as many rows as the table has, by the stand-in's own counter. It has no index, and Redshift has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from itertools import count

from benchmarks import small_tables
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.small_tables import ROWS_A_DAY
from benchmarks.tables import FIRST_DAY

SMALLER = 100
"""How many times fewer rows the other table has."""

TARGET = '"staging"."t0"'
SHOWN = 70
"""Characters of a statement that are told."""

COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'staging' AND table_name = 't0' ORDER BY ordinal_position"""
FILL = """
INSERT INTO staging.t0 SELECT {values} FROM (SELECT * FROM staging.t0 LIMIT 1) t
CROSS JOIN generate_series({first}, {last}) AS number WHERE number % 2 = 0 OR number >= {known}"""
READ = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'staging' AND relname = 't0'"


def measure(rig: Rig, size: Size) -> Findings:
    """Return the time of a load by that into a table with a hundredth of the rows, and its scans."""
    sizes = (size.staged_rows, size.staged_rows // SMALLER)
    settings = {rows: _filled(rig, rows, size.rounds + 1) for rows in sizes}
    scans: dict[int, list[int]] = {rows: [] for rows in sizes}
    statements: dict[int, list[list[str]]] = {}
    days = {rows: count(1) for rows in sizes}

    def load(rows: int) -> Outcome:
        before, known = _read(rig, settings[rows]), len(rig.redshift.history.queries)
        day = FIRST_DAY + timedelta(days=next(days[rows]))
        done = rig.run("bare_day", day, variables=settings[rows])
        scans[rows].append(round((_read(rig, settings[rows]) - before) / rows))
        statements[rows] = [
            [
                " ".join(query.query_text.split())[:SHOWN],
                f"{((query.ended or query.started) - query.started) * 1000:.0f}",
            ]
            for query in [*rig.redshift.history.queries][known:]
            if TARGET in query.query_text
        ]
        return done

    runs = interleaved({f"into {rows:,} rows": partial(load, rows) for rows in sizes}, size.rounds)
    large, small = runs.values()
    most = max(scans[size.staged_rows])
    cells = [
        [f"{rows:,}", f"{middle(of, _loading):.2f}", str(max(scans[rows]))]
        for rows, of in zip(sizes, runs.values(), strict=True)
    ]
    name = f"a day of {ROWS_A_DAY} rows into {sizes[0]:,} staged rows"
    return Findings(
        "Large target",
        [
            Measure(f"{name}, scans of the target", most, must=2, aim=1, digits=0),
            Measure(f"{name}, wall of the load / into {sizes[1]:,}", ratio(large, small, _loading)),
        ],
        [
            *table(["staged rows", "load s", "scans of the target"], cells),
            f"Statements of the last load into {sizes[0]:,} rows that name the target:",
            *table(["statement", "ms"], statements[sizes[0]]),
        ],
    )


def _loading(run: Outcome) -> float:
    seconds: float = run.said["loading"]
    return seconds


def _filled(rig: Rig, rows: int, days: int) -> Mapping[str, str]:
    """Load a day into a table of its own, make its other rows, and return the settings."""
    variables = small_tables.make(rig, f"target_{rows}", 1, range(days))
    rig.run("bare_day", FIRST_DAY, variables=variables)
    with rig.redshift.admin(variables["REDSHIFT_DATABASE"]) as admin:
        values = [f'"{name}"' for (name,) in admin.query(COLUMNS)]
        values[values.index('"id"')] = "number"
        known = days * ROWS_A_DAY
        admin.query(FILL.format(values=", ".join(values), first=ROWS_A_DAY, last=rows + known // 2, known=known))
        admin.query("VACUUM ANALYZE staging.t0")
    return variables


def _read(rig: Rig, variables: Mapping[str, str]) -> int:
    """Return how many rows of the target were read so far."""
    with rig.redshift.admin(variables["REDSHIFT_DATABASE"]) as admin:
        return int(str(admin.query(READ)[0][0]))
