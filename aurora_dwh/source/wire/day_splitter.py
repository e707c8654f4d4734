"""The rows of one scan, parted by day: what a range of days costs where no index finds the rows of a single one.

The scan brings rows of any day in any order, and days are written one after the other, so the rows wait on local disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aurora_dwh.core.disk import local_disk
from aurora_dwh.source.wire.dates import Mask

if TYPE_CHECKING:
    from aurora_dwh.source.cursor import Span

GATHERED_BYTES = 64 * 1024 * 1024
"""Bytes of rows that are held in memory before they go to disk."""


@dataclass
class _Day:
    file: Path
    rows: int = 0
    gathered: list[pa.RecordBatch] = field(default_factory=list)
    converted: Counter[tuple[str, str]] = field(default_factory=Counter)


class Split:
    """Takes the batches of a scan and gives them back day by day; the disk space is freed at the end of the context.

    Args:
        schema: The rows' columns.
        cursor: The column that says which day a row is of: a date, or a timestamp.
        spans: The days' ranges; they may overlap, and a row is then of several days. The first one takes the rows whose
            cursor is NULL, among which are those whose date has a part of zero.
    """

    def __init__(self, schema: pa.Schema, cursor: str, spans: Sequence[Span]) -> None:
        self._schema = schema
        self._cursor = schema.get_field_index(cursor)
        kind = schema.field(self._cursor).type
        every = np.iinfo(np.int64)
        self._starts = np.array([every.min if s.start is None else _number(s.start, kind) for s in spans])
        self._ends = np.array([every.max if s.end is None else _number(s.end, kind) for s in spans])
        with local_disk():
            self._folder = TemporaryDirectory(prefix="aurora-dwh-")
        self._days = {s.day: _Day(Path(self._folder.name, f"{s.day}.arrows")) for s in spans}
        self._first = spans[0].day
        self._size = 0

    def __enter__(self) -> Split:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, batch: pa.RecordBatch, changed: Mapping[tuple[str, str], Mask]) -> None:
        """Take rows.

        Args:
            batch: The rows.
            changed: `(column, reason) -> ` which of them had a value that was made NULL.

        Raises:
            DiskFullError: The disk has no room for them.
        """
        cursor = batch.column(self._cursor)
        valid = cursor.is_valid().to_numpy(zero_copy_only=False)
        numbers = pc.fill_null(_numbers(cursor), 0).to_numpy()
        order = np.flatnonzero(valid)
        order = order[np.argsort(numbers[order], kind="stable")]
        lows, highs = (np.searchsorted(numbers[order], limits) for limits in (self._starts, self._ends))
        for (day, taken), low, high in zip(self._days.items(), lows, highs, strict=True):
            rows = order[low:high]
            if day == self._first:
                rows = np.concatenate([rows, np.flatnonzero(~valid)])
            if rows.size:
                taken.rows += rows.size
                taken.gathered.append(batch.take(pa.array(rows)))
                taken.converted.update({what: int(mask[rows].sum()) for what, mask in changed.items()})
                self._size += taken.gathered[-1].nbytes
        if self._size >= GATHERED_BYTES:
            self._write()

    def rows(self, day: date) -> Iterator[pa.RecordBatch]:
        """Yield a day's rows, once all have been taken."""
        taken = self._days[day]
        if taken.file.exists():
            with pa.OSFile(str(taken.file)) as file:
                while file.tell() < file.size():
                    yield from pa.ipc.open_stream(file)
        yield from taken.gathered

    def count(self, day: date) -> int:
        """Return how many rows a day has, once all have been taken."""
        return self._days[day].rows

    def converted(self, day: date) -> Counter[tuple[str, str]]:
        """Return how many values of a day's rows were made NULL, by column and reason."""
        return +self._days[day].converted

    def _write(self) -> None:
        """Append what is gathered of each day to its file, as a stream of its own: no file stays open."""
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for day in self._days.values():
            if day.gathered:
                with (
                    local_disk(),
                    day.file.open("ab") as file,
                    pa.ipc.new_stream(file, self._schema, options=options) as stream,
                ):
                    stream.write_table(pa.Table.from_batches(day.gathered).combine_chunks())
                day.gathered = []
        self._size = 0


def _numbers(values: pa.Array) -> pa.Array:
    """Return dates as days, and timestamps as their own units, since 1970."""
    return values.cast(pa.int32() if pa.types.is_date(values.type) else pa.int64()).cast(pa.int64())


def _number(bound: date, kind: pa.DataType) -> int:
    number: int = _numbers(pa.array([bound], kind))[0].as_py()
    return number
