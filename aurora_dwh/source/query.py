"""What a query of the catalog gives: the columns of its result, as the server describes them. No row is read.

information_schema knows tables alone, and a user that only reads can make no view. What a server says ahead of a
result's rows is exact in all that the copy depends on, but for the members of an ENUM or SET, whose longest text it
tells. Source: "Column Definition Protocol" in the MySQL Source Code Documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pymysql
from pymysql.constants import ER, FIELD_TYPE, FLAG

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import UTF8_BYTES_PER_CHARACTER, Column, TableSchema
from aurora_dwh.source.connection import Connection, execute, explain
from aurora_dwh.source.discovery import table_type
from aurora_dwh.source.quoting import identifier, relation
from aurora_dwh.source.refusals import code_of, is_permanent

if TYPE_CHECKING:
    from aurora_dwh.source.wire.protocol import Described

_BINARY: Final = 63
"""The number of the collation of what is no text."""

_NOT_FIXED: Final = 31
"""The scale of a FLOAT or DOUBLE that has no number of digits of its own."""

_VECTOR: Final = 242
"""MySQL 9's; PyMySQL has no name for it."""

_TYPES: Final = {
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.INT24: "mediumint",
    FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.DECIMAL: "decimal",
    FIELD_TYPE.NEWDECIMAL: "decimal",
    FIELD_TYPE.BIT: "bit",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.NEWDATE: "date",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.GEOMETRY: "geometry",
    _VECTOR: "vector",
}
"""Type code -> DATA_TYPE; every other one is a text, or bytes."""

_BLOBS: Final = (FIELD_TYPE.TINY_BLOB, FIELD_TYPE.BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB)
_NUMBERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "float", "double", "decimal"})
_SIZED: Final = ("varchar", "varbinary")
_FRACTIONS: Final = ("datetime", "timestamp", "time")

_REMEDIES: Final = {ER.DUP_FIELDNAME: "give one of the two another name by AS; "}


def read_query(connection: Connection, database: str, name: str, query: str) -> TableSchema:
    """Return the columns of a query's result.

    Raises:
        DataError: The server refuses the query, a column has no name or no type, or the name is a table's.
        pymysql.err.MySQLError: The connection failed.
    """
    from aurora_dwh.source.wire import protocol

    if table_type(connection, database, name) is not None:
        raise DataError(
            f"table {name}: it has a `query`, and {database} has a table of that name, too; give the query another "
            f"name in the catalog, and `target_table: {name}` where Redshift's table is to be called so"
        )
    try:
        described = protocol.describe(connection, f"SELECT * FROM {relation(database, name, query)} LIMIT 0")
    except pymysql.err.MySQLError as error:
        if not is_permanent(error):
            raise
        raise DataError(
            f"table {name}: the server refuses its `query`: {explain(error)}; {_REMEDIES.get(code_of(error), '')}mend "
            "the query in the catalog"
        ) from error
    if problems := list(_problems(described, query)):
        raise DataError(f"table {name}: {'; '.join(problems)}")
    columns = tuple(map(_column, described))
    return _with_charsets(connection, TableSchema(database, name, columns, query=query))


def _problems(described: Sequence[Described], query: str) -> Iterator[str]:
    for column in described:
        if _is_expression(column.name, query):
            yield f"`query` gives {column.name!r} no name; write AS and a name behind it"
        elif column.charset == _BINARY and column.length == 0:
            yield f"`query` gives {column.name!r} NULL and no type; write CAST(NULL AS CHAR(20)), say"


def _is_expression(name: str, query: str) -> bool:
    """Return whether a column is called by its expression, as a server calls it that has no name for it."""
    is_word = re.fullmatch(r"[\w$]*[^\W\d][\w$]*", name) is not None
    return not is_word and name in query and identifier(name) not in query


def _column(described: Described) -> Column:
    """Return a column; any may be NULL, as an outer join's."""
    kind, length = _TYPES.get(described.type_code, ""), None
    if not kind:
        is_bytes, is_blob = described.charset == _BINARY, described.type_code in _BLOBS
        kind = ("blob" if is_blob else "varbinary") if is_bytes else ("text" if is_blob else "varchar")
        length = described.length if is_bytes else described.length // UTF8_BYTES_PER_CHARACTER
    precision = scale = None
    if kind == "decimal":
        scale = described.scale
        precision = described.length - (scale > 0) - (not described.flags & FLAG.UNSIGNED)
    elif kind == "bit":
        precision = described.length
    return Column(
        described.name,
        kind,
        _column_type(kind, described, length, precision),
        length=length,
        precision=precision,
        scale=scale,
    )


def _column_type(kind: str, described: Described, length: int | None, precision: int | None) -> str:
    """Return a type as COLUMN_TYPE would name it."""
    name = kind
    if kind == "decimal":
        name += f"({precision},{described.scale})"
    elif kind == "bit":
        name += f"({precision})"
    elif kind in _SIZED:
        name += f"({length})"
    elif kind in ("float", "double") and described.scale != _NOT_FIXED:
        name += f"({described.length},{described.scale})"
    elif kind in _FRACTIONS and described.scale:
        name += f"({described.scale})"
    flags = ((FLAG.UNSIGNED, " unsigned"), (FLAG.ZEROFILL, " zerofill")) if kind in _NUMBERS else ()
    return name + "".join(word for flag, word in flags if described.flags & flag)


def _with_charsets(connection: Connection, schema: TableSchema) -> TableSchema:
    """Return the schema with the character sets of texts, which arrive in the session's whatever theirs are.

    The server tells them of a row that it makes of NULLs.
    """
    texts = [column for column in schema.columns if column.data_type in ("varchar", "text")]
    if not texts:
        return schema
    asked = ", ".join(f"CHARSET({identifier(column.name)})" for column in texts)
    nothing = f"SELECT * FROM {relation(schema.database, schema.table, schema.query)} LIMIT 0"
    ((*charsets,),) = execute(connection, f"SELECT {asked} FROM (SELECT 1) one LEFT JOIN ({nothing}) none ON TRUE")
    found = dict(zip((column.name for column in texts), map(str, charsets), strict=True))
    return replace(schema, columns=tuple(replace(c, charset=found.get(c.name, "")) for c in schema.columns))
