"""A large read in pieces: ranges of an index one after the other, each a SELECT of its own and soon over.

Where the last row of one piece lies tells where the next begins, so nothing is counted or skipped, and every piece is a
range of the index whatever it is made of. Each piece begins with the last row of the one before, which is not yielded
again: so it is the server that says that nothing lies between them. All pieces are read in one snapshot, on one
connection: a reader of Aurora gives no second connection the same snapshot (there is no lock that holds its changes
back). What several connections read are ranges that lie side by side, each of them in pieces (`side_by_side`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source.keyset import Keyset, Position
from aurora_dwh.source.statement import select

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 1_000_000
"""Rows of a piece where the catalog does not say: each takes a second or two, and all together a few percent more."""


class Read(Protocol):
    """Reads the rows of a SELECT of a schema's columns, as `reader.read` does."""

    def __call__(
        self, statement: str, *, schema: TableSchema, is_first_known: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""


def first_chunk(schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int) -> str:
    """Return the SELECT of the first piece."""
    return _select(_located(schema, keyset), where, keyset, rows)


def read_in_chunks(
    read: Read,
    schema: TableSchema,
    where: Sequence[str],
    keyset: Keyset,
    rows: int,
    between: Callable[[], Iterator[pa.RecordBatch]],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, piece by piece in the order of an index.

    Args:
        read: Reads the rows of a SELECT.
        where: Conditions that the rows meet.
        keyset: What `primary_keyset` or `index_keyset` gives.
        rows: The most rows of a piece.
        between: Called between two pieces; what it yields is yielded too.

    Raises:
        DataError: The last row of a piece does not tell where it lies, or is not where the next piece begins.
    """
    located = _located(schema, keyset)
    names = schema.arrow_schema.names
    batches = read(_select(located, where, keyset, rows), schema=located)
    while True:
        taken, last = 0, None
        for batch in batches:
            taken += batch.num_rows
            last = keyset.position(batch)
            yield batch.select(names)
        if last is None or taken < rows:
            return
        begin = keyset.at_or_behind(_dated(schema, keyset, last))
        yield from between()
        batches = read(_select(located, [*where, begin], keyset, rows + 1), schema=located, is_first_known=True)
        known = next(batches, None)
        if known is None or keyset.position(known) != last:
            raise _unsteady(
                schema,
                f"the piece behind {keyset.shown(last)} did not begin there",
                "a `chunk_rows` of more rows than it has",
            )


def piece_conditions(
    read: Read, schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int, pieces: int
) -> list[str]:
    """Return conditions that part rows into so many ranges of a key, of even size; the key is walked once.

    Args:
        read: Reads the rows of a SELECT.
        where: Conditions that the rows meet.
        rows: How many rows meet them.
        pieces: How many ranges there are to be.

    Raises:
        DataError: The last row of a piece does not tell where it lies, or there are fewer rows than that.
    """
    each = -(-rows // pieces)
    found: list[str] = []
    behind: list[str] = []
    for _ in range(-(-rows // each) - 1):
        after = behind_rows(read, schema, [*where, *behind], keyset, each)
        if after is None:
            raise _unsteady(schema, f"{keyset.named} had fewer rows than were counted", "`extract: stream`")
        found.append(" AND ".join([*behind, f"NOT {after}"]))
        behind = [after]
    return [*found, " AND ".join(behind) or "TRUE"]


def behind_rows(read: Read, schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int) -> str | None:
    """Return the condition, in brackets, of what lies behind the first so many rows; None where there are fewer.

    Args:
        read: Reads the rows of a SELECT.
        where: Conditions that the rows meet.
        rows: How many rows.

    Raises:
        DataError: The last of them does not tell where it lies.
    """
    keys = replace(schema, columns=keyset.exact)
    statement = select(keys, where=where, order_by=keyset.names, limit=1, offset=rows - 1, index=keyset.index)
    ends = [keyset.position(batch) for batch in read(statement, schema=keys)]
    return f"({keyset.behind(_dated(schema, keyset, ends[0]))})" if ends else None


def _located(schema: TableSchema, keyset: Keyset) -> TableSchema:
    """Return the schema with what is read beside the table's columns to tell where a row lies."""
    return replace(schema, columns=(*schema.columns, *keyset.extra))


def _select(schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int) -> str:
    return select(schema, where=where, order_by=keyset.names, limit=rows, index=keyset.index)


def _dated(schema: TableSchema, keyset: Keyset, position: Position) -> Position:
    """Return a position; refuse one that is none, as a date of it is not in the calendar."""
    if None in position:
        raise DataError(
            f"{schema.named}: a row whose {', '.join(keyset.names)} holds a date that the "
            "calendar does not have ends a piece of the table, so that the next cannot be found; mend such rows, or "
            "set `zero_dates: text` where the date is in the key, or a larger `chunk_rows`"
        )
    return position


def _unsteady(schema: TableSchema, what: str, remedy: str) -> DataError:
    return DataError(
        f"{schema.named}: it is read in pieces along its key, and {what}; a `filter` must "
        f"select the same rows each time that the server is asked (no RAND(), no NOW()); mend it, or set {remedy}"
    )
