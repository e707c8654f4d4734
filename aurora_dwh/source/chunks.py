"""A large read in pieces: ranges of an index one after the other, each a SELECT of its own and soon over.

Where the last row of one piece lies tells where the next begins, so nothing is counted or skipped, and every piece is a
range of the index whatever it is made of. All pieces are read in one snapshot, on one connection: a reader of Aurora
gives no second connection the same snapshot (there is no lock that holds its changes back).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema, fold
from aurora_dwh.source.discovery import PRIMARY, Index
from aurora_dwh.source.quoting import identifier, literal
from aurora_dwh.source.statement import select

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 1_000_000
"""Rows of a piece where the catalog does not say: each takes a second or two, and all together a few percent more."""

_ORDERED = frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"),
        *("char", "varchar", "binary", "varbinary", "date", "datetime", "timestamp"),
    }
)
"""Types whose literals compare with a column as its index is ordered. An ENUM's index is not in the order of its texts,
and the text of a FLOAT is not its value."""


@dataclass(frozen=True)
class Keyset:
    """An index that rows are read along, and the columns that tell where in it a row lies."""

    index: str
    columns: tuple[Column, ...]


def primary_keyset(schema: TableSchema) -> Keyset | None:
    """Return the primary key as a way through the table, None where the rows that are read do not tell where to go on.

    That is so without a primary key, where a column of it is not copied or masked, and for types that no literal
    stands for in the index's order.
    """
    return _keyset(schema, PRIMARY, schema.primary_key)


def index_keyset(schema: TableSchema, index: Index) -> Keyset | None:
    """Return an index as a way through a range of its first column; each of its entries ends with the primary key.

    None as for `primary_keyset`, and where a column behind the first may be NULL. The first must not be NULL in the
    range.
    """
    names = {fold(name): name for name in (*index.columns, *schema.primary_key)}
    nullable = {column.target_name for column in schema.columns if column.nullable}
    if not schema.primary_key or nullable & {fold(name) for name in index.columns[1:]}:
        return None
    return _keyset(schema, index.name, tuple(names.values()))


def first_chunk(schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int) -> str:
    """Return the SELECT of the first piece."""
    return _select(schema, where, keyset, rows, after=None)


def read_in_chunks(
    read: Callable[[str], Iterator[pa.RecordBatch]],
    schema: TableSchema,
    where: Sequence[str],
    keyset: Keyset,
    rows: int,
    between: Callable[[], Iterator[pa.RecordBatch]],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, piece by piece in the order of an index.

    Args:
        read: Reads the rows of a SELECT.
        schema: The columns.
        where: Conditions that the rows meet.
        keyset: What `primary_keyset` or `index_keyset` gives.
        rows: The most rows of a piece.
        between: Called between two pieces; what it yields is yielded too.

    Raises:
        DataError: The last row of a piece does not tell where it lies.
    """
    after: tuple[Any, ...] | None = None
    while True:
        taken = 0
        for batch in read(_select(schema, where, keyset, rows, after)):
            taken += batch.num_rows
            after = tuple(batch.column(column.target_name)[-1].as_py() for column in keyset.columns)
            yield batch
        if taken < rows:
            return
        if after is None or None in after:
            raise DataError(
                f"table {schema.database}.{schema.table}: a row whose {_names(keyset)} holds a date that the calendar "
                "does not have ends a piece of the table, so that the next cannot be found; mend such rows, or set "
                "`zero_dates: text` where the date is in the key, or a larger `chunk_rows`"
            )
        yield from between()


def piece_conditions(
    ask: Callable[[str], Sequence[tuple[Any, ...]]],
    schema: TableSchema,
    where: Sequence[str],
    keyset: Keyset,
    rows: int,
    pieces: int,
) -> list[str]:
    """Return conditions that part rows into so many ranges of a key, of even size; the key is walked once.

    Args:
        ask: Returns the rows of a SELECT.
        schema: The columns.
        where: Conditions that the rows meet.
        keyset: The key.
        rows: How many rows meet them.
        pieces: How many ranges there are to be.
    """
    names = [column.name for column in keyset.columns]
    keys = replace(schema, columns=keyset.columns)
    each = -(-rows // pieces)
    found: list[str] = []
    behind: list[str] = []
    for _ in range(-(-rows // each) - 1):
        conditions = [*where, *behind]
        (last,) = ask(select(keys, where=conditions, order_by=names, limit=1, offset=each - 1, index=keyset.index))
        after = _behind(names, [literal(value) for value in last])
        found.append(" AND ".join([*behind, f"NOT ({after})"]))
        behind = [f"({after})"]
    return [*found, " AND ".join(behind) or "TRUE"]


def _keyset(schema: TableSchema, index: str, names: Sequence[str]) -> Keyset | None:
    by_name = {column.target_name: column for column in schema.columns}
    columns = tuple(by_name[fold(name)] for name in names if fold(name) in by_name)
    usable = all(column.data_type in _ORDERED and column.read_as == "{0}" for column in columns)
    return Keyset(index, columns) if columns and usable and len(columns) == len(names) else None


def _select(schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int, after: tuple[Any, ...] | None) -> str:
    names = [column.name for column in keyset.columns]
    behind = [] if after is None else [_behind(names, [literal(value) for value in after])]
    return select(schema, where=[*where, *behind], order_by=names, limit=rows, index=keyset.index)


def _names(keyset: Keyset) -> str:
    return ", ".join(column.name for column in keyset.columns)


def _behind(names: Sequence[str], values: Sequence[str]) -> str:
    """Return the condition of the rows behind a key, in the form that MySQL serves by a range of the index.

    It does not so for `(a, b) > (x, y)` (MySQL 8.0 manual, "Range Optimization of Row Constructor Expressions").
    """
    name, value = identifier(names[0]), values[0]
    if len(names) == 1:
        return f"{name} > {value}"
    return f"{name} >= {value} AND ({name} > {value} OR ({_behind(names[1:], values[1:])}))"
