"""How fast rows leave MySQL: this project's reader, in both protocols, beside PyMySQL's own streaming cursor.

All read the same table, in turns and each in a process of its own, whose peak memory is measured too. Needs MariaDB.

    python -m benchmarks.reader [--rows 1000000] [--rounds 3]

Ends with an error where the reader is less than 8 times as fast as the cursor, or a process takes 200 MB or more.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

import pymysql
from pymysql.cursors import SSCursor

from aurora_dwh.source.connection import connect, snapshot
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.reader import Protocol, read
from aurora_dwh.source.statement import select
from aurora_dwh_tests.mariadb import MariaDB

LEAST_RATIO = 8.0
MOST_MEGABYTES = 200.0
TABLE = "orders"

DEFINITION = """
CREATE TABLE orders (
  id bigint unsigned NOT NULL PRIMARY KEY,
  customer_id int unsigned NOT NULL,
  quantity smallint NOT NULL,
  status tinyint NOT NULL,
  amount decimal(12,2) NOT NULL,
  tax decimal(12,2),
  sku varchar(40) NOT NULL,
  city varchar(60) NOT NULL,
  shipped_on date,
  note text,
  created_at datetime(6) NOT NULL,
  updated_at datetime(6) NOT NULL
) ENGINE = InnoDB
"""
ROWS = """
INSERT INTO orders
SELECT seq + 9223372036854775807, seq * 7919 % 4000000000, seq % 1000, seq % 7, seq % 1000000 / 100,
       NULLIF(seq % 5, 0) * 1.08,
       CONCAT('SKU-', LPAD(seq % 99991, 8, '0')), ELT(1 + seq % 4, 'Osaka', '東京', 'São Paulo', 'Zürich'),
       IF(seq % 3, DATE '2024-01-01' + INTERVAL seq % 365 DAY, NULL),
       IF(seq % 10, CONCAT('line one, "quoted"\\nline two 😀 ', REPEAT('x', seq % 60)), NULL),
       TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq * 31 SECOND + INTERVAL seq % 1000000 MICROSECOND,
       TIMESTAMP '2024-06-01 00:00:00' + INTERVAL seq * 17 SECOND + INTERVAL seq % 999983 MICROSECOND
FROM seq_1_to_{rows}
"""


def cursor(arguments: dict[str, Any]) -> int:
    """Read all rows with PyMySQL's streaming cursor and return their number."""
    with pymysql.connect(**arguments) as connection, connection.cursor(SSCursor) as rows:
        rows.execute(f"SELECT * FROM {TABLE}")
        return sum(1 for _ in rows)


def columnar(wire: Protocol) -> Callable[[dict[str, Any]], int]:
    """Return what reads all rows with this project's reader and returns their number."""

    def run(arguments: dict[str, Any]) -> int:
        connection = connect(**arguments)
        schema = read_schema(connection, arguments["database"], TABLE)
        with snapshot(connection):
            return sum(batch.num_rows for batch in read(connection, select(schema), schema, wire=wire))

    return run


CLIENTS = {"PyMySQL SSCursor": cursor, "reader, text": columnar("text"), "reader, binary": columnar("binary")}


def measure(client: str, arguments: dict[str, Any]) -> dict[str, float]:
    """Run a client in this process and return rows, wall and CPU seconds, and the process's peak in MB."""
    began = time.perf_counter()
    rows = CLIENTS[client](arguments)
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    return {"rows": rows, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / unit}


def run_all(arguments: dict[str, Any], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run every client in turn, as often as asked, each in a new process."""
    runs = defaultdict(list)
    for _ in range(rounds):
        for client in CLIENTS:
            command = [
                sys.executable,
                "-m",
                "benchmarks.reader",
                "--client",
                client,
                "--connect",
                json.dumps(arguments),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs[client].append(json.loads(done.stdout))
    return runs


def report(runs: dict[str, list[dict[str, float]]], rows: int) -> list[str]:
    """Print the table of medians and return what falls short."""
    figures = {client: {k: median(run[k] for run in of) for k in of[0]} for client, of in runs.items()}
    base = figures["PyMySQL SSCursor"]["wall"]
    short = []
    print("| client | wall s | CPU s | rows/s | peak MB | times SSCursor |\n|---|---|---|---|---|---|")
    for client, of in figures.items():
        ratio = base / of["wall"]
        cells = [
            f"{of['wall']:.2f}",
            f"{of['cpu']:.2f}",
            f"{rows / of['wall']:,.0f}",
            f"{of['mb']:.0f}",
            f"{ratio:.1f}",
        ]
        print("|", " | ".join([client, *cells]), "|")
        if of["rows"] != rows:
            short.append(f"{client} read {of['rows']:,.0f} rows of {rows:,}")
        if client != "PyMySQL SSCursor" and ratio < LEAST_RATIO:
            short.append(f"{client} is {ratio:.1f} times as fast as PyMySQL's cursor, not {LEAST_RATIO:g}")
        if client != "PyMySQL SSCursor" and of["mb"] >= MOST_MEGABYTES:
            short.append(f"{client} takes {of['mb']:.0f} MB, not less than {MOST_MEGABYTES:g}")
    return short


def main() -> None:
    """Run the benchmark, or one client of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--connect", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(json.dumps(measure(options.client, options.connect)))
        return
    server = MariaDB("--innodb-buffer-pool-size=768M")
    try:
        database = server.database()
        with server.connect(database) as connection, connection.cursor() as setup:
            setup.execute(DEFINITION)
            setup.execute(ROWS.format(rows=options.rows))
        short = report(run_all(server.arguments(database), options.rounds), options.rows)
    finally:
        server.close()
    if short:
        sys.exit("\n".join(short))


if __name__ == "__main__":
    main()
