"""CSV, delimited text and JSON into a table: files cut into fields, fields into rows for PostgreSQL.

Belongs here: quoting, escaping, headers, compression, line numbers, bad rows. Does not belong here: converting one
field (``text_values``), options, recording failures.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import IO, Any, cast

import pyarrow as pa

from aurora_dwh.local.redshift.copy_options import CopyOptions
from aurora_dwh.local.redshift.errors import unsupported
from aurora_dwh.local.redshift.load_target import LoadError, Target
from aurora_dwh.local.redshift.sources import Source
from aurora_dwh.local.redshift.text_values import converters, is_character

CHUNK_BYTES = 1 << 18
JSON_OBJECT_BYTES = 4 * 1024 * 1024
MAX_FIELD = 16 * 1024 * 1024
_ENCODINGS = {"UTF8": "utf-8", "UTF16": "utf-16", "UTF16LE": "utf-16-le", "UTF16BE": "utf-16-be"}
_UNDECODED = re.compile("[\udc80-\udcff]")

Record = tuple[int, "list[str | None]"]


class TextLoad:
    """Reads the text files of one COPY.

    Args:
        options: the COPY.
        target: its table.
        defaults: column name -> value that takes the place of NULL in a NOT NULL column with a default.
        skip: told of every bad row; raises to end the load.
    """

    def __init__(
        self,
        options: CopyOptions,
        target: Target,
        defaults: dict[str, str],
        skip: Callable[[LoadError], None],
    ) -> None:
        self._options = options
        self._columns = target.columns
        self._converters = converters(target.columns, options)
        self._defaults = defaults
        self._skip = skip
        self._null = options.text("NULL", r"\N")
        self._replacement = options.text("ACCEPTINVCHARS", "") if options.flag("ACCEPTINVCHARS") else None

    def chunks(self, body: IO[bytes], source: Source) -> Iterator[bytes]:
        """Yields the rows of one file as CSV, some hundred kilobytes at a time.

        Raises:
            LoadError: from ``skip``, when there are too many bad rows.
        """
        out: list[str] = []
        size = 0
        for line, fields in self._records(self._decoded(body)):
            try:
                row = self._row(fields)
            except LoadError as failure:
                failure.line, failure.file = line, source.url
                self._skip(failure)
                continue
            out.append(row)
            size += len(row)
            if size > CHUNK_BYTES:
                yield "".join(out).encode()
                out, size = [], 0
        if out:
            yield "".join(out).encode()

    # -- bytes to text -------------------------------------------------------------------------------------------

    def _decoded(self, body: IO[bytes]) -> io.TextIOWrapper:
        raw: Any = body
        match self._options.compression:
            case "GZIP":
                raw = gzip.GzipFile(fileobj=body)
            case "BZIP2":
                raw = bz2.BZ2File(body)
            case "ZSTD":
                raw = pa.CompressedInputStream(pa.PythonFile(body, mode="r"), "zstd")
            case _:
                raw = body
        encoding = _ENCODINGS.get(self._options.text("ENCODING", "UTF8"), "utf-8")
        # undecodable bytes come through as lone surrogates, so that the row and column at fault can be named
        buffered = io.BufferedReader(cast(Any, _Readable(raw)), CHUNK_BYTES)
        return io.TextIOWrapper(buffered, encoding=encoding, errors="surrogateescape", newline="")

    # -- text to records -----------------------------------------------------------------------------------------

    def _records(self, text: io.TextIOWrapper) -> Iterator[Record]:
        if self._options.format == "JSON":
            yield from self._json(text)
            return
        header = self._options.number("IGNOREHEADER")
        for _ in range(header):
            text.readline()
        lines = self._csv(text) if self._options.format == "CSV" else self._delimited(text)
        for line, fields in lines:
            if fields or not self._options.flag("IGNOREBLANKLINES"):
                yield line + header, fields

    def _csv(self, text: io.TextIOWrapper) -> Iterator[Record]:
        csv.field_size_limit(MAX_FIELD)
        delimiter, quote = self._options.text("DELIMITER", ","), self._options.text("QUOTE", '"')
        reader = csv.reader(text, delimiter=delimiter, quotechar=quote, doublequote=True)
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

    def _delimited(self, text: io.TextIOWrapper) -> Iterator[Record]:
        delimiter, escape = self._options.text("DELIMITER", "|"), self._options.flag("ESCAPE")
        cut = re.compile(rf"(?:[^\\{re.escape(delimiter)}]|\\.)*\\?", re.DOTALL)
        for number, line in self._lines(text, escape=escape):
            if not line and self._options.flag("IGNOREBLANKLINES"):
                continue
            if not escape:
                yield number, [self._bare(field) for field in line.split(delimiter)]
                continue
            fields: list[str | None] = []
            position = 0
            while position <= len(line):
                found = cut.match(line, position)
                assert found is not None  # noqa: S101 - the pattern matches the empty string
                fields.append(self._escaped(found.group()))
                position = found.end() + 1
            yield number, fields

    def _lines(self, text: io.TextIOWrapper, *, escape: bool) -> Iterator[tuple[int, str]]:
        """Logical lines: an escaped newline does not end one."""
        start, pending = 1, ""
        for number, line in enumerate(_split_lines(text), 1):
            pending += line
            body = pending.removesuffix("\n")
            slashes = len(body) - len(body.rstrip("\\"))
            if escape and slashes % 2 and pending.endswith("\n"):
                continue
            yield start, body.removesuffix("\r")
            start, pending = number + 1, ""
        if pending:
            yield start, pending

    def _bare(self, field: str) -> str | None:
        if field == self._null:
            return None
        if self._options.flag("REMOVEQUOTES") and len(field) > 1 and field[0] == field[-1] and field[0] in "'\"":
            return field[1:-1]
        return field

    def _escaped(self, field: str) -> str | None:
        if field == self._null or (self._null == r"\N" and field == r"\\N"):
            return None
        return re.sub(r"\\(.)", r"\1", field, flags=re.DOTALL)

    # -- JSON ----------------------------------------------------------------------------------------------------

    def _json(self, text: io.TextIOWrapper) -> Iterator[Record]:
        mode = self._options.format_argument.lower()
        if mode not in ("auto", "auto ignorecase", "noshred"):
            raise unsupported("a jsonpaths file in the local stand-in")
        for number, value in enumerate(_json_values(text), 1):
            if mode == "noshred":
                yield number, [dump(value)]
                continue
            if not isinstance(value, dict):
                raise LoadError(1216, "Invalid JSON: an object is expected", line=number)
            known = {k.lower(): v for k, v in value.items()} if mode == "auto ignorecase" else value
            yield number, [self._member(known.get(c.name), c.type == "super", c.name in known) for c in self._columns]

    def _member(self, value: Any, structured: bool, present: bool) -> str | None:
        if value is None:
            return "null" if structured and present else None
        if structured or isinstance(value, (dict, list)):
            return dump(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    # -- records to rows -----------------------------------------------------------------------------------------

    def _row(self, fields: list[str | None]) -> str:
        fields = self._fitted(fields)
        out = []
        for column, convert, value in zip(self._columns, self._converters, fields, strict=True):
            text = value
            if value is not None:
                if not value.isascii() and _UNDECODED.search(value):
                    value = self._repaired(value, column)
                if "\0" in value:
                    raise LoadError(1216, "Invalid null byte in the field", column, value=value.replace("\0", "\\0"))
                text = convert(value)
            if text is None and column.not_null:
                text = self._defaults.get(column.name)
                if text is None:
                    raise LoadError(1213, "Missing data for not-null field", column)
            out.append(
                "" if text is None else f'"{text}"' if '"' not in text else '"{}"'.format(text.replace('"', '""'))
            )
        return ",".join(out) + "\n"

    def _fitted(self, fields: list[str | None]) -> list[str | None]:
        have, want = len(fields), len(self._columns)
        if have == want:
            return fields
        if have > want:
            raise LoadError(1202, "Extra column(s) found", value=str(fields[want]))
        if not self._options.flag("FILLRECORD"):
            raise LoadError(1214, "Delimiter not found", self._columns[have])
        missing = self._columns[have:]
        empty = "" if self._options.format == "CSV" and not self._options.flag("NULL") else None
        return fields + [empty if is_character(column) else None for column in missing]

    def _repaired(self, value: str, column: Any) -> str:
        if self._replacement is None or not is_character(column):
            raise LoadError(1220, "String contains invalid or unsupported UTF8 codepoints", column, value=ascii(value))
        return _UNDECODED.sub(self._replacement, value)


class _Readable(io.RawIOBase):
    """A raw stream over anything with ``read``: botocore's bodies and pyarrow's streams are not quite files."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _split_lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines that end at a newline only: a lone carriage return is data."""
    pending = ""
    while piece := text.read(CHUNK_BYTES):
        lines = (pending + piece).split("\n")
        pending = lines.pop()
        for line in lines:
            yield f"{line}\n"
    if pending:
        yield pending


def _json_values(text: io.TextIOWrapper) -> Iterator[Any]:
    """Values of a stream of JSON, one after the other, whatever stands between them in blanks."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    pending, ended, number = "", False, 0
    while True:
        pending = pending.lstrip()
        if pending:
            try:
                value, end = decoder.raw_decode(pending)
                if end < len(pending) or ended or isinstance(value, (dict, list)):
                    number += 1
                    yield value
                    pending = pending[end:]
                    continue
            except ValueError as error:
                if ended or len(pending) > JSON_OBJECT_BYTES:
                    raise LoadError(1216, f"Invalid JSON: {error}", line=number + 1) from error
        elif ended:
            return
        piece = text.read(CHUNK_BYTES)
        ended = not piece
        pending += piece


def dump(value: Any) -> str:
    """Returns a decoded JSON value as text, every digit of its numbers kept."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
