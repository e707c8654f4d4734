"""Reading alone: the product with TLS and without, and PyMySQL's own cursor, which it takes the place of.

Each reading ends with the source's own count of its rows. What that costs is shown as a share of copying to Parquet.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from benchmarks.copying import FULL, OURS, READ
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY, last_whole_day

TLS, CURSOR = "aurora-dwh with TLS, rows thrown away", "PyMySQL's cursor, rows thrown away"
FIRST = "aurora-dwh -> Parquet on S3, the first day of mode incremental, which has all rows"
CURSOR_ROUNDS = 1
"""At the most, of the cursor, which takes sixteen times as long as the product."""


def measure(rig: Rig, size: Size) -> Findings:
    """Return the figures of the table `mixed`."""
    plain = rig.variables({"mixed": FULL}, name="reading")
    read = partial(rig.run, "extract", "--read-only", FIRST_DAY, "mixed")
    last = last_whole_day(size.rows) + timedelta(days=2)
    by_day = rig.variables({"mixed": "{key: id, cursor: updated_at}"}, name="by_day", start=last)
    programs = {
        READ: partial(read, variables=plain),
        OURS: partial(rig.run, "extract", FIRST_DAY, "mixed", variables=plain),
        FIRST: partial(rig.run, "extract", last, "mixed", variables=by_day),
        TLS: partial(read, variables={**plain, "AURORA_TLS": str(rig.certificate)}),
    }
    runs = interleaved(programs, size.fewer_rounds)
    cursor = partial(rig.run, "cursor", "mixed", variables=plain)
    slow = interleaved({READ: programs[READ], CURSOR: cursor}, min(size.rounds, CURSOR_ROUNDS))
    rows = [
        [name, f"{middle(of, lambda run: run.seconds):.2f}", f"{middle(of, lambda run: run.peak_mb):.0f}"]
        for name, of in {**slow, **runs}.items()
    ]
    return Findings(
        "Reading alone",
        [
            Measure("PyMySQL's cursor, wall / our reader", ratio(slow[CURSOR], slow[READ]), 8, 12, at_least=True),
            Measure("our reader with TLS, wall / without", ratio(runs[TLS], runs[READ])),
            *(
                Measure(
                    f"the source's own count / MySQL -> Parquet, wall, {what}", middle(runs[of], _counting), 0.1, 0.05
                )
                for what, of in (("mode full", OURS), ("mode incremental", FIRST))
            ),
        ],
        ["`mixed`, medians:", *table(["program", "wall s", "peak MB"], rows)],
    )


def _counting(run: Outcome) -> float:
    return float(run.said["counting"]) / run.seconds
