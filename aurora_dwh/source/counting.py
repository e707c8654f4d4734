"""The source's own count of the rows that were read of it, by which a reading that lost some is told from a right one.

Everything behind the reading compares what it has with what was read; only the source knows what there was to read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pymysql

from aurora_dwh.core.models import SourceCount
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source.connection import Connection, SourceError, execute, failure
from aurora_dwh.source.discovery import table_fact
from aurora_dwh.source.plans import costly
from aurora_dwh.source.statement import count

SNAPSHOT_ENGINE = "innodb"
"""The engine whose rows a snapshot keeps, in lower case."""

_CHANGING = re.compile(
    r"\b(NOW|SYSDATE|CUR(DATE|TIME)|CURRENT_(DATE|TIME\w*)|LOCALTIME\w*|UTC_\w+|UNIX_TIMESTAMP|RAND|UUID\w*)\b|@",
    re.IGNORECASE,
)
"""What a `filter` or a `query` may ask for that is another value at the next statement."""


def count_in(connection: Connection, schema: TableSchema, where: Sequence[str]) -> int:
    """Return how many rows meet conditions.

    Raises:
        pymysql.err.Error: The server or the connection failed.
    """
    return int(execute(connection, count(schema, where))[0][0])


def check_count(
    connection: Connection,
    schema: TableSchema,
    where: Sequence[str],
    read: int,
    counted: SourceCount,
    *,
    is_cheap: bool = False,
) -> None:
    """Have the source count the rows of a reading where an index makes that cheap, and compare.

    Args:
        connection: The connection that the rows were read on, in the same snapshot.
        where: Conditions that the rows meet.
        read: How many rows were read.
        counted: Is told what was counted, or why nothing was.
        is_cheap: Whether an index is known to make it so; else the server is asked.

    Raises:
        SourceError: The source counts another number of rows, or could not be asked.
    """
    asked = {"filter": " ".join(where), "query": schema.query or ""}
    for name, text in asked.items():
        if found := _CHANGING.search(text):
            counted.reason = f"`{name}` asks for {found[0]}, which may have changed since"
            return
    try:
        if not is_cheap and (reason := costly(connection, count(schema, where), schema)):
            counted.reason = reason
            return
        began = time.monotonic()
        rows = count_in(connection, schema, where)
        counted.seconds = time.monotonic() - began
        is_table = schema.query is None
        if rows != read and is_table:
            engine = str(table_fact(connection, schema.database, schema.table, "ENGINE"))
            if engine.lower() != SNAPSHOT_ENGINE:
                counted.reason = f"engine {engine} keeps no snapshot of its rows"
                return
    except pymysql.err.Error as error:
        raise failure(f"{schema.named}: counting the rows", error) from error
    if rows != read:
        raise SourceError(
            f"{schema.named}: the source counts {rows:,} rows in the snapshot of which {read:,} were read"
        )
    counted.rows, counted.reason = rows, ""
