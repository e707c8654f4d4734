"""Rows out of Redshift as Arrow, a batch at a time, with the types that Redshift says they have.

Redshift sends a whole result unless it is asked by a cursor, which keeps it on the leader node and gives a part of it:
https://docs.aws.amazon.com/redshift/latest/dg/declare.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import MAX_PRECISION

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.warehouse.connection import Answer, Session, Warehouse

FETCHED = 1_000
"""Rows of one FETCH: the most that a cluster of one node gives at a time
(https://docs.aws.amazon.com/redshift/latest/dg/fetch.html)."""

_CURSOR = "dwh_rows"
_NUMERIC, _VARBYTE = 1700, 6551

_FALLBACK_SCALE = 18
"""Digits behind the point of a DECIMAL whose type does not say them, as PostgreSQL leaves it open for an expression."""


class ResultError(DataError):
    """Rows whose values are not of the type that Redshift said they have."""


def reader(warehouse: Warehouse, query: str) -> pa.RecordBatchReader:
    """Return a query's rows; a session is open until they are read. Raises WarehouseError."""
    import pyarrow as pa

    with ExitStack() as stack:
        session = stack.enter_context(warehouse.session())
        session.execute("BEGIN")
        session.execute(f"DECLARE {_CURSOR} CURSOR FOR {query}")
        first = _fetch(session)
        schema = pa.schema([pa.field(name, _arrow_type(first, at)) for at, (name, _) in enumerate(first.columns)])
        return pa.RecordBatchReader.from_batches(schema, _batches(session, first, schema, stack.pop_all()))


def _batches(session: Session, first: Answer, schema: pa.Schema, stack: ExitStack) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    makers, answer = [_maker(kind) for _, kind in first.columns], first
    with stack:
        while True:
            columns = zip(*answer.rows, strict=True) if answer.rows else [()] * len(makers)
            arrays = [_array(*one) for one in zip(schema, columns, makers, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            if len(answer.rows) < FETCHED:
                break
            answer = _fetch(session)
        session.execute("COMMIT")


def _fetch(session: Session) -> Answer:
    return session.execute(f"FETCH FORWARD {FETCHED} FROM {_CURSOR}")


def _array(field: pa.Field, values: Sequence[Any], make: Callable[[Any], Any] | None) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values if make is None else [v if v is None else make(v) for v in values], field.type)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ResultError(
            f"column {field.name!r}: a value is no {field.type}, as Redshift calls it: {error}"
        ) from error


def _arrow_type(answer: Answer, at: int) -> pa.DataType:
    """Return the Arrow type of a result's column, by the number of Redshift's type and its modifier."""
    import pyarrow as pa

    kind = answer.columns[at][1]
    if kind == _NUMERIC:
        modifier = answer.modifiers[at] - 4 if at < len(answer.modifiers) else -1
        if modifier < 0:
            return pa.decimal128(MAX_PRECISION, _FALLBACK_SCALE)
        return pa.decimal128(modifier >> 16, modifier & 0xFFFF)
    types = {
        16: pa.bool_(),
        20: pa.int64(),
        21: pa.int16(),
        23: pa.int32(),
        26: pa.int64(),
        700: pa.float32(),
        701: pa.float64(),
        1082: pa.date32(),
        1083: pa.time64("us"),
        1114: pa.timestamp("us"),
        1184: pa.timestamp("us", "UTC"),
        _VARBYTE: pa.binary(),
    }
    return types.get(kind, pa.string())


def _maker(kind: int) -> Callable[[Any], Any] | None:
    """Return what turns the driver's values into those of the Arrow type, None where they are."""
    plain = (16, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, _NUMERIC)
    if kind == _VARBYTE:
        return lambda value: bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    return None if kind in plain else str
