"""Rows as Redshift can hold them: values with too many bytes or a NUL byte, treated as the catalog says.

Nothing here is done silently: a value is either refused, with its row's key, or changed and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.value_policies import is_refused, named_key, refusal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table


def fit(
    batch: pa.RecordBatch, schema: TableSchema, table: Table, converted: Counter[tuple[str, str]]
) -> pa.RecordBatch:
    """Return the rows with every value as Redshift can hold it.

    Args:
        batch: Rows as they were read, of the schema's Arrow types.
        converted: Counts `(column, reason)` of the values that were changed.

    Raises:
        DataError: A value does not fit and its policy is `fail`; the message names column, key and value.
    """
    columns = list(batch.columns)
    for index, column in enumerate(schema.columns):
        values = columns[index]
        if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
            continue
        for reason, misfits, fix in (("nul_bytes", _nul_bytes, _without_nul), ("oversize", _oversize, _smaller)):
            wrong = misfits(values, column)
            if wrong is None:
                continue
            policy = getattr(table, reason)
            if is_refused(column, reason, table):
                raise _refusal(batch, schema, column, values, wrong, reason, table)
            values = _fixed(values, wrong, fix(column, policy))
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


Fix = Callable[[str | bytes], str | bytes | None]


def _without_nul(_: Column, __: str) -> Fix:
    return lambda value: value.replace("\0", "") if isinstance(value, str) else value


def _smaller(column: Column, policy: str) -> Fix:
    limit = column.byte_limit or 0

    def cut(value: str | bytes) -> str | bytes:
        if isinstance(value, bytes):
            return value[:limit]
        return value.encode()[:limit].decode(errors="ignore")  # no half character is left at the end

    if policy == "null":
        return lambda _: None
    return cut


def _fixed(values: pa.Array, wrong: pa.Array, fix: Fix) -> pa.Array:
    """Return the values with the wrong ones fixed; they are few, so each is taken by itself."""
    fixed = [fix(value) for value in values.filter(wrong).to_pylist()]
    return pc.replace_with_mask(values, wrong, pa.array(fixed, values.type))


def _refusal(
    batch: pa.RecordBatch,
    schema: TableSchema,
    column: Column,
    values: pa.Array,
    wrong: pa.Array,
    reason: str,
    table: Table,
) -> DataError:
    row = pc.index(wrong, True).as_py()
    value = values[row].as_py()
    size = len(value.encode() if isinstance(value, str) else value)
    return refusal(schema, column, _key_of(batch, row, schema), value, size, reason, table)


def _key_of(batch: pa.RecordBatch, row: int, schema: TableSchema) -> str:
    """Return which row of a batch is meant, by its primary key as far as that is in the batch; empty without one."""
    names = [name for name in schema.copied_key if name in batch.schema.names]
    return named_key({name: batch.column(name)[row].as_py() for name in names})
