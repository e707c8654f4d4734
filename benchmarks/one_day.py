"""One day of a large table with an index on its cursor: rows that the server looks at for each row of the day.

Each is looked at twice: it is read, and its entry in the index is counted, which proves that none was left out.
"""

from __future__ import annotations

from benchmarks.measure import Findings, Measure, Size
from benchmarks.rig import Rig
from benchmarks.tables import last_whole_day

COUNTERS = "SHOW GLOBAL STATUS LIKE 'Handler_read%'"


def measure(rig: Rig, size: Size) -> Findings:
    """Return the share, by the server's own counters: all that one copy of one day reads, metadata included."""
    variables = rig.variables({"mixed": "{key: id, cursor: updated_at}"})
    day = last_whole_day(size.rows)
    first, before = _examined(rig), _examined(rig)
    run = rig.run("extract", day, "mixed", variables=variables)
    examined, rows = _examined(rig) - before - (before - first), run.said["rows"]
    return Findings(
        "One day",
        [Measure("one day with an index: rows examined / rows of the day", examined / rows, 2.05, 2.0)],
        [f"Day {day} has {rows:,} of {size.rows:,} rows; the server examined {examined:,} in {run.seconds:.2f} s."],
    )


def _examined(rig: Rig) -> int:
    return sum(int(value) for _, value in rig.execute(COUNTERS))
