"""The SELECT that reads a table, the one that counts what it reads, and what of others says which rows they are about.

The reader needs every type in a form that both of MySQL's protocols carry exactly; the few columns that need an
expression for that get it here, so one statement serves both.
"""

from __future__ import annotations

from collections.abc import Sequence

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.quoting import identifier, relation


def select(
    schema: TableSchema,
    *,
    where: Sequence[str] = (),
    order_by: Sequence[str] = (),
    limit: int | None = None,
    offset: int = 0,
    index: str | None = None,
) -> str:
    """Return the SELECT of a table's columns, in the schema's order and named as in the schema.

    Columns are named one by one: `*` would leave out invisible columns and follow a change of the table.

    Args:
        where: Conditions in SQL, all of which must hold.
        limit: The most rows to return.
        offset: How many rows before them are passed over.
        index: An index that the server must go along, so that rows in its order need no sorting.
    """
    columns = ",\n       ".join(_column(column) for column in schema.columns)
    lines = [f"SELECT {columns}", rows_of(schema, where, index)]
    if order_by:
        lines.append("ORDER BY " + ", ".join(identifier(name) for name in order_by))
    if limit is not None:
        lines.append(f"LIMIT {limit:d}" + (f" OFFSET {offset:d}" if offset else ""))
    return "\n".join(lines)


def count(schema: TableSchema, where: Sequence[str]) -> str:
    """Return the SELECT of how many rows `select` gives without a limit."""
    return f"SELECT COUNT(*)\n{rows_of(schema, where)}"


def rows_of(schema: TableSchema, where: Sequence[str], index: str | None = None) -> str:
    """Return a SELECT's FROM and WHERE: the rows that meet conditions, found along an index where one is named."""
    hint = f" FORCE INDEX ({identifier(index)})" if index else ""
    conditions = "\n  AND ".join(f"({condition})" for condition in where)
    of = f"FROM {relation(schema.database, schema.table, schema.query)}{hint}"
    return f"{of}\nWHERE {conditions}" if where else of


def _column(column: Column) -> str:
    name = identifier(column.name)
    expression = _exact(column).format(column.read_as.format(name))
    alias = identifier(column.renamed or column.name)
    return name if expression == alias else f"{expression} AS {alias}"


def _exact(column: Column) -> str:
    """Return the expression, around `{}`, that reads a column exactly."""
    if column.data_type == "double" and ("(" in column.column_type or "zerofill" in column.column_type):
        return _ALL_DIGITS  # its text is rounded or padded
    return _EXPRESSIONS.get(column.data_type, "{}")


_ALL_DIGITS = "{} * 1e0"
"""The text of a FLOAT has six digits, of a DOUBLE all. Adding 0 would turn -0 into 0."""

_EXPRESSIONS = {
    "float": _ALL_DIGITS,
    "bit": "{} + 0",  # a number, instead of bytes whose count depends on the type's width
    "time": "CAST({} AS CHAR)",  # up to 838 hours, which no other type of either protocol holds
}
"""DATA_TYPE -> the expression that reads it exactly."""
