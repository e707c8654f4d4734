"""What Dagster adds: a small day of many tables, the whole run beside the same work in a bare loop.

Each run loads a day of its own, since to load a day twice is other work than to load it once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

from aurora_dwh.catalog.file import read_catalog
from benchmarks import small_tables
from benchmarks.clients.dagster_day import shares
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.small_tables import ROWS_A_DAY
from benchmarks.tables import FIRST_DAY

DAGSTER, DEALT, BARE = "Dagster, one run", "Dagster, runs as the schedule deals them", "bare loop"
MUSTS = {DAGSTER: (1.6, 1.3), DEALT: (1.4, 1.1)}


def measure(rig: Rig, size: Size) -> Findings:
    """Return the cost for both numbers of tables; the larger is run once."""
    found = Findings("Orchestration", lines=[f"{ROWS_A_DAY} rows a table and day."])
    for tables, rounds in ((size.tables, size.rounds), (size.more_tables, 1)):
        runs = _runs(rig, tables, rounds)
        for program in (name for name in runs if name != BARE):
            name = f"{tables:,} tables, small day, {program} / the same SQL and S3 calls in a bare loop"
            limits = MUSTS[program] if tables == size.tables else (None, None)
            found.measures.append(Measure(name, ratio(runs[program], runs[BARE]), *limits))
        rows = [
            [program, f"{(seconds := middle(of, lambda run: run.seconds)):.1f}", f"{seconds / tables * 1000:.0f}"]
            for program, of in runs.items()
        ]
        found.lines += [f"{tables:,} tables:", *table(["program", "wall s", "ms a table"], rows)]
    return found


def _runs(rig: Rig, tables: int, rounds: int) -> dict[str, list[Outcome]]:
    variables = small_tables.make(rig, f"daily_{tables}", tables, range(3 * rounds + 1))
    days = (FIRST_DAY + timedelta(days=n) for n in count())
    rig.run("bare_day", next(days), variables=variables)  # makes the staging tables

    def run(program: str) -> Outcome:
        return rig.run(program, next(days), variables=variables)

    def dealt(runs: int) -> Outcome:
        """Run the shares of the tables beside one another; the whole takes as long as the longest."""
        day = next(days)
        with ThreadPoolExecutor(runs) as threads:
            found = list(threads.map(lambda n: rig.run("dagster_day", day, n, variables=variables), range(runs)))
        return replace(max(found, key=lambda share: share.seconds), peak_mb=sum(share.peak_mb for share in found))

    programs = {DAGSTER: partial(run, "dagster_day"), BARE: partial(run, "bare_day")}
    runs = len(shares(read_catalog(Path(variables["AURORA_DWH_CATALOG"])), FIRST_DAY))
    if runs > 1:
        programs[DEALT] = partial(dealt, runs)
    return interleaved(programs, rounds)
