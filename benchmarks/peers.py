"""The other tools: where they are installed, how each is run, and where it leaves a table."""

from __future__ import annotations

import csv
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT

REQUIREMENTS = Path(__file__).with_name("peers.txt")
CACHE = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Peer:
    """A tool and its way of copying.

    Attributes:
        name: What the report calls it.
        command: Program of `benchmarks.clients` and its first arguments; a folder and tables follow.
        least: How many times its wall clock must be the product's; None where it is only reported.
        hoped: How many times it is hoped to be.
        read: Gives a table's rows, of a folder that it wrote, each as a mapping; a value may be text of any form.
    """

    name: str
    command: tuple[str, ...]
    least: float | None
    hoped: float | None
    read: Callable[[Path, str], list[dict[str, Any]]]


def _parquet(folder: Path, table: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(folder / "copy" / table).to_pylist()
    return rows


def _csv(folder: Path, table: str) -> list[dict[str, Any]]:
    csv.field_size_limit(sys.maxsize)
    with (folder / f"{table}.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]


CONNECTORX = Peer("dlt, connectorx -> Parquet", ("dlt_copy", "connectorx", "mysql+pymysql"), 1.5, 1.7, _parquet)
PYARROW = Peer("dlt, pyarrow on PyMySQL -> Parquet", ("dlt_copy", "pyarrow", "mysql+pymysql"), 8, 12, _parquet)
SLING = Peer("Sling -> CSV", ("sling_copy",), 8, 12, _csv)
CHDB = Peer("chDB -> Parquet", ("engine_copy", "chdb"), None, None, _parquet)
DUCKDB = Peer("DuckDB -> Parquet", ("engine_copy", "duckdb"), None, None, _parquet)
SLOW = (CHDB, DUCKDB, PYARROW, SLING)
PEERS = (CONNECTORX, *SLOW)


def python() -> str:
    """Return the Python of the peers' environment, which is made where it is missing."""
    digest = sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = CACHE / f"peers-{digest}"
    program = home / "bin" / "python"
    done = home / "complete"
    if not done.exists():
        print(f"installing the peers into {home.relative_to(ROOT)}", file=sys.stderr, flush=True)
        venv.create(home, clear=True, with_pip=True)
        install = [str(program), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(REQUIREMENTS)], check=True)
        done.touch()
    return str(program)
