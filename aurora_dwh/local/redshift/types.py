"""Redshift's column types: how a declared type reads in PostgreSQL, and which are refused.

Belongs here: type names, defaults and limits in DDL and casts. Does not belong here: the values (``parquet``,
``csv_values``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.sqltext import Sql, quote

MAX_VARCHAR = 65_535
MAX_VARCHAR_IN_MEMORY = 16_000_000
"""Of an expression, which no column holds."""
MAX_CHAR = 4_096
MAX_VARBYTE = 16_777_216
POSTGRES_MAX_VARBYTE = 10_485_756
"""PostgreSQL's typmod for a length in bytes ends here; longer declarations are kept to this."""
MAX_PRECISION = 38

_PLAIN = {
    "SMALLINT": "smallint",
    "INT2": "smallint",
    "INTEGER": "integer",
    "INT": "integer",
    "INT4": "integer",
    "BIGINT": "bigint",
    "INT8": "bigint",
    "REAL": "real",
    "FLOAT4": "real",
    "FLOAT8": "double precision",
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "DATE": "date",
    "DATETIME": "timestamp",
    "SUPER": "super",
    "TIMESTAMPTZ": "timestamptz",
    "TIMETZ": "timetz",
}
_VARCHAR = {"VARCHAR", "NVARCHAR", "TEXT"}
_CHAR = {"CHAR", "CHARACTER", "NCHAR", "BPCHAR"}
_VARBYTE = {"VARBYTE", "VARBINARY", "BINARY"}
_DECIMAL = {"DECIMAL", "NUMERIC"}
UNSUPPORTED = frozenset({
    "BIT", "BYTEA", "JSON", "JSONB", "UUID", "SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8", "MONEY",
    "INET", "CIDR", "MACADDR", "XML", "POINT", "LINE", "LSEG", "BOX", "PATH", "POLYGON", "CIRCLE", "TINYINT",
    "BLOB", "CLOB", "MEDIUMINT", "ENUM", "TSVECTOR", "TSQUERY", "HSTORE", "INT4RANGE", "INT8RANGE",
    "NUMRANGE", "TSRANGE", "TSTZRANGE", "DATERANGE", "MEDIUMTEXT", "LONGTEXT", "TINYTEXT", "DOUBLE_PRECISION",
    "NAME", "CITEXT",
})  # fmt: skip


@dataclass(frozen=True)
class ColumnType:
    """A type as declared: its PostgreSQL spelling, its length in bytes when it is a character type."""

    sql: str
    varchar_bytes: int | None
    end: int
    """Index of the token behind the type."""


def read_type(sql: Sql, index: int, *, in_memory: bool = False) -> ColumnType:
    """Reads the type that starts at ``index``, of a column, or of an expression ``in_memory``.

    Raises:
        RedshiftError: Redshift has no such type, or not of this size.
    """
    word, after = sql.upper(index), index + 1
    if sql[index].kind != "word":
        raise syntax_error(sql[index].text)
    if word in UNSUPPORTED:
        raise RedshiftError("0A000", f'Column "{sql[index - 1].name}" has unsupported type "{word.lower()}".')
    if word in ("CHARACTER", "NATIONAL") and sql.at(after, "VARYING"):
        word, after = "VARCHAR", after + 1
    elif word == "BINARY" and sql.at(after, "VARYING"):
        word, after = "VARBYTE", after + 1
    arguments, end = _arguments(sql, after)
    if sql[end].text == "[":
        raise RedshiftError("0A000", f'Column "{sql[index - 1].name}" has unsupported type "{word.lower()}[]".')
    if sized := _sized(word, arguments, MAX_VARCHAR_IN_MEMORY if in_memory else MAX_VARCHAR):
        return ColumnType(sized[0], sized[1], end)
    if word == "DOUBLE" and sql.at(after, "PRECISION"):
        return ColumnType("double precision", None, after + 1)
    if word in ("TIMESTAMP", "TIME"):
        zone = sql.at(end, "WITH", "TIME", "ZONE")
        plain = sql.at(end, "WITHOUT", "TIME", "ZONE")
        return ColumnType(word.lower() + ("tz" if zone else ""), None, end + 3 if zone or plain else end)
    if word in _PLAIN:
        return ColumnType(_PLAIN[word], None, after)
    raise RedshiftError("42704", f'type "{sql[index].name}" does not exist')


def _sized(word: str, arguments: list[str], longest: int) -> tuple[str, int | None] | None:
    """The PostgreSQL spelling and length of a type that takes arguments; None for any other."""
    if word in _VARCHAR:
        size = 256 if word == "TEXT" else _size(arguments, default=256, limit=longest, name="varchar")
        return f"varchar({size})", size
    if word in _CHAR:
        size = 256 if word == "BPCHAR" else _size(arguments, default=1, limit=MAX_CHAR, name="char")
        return f"char({size})", size
    if word in _VARBYTE:
        size = _size(arguments, default=64_000, limit=MAX_VARBYTE, name="varbyte")
        return f"varbyte({min(size, POSTGRES_MAX_VARBYTE)})", None
    if word in _DECIMAL:
        return _decimal(arguments), None
    if word == "FLOAT":
        return ("real" if arguments and int(arguments[0]) <= 24 else "double precision"), None
    return None


def byte_check(column: str, size: int) -> str:
    """Returns the constraint that holds ``column`` to ``size`` bytes; its name tells ``errors`` the size.

    The name has a random end because a constraint outlives the renaming of its column.
    """
    return f"CONSTRAINT {quote(f'rsb${size}${secrets.token_hex(6)}')} CHECK (octet_length({quote(column)}) <= {size})"


def _arguments(sql: Sql, index: int) -> tuple[list[str], int]:
    if sql[index].text != "(":
        return [], index
    close = sql.close(index)
    return [sql.slice(a, b) for a, b in sql.split(index + 1, close)], close + 1


def _size(arguments: list[str], *, default: int, limit: int, name: str) -> int:
    if not arguments:
        return default
    text = arguments[0].upper()
    if text == "MAX":
        return limit
    if not text.isdigit():
        raise syntax_error(arguments[0])
    size = int(text)
    if size < 1:
        raise RedshiftError("22023", f"length for type {name} must be at least 1")
    if size > limit:
        raise RedshiftError("22023", f"length for type {name} cannot exceed {limit}")
    return size


def _decimal(arguments: list[str]) -> str:
    precision = int(arguments[0]) if arguments else 18
    scale = int(arguments[1]) if len(arguments) > 1 else 0
    if not 1 <= precision <= MAX_PRECISION:
        raise RedshiftError("22023", f"DECIMAL precision {precision} must be between 1 and {MAX_PRECISION}")
    if not 0 <= scale <= min(precision, MAX_PRECISION - 1):
        raise RedshiftError("22023", f"DECIMAL scale {scale} must be between 0 and precision {precision}")
    return f"numeric({precision}, {scale})"
