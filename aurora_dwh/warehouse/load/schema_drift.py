"""The target's columns against a manifest's: what to make, add or widen, and what cannot be mended in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aurora_dwh.catalog.fields import OWN_PREFIX
from aurora_dwh.core.models import DataError
from aurora_dwh.core.rules import quoted
from aurora_dwh.core.schema import Column, TableSchema, fold
from aurora_dwh.warehouse import dependents, load_history
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import SCHEMA, CheckError, PassingError, WarehouseError
from aurora_dwh.warehouse.load.statements import (
    DELETED,
    OWN_COLUMNS,
    Target,
    add_column,
    add_deleted,
    create_table,
    widen_column,
)
from aurora_dwh.warehouse.sql import identifier, literal

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

DONE_BY_ANOTHER = ("23505", "42701", "42710", "42P06", "42P07")
"""SQLSTATEs of what exists already: a catalogue's row, a column, a table's row type, a schema, a table."""


class DriftError(CheckError):
    """The source's columns changed in a way that the target cannot follow in place."""

    def __init__(self, message: str) -> None:
        super().__init__(SCHEMA, message)


Columns = Mapping[str, str]
"""A table's columns as svv_all_columns has them: the name and the type in the map's spelling."""


@dataclass(frozen=True)
class Live:
    """What is in the warehouse: a table's columns, none where it does not exist, and the names of the history's."""

    columns: Columns
    history: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Preparation:
    """What must become of a table before it takes rows."""

    making: tuple[str, ...] = ()  # the statements that make it, none where it is there
    adding: tuple[str, ...] = ()  # those that add columns
    widening: tuple[str, ...] = ()  # those that widen columns, which must run outside a transaction
    misfit: DriftError | None = None  # why it cannot take them, None where it can
    absent: tuple[str, ...] = ()  # the table's columns that the days do not have


def look(session: Session, target: Target) -> Live:
    """Return what is there of a table and of `dwh.load_history`, by one query."""
    wanted = (fold(target.schema_name), fold(target.name))
    rows = session.execute(
        "SELECT schema_name, table_name, column_name, data_type, character_maximum_length, numeric_precision, "
        "numeric_scale FROM svv_all_columns WHERE database_name = current_database() "
        f"AND ((schema_name = {literal(wanted[0])} AND table_name = {literal(wanted[1])}) "
        f"OR (schema_name = {literal(load_history.SCHEMA)} AND table_name = {literal(load_history.HISTORY_NAME)})) "
        "ORDER BY ordinal_position"
    ).rows
    history = (load_history.SCHEMA, load_history.HISTORY_NAME)
    return Live(
        {row[2]: _spelled(*row[3:]) for row in rows if row[:2] == wanted},
        frozenset(row[2] for row in rows if row[:2] == history),
    )


def live_columns(session: Session, target: Target) -> Columns:
    """Return the target's columns by name, none where the table does not exist."""
    return look(session, target).columns


def prepare(session: Session, target: Target, whole: TableSchema, schemas: Sequence[TableSchema]) -> Preparation:
    """Return what must become of a table before it takes rows, after making what all tables rest on, each in a commit.

    Args:
        whole: The columns of all the days together, with which the table is made where it is not there.

    Raises:
        DataError: A column that the table is made with is not among them.
        WarehouseError: Redshift refused a statement, and not because another writer had done the same meanwhile.
    """
    live = look(session, target)
    if foundations(session, target, live):
        settle(session, lambda: foundations(session, target, look(session, target)))
    if not live.columns:
        require_columns(target, whole, is_made=True)
        return Preparation(making=(create_table(target, whole),))
    columns, adding, widening = dict(live.columns), [], []
    try:
        for schema in schemas:
            more = changes(target, schema, columns)
            adding += [one for one in more if not _runs_alone(one)]
            widening += [one for one in more if _runs_alone(one)]
            columns |= _followed(target, schema, columns)
    except DriftError as misfit:
        return Preparation(misfit=misfit)
    return Preparation(adding=tuple(adding), widening=tuple(widening), absent=tuple(absent(whole, live.columns)))


def adapt(session: Session, target: Target, schema: TableSchema) -> list[str]:
    """Bring the target to where it can take rows of the schema, and return the statements, which each commit.

    Raises:
        DataError: A column that the target is made with is not in the schema.
        DriftError: A column changed in a way that the target cannot or may not follow.
        WarehouseError: Redshift refused a statement, and not because another writer had done the same meanwhile.
    """

    def needed() -> list[str]:
        live = look(session, target)
        if live.columns:
            return changes(target, schema, live.columns)
        require_columns(target, schema, is_made=True)
        return [*foundations(session, target, live), create_table(target, schema)]

    return settle(session, needed)


def widen(session: Session, target: Target, table: str, statements: Sequence[str]) -> None:
    """Widen columns in place, outside of a transaction, which Redshift does not do of every encoding.

    Raises:
        DriftError: Redshift refuses it: https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html.
        PassingError: Another attempt may do better.
    """
    for statement in statements:
        try:
            session.execute(statement)
        except PassingError:
            raise
        except WarehouseError as error:
            bound = [view.label for view in dependents.views(session, target.schema_name, target.name)]
            views = f"view{'s' if len(bound) > 1 else ''} {', '.join(bound)}"
            under = f" under the {views}, which the rebuild makes again" if bound else ""
            raise DriftError(
                f"{target.label}: Redshift does not widen a column in place{under} ({error}); run "
                f"`aurora-dwh rebuild {quoted(table)}`"
            ) from error


def settle(session: Session, needed: Callable[[], list[str]]) -> list[str]:
    """Run the statements that are needed, each in a commit, and see again what still is where another writer was first.

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
            if error.state not in DONE_BY_ANOTHER or error.statement in refused:
                raise
            refused.add(error.statement)
            session.execute("ROLLBACK")  # another writer was first: look again at what is left to do


def foundations(session: Session, target: Target, live: Live) -> list[str]:
    """Return the statements that make what a table rests on, or bring to it what an older version did not make."""
    if live.columns and live.history:
        return load_history.missing_columns(live.history)
    return [*missing_schemas(session, target.schema_name), *audit_tables(session, live)]


def audit_tables(session: Session, live: Live) -> list[str]:
    """Return the statements that make the schema `dwh` and its tables, or bring them what older versions did not."""
    return [
        *missing_schemas(session, load_history.SCHEMA),
        *load_history.DDL,
        *load_history.missing_columns(live.history),
    ]


def missing_schemas(session: Session, *names: str) -> list[str]:
    """Return the statements that make the schemas that are not there.

    They are looked for, as `IF NOT EXISTS` fails where two sessions come at once, and wants a right to make schemas
    where there is nothing to make.
    """
    wanted = {fold(name): name for name in names}
    listed = ", ".join(map(literal, wanted))
    rows = session.execute(f"SELECT nspname FROM pg_namespace WHERE nspname IN ({listed})").rows
    there = {str(name) for (name,) in rows}
    return [f"CREATE SCHEMA {identifier(name)}" for folded, name in wanted.items() if folded not in there]


def changes(target: Target, schema: TableSchema, live: Columns) -> list[str]:
    """Return the statements that bring the target's columns to the schema's; what the source has no more, stays.

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
        elif exceeds(column.redshift_type, present):
            statements.append(widen_column(target, column))
        elif not holds(present, column.redshift_type):
            raise DriftError(
                f"{target.label}: column {column.target_name!r} is {present} in Redshift and now "
                f"{_typed(target, column)}, which Redshift cannot change in place; "
                f"run {rebuild_to(target, column, present, schema.table)}"
            )
    return statements


def require_columns(target: Target, schema: TableSchema, *, is_made: bool = False) -> None:
    """Refuse, by a DataError, rows without a column that the catalog names for what a load needs of them.

    Args:
        is_made: Whether the table is made with them, and not loaded with them.
    """
    known = {column.target_name for column in schema.columns}
    uses: Mapping[str, Sequence[str | None]] = {"key": target.key, "cursor": (target.cursor,)}
    if is_made:
        uses = {"key": target.key, "dist_key": (target.dist_key,), "sort_key": target.sort_key}
    lacking = [f"`{field}` names {n!r}" for field, names in uses.items() for n in names if n and fold(n) not in known]
    if lacking:
        raise DataError(
            f"table {schema.table}: {', and '.join(lacking)}, which is no column of its days in the lake; nothing was "
            f"changed. Correct the catalog, or, if the column is new, run {target.rebuild_anew(schema.table)}"
        )


def _runs_alone(statement: str) -> bool:
    """Return whether Redshift takes a statement outside a transaction only, as it does where a column is widened."""
    return " ALTER COLUMN " in statement


def _followed(target: Target, schema: TableSchema, live: Columns) -> Columns:
    """Return the columns that the statements of `changes` make or widen."""
    kinds = {column.target_name: column.redshift_type for column in schema.columns}
    if target.flags_deletes:
        kinds.setdefault(DELETED, "BOOLEAN")
    return {name: kind for name, kind in kinds.items() if name not in live or exceeds(kind, live[name])}


def rebuild_to(target: Target, column: Column, present: str, table: str) -> str:
    """Return the command that gives a column another type: the days in the lake serve where that holds their values."""
    from_lake = holds(column.redshift_type, present)
    return f"`aurora-dwh rebuild {quoted(table)}`" if from_lake else target.rebuild_anew(table)


def _typed(target: Target, column: Column) -> str:
    """Return a column's type in Redshift, and which one it comes of."""
    return f"{column.redshift_type} ({column.column_type} {'in its rows' if target.is_computed else 'in MySQL'})"


def missing_flag(target: Target, live: Columns) -> list[str]:
    """Return the statement that gives an existing target its flag of deleted rows, none where it has or needs none."""
    return [add_deleted(target)] if target.flags_deletes and DELETED not in live else []


def absent(schema: TableSchema, live: Columns) -> list[str]:
    """Return the target's columns that the source has no more, in which new rows are NULL."""
    known = {column.target_name for column in schema.columns}
    return [name for name in live if name not in known and not name.startswith(OWN_PREFIX)]


def _refuse_changes(target: Target, schema: TableSchema, live: Columns) -> None:
    kinds = {column.target_name: column for column in schema.columns}
    changed = [f"{name!r} is gone from the source" for name in absent(schema, live)]
    for name, column in kinds.items():
        if name not in live:
            changed.append(f"{name!r} is new, {_typed(target, column)}")
        elif live[name] != column.redshift_type:
            changed.append(f"{name!r} was {live[name]} and is {column.redshift_type}")
    if changed:
        raise DriftError(
            f"{target.label} is frozen (`on_drift: freeze`) and the source's columns changed: {'; '.join(changed)}. "
            "Leave new columns out with `exclude`, or set `on_drift: evolve`, or run "
            f"{target.rebuild_anew(schema.table)}"
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


def exceeds(type_: str, other: str) -> bool:
    """Return whether both types are a VARCHAR and the first holds more bytes."""
    wanted, there = _varchar(type_), _varchar(other)
    return wanted is not None and there is not None and wanted > there


def _decimal(type_: str) -> tuple[int, int] | None:
    """Return how many digits a DECIMAL has before and behind its point."""
    match = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None


def _whole(type_: str) -> tuple[int, int] | None:
    digits = {"SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}.get(type_)
    return None if digits is None else (digits, 0)
