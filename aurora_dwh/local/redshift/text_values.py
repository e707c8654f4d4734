"""One field of a text file as a value of its column: NULL, conversion, range, length in bytes.

Belongs here: the conversions of COPY's text formats, with Redshift's load error codes. Does not belong here: cutting
a file into fields (``text_load``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

from aurora_dwh.local.redshift.copy_options import CopyOptions
from aurora_dwh.local.redshift.load_target import LoadError, TableColumn

Convert = Callable[[str], "str | None"]

_INTEGER = re.compile(r"^\s*[+-]?\d+\s*$", re.ASCII)
_DECIMAL = re.compile(r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$", re.ASCII)
_HEX = re.compile(r"^([0-9a-fA-F]{2})*$")
_TIMESTAMP = re.compile(r"^\d{4}-\d{1,2}-\d{1,2}( \d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?$")
_RANGES = {"smallint": 15, "integer": 31, "bigint": 63}
_TRUE = frozenset({"t", "true", "1", "yes", "y"})
_FALSE = frozenset({"f", "false", "0", "no", "n"})
_PARTS = (
    ("YYYY", "%Y"), ("MONTH", "%B"), ("MON", "%b"), ("MM", "%m"), ("DD", "%d"), ("HH24", "%H"), ("HH12", "%I"),
    ("HH", "%H"), ("MI", "%M"), ("SSSSS", "%f"), ("SS", "%S"), ("AM", "%p"), ("PM", "%p"), ("OF", "%z"), ("YY", "%y"),
)  # fmt: skip
_AUTO_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d %b %Y", "%b %d %Y", "%b %d, %Y")
_EXACT = Context(prec=80)


def converters(columns: list[TableColumn], options: CopyOptions) -> list[Convert]:
    """Returns one function a column; it takes a field that is not NULL and raises ``LoadError`` without a line."""
    return [_null_aware(column, _converter(column, options), options) for column in columns]


def is_character(column: TableColumn) -> bool:
    """Whether the column holds text, for which empty and NULL differ."""
    return column.type in ("character varying", "character")


def _null_aware(column: TableColumn, convert: Convert, options: CopyOptions) -> Convert:
    empty_is_null = options.flag("EMPTYASNULL") or not is_character(column)
    blank_is_null = options.flag("BLANKSASNULL")

    def field(value: str) -> str | None:
        if not value and empty_is_null:
            return None
        if blank_is_null and is_character(column) and value.isspace():
            return None
        return convert(value)

    return field


def _converter(column: TableColumn, options: CopyOptions) -> Convert:
    match column.type:
        case "smallint" | "integer" | "bigint":
            return _integer(column)
        case "numeric":
            return _decimal(column, options)
        case "real" | "double precision":
            return _float(column)
        case "boolean":
            return _boolean(column)
        case "date":
            return _date(column, options)
        case "timestamp without time zone" | "timestamp with time zone":
            return _timestamp(column, options)
        case "character varying" | "character":
            return _text(column, options)
        case "varbyte":
            return _varbyte(column)
        case "super":
            return _super(column)
        case _:
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


def _decimal(column: TableColumn, options: CopyOptions) -> Convert:
    precision, scale = column.decimal
    step = Decimal(1).scaleb(-scale)
    rounding = ROUND_HALF_UP if options.flag("ROUNDEC") else ROUND_DOWN
    limit = Decimal(10) ** (precision - scale)

    def convert(value: str) -> str:
        if not _DECIMAL.match(value):
            raise LoadError(1207, f"Invalid digit, Value '{value[:1]}', Pos 0, Type: Decimal", column, value=value)
        number = Decimal(value.strip()).quantize(step, rounding, _EXACT)
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


def _format(pattern: str) -> str:
    """Redshift's date format as strptime's."""
    out, rest = "", pattern
    while rest:
        for name, code in _PARTS:
            if rest.upper().startswith(name):
                out, rest = out + code, rest[len(name) :]
                break
        else:
            out, rest = out + rest[0].replace("%", "%%"), rest[1:]
    return out


def _parse(value: str, formats: tuple[str, ...]) -> datetime | None:
    for one in formats:
        try:
            return datetime.strptime(value, one)  # noqa: DTZ007 - a date without a zone is what the column holds
        except ValueError:
            continue
    return None


def _date(column: TableColumn, options: CopyOptions) -> Convert:
    pattern = options.text("DATEFORMAT", "YYYY-MM-DD")
    formats = _AUTO_DATES if pattern.lower() == "auto" else (_format(pattern),)

    def convert(value: str) -> str | None:
        found = _parse(value.strip(), formats)
        if found is None and pattern.lower() == "auto":
            found = _iso(value)
        if found is None:
            if options.flag("ACCEPTANYDATE"):
                return None
            raise LoadError(1205, f"Invalid Date Format - length must be 10 or more: '{value}'", column, value=value)
        return found.date().isoformat()

    return convert


def _iso(value: str) -> datetime | None:
    """ISO-8601 as TIMEFORMAT 'auto' takes it, with T and a zone; a zone turns it into UTC."""
    text = re.sub(r"\s*(Z|z)$", "+00:00", value.strip().replace("T", " "))
    text = re.sub(r"\s*([+-]\d{2}):?(\d{2})?$", lambda m: f"{m[1]}:{m[2] or '00'}", text) if ":" in text else text
    text = re.sub(r"\.(\d+)", lambda m: "." + m[1][:6].ljust(6, "0"), text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(timezone.utc).replace(tzinfo=None) if found.tzinfo else found


def _timestamp(column: TableColumn, options: CopyOptions) -> Convert:
    pattern = options.text("TIMEFORMAT", "YYYY-MM-DD HH:MI:SS")
    kind = pattern.lower()
    zone = "+00" if column.type == "timestamp with time zone" else ""

    def read(value: str) -> datetime | None:
        if kind in ("epochsecs", "epochmillisecs"):
            if not _DECIMAL.match(value):
                return None
            scale = 1 if kind == "epochsecs" else 1000
            return datetime(1970, 1, 1) + timedelta(seconds=float(Decimal(value) / scale))  # noqa: DTZ001 - see _parse
        if kind == "auto":
            return _iso(value) or _parse(value.strip(), _AUTO_DATES)
        if kind == "yyyy-mm-dd hh:mi:ss":
            return _iso(value) if _TIMESTAMP.match(value.strip()) or (zone and ":" in value) else None
        return _parse(value.strip(), (_format(pattern),))

    def convert(value: str) -> str | None:
        found = read(value)
        if found is None:
            if options.flag("ACCEPTANYDATE"):
                return None
            raise LoadError(1206, f"Invalid timestamp format or value [{pattern}]", column, value=value)
        return found.isoformat(" ") + zone

    return convert


def _text(column: TableColumn, options: CopyOptions) -> Convert:
    limit = column.length
    truncate, trim = options.flag("TRUNCATECOLUMNS"), options.flag("TRIMBLANKS")
    single = column.type == "character"

    def convert(value: str) -> str:
        if trim:
            value = value.rstrip(" ")
        if single and not value.isascii():
            raise LoadError(
                1215, "Multibyte character not supported for CHAR (Hint: try using VARCHAR)", column, value=value
            )
        if len(value) * 4 > limit and len(encoded := value.encode()) > limit:
            if not truncate:
                raise LoadError(1204, "String length exceeds DDL length", column, value=value)
            return encoded[:limit].decode(errors="ignore")
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
