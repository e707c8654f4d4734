"""Rows that a day's reading does not see: their cursor says nothing, or a time that has not come.

An index on the cursor counts them at the price of their number. Rows whose cursor is an old time that was not there
when its day was read look like all others: only a comparison of the whole table finds them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from aurora_dwh.core.models import Strays, Window
from aurora_dwh.source.connection import Connection, execute
from aurora_dwh.source.counting import count_in
from aurora_dwh.source.cursor import TableCursor
from aurora_dwh.source.plans import FEW_ROWS
from aurora_dwh.source.quoting import identifier, literal
from aurora_dwh.source.statement import count

CLOCKS_APART = timedelta(minutes=5)
"""How far an application's clock may be ahead of the source's."""

_EARLIEST: dict[str, date] = {
    "timestamp": datetime(1970, 1, 1, 0, 0, 1),  # noqa: DTZ001 - in UTC, as the session shows it
    "datetime": datetime(1000, 1, 1),  # noqa: DTZ001 - a wall clock's
    "date": date(1000, 1, 1),
}
"""DATA_TYPE -> its earliest time (MySQL reference manual, "Date and Time Data Types"). Zero lies before it."""


def find_strays(connection: Connection, cursor: TableCursor, first: Window, read_at: datetime) -> Strays:
    """Return how many rows of a table with an index on its cursor no day brings but the first, or none yet.

    Args:
        first: The earliest of the days that are read, which may bring the rows without a cursor.

    Raises:
        DataError: The cursor's type cannot tell when a row was written.
        pymysql.err.Error: The server or the connection failed.
    """
    column = cursor.column
    if column is None:
        return Strays()
    ahead = cursor.bounds(Window(first.day, None, read_at + CLOCKS_APART))[1]
    name, earliest = identifier(column.name), literal(_EARLIEST[column.data_type])
    absent = f"{name} < {earliest}" + (f" OR {name} IS NULL" if column.nullable else "")
    wanted = [*([] if first.is_first else [absent]), f"{name} >= {literal(ahead)}"]
    counts = ", ".join(f"({count(cursor.schema, [where])})" for where in wanted)
    (rows,) = execute(connection, f"SELECT {counts}")
    found = [_filtered(connection, cursor, where, int(n)) for where, n in zip(wanted, rows, strict=True)]
    return Strays(0 if first.is_first else found[0], found[-1])


def _filtered(connection: Connection, cursor: TableCursor, where: str, rows: int) -> int:
    """Return how many of the rows meet the catalog's condition too, where they are few: each has to be looked up."""
    if cursor.table.filter is not None and 0 < rows <= FEW_ROWS:
        return count_in(connection, cursor.schema, [where, cursor.table.filter])
    return rows
