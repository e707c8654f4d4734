"""Single rows of a table, read again by conditions on their key, with the columns and the policies of a day's rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from aurora_dwh.core.models import Extract, SourceCount, Window, utc_now
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source.connection import Connection, snapshot
from aurora_dwh.source.query_plan import Reading, count_changed
from aurora_dwh.source.throttle import Throttle

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.catalog.model import Table
    from aurora_dwh.core.rules import Rules


@contextmanager
def rows_by_key(
    connection: Connection,
    table: Table,
    schema: TableSchema,
    conditions: Sequence[str],
    throttle: Throttle,
    *,
    day: date,
    reached: datetime | None,
    rules: Rules,
) -> Iterator[Extract]:
    """Give the rows that meet one of some conditions, all of them as they were at one moment.

    Args:
        connection: A session on the source, used for nothing else meanwhile.
        conditions: The conditions, no two of which select the same row; each is a statement.
        day: The day that the rows are to be of.
        reached: How far the data of a replica reaches; None of another server.
        rules: What shapes the rows.

    Raises:
        DataError: A value cannot be copied as it is. The extract's batches raise the same, and SourceError.
    """
    own = (table.filter,) if table.filter is not None else ()
    begun_at = utc_now()
    with snapshot(connection) as now:
        at = now if reached is None else min(now, reached)
        converted: Counter[tuple[str, str]] = Counter()

        def batches() -> Iterator[pa.RecordBatch]:
            for condition in conditions:
                reading = Reading(table, schema, (condition, *own), "rows that differ")
                rows = reading.rows(connection, throttle, partial(count_changed, converted), SourceCount())
                yield from reading.fitted(rows, converted)

        yield Extract(schema, Window(day, None, at), at, batches(), converted, begun_at=begun_at, rules=rules)
