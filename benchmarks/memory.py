"""Peak memory: what the process that copies a table has resident, on a table and on one several times as large.

The larger table is of MyISAM, which is made in a fraction of the time; the client cannot tell.
"""

from __future__ import annotations

from statistics import median

from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY, MIXED, create, fill

MEGABYTES, HOPED = 180, 150
DIFFERENCE = 0.10


def measure(rig: Rig, size: Size) -> Findings:
    """Return the peaks; each is the median of as many runs, of three at the most."""
    rig.execute(create("big", MIXED, engine="MyISAM"), fill("big", MIXED, size.big_rows))
    variables = rig.variables({"mixed": "{mode: full}", "big": "{mode: full}"})
    runs = min(size.rounds, 3)
    peaks = {
        name: median(rig.run("extract", FIRST_DAY, name, variables=variables).peak_mb for _ in range(runs))
        for name in ("mixed", "big")
    }
    rig.execute("DROP TABLE big")
    small, big = peaks["mixed"], peaks["big"]
    rows = [[f"{size.rows:,}", f"{small:.0f}"], [f"{size.big_rows:,}", f"{big:.0f}"]]
    return Findings(
        "Memory",
        [
            Measure(f"peak memory, {size.rows:,} rows, MB", small, MEGABYTES, HOPED, digits=0),
            Measure(f"peak memory, {size.big_rows:,} rows, MB", big, MEGABYTES, HOPED, digits=0),
            Measure("peak memory, difference of the two", abs(big / small - 1), DIFFERENCE),
        ],
        ["The whole process, Python and its libraries included.", *table(["rows", "peak MB"], rows)],
    )
