"""What the catalog should say about a table, judged by its columns, indexes and size.

Nothing here connects to anything; `schema_facts` reads what decides and `discover` writes the suggestion. Where names
and indexes do not prove that a cheaper way is right, the table is copied whole, which always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from aurora_dwh.commands import column_heuristics
from aurora_dwh.commands.console import plain
from aurora_dwh.core.schema import TEXT_TYPES, Column, TableSchema, fold
from aurora_dwh.source.discovery import is_small
from aurora_dwh.source.selection import why_not

MOMENTS = frozenset({"datetime", "timestamp"})
CURSORS = MOMENTS | {"date"}
"""The types that a cursor may have; a DATE has no time to cut at, so its days are read whole."""

LARGE_ROWS = 10_000_000
"""From how many rows on a table is too large to be copied whole every day."""

_INEXACT = frozenset({"ai", "ci"})
"""Parts of a collation's name by which texts are equal whose accents or case differ."""

_SNAPSHOT_ENGINES = frozenset({"", "innodb"})
_FLAGS = frozenset({"tinyint(1)", "bit(1)", "tinyint(1) unsigned", "tinyint(4)", "tinyint"})
_TEXT_TIMES = frozenset({"char", "varchar", "binary", "varbinary"})
_NUMBER_TIMES = frozenset({"int", "bigint"})


@dataclass(frozen=True)
class Index:
    """One index of a table: its columns in order."""

    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True)
class TableFacts:
    """What decides how a table is copied."""

    schema: TableSchema  # the table's columns and primary key
    indexes: tuple[Index, ...] = ()
    touched: frozenset[str] = frozenset()  # names of the columns that MySQL itself sets on each update
    filled: frozenset[str] = frozenset()  # names of the columns that MySQL itself sets when a row is made
    rows: int | None = None  # about how many rows it has; None where the server does not say
    engine: str = ""  # its storage engine; empty where the server does not say
    # columns that are a date of their own where a row sets none -> that date
    dated: Mapping[str, str] = field(default_factory=dict)
    collations: Mapping[str, str] = field(default_factory=dict)  # columns that hold texts -> how they are compared

    def is_indexed(self, column: str) -> bool:
        """Return whether an index begins with the column."""
        return any(fold(index.columns[0]) == fold(column) for index in self.indexes)


@dataclass(frozen=True)
class Suggestion:
    """A table's entry for the catalog."""

    table: str  # the table's name
    fields: dict[str, Any]
    warnings: tuple[str, ...] = ()  # what should be looked at before the table is loaded
    reason: str = ""  # why it is copied the way it is; empty where the fields say it
    is_view: bool = False  # whether it is a view, which is offered alone: it is copied where somebody wants it


def suggest(facts: TableFacts) -> Suggestion:
    """Return how a table should be copied.

    Rows that say when they were last updated are copied day by day and upserted by key; a log's rows, which only say
    when they were made, are appended; everything else is copied whole. Columns that cannot be copied are left out, and
    nothing is made to depend on them.
    """
    unfit = {column: reason for column in facts.schema.columns if (reason := why_not(column))}
    fit = tuple(column for column in facts.schema.columns if column not in unfit)
    facts = replace(facts, schema=replace(facts.schema, columns=fit))
    key, updated, made = _key(facts), _updated(facts), _made(facts)
    fields: dict[str, Any] = {"mode": "full"} | ({"key": key} if key else {})
    warnings: list[str] = []
    reason = ""
    if updated and key:
        fields = {"mode": "incremental", "key": key, "cursor": updated.name} | _zone(updated)
        warnings += [*_cursor_warnings(facts, updated, "ON UPDATE"), *_key_warnings(facts, key)]
    elif made and not updated and column_heuristics.is_log(facts.schema.table):
        fields = {"mode": "append", "cursor": made.name} | ({"key": key} if key else {}) | _zone(made)
        warnings.append(f"taken for rows that never change after {made.name}; use mode full where they do")
        warnings += _cursor_warnings(facts, made, "DEFAULT")
    else:
        reason = _why_whole(facts, updated, made)
        warnings += _size_warnings(facts)
    if deleted := _deleted(facts):
        fields["soft_delete"] = deleted
    if facts.engine.lower() not in _SNAPSHOT_ENGINES:
        warnings.append(f"engine {facts.engine} keeps no snapshot: rows written while the table is read may be missed")
    if unfit:
        fields["exclude"] = tuple(column.name for column in unfit)
        warnings += [f"column {column.name} is left out: {reason}" for column, reason in unfit.items()]
    if facts.schema.comment:
        fields["description"] = facts.schema.comment
    return Suggestion(facts.schema.table, fields, tuple(map(plain, warnings)), plain(reason))


def suggest_view(facts: TableFacts) -> Suggestion:
    """Return how a view is copied, which is whole: nothing says what tells its rows apart.

    Its comment is the server's word VIEW, and no description.
    """
    found = suggest(replace(facts, schema=replace(facts.schema, comment="")))
    fields = {name: value for name, value in found.fields.items() if name in ("soft_delete", "exclude")}
    return replace(found, fields={"mode": "full", **fields}, is_view=True)


def about(rows: int) -> str:
    """Return an estimate as people say it."""
    for size, unit in ((1_000_000_000, " billion"), (1_000_000, " million")):
        if rows >= size:
            return f"about {rows / size:.3g}{unit}"
    return f"about {rows:,}"


def _key(facts: TableFacts) -> tuple[str, ...]:
    """Return the primary key, or else the shortest unique index whose columns are never NULL; all are to be copied."""
    copied = {column.target_name: column for column in facts.schema.columns}
    unique = [index.columns for index in facts.indexes if index.unique]
    whole = [names for names in (facts.schema.primary_key, *unique) if names and all(fold(n) in copied for n in names)]
    if facts.schema.primary_key in whole:
        return facts.schema.primary_key
    never_null = (names for names in whole if not any(copied[fold(name)].nullable for name in names))
    return min(never_null, key=lambda columns: (len(columns), columns), default=())


def _updated(facts: TableFacts) -> Column | None:
    """Return the column that changes on update: one with an index by preference, then one that MySQL itself sets."""
    touched = {fold(name) for name in facts.touched}
    prefix = column_heuristics.prefix(column.name for column in facts.schema.columns)
    candidates = [
        c
        for c in _of_types(facts.schema, CURSORS)
        if c.target_name in touched or column_heuristics.is_update(c.name, table=facts.schema.table, prefix=prefix)
    ]

    def rank(column: Column) -> tuple[bool, ...]:
        return (
            column.data_type not in MOMENTS,
            not facts.is_indexed(column.name),
            column.target_name not in touched,
            not column_heuristics.is_utc(column.name),
        )

    return min(candidates, key=rank, default=None)


def _made(facts: TableFacts) -> Column | None:
    """Return the indexed column that says when a row was made; one in UTC by preference."""
    indexed = [
        c
        for c in _of_types(facts.schema, MOMENTS)
        if facts.is_indexed(c.name) and column_heuristics.is_creation(c.name)
    ]
    return min(indexed, key=lambda c: not column_heuristics.is_utc(c.name), default=None)


def _deleted(facts: TableFacts) -> str | None:
    return next(
        (
            c.name
            for c in facts.schema.columns
            if column_heuristics.is_deletion(c.name) and (c.data_type in CURSORS or c.column_type.lower() in _FLAGS)
        ),
        None,
    )


def _zone(cursor: Column) -> dict[str, str]:
    return (
        {"cursor_timezone": "UTC"} if cursor.data_type != "timestamp" and column_heuristics.is_utc(cursor.name) else {}
    )


def _cursor_warnings(facts: TableFacts, cursor: Column, clause: Literal["ON UPDATE", "DEFAULT"]) -> Iterator[str]:
    """Yield which rows a cursor does not show, which MySQL itself would set by a `clause`."""
    own, maintained = cursor.target_name, facts.touched if clause == "ON UPDATE" else facts.filled
    if not facts.is_indexed(cursor.name) and not is_small(facts.rows):
        yield f"cursor {cursor.name} has no index: each day scans the whole table; add an index"
    if cursor.nullable:
        yield (
            f"cursor {cursor.name} may be NULL, and such rows come with the first day only: make it NOT NULL, or use "
            "mode full where new rows begin without it"
        )
    if default := {fold(name): moment for name, moment in facts.dated.items()}.get(own):
        yield (
            f"cursor {cursor.name} is {default} in rows that do not set it, and such rows come with the first day "
            "only: use mode full where there are any"
        )
    if own not in {fold(name) for name in maintained}:
        yield (
            f"cursor {cursor.name} is not set by MySQL itself: a row that is written without it is not seen; add "
            f"{clause} CURRENT_TIMESTAMP where an application may leave it out"
        )


def _key_warnings(facts: TableFacts, key: Iterable[str]) -> Iterator[str]:
    """Yield which columns of a key are equal in MySQL where they are not byte by byte, as in Redshift."""
    names = {fold(name) for name in key}
    for column in facts.schema.columns:
        collation = facts.collations.get(column.name, "")
        if column.target_name in names and column.data_type in TEXT_TYPES and _INEXACT & {*collation.split("_")}:
            yield (
                f"key {column.name} is compared by {collation}, which takes no notice of case or accents, and byte by "
                "byte in Redshift: a key that is changed in these alone leaves its old row there; use deletes: remove"
            )


def _why_whole(facts: TableFacts, updated: Column | None, made: Column | None) -> str:
    whole = "copied whole" if facts.rows is None or is_small(facts.rows) else f"{about(facts.rows)} rows, copied whole"
    if updated:
        return f"{whole}: {updated.name} says when a row was last written, but no key says which row it is"
    if made:
        return f"{whole}: where rows never change, use mode append with cursor {made.name}"
    times = [c for c in facts.schema.columns if _is_time_in_disguise(c)]
    if times:
        named = ", ".join(f"{c.name} ({c.column_type})" for c in times[:3])
        return f"{whole}: a cursor must be a TIMESTAMP, DATETIME or DATE, unlike {named}"
    return f"{whole}: no column says when a row was last written"


def _is_time_in_disguise(column: Column) -> bool:
    """Return whether a column seems to hold times as digits (20240105235959) or as seconds since 1970."""
    is_digits = column.data_type in _TEXT_TIMES and column.length == 14
    return (is_digits or column.data_type in _NUMBER_TIMES) and column_heuristics.is_time(column.name)


def _size_warnings(facts: TableFacts) -> list[str]:
    if facts.rows is None or facts.rows < LARGE_ROWS:
        return []
    return [f"{about(facts.rows)} rows are read every day; add an indexed column that changes on update as its cursor"]


def _of_types(schema: TableSchema, types: frozenset[str]) -> list[Column]:
    return [column for column in schema.columns if column.data_type in types]
