"""How long a code location of a thousand tables takes to load, beside the same assets by Dagster's own decorators.

`dagster definitions validate` is run in turns for both. Written by decorators are the same assets, checks, pools, retry
policies, resources and jobs, with bodies that do nothing, and neither descriptions nor sensors.
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
OURS, DECORATED = "aurora-dwh", "Dagster's decorators"

BY_DECORATORS = """
import os
import dagster as dg

DAYS = dg.DailyPartitionsDefinition("2024-01-01", timezone="Asia/Tokyo")
BY_DAY = {"partitions_def": DAYS, "backfill_policy": dg.BackfillPolicy.single_run()}
RETRY = dg.RetryPolicy(max_retries=3)
CHECKS = ("schema", "rules", "keys", "rows", "cursor", "volume")


@dg.resource
def nothing(): ...


@dg.io_manager
def no_io(): ...


def chain(number):
    def common(layer, pool, *resources):
        return {
            "key": [layer, f"t{number}"],
            "group_name": layer,
            "pool": pool,
            "retry_policy": RETRY,
            "required_resource_keys": set(resources),
        }

    def checks(layer, names):
        return [dg.AssetCheckSpec(name, asset=[layer, f"t{number}"]) for name in names]

    @dg.asset(
        **common("lake", "aurora", "aurora", "s3_io"), deps=[["aurora", f"t{number}"]], io_manager_key="s3_io", **BY_DAY
    )
    def lake(): ...

    @dg.asset(
        **common("staging", "redshift", "s3_io", "redshift_io"),
        ins={"manifests": dg.AssetIn(["lake", f"t{number}"])},
        io_manager_key="redshift_io",
        check_specs=checks("staging", CHECKS),
        **BY_DAY,
    )
    def staging(manifests): ...

    @dg.asset(
        **common("proof", "aurora", "s3_io", "redshift_io"),
        deps=[staging],
        config_schema={"max_share": dg.Field(float, default_value=0.2)},
        check_specs=checks("proof", ["equal"]),
    )
    def proof(): ...

    return [dg.AssetSpec(["aurora", f"t{number}"], group_name="aurora"), lake, staging, proof]


defs = dg.Definitions(
    assets=[asset for number in range(int(os.environ["TABLES"])) for asset in chain(number)],
    jobs=[
        dg.define_asset_job("daily_load", dg.AssetSelection.groups("lake", "staging"), partitions_def=DAYS),
        dg.define_asset_job("proof", dg.AssetSelection.groups("proof")),
    ],
    resources={"aurora": nothing, "s3_io": no_io, "redshift_io": no_io},
)
"""


def measure(rig: Rig, size: Size) -> Findings:
    """Return how long `size.many_tables` tables take to load, as a share of the decorators' time; medians of turns."""
    del rig  # no server is asked
    counts = (FEW, size.many_tables)
    with TemporaryDirectory(prefix="aurora-dwh-") as folder:
        home = Path(folder)
        (home / "decorated.py").write_text(BY_DECORATORS)
        for tables in counts:
            lines = "".join(f"  table_{n:04d}: {{key: id, cursor: updated}}\n" for n in range(tables))
            catalog = f"timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n{lines}"
            (home / f"{tables}.yaml").write_text(catalog)
        cases = [(source, tables) for tables in counts for source in (OURS, DECORATED)]
        seconds: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        for _ in range(size.rounds):
            for source, tables in cases:
                seconds[source, tables].append(_validate(home, source, tables))
    many = size.many_tables
    ratio = median(ours / theirs for ours, theirs in zip(seconds[OURS, many], seconds[DECORATED, many], strict=True))
    rows = [[source, f"{tables:,}", f"{median(taken):.2f}"] for (source, tables), taken in seconds.items()]
    return Findings(
        "Loading definitions",
        [Measure(f"loading the definitions of {many:,} tables / the same by Dagster's decorators", ratio, must=1.0)],
        table(["location", "tables", "seconds"], rows),
    )


def _validate(home: Path, source: str, tables: int) -> float:
    module = ["-m", "aurora_dwh.definitions"] if source == OURS else ["-f", str(home / "decorated.py")]
    variables = {"TABLES": str(tables), "AURORA_DWH_CATALOG": str(home / f"{tables}.yaml"), "DAGSTER_HOME": str(home)}
    program = Path(sys.executable).with_name("dagster")
    started = time.perf_counter()
    command = [str(program), "definitions", "validate", *module]
    subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)
    return time.perf_counter() - started
