"""The whole chain: one large first day from MySQL over S3 into a staging table of the stand-in, by Dagster."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.measure import Findings, Measure, Size
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY, MIXED, SECONDS_BETWEEN_ROWS, create, fill


def measure(rig: Rig, size: Size) -> Findings:
    """Return rows a second; the rows are all in the first partition."""
    rig.execute(create("chain", MIXED), fill("chain", MIXED, size.chain_rows))
    rig.settle()
    rig.redshift.create_database("chain")
    start = FIRST_DAY + timedelta(seconds=size.chain_rows * SECONDS_BETWEEN_ROWS, days=1)
    variables = rig.variables({"chain": "{key: id, cursor: updated_at}"}, name="chain", start=start)
    run = rig.run("dagster_day", start, variables=variables)
    what = (
        f"{size.chain_rows:,} rows in {run.seconds:.1f} s: read, written, copied and upserted. The stand-in is "
        "PostgreSQL on the same machine, so the figure says nothing about Redshift."
    )
    name = f"whole chain to staging on the stand-in, rows a second, {size.chain_rows:,} rows"
    return Findings("Whole chain", [Measure(name, size.chain_rows / run.seconds, digits=0)], [what])
