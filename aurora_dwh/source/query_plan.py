"""One reading of a table: which SELECTs it takes, and its rows, with every failure told by the days that it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aurora_dwh.core.models import DataError, SourceCount
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source.chunks import CHUNK_ROWS, Read, first_chunk, read_in_chunks
from aurora_dwh.source.connection import Connection, SourceError
from aurora_dwh.source.counting import check_count
from aurora_dwh.source.keyset import Keyset
from aurora_dwh.source.statement import select
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.value_policies import is_key, remedy

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.catalog.model import Table
    from aurora_dwh.source.reader import Changed, ZeroDates
    from aurora_dwh.source.wire.dates import Mask

_SOON_COUNTED = 10_000
"""Rows that a server counts within a millisecond."""


@dataclass(frozen=True)
class Reading:
    """What is read of a table."""

    table: Table  # the table as in the catalog
    schema: TableSchema  # the selected columns
    where: tuple[str, ...]  # conditions that the rows meet
    named: str  # the days, as errors name them
    keyset: Keyset | None = None  # the index that it is read along in pieces; None where it is one SELECT
    is_short: bool = False  # whether the server said that it goes through few rows, so that it counts them as cheaply
    connections: int = 1  # how many sessions read at once; of a range, by how many the whole is read

    @property
    def statement(self) -> str:
        """The SELECT of the rows; of the first piece of them, where there are several."""
        if self.keyset:
            return first_chunk(self.schema, self.where, self.keyset, self._chunk_rows)
        return select(self.schema, where=self.where)

    def rows(
        self, connection: Connection, throttle: Throttle, changed: Changed, counted: SourceCount
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows as they are in the source, and empty batches where one waits; compare their number at the end.

        Args:
            changed: Told which values were made NULL, as `reader.read` tells it.
            counted: Told how many rows the source counts.

        Raises:
            DataError: A value or the statement is not as it must be.
            SourceError: The server or the connection failed, or the server counts other rows.
            GaveWay: The server stays too busy.
        """
        from aurora_dwh.source.reader import read

        zero_dates: ZeroDates = "fail" if self.table.zero_dates == "fail" else "null"
        dated = {
            c.target_name: remedy(c, "zero_date", self.table) for c in self.schema.columns if is_key(c, self.table)
        }
        read_one = partial(read, connection, zero_dates=zero_dates, keys=dated, changed=changed)
        rows = 0
        try:
            for batch in self._batches(connection, read_one, throttle):
                rows += batch.num_rows
                yield batch
            if rows > _SOON_COUNTED:
                counted.given = rows
                yield self._nothing  # so that what was given is written meanwhile
            check_count(connection, self.schema, self.where, rows, counted, is_cheap=self.is_short)
        except DataError as error:
            raise DataError(f"{self.named}: {error}") from error
        except SourceError as error:
            kept = f"{rows:,} rows had been read, of which nothing is kept" if rows else "no row had been read"
            if self.connections > 1:
                kept = "nothing of what had been read is kept"
            raise SourceError(f"{self.named}: {error}; {kept}; run it again") from error

    def fitted(
        self, batches: Iterable[pa.RecordBatch], converted: Counter[tuple[str, str]]
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows with every value as Redshift can hold it, and count what was changed.

        Raises:
            DataError: A value does not fit and its policy is `fail`.
        """
        from aurora_dwh.source.value_fitting import fit

        for batch in batches:
            try:
                yield fit(batch, self.schema, self.table, converted)
            except DataError as error:
                raise DataError(f"{self.named}: {error}") from error

    def _batches(self, connection: Connection, read_one: Read, throttle: Throttle) -> Iterator[pa.RecordBatch]:
        def rest(*, is_between_selects: bool) -> Iterator[pa.RecordBatch]:
            waits = throttle.rest(is_between_selects=is_between_selects, connection=connection)
            return (self._nothing for _ in waits)

        between = partial(rest, is_between_selects=True)
        yield from between()
        if self.keyset:
            batches = read_in_chunks(read_one, self.schema, self.where, self.keyset, self._chunk_rows, between)
        else:
            batches = read_one(self.statement, schema=self.schema)
        for batch in batches:
            throttle.took(batch.num_rows)
            yield batch
            if self.keyset is None:
                yield from rest(is_between_selects=False)

    @property
    def _nothing(self) -> pa.RecordBatch:
        """A batch of no rows."""
        import pyarrow as pa

        return pa.RecordBatch.from_pylist([], schema=self.schema.arrow_schema)

    @property
    def _chunk_rows(self) -> int:
        """The most rows of a piece: under a ceiling those of a second, so that no wait is longer."""
        ceiling = self.table.max_rows_per_second or CHUNK_ROWS
        return min(self.table.chunk_rows or CHUNK_ROWS, max(1, ceiling // self.connections))


def count_changed(converted: Counter[tuple[str, str]], column: str, reason: str, mask: Mask) -> None:
    """Count values that were made NULL, as `reader.read` tells of them, by column and reason."""
    converted[column, reason] += int(mask.sum())
