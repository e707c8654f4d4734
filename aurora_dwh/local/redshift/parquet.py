"""Parquet into a table: types checked column by column as Redshift does, rows streamed as CSV for PostgreSQL.

Belongs here: the rules of columnar COPY (no coercion, mapping by position, lengths in bytes). Does not belong here:
options, files, recording failures.
"""

from __future__ import annotations

import decimal
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from aurora_dwh.local.redshift.errors import RedshiftError, block, spectrum_error
from aurora_dwh.local.redshift.load_target import LoadError, TableColumn
from aurora_dwh.local.redshift.sources import Source
from aurora_dwh.local.redshift.types import MAX_VARCHAR

BATCH_ROWS = 65_536
MISMATCH = 15007
_CSV = pa_csv.WriteOptions(include_header=False, batch_size=BATCH_ROWS)


class ParquetFile:
    """One file of a columnar COPY.

    Args:
        path: local copy of the file.
        source: where it came from, for messages.
        columns: the table's columns in load order.
        fill: FILLRECORD was given: trailing columns may be missing.
        serialize: SERIALIZETOJSON was given.
        defaults: column name -> value that takes the place of NULL in a NOT NULL column with a default.

    Raises:
        LoadError: the file does not fit the table.
    """

    def __init__(
        self,
        path: str,
        source: Source,
        columns: list[TableColumn],
        *,
        fill: bool,
        serialize: bool,
        defaults: dict[str, str],
    ) -> None:
        self._source = source
        self._columns = columns
        self._serialize = serialize
        self._defaults = defaults
        try:
            self._file = pq.ParquetFile(path, memory_map=True, coerce_int96_timestamp_unit="us")
        except (pa.ArrowInvalid, OSError) as error:
            raise self._failure(15001, f"File '{source.url}' is not a valid Parquet file: {error}") from error
        self._check_shape(fill=fill)

    @property
    def rows(self) -> int:
        """Number of rows in the file."""
        return int(self._file.metadata.num_rows)

    def chunks(self) -> Iterator[bytes]:
        """Yields the rows as CSV, a batch at a time.

        Raises:
            LoadError: a value does not fit its column.
        """
        first = 1
        for batch in self._file.iter_batches(batch_size=BATCH_ROWS):
            arrays = [
                self._checked(batch.column(i), c, first) for i, c in enumerate(self._columns[: batch.num_columns])
            ]
            missing = self._columns[batch.num_columns :]
            arrays += [self._fill_missing(column, batch.num_rows, first) for column in missing]
            sink = pa.BufferOutputStream()
            named = pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
            pa_csv.write_csv(named, sink, _CSV)
            yield sink.getvalue().to_pybytes()
            first += batch.num_rows

    # -- the file against the table ------------------------------------------------------------------------------

    def _check_shape(self, *, fill: bool) -> None:
        fields = self._file.schema_arrow
        have, want = len(fields), len(self._columns)
        if have > want or (have < want and not fill):
            text = f"Unmatched number of columns between table and file. Table columns: {want}, Data columns: {have}"
            raise self._failure(MISMATCH, f"{text}, File name: {self._source.url}")
        leaves = {self._file.schema.column(i).path: self._file.schema.column(i) for i in range(len(self._file.schema))}
        for field, column in zip(fields, self._columns, strict=False):
            self._check_type(field, leaves.get(field.name), column)

    def _check_type(self, field: pa.Field, leaf: Any, column: TableColumn) -> None:
        if column.type == "super":
            if not self._serialize:
                scalar = leaf is not None
                text = "SUPER column in COPY query requires SERIALIZETOJSON option" if scalar else "Invalid type: 4000"
                report = RedshiftError(
                    "XX000", text if scalar else "Assert", block(text, MISMATCH if scalar else 1000, field.name)
                )
                raise LoadError(MISMATCH, text, column, report=report)
            return
        if leaf is None or not _fits(leaf, column):
            found = f"optional {str(leaf.physical_type).lower()} {leaf.name}" if leaf is not None else str(field.type)
            logical = f" ({leaf.logical_type})" if leaf is not None else ""
            raise self._failure(
                MISMATCH,
                f"File '{self._source.url}' has an incompatible Parquet schema for column "
                f"'{self._source.url}.{field.name}'. "
                f"Column type: {column.declared.upper()}, Parquet schema: {found}{logical}",
                column,
            )
        if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" and column.type == "numeric":
            needed = math.ceil((column.decimal[0] * math.log2(10) + 1) / 8)
            if leaf.length != needed:
                text = f"invalid type length. Expecting: {needed} len in file: {leaf.length}"
                raise self._failure(15001, f"File '{self._source.url}', column '{field.name}': {text}", column)

    def _failure(
        self, code: int, reason: str, column: TableColumn | None = None, *, line: int = 0, value: str = ""
    ) -> LoadError:
        return LoadError(code, reason, column, line=line, value=value, report=spectrum_error(code, reason))

    # -- the values against the column ---------------------------------------------------------------------------

    def _checked(self, array: Any, column: TableColumn, first: int) -> Any:
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if column.not_null and array.null_count:
            array = self._without_nulls(array, column, first)
        if column.type == "super":
            return self._as_super(array, column, first)
        if column.type in ("character varying", "character"):
            self._check_text(array, column, first)
        elif column.type == "varbyte":
            self._check_length(array, column, first)
            return pa.array([None if v is None else "\\x" + v.hex() for v in array.to_pylist()], pa.string())
        elif column.type == "numeric":
            self._check_decimal(array, column, first)
        return array

    def _without_nulls(self, array: Any, column: TableColumn, first: int) -> Any:
        if column.name in self._defaults:  # COPY gives a NOT NULL column its default in the place of a NULL
            default = pa.scalar(self._defaults[column.name]).cast(array.type)
            return pc.fill_null(array, default)
        line = first + pc.index(pc.is_null(array), pa.scalar(True)).as_py()
        text = f"Cannot insert a NULL value into column {column.name}"
        report = RedshiftError("XX000", text, block(text, 8007, f"row {line} of {self._source.url}"))
        raise LoadError(8007, text, column, line=line, report=report)

    def _fill_missing(self, column: TableColumn, rows: int, first: int) -> Any:
        empty = pa.nulls(rows, pa.string())
        return self._without_nulls(empty, column, first) if column.not_null and rows else empty

    def _check_text(self, array: Any, column: TableColumn, first: int) -> None:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as error:
            text = f"Parsed UTF-8 is invalid for column {column.name}: {error}"
            raise self._failure(MISMATCH, text, column, line=first) from error
        if _has_nul(array):
            rows = pc.match_substring(array, "\0")
            line = first + pc.index(rows, pa.scalar(True)).as_py()
            raise self._failure(MISMATCH, f"Invalid null byte in column {column.name}", column, line=line)
        self._check_length(array, column, first)
        if column.type == "character":
            wide = pc.not_equal(pc.utf8_length(array), pc.binary_length(array))
            if pc.any(wide).as_py():
                line = first + pc.index(wide, pa.scalar(True)).as_py()
                text = f"Multibyte character not supported for CHAR column {column.name} (Hint: try using VARCHAR)"
                raise self._failure(MISMATCH, text, column, line=line)

    def _check_length(self, array: Any, column: TableColumn, first: int) -> None:
        lengths = pc.binary_length(array)
        longest = pc.max(lengths).as_py() or 0
        if longest > column.length:
            row = pc.index(pc.greater(lengths, column.length), pa.scalar(True)).as_py()
            found = lengths[row].as_py()
            text = (
                f"The length of the data column {column.name} is longer than the length defined in the table. "
                f"Table: {column.length}, Data: {found}, File name: {self._source.url}"
            )
            raise self._failure(MISMATCH, text, column, line=first + row, value=str(array[row].as_py())[:1024])

    def _check_decimal(self, array: Any, column: TableColumn, first: int) -> None:
        precision, scale = column.decimal
        if precision == 19:  # kept in 64 bits by Redshift
            most = decimal.Decimal(9_223_372_036_854_775_807).scaleb(-scale)
            over = pc.greater(pc.abs(array), pa.scalar(most, pa.decimal128(20, scale)))
            if pc.any(over).as_py():
                line = first + pc.index(over, pa.scalar(True)).as_py()
                raise self._failure(MISMATCH, f"Numeric overflow in column {column.name}", column, line=line)

    def _as_super(self, array: Any, column: TableColumn, first: int) -> Any:
        """SERIALIZETOJSON: nested values keep their structure, a string arrives as a string scalar, not parsed."""
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            longest = pc.max(pc.binary_length(array)).as_py() or 0
            if longest > MAX_VARCHAR:
                text = f"String value exceeds the max size of {MAX_VARCHAR} bytes"
                row = pc.index(pc.greater(pc.binary_length(array), MAX_VARCHAR), pa.scalar(True)).as_py()
                report = RedshiftError("XX000", text, block(text, 1224, f"column {column.name}"))
                raise LoadError(1224, text, column, line=first + row, report=report)
        return pa.array([None if v is None else _json(v) for v in array.to_pylist()], pa.string())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _has_nul(array: Any) -> bool:
    """Whether a byte 0 may be among the array's values: a look at the whole buffer, which a slice may share."""
    data = array.buffers()[2]
    return data is not None and not bool(np.all(np.frombuffer(data, np.uint8)))


def _fits(leaf: Any, column: TableColumn) -> bool:
    """Whether a Parquet leaf column loads into a table column: exact types, no coercion."""
    logical = json.loads(leaf.logical_type.to_json())
    rule = _RULES.get(column.type)
    return rule is not None and not leaf.max_repetition_level and rule(str(leaf.physical_type), logical, column)


Rule = Callable[[str, dict[str, Any], TableColumn], bool]


def _plain(logical: dict[str, Any]) -> bool:
    return logical.get("Type", "None") in ("None", "Undefined")


def _integer(bits: int) -> Rule:
    stored = {32: "INT32", 64: "INT64"}.get(bits)

    def rule(physical: str, logical: dict[str, Any], _: TableColumn) -> bool:
        if logical.get("Type") == "Int":
            return bool(logical["isSigned"]) and int(logical["bitWidth"]) == bits
        return _plain(logical) and physical == stored

    return rule


def _stored_as(expected: str) -> Rule:
    return lambda physical, logical, _: physical == expected and _plain(logical)


def _text(physical: str, logical: dict[str, Any], _: TableColumn) -> bool:
    return physical == "BYTE_ARRAY" and logical.get("Type") in ("String", "Enum")


def _decimal(_: str, logical: dict[str, Any], column: TableColumn) -> bool:
    found = logical.get("Type") == "Decimal"
    return found and (int(logical["precision"]), int(logical["scale"])) == column.decimal


def _timestamp(*, adjusted: bool) -> Rule:
    return lambda physical, logical, _: physical == "INT96" or _is_timestamp(logical, adjusted=adjusted)


def _is_timestamp(logical: dict[str, Any], *, adjusted: bool) -> bool:
    """Milliseconds and microseconds; nanoseconds come out mis-scaled on Redshift and are refused here."""
    units = ("milliseconds", "microseconds")
    return (
        logical.get("Type") == "Timestamp"
        and bool(logical.get("isAdjustedToUTC")) == adjusted
        and str(logical.get("timeUnit")) in units
    )


_RULES: dict[str, Rule] = {
    "smallint": _integer(16),
    "integer": _integer(32),
    "bigint": _integer(64),
    "real": _stored_as("FLOAT"),
    "double precision": _stored_as("DOUBLE"),
    "boolean": _stored_as("BOOLEAN"),
    "date": lambda _, logical, __: logical.get("Type") == "Date",
    "character varying": _text,
    "character": _text,
    "varbyte": _stored_as("BYTE_ARRAY"),
    "numeric": _decimal,
    "timestamp without time zone": _timestamp(adjusted=False),
    "timestamp with time zone": _timestamp(adjusted=True),
}
