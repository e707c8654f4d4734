"""The tables of the embedded Aurora: kept in the same SQLite file as their rows, created, altered and dropped here.

Every method works inside the caller's SQLite transaction, so that a snapshot sees the tables as they were, too.
Answers to information_schema queries are `information_schema`.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from aurora_dwh.local.aurora.errors import AuroraError, unknown_table
from aurora_dwh.local.aurora.tables import BINARIES, INTEGERS, Column, Index, Table
from aurora_dwh.local.aurora.values import sqlite_type, storer

_BATCH: Final = 2_000
_SETUP: Final = (
    "CREATE TABLE IF NOT EXISTS _aurora_schemas (name TEXT PRIMARY KEY)",
    (
        "CREATE TABLE IF NOT EXISTS _aurora_tables "
        "(schema TEXT, name TEXT, definition TEXT NOT NULL, PRIMARY KEY (schema, name))"
    ),
    "CREATE TABLE IF NOT EXISTS _aurora_version (version INTEGER NOT NULL)",
    "INSERT INTO _aurora_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM _aurora_version)",
)


class Catalogue:
    """The schemas and tables as one connection sees them now."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = -1
        self._tables: dict[tuple[str, str], Table] = {}
        self._schemas: list[str] = []

    def set_up(self, schema: str) -> None:
        """Make the catalogue's own tables, and a first schema."""
        for statement in _SETUP:
            self._connection.execute(statement)
        self._connection.execute("INSERT OR IGNORE INTO _aurora_schemas VALUES (?)", (schema,))

    def schemas(self) -> list[str]:
        """All schemas but MySQL's own."""
        self._refresh()
        return self._schemas

    def tables(self) -> list[Table]:
        """All tables and views, by schema and name."""
        self._refresh()
        return list(self._tables.values())

    def find(self, schema: str, name: str) -> Table | None:
        """The table of that name, if there is one."""
        self._refresh()
        return self._tables.get((schema, name))

    def table(self, schema: str, name: str) -> Table:
        """The table of that name, or error 1146."""
        found = self.find(schema, name)
        if found is None:
            raise unknown_table(schema, name)
        return found

    def create_schema(self, name: str, *, lenient: bool) -> None:
        """CREATE DATABASE."""
        if name in self.schemas() and not lenient:
            raise AuroraError(1007, f"Can't create database '{name}'; database exists")
        self._connection.execute("INSERT OR IGNORE INTO _aurora_schemas VALUES (?)", (name,))
        self._changed()

    def drop_schema(self, name: str, *, lenient: bool) -> None:
        """DROP DATABASE, with its tables."""
        if name not in self.schemas():
            if lenient:
                return
            raise AuroraError(1008, f"Can't drop database '{name}'; database doesn't exist")
        for table in self.tables():
            if table.schema == name:
                self.drop(table)
        self._connection.execute("DELETE FROM _aurora_schemas WHERE name = ?", (name,))
        self._changed()

    def create(self, table: Table) -> None:
        """CREATE TABLE, or error 1050 when there is one of that name."""
        if table.schema not in self.schemas():
            raise AuroraError(1049, f"Unknown database '{table.schema}'")
        if self.find(table.schema, table.name):
            raise AuroraError(1050, f"Table '{table.name}' already exists")
        now = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        self._create_storage(table, table.stored_name)
        self._note(replace(table, created=now))

    def create_view(self, view: Table, sqlite_select: str) -> None:
        """CREATE VIEW over a translated SELECT."""
        self._connection.execute(f"CREATE VIEW {_quote(view.stored_name)} AS {sqlite_select}")
        self._note(view)

    def drop(self, table: Table) -> None:
        """DROP TABLE or VIEW."""
        self._connection.execute(f"DROP {'VIEW' if table.view else 'TABLE'} {_quote(table.stored_name)}")
        self._forget(table)

    def rename(self, table: Table, schema: str, name: str) -> None:
        """RENAME TABLE."""
        if self.find(schema, name):
            raise AuroraError(1050, f"Table '{name}' already exists")
        renamed = replace(table, schema=schema, name=name)
        self.alter(table, renamed, {column.name: column.name for column in table.columns})

    def alter(self, before: Table, after: Table, origin: dict[str, str]) -> None:
        """Rebuild a table to another definition, bringing its rows along.

        Args:
            before: As it is.
            after: As it shall be.
            origin: For each column of `after` that exists already, its name in `before`.
        """
        draft = f"{after.stored_name}.new"
        self._create_storage(after, draft, indexes=False)
        columns = after.columns
        source = ", ".join(
            _quote(origin[column.name]) if column.name in origin else _literal(implicit_default(column))
            for column in columns
        )
        stores = [storer(column) for column in columns]
        marks = ", ".join("?" * len(columns))
        rows = self._connection.execute(f"SELECT {source} FROM {_quote(before.stored_name)}")
        for batch in _batches(rows):
            converted = [[store(value) for store, value in zip(stores, row, strict=True)] for row in batch]
            self._connection.executemany(f"INSERT INTO {_quote(draft)} VALUES ({marks})", converted)
        self._connection.execute(f"DROP TABLE {_quote(before.stored_name)}")
        self._connection.execute(f"ALTER TABLE {_quote(draft)} RENAME TO {_quote(after.stored_name)}")
        self._create_indexes(after)
        self._forget(before)
        self._note(after)

    def _create_storage(self, table: Table, stored_name: str, *, indexes: bool = True) -> None:
        parts, suffix = [], ""
        for column in table.columns:
            if column.auto_increment and table.primary_key == (column.name,):
                parts.append(f"{_quote(column.name)} INTEGER PRIMARY KEY AUTOINCREMENT")
            else:
                null = "" if column.nullable else " NOT NULL"
                parts.append(f"{_quote(column.name)} {sqlite_type(column)}{null}")
        key = table.primary_key
        if key and not any(column.auto_increment for column in table.columns if (column.name,) == key):
            parts.append(f"PRIMARY KEY ({', '.join(map(_quote, key))})")
            suffix = " WITHOUT ROWID"  # rows lie in key order, as InnoDB's do
        self._connection.execute(f"CREATE TABLE {_quote(stored_name)} ({', '.join(parts)}){suffix}")
        if indexes:
            self._create_indexes(table)

    def _create_indexes(self, table: Table) -> None:
        for index in table.indexes:
            if not index.primary:
                unique = "UNIQUE " if index.unique else ""
                columns = ", ".join(map(_quote, index.columns))
                name = _quote(_index_name(table, index))
                self._connection.execute(f"CREATE {unique}INDEX {name} ON {_quote(table.stored_name)} ({columns})")

    def _note(self, table: Table) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO _aurora_tables VALUES (?, ?, ?)", (table.schema, table.name, table.to_json())
        )
        self._changed()

    def _forget(self, table: Table) -> None:
        self._connection.execute("DELETE FROM _aurora_tables WHERE schema = ? AND name = ?", (table.schema, table.name))
        self._changed()

    def _changed(self) -> None:
        self._connection.execute("UPDATE _aurora_version SET version = version + 1")
        self._version = -1

    def _refresh(self) -> None:
        (version,) = self._connection.execute("SELECT version FROM _aurora_version").fetchone()
        if version == self._version:
            return
        found = self._connection.execute("SELECT schema, name, definition FROM _aurora_tables ORDER BY schema, name")
        self._tables = {(schema, name): Table.from_json(text) for schema, name, text in found}
        self._schemas = [name for (name,) in self._connection.execute("SELECT name FROM _aurora_schemas ORDER BY 1")]
        self._version = version


def implicit_default(column: Column) -> Any:
    """What existing rows get in a new column: its default, else NULL, else MySQL's zero of that type."""
    if column.default is not None and not column.default_is_expression:
        return storer(column)(column.default)
    if column.nullable:
        return None
    if column.data_type in {"datetime", "timestamp"}:
        return "0000-00-00 00:00:00"
    zeros = {"decimal": "0", "double": 0.0, "float": 0.0, "date": "0000-00-00", "time": "00:00:00", "json": "null"}
    if column.data_type in INTEGERS or column.data_type == "year":
        return 0
    if column.data_type == "enum":
        return column.arguments[0]
    return zeros.get(column.data_type, b"" if column.data_type in BINARIES else "")


def _index_name(table: Table, index: Index) -> str:
    return f"{table.stored_name}.{index.name}"


def _batches(rows: sqlite3.Cursor) -> Iterator[list[Any]]:
    while batch := rows.fetchmany(_BATCH):
        yield batch


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value) if isinstance(value, (int, float)) else "'" + value.replace("'", "''") + "'"
