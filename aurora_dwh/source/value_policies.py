"""What becomes of values that MySQL holds and Redshift cannot: too many bytes, or a NUL byte in a text.

The catalog says it. What is in the key is never changed, as two rows could become one. The changes as SQL, for a
comparison that must expect them, are here too: `expected`. Values themselves are `value_fitting`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import TEXT_TYPES, UTF8_BYTES_PER_CHARACTER, Column, TableSchema, fold
from aurora_dwh.source.quoting import identifier

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

_SHOWN_KEY = 200
_SHOWN_VALUE = 60


def is_refused(column: Column, reason: str, table: Table) -> bool:
    """Return whether a value fails its day: its policy says so, it cannot be changed, or it is in the key.

    Args:
        reason: `nul_bytes`, `oversize`, `zero_date` or `invalid_date`.
    """
    policy = table.zero_dates if reason.endswith("_date") else getattr(table, reason)
    return is_key(column, table) or policy == "fail" or (policy == "truncate" and column.redshift_type == "SUPER")


def is_key(column: Column, table: Table) -> bool:
    """Return whether a column is one of those that tell a row of the copy from another."""
    return column.source_name in {fold(name) for name in table.key}


def refusal(
    schema: TableSchema, column: Column, key: str, value: str | bytes, size: int, reason: str, table: Table
) -> DataError:
    """Return what to raise for a value that does not fit.

    Args:
        key: The value's row, as `named_key` names it.
        size: The bytes of the whole value, in UTF-8.
        reason: `nul_bytes` or `oversize`.
    """
    which = f"the row {key}" if key else "a row without a primary key"
    shown = repr(value[:_SHOWN_VALUE]) + ("..." if len(value) > _SHOWN_VALUE else "")
    what = {
        "nul_bytes": "holds a NUL byte, which no Redshift text can",
        "oversize": f"has {size:,} bytes, and Redshift's {column.stage_type} holds {column.byte_limit:,}",
    }[reason]
    return DataError(
        f"table {schema.table}, column {column.name!r}: in {which} the value {shown} {what}; "
        f"{remedy(column, reason, table)}"
    )


def remedy(column: Column, reason: str, table: Table) -> str:
    """Return what helps where a value fails its day."""
    is_date, is_cursor = reason.endswith("_date"), column.source_name == fold(table.cursor or "")
    if is_key(column, table):
        if is_date and is_cursor:
            name = identifier(column.name)
            dates = f"YEAR({name}) > 0 AND DAY({name}) BETWEEN 1 AND DAY(LAST_DAY({name}))"
            return f'the key needs a date: mend the row, or leave such rows out with `filter: "{dates}"`'
        if is_date:
            return "the key needs a value: mend the row, or set `zero_dates: text`"
        masked = f"`mask: {{{column.name}: sha256}}`"
        return f"a key cannot be changed: mend the row, name another `key`, or set {masked}, which keeps keys apart"
    if is_date:
        return NULL_OR_TEXT
    if reason == "nul_bytes":
        policy = "`nul_bytes: remove`"
    elif column.redshift_type == "SUPER":
        policy = "`oversize: null`, as a JSON document cannot be cut"
    else:
        policy = "`oversize: truncate` or `null`"
    return f"set {policy}, or leave the column out with `exclude`"


NULL_OR_TEXT = "mend the row, or set `zero_dates: null` to copy such dates as NULL, or `zero_dates: text`"
"""What helps where a date is none, and not in the key."""


def no_key(column: Column, schema: TableSchema, key: Iterable[str]) -> str:
    """Return what helps where a column of the key is NULL in the source.

    Args:
        schema: The table's columns, whose primary key serves where it is another one.
    """
    own = {fold(name) for name in schema.primary_key}
    names = {column.target_name: column.source_name for column in schema.columns}
    is_other = own and own != {names.get(fold(name), fold(name)) for name in key}
    which = f"the source's primary key ({', '.join(schema.primary_key)})" if is_other else "other columns"
    given = f'`filter: "{identifier(column.name)} IS NOT NULL"`'
    return f"the key needs a value: give it one, name {which} in `key`, or leave such rows out with {given}"


def named_key(values: Mapping[str, object]) -> str:
    """Return a row's key as errors name it, by the values of its columns."""
    shown = {name: "NULL" if value is None else value for name, value in values.items()}
    return ", ".join(f"{name} = {value}" for name, value in shown.items())[:_SHOWN_KEY]


def expected(schema: TableSchema, table: Table) -> TableSchema:
    """Return the schema whose columns the source computes as `value_fitting.fit` leaves them.

    So what a policy changed is no difference.
    """
    return replace(schema, columns=tuple(_expected(column, table) for column in schema.columns))


def _expected(column: Column, table: Table) -> Column:
    if is_key(column, table) or column.keyed:  # a hash fits whatever the value is
        return column
    if table.nul_bytes == "remove" and "nul_bytes" in column.rule.policies:
        column = column.reading(NUL_REMOVED)
    if table.oversize == "fail" or not may_be_oversize(column):
        return column
    limit = column.byte_limit or 0
    is_text = column.data_type in TEXT_TYPES
    if table.oversize == "truncate":
        return column.reading(_cut(limit) if is_text else first_bytes(column, limit))
    value = "CONVERT({0} USING utf8mb4)" if is_text or column.redshift_type == "SUPER" else "{0}"
    return column.reading(f"CASE WHEN OCTET_LENGTH({value}) <= {limit} THEN {{0}} END")


NUL_REMOVED = "REPLACE(CONVERT({0} USING utf8mb4), CHAR(0 USING utf8mb4), '')"
"""The expression of a text without its NUL bytes."""

_BYTES = "CAST(CONVERT({0} USING utf8mb4) AS BINARY)"


def _cut(limit: int) -> str:
    """Return the expression of the whole characters within the first bytes of a text: `fit` cuts there."""
    within = (
        f"WHEN ORD(SUBSTRING({_BYTES}, {size + 1}, 1)) NOT BETWEEN 128 AND 191 THEN {size}"  # a character ends here
        for size in range(limit, limit - UTF8_BYTES_PER_CHARACTER + 1, -1)
    )
    size = f"CASE {' '.join(within)} ELSE {limit - UTF8_BYTES_PER_CHARACTER + 1} END"
    return f"CONVERT(LEFT({_BYTES}, {size}) USING utf8mb4)"


def first_bytes(column: Column, count: int) -> str:
    """Return the expression of the first bytes of a binary value; no function on strings takes a VECTOR as it is."""
    return f"LEFT(CAST({{0}} AS BINARY), {count})" if column.data_type == "vector" else f"LEFT({{0}}, {count})"


def may_be_oversize(column: Column) -> bool:
    """Return whether a value of the column may have more bytes than Redshift holds."""
    if column.byte_limit is None:
        return False
    width = UTF8_BYTES_PER_CHARACTER if column.data_type in TEXT_TYPES else 1
    return column.length is None or column.length * width > column.byte_limit
