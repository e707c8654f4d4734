"""What a small day costs beneath a large staging table: its load's time, and how often it reads that table.

The rows are made in the stand-in itself, beside a first day that was loaded; half of a day's keys are among them. Those
rows changed last on the day before, but for one more load, of which they changed at any time. A scan is as many rows as
the table has, by the stand-in's own counter. Redshift has no index, but knows of each block the least and the greatest
value of a column; the table has that, as a BRIN index, of the column by which the load bounds what it reads.
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
CROSS JOIN generate_series({first}, {last}::bigint) AS number WHERE number % 2 = 0 OR number >= {known}"""
CHANGED = """
updated_at - INTERVAL '1 day' * CASE WHEN number < {any_day} THEN 0 WHEN number < {known} THEN number * 37 % {days}
  ELSE {days} - (number - {known}) * {days} / {rows} END"""
OLD_DAYS = 1_000
"""Over how many days the last changes of the other rows are spread, in the order in which they lie."""

BLOCKS = 100
"""Of a column of Redshift's at 10,000,000 rows: a block has 1 MB, and a sort key's values 8 bytes, uncompressed."""

INDEX = "CREATE INDEX ON staging.t0 USING brin (updated_at) WITH (pages_per_range = {pages})"
PAGES = "SELECT GREATEST(relpages / {blocks}, 1) FROM pg_class WHERE oid = 'staging.t0'::regclass"
READ = (
    "SELECT pg_stat_get_tuples_returned(t) + pg_stat_get_tuples_fetched(t) FROM (SELECT 'staging.t0'::regclass) r (t)"
)


def measure(rig: Rig, size: Size) -> Findings:
    """Return the time of a load by that into a table with a hundredth of the rows, and its scans."""
    sizes = (size.staged_rows, size.staged_rows // SMALLER)
    settings = {rows: _filled(rig, rows, size.rounds + 2) for rows in sizes}
    scans: dict[int, list[float]] = {rows: [] for rows in sizes}
    statements: dict[int, list[list[str]]] = {}
    days = {rows: count(1) for rows in sizes}

    def load(rows: int) -> Outcome:
        before, known = _read(rig, settings[rows]), len(rig.redshift.history.queries)
        day = FIRST_DAY + timedelta(days=next(days[rows]))
        done = rig.run("bare_day", day, variables=settings[rows])
        scans[rows].append((_read(rig, settings[rows]) - before) / rows)
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
    most, listed = max(scans[size.staged_rows]), statements[size.staged_rows]
    cells = [
        [f"{rows:,}", f"{middle(of, _loading):.2f}", f"{max(scans[rows]):.1f}"]
        for rows, of in zip(sizes, runs.values(), strict=True)
    ]
    load(size.staged_rows)
    of_any_day = scans[size.staged_rows][-1]
    name = f"a day of {ROWS_A_DAY} rows into {sizes[0]:,} staged rows"
    return Findings(
        "Large target",
        [
            Measure(f"{name}, scans of the target", round(most, 1), must=2, aim=1, digits=1),
            Measure(f"{name} that changed at any time, scans of the target", round(of_any_day, 1), digits=1),
            Measure(f"{name}, wall of the load / into {sizes[1]:,}", ratio(large, small, _loading)),
        ],
        [
            *table(["staged rows", "load s", "scans of the target"], cells),
            f"Statements of a load into {sizes[0]:,} rows that name the target:",
            *table(["statement", "ms"], listed),
        ],
    )


def _loading(run: Outcome) -> float:
    seconds: float = run.said["loading"]
    return seconds


def _filled(rig: Rig, rows: int, days: int) -> Mapping[str, str]:
    """Load a day into a table of its own, make its other rows, and return the settings.

    Args:
        rig: The servers.
        rows: How many rows the table is to have.
        days: How many days there are; rows of the last one changed last at any time.
    """
    variables = small_tables.make(rig, f"target_{rows}", 1, range(days))
    rig.run("bare_day", FIRST_DAY, variables=variables)
    with rig.redshift.admin(variables["REDSHIFT_DATABASE"]) as admin:
        values = [f'"{name}"' for (name,) in admin.query(COLUMNS)]
        known = days * ROWS_A_DAY
        changed = CHANGED.format(any_day=known - ROWS_A_DAY, known=known, days=OLD_DAYS, rows=rows)
        values[values.index('"id"')], values[values.index('"updated_at"')] = "number", changed
        admin.query(FILL.format(values=", ".join(values), first=ROWS_A_DAY, last=rows + known // 2, known=known))
        admin.query("VACUUM ANALYZE staging.t0")
        pages = admin.query(PAGES.format(blocks=BLOCKS))[0][0]
        admin.query(INDEX.format(pages=pages))
    return variables


def _read(rig: Rig, variables: Mapping[str, str]) -> int:
    """Return how many rows of the target were read so far."""
    with rig.redshift.admin(variables["REDSHIFT_DATABASE"]) as admin:
        return int(str(admin.query(READ)[0][0]))
