"""What tables a database has and what they look like, from information_schema. Nothing here reads a row of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymysql.cursors import DictCursor

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column, TableSchema, fold
from aurora_dwh.core.spelling import near_words
from aurora_dwh.source.connection import Connection, execute
from aurora_dwh.source.privileges import role_remedy
from aurora_dwh.source.quoting import identifier

PRIMARY = "PRIMARY"
"""The name of every primary key's index."""

SMALL_ROWS = 10_000
"""Up to how many rows nobody cares how a table is read and copied: a scan of them takes some milliseconds."""

_TABLE_FACT = "SELECT {} FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"

_PRECISE = frozenset({"decimal", "bit"})
"""The types whose size NUMERIC_PRECISION decides; an INT's, say, differs between servers and says nothing."""


@dataclass(frozen=True)
class Index:
    """An index of a table."""

    name: str  # its name
    columns: tuple[str, ...]  # its columns in order, an expression as an empty text
    is_plain: bool  # whether it holds whole values of columns in ascending order
    is_hidden: bool = False  # whether the server is told not to use it: INVISIBLE in MySQL, IGNORED in MariaDB


def read_tables(connection: Connection, database: str) -> tuple[str, ...]:
    """Return the names of a database's base tables, sorted; views are none."""
    return _names(connection, database, "BASE TABLE")


def read_views(connection: Connection, database: str) -> tuple[str, ...]:
    """Return the names of a database's views, sorted."""
    return _names(connection, database, "VIEW")


def _names(connection: Connection, database: str, kind: str) -> tuple[str, ...]:
    rows = execute(
        connection,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = %s",
        (database, kind),
    )
    return tuple(sorted(as_text(name) for (name,) in rows))


def as_stored(connection: Connection, tables: Iterable[str]) -> Callable[[str], str]:
    """Return a function that gives a table's name as the server stores it for one that takes no notice of case."""
    ((takes_no_notice,),) = execute(connection, "SELECT @@lower_case_table_names")
    stored = {fold(name): name for name in tables} if int(takes_no_notice) else {}
    return lambda name: stored.get(fold(name), name)


def read_schema(connection: Connection, database: str, table: str) -> TableSchema:
    """Return a table's columns, primary key and comment. Generated and invisible columns are columns like any other.

    Raises:
        DataError: The database has no such table; tables of similar names are listed.
    """
    columns = execute(
        connection,
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, "
        f"NUMERIC_SCALE, COLUMN_COMMENT, CHARACTER_SET_NAME, ({_TABLE_FACT.format('TABLE_COMMENT')}) "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        (database, table) * 2,
    )
    if not columns:
        raise _not_found(connection, database, table)
    return TableSchema(
        database=database,
        table=table,
        columns=tuple(_column(*row) for *row, _ in columns),
        primary_key=_primary_key(connection, database, table),
        comment=as_text(columns[0][-1] or ""),
    )


def indexes(connection: Connection, database: str, table: str, column: str) -> list[Index]:
    """Return the indexes of the table that begin with the column: a range of it is read without a scan.

    An index that the server is told not to use is none.
    """
    return [index for index in _beginning_with(connection, database, table, column) if not index.is_hidden]


@dataclass(frozen=True)
class MissingIndex:
    """What it means that no index begins with a cursor, and what helps: a statement, beside which rows can be written.

    A view, or a query of the catalog, has no index of its own, and what is behind it may have one.
    """

    effect: str
    remedy: str


def missing_index(connection: Connection, database: str, table: str, column: str) -> MissingIndex | None:
    """Return what is to be said of a cursor that no index begins with; None where the table is small.

    Where the server is told not to use such an index, the remedy is the statement that tells it otherwise.
    """
    place = identifier(database, table)
    if is_small(table_fact(connection, database, table, "TABLE_ROWS")):
        return None
    if kind := _without_indexes(connection, database, table):
        unless = "unless an index there begins with its column"
        effect = f"it is a {kind}'s, and each day scans the table behind it {unless}"
        return MissingIndex(effect, f"add such an index to that table if there is none; a {kind} can have none itself")
    if hidden := _beginning_with(connection, database, table, column):
        end = _HIDINGS[_hiding(connection) or ""].end
        remedy = f"ALTER TABLE {place} ALTER INDEX {identifier(hidden[0].name)} {end}"
    else:
        remedy = f"ALTER TABLE {place} ADD INDEX ({identifier(column)})"
    return MissingIndex("each day scans the table", remedy)


def is_small(rows: int | None) -> bool:
    """Return whether a table of about so many rows is small; one of whose rows nobody knows is not."""
    return rows is not None and rows <= SMALL_ROWS


def hides_index(connection: Connection) -> str:
    """Return the SQL, over information_schema.STATISTICS, of whether the server is told not to use an index."""
    column = _hiding(connection)
    return f"{column} = '{_HIDINGS[column].value}'" if column else "FALSE"


@dataclass(frozen=True)
class _Hiding:
    """How a server is told not to use an index: what its column says of such an index, and the words that end it."""

    value: str
    end: str


_HIDINGS = {
    "IS_VISIBLE": _Hiding("NO", "VISIBLE"),  # MySQL
    "IGNORED": _Hiding("YES", "NOT IGNORED"),  # MariaDB
}
"""Column of information_schema.STATISTICS -> what it tells."""


def _hiding(connection: Connection) -> str | None:
    names = ", ".join(f"'{name}'" for name in _HIDINGS)
    rows = execute(
        connection,
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' "
        f"AND TABLE_NAME = 'STATISTICS' AND COLUMN_NAME IN ({names})",
    )
    return as_text(rows[0][0]) if rows else None


def _without_indexes(connection: Connection, database: str, table: str) -> str:
    """Return what has no indexes: a view, or what the server does not know, a query; an empty text for a table."""
    kind = table_type(connection, database, table)
    return "query" if kind is None else "view" if kind == "VIEW" else ""


def table_type(connection: Connection, database: str, table: str) -> str | None:
    """Return the TABLE_TYPE of a table or view, None where the database has none of that name."""
    kind: str | None = table_fact(connection, database, table, "TABLE_TYPE")
    return kind


def table_fact(connection: Connection, database: str, table: str, name: str) -> Any:
    """Return what a column of information_schema.TABLES says of a table; None where it says nothing, or has no such."""
    rows = execute(connection, _TABLE_FACT.format(name), (database, table))
    return as_text(rows[0][0]) if rows else None


def _beginning_with(connection: Connection, database: str, table: str, column: str) -> list[Index]:
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(  # all columns, as each server has its own that tells which indexes it does not use
            "SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
            "ORDER BY INDEX_NAME, SEQ_IN_INDEX",
            (database, table),
        )
        rows = cursor.fetchall()
    found: dict[tuple[str, bool], list[tuple[str, bool]]] = {}
    for row in rows:
        name = row["COLUMN_NAME"]  # which an index on an expression has not
        is_plain = name is not None and row["SUB_PART"] is None and as_text(row["COLLATION"] or "") == "A"
        is_hidden = any(as_text(row.get(column)) == hiding.value for column, hiding in _HIDINGS.items())
        found.setdefault((as_text(row["INDEX_NAME"]), is_hidden), []).append((as_text(name or ""), is_plain))
    return [
        Index(name, tuple(column for column, _ in parts), all(is_plain for _, is_plain in parts), is_hidden)
        for (name, is_hidden), parts in found.items()
        if fold(parts[0][0]) == fold(column)
    ]


def _primary_key(connection: Connection, database: str, table: str) -> tuple[str, ...]:
    rows = execute(
        connection,
        "SELECT COLUMN_NAME FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
        (database, table),
    )
    return tuple(as_text(name) for (name,) in rows)


def _column(
    name: str | bytes,
    data_type: str | bytes,
    column_type: str | bytes,
    is_nullable: str | bytes,
    length: int | None,
    precision: int | None,
    scale: int | None,
    comment: str | bytes | None,
    charset: str | bytes | None,
) -> Column:
    kind = as_text(data_type).lower()
    return Column(
        name=as_text(name),
        data_type=kind,
        column_type=as_text(column_type),
        nullable=as_text(is_nullable) == "YES",
        length=None if length is None else int(length),
        precision=None if precision is None or kind not in _PRECISE else int(precision),
        scale=None if scale is None or kind != "decimal" else int(scale),
        comment=as_text(comment or ""),
        charset=as_text(charset or ""),
    )


def as_text(value: Any) -> Any:
    """Return text as text: MySQL 8 gives some columns of information_schema as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _not_found(connection: Connection, database: str, table: str) -> DataError:
    tables = read_tables(connection, database)
    near = near_words(table, tables, n=5)
    if near:
        hint = "did you mean " + ", ".join(repr(t) for t in near) + "?"
    elif tables:
        hint = f"it has {len(tables)} tables, {', '.join(repr(t) for t in tables[:5])} among them"
    else:
        hint = "it has no tables that this user may read"
    message = f"table {database}.{table} is not there, or this user may not read it; {hint}"
    return DataError("; ".join(filter(None, (message, role_remedy(partial(execute, connection))))))
