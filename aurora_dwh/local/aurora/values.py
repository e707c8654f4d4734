"""What a column stores: MySQL values in SQLite cells, and how a value becomes one (strict mode's errors included).

Integers and doubles are SQLite's own; DECIMAL and the temporal types are text in MySQL's format, so that what was
stored is what is read; BIGINT UNSIGNED beyond SQLite's range is text too. Functions over values are `functions`.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

from aurora_dwh.local.aurora.errors import AuroraError
from aurora_dwh.local.aurora.tables import BINARIES, INTEGERS, Column

Cell: TypeAlias = "int | float | str | bytes | None"
Store: TypeAlias = Callable[[Any], Any]

SQLITE_INTEGER: Final = 2**63 - 1
NUMBER_COLLATION: Final = "MYSQL_NUMBER"

_DATETIME: Final = re.compile(
    r"\s*(\d{2,4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,9}))?)?)?\s*$"
)
_TIME: Final = re.compile(r"\s*(-?)(?:(\d+) )?(\d{1,3}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,9}))?)?\s*$")


def sqlite_type(column: Column) -> str:
    """The declaration of a column's SQLite cell: affinity and collation."""
    kind = column.data_type
    if kind == "bigint" and column.unsigned:
        return ""  # no affinity: INTEGER affinity would turn what SQLite cannot hold into a float
    if kind in INTEGERS or kind == "year":
        return "INTEGER"
    if kind in {"double", "float"}:
        return "REAL"
    if kind == "decimal":
        return f"TEXT COLLATE {NUMBER_COLLATION}"
    if kind in BINARIES or kind == "bit":
        return "BLOB"
    if column.collation.endswith(("_ci", "_ai")):
        return "TEXT COLLATE NOCASE"
    return "TEXT"


def compare_numbers(left: str, right: str) -> int:
    """SQLite collation of DECIMAL text: by value."""
    a, b = to_decimal(left), to_decimal(right)
    return (a > b) - (a < b)


def to_decimal(value: Any) -> Decimal:
    """A number from a cell, as MySQL reads it in a numeric context: the leading digits of a text, else 0."""
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        found = re.match(r"\s*[-+]?\d+(?:\.\d*)?", str(value))
        return Decimal(found.group()) if found else Decimal(0)
    return number if number.is_finite() else Decimal(0)


def from_decimal(number: Decimal) -> str:
    """DECIMAL text, never in exponent form."""
    return f"{number:f}"


def quantize(number: Decimal, scale: int) -> Decimal:
    """Round half away from zero, as MySQL does, whatever the number of digits."""
    with localcontext() as context:
        context.prec = 200
        return number.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)


def format_double(value: float) -> str:
    """A double as MySQL prints it: the shortest digits, no `.0`, exponent without a plus sign."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value).replace("e+", "e").removesuffix(".0")


def parse_datetime(text: str) -> tuple[int, int, int, int, int, int, str] | None:
    """Year, month, day, hour, minute, second and the fraction's digits; None when it is no DATETIME literal."""
    match = _DATETIME.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    return year, month, day, hour, minute, second, match.group(7) or ""


def format_datetime(text: str, digits: int, *, shift: int = 0) -> str | None:
    """Bring a DATETIME literal into MySQL's stored form.

    Args:
        text: `2024-01-05`, `2024-01-05 10:00`, `2024-01-05T10:00:00.5` ...
        digits: Digits after the second; the rest is rounded.
        shift: Seconds to take off: the session's offset, for TIMESTAMP.

    Returns:
        The text, or None when it is no date.
    """
    if not shift and (usual := _usual_datetime(text, digits)):
        return usual
    parsed = parse_datetime(text)
    if parsed is None:
        return None
    year, month, day, hour, minute, second, fraction = parsed
    if year == 0 or month == 0 or day == 0:
        tail = f".{fraction[:digits]:0<{digits}}" if digits else ""
        return f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{tail}"
    try:
        moment = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a wall clock has no zone
    except ValueError:
        return None
    micros = quantize(Decimal(f"0.{fraction or 0}"), digits)
    moment += dt.timedelta(seconds=int(micros) - shift)
    return moment.isoformat(sep=" ") + (f".{int(micros % 1 * 10**digits):0{digits}}" if digits else "")


def _usual_datetime(text: str, digits: int) -> str | None:
    """`format_datetime` for what is nearly always there, a moment in full and nothing to round; None for the rest."""
    if len(text) not in (10, 19, 26) or text[4] != "-" or text[7] != "-":
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if digits == 6:
        return moment.isoformat(sep=" ", timespec="microseconds")
    return moment.isoformat(sep=" ") if digits == 0 and not moment.microsecond else None


def storer(column: Column, *, offset: int = 0) -> Store:
    """The function that turns a value into what the column stores.

    Args:
        column: The column.
        offset: Seconds that the session's time zone is ahead of UTC; TIMESTAMP is stored in UTC.

    Returns:
        A function of one value, which raises the error of MySQL's strict mode when the value does not fit.
    """
    kind = column.data_type
    if kind in INTEGERS:
        return partial(_store_integer, column, *_bounds(column))
    if kind == "decimal":
        return partial(_store_decimal, column, int(column.arguments[0]), int(column.arguments[1]))
    if kind in {"datetime", "timestamp"}:
        shift = offset if kind == "timestamp" else 0
        return partial(_store_datetime, column, column.fraction or 0, shift)
    return partial(_STORERS.get(kind, _store_binary if kind in BINARIES else _store_text), column)


def _bounds(column: Column) -> tuple[int, int]:
    bits = INTEGERS[column.data_type][2] * 8
    return (0, 2**bits - 1) if column.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def out_of_range(column: Column) -> AuroraError:
    """Error 1264."""
    return AuroraError(1264, f"Out of range value for column '{column.name}' at row 1")


def _wrong(column: Column, value: Any, kind: str) -> AuroraError:
    code = 1292 if kind in {"datetime", "date", "time"} else 1366
    return AuroraError(code, f"Incorrect {kind} value: '{value}' for column '{column.name}' at row 1")


def _too_long(column: Column) -> AuroraError:
    return AuroraError(1406, f"Data too long for column '{column.name}' at row 1")


def _store_integer(column: Column, low: int, high: int, value: Any) -> Any:
    if type(value) is not int:
        if value is None:
            return None
        number = Decimal(value) if isinstance(value, float) else _numeric(column, value, "integer")
        value = int(quantize(number, 0))
    if not low <= value <= high:
        raise out_of_range(column)
    return value if value <= SQLITE_INTEGER else str(value)


def _numeric(column: Column, value: Any, kind: str) -> Decimal:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        raise _wrong(column, value, kind) from None


def _store_decimal(column: Column, precision: int, scale: int, value: Any) -> str | None:
    if value is None:
        return None
    number = quantize(_numeric(column, value, "decimal"), scale)
    if column.unsigned and number < 0:
        raise out_of_range(column)
    if number.adjusted() >= precision - scale and number:
        raise out_of_range(column)
    return from_decimal(number)


def _store_double(column: Column, value: Any) -> float | None:
    if value is None or isinstance(value, float):
        return value
    number = float(_numeric(column, value, "double"))
    if math.isinf(number):
        raise out_of_range(column)
    return number


def _store_datetime(column: Column, digits: int, shift: int, value: Any) -> str | None:
    if value is None:
        return None
    # The usual case, in its stored form already, is let through without taking it apart.
    if not shift and type(value) is str and _is_stored_form(value, digits):
        return value
    stored = format_datetime(str(value), digits, shift=shift)
    if stored is None:
        raise _wrong(column, value, "datetime")
    return stored


@lru_cache(maxsize=4096)
def _is_real_day(day: str) -> bool:
    try:
        dt.date.fromisoformat(day)
    except ValueError:
        return False
    return len(day) == 10


_CLOCK: Final = {
    digits: re.compile(r" (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d" + (rf"\.\d{{{digits}}}" if digits else "") + r"\Z")
    for digits in range(7)
}


def _is_stored_form(value: str, digits: int) -> bool:
    return _CLOCK[digits].match(value, 10) is not None and _is_real_day(value[:10])


def _store_date(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    stored = format_datetime(str(value), 0)
    if stored is None:
        raise _wrong(column, value, "date")
    return stored[:10]


def _store_time(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    match = _TIME.match(str(value))
    if match is None:
        raise _wrong(column, value, "time")
    sign, days, hours, minutes, seconds, fraction = match.groups()
    digits = column.fraction or 0
    tail = f".{(fraction or '')[:digits]:0<{digits}}" if digits else ""
    return f"{sign}{int(days or 0) * 24 + int(hours):02}:{int(minutes):02}:{int(seconds or 0):02}{tail}"


def _store_text(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise _wrong(column, value, "string") from None
    text = value if isinstance(value, str) else str(value)
    length = column.length
    if length is not None and len(text) > length:
        raise _too_long(column)
    return text.rstrip(" ") if column.data_type == "char" else text


def _store_binary(column: Column, value: Any) -> bytes | None:
    if value is None:
        return None
    stored = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    length = column.length
    if length is not None and len(stored) > length:
        raise _too_long(column)
    return stored.ljust(length or 0, b"\0") if column.data_type == "binary" else stored


def _store_bit(column: Column, value: Any) -> bytes | None:
    if value is None:
        return None
    bits = int(column.arguments[0])
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else int(value)
    if number.bit_length() > bits:
        raise _too_long(column)
    return number.to_bytes((bits + 7) // 8, "big")


def _store_year(column: Column, value: Any) -> int | None:
    if value is None:
        return None
    year = int(_numeric(column, value, "integer"))
    if year and not 1901 <= year <= 2155:
        raise out_of_range(column)
    return year


def _store_enum(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    for member in column.arguments:
        if member.lower() == str(value).lower():
            return member
    if isinstance(value, int) and 1 <= value <= len(column.arguments):
        return column.arguments[value - 1]
    raise AuroraError(1265, f"Data truncated for column '{column.name}' at row 1")


def _store_set(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    chosen = set(str(value).split(",")) - {""}
    if chosen - set(column.arguments):
        raise AuroraError(1265, f"Data truncated for column '{column.name}' at row 1")
    return ",".join(member for member in column.arguments if member in chosen)


def _store_json(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    try:
        parsed = json.loads(value)
    except (TypeError, ValueError):
        raise AuroraError(3140, f"Invalid JSON text: in value for column '{column.name}'.") from None
    return json.dumps(parsed, ensure_ascii=False)


_STORERS: Final[dict[str, Callable[[Column, Any], Any]]] = {
    "double": _store_double,
    "float": _store_double,
    "date": _store_date,
    "time": _store_time,
    "bit": _store_bit,
    "year": _store_year,
    "enum": _store_enum,
    "set": _store_set,
    "json": _store_json,
}
