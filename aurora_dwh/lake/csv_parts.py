"""CSV parts, which Aurora wrote: their rows as Arrow, and single values, by what `source.outfile` writes into a field.

A field that equals `CSV_NULL` is NULL; bytes are hexadecimal behind `CSV_BYTES_LEAD`; all else is MySQL's own text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from aurora_dwh.core.schema import CSV_BYTES_LEAD, CSV_NULL

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 32 * 1024 * 1024
"""Bytes that are made rows of at a time; a row must fit into them."""

_FIELD_BYTES = 128 * 1024 * 1024


def batches(file: IO[bytes], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part.

    Raises:
        pa.ArrowInvalid: A field is not of its column's type, or a row has another number of fields.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if not file.read(1):
        return
    file.seek(0)
    as_text = {f.name: pa.string() if pa.types.is_binary(f.type) else f.type for f in schema}
    reader = arrow_csv.open_csv(
        file,
        arrow_csv.ReadOptions(column_names=schema.names, block_size=BLOCK_BYTES),
        arrow_csv.ParseOptions(newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=as_text,
            null_values=[CSV_NULL],
            strings_can_be_null=True,
            true_values=["1"],
            false_values=["0"],
        ),
    )
    for batch in reader:
        columns = [
            _bytes(values) if pa.types.is_binary(field.type) else values
            for field, values in zip(schema, batch.columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _bytes(texts: pa.Array) -> pa.Array:
    import pyarrow as pa

    lead = len(CSV_BYTES_LEAD)
    return pa.array([None if t is None else bytes.fromhex(t[lead:]) for t in texts.to_pylist()], pa.binary())


def parsed(field: str, kind: pa.DataType) -> str | bytes | None:
    """Return a field's value, which is MySQL's own text of it but for bytes and NULL."""
    import pyarrow as pa

    if field == CSV_NULL:
        return None
    return bytes.fromhex(field[len(CSV_BYTES_LEAD) :]) if pa.types.is_binary(kind) else field


def records(file: IO[bytes] | Stream) -> Iterator[tuple[int, list[str]]]:
    """Yield the line, from 1, at which each row of a part begins, and the row's fields.

    Raises:
        csv.Error: The bytes are no CSV.
        UnicodeDecodeError: The bytes are no UTF-8.
    """
    csv.field_size_limit(_FIELD_BYTES)
    buffered = io.BufferedReader(file) if isinstance(file, Stream) else file
    reader = csv.reader(io.TextIOWrapper(buffered, encoding="utf-8", newline=""), strict=True)
    line = 1
    for fields in reader:
        yield line, fields
        line = reader.line_num + 1


class Stream(io.RawIOBase):
    """A file over the body of an answer of S3, which is read as far as it is asked for."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as `io.RawIOBase` wants it."""
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def value(file: IO[bytes], line: int, column: int) -> str:
    """Return one field, by the line from 1 at which its row begins, and its place from 0.

    Raises:
        IndexError: The part has no such row or field; else as `records`.
    """
    fields = next((fields for at, fields in records(file) if at >= line), [])
    return fields[column]
