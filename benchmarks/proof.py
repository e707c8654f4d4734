"""The proof of a table: what it costs the source beside one plain scan, how short its statements are, its memory.

The scan is the least that a comparison of all values asks of a server: `COUNT(*)` and the sum of a CRC32 over all
columns of a row. Both run by turns, on MariaDB and on MySQL.

On MariaDB it is the large table, once, as that shows what memory a proof takes. What it costs the source is in
proportion to the rows, and the stand-in sums up 5,000,000 of them in minutes, which says nothing of Redshift; so on
MySQL there are fewer, and more rounds.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from statistics import median

from aurora_dwh_tests.servers import Server, numbers
from benchmarks.harness import ClientError, Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import TUNED, Rig
from benchmarks.tables import MIXED, create, fill, last_whole_day

DIFFERENCES = 100
ROUNDS = 2
"""On MySQL, at the most."""

SCAN = f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', {', '.join(MIXED)}))) FROM mixed"
ENTRY = "{key: id, cursor: updated_at}"
MEGABYTES = 150
PEER = "pt-table-checksum"
"""Of Percona's toolkit: it sums the rows of a server in chunks, for its replicas to compare with their own."""
INSTALL = f"{PEER} is missing; install it with `apt-get install percona-toolkit` or `brew install percona-toolkit`"

_EQUAL, _SPOILT, _SCAN = "proof of an equal table", f"proof with {DIFFERENCES} differences, mended", "plain scan"
_AT_ONCE = 100_000


def measure(rig: Rig, size: Size) -> Findings:
    """Return the figures of the table `mixed` on both servers."""
    if shutil.which(PEER) is None:  # before minutes of loading
        raise FileNotFoundError(INSTALL)
    found = Findings("Proof")
    rows = []
    mysql = Server("mysql", *TUNED[:1])
    try:
        for name, server, table_rows, rounds in (
            ("MariaDB", rig.server, size.rows, 1),
            ("MySQL", mysql, size.proof_rows, min(size.rounds, ROUNDS)),
        ):
            database = rig.database if server is rig.server else make(server, table_rows)
            runs = _runs(rig, server, database, name, table_rows, rounds)
            found.measures += _measures(name, runs)
            rows += [
                [name, f"{table_rows:,}", what,
                 f"{middle(of, lambda run: run.seconds):.2f}", f"{middle(of, _reading):.2f}",
                 f"{max(map(_longest, of)):.2f}", f"{middle(of, lambda run: run.peak_mb):.0f}"]
                for what, of in runs.items()
            ]  # fmt: skip
    finally:
        mysql.remove()
    found.lines = [
        "`mixed`, medians:",
        *table(["server", "rows", "what", "wall s", "on the source s", "longest statement s", "peak MB"], rows),
    ]
    return found


def _runs(rig: Rig, server: Server, database: str, name: str, rows: int, rounds: int) -> dict[str, list[Outcome]]:
    start = last_whole_day(rows) + timedelta(days=2)
    login = {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_USER": server.user,
        "AURORA_PASSWORD": server.password,
    }
    variables = rig.variables({"mixed": ENTRY}, name=f"proof_{name.lower()}", database=database, start=start) | login
    rig.redshift.create_database(variables["REDSHIFT_DATABASE"])
    rig.run("proof", "--load", "mixed", variables=variables)
    prove = partial(rig.run, "proof", variables=variables)
    peer = {PEER: partial(_checksum, server, database)} if server is rig.server else {}
    return interleaved(
        {
            **peer,
            _SCAN: partial(_scan, server, database),
            _EQUAL: partial(prove, "mixed"),
            _SPOILT: partial(prove, "--spoil", DIFFERENCES, "mixed"),
        },
        rounds,
    )


def _measures(name: str, runs: Mapping[str, list[Outcome]]) -> list[Measure]:
    for run in runs[_SPOILT]:
        if run.said["kinds"] != {"stale": DIFFERENCES} or run.said["differing"]:
            raise AssertionError(f"the proof found {run.said}")
    peers = [
        Measure(f"{name}: {PEER} / proof, on the source",
                median(one.seconds / _reading(other) for one, other in zip(of, runs[_EQUAL], strict=True)),
                aim=1.0, at_least=True)
        for what, of in runs.items() if what == PEER
    ]  # fmt: skip
    return [
        *peers,
        Measure(f"{name}: proof of an equal table, wall on the source / a plain scan",
                median(_reading(one) / other.seconds for one, other in zip(runs[_EQUAL], runs[_SCAN], strict=True)),
                2.0, 1.2),
        Measure(f"{name}: proof with {DIFFERENCES} differences found, named and mended / without",
                ratio(runs[_SPOILT], runs[_EQUAL]), 1.3, 1.1),
        Measure(f"{name}: longest statement on the source, s", max(map(_longest, runs[_EQUAL])), 2.0, 0.5),
        Measure(f"{name}: peak memory of a proof, MB", middle(runs[_EQUAL], lambda run: run.peak_mb), MEGABYTES,
                digits=0),
    ]  # fmt: skip


def _reading(run: Outcome) -> float:
    return float(run.said.get("reading", run.seconds))


def _longest(run: Outcome) -> float:
    return float(run.said.get("longest", run.seconds))


def _scan(server: Server, database: str) -> Outcome:
    with server.connect(database) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(SCAN)
        seconds = time.perf_counter() - began
    return Outcome(seconds, seconds, 0.0, 0.0)


def _checksum(server: Server, database: str) -> Outcome:
    """Run the peer on the table, on a server that has no replica."""
    command = [PEER, f"--host={server.host}", f"--port={server.port}", f"--user={server.user}"]
    command += [f"--password={server.password}", f"--databases={database}", "--tables=mixed", "--recursion-method=none"]
    command += ["--no-version-check", "--no-check-binlog-format", "--quiet"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise ClientError(f"{PEER} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return Outcome(seconds, seconds, 0.0, 0.0)


def make(server: Server, rows: int) -> str:
    """Make the table `mixed` in a database of its own, and return its name; a server may have no sequence tables."""
    database = server.database()
    statement = fill("mixed", MIXED, rows)
    head = statement.partition(" FROM ")[0]
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(create("mixed", MIXED))
        for first in range(0, rows, _AT_ONCE):
            count = min(_AT_ONCE, rows - first)
            cursor.execute(f"{head} FROM (SELECT seq + {first} AS seq FROM {numbers(count)}) s")
    return database
