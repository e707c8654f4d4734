"""Reading alone: the product with TLS and without, and PyMySQL's own cursor, which it takes the place of."""

from __future__ import annotations

from functools import partial

from benchmarks.copying import FULL, READ
from benchmarks.harness import interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

TLS, CURSOR = "aurora-dwh with TLS, rows thrown away", "PyMySQL's cursor, rows thrown away"
MOST_ROUNDS = 3


def measure(rig: Rig, size: Size) -> Findings:
    """Return the figures of the table `mixed`; the cursor is slow, so there are three rounds at the most."""
    plain = rig.variables({"mixed": FULL}, name="reading")
    read = partial(rig.run, "extract", "--read-only", FIRST_DAY, "mixed")
    programs = {
        READ: partial(read, variables=plain),
        TLS: partial(read, variables={**plain, "AURORA_TLS": str(rig.certificate)}),
        CURSOR: partial(rig.run, "cursor", "mixed", variables=plain),
    }
    runs = interleaved(programs, min(size.rounds, MOST_ROUNDS))
    rows = [
        [name, f"{middle(of, lambda run: run.seconds):.2f}", f"{middle(of, lambda run: run.peak_mb):.0f}"]
        for name, of in runs.items()
    ]
    return Findings(
        "Reading alone",
        [
            Measure("PyMySQL's cursor, wall / our reader", ratio(runs[CURSOR], runs[READ]), 8, 12, at_least=True),
            Measure("our reader with TLS, wall / without", ratio(runs[TLS], runs[READ])),
        ],
        ["`mixed`, medians:", *table(["program", "wall s", "peak MB"], rows)],
    )
