"""What lies in the parts of the lake, read back: batches of rows, and single values for an error's text."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from aurora_dwh.core.disk import local_disk
from aurora_dwh.core.models import Manifest, Part
from aurora_dwh.lake import csv_parts
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.parquet import DAY, own_columns
from aurora_dwh.lake.remote import Remote

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLED_PARTS = 4
_SAMPLED_GROUPS = 3
"""Of how many parts a sample is, and of how many row groups of each."""

_ONE_REQUEST = 1024 * 1024
"""Up to how many bytes a part is fetched at once where a little of it is wanted: asking twice takes longer."""


def batches(client: Any, layout: Layout, manifest: Manifest, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a day's rows with some columns; a part lies on local disk while it is read.

    Of CSV files the columns must be all, the product's own among them.
    """
    import pyarrow.parquet as pq

    for part in manifest.parts:
        with _fetched(client, layout, part.url) as file:
            if manifest.files == "csv":
                found = csv_parts.batches(file, schema)
            else:
                found = pq.ParquetFile(file).iter_batches(columns=schema.names)
            yield from found if manifest.written_day == manifest.day else (_of_day(batch, manifest) for batch in found)


def reader(client: Any, layout: Layout, manifests: Sequence[Manifest]) -> pa.RecordBatchReader:
    """Return the rows of days, a batch at a time: with the columns of all of them, NULL where a day lacks one."""
    import pyarrow as pa

    schemas = [own_columns(manifest.schema.arrow_schema) for manifest in manifests]
    whole = merged(schemas)

    def rows() -> Iterator[pa.RecordBatch]:
        for manifest, schema in zip(manifests, schemas, strict=True):
            for batch in batches(client, layout, manifest, schema):
                tables = [whole.empty_table(), pa.Table.from_batches([batch])]
                yield from pa.concat_tables(tables, promote_options="permissive").to_batches()

    return pa.RecordBatchReader.from_batches(whole, rows())


def merged(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return a schema with the columns of all, each of a type that holds the values of each; the product's own last."""
    import pyarrow as pa

    if not schemas:
        return pa.schema([])
    found = pa.unify_schemas(schemas, promote_options="permissive")
    own = own_columns(pa.schema([])).names
    return pa.schema(sorted(found, key=lambda field: field.name in own))


def _of_day(batch: pa.RecordBatch, manifest: Manifest) -> pa.RecordBatch:
    """Return rows that another day wrote as those of the manifest's day."""
    import pyarrow as pa

    place = batch.schema.get_field_index(DAY)
    if place < 0:
        return batch
    day = pa.repeat(pa.scalar(manifest.day, pa.date32()), batch.num_rows)
    return batch.set_column(place, batch.schema.field(place), day)


def value(client: Any, layout: Layout, manifest: Manifest, url: str, row: int, column: str) -> str | None:
    """Return one value of a part as text, by its row or CSV line from 1; None where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from botocore.exceptions import ClientError

    try:
        with _fetched(client, layout, url) as file:
            if manifest.files == "csv":
                return csv_parts.value(file, row, own_columns(manifest.schema.arrow_schema).names.index(column))
            return str(pq.read_table(file, columns=[column]).column(column)[row - 1].as_py())
    except (ClientError, ValueError, KeyError, IndexError, csv.Error, pa.ArrowException):
        return None


def sample(client: Any, layout: Layout, manifest: Manifest, columns: Sequence[str], rows: int) -> list[tuple[Any, ...]]:
    """Return the values of some columns in about so many rows of a day, spread over its parts; little of them is read.

    Nothing is returned where the day's files lack one of the columns, or have something else in its place.
    """
    as_they_are = {column.target_name for column in manifest.schema.columns if column.read_as == "{0}"}
    if not as_they_are.issuperset(columns):
        return []
    parts = _spread(manifest.parts, _SAMPLED_PARTS)
    each = -(-rows // max(1, len(parts)))
    read = _csv_rows if manifest.files == "csv" else _parquet_rows
    return [row for part in parts for row in read(client, layout, manifest, part, columns, each)]


def head(client: Any, layout: Layout, manifest: Manifest, columns: Sequence[str], rows: int) -> list[tuple[Any, ...]]:
    """Return at most so many first rows of a day; no more than a row group is fetched of it."""
    import pyarrow.parquet as pq

    if not manifest.parts or not columns:
        return []
    part = manifest.parts[0]
    if manifest.files == "csv":
        return _csv_rows(client, layout, manifest, part, columns, rows)
    key = layout.key(part.url)
    opened: Any = Remote(client, layout.bucket, key, part.size)
    if part.size <= _ONE_REQUEST:
        opened = BytesIO(client.get_object(Bucket=layout.bucket, Key=key)["Body"].read())
    with pq.ParquetFile(opened, pre_buffer=True) as file:
        found = file.read_row_group(0, columns=list(columns)).slice(0, rows)
    return _tuples(found, columns)


def _parquet_rows(
    client: Any, layout: Layout, manifest: Manifest, part: Part, columns: Sequence[str], rows: int
) -> list[tuple[Any, ...]]:
    """Return rows from the beginning, the middle and the end of a part, of which only these columns are fetched."""
    import pyarrow.parquet as pq

    key = layout.key(part.url)
    with pq.ParquetFile(Remote(client, layout.bucket, key, part.size)) as file:
        groups = _spread(range(file.num_row_groups), _SAMPLED_GROUPS)
        found = file.read_row_groups(groups, columns=list(columns))
    return _tuples(found.take(_spread(range(found.num_rows), rows)), columns)


def _tuples(table: pa.Table, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def _csv_rows(
    client: Any, layout: Layout, manifest: Manifest, part: Part, columns: Sequence[str], rows: int
) -> list[tuple[Any, ...]]:
    """Return the first rows of a part, with MySQL's own texts as values."""
    kinds = {column.target_name: column.arrow_type for column in manifest.schema.columns}
    places = [list(kinds).index(name) for name in columns]
    body = client.get_object(Bucket=layout.bucket, Key=layout.key(part.url))["Body"]
    try:
        first = islice(csv_parts.records(csv_parts.Stream(body)), rows)
        return [tuple(csv_parts.parsed(fields[at], kinds[name]) for at, name in zip(places, columns, strict=True))
                for _, fields in first]  # fmt: skip
    finally:
        body.close()


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many of the items, from their whole length."""
    step = (len(items) - 1) / max(1, most - 1)
    return [items[round(n * step)] for n in range(most)] if len(items) > most else [*items]


@contextmanager
def _fetched(client: Any, layout: Layout, url: str) -> Iterator[IO[bytes]]:
    with TemporaryFile(prefix="aurora-dwh-") as file:
        with local_disk():
            client.download_fileobj(layout.bucket, layout.key(url), file)
            file.seek(0)
        yield file
