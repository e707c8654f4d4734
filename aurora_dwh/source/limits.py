"""Values that MySQL holds and Redshift cannot: too many bytes, or a NUL byte in a text. The catalog says what to do.

Nothing here is done silently: a value is either refused, with its row's key, or changed and counted. The same changes
as SQL, for a comparison that must expect them, are here too: `expected`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import TEXT_TYPES, UTF8_BYTES_PER_CHARACTER, Column, TableSchema

if TYPE_CHECKING:
    from aurora_dwh.catalog import Table

_SHOWN_KEY = 200
_SHOWN_VALUE = 60


def fit(
    batch: pa.RecordBatch, schema: TableSchema, table: Table, converted: Counter[tuple[str, str]]
) -> pa.RecordBatch:
    """Return the rows with every value as Redshift can hold it.

    Args:
        batch: Rows as they were read, of the schema's Arrow types.
        schema: The columns.
        table: The table's policies.
        converted: Counts `(column, reason)` of the values that were changed.

    Raises:
        DataError: A value does not fit and its policy is `fail`; the message names column, key and value.
    """
    columns = list(batch.columns)
    for index, column in enumerate(schema.columns):
        values = columns[index]
        if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
            continue
        for reason, misfits, mend in (("nul_bytes", _nul_bytes, _without_nul), ("oversize", _oversize, _smaller)):
            wrong = misfits(values, column)
            if wrong is None:
                continue
            policy = getattr(table, reason)
            if policy == "fail" or (policy == "truncate" and column.redshift_type == "SUPER"):
                raise _refusal(batch, schema, column, values, wrong, reason)
            values = _mended(values, wrong, mend(column, policy))
            converted[column.target_name, reason] += pc.sum(wrong).as_py()
        columns[index] = values
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _nul_bytes(values: pa.Array, _: Column) -> pa.Array | None:
    """Return which texts hold a NUL byte, None where none does; bytes may hold any."""
    if pa.types.is_binary(values.type):
        return None
    data = values.buffers()[2]
    if data is None or np.frombuffer(data, np.uint8).all():  # one look at all the bytes, before any at single rows
        return None
    wrong = pc.fill_null(pc.match_substring(values, "\0"), False)
    return wrong if pc.any(wrong).as_py() else None


def _oversize(values: pa.Array, column: Column) -> pa.Array | None:
    """Return which values have more bytes than Redshift holds, None where none has."""
    if column.byte_limit is None:
        return None
    longest = pc.max(pc.binary_length(values)).as_py()
    if longest is None or longest <= column.byte_limit:
        return None
    return pc.fill_null(pc.greater(pc.binary_length(values), column.byte_limit), False)


Mend = Callable[[str | bytes], str | bytes | None]


def _without_nul(_: Column, __: str) -> Mend:
    return lambda value: value.replace("\0", "") if isinstance(value, str) else value


def _smaller(column: Column, policy: str) -> Mend:
    limit = column.byte_limit or 0

    def cut(value: str | bytes) -> str | bytes:
        if isinstance(value, bytes):
            return value[:limit]
        return value.encode()[:limit].decode(errors="ignore")  # no half character is left at the end

    if policy == "null":
        return lambda _: None
    return cut


def _mended(values: pa.Array, wrong: pa.Array, mend: Mend) -> pa.Array:
    """Return the values with the wrong ones mended; they are few, so each is taken by itself."""
    mended = [mend(value) for value in values.filter(wrong).to_pylist()]
    return pc.replace_with_mask(values, wrong, pa.array(mended, values.type))


def _refusal(
    batch: pa.RecordBatch, schema: TableSchema, column: Column, values: pa.Array, wrong: pa.Array, reason: str
) -> DataError:
    row = pc.index(wrong, True).as_py()
    value = values[row].as_py()
    size = len(value.encode() if isinstance(value, str) else value)
    return refusal(schema, column, key_of(batch, row, schema), value, size, reason)


def refusal(schema: TableSchema, column: Column, key: str, value: str | bytes, size: int, reason: str) -> DataError:
    """Return what to raise for a value that does not fit.

    Args:
        schema: The table.
        column: The value's column.
        key: The value's row, as `key_of` names it.
        value: The value, or its beginning.
        size: The bytes of the whole value, in UTF-8.
        reason: `nul_bytes` or `oversize`.
    """
    which = f"the row {key}" if key else "a row without a primary key"
    shown = repr(value[:_SHOWN_VALUE]) + ("..." if len(value) > _SHOWN_VALUE else "")
    is_document = column.redshift_type == "SUPER"
    remedy = "`oversize: null`, as a JSON document cannot be cut" if is_document else "`oversize: truncate` or `null`"
    what = {
        "nul_bytes": "holds a NUL byte, which no Redshift text can; set `nul_bytes: remove`",
        "oversize": (
            f"has {size:,} bytes, and Redshift's {column.stage_type} holds {column.byte_limit:,}; set {remedy}"
        ),
    }[reason]
    return DataError(
        f"table {schema.table}, column {column.name!r}: in {which} the value {shown} {what}, "
        "or leave the column out with `exclude`"
    )


def key_of(batch: pa.RecordBatch, row: int, schema: TableSchema) -> str:
    """Return which row of a batch is meant, by its primary key as far as that is in the batch; empty without one."""
    names = [name.lower() for name in schema.primary_key if name.lower() in batch.schema.names]
    return named_key({name: batch.column(name)[row].as_py() for name in names})


def named_key(values: Mapping[str, object]) -> str:
    """Return a row's key as errors name it, by the values of its columns."""
    return ", ".join(f"{name} = {value}" for name, value in values.items())[:_SHOWN_KEY]


def expected(schema: TableSchema, table: Table) -> TableSchema:
    """Return the schema whose columns the source computes as `fit` leaves them: what a policy changed is no difference.

    Args:
        schema: The columns.
        table: The table's policies.
    """
    return replace(schema, columns=tuple(_expected(column, table) for column in schema.columns))


def _expected(column: Column, table: Table) -> Column:
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
