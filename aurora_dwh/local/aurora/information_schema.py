"""information_schema as MySQL 8 has it, filled from the catalogue for one query in a SQLite of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, Final, TypeAlias

from aurora_dwh.local.aurora.functions import register
from aurora_dwh.local.aurora.tables import CHARACTER_SET, COLLATION, TEXT_BYTES, Column, Index, Table

NAME: Final = "information_schema"
Row: TypeAlias = "tuple[Any, ...]"
Count: TypeAlias = "Callable[[Table], int]"

COLUMNS: Final[dict[str, str]] = {
    "SCHEMATA": "CATALOG_NAME SCHEMA_NAME DEFAULT_CHARACTER_SET_NAME DEFAULT_COLLATION_NAME SQL_PATH "
    "DEFAULT_ENCRYPTION",
    "TABLES": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE VERSION ROW_FORMAT TABLE_ROWS AVG_ROW_LENGTH "
    "DATA_LENGTH MAX_DATA_LENGTH INDEX_LENGTH DATA_FREE AUTO_INCREMENT CREATE_TIME UPDATE_TIME CHECK_TIME "
    "TABLE_COLLATION CHECKSUM CREATE_OPTIONS TABLE_COMMENT",
    "COLUMNS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE "
    "DATA_TYPE CHARACTER_MAXIMUM_LENGTH CHARACTER_OCTET_LENGTH NUMERIC_PRECISION NUMERIC_SCALE DATETIME_PRECISION "
    "CHARACTER_SET_NAME COLLATION_NAME COLUMN_TYPE COLUMN_KEY EXTRA PRIVILEGES COLUMN_COMMENT GENERATION_EXPRESSION "
    "SRS_ID",
    "STATISTICS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME NON_UNIQUE INDEX_SCHEMA INDEX_NAME SEQ_IN_INDEX COLUMN_NAME "
    "COLLATION CARDINALITY SUB_PART PACKED NULLABLE INDEX_TYPE COMMENT INDEX_COMMENT IS_VISIBLE EXPRESSION",
    "KEY_COLUMN_USAGE": "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_CATALOG TABLE_SCHEMA TABLE_NAME "
    "COLUMN_NAME ORDINAL_POSITION POSITION_IN_UNIQUE_CONSTRAINT REFERENCED_TABLE_SCHEMA REFERENCED_TABLE_NAME "
    "REFERENCED_COLUMN_NAME",
    "TABLE_CONSTRAINTS": "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_SCHEMA TABLE_NAME "
    "CONSTRAINT_TYPE ENFORCED",
    "VIEWS": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME VIEW_DEFINITION CHECK_OPTION IS_UPDATABLE DEFINER SECURITY_TYPE "
    "CHARACTER_SET_CLIENT COLLATION_CONNECTION",
    "REPLICA_HOST_STATUS": "SERVER_ID SESSION_ID REPLICA_LAG_IN_MILLISECONDS LAST_UPDATE_TIMESTAMP",
}


def _schemata(tables: list[Table], schemas: list[str], _: Count) -> Iterator[Row]:
    for schema in sorted({*schemas, NAME, "mysql", "performance_schema", "sys"}):
        yield ("def", schema, CHARACTER_SET, COLLATION, None, "NO")


def _tables(tables: list[Table], schemas: list[str], count: Count) -> Iterator[Row]:
    for table in tables:
        if table.view:
            nothing = (None,) * 15
            yield ("def", table.schema, table.name, "VIEW", *nothing, None, "VIEW")
            continue
        rows = count(table)
        yield (
            "def", table.schema, table.name, "BASE TABLE", "InnoDB", 10, "Dynamic", rows, 128 if rows else 0,
            rows * 128, 0, 0, 0, None, table.created, None, None, COLLATION, None, "", table.comment,
        )  # fmt: skip


def _columns(tables: list[Table], schemas: list[str], _: Count) -> Iterator[Row]:
    for table in tables:
        for position, column in enumerate(table.columns, start=1):
            yield _column(table, column, position)


def _column(table: Table, column: Column, position: int) -> Row:
    return (
        "def", table.schema, table.name, column.name, position, column.default, "YES" if column.nullable else "NO",
        column.data_type, column.length, column.octet_length, column.precision, column.scale, column.fraction,
        column.character_set or None, column.collation or None, column.column_type, table.key_of(column),
        column.extra, "select,insert,update,references", column.comment, "", None,
    )  # fmt: skip


def _statistics(tables: list[Table], schemas: list[str], count: Count) -> Iterator[Row]:
    for table, index, position, name in _index_columns(tables):
        column = table.column(name)
        sub_part = 255 if column is not None and column.data_type in TEXT_BYTES else None
        yield (
            "def", table.schema, table.name, 0 if index.unique else 1, table.schema, index.name, position, name,
            "A", count(table), sub_part, None, "YES" if column is not None and column.nullable else "", "BTREE",
            "", "", "YES", None,
        )  # fmt: skip


def _index_columns(tables: Iterable[Table]) -> Iterator[tuple[Table, Index, int, str]]:
    for table in tables:
        for index in table.indexes:
            for position, name in enumerate(index.columns, start=1):
                yield table, index, position, name


def _key_column_usage(tables: list[Table], schemas: list[str], _: Count) -> Iterator[Row]:
    for table, index, position, name in _index_columns(tables):
        if index.unique:
            yield (
                "def", table.schema, index.name, "def", table.schema, table.name, name, position,
                None, None, None, None,
            )  # fmt: skip


def _table_constraints(tables: list[Table], schemas: list[str], _: Count) -> Iterator[Row]:
    for table in tables:
        for index in table.indexes:
            if index.unique:
                kind = "PRIMARY KEY" if index.primary else "UNIQUE"
                yield ("def", table.schema, index.name, table.schema, table.name, kind, "YES")


def _views(tables: list[Table], schemas: list[str], _: Count) -> Iterator[Row]:
    for table in tables:
        if table.view:
            yield (
                "def", table.schema, table.name, table.view, "NONE", "NO", "admin@%", "DEFINER", CHARACTER_SET,
                COLLATION,
            )  # fmt: skip


def _replica_host_status(tables: list[Table], schemas: list[str], _: Count) -> Iterator[Row]:
    """A cluster of a writer and a reader, which is as far behind as a reader of Aurora mostly is."""
    now = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}"
    yield ("writer", "MASTER_SESSION_ID", 0, now)
    yield ("reader", "6f2c1c2e-0000-0000-0000-000000000000", 20, now)


_ROWS: Final[dict[str, Callable[[list[Table], list[str], Count], Iterator[Row]]]] = {
    "SCHEMATA": _schemata,
    "TABLES": _tables,
    "COLUMNS": _columns,
    "STATISTICS": _statistics,
    "KEY_COLUMN_USAGE": _key_column_usage,
    "TABLE_CONSTRAINTS": _table_constraints,
    "VIEWS": _views,
    "REPLICA_HOST_STATUS": _replica_host_status,
}


def exists(name: str) -> bool:
    """Whether information_schema has this table here."""
    return name.upper() in COLUMNS


def definition(name: str) -> Table:
    """The information_schema table `name`, as a table whose columns have MySQL's spelling."""
    numbers = {"ORDINAL_POSITION", "TABLE_ROWS", "DATA_LENGTH", "SEQ_IN_INDEX", "NON_UNIQUE", "CARDINALITY"}
    numbers |= {"NUMERIC_PRECISION", "NUMERIC_SCALE", "DATETIME_PRECISION", "VERSION", "AVG_ROW_LENGTH"}
    numbers |= {
        "REPLICA_LAG_IN_MILLISECONDS",
        "CHARACTER_MAXIMUM_LENGTH",
        "CHARACTER_OCTET_LENGTH",
        "INDEX_LENGTH",
        "MAX_DATA_LENGTH",
        "DATA_FREE",
    }

    def column(title: str) -> Column:
        if title in numbers:
            return Column(title, "bigint", unsigned=True)
        if title in {"LAST_UPDATE_TIMESTAMP", "CREATE_TIME", "UPDATE_TIME", "CHECK_TIME"}:
            return Column(title, "datetime")
        return Column(title, "longtext", character_set=CHARACTER_SET, collation=COLLATION)

    return Table(NAME, name.upper(), tuple(column(title) for title in COLUMNS[name.upper()].split()))


def build(names: Iterable[str], tables: list[Table], schemas: list[str], count: Count) -> sqlite3.Connection:
    """A SQLite that holds the named information_schema tables, ready for one query.

    Args:
        names: Tables of information_schema.
        tables: All tables of the catalogue.
        schemas: All schemas.
        count: Gives a table's number of rows.
    """
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    register(connection)
    for name in {one.upper() for one in names}:
        titles = COLUMNS[name].split()
        columns = ", ".join(f"{title} COLLATE NOCASE" for title in titles)
        connection.execute(f'CREATE TABLE "{NAME}.{name}" ({columns})')
        connection.executemany(
            f'INSERT INTO "{NAME}.{name}" VALUES ({", ".join("?" * len(titles))})', _ROWS[name](tables, schemas, count)
        )
    return connection
