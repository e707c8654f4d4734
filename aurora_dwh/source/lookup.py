"""Whether rows that were read once are still in the source: asked by their key, whatever else of them has changed.

A day that is read again has fewer rows where rows were written anew since, which lie in another day then, and where
they are gone; only the source can tell one from the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pymysql

from aurora_dwh.core.models import Lookup
from aurora_dwh.core.schema import TableSchema, fold
from aurora_dwh.source.connection import Connection, SourceError, explain
from aurora_dwh.source.counting import count_in
from aurora_dwh.source.discovery import indexes
from aurora_dwh.source.quoting import identifier, literal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

_EXACT = frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"),
        *("char", "varchar", "enum", "set", "binary", "varbinary", "date", "datetime", "timestamp", "time"),
    }
)
"""Types whose values a literal finds again."""


def make_lookup(connect: Callable[[], Connection], schema: TableSchema, table: Table) -> Lookup | None:
    """Return how to ask for rows of a table, None where no columns that are read as they are tell them apart.

    Args:
        connect: Opens a session in UTC; it is called when something is asked.
        table: The table as in the catalog, whose key serves where the source has no primary key.
    """
    by_name = {column.source_name: column for column in schema.columns}
    for names in (schema.primary_key, table.key):
        columns = [by_name.get(fold(name)) for name in names]
        known = [column for column in columns if column and column.data_type in _EXACT and column.read_as == "{0}"]
        if known and len(known) == len(columns):
            own = [column.name for column in known]
            return Lookup(tuple(column.target_name for column in known), partial(_count, connect, schema, own))
    return None


def _count(
    connect: Callable[[], Connection], schema: TableSchema, names: Sequence[str], keys: Sequence[tuple[Any, ...]]
) -> int | None:
    """Return how many rows have one of the keys.

    Raises:
        SourceError: The source failed, and another attempt may succeed.
    """
    quoted = [identifier(name) for name in names]
    alternatives = (
        " AND ".join(f"{name} = {literal(value)}" for name, value in zip(quoted, key, strict=True))
        for key in keys
        if None not in key
    )
    where = " OR ".join(f"({one})" for one in alternatives) or "FALSE"
    connection = connect()
    try:
        if not indexes(connection, schema.database, schema.table, names[0]):
            return None
        return count_in(connection, schema, [where])
    except pymysql.err.Error as error:
        raise SourceError(f"table {schema.table}: {explain(error)}") from error
    finally:
        connection.close()
