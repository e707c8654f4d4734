"""What lies in the parts of the lake, read back: batches of rows, and single values for an error's text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from aurora_dwh.handoff import Manifest
from aurora_dwh.lake import csv_parts
from aurora_dwh.lake.parquet import own_columns

if TYPE_CHECKING:
    import pyarrow as pa


def batches(client: Any, bucket: str, manifest: Manifest, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a day's rows; a part lies on local disk while it is read.

    Args:
        client: A boto3 S3 client.
        bucket: The lake's bucket.
        manifest: The day.
        schema: Which columns; of CSV files they must be all, the product's own among them.
    """
    import pyarrow.parquet as pq

    for part in manifest.parts:
        with _fetched(client, bucket, part.url) as file:
            if manifest.files == "csv":
                yield from csv_parts.batches(file, schema)
            else:
                yield from pq.ParquetFile(file).iter_batches(columns=schema.names)


def value(client: Any, bucket: str, manifest: Manifest, url: str, row: int, column: str) -> str | None:
    """Return one value of a part as text, None where the part, row or column cannot be read.

    Args:
        client: A boto3 S3 client.
        bucket: The lake's bucket.
        manifest: The day that the part is of.
        url: The part's address.
        row: The row of a Parquet file, the line at which the row begins of a CSV file, counted from 1.
        column: The column's name in the lake.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from botocore.exceptions import ClientError

    try:
        with _fetched(client, bucket, url) as file:
            if manifest.files == "csv":
                return csv_parts.value(file, row, own_columns(manifest.schema.arrow_schema).names.index(column))
            return str(pq.read_table(file, columns=[column]).column(column)[row - 1].as_py())
    except (ClientError, ValueError, KeyError, IndexError, csv.Error, pa.ArrowException):
        return None


@contextmanager
def _fetched(client: Any, bucket: str, url: str) -> Iterator[IO[bytes]]:
    with TemporaryFile(prefix="aurora-dwh-") as file:
        client.download_fileobj(bucket, url.removeprefix(f"s3://{bucket}/"), file)
        file.seek(0)
        yield file
