"""The facts of a database that decide how its tables are copied, from information_schema. No row is read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from aurora_dwh.commands.suggest import Index, TableFacts
from aurora_dwh.source.connection import execute
from aurora_dwh.source.discovery import read_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_dwh.source.connection import Connection


def read_facts(connection: Connection, database: str, tables: Iterable[str]) -> Iterator[TableFacts]:
    """Yield what decides how each table is copied."""
    indexes, extras, sizes = _indexes(connection, database), _extras(connection, database), _sizes(connection, database)
    for name in tables:
        touched, filled = (
            frozenset(column for column, marks in extras[name].items() if mark in marks) for mark in _MARKS
        )
        rows, engine = sizes.get(name, (None, ""))
        schema = read_schema(connection, database, name)
        yield TableFacts(schema, tuple(indexes[name]), touched, filled, rows, engine)


def read_views(connection: Connection, database: str) -> list[str]:
    """Return the names of a database's views, sorted."""
    rows = _ask(connection, "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s", database)
    return sorted(_text(name) for (name,) in rows)


def read_zone(connection: Connection) -> str | None:
    """Return the server's time zone where it is named as IANA does; None for SYSTEM and plain offsets."""
    ((zone,),) = execute(connection, "SELECT @@global.time_zone")
    return _text(zone) if _text(zone) in available_timezones() else None


_MARKS = ("on update", "current_timestamp")
"""What shows in EXTRA and COLUMN_DEFAULT that MySQL sets a column on each update, and when a row is made."""


def _extras(connection: Connection, database: str) -> defaultdict[str, dict[str, str]]:
    rows = _ask(
        connection,
        "SELECT TABLE_NAME, COLUMN_NAME, EXTRA, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s",
        database,
    )
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for table, column, extra, default in rows:
        on_update = "on update" if "on update" in _text(extra or "").lower() else ""
        found[_text(table)][_text(column)] = f"{on_update} {_text(default or '').lower()}"
    return found


def _sizes(connection: Connection, database: str) -> dict[str, tuple[int | None, str]]:
    rows = _ask(
        connection,
        "SELECT TABLE_NAME, TABLE_ROWS, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
        database,
    )
    return {_text(name): (None if rows is None else int(rows), _text(engine or "")) for name, rows, engine in rows}


def _indexes(connection: Connection, database: str) -> defaultdict[str, list[Index]]:
    rows = _ask(
        connection,
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        database,
    )
    columns: dict[tuple[str, str, bool], list[str | None]] = {}
    for table, index, non_unique, column, part in rows:
        place = (_text(table), _text(index), not int(non_unique))
        # A part of an index on an expression has no name, and the beginning of a text is no key.
        is_whole = column is not None and (part is None or int(non_unique))
        columns.setdefault(place, []).append(_text(column) if is_whole else None)
    found: defaultdict[str, list[Index]] = defaultdict(list)
    for (table, _, unique), names in columns.items():
        plain = tuple(name for name in names if name is not None)
        if len(plain) == len(names):
            found[table].append(Index(plain, unique))
    return found


def _ask(connection: Connection, query: str, database: str) -> list[tuple[Any, ...]]:
    return execute(connection, query, (database,))


def _text(value: str | bytes) -> str:
    """Return text as text: MySQL 8 gives some columns of information_schema as bytes."""
    return value.decode() if isinstance(value, bytes) else value
