"""Values that Redshift or a CSV file cannot hold, as conditions in MySQL's SQL, for rows that this process never sees.

What `reader` and `value_fitting` find in the rows that pass through them, the source finds by these. The reasons, and
the policies that say what becomes of such values, are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from aurora_dwh.core.schema import CSV_BYTES_LEAD, CSV_NULL, DATED, UTF8_BYTES_PER_CHARACTER, Column, TableSchema
from aurora_dwh.source.quoting import identifier, literal
from aurora_dwh.source.statement import rows_of
from aurora_dwh.source.value_policies import (
    NUL_REMOVED,
    first_bytes,
    is_key,
    is_refused,
    may_be_oversize,
    no_key,
    remedy,
)

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

_ZERO_DATE = "YEAR({0}) = 0 OR MONTH({0}) = 0 OR DAY({0}) = 0"
_BEHIND_MONTH = "DAY({0}) > DAY(LAST_DAY(DATE_FORMAT({0}, '%Y-%m-01')))"
_INVALID_DATE = f"NOT ({_ZERO_DATE}) AND {_BEHIND_MONTH}"
"""Dates with a part of zero, and others that the calendar does not have: 31 February."""

NO_DATE = f"{_ZERO_DATE} OR {_BEHIND_MONTH}"
"""Dates that the calendar does not have, of either kind, as a condition on `{0}`."""

_TEXT = "CONVERT({0} USING utf8mb4)"

_LEAST_PACKET = 1024
"""The least `max_allowed_packet` that a server takes."""

_SHOWN = 100
"""Characters, or bytes, of a value that is shown."""


@dataclass(frozen=True)
class Misfit:
    """Values of a column that do not fit."""

    column: Column  # the column
    # why, as it is counted: `zero_date`, `invalid_date`, `no_key`, `nul_bytes`, `oversize`, `null_mark`, `packet`
    reason: str
    condition: str  # the SQL condition that such a value meets
    is_refused: bool  # whether such a value fails the day; else a policy changes it


def misfits(schema: TableSchema, table: Table) -> list[Misfit]:
    """Return every kind of value that may be in the table and does not fit.

    Args:
        schema: The selected columns, as they are read.
    """
    return [misfit for column in schema.columns if column.read_as != "NULL" for misfit in _of_column(column, table)]


def count_rows(
    schema: TableSchema,
    kinds: Sequence[Misfit],
    where: Sequence[str],
    *,
    newest: str | None = None,
    ends_before: date | None = None,
) -> str:
    """Return the SELECT of the number of rows, of the greatest value of a column, and of the values of each kind.

    Args:
        where: Conditions that the rows meet.
        newest: The column; None gives NULL.
        ends_before: Where given, the rows from that value of the column on are counted last.
    """
    name = None if newest is None else identifier(schema.column(newest).name)
    conditions = [kind.condition for kind in kinds]
    if ends_before is not None:
        conditions.append(f"{name} >= {literal(ends_before)}")
    greatest = "NULL" if name is None else f"MAX({name})"
    counted = "".join(f",\n       COUNT(CASE WHEN {condition} THEN 1 END)" for condition in conditions)
    return f"SELECT COUNT(*), {greatest}{counted}\n{rows_of(schema, where)}"


def first_row(schema: TableSchema, kind: Misfit, where: Sequence[str]) -> str:
    """Return the SELECT of one value of a kind: the columns of its row's primary key, its beginning, and its bytes."""
    value = kind.column.read_as.format(identifier(kind.column.name))
    text = _TEXT.format(value)
    is_binary = kind.column.redshift_type == "VARBYTE"
    beginning = first_bytes(kind.column, _SHOWN).format(value) if is_binary else f"LEFT({text}, {_SHOWN})"
    shown = beginning, f"OCTET_LENGTH({value if is_binary else text})"
    key = (column.read_as.format(identifier(column.name)) for column in key_columns(schema))
    return f"SELECT {', '.join((*key, *shown))}\n{rows_of(schema, [*where, kind.condition])}\nLIMIT 1"


def key_columns(schema: TableSchema) -> list[Column]:
    """Return the columns of the primary key that are copied."""
    by_name = {column.name: column for column in schema.columns}
    return [by_name[name] for name in schema.primary_key if name in by_name]


def helps(misfit: Misfit, schema: TableSchema, table: Table) -> str:
    """Return what helps where such a value fails the day."""
    match misfit.reason:
        case "no_key":
            return no_key(misfit.column, schema, table.key)
        case "null_mark":
            return "a CSV file takes this very text for NULL; set `extract: stream` for the table"
        case "packet":
            return (
                "as hexadecimal digits it is longer than the server's `max_allowed_packet`, and NULL is written; have "
                "an administrator raise that above twice the value's bytes, or set `extract: stream` for the table"
            )
    return remedy(misfit.column, misfit.reason, table)


def told(schema: TableSchema, table: Table) -> list[str]:
    """Return, in sentences, what a CSV file or Redshift cannot carry of a table, and what becomes of it."""
    return [f"column {m.column.name}: {_WHAT[m.reason].format(m.column.byte_limit)} {_outcome(m, table)}" for m in
            misfits(schema, table) if m.reason != "invalid_date"]  # fmt: skip


_WHAT = {
    "zero_date": "dates that the calendar does not have",
    "no_key": "rows without a value in it, which is in the key,",
    "nul_bytes": "NUL bytes in texts",
    "null_mark": f"texts that read {CSV_NULL!r}, which stands for NULL,",
    "oversize": "values of more than {0:,} bytes",
    "packet": "values whose hexadecimal digits are more than `max_allowed_packet`",
}


def _outcome(misfit: Misfit, table: Table) -> str:
    if misfit.is_refused:
        return "fail the day"
    if misfit.reason == "nul_bytes":
        return "are removed and counted"
    is_cut = misfit.reason == "oversize" and table.oversize == "truncate"
    return "are cut and counted" if is_cut else "become NULL and are counted"


def _of_column(column: Column, table: Table) -> Iterator[Misfit]:
    value = column.read_as.format(identifier(column.name))
    if column.data_type in DATED:
        for reason, condition in (("zero_date", _ZERO_DATE), ("invalid_date", _INVALID_DATE)):
            yield Misfit(column, reason, condition.format(value), is_refused(column, reason, table))
    if is_key(column, table) and column.nullable:
        yield Misfit(column, "no_key", f"{value} IS NULL", True)
    text = _TEXT.format(value)
    if "nul_bytes" in column.rule.policies:
        condition = f"LOCATE(x'00', CAST({text} AS BINARY)) > 0"
        yield Misfit(column, "nul_bytes", condition, is_refused(column, "nul_bytes", table))
        if _may_be_mark(column):
            yield Misfit(column, "null_mark", f"{text} = {literal(CSV_NULL)} COLLATE utf8mb4_bin", True)
    if may_be_oversize(column):
        is_removed = "nul_bytes" in column.rule.policies and not is_refused(column, "nul_bytes", table)
        whole = NUL_REMOVED.format(value) if is_removed else value if column.redshift_type == "VARBYTE" else text
        condition = f"OCTET_LENGTH({whole}) > {column.byte_limit}"
        yield Misfit(column, "oversize", condition, is_refused(column, "oversize", table))
    if column.redshift_type == "VARBYTE" and (column.length is None or 2 * column.length >= _LEAST_PACKET):
        size = f"OCTET_LENGTH({value})"
        size = size if column.byte_limit is None else f"LEAST({size}, {column.byte_limit})"
        yield Misfit(column, "packet", f"2 * {size} + {len(CSV_BYTES_LEAD)} > @@max_allowed_packet", True)


def _may_be_mark(column: Column) -> bool:
    if column.members:
        return CSV_NULL in column.members
    return column.byte_limit is None or column.byte_limit >= UTF8_BYTES_PER_CHARACTER * len(CSV_NULL)
