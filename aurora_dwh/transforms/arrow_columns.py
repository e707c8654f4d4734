"""Columns of rows that no MySQL table describes: their types taken from Arrow, or declared, and their values cast.

A type of Arrow becomes the column of the one map (`schema`) whose values are the same, so that such rows lie in the
lake and go into Redshift as a source's do. What Redshift cannot hold is refused, and named by column and row count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aurora_dwh.catalog.fields import OWN_PREFIX
from aurora_dwh.core.frames import FrameError
from aurora_dwh.core.schema import COLUMN_LIMIT, MAX_PRECISION, Column, TableSchema, UnsupportedTypeError, fold

if TYPE_CHECKING:
    import pyarrow as pa

DECLARED = re.compile(r"(?P<type>[a-z]+)(\s*\(\s*(?P<first>\d+)\s*(,\s*(?P<second>\d+)\s*)?\))?( unsigned)?")
"""A declared type: MySQL's name of it, such as `varchar(40)`, whose number counts characters, or `decimal(12,2)`."""

_ALIASES = {"integer": "int", "real": "double", "boolean": "bit", "bool": "bit", "string": "longtext"}


def schema_of(
    rows: pa.Schema,
    *,
    table: str,
    database: str = "",
    key: Sequence[str] = (),
    declared: Mapping[str, str] | None = None,
    before: TableSchema | None = None,
) -> TableSchema:
    """Return the columns that rows have in the lake and in Redshift.

    Args:
        declared: Column -> type, where the rows' own is not to be taken.
        before: The columns of an earlier day, whose types serve for columns that hold nothing but NULL.

    Raises:
        FrameError: A column has no type in Redshift, or no name; the message names it.
    """
    wanted = {fold(name): text for name, text in (declared or {}).items()}
    known = {column.target_name: column for column in before.columns} if before else {}
    columns: dict[str, Column] = {}
    for field in rows:
        name = fold(field.name)
        if not name or name in columns or name.startswith(OWN_PREFIX):
            raise FrameError(
                f"{table}: a column cannot be named {field.name!r}: names are folded to lower case, each is there "
                f"once, and those that begin with {OWN_PREFIX} are aurora-dwh's own"
            )
        columns[name] = (
            declared_column(name, wanted[name]) if name in wanted else _column(field.with_name(name), table, known)
        )
    lacking = sorted({fold(name) for name in (*key, *wanted)} - columns.keys())
    if lacking:
        raise FrameError(f"{table}: the rows have no column {', '.join(map(repr, lacking))}, which key or columns name")
    if not 0 < len(columns) <= COLUMN_LIMIT:
        raise FrameError(f"{table}: the rows have {len(columns)} columns, and a table has 1 to {COLUMN_LIMIT:,}")
    return TableSchema(database, table, tuple(columns.values()), tuple(fold(name) for name in key))


def declared_column(name: str, text: str) -> Column:
    """Return a column of a declared type; raises FrameError where there is no such type."""
    match = DECLARED.fullmatch(text.strip().lower())
    if match:
        kind = _ALIASES.get(match["type"], match["type"])
        first, second = (None if match[number] is None else int(match[number]) for number in ("first", "second"))
        is_text = "char" in kind or "binary" in kind
        column = Column(
            name,
            kind,
            text.strip().lower(),
            length=first if is_text else None,
            precision=None if is_text else (1 if kind == "bit" and first is None else first),
            scale=None if is_text else second,
        )
        try:
            _ = column.rule
        except UnsupportedTypeError:
            pass
        else:
            return column
    raise FrameError(
        f"column {name!r}: {text!r} is no type; write MySQL's, such as bigint, decimal(12,2), double, boolean, date, "
        "datetime, varchar(40), text, varbinary(16) or json"
    )


def conformed(batches: Iterator[pa.RecordBatch], schema: TableSchema) -> Iterator[pa.RecordBatch]:
    """Yield batches with the types that a table has in the lake.

    Args:
        batches: Batches whose columns are the table's, whatever their types and the case of their names.

    Raises:
        FrameError: A value does not fit its column; the message names the column.
    """
    import pyarrow as pa

    for batch in batches:
        arrays = [_cast(array, column, schema) for array, column in zip(batch.columns, schema.columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema.arrow_schema)


def _column(field: pa.Field, table: str, known: Mapping[str, Column]) -> Column:
    import pyarrow as pa

    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = pa.json_() if kind.extension_name == "arrow.json" else kind.storage_type
    if pa.types.is_null(kind):
        if field.name in known:
            return known[field.name]
        raise FrameError(
            f"{table}: column {field.name!r} holds nothing but NULL, so that its type is not known; cast it, or "
            "declare it"
        )
    for is_it, text in _types():
        if is_it(kind):
            return declared_column(field.name, text(kind) if callable(text) else text)
    raise FrameError(
        f"{table}: column {field.name!r} is {kind}, which Redshift has no type for; cast it, or declare it"
    )


def _types() -> Sequence[tuple[Callable[[pa.DataType], bool], str | Callable[[pa.DataType], str]]]:
    """Return MySQL's type for each of Arrow's whose values it holds."""
    import pyarrow as pa

    of = pa.types

    def one_of(*kinds: pa.DataType) -> Callable[[pa.DataType], bool]:
        return lambda kind: kind in kinds

    def text(kind: pa.DataType) -> bool:
        return bool(of.is_string(kind) or of.is_large_string(kind) or of.is_string_view(kind))

    def octets(kind: pa.DataType) -> bool:
        return bool(
            of.is_binary(kind) or of.is_large_binary(kind) or of.is_binary_view(kind) or of.is_fixed_size_binary(kind)
        )

    def document(kind: pa.DataType) -> bool:
        return bool(of.is_nested(kind) or (isinstance(kind, pa.BaseExtensionType) and kind == pa.json_()))

    return (
        (of.is_boolean, "bit(1)"),
        (one_of(pa.int8(), pa.uint8(), pa.int16()), "smallint"),
        (one_of(pa.uint16(), pa.int32()), "int"),
        (one_of(pa.uint32(), pa.int64()), "bigint"),
        (one_of(pa.uint64()), "bigint unsigned"),
        (one_of(pa.float16(), pa.float32()), "float"),
        (of.is_float64, "double"),
        (of.is_decimal, _decimal),
        (of.is_date, "date"),
        (of.is_timestamp, lambda kind: "timestamp(6)" if kind.tz else "datetime(6)"),
        (of.is_time, "time(6)"),
        (text, "longtext"),
        (octets, "longblob"),
        (document, "json"),
    )


def _decimal(kind: pa.DataType) -> str:
    scale = max(kind.scale, 0)
    digits = max(kind.precision - min(kind.scale, 0), scale)
    return f"decimal({min(digits, MAX_PRECISION)},{min(scale, MAX_PRECISION - 1)})"


def _cast(array: pa.Array, column: Column, schema: TableSchema) -> pa.Array:
    import pyarrow as pa

    name = f"{schema.table}: column {column.target_name!r}"
    wanted = column.arrow_type
    try:
        found = _plain(array, column)
        if pa.types.is_timestamp(found.type) and found.type.tz:
            found = found.cast(pa.timestamp(found.type.unit, "UTC")).cast(pa.timestamp(found.type.unit))
        if pa.types.is_time(found.type) and pa.types.is_string(wanted):
            found = found.cast(pa.time64("us"))
        if pa.types.is_integer(found.type) and pa.types.is_decimal(wanted):  # Arrow asks for room for all of the type
            found = found.cast(pa.decimal128(MAX_PRECISION, wanted.scale))
        found = found.cast(wanted)
    except (pa.ArrowException, TypeError) as error:
        raise FrameError(f"{name}: a value does not fit {wanted} ({error}); cast it, or declare the column") from error
    if pa.types.is_string(wanted) or pa.types.is_binary(wanted):
        _check_octets(found, column, name)
    return found


def _plain(array: pa.Array, column: Column) -> pa.Array:
    """Return values without Arrow's wrappings, and what has parts of its own as JSON."""
    import pyarrow as pa

    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if column.data_type == "json" and pa.types.is_nested(array.type):
        texts = (None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in array.to_pylist())
        return pa.array(texts, pa.string())
    return array


def _check_octets(values: pa.Array, column: Column, name: str) -> None:
    """Refuse values that are wider than Redshift holds, and NUL in texts, which it cannot hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.byte_limit is not None and len(values):
        sizes = pc.binary_length(values)
        if (pc.max(sizes).as_py() or 0) > column.byte_limit:
            rows = pc.sum(pc.greater(sizes, column.byte_limit)).as_py()
            raise FrameError(
                f"{name}: {rows:,} values have more than {column.byte_limit:,} bytes, which is the most of "
                f"{column.redshift_type} in Redshift; cut them, or leave the column out"
            )
    if pa.types.is_string(values.type) and pc.any(pc.match_substring(values, "\0")).as_py():
        raise FrameError(f"{name}: a text has a NUL byte, which Redshift cannot hold; replace it")
