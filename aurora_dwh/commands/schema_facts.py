"""The facts of a database that decide how its tables are copied, from information_schema. No row is read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from aurora_dwh.commands.suggest import Index, TableFacts
from aurora_dwh.core.schema import DATED
from aurora_dwh.source.connection import execute
from aurora_dwh.source.discovery import as_text, hides_index

if TYPE_CHECKING:
    from aurora_dwh.core.schema import TableSchema
    from aurora_dwh.source.connection import Connection


_NOW = re.compile(r"current_timestamp|\bnow\(", re.IGNORECASE)
_DATE = re.compile(r"'?(\d{4}-\d\d-\d\d[^']*)'?")
"""Defaults as information_schema has them; MariaDB quotes what MySQL does not."""


@dataclass(frozen=True)
class Size:
    """What the server believes of a table: about how many rows and bytes it has, and which engine keeps it."""

    rows: int | None = None
    size: int | None = None
    engine: str = ""


@dataclass(frozen=True)
class Filled:
    """The columns of a table that MySQL itself sets: on each update, when a row is made; and which are DATETIMEs.

    `dated` are those that are one and the same date in each row that sets none, with that date; `collations` says of
    texts how they are compared.
    """

    on_update: frozenset[str] = frozenset()
    on_insert: frozenset[str] = frozenset()
    datetimes: frozenset[str] = frozenset()
    dated: Mapping[str, str] = field(default_factory=dict)
    collations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatabaseFacts:
    """What decides how the tables of a database are copied, besides their schemas."""

    indexes: defaultdict[str, list[Index]]
    filled: dict[str, Filled]
    sizes: dict[str, Size]

    def of(self, schema: TableSchema) -> TableFacts:
        """Return what decides how a table is copied."""
        own, size = self.filled.get(schema.table, Filled()), self.sizes.get(schema.table, Size())
        indexes = tuple(self.indexes[schema.table])
        filled = (own.on_update, own.on_insert, size.rows, size.engine, own.dated, own.collations)
        return TableFacts(schema, indexes, *filled)


def read_facts(connection: Connection, database: str) -> DatabaseFacts:
    """Return what decides how each table of a database is copied."""
    return DatabaseFacts(
        _indexes(connection, database), read_filled(connection, database), read_sizes(connection, database)
    )


def read_sizes(connection: Connection, database: str) -> dict[str, Size]:
    """Return the size of each table of a database."""
    rows = execute(
        connection,
        "SELECT TABLE_NAME, TABLE_ROWS, DATA_LENGTH, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
        (database,),
    )
    return {
        as_text(name): Size(_number(rows), _number(size), as_text(engine or "")) for name, rows, size, engine in rows
    }


def read_filled(connection: Connection, database: str) -> dict[str, Filled]:
    """Return the columns of each table that MySQL itself sets to the time, and how its texts are compared."""
    rows = execute(
        connection,
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, EXTRA, COLUMN_DEFAULT, COLLATION_NAME "
        "FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s",
        (database,),
    )
    found: dict[str, Filled] = {}
    for table, column, kind, extra, default, collation in rows:
        name = frozenset((as_text(column),))
        on_update = name if "on update" in as_text(extra or "").lower() else frozenset()
        on_insert = name if _NOW.search(as_text(default or "")) else frozenset()
        constant = _DATE.fullmatch(as_text(default or "")) if as_text(kind).lower() in DATED else None
        datetimes = on_update | on_insert if as_text(kind).lower() == "datetime" else frozenset()
        before = found.get(as_text(table), Filled())
        found[as_text(table)] = Filled(
            before.on_update | on_update,
            before.on_insert | on_insert,
            before.datetimes | datetimes,
            {**before.dated, **({as_text(column): constant[1]} if constant else {})},
            {**before.collations, **({as_text(column): as_text(collation)} if collation else {})},
        )
    return found


def read_zone(connection: Connection) -> str | None:
    """Return the server's time zone where it is named as IANA does; None for SYSTEM and plain offsets."""
    ((zone,),) = execute(connection, "SELECT @@global.time_zone")
    return as_text(zone) if as_text(zone) in available_timezones() else None


def _indexes(connection: Connection, database: str) -> defaultdict[str, list[Index]]:
    rows = execute(
        connection,
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS "
        f"WHERE TABLE_SCHEMA = %s AND NOT ({hides_index(connection)}) ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        (database,),
    )
    columns: dict[tuple[str, str, bool], list[str | None]] = {}
    for table, index, non_unique, column, part in rows:
        place = (as_text(table), as_text(index), not int(non_unique))
        # A part of an index on an expression has no name, and the beginning of a text is no key.
        is_whole = column is not None and (part is None or int(non_unique))
        columns.setdefault(place, []).append(as_text(column) if is_whole else None)
    found: defaultdict[str, list[Index]] = defaultdict(list)
    for (table, _, unique), names in columns.items():
        plain = tuple(name for name in names if name is not None)
        if len(plain) == len(names):
            found[table].append(Index(plain, unique))
    return found


def _number(value: int | str | None) -> int | None:
    return None if value is None else int(value)
