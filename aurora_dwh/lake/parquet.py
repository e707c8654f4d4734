"""Rows into Parquet parts: row groups of a fair size, files of a size that Redshift splits well.

Redshift's COPY divides Parquet files of 128 MiB and more by itself (Amazon Redshift Developer Guide, "Loading data
files"); pages are version 1.0 without DELTA encodings, which older Parquet readers refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from aurora_dwh.core.models import Extract
from aurora_dwh.core.prefetch import prefetch
from aurora_dwh.core.waiting import tidy
from aurora_dwh.lake.upload import S3Upload

if TYPE_CHECKING:
    import pyarrow as pa

PART_BYTES = 128 * 1024 * 1024
"""A part is closed when it has reached this size."""

ROW_GROUP_BYTES = 4 * 1024 * 1024
"""Arrow bytes that are gathered before a row group is written; they bound the memory of the writer."""

FEWEST_GROUPS = 4
"""Row groups of a full part at the least, so that a small part takes little memory to make."""

DICTIONARY_BYTES = 64 * 1024
"""A column's dictionary stops growing here: where values hardly repeat, a large one costs time, memory and room."""

REPEATED = 100
"""How often a text must occur on the average before its column gets a dictionary."""

FORMAT: Final[dict[str, Any]] = {
    # Half the size of snappy at its lowest level, for about the same time; COPY reads the codec from the pages.
    "compression": "zstd",
    "compression_level": 1,
    "version": "1.0",
    "data_page_version": "1.0",
    "dictionary_pagesize_limit": DICTIONARY_BYTES,
}

DAY = "_dwh_day"
"""The column that says which day a row was read for."""

_BATCHES_AHEAD = 2
"""Batches of about two megabytes that are read while a row group is written."""


def own_columns(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a part: the source's columns, then the product's own."""
    import pyarrow as pa

    return schema.append(pa.field(DAY, pa.date32())).append(pa.field("_dwh_loaded_at", pa.timestamp("us")))


def write_parts(
    extract: Extract, open_part: Callable[[int], S3Upload], part_bytes: int | None = None
) -> list[tuple[int, int]]:
    """Write an extract's rows into as many parts as they need, none where there are no rows.

    Args:
        extract: The rows; they are read once.
        open_part: Opens part number n, counted from 0.
        part_bytes: When a part is closed, and the most that is gathered before; None stands for `PART_BYTES`.

    Returns:
        Bytes and rows of each part.
    """
    import pyarrow.parquet as pq

    schema = own_columns(extract.schema.arrow_schema)
    written: list[tuple[int, int]] = []
    part_bytes = part_bytes or PART_BYTES
    groups = _row_groups(extract, schema, min(ROW_GROUP_BYTES, part_bytes // FEWEST_GROUPS))
    group = next(groups)
    while group is not None:
        sink = open_part(len(written))
        rows = 0
        with _aborted(sink):
            # The writer's end is within the upload's, but it would write into it after an error too.
            with pq.ParquetWriter(sink, schema, **FORMAT, **_by_column(group)) as writer, _aborted(sink):
                while group is not None and sink.tell() < part_bytes:
                    writer.write_table(group, row_group_size=group.num_rows)
                    rows += group.num_rows
                    group = next(groups)
            size = sink.tell()
            if group is None:
                sink.send_rest()
                _end(groups)
            sink.close()
        written.append((size, rows))
    _end(groups)
    return written


def _end(groups: Iterator[pa.Table | None]) -> None:
    """Wait until the source has said that what it gave is all that it has; there is no object before."""
    if next(groups, None) is not None:
        raise RuntimeError("rows follow the end of the rows")


@contextmanager
def _aborted(sink: S3Upload) -> Iterator[None]:
    """Give an upload up where an error ends the work on it."""
    try:
        yield
    except BaseException as error:
        tidy(sink.abort, error)
        raise


def _by_column(group: pa.Table) -> dict[str, list[str]]:
    """Return the options that differ by column, as the first row group of a part suggests them.

    A dictionary is made where texts repeat often: for other columns the codec finds what repeats sooner, and leaves as
    few bytes. The least and the greatest value, by which readers skip row groups, are told of numbers and times: those
    of texts and decimals are compared byte by byte, which takes longer than compressing them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [field.name for field in group.schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    return {
        "use_dictionary": [name for name in texts if pc.count_distinct(group[name]).as_py() * REPEATED <= len(group)],
        "write_statistics": [
            field.name for field in group.schema if field.name not in texts and not pa.types.is_decimal(field.type)
        ],
    }


def _row_groups(extract: Extract, schema: pa.Schema, group_bytes: int) -> Iterator[pa.Table | None]:
    """Gather batches into row groups, add the product's own columns, and end with a None, behind which an error may be.

    The None comes while the source counts what it gave, where it takes its time for that.
    """
    import pyarrow as pa

    gathered: list[pa.RecordBatch] = []
    taken, size, is_over = 0, 0, False

    def group() -> pa.Table:
        table = pa.Table.from_batches(gathered, schema=extract.schema.arrow_schema)
        day = pa.repeat(pa.scalar(extract.window.day, pa.date32()), table.num_rows)
        at = pa.repeat(pa.scalar(extract.snapshot_at.replace(tzinfo=None), pa.timestamp("us")), table.num_rows)
        return pa.Table.from_arrays([*table.columns, day, at], schema=schema)

    def rest() -> Iterator[pa.Table | None]:
        if gathered:
            yield group()
        yield None

    for batch in prefetch(extract.batches, room=_BATCHES_AHEAD, abandon=extract.abandon):
        if batch.num_rows:
            gathered.append(batch)
            taken, size = taken + batch.num_rows, size + batch.nbytes
        elif taken == extract.counted.given and not is_over:
            yield from rest()
            is_over = True
        if size >= group_bytes:
            yield group()
            gathered, size = [], 0
    if not is_over:
        yield from rest()
