"""A first load by one connection and by four: from a near server, and by a way that gives each connection its share.

The table is `mixed`, and the day its first one in mode incremental, which has all rows.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import product

from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.slow_link import SlowLink, running
from benchmarks.tables import last_whole_day

CONNECTIONS = 4
MEGABITS = 200
"""Megabits a second that the limited way gives a connection."""

PIECES = 20
"""Pieces of the table, so that it is a large one whatever its size is."""

NEAR, LIMITED = "a near server", f"{MEGABITS} Mbit/s a connection"


def measure(rig: Rig, size: Size) -> Findings:
    """Return how many times as fast four connections are; a round by the limited way takes a minute."""
    day = last_whole_day(size.rows) + timedelta(days=2)
    link = SlowLink(rig.server.host, rig.server.port)
    link.bytes_a_second = MEGABITS * 1_000_000 / 8

    def run(connections: int, way: str) -> Outcome:
        entry = f"{{key: id, cursor: updated_at, connections: {connections}, chunk_rows: {size.rows // PIECES}}}"
        variables = rig.variables({"mixed": entry}, name=f"first_{connections}", start=day)
        if way == LIMITED:
            variables["AURORA_PORT"] = str(link.port)
        return rig.run("extract", day, "mixed", variables=variables)

    with running(link):
        programs = {
            f"{connections} by {way}": partial(run, connections, way)
            for way, connections in product((NEAR, LIMITED), (1, CONNECTIONS))
        }
        runs = interleaved(programs, min(size.rounds, 2))
    rows = [
        [name, f"{middle(of, lambda run: run.seconds):.2f}", f"{middle(of, lambda run: run.peak_mb):.0f}"]
        for name, of in runs.items()
    ]
    return Findings(
        "First load",
        [
            Measure(
                f"first load by {way}, time of 1 connection / of {CONNECTIONS}",
                ratio(runs[f"1 by {way}"], runs[f"{CONNECTIONS} by {way}"]),
                must,
                at_least=True,
            )
            for way, must in ((NEAR, 1.0), (LIMITED, 2.5))
        ],
        [
            f"{size.rows:,} rows of `mixed`, copied to Parquet on S3:",
            *table(["connections", "wall s", "peak MB"], rows),
        ],
    )
