"""What the catalog should say about a table, judged by its columns and indexes alone.

Nothing here connects to anything; `discover` reads the facts and writes the suggestion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_dwh.catalog_fields import OWN_PREFIX
from aurora_dwh.schema import Column, TableSchema, UnsupportedTypeError, fold

if TYPE_CHECKING:
    from collections.abc import Iterable

MOMENTS = frozenset({"datetime", "timestamp"})
_UPDATE_NAME = re.compile(r"(last_?)?(update|modif|chang)", re.IGNORECASE)
_CREATE_NAME = re.compile(r"(creat|insert|register|record|log|occur|receiv)|.*_at$", re.IGNORECASE)


@dataclass(frozen=True)
class Index:
    """One index of a table: its columns in order."""

    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True)
class TableFacts:
    """What decides how a table is copied.

    Attributes:
        schema: The table's columns and primary key.
        indexes: Its indexes.
        touched: Names of the columns that MySQL itself sets on each update.
    """

    schema: TableSchema
    indexes: tuple[Index, ...] = ()
    touched: frozenset[str] = frozenset()

    def is_indexed(self, column: str) -> bool:
        """Return whether an index begins with the column."""
        return any(fold(index.columns[0]) == fold(column) for index in self.indexes)


@dataclass(frozen=True)
class Suggestion:
    """A table's entry for the catalog, and what its reader should know."""

    table: str
    fields: dict[str, Any]
    warnings: tuple[str, ...]


def suggest(facts: TableFacts) -> Suggestion:
    """Return how a table should be copied.

    Rows that say when they were last updated are copied day by day and upserted by key; rows that only say when they
    were made, by an indexed column, are appended; everything else is copied whole.
    """
    key, updated, made = _key(facts), _updated(facts), _made(facts)
    fields: dict[str, Any] = {"mode": "full"}
    warnings: list[str] = []
    if updated and key:
        fields = {"mode": "incremental", "key": key, "cursor": updated.name}
        if not facts.is_indexed(updated.name):
            warnings.append(f"cursor {updated.name} has no index: each day scans the whole table; add an index")
    elif made and not updated:
        fields = {"mode": "append", "cursor": made.name} | ({"key": key} if key else {})
        warnings.append(f"taken for rows that never change after {made.name}; use mode full where they do")
    else:
        fields |= {"key": key} if key else {}
        warnings += [] if updated else ["no cursor: no column says when a row was last written, so it is copied whole"]
    if not key:
        warnings.append("no primary key, nor a unique index without NULLs: rows cannot be upserted")
    unsupported = _unsupported(facts.schema)
    warnings += [f"column {column.name} is left out: type {column.column_type} is not known" for column in unsupported]
    if unsupported:
        fields["exclude"] = tuple(column.name for column in unsupported)
    if facts.schema.comment:
        fields["description"] = facts.schema.comment
    return Suggestion(facts.schema.table, fields, tuple(warnings))


def _key(facts: TableFacts) -> tuple[str, ...]:
    """Return the primary key, or else the shortest unique index whose columns are never NULL."""
    if facts.schema.primary_key:
        return facts.schema.primary_key
    whole = (i.columns for i in facts.indexes if i.unique and not _any_nullable(facts.schema, i.columns))
    return min(whole, key=lambda columns: (len(columns), columns), default=())


def _any_nullable(schema: TableSchema, names: Iterable[str]) -> bool:
    return any(schema.column(name).nullable for name in names)


def _updated(facts: TableFacts) -> Column | None:
    """Return the column that changes on update: one with an index by preference, then one that MySQL itself sets."""
    touched = {fold(name) for name in facts.touched}
    candidates = [
        c for c in _moments(facts.schema) if c.target_name in touched or _UPDATE_NAME.match(c.name) is not None
    ]
    return min(
        candidates,
        key=lambda c: (not facts.is_indexed(c.name), c.target_name not in touched),
        default=None,
    )


def _made(facts: TableFacts) -> Column | None:
    """Return the indexed column that says when a row was made."""
    indexed = (c for c in _moments(facts.schema) if facts.is_indexed(c.name))
    return next((c for c in indexed if _CREATE_NAME.match(c.name)), None)


def _moments(schema: TableSchema) -> list[Column]:
    return [c for c in schema.columns if c.data_type in MOMENTS and not c.target_name.startswith(OWN_PREFIX)]


def _unsupported(schema: TableSchema) -> list[Column]:
    return [column for column in schema.columns if not _is_supported(column)]


def _is_supported(column: Column) -> bool:
    try:
        return bool(column.rule)
    except UnsupportedTypeError:
        return False
