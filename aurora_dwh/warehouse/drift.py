"""The target's columns against a manifest's: what to make, add or widen, and what cannot be mended in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aurora_dwh.catalog_fields import OWN_PREFIX
from aurora_dwh.schema import Column, TableSchema, fold
from aurora_dwh.warehouse import audit
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import SCHEMA, CheckError, WarehouseError
from aurora_dwh.warehouse.sql import identifier, literal
from aurora_dwh.warehouse.statements import (
    DELETED,
    OWN_COLUMNS,
    Target,
    add_column,
    add_deleted,
    create_table,
    widen_column,
)

_SPELLINGS = {
    "character varying": "VARCHAR",
    "numeric": "DECIMAL",
    "timestamp without time zone": "TIMESTAMP",
    "double precision": "DOUBLE PRECISION",
    "binary varying": "VARBYTE",
}
"""svv_all_columns' names of the types that the map spells otherwise."""

_WIDER = frozenset(
    {
        ("INTEGER", "SMALLINT"),
        ("BIGINT", "SMALLINT"),
        ("BIGINT", "INTEGER"),
        ("DOUBLE PRECISION", "REAL"),
        ("TIMESTAMP", "DATE"),
    }
)
"""Pairs of types of which the first holds every value of the second; VARCHAR and DECIMAL go by their sizes."""

_DONE_BY_ANOTHER = ("23505", "42701", "42710", "42P06", "42P07")
"""SQLSTATEs of what exists already: a catalogue's row, a column, a table's row type, a schema, a table."""


class DriftError(CheckError):
    """The source's columns changed in a way that the target cannot follow in place."""

    def __init__(self, message: str) -> None:
        super().__init__(SCHEMA, message)


@dataclass(frozen=True)
class LiveColumn:
    """A column of the target as svv_all_columns describes it: its name and its type in the map's spelling."""

    name: str
    type: str


def live_columns(session: Session, target: Target) -> dict[str, LiveColumn]:
    """Return the target's columns by name, none where the table does not exist."""
    rows = session.execute(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale "
        "FROM svv_all_columns WHERE database_name = current_database() "
        f"AND schema_name = {literal(fold(target.schema_name))} AND table_name = {literal(fold(target.name))} "
        "ORDER BY ordinal_position"
    ).rows
    return {name: LiveColumn(name, _spelled(kind, *sizes)) for name, kind, *sizes in rows}


def adapt(session: Session, target: Target, schema: TableSchema) -> list[str]:
    """Bring the target to where it can take rows of the schema, in statements that each commit.

    Returns:
        The statements that were run, none where the target fits already.

    Raises:
        DriftError: A column changed in a way that the target cannot or may not follow.
        WarehouseError: Redshift refused a statement, and not because another writer had done the same meanwhile.
    """
    return settle(session, lambda: preparation(target, schema, live_columns(session, target)))


def settle(session: Session, needed: Callable[[], list[str]]) -> list[str]:
    """Run the statements that are needed, and see again what still is where another writer was first.

    Args:
        session: A session without a transaction.
        needed: Gives the statements, by looking at what is there.

    Returns:
        The statements that were run.

    Raises:
        WarehouseError: Redshift refused a statement, and not because another writer had done the same meanwhile.
    """
    refused: set[str] = set()
    while True:
        statements = needed()
        try:
            for statement in statements:
                session.execute(statement)
            return statements
        except WarehouseError as error:
            if error.state not in _DONE_BY_ANOTHER or error.statement in refused:
                raise
            refused.add(error.statement)
            session.execute("ROLLBACK")  # another writer was first: look again at what is left to do


def preparation(target: Target, schema: TableSchema, live: Mapping[str, LiveColumn]) -> list[str]:
    """Return the statements that `adapt` runs: `changes`, or before a table's first load what it rests on.

    Raises:
        DriftError: As `adapt`.
    """
    if live:
        return changes(target, schema, live)
    home = f"CREATE SCHEMA IF NOT EXISTS {identifier(target.schema_name)}"
    # What an earlier table of this name was loaded with is not in the new one, from the moment that it is there.
    birth = ["BEGIN", create_table(target, schema), audit.forget(target.label), "COMMIT"]
    return [home, *audit.DDL, *birth, audit.make_turn(target.label)]


def changes(target: Target, schema: TableSchema, live: Mapping[str, LiveColumn]) -> list[str]:
    """Return the statements that bring the target's columns to the schema's; what the source has no more, stays.

    Args:
        target: The staging table, which exists.
        schema: The columns to be loaded.
        live: The target's columns.

    Raises:
        DriftError: As `adapt`.
    """
    if missing := [name for name, _ in OWN_COLUMNS if name not in live]:
        raise DriftError(
            f"{target.label} exists and lacks {', '.join(missing)}: it was not made by aurora-dwh; "
            "give the table another name with `target_table`, or drop it"
        )
    if target.frozen:
        _refuse_changes(target, schema, live)
    statements = missing_flag(target, live)
    for column in schema.columns:
        present = live.get(column.target_name)
        if present is None:
            statements.append(add_column(target, column))
        elif _exceeds(column.redshift_type, present.type):
            statements.append(widen_column(target, column))
        elif not holds(present.type, column.redshift_type):
            raise DriftError(
                f"{target.label}: column {column.target_name!r} is {present.type} in Redshift and now "
                f"{column.redshift_type} ({column.column_type} in MySQL), which Redshift cannot change in place; "
                f"run `aurora-dwh rebuild {schema.table}`"
            )
    return statements


def missing_flag(target: Target, live: Mapping[str, LiveColumn]) -> list[str]:
    """Return the statement that gives an existing target its flag of deleted rows, none where it has or needs none."""
    return [add_deleted(target)] if target.flags_deletes and DELETED not in live else []


def absent(schema: TableSchema, live: Mapping[str, LiveColumn]) -> list[str]:
    """Return the target's columns that the source has no more, in which new rows are NULL."""
    known = {column.target_name for column in schema.columns}
    return [name for name in live if name not in known and not name.startswith(OWN_PREFIX)]


def _refuse_changes(target: Target, schema: TableSchema, live: Mapping[str, LiveColumn]) -> None:
    kinds = {column.target_name: column for column in schema.columns}
    changed = [f"{name!r} is gone from the source" for name in absent(schema, live)]
    for name, column in kinds.items():
        if name not in live:
            changed.append(f"{name!r} is new, {column.redshift_type} ({column.column_type} in MySQL)")
        elif live[name].type != column.redshift_type:
            changed.append(f"{name!r} was {live[name].type} and is {column.redshift_type}")
    if changed:
        raise DriftError(
            f"{target.label} is frozen (`on_drift: freeze`) and the source's columns changed: {'; '.join(changed)}. "
            f"Leave columns out with `exclude`, or set `on_drift: evolve`, or run `aurora-dwh rebuild {schema.table}`"
        )


def _spelled(kind: str, length: int | None, precision: int | None, scale: int | None) -> str:
    kind = re.sub(r"\(.*\)", "", kind)
    name = _SPELLINGS.get(kind, kind.upper())
    if name == "VARCHAR":
        return f"VARCHAR({length})"
    if name == "DECIMAL":
        return f"DECIMAL({precision},{scale})"
    return name


def _varchar(type_: str) -> int | None:
    match = re.fullmatch(r"VARCHAR\((\d+)\)", type_)
    return int(match[1]) if match else None


def is_wider(column: Column, other: Column) -> bool:
    """Return whether both columns are a VARCHAR in Redshift and the first holds more bytes."""
    return _exceeds(column.redshift_type, other.redshift_type)


def holds(type_: str, other: str) -> bool:
    """Return whether a column of a Redshift type takes every value of another type unchanged, without a cast.

    So days from before a column was widened load into the wider one, and a source that was narrowed needs no change.
    """
    if type_ == other:
        return True
    if (wide := _varchar(type_)) is not None and (narrow := _varchar(other)) is not None:
        return narrow <= wide
    if (room := _decimal(type_)) is not None and (digits := _decimal(other) or _whole(other)) is not None:
        return digits[0] <= room[0] and digits[1] <= room[1]
    return (type_, other) in _WIDER


def _exceeds(type_: str, other: str) -> bool:
    wanted, there = _varchar(type_), _varchar(other)
    return wanted is not None and there is not None and wanted > there


def _decimal(type_: str) -> tuple[int, int] | None:
    """Return how many digits a DECIMAL has before and behind its point."""
    match = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None


def _whole(type_: str) -> tuple[int, int] | None:
    digits = {"SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}.get(type_)
    return None if digits is None else (digits, 0)
