"""How the server would run a SELECT, by its own EXPLAIN. Nothing here reads a row of data."""

from __future__ import annotations

import pymysql
from pymysql.cursors import DictCursor

from aurora_dwh.schema import TableSchema, fold
from aurora_dwh.source.connection import Connection

Plan = dict[str, str | None]


def scans(connection: Connection, statement: str, schema: TableSchema) -> bool:
    """Return whether the server would go through the whole table for a SELECT, as it does for most of the rows.

    A SELECT that the server refuses is none that scans: its reading says what is wrong.
    """
    return _plan(connection, statement, schema).get("type") in ("ALL", "index")


def is_in_order(connection: Connection, statement: str, schema: TableSchema) -> bool:
    """Return whether the server reads a range of an index for a SELECT, whose order it gives without sorting."""
    plan = _plan(connection, statement, schema)
    return plan.get("type") == "range" and not _has_sort(plan)


def sorts(connection: Connection, statement: str, schema: TableSchema) -> bool:
    """Return whether the server would sort rows for a SELECT, as no index has the order that is asked for."""
    return _has_sort(_plan(connection, statement, schema))


def _has_sort(plan: Plan) -> bool:
    return "filesort" in (plan.get("Extra") or "")


def _plan(connection: Connection, statement: str, schema: TableSchema) -> Plan:
    """Return how the server would read the table for a SELECT, nothing where it refuses the SELECT.

    The format is asked for, as a server may be set to another (`explain_format`, whose default is TREE in MySQL 9). The
    table is looked for, as a subquery of the catalog's `filter` may be read before it.
    """
    with connection.cursor(DictCursor) as cursor:
        try:
            cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {statement}")
        except pymysql.err.Error:
            return {}
        plans = cursor.fetchall()
    return next((plan for plan in plans if fold(plan["table"] or "") == fold(schema.table)), {})
