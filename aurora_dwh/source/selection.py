"""Which columns of a table are read, as the catalog says and the source has them, and whether Redshift can hold them.

Everything that a schema alone decides is decided here, before a row is read; what single values decide is
`value_policies`'.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aurora_dwh.catalog.fields import OWN_PREFIX
from aurora_dwh.catalog.model import used_columns
from aurora_dwh.core.models import DataError
from aurora_dwh.core.rules import quoted
from aurora_dwh.core.schema import (
    COLUMN_LIMIT,
    IDENTIFIER_LIMIT,
    SYSTEM_COLUMNS,
    Column,
    TableSchema,
    UnsupportedTypeError,
    fold,
)
from aurora_dwh.source.connection import execute, mask_key_of
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.masking import treat
from aurora_dwh.source.privileges import grant_remedy, is_denied
from aurora_dwh.source.query import read_query
from aurora_dwh.source.windows import require_moment

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table
    from aurora_dwh.source.connection import Connection

_OWN_COLUMNS = 2
"""The day and the moment of the reading, behind the source's columns."""

_UPSERT_COLUMNS = 5
"""What the temporary table of an upsert has besides: a row's rank, how many have its key, the bound of the row that it
replaces, and two marks."""

_WORDS_OF_YAML = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})

_NO_KEYS = frozenset({"SUPER", "VARBYTE"})
"""Redshift types that neither distribute nor sort rows."""


def read_selected(connection: Connection, database: str, table: Table, had: Sequence[str] = ()) -> TableSchema:
    """Return the columns of a table that the catalog selects, as they are in the source now.

    Args:
        had: The columns that it had when it was last read: one of them that is not there is gone, or not shown to a
            user who may not read it any more.

    Raises:
        DataError: The table is not there, or cannot be copied as the catalog says; or the user may not read a column.
        ConfigError: A column is to be hashed, and there is no key.
        pymysql.err.Error: The server or the connection failed.
    """
    if table.query is not None:  # whose columns all may be read, or the server refuses it
        return selected(read_query(connection, database, table.name, table.query), table)
    schema, ask = read_schema(connection, database, table.name), partial(execute, connection)
    there = {column.target_name for column in schema.columns}
    wanted = [name for name in had if fold(name) not in there and _is_wanted(name, table)]
    if denied := [name for name in wanted if is_denied(ask, database, table.name, name)]:
        raise DataError(
            f"table {table.name}: {', '.join(map(repr, denied))} was read before, and the user may not read it any "
            f"more, so nothing is read; {grant_remedy(ask, database, table.name, denied)}, or leave it out with "
            f"`exclude: [{', '.join(map(_in_yaml, denied))}]` and run `aurora-dwh rebuild {quoted(table.name)} "
            "--from source`"
        )
    chosen = selected(schema, table)
    if any(column.keyed for column in chosen.columns):
        mask_key_of(connection)  # which is told before anything is read
    return chosen


def _is_wanted(name: str, table: Table) -> bool:
    is_included = not table.include or fold(name) in {fold(one) for one in table.include}
    return is_included and fold(name) not in {fold(one) for one in table.exclude}


def selected(schema: TableSchema, table: Table) -> TableSchema:
    """Return the columns of a table that the catalog selects, treated as it says.

    Raises:
        DataError: The table cannot be copied as the catalog says; the message names every reason and what to do.
    """
    known = {column.target_name for column in schema.columns}
    include, exclude = (tuple(n for n in names if fold(n) in known) for names in (table.include, table.exclude))
    try:
        chosen = treat(_renamed(schema.select(include=include, exclude=exclude), table), table)
    except ValueError as error:
        raise DataError(f"table {table.name}: {error}") from error
    if problems := [*_unknown(known, table), *_clashes(schema, table), *_problems(chosen, table)]:
        raise DataError(f"table {table.name}: {'; '.join(problems)}")
    if table.cursor is not None and table.mode != "full":
        require_moment(chosen.column(table.cursor), table.name)
    return chosen


def _renamed(schema: TableSchema, table: Table) -> TableSchema:
    """Return the columns with the names that the catalog gives them in the copy."""
    names = {fold(name): renamed for name, renamed in table.rename.items()}
    columns = (replace(column, renamed=names.get(column.source_name)) for column in schema.columns)
    return replace(schema, columns=tuple(columns))


def _clashes(schema: TableSchema, table: Table) -> Iterator[str]:
    """Yield which new names are those of columns of the source, left out or not: SQL would not tell them apart."""
    names = {column.source_name: column.name for column in schema.columns}
    for name, renamed in table.rename.items():
        if other := names.get(fold(renamed)):
            yield f"`rename` gives {name!r} the name {renamed!r}, which the column {other!r} has; choose another"


def why_not(column: Column) -> str:
    """Return why a column cannot be copied whatever its values are, empty where it can."""
    try:
        _ = column.rule
    except UnsupportedTypeError:
        return f"its type {column.column_type} is not known"
    size = len(column.target_name.encode())
    if size > IDENTIFIER_LIMIT:
        return f"its name has {size} bytes, and Redshift cuts names at {IDENTIFIER_LIMIT}"
    if column.target_name in SYSTEM_COLUMNS:
        return "Redshift has a column of its own by that name in every table"
    if column.target_name.startswith(OWN_PREFIX):
        return f"names that begin with {OWN_PREFIX} are aurora-dwh's own"
    return ""


def most_columns(schema: TableSchema, table: Table) -> int:
    """Return how many columns of a source table Redshift's tables have room for, beside the product's own."""
    upsert = 0
    if table.mode == "incremental":
        keys = [column for column in schema.columns if column.source_name in {fold(name) for name in table.key}]
        # Of a text it has the shortest and the longest form, in which blanks at the end may differ.
        upsert = _UPSERT_COLUMNS + 2 * sum(column.stage_type.startswith("VARCHAR") for column in keys)
    return COLUMN_LIMIT - _OWN_COLUMNS - max(upsert, int(table.deletes == "flag"))


def _in_yaml(name: str) -> str:
    """Return a name as it is written into a list of the catalog."""
    is_plain = re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in _WORDS_OF_YAML
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _unknown(known: Container[str], table: Table) -> Iterator[str]:
    """Yield which fields name columns that the table does not have; of the columns, the folded names are given."""
    lists = (("include", table.include), ("exclude", table.exclude))
    for field, name in (*used_columns(table), *((field, name) for field, names in lists for name in names)):
        if fold(name) not in known:
            yield f"`{field}` names {name!r}, which is no column of the table, or none that this user may read"


def _problems(schema: TableSchema, table: Table) -> Iterator[str]:
    columns = {column.source_name: column for column in schema.columns}
    uses = {fold(name): field for field, name in used_columns(table)}
    unfit = {column: reason for column in schema.columns if (reason := why_not(column))}
    for column, reason in unfit.items():
        field = uses.get(column.source_name)
        also = f", and name another column in `{field}`" if field else ""
        yield f"column {column.name!r}: {reason}; leave it out with `exclude: [{_in_yaml(column.name)}]`{also}"
    if unfit:
        return
    for field, names in (("dist_key", (table.dist_key,)), ("sort_key", table.sort_key)):
        for column in (columns[fold(name)] for name in names if name is not None and fold(name) in columns):
            if column.redshift_type in _NO_KEYS:
                yield f"`{field}` names {column.name!r}, which is a {column.redshift_type} in Redshift and can be none"
    most = most_columns(schema, table)
    if len(schema.columns) > most:
        yield (
            f"{len(schema.columns):,} columns are to be copied, and Redshift has room for {most:,} of a table in mode "
            f"{table.mode}; name those to copy in `include`, or leave some out with `exclude`"
        )
