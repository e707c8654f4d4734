"""How long the code location takes to load, for a few tables and for a thousand.

`dagster definitions validate` is run in turns for both, and for a location of bare Dagster assets of the same number,
partitions and checks, so that it shows what is Dagster's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig

FEW = 10
OURS = "aurora-dwh"

BARE = """
import os
import dagster as dg

DAYS = dg.DailyPartitionsDefinition("2024-01-01", timezone="Asia/Tokyo")
POLICY = dg.BackfillPolicy.single_run()


def chain(number):
    key = dg.AssetKey(["staging", f"t{number}"])
    specs = [dg.AssetCheckSpec(name, asset=key) for name in ("rows", "keys", "schema", "volume")]

    @dg.asset(key=["lake", f"t{number}"], deps=[["aurora", f"t{number}"]], partitions_def=DAYS, backfill_policy=POLICY)
    def lake(): ...

    @dg.asset(key=key, deps=[lake], check_specs=specs, partitions_def=DAYS, backfill_policy=POLICY)
    def staging(): ...

    return [dg.AssetSpec(["aurora", f"t{number}"]), lake, staging]


assets = [asset for number in range(int(os.environ["TABLES"])) for asset in chain(number)]
defs = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("load", partitions_def=DAYS)])
"""


def measure(rig: Rig, size: Size) -> Findings:
    """Return how many times longer `size.many_tables` tables take to load than ten, medians of turns."""
    del rig  # no server is asked
    counts = (FEW, size.many_tables)
    with TemporaryDirectory(prefix="aurora-dwh-") as folder:
        home = Path(folder)
        (home / "bare.py").write_text(BARE)
        for tables in counts:
            lines = "".join(f"  table_{n:04d}: {{key: id, cursor: updated}}\n" for n in range(tables))
            catalog = f"timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n{lines}"
            (home / f"{tables}.yaml").write_text(catalog)
        cases = [(source, tables) for source in (OURS, "bare Dagster") for tables in counts]
        seconds: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        for _ in range(size.rounds):
            for source, tables in cases:
                seconds[source, tables].append(_validate(home, source, tables))
    middle = {case: median(taken) for case, taken in seconds.items()}
    rows = [[s, f"{n:,}", f"{t:.2f}", f"{t / middle[s, FEW]:.2f}"] for (s, n), t in middle.items()]
    name = f"loading the definitions of {size.many_tables:,} tables, times that of {FEW}"
    ratio = middle[OURS, size.many_tables] / middle[OURS, FEW]
    return Findings(
        "Loading definitions",
        [Measure(name, ratio, must=2.5)],
        table(["location", "tables", "seconds", f"times {FEW} tables'"], rows),
    )


def _validate(home: Path, source: str, tables: int) -> float:
    module = ["-m", "aurora_dwh.definitions"] if source == OURS else ["-f", str(home / "bare.py")]
    variables = {"TABLES": str(tables), "AURORA_DWH_CATALOG": str(home / f"{tables}.yaml"), "DAGSTER_HOME": str(home)}
    program = Path(sys.executable).with_name("dagster")
    started = time.perf_counter()
    command = [str(program), "definitions", "validate", *module]
    subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)
    return time.perf_counter() - started
