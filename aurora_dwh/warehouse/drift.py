"""The target's columns against a manifest's: what to make, add or widen, and what cannot be mended in place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema, fold
from aurora_dwh.warehouse import audit
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.sql import identifier, literal
from aurora_dwh.warehouse.statements import OWN_COLUMNS, Target, add_column, create_table, widen_column

_SPELLINGS = {
    "character varying": "VARCHAR",
    "numeric": "DECIMAL",
    "timestamp without time zone": "TIMESTAMP",
    "double precision": "DOUBLE PRECISION",
    "binary varying": "VARBYTE",
}
"""svv_all_columns' names of the types that the map spells otherwise."""


class DriftError(DataError):
    """The source's columns changed in a way that the target cannot follow in place."""


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
    """Bring the target to where it can take rows of the schema, outside any transaction.

    Returns:
        The statements that were run, none where the target fits already.

    Raises:
        DriftError: A column changed its type in a way that Redshift cannot follow in place.
        WarehouseError: Redshift refused a statement, and not because another writer had done the same meanwhile.
    """
    refused: set[str] = set()
    while True:
        statements = preparation(target, schema, live_columns(session, target))
        try:
            for statement in statements:
                session.execute(statement)
            return statements
        except PassingError:
            raise
        except WarehouseError as error:
            if error.statement in refused:
                raise
            refused.add(error.statement)  # another writer may have been first: look again at what is left to do


def preparation(target: Target, schema: TableSchema, live: dict[str, LiveColumn]) -> list[str]:
    """Return the statements that `adapt` runs: `changes`, and before a table's first load what it rests on.

    Raises:
        DriftError: As `adapt`.
    """
    statements = changes(target, schema, live)
    if live:
        return statements
    home = f"CREATE SCHEMA IF NOT EXISTS {identifier(target.schema_name)}"
    return [home, *audit.DDL, *statements, audit.make_turn(target.label)]


def changes(target: Target, schema: TableSchema, live: dict[str, LiveColumn]) -> list[str]:
    """Return the statements that bring the target's columns to the schema's.

    Raises:
        DriftError: As `adapt`.
    """
    if not live:
        return [create_table(target, schema)]
    statements = []
    for column in schema.columns:
        present = live.get(column.target_name)
        if present is None:
            statements.append(add_column(target, column))
        elif _exceeds(column.redshift_type, present.type):
            statements.append(widen_column(target, column))
        elif not _fits(column, present):
            raise DriftError(
                f"{target.label}: column {column.target_name!r} is {present.type} in Redshift and now "
                f"{column.redshift_type} ({column.column_type} in MySQL); Redshift cannot change it in place: drop "
                f"{target.label} and materialize all days of its lake and staging assets again"
            )
    missing = [name for name, _ in OWN_COLUMNS if name not in live]
    if missing:
        raise DriftError(
            f"{target.label} exists and lacks {', '.join(missing)}: it was not made by aurora-dwh; "
            "give the table another name with `target_table`, or drop it"
        )
    return statements


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


def _exceeds(type_: str, other: str) -> bool:
    wanted, there = _varchar(type_), _varchar(other)
    return wanted is not None and there is not None and wanted > there


def _fits(column: Column, present: LiveColumn) -> bool:
    wanted, there = _varchar(column.redshift_type), _varchar(present.type)
    if wanted is not None and there is not None:
        return wanted <= there  # a narrower source still fits, and the target is never narrowed
    return column.redshift_type == present.type
