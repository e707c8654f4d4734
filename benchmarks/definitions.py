"""How long the code location takes to load, for a few tables and for a thousand: `python -m benchmarks.definitions`.

`dagster definitions validate` is run in turns for both, and for a location of bare Dagster assets of the same number,
partitions and checks, so that it shows what is Dagster's own. Medians are printed, in seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

FEW, MANY = 10, 1_000
ROUNDS = 3

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


def main() -> None:
    """Measure in turns, and print a line for each location."""
    with TemporaryDirectory(prefix="aurora-dwh-") as folder:
        home = Path(folder)
        (home / "bare.py").write_text(BARE)
        for tables in (FEW, MANY):
            lines = "".join(f"  table_{n:04d}: {{key: id, cursor: updated}}\n" for n in range(tables))
            catalog = f"timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n{lines}"
            (home / f"{tables}.yaml").write_text(catalog)
        cases = [(source, tables) for tables in (FEW, MANY) for source in ("aurora_dwh", "bare Dagster")]
        seconds: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        for _ in range(ROUNDS):
            for source, tables in cases:
                seconds[source, tables].append(_validate(home, source, tables))
    for source, tables in cases:
        taken, few = median(seconds[source, tables]), median(seconds[source, FEW])
        print(f"{source:<14} {tables:>5} tables {taken:6.2f} s  {taken / few:4.1f} times {FEW} tables'")


def _validate(home: Path, source: str, tables: int) -> float:
    module = ["-m", "aurora_dwh.definitions"] if source == "aurora_dwh" else ["-f", str(home / "bare.py")]
    variables = {"TABLES": str(tables), "AURORA_DWH_CATALOG": str(home / f"{tables}.yaml"), "DAGSTER_HOME": str(home)}
    program = Path(sys.executable).with_name("dagster")
    started = time.perf_counter()
    command = [str(program), "definitions", "validate", *module]
    subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
