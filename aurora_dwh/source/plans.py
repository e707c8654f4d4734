"""How the server would run a SELECT, by its own EXPLAIN. Nothing here reads a row of data."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from math import prod

import pymysql
from pymysql.cursors import DictCursor

from aurora_dwh.core.schema import TableSchema, fold
from aurora_dwh.source.chunks import CHUNK_ROWS
from aurora_dwh.source.connection import Connection
from aurora_dwh.source.discovery import PRIMARY
from aurora_dwh.source.refusals import is_permanent

FEW_ROWS = 100_000
"""Rows that are gone through in some hundredths of a second, the more so where they were read a moment ago."""

_NOT_SAID = "the server does not say how it would count them"

Plan = dict[str, str | None]


class Access(Enum):
    """How the server would come to a SELECT's rows: through the whole table, by few rows, or by more of them.

    It goes through the whole table for most of its rows too.
    """

    SCAN = auto()
    FEW = auto()
    MANY = auto()


def find_access(connection: Connection, statement: str, schema: TableSchema) -> Access:
    """Return how the server would come to a SELECT's rows; where it refuses the SELECT, the reading says why."""
    plan = _plan(connection, statement, schema)
    if plan.get("type") in ("ALL", "index"):
        return Access.SCAN
    return Access.FEW if plan and schema.query is None and int(plan["rows"] or 0) <= FEW_ROWS else Access.MANY


def is_in_order(connection: Connection, statement: str, schema: TableSchema) -> bool:
    """Return whether the server reads a range of an index for a SELECT, whose order it gives without sorting."""
    plan = _plan(connection, statement, schema)
    return plan.get("type") == "range" and not _has_sort(plan)


def sorts(connection: Connection, statement: str, schema: TableSchema) -> bool:
    """Return whether the server would sort rows for a SELECT, as no index has the order that is asked for."""
    return _has_sort(_plan(connection, statement, schema))


def estimated_rows(connection: Connection, statement: str, schema: TableSchema) -> int:
    """Return about how many rows the server would go through for a SELECT, 0 where it does not say."""
    return int(_plan(connection, statement, schema).get("rows") or 0)


def _has_sort(plan: Plan) -> bool:
    return "filesort" in (plan.get("Extra") or "")


def costly(connection: Connection, statement: str, schema: TableSchema) -> str:
    """Return why a SELECT that counts rows which were just read is not cheap, an empty text where it is.

    An index that holds all that is asked for is some hundredth of the rows' bytes. The primary key holds the rows, so
    that of a large table as many pages would be read again.
    """
    if schema.query is not None:
        return _costly_again(_plans(connection, statement))
    plan = _plan(connection, statement, schema)
    if not plan:
        return _NOT_SAID
    rows, index = int(plan["rows"] or 0), plan["key"]
    is_covered = "Using index" in (plan.get("Extra") or "").split("; ")  # which "Using index condition" is not
    if is_covered and (index != PRIMARY or rows <= CHUNK_ROWS):
        return ""
    if rows <= FEW_ROWS:
        return ""
    return f"no index holds what is asked for, and about {rows:,} rows would be gone through once more"


def _costly_again(plans: Sequence[Plan]) -> str:
    """Return why a query of the catalog is not run once more: what it joins are rows times rows at the most."""
    rows = prod(int(plan["rows"] or 1) for plan in plans)
    if plans and rows <= FEW_ROWS:
        return ""
    return f"the query would be run once more, over up to {rows:,} rows" if plans else _NOT_SAID


def _plan(connection: Connection, statement: str, schema: TableSchema) -> Plan:
    """Return how the server would read the table for a SELECT, nothing where it refuses the SELECT.

    The table is looked for, as a subquery of the catalog's `filter` may be read before it.
    """
    plans = _plans(connection, statement)
    return next((plan for plan in plans if fold(plan["table"] or "") == fold(schema.table)), {})


def _plans(connection: Connection, statement: str) -> Sequence[Plan]:
    """Return how the server would read each table for a SELECT, nothing where it refuses the SELECT.

    The format is asked for, as a server may be set to another (`explain_format`, whose default is TREE in MySQL 9).
    """
    with connection.cursor(DictCursor) as cursor:
        try:
            cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {statement}")
        except pymysql.err.Error as error:
            if not is_permanent(error):
                raise
            return ()
        return cursor.fetchall()
