"""How names and values are written in MySQL's SQL: the only place that quotes either."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

Literal = str | bytes | int | Decimal | date | None
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


def granted(database: str) -> str:
    """Return what GRANT takes for all of a database: `_` and `%` stand there for any characters, unless escaped.

    Raises:
        ValueError: It is no name: https://dev.mysql.com/doc/refman/8.0/en/grant.html#grant-quoting.
    """
    return identifier(database).replace("_", r"\_").replace("%", r"\%") + ".*"


def relation(database: str, table: str, query: str | None = None) -> str:
    """Return what rows are selected from: a table, or a query of the catalog as a derived table of its name there.

    Args:
        database: The database, which the session is in.
        query: The query; it ends with its line, as a comment may.
    """
    return identifier(database, table) if query is None else f"(\n{query}\n) AS {identifier(table)}"


def literal(value: Literal) -> str:
    """Return a value as a MySQL literal that means the same under every sql_mode.

    A backslash is an escape unless NO_BACKSLASH_ESCAPES is set, so a text that holds one is written as hexadecimal; so
    is the empty text, which MariaDB takes for NULL under EMPTY_STRING_IS_NULL. A number has all its digits.
    A datetime is written as its wall clock, and without a fraction where that is zero: the text then compares right
    with shorter and longer forms of the same time, too.

    Raises:
        ValueError: The value is an aware datetime (its zone would be lost), or not a finite number.
    """
    match value:
        case None:
            return "NULL"
        case str():
            if "\\" in value or "\0" in value or not value:
                return characters(value.encode(), "utf8mb4")
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
        case Decimal():
            return _digits(value)


def _digits(value: Decimal) -> str:
    """Return a number without an exponent, which would make a DOUBLE of it."""
    if not value.is_finite():
        raise ValueError(f"{value} has no MySQL literal")
    return f"{value:f}"


def characters(value: bytes, charset: str) -> str:
    """Return a text as a literal that is those bytes, in a character set of MySQL's."""
    return f"_{charset} x'{value.hex()}'"
