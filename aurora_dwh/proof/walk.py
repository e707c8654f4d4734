"""The source's side: each row is read once, as its key, its digest and its cursor, in pieces along the primary key.

Each piece is a short statement of its own; no snapshot is held over the table, so that nothing of the source waits for
a proof. What changes meanwhile is what the second look is for. A table without a primary key that can be walked is read
by one statement.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from aurora_dwh.core.models import DataError, Extract, Window
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.proof.digest import AURORA, DIGEST_DIGITS, Dialect, carried, comparable
from aurora_dwh.proof.pace import FIRST_ROWS, Pace
from aurora_dwh.proof.subject import Subject
from aurora_dwh.source.connection import execute
from aurora_dwh.source.keyset import Keyset, Position, primary_keyset
from aurora_dwh.source.plans import sorts
from aurora_dwh.source.quoting import identifier
from aurora_dwh.source.reader import read
from aurora_dwh.source.statement import select
from aurora_dwh.source.wire.decode import as_array

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.core.rules import Rules

DIGEST = "_dwh_digest"
"""The column of a row's digest."""

_ROOM = 500
"""Bytes of a statement that say where a piece begins."""

_BLOCK_BYTES = 128 * 1024
"""Bytes that are decoded at once: the server takes longer for a row than we do, so that more only takes memory."""

_PLACE = "_dwh_place_{}"
"""The columns that tell where a piece ended, where they are not read anyway."""


@dataclass(frozen=True)
class Walk:
    """One reading of a table's keys and digests."""

    pace: Pace  # how it goes
    subject: Subject  # what is compared
    dialect: Dialect = AURORA  # how the source makes a row's digest

    def extract(self, at: datetime, rules: Rules | None) -> Extract:
        """Return the rows, read as their batches are taken; they show the source at `at` (UTC) at the least."""
        return Extract(self.schema, Window(at.date(), None, at), at, self.batches(), rules=rules)

    @property
    def schema(self) -> TableSchema:
        """What the walk gives: the key's columns, the cursor, the digest of a row, and what is carried of it."""
        return self._with(Column(DIGEST, "bigint", "bigint", nullable=False))

    @property
    def _read(self) -> TableSchema:
        """What is read for it, in which the digest is its digits."""
        expression = self.dialect.digest(comparable(self.subject.schema)).replace("{", "{{").replace("}", "}}")
        kind = f"varchar({DIGEST_DIGITS})"
        return self._with(
            Column(DIGEST, "varchar", kind, nullable=False, length=DIGEST_DIGITS, charset="ascii", read_as=expression)
        )

    def _with(self, digest: Column) -> TableSchema:
        compared = self.subject.schema
        columns = {c.name: c for c in (*self.subject.key, self.subject.cursor) if c}
        return replace(compared, columns=(*columns.values(), digest, *map(_fitting, carried(compared))))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, and empty batches while one waits.

        Raises:
            DataError: The server refuses a statement, or cannot make a row's digest.
            SourceError: The server or the connection failed, or was too busy for too long.
        """
        given = self.schema.arrow_schema
        names = given.names
        self._check_length()
        keyset = self._keyset()
        limit, last = self.pace.first, None
        while True:
            yield from self._pauses(self.pace.rest())
            taken, position, started = 0, None, monotonic()
            schema, statement = self._statement(keyset, last, limit)
            for batch in read(self.pace.connection, statement, schema, block_bytes=_BLOCK_BYTES):
                self._check(batch)
                taken += batch.num_rows
                position = self._position(keyset, batch) if keyset else None
                self.pace.throttle.took(batch.num_rows)
                yield _numbered(batch.select(names), given)
                if keyset is None:
                    yield from self._pauses(self.pace.throttle.rest(is_between_selects=False))
            self.pace.note(taken, took := monotonic() - started)
            if keyset is None or position is None or taken < limit:
                return
            if position == last:
                raise DataError(f"table {self.subject.schema.table}: the piece behind {position} ends where it began")
            last = position
            limit = self.pace.next(limit, took)

    def _pauses(self, waits: Iterator[None]) -> Iterator[pa.RecordBatch]:
        """Yield an empty batch for each wait."""
        import pyarrow as pa

        return (pa.RecordBatch.from_pylist([], schema=self.schema.arrow_schema) for _ in waits)

    def _keyset(self) -> Keyset | None:
        # The rows of a day are found by an index on the cursor, and read at once.
        keyset = None if self.subject.day_there else primary_keyset(self.subject.source)
        statement = self._statement(keyset, None, FIRST_ROWS)[1]
        return None if keyset and sorts(self.pace.connection, statement, self.subject.source) else keyset

    def _statement(self, keyset: Keyset | None, last: Position | None, limit: int) -> tuple[TableSchema, str]:
        """Return a piece's columns and its SELECT."""
        schema, where = self._read, list(self.subject.walked)
        if keyset is None:
            return schema, select(schema, where=where)
        more = (place for place in self._places(keyset) if place not in schema.columns)
        located = replace(schema, columns=(*schema.columns, *more))
        where += [keyset.behind(last)] if last else []
        return located, select(located, where=where, order_by=keyset.names, limit=limit, index=keyset.index)

    def _places(self, keyset: Keyset) -> list[Column]:
        """Return the columns of the index's exact values: those that are read anyway, else under names of their own."""
        known = self._read.columns
        return [
            exact if exact in known else _renamed(exact, column, _PLACE.format(number))
            for number, (exact, column) in enumerate(zip(keyset.exact, keyset.columns, strict=True))
        ]

    def _position(self, keyset: Keyset, batch: pa.RecordBatch) -> Position:
        schema = self.subject.schema
        position = tuple(batch.column(column.target_name)[-1].as_py() for column in self._places(keyset))
        if None in position:
            raise DataError(
                f"{schema.named}: a row whose {', '.join(keyset.names)} holds a date that the "
                "calendar does not have ends a piece of the table, so that the next cannot be found; mend such rows"
            )
        return position

    def _check_length(self) -> None:
        """Refuse a statement that the server would end the session for."""
        ((most,),) = execute(self.pace.connection, "SELECT @@max_allowed_packet")
        size = len(select(self._read, where=self.subject.walked).encode())
        if size + _ROOM >= int(most):
            raise DataError(
                f"table {self.subject.schema.table}: the statement that makes a row's digest has {size:,} bytes, and "
                f"the server's max_allowed_packet takes {int(most):,}; raise that, or leave columns out with `exclude`"
            )

    def _check(self, batch: pa.RecordBatch) -> None:
        if batch.column(DIGEST).null_count:
            raise DataError(
                f"table {self.subject.schema.table}: the server made no digest of a row, whose values together are "
                "longer than its max_allowed_packet; raise that, or leave wide columns out with `exclude`"
            )


def _numbered(batch: pa.RecordBatch, given: pa.Schema) -> pa.RecordBatch:
    """Return rows with their digests as numbers instead of digits."""
    import numpy as np
    import pyarrow as pa

    digits = batch.column(DIGEST)
    _, offsets, data = digits.buffers()
    start = np.frombuffer(offsets, np.int32)[digits.offset] if len(digits) else 0
    letters = data[start : start + len(digits) * DIGEST_DIGITS] if data else b""
    padded = np.zeros((len(digits), 8), np.uint8)
    padded[:, -(DIGEST_DIGITS // 2) :] = np.frombuffer(unhexlify(letters), np.uint8).reshape(-1, DIGEST_DIGITS // 2)
    signed = padded.view(">i8")[:, 0].astype(np.int64)
    numbers = as_array(signed, None, pa.int64())
    columns = [numbers if name == DIGEST else batch.column(name) for name in given.names]
    return pa.RecordBatch.from_arrays(columns, schema=given)


def _renamed(exact: Column, column: Column, name: str) -> Column:
    braced = identifier(column.name).replace("{", "{{").replace("}", "}}")
    return replace(exact, name=name, renamed=None, read_as=braced if exact.read_as == "{0}" else exact.read_as)


def _fitting(column: Column) -> Column:
    """Return a column of documents as texts, without those that Redshift has no room for, which cannot be equal."""
    if column.keyed:
        return column
    return column.reading(f"CASE WHEN LENGTH(CAST({{0}} AS CHAR)) <= {column.byte_limit} THEN {{0}} END")
