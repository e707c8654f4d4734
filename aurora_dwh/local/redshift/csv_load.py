"""CSV into a table, as Aurora exports it: files cut into fields, fields into rows for PostgreSQL.

Belongs here: quoting, line numbers, the sentinel for NULL, bad rows. Does not belong here: converting one field
(``csv_values``), options, recording failures.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import IO, Any, cast

from aurora_dwh.local.redshift.copy_options import CopyOptions
from aurora_dwh.local.redshift.csv_values import converters
from aurora_dwh.local.redshift.load_target import LoadError, TableColumn, Target

CHUNK_BYTES = 1 << 18
MAX_FIELD = 16 * 1024 * 1024
_UNDECODED = re.compile("[\udc80-\udcff]")


class CsvLoad:
    """Reads the CSV files of one COPY.

    Args:
        options: the COPY.
        target: its table.
        defaults: column name -> value that takes the place of NULL in a NOT NULL column with a default.
    """

    def __init__(self, options: CopyOptions, target: Target, defaults: dict[str, str]) -> None:
        self._columns = target.columns
        self._converters = converters(target.columns)
        self._defaults = defaults
        self._null = options.text("NULL", r"\N")

    def chunks(self, body: IO[bytes]) -> Iterator[bytes]:
        """Yields the rows of one file as CSV, some hundred kilobytes at a time.

        Raises:
            LoadError: for the first bad row.
        """
        out: list[str] = []
        size = 0
        for line, fields in self._records(body):
            try:
                row = self._row(fields)
            except LoadError as failure:
                failure.line = line
                raise
            out.append(row)
            size += len(row)
            if size > CHUNK_BYTES:
                yield "".join(out).encode()
                out, size = [], 0
        if out:
            yield "".join(out).encode()

    def _records(self, body: IO[bytes]) -> Iterator[tuple[int, list[str | None]]]:
        """The lines with their numbers, from 1; a quoted field may hold newlines."""
        csv.field_size_limit(MAX_FIELD)
        # undecodable bytes come through as lone surrogates, so that the row and column at fault can be named
        buffered = io.BufferedReader(cast(Any, _Readable(body)), CHUNK_BYTES)
        reader = csv.reader(io.TextIOWrapper(buffered, encoding="utf-8", errors="surrogateescape", newline=""))
        line = 1
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:  # before Python 3.11, a NUL byte among others
                raise LoadError(1216, f"Invalid line: {error}", line=line) from error
            if row is None:
                return
            yield line, [None if value == self._null else value for value in row]
            line = reader.line_num + 1

    def _row(self, fields: list[str | None]) -> str:
        have, want = len(fields), len(self._columns)
        if have > want:
            raise LoadError(1202, "Extra column(s) found", value=str(fields[want]))
        if have < want:
            raise LoadError(1214, "Delimiter not found", self._columns[have])
        values = zip(self._columns, self._converters, fields, strict=True)
        return ",".join(self._field(column, convert, value) for column, convert, value in values) + "\n"

    def _field(self, column: TableColumn, convert: Any, value: str | None) -> str:
        text = value
        if value is not None:
            if not value.isascii() and _UNDECODED.search(value):
                raise LoadError(
                    1220, "String contains invalid or unsupported UTF8 codepoints", column, value=ascii(value)
                )
            if "\0" in value:
                raise LoadError(1216, "Invalid null byte in the field", column, value=value.replace("\0", "\\0"))
            text = convert(value)
        if text is None and column.not_null:
            text = self._defaults.get(column.name)
            if text is None:
                raise LoadError(1213, "Missing data for not-null field", column)
        return "" if text is None else '"{}"'.format(text.replace('"', '""'))


class _Readable(io.RawIOBase):
    """A raw stream over anything with ``read``: botocore's bodies are not quite files."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
