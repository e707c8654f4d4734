"""How names and values are written in MySQL's SQL: the only place that quotes either."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

Literal = str | bytes | int | float | Decimal | date | None
"""What `literal` can write; a datetime is a date."""


def identifier(*names: str) -> str:
    """Return a name, or a qualified name of several parts, quoted for MySQL.

    Raises:
        ValueError: A name is empty or holds a NUL, which MySQL allows in no identifier.
    """
    for name in names:
        if not name or "\0" in name:
            raise ValueError(f"{name!r} is no MySQL identifier")
    return ".".join(f"`{name.replace('`', '``')}`" for name in names)


def literal(value: Literal) -> str:
    """Return a value as a MySQL literal that means the same under every sql_mode.

    A backslash is an escape unless NO_BACKSLASH_ESCAPES is set, so a text that holds one is written as hexadecimal.
    A datetime is written as its wall clock, and without a fraction where that is zero: the text then compares right
    with shorter and longer forms of the same time, too.

    Raises:
        ValueError: The value is an aware datetime (its zone would be lost), or not a finite number.
    """
    match value:
        case None:
            return "NULL"
        case str():
            if "\\" in value or "\0" in value:
                return f"_utf8mb4 x'{value.encode().hex()}'"
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return f"x'{value.hex()}'"
        case datetime():
            if value.tzinfo is not None:
                raise ValueError(f"{value} has a zone; a MySQL literal has none")
            return f"'{value.isoformat(sep=' ')}'"
        case date():
            return f"'{value.isoformat()}'"
        case bool() | int():
            return str(int(value))
        case float() | Decimal():
            return _number(value)


def _number(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else value
    if not number.is_finite():
        raise ValueError(f"{value} has no MySQL literal")
    # A float keeps its exponent, which makes MySQL read it as a DOUBLE and not as an exact DECIMAL.
    return f"{value!r}e0" if isinstance(value, float) and "e" not in repr(value) else str(value)
