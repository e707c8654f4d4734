"""One field of a CSV file as a value of its column: NULL, conversion, range, length in bytes.

Belongs here: the conversions of COPY, with Redshift's load error codes. Does not belong here: cutting a file into
fields (``csv_load``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import ROUND_DOWN, Context, Decimal

from aurora_dwh.local.redshift.load_target import LoadError, TableColumn

Convert = Callable[[str], "str | None"]

_INTEGER = re.compile(r"^\s*[+-]?\d+\s*$", re.ASCII)
_DECIMAL = re.compile(r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$", re.ASCII)
_HEX = re.compile(r"^([0-9a-fA-F]{2})*$")
_TIMESTAMP = re.compile(r"^\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2}(\.\d{1,6})?([+-]\d{2}(:\d{2})?)?)?$")
_RANGES = {"smallint": 15, "integer": 31, "bigint": 63}
_TRUE = frozenset({"t", "true", "1", "yes", "y"})
_FALSE = frozenset({"f", "false", "0", "no", "n"})
_EXACT = Context(prec=80)
OF_64_BITS = 19


def converters(columns: list[TableColumn]) -> list[Convert]:
    """Returns one function a column; it takes a field that is not NULL and raises ``LoadError`` without a line."""
    return [_null_aware(column, _CONVERTERS.get(column.type, _as_it_is)(column)) for column in columns]


def _null_aware(column: TableColumn, convert: Convert) -> Convert:
    """An empty field is NULL, but in a column of text."""
    if column.type in ("character varying", "character"):
        return convert
    return lambda value: convert(value) if value else None


def _as_it_is(_: TableColumn) -> Convert:
    return lambda value: value


def _integer(column: TableColumn) -> Convert:
    limit = 1 << _RANGES[column.type]

    def convert(value: str) -> str:
        if not _INTEGER.match(value):
            place = next((i for i, c in enumerate(value) if not (c.isdigit() or (c in "+-" and i == 0))), 0)
            raise LoadError(
                1207,
                f"Invalid digit, Value '{value[place : place + 1]}', Pos {place}, Type: {column.type.title()}",
                column,
                value=value,
            )
        if not -limit <= int(value) < limit:
            raise LoadError(1222, f"Overflow, Value '{value}', Type: {column.type.title()}", column, value=value)
        return value.strip()

    return convert


def _decimal(column: TableColumn) -> Convert:
    """COPY cuts digits off where INSERT rounds; 19 digits lie in 64 bits."""
    precision, scale = column.decimal
    step = Decimal(1).scaleb(-scale)
    limit = Decimal(10) ** (precision - scale)
    if precision == OF_64_BITS:
        limit = Decimal(1 << 63).scaleb(-scale, _EXACT)

    def convert(value: str) -> str:
        if not _DECIMAL.match(value):
            raise LoadError(1207, f"Invalid digit, Value '{value[:1]}', Pos 0, Type: Decimal", column, value=value)
        number = Decimal(value.strip()).quantize(step, ROUND_DOWN, _EXACT)
        if number.copy_abs() >= limit:  # abs() would round to 28 digits
            raise LoadError(1209, f"Numeric data overflow (result precision), Value '{value}'", column, value=value)
        return str(number)

    return convert


def _float(column: TableColumn) -> Convert:
    def convert(value: str) -> str:
        try:
            float(value)
        except ValueError:
            raise LoadError(1208, f"Invalid value for type {column.declared}: '{value}'", column, value=value) from None
        return value

    return convert


def _boolean(column: TableColumn) -> Convert:
    def convert(value: str) -> str:
        word = value.strip().lower()
        if word not in _TRUE and word not in _FALSE:
            raise LoadError(1210, f"Unknown boolean format '{value}'", column, value=value)
        return "t" if word in _TRUE else "f"

    return convert


def _date(column: TableColumn) -> Convert:
    def convert(value: str) -> str:
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            text = f"Invalid Date Format - length must be 10 or more: '{value}'"
            raise LoadError(1205, text, column, value=value) from None

    return convert


def _timestamp(column: TableColumn) -> Convert:
    zone = "+00" if column.type == "timestamp with time zone" else ""

    def convert(value: str) -> str:
        found = _instant(value.strip())
        if found is None:
            text = "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"
            raise LoadError(1206, text, column, value=value)
        return found.isoformat(" ") + zone

    return convert


def _instant(text: str) -> datetime | None:
    """A date and time as it stands, or in UTC where it names a zone."""
    if not _TIMESTAMP.match(text):
        return None
    text = re.sub(r"\.(\d+)", lambda m: "." + m[1].ljust(6, "0"), text)
    try:
        found = datetime.fromisoformat(re.sub(r"([+-]\d{2})$", r"\1:00", text) if ":" in text else text)
    except ValueError:
        return None
    return found.astimezone(timezone.utc).replace(tzinfo=None) if found.tzinfo else found


def _text(column: TableColumn) -> Convert:
    limit, single = column.length, column.type == "character"

    def convert(value: str) -> str:
        if single and not value.isascii():
            raise LoadError(
                1215, "Multibyte character not supported for CHAR (Hint: try using VARCHAR)", column, value=value
            )
        if len(value) * 4 > limit and len(value.encode()) > limit:
            raise LoadError(1204, "String length exceeds DDL length", column, value=value)
        return value

    return convert


def _varbyte(column: TableColumn) -> Convert:
    def convert(value: str) -> str:
        if not _HEX.match(value):
            raise LoadError(1219, f"Invalid hexadecimal value '{value}'", column, value=value)
        if len(value) > 2 * column.length:
            raise LoadError(1204, "String length exceeds DDL length", column, value=value)
        return f"\\x{value}"

    return convert


def _super(column: TableColumn) -> Convert:
    def convert(value: str) -> str:
        try:
            json.loads(value)
        except ValueError as error:
            raise LoadError(1224, f"Invalid SUPER/JSON value: {error}", column, value=value) from error
        return value

    return convert


_CONVERTERS: dict[str, Callable[[TableColumn], Convert]] = {
    "smallint": _integer,
    "integer": _integer,
    "bigint": _integer,
    "numeric": _decimal,
    "real": _float,
    "double precision": _float,
    "boolean": _boolean,
    "date": _date,
    "timestamp without time zone": _timestamp,
    "timestamp with time zone": _timestamp,
    "character varying": _text,
    "character": _text,
    "varbyte": _varbyte,
    "super": _super,
}
