"""Values that MySQL holds and Redshift cannot: too many bytes, or a NUL byte in a text. The catalog says what to do.

Nothing here is done silently: a value is either refused, with its row's key, or changed and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema

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
            if policy == "fail":
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
    if column.redshift_type == "SUPER":
        raise DataError(
            f"column {column.name!r}: a JSON document of more than {limit:,} bytes cannot be truncated and stay one; "
            "use `oversize: null`, or leave the column out with `exclude`"
        )
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
    key = {name: batch.column(schema.column(name).target_name)[row].as_py() for name in schema.primary_key}
    which = f"the row with {key}"[:_SHOWN_KEY] if key else "a row (the table has no primary key)"
    what = {
        "nul_bytes": "holds a NUL byte, which no Redshift text can; set `nul_bytes: remove`",
        "oversize": (
            f"has {size:,} bytes, and Redshift's {column.stage_type} holds {column.byte_limit:,}; "
            "set `oversize: truncate` or `oversize: null`"
        ),
    }[reason]
    return DataError(
        f"table {schema.table}, column {column.name!r}: in {which} the value {value[:_SHOWN_VALUE]!r}... {what}, "
        "or leave the column out with `exclude`"
    )
