"""MySQL's functions and aggregates, registered in SQLite under their MySQL names. One function of values each."""

from __future__ import annotations

import binascii
import calendar
import datetime as dt
import hashlib
import re
import sqlite3
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any, Final

from aurora_dwh.local.aurora.values import (
    NUMBER_COLLATION,
    compare_numbers,
    format_datetime,
    format_double,
    from_decimal,
    quantize,
    to_decimal,
)

_UNSIGNED: Final = 2**64
_REMEMBERED: Final = 256
"""Results that each function remembers: SQLite evaluates an expression anew wherever a statement uses it, so a row's
values come back a few calls later."""

_DATE_FORMATS: Final[dict[str, str]] = {
    "i": "%M", "s": "%S", "S": "%S", "f": "%f", "M": "%B", "b": "%b", "W": "%A", "a": "%a", "T": "%H:%M:%S",
    "Y": "%Y", "m": "%m", "d": "%d", "H": "%H", "j": "%j", "y": "%y", "p": "%p", "h": "%I", "I": "%I",
}  # fmt: skip


def text_of(value: Any) -> str:
    """A value in a string context."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return format_double(value) if isinstance(value, float) else str(value)


def bytes_of(value: Any) -> bytes:
    """A value as the bytes that hash functions see."""
    return value if isinstance(value, bytes) else text_of(value).encode()


def _null_in_null_out(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return guarded


def _concat_ws(separator: Any, *parts: Any) -> str | None:
    if separator is None:
        return None
    return text_of(separator).join(text_of(part) for part in parts if part is not None)


def _sha2(value: Any, bits: int) -> str | None:
    name = {0: "sha256", 224: "sha224", 256: "sha256", 384: "sha384", 512: "sha512"}.get(int(bits))
    return hashlib.new(name, bytes_of(value)).hexdigest() if name else None


def _hex(value: Any) -> str:
    return f"{value % _UNSIGNED:X}" if isinstance(value, int) else bytes_of(value).hex().upper()


def _unhex(value: Any) -> bytes | None:
    try:
        return binascii.unhexlify(text_of(value))
    except binascii.Error:
        return None


def _conv(value: Any, source: int, target: int) -> str:
    number = int(text_of(value), int(source)) % _UNSIGNED
    digits = ""
    while number:
        number, rest = divmod(number, int(target))
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"


def _left(value: Any, count: int) -> Any:
    """LEFT: characters of a text, bytes of bytes."""
    return (value if isinstance(value, bytes) else text_of(value))[: max(count, 0)]


def _locate(part: Any, value: Any, start: int = 1) -> int:
    """LOCATE: the first place, from 1; by bytes where one of the two is bytes."""
    if isinstance(part, bytes) or isinstance(value, bytes):
        return bytes_of(value).find(bytes_of(part), start - 1) + 1
    return text_of(value).lower().find(text_of(part).lower(), start - 1) + 1


def _ord(value: Any) -> int:
    first = value[:1] if isinstance(value, bytes) else text_of(value)[:1].encode()
    return int.from_bytes(first, "big")


def _substring(value: Any, start: int, length: int | None = None) -> Any:
    text = value if isinstance(value, bytes) else text_of(value)
    if start == 0:
        return text[:0]
    begin = start - 1 if start > 0 else max(len(text) + start, 0)
    return text[begin:] if length is None else text[begin : begin + max(length, 0)]


def _date_format(value: Any, pattern: Any) -> str | None:
    moment = _moment(value)
    if moment is None:
        return None
    if moment.year < 1000:  # strftime leaves out a year's leading zeros
        return moment.replace(year=moment.year + 4000).strftime(_strftime(text_of(pattern), f"{moment.year:04}"))
    return moment.strftime(_strftime(text_of(pattern), "%Y"))


@lru_cache(_REMEMBERED)
def _strftime(pattern: str, year: str) -> str:
    """Turn a pattern of DATE_FORMAT into one of strftime."""
    return re.sub(r"%(.)", lambda found: {**_DATE_FORMATS, "Y": year}.get(found.group(1), "%%"), pattern)


def _date_part(first: int, length: int) -> Callable[[Any], int]:
    """Return YEAR, MONTH or DAY, which zero dates have as well: digits of the date's text."""
    return lambda value: int(text_of(value)[first : first + length])


def _last_day(value: Any) -> str | None:
    moment = _moment(value)
    if moment is None:
        return None
    return moment.replace(day=calendar.monthrange(moment.year, moment.month)[1]).date().isoformat()


def _moment(value: Any) -> dt.datetime | None:
    text = format_datetime(text_of(value), 6)
    return None if text is None or text.startswith("0000") else dt.datetime.fromisoformat(text)


def _add_seconds(value: Any, seconds: Any) -> str | None:
    moment = _moment(value)
    if moment is None:
        return None
    moved = moment + dt.timedelta(seconds=float(seconds))
    return moved.isoformat(sep=" ", timespec="microseconds" if moved.microsecond else "seconds")


def _seconds_between(later: Any, earlier: Any, unit: int) -> int | None:
    """Whole units from one moment to another."""
    first, second = _moment(earlier), _moment(later)
    if first is None or second is None:
        return None
    return int((second - first).total_seconds() / unit)


def _unix_timestamp(value: Any) -> int | None:
    moment = _moment(value)
    return int(moment.replace(tzinfo=dt.timezone.utc).timestamp()) if moment else 0


def _arithmetic(operation: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], Any]:
    def exact(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return None
        with localcontext() as context:
            context.prec = 130
            result = operation(to_decimal(left), to_decimal(right))
        return float(result) if isinstance(left, float) or isinstance(right, float) else from_decimal(result)

    return exact


def _bits(value: bytes) -> Any:
    number = int.from_bytes(value, "big")
    return number if number < _UNSIGNED // 2 else str(number)


def _divide(left: Any, right: Any) -> Any:
    if left is None or right is None or to_decimal(right) == 0:
        return None
    if isinstance(left, float) or isinstance(right, float):
        return float(left) / float(right)
    numerator = to_decimal(left)
    exponent = numerator.as_tuple().exponent
    scale = 4 + (-exponent if isinstance(exponent, int) and exponent < 0 else 0)
    with localcontext() as context:
        context.prec = 130
        return from_decimal(quantize(numerator / to_decimal(right), scale))


def _modulo(left: Any, right: Any) -> Any:
    divisor = to_decimal(right)
    if divisor == 0:
        return None
    rest = to_decimal(left) % divisor
    return int(rest) if isinstance(left, int) and isinstance(right, int) else from_decimal(rest)


def _to_decimal(value: Any, precision: int, scale: int) -> str | None:
    if value is None:
        return None
    limit = Decimal(10) ** (precision - scale) - Decimal(1).scaleb(-scale)
    return from_decimal(max(-limit, min(limit, quantize(to_decimal(value), scale))))


def _to_integer(value: Any, unsigned: int) -> Any:
    if value is None:
        return None
    number = int(quantize(to_decimal(value), 0)) if isinstance(value, float) else int(to_decimal(value))
    number %= _UNSIGNED
    if not unsigned and number >= _UNSIGNED // 2:
        number -= _UNSIGNED
    return number if number < _UNSIGNED // 2 else str(number)


def _to_datetime(value: Any, digits: int) -> str | None:
    return None if value is None else format_datetime(text_of(value), digits)


def _round(value: Any, digits: int = 0) -> Any:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(quantize(Decimal(repr(value)), digits))
    return from_decimal(quantize(to_decimal(value), digits))


def _regexp(pattern: Any, value: Any) -> int | None:
    if pattern is None or value is None:
        return None
    return int(re.search(text_of(pattern), text_of(value), re.IGNORECASE) is not None)


_SCALARS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "CONCAT": (-1, _null_in_null_out(lambda *parts: "".join(map(text_of, parts)))),
    "CONCAT_WS": (-1, _concat_ws),
    "MD5": (1, _null_in_null_out(lambda value: hashlib.md5(bytes_of(value), usedforsecurity=False).hexdigest())),
    "SHA": (1, _null_in_null_out(lambda value: hashlib.sha1(bytes_of(value), usedforsecurity=False).hexdigest())),
    "SHA1": (1, _null_in_null_out(lambda value: hashlib.sha1(bytes_of(value), usedforsecurity=False).hexdigest())),
    "SHA2": (2, _null_in_null_out(_sha2)),
    "CRC32": (1, _null_in_null_out(lambda value: binascii.crc32(bytes_of(value)))),
    "HEX": (1, _null_in_null_out(_hex)),
    "UNHEX": (1, _null_in_null_out(_unhex)),
    "CONV": (3, _null_in_null_out(_conv)),
    "LENGTH": (1, _null_in_null_out(lambda value: len(bytes_of(value)))),
    "OCTET_LENGTH": (1, _null_in_null_out(lambda value: len(bytes_of(value)))),
    "CHAR_LENGTH": (1, _null_in_null_out(lambda value: len(text_of(value)))),
    "CHARACTER_LENGTH": (1, _null_in_null_out(lambda value: len(text_of(value)))),
    "LOWER": (1, _null_in_null_out(lambda value: text_of(value).lower())),
    "UPPER": (1, _null_in_null_out(lambda value: text_of(value).upper())),
    "LCASE": (1, _null_in_null_out(lambda value: text_of(value).lower())),
    "UCASE": (1, _null_in_null_out(lambda value: text_of(value).upper())),
    "DWH_LEFT": (2, _null_in_null_out(_left)),
    "LOCATE": (-1, _null_in_null_out(_locate)),
    "ORD": (1, _null_in_null_out(_ord)),
    "REPLACE": (3, _null_in_null_out(lambda value, old, new: text_of(value).replace(text_of(old), text_of(new)))),
    "DWH_RIGHT": (2, _null_in_null_out(lambda value, count: text_of(value)[-count:] if count > 0 else "")),
    "SUBSTRING": (-1, _null_in_null_out(_substring)),
    "SUBSTR": (-1, _null_in_null_out(_substring)),
    "MID": (3, _null_in_null_out(_substring)),
    "REVERSE": (1, _null_in_null_out(lambda value: text_of(value)[::-1])),
    "REPEAT": (2, _null_in_null_out(lambda value, count: text_of(value) * count)),
    "LPAD": (3, _null_in_null_out(lambda value, width, fill: text_of(value).rjust(width, text_of(fill))[:width])),
    "RPAD": (3, _null_in_null_out(lambda value, width, fill: text_of(value).ljust(width, text_of(fill))[:width])),
    "IF": (3, lambda condition, yes, no: yes if condition and to_decimal(condition) else no),
    "GREATEST": (-1, _null_in_null_out(max)),
    "LEAST": (-1, _null_in_null_out(min)),
    "MOD": (2, _null_in_null_out(_modulo)),
    "ROUND": (-1, _round),
    "FLOOR": (1, _null_in_null_out(lambda value: int(to_decimal(value).to_integral_value("ROUND_FLOOR")))),
    "CEIL": (1, _null_in_null_out(lambda value: int(to_decimal(value).to_integral_value("ROUND_CEILING")))),
    "CEILING": (1, _null_in_null_out(lambda value: int(to_decimal(value).to_integral_value("ROUND_CEILING")))),
    "DATE_FORMAT": (2, _null_in_null_out(_date_format)),
    "YEAR": (1, _null_in_null_out(_date_part(0, 4))),
    "MONTH": (1, _null_in_null_out(_date_part(5, 2))),
    "DAY": (1, _null_in_null_out(_date_part(8, 2))),
    "LAST_DAY": (1, _null_in_null_out(_last_day)),
    "UNIX_TIMESTAMP": (1, _null_in_null_out(_unix_timestamp)),
    "REGEXP": (2, _regexp),
    # What the translation writes for MySQL syntax that SQLite has not.
    "DWH_ADD": (2, _arithmetic(lambda left, right: left + right)),
    "DWH_SUB": (2, _arithmetic(lambda left, right: left - right)),
    "DWH_MUL": (2, _arithmetic(lambda left, right: left * right)),
    "DWH_DIV": (2, _divide),
    "DWH_BITS": (1, _null_in_null_out(_bits)),
    "DWH_ADD_SECONDS": (2, _null_in_null_out(_add_seconds)),
    "DWH_SECONDS_BETWEEN": (3, _null_in_null_out(_seconds_between)),
    "DWH_CHAR": (1, _null_in_null_out(text_of)),
    "DWH_BINARY": (1, _null_in_null_out(bytes_of)),
    "DWH_DECIMAL": (3, _to_decimal),
    "DWH_INTEGER": (2, _to_integer),
    "DWH_DATETIME": (2, _to_datetime),
    "DWH_DATE": (1, lambda value: (_to_datetime(value, 0) or "")[:10] or None),
}


class _Sum:
    """SUM, exact for integers and decimals."""

    def __init__(self) -> None:
        self.total: Any = None
        self.count = 0
        self.scale = 0

    def step(self, value: Any) -> None:
        if value is None:
            return
        self.count += 1
        if not isinstance(value, (int, float)):
            value = to_decimal(value)
        if isinstance(value, float) or isinstance(self.total, float):
            self.total = float(self.total or 0) + float(value)
        else:
            self.total = value if self.total is None else self.total + value

    def finalize(self) -> Any:
        if self.total is None or isinstance(self.total, float):
            return self.total
        return from_decimal(self.total) if isinstance(self.total, Decimal) else str(self.total)


class _Average(_Sum):
    """AVG: four more digits than its argument."""

    def finalize(self) -> Any:
        return None if self.total is None else _divide(self.total, self.count)


class _BitXor:
    """BIT_XOR."""

    def __init__(self) -> None:
        self.value = 0

    def step(self, value: Any) -> None:
        if value is not None:
            self.value ^= int(to_decimal(value)) % _UNSIGNED

    def finalize(self) -> Any:
        return self.value if self.value < _UNSIGNED // 2 else str(self.value)


def register(connection: sqlite3.Connection) -> None:
    """Teach a SQLite connection MySQL's functions and the order of DECIMAL text."""
    for name, (arguments, function) in _SCALARS.items():
        remembering = lru_cache(_REMEMBERED, typed=True)(function)
        connection.create_function(name, arguments, remembering, deterministic=True)
    connection.create_aggregate("SUM", 1, _Sum)
    connection.create_aggregate("AVG", 1, _Average)
    connection.create_aggregate("BIT_XOR", 1, _BitXor)
    connection.create_collation("utf8mb4_bin", lambda left, right: (left > right) - (left < right))
    connection.create_collation(NUMBER_COLLATION, compare_numbers)
