"""How much extraction and proof slow the production load: p95 of sysbench's OLTP transactions beside each and alone.

sysbench offers a fixed number of transactions a second, a third of what the server can do alone, so that what is
measured is their latency and not how the CPU is shared out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from statistics import median
from typing import Any

from benchmarks import harness, proof
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig, client
from benchmarks.tables import FIRST_DAY, last_whole_day

THROTTLED = "{mode: full, max_rows_per_second: 20000}"
"""The catalog entry of the table that is read, with what the product has to spare its source."""

PROVEN = "{key: id, cursor: updated_at, max_rows_per_second: 20000}"
"""That of the table that is proven; it is loaded without the ceiling."""

TABLES, TABLE_ROWS, THREADS = 4, 50_000, 4
LOAD = 1 / 3
INSTALL = "sysbench is missing; install it with `apt-get install sysbench` or `brew install sysbench`"


class Oltp:
    """sysbench's `oltp_read_write` on tables of its own."""

    def __init__(self, rig: Rig) -> None:
        program = shutil.which("sysbench")
        if program is None:
            raise FileNotFoundError(INSTALL)
        rig.execute("CREATE DATABASE oltp")
        server = rig.server
        self._command = [program, "oltp_read_write", "--db-driver=mysql", "--mysql-db=oltp", "--percentile=95"]
        self._command += [f"--mysql-host={server.host}", f"--mysql-port={server.port}", f"--mysql-user={server.user}"]
        self._command += [f"--mysql-password={server.password}", f"--tables={TABLES}", f"--table-size={TABLE_ROWS}"]
        self._run("prepare")

    def rate(self, seconds: int) -> float:
        """Return the transactions a second that the server can do."""
        return float(_after("transactions:.*\\(", self._run("run", f"--time={seconds}", f"--threads={THREADS}")))

    def p95(self, seconds: int, rate: float) -> float:
        """Return the 95th percentile of the latency, in ms, at a number of transactions a second."""
        asked = (f"--time={seconds}", f"--threads={THREADS}", f"--rate={max(1, round(rate))}")
        return float(_after("95th percentile:", self._run("run", *asked)))

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._command, *arguments], check=True, capture_output=True, text=True).stdout


def measure(rig: Rig, size: Size) -> Findings:
    """Return p95 beside an extraction, and beside a proof, by p95 alone."""
    proven = _loaded(rig, size)
    oltp = Oltp(rig)
    rig.settle()
    variables = rig.variables({"mixed": THROTTLED})
    rate = LOAD * oltp.rate(size.oltp_seconds)
    alone, beside, beside_proof, speeds = [], [], [], []
    for _ in range(size.fewer_rounds):
        alone.append(oltp.p95(size.oltp_seconds, rate))
        p95, copied = _beside(oltp, size.oltp_seconds, rate, variables)
        beside.append(p95)
        speeds.append(copied / size.oltp_seconds)
        beside_proof.append(_beside_proof(oltp, size.oltp_seconds, rate, proven))
    value = median(one / other for one, other in zip(beside, alone, strict=True))
    value_of_proof = median(one / other for one, other in zip(beside_proof, alone, strict=True))
    rows = [
        ["alone", f"{median(alone):.2f}", ""],
        ["beside an extraction", f"{median(beside):.2f}", f"{median(speeds):,.0f}"],
        ["beside a proof", f"{median(beside_proof):.2f}", ""],
    ]
    setting = (
        f"sysbench `oltp_read_write`, {THREADS} threads, {TABLES} tables of {TABLE_ROWS:,} rows, {rate:.0f} "
        f"transactions a second, {size.oltp_seconds} s each; the table that is read has the entry `{THROTTLED}`, that "
        f"which is proven `{PROVEN}`."
    )
    return Findings(
        "Beside a production load",
        [
            Measure("p95 of OLTP during a throttled extraction / alone", value, 1.25, 1.1),
            Measure("p95 of OLTP during a throttled proof / alone", value_of_proof, 1.1, 1.05),
        ],
        [setting, *table(["load", "p95 ms", "rows read a second"], rows)],
    )


def _beside(oltp: Oltp, seconds: int, rate: float, variables: Mapping[str, str]) -> tuple[float, int]:
    """Return p95 while a table is copied, and the rows that were."""
    reading = harness.start(client("extract", "--seconds", seconds, FIRST_DAY, "mixed"), variables)
    assert reading.stdout is not None
    reading.stdout.readline()  # it says so when all is imported
    try:
        p95 = oltp.p95(seconds, rate)
    finally:
        said = harness.finish(reading)  # it ends by itself
    return p95, said["rows"]


def _loaded(rig: Rig, size: Size) -> Mapping[str, str]:
    """Load the table that is proven, and return the settings for its proof."""
    start = last_whole_day(size.proof_rows) + timedelta(days=2)
    database = proof.make(rig.server, size.proof_rows)
    named: dict[str, Any] = {"name": "beside_oltp", "database": database, "start": start}
    variables = rig.variables({"mixed": "{key: id, cursor: updated_at}"}, **named)
    rig.redshift.create_database(variables["REDSHIFT_DATABASE"])
    rig.run("proof", "--load", "mixed", variables=variables)
    return rig.variables({"mixed": PROVEN}, **named)


def _beside_proof(oltp: Oltp, seconds: int, rate: float, variables: Mapping[str, str]) -> float:
    """Return p95 while a table is proven."""
    proving = harness.start(client("proof", "--endless", "mixed"), variables)
    assert proving.stdout is not None
    proving.stdout.readline()
    try:
        return oltp.p95(seconds, rate)
    finally:
        if proving.poll() is not None:
            harness.finish(proving)  # which raises what it failed of
        proving.kill()
        proving.communicate()


def _after(label: str, text: str) -> str:
    found = re.search(label + r"\s*([\d.]+)", text)
    if found is None:
        raise ValueError(f"sysbench said nothing of {label!r}:\n{text}")
    return found[1]
