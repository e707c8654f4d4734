"""The columns of a result, as the wire describes them: name, MySQL type, flags, width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mysql_mimic.types import ColumnDefinition, ColumnType

from aurora_dwh.local.aurora.tables import BINARIES, CHARACTERS, Column, Table

_BINARY_CHARSET: Final = 63
_TEXT_CHARSET: Final = 255
_TYPES: Final[dict[str, ColumnType]] = {
    "tinyint": ColumnType.TINY,
    "smallint": ColumnType.SHORT,
    "mediumint": ColumnType.INT24,
    "int": ColumnType.LONG,
    "bigint": ColumnType.LONGLONG,
    "decimal": ColumnType.NEWDECIMAL,
    "double": ColumnType.DOUBLE,
    "float": ColumnType.FLOAT,
    "bit": ColumnType.BIT,
    "year": ColumnType.YEAR,
    "date": ColumnType.DATE,
    "time": ColumnType.TIME,
    "datetime": ColumnType.DATETIME,
    "timestamp": ColumnType.TIMESTAMP,
    "json": ColumnType.JSON,
    "char": ColumnType.STRING,
    "enum": ColumnType.STRING,
    "set": ColumnType.STRING,
    "varchar": ColumnType.VAR_STRING,
    "binary": ColumnType.STRING,
    "varbinary": ColumnType.VAR_STRING,
}
# MySQL announces every TEXT and BLOB as BLOB; the width tells them apart.
_WIDTHS: Final = {"tinyint": 4, "smallint": 6, "mediumint": 9, "int": 11, "bigint": 20, "date": 10, "year": 4}


@dataclass(frozen=True)
class Field:
    """One column of a result."""

    name: str
    type: ColumnType
    flags: int = 0
    length: int = 256
    decimals: int = 0
    charset: int = _TEXT_CHARSET
    table: str = ""
    org_name: str = ""

    @property
    def is_decimal(self) -> bool:
        """Whether the values are DECIMAL text."""
        return bool(self.type == ColumnType.NEWDECIMAL)


def plain(name: str, kind: ColumnType, *, decimals: int = 0) -> Field:
    """A computed column."""
    textual = kind in {ColumnType.VAR_STRING, ColumnType.STRING}
    charset = _TEXT_CHARSET if textual else _BINARY_CHARSET
    length = 1024 if textual else 32
    return Field(name, kind, 0 if textual else int(ColumnDefinition.BINARY_FLAG), length, decimals, charset)


def text(name: str) -> Field:
    """A computed column of text."""
    return plain(name, ColumnType.VAR_STRING)


def integer(name: str) -> Field:
    """A computed column of BIGINT."""
    return plain(name, ColumnType.LONGLONG)


def of_column(name: str, table: Table, column: Column) -> Field:
    """A table's column."""
    textual = column.data_type in CHARACTERS
    return Field(
        name=name,
        type=_TYPES.get(column.data_type, ColumnType.BLOB),
        flags=_flags(table, column),
        length=_length(column),
        decimals=column.scale or column.fraction or (31 if column.data_type in {"double", "float"} else 0),
        charset=_TEXT_CHARSET if textual else _BINARY_CHARSET,
        table=table.name,
        org_name=column.name,
    )


def _flags(table: Table, column: Column) -> int:
    key = {
        "PRI": ColumnDefinition.PRI_KEY_FLAG,
        "UNI": ColumnDefinition.UNIQUE_KEY_FLAG,
        "MUL": ColumnDefinition.MULTIPLE_KEY_FLAG,
    }.get(table.key_of(column), ColumnDefinition(0))
    chosen = (
        (not column.nullable, ColumnDefinition.NOT_NULL_FLAG),
        (column.unsigned, ColumnDefinition.UNSIGNED_FLAG),
        (column.auto_increment, ColumnDefinition.AUTO_INCREMENT_FLAG),
        (column.data_type == "enum", ColumnDefinition.ENUM_FLAG),
        (column.data_type == "set", ColumnDefinition.SET_FLAG),
        (column.data_type.endswith(("blob", "text")), ColumnDefinition.BLOB_FLAG),
        (column.data_type not in CHARACTERS, ColumnDefinition.BINARY_FLAG),
    )
    return int(key) | sum(int(flag) for wanted, flag in chosen if wanted)


def _length(column: Column) -> int:
    if column.data_type in CHARACTERS | BINARIES:
        return min(column.octet_length or 0, 2**32 - 1)
    if column.data_type == "decimal":
        return (column.precision or 0) + (1 if column.scale else 0) + (0 if column.unsigned else 1)
    if column.fraction is not None:
        return (10 if column.data_type == "time" else 19) + (column.fraction + 1 if column.fraction else 0)
    return _WIDTHS.get(column.data_type, 22)
