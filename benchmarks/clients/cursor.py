"""PyMySQL's own streaming cursor: every row becomes a tuple of Python objects, and is thrown away.

python -m benchmarks.clients.cursor TABLE
"""

from __future__ import annotations

import os
import sys

import pymysql
from pymysql.cursors import SSCursor

from benchmarks.clients.output_format import Clock


def main(table: str) -> None:
    """Read the table once."""
    names = ("HOST", "USER", "PASSWORD", "DATABASE")
    arguments = {name.lower(): os.environ[f"AURORA_{name}"] for name in names}
    clock = Clock()
    with (
        pymysql.connect(**arguments, port=int(os.environ["AURORA_PORT"])) as connection,
        connection.cursor(SSCursor) as rows,
    ):
        rows.execute(f"SELECT * FROM {table}")
        clock.say(rows=sum(1 for _ in rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
