"""Keys as places in an index: which columns tell where a row lies, and the conditions of what lies behind it.

A key goes back to the server as exactly what it was, in a literal of its column's own kind; else rows would be lost
between two pieces of a table. Walking along a key is `chunks`' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.schema import Column, TableSchema, fold
from aurora_dwh.source.discovery import PRIMARY, Index
from aurora_dwh.source.quoting import characters, identifier, literal
from aurora_dwh.source.value_policies import named_key

if TYPE_CHECKING:
    import pyarrow as pa

_WORDS = frozenset({"char", "varchar"})
_ORDERED = _WORDS | frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"),
        *("binary", "varbinary", "date", "datetime", "timestamp"),
    }
)
"""Types whose literals compare with a column as its index is ordered. An ENUM's index is not in the order of its texts,
and the text of a FLOAT is not its value."""

_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8"})
"""Character sets whose texts arrive as the bytes that the column holds."""

Position = tuple[Any, ...]
"""Where in an index a row lies: the exact values of the index's columns."""


@dataclass(frozen=True)
class Keyset:
    """An index that rows are read along, and the columns that tell where in it a row lies."""

    index: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    @property
    def named(self) -> str:
        """The index and its columns, for messages."""
        return f"{self.index} ({', '.join(self.names)})"

    @property
    def exact(self) -> tuple[Column, ...]:
        """What is read for the exact values of the columns, in which no two keys are one.

        A text's bytes, where those are not UTF-8: several characters of cp932, for one, are the same in Unicode.
        """
        return tuple(_as_bytes(column) if _is_converted(column) else column for column in self.columns)

    @property
    def extra(self) -> tuple[Column, ...]:
        """What is read beside the table's columns, for `exact`."""
        return tuple(column for column in self.exact if column not in self.columns)

    def position(self, batch: pa.RecordBatch) -> Position:
        """Return where the last row of a batch lies."""
        return tuple(batch.column(column.target_name)[-1].as_py() for column in self.exact)

    def at_or_behind(self, position: Position) -> str:
        """Return the condition of the row at a position, and of those behind it."""
        return _behind(self.names, self._literals(position), ">=")

    def behind(self, position: Position) -> str:
        """Return the condition of the rows behind a position."""
        return _behind(self.names, self._literals(position), ">")

    def shown(self, position: Position) -> str:
        """Return a position as messages name it."""
        return named_key(dict(zip(self.names, position, strict=True)))

    def _literals(self, position: Position) -> list[str]:
        return [_literal(column, value) for column, value in zip(self.columns, position, strict=True)]


def primary_keyset(schema: TableSchema) -> Keyset | None:
    """Return the primary key as a way through the table, None where the rows that are read do not tell where to go on.

    That is so without a primary key, where a column of it is not copied or masked, and for types that no literal
    stands for in the index's order.
    """
    return _keyset(schema, PRIMARY, schema.primary_key)


def index_keyset(schema: TableSchema, index: Index) -> Keyset | None:
    """Return an index as a way through a range of its first column; each of its entries ends with the primary key.

    None as for `primary_keyset`, and where a column behind the first may be NULL. The first must not be NULL in the
    range.
    """
    names = {fold(name): name for name in (*index.columns, *schema.primary_key)}
    nullable = {column.source_name for column in schema.columns if column.nullable}
    if not schema.primary_key or nullable & {fold(name) for name in index.columns[1:]}:
        return None
    return _keyset(schema, index.name, tuple(names.values()))


def _keyset(schema: TableSchema, index: str, names: Sequence[str]) -> Keyset | None:
    by_name = {column.source_name: column for column in schema.columns}
    columns = tuple(by_name[fold(name)] for name in names if fold(name) in by_name)
    usable = all(column.data_type in _ORDERED and column.read_as == "{0}" for column in columns)
    return Keyset(index, columns) if columns and usable and len(columns) == len(names) else None


def _is_converted(column: Column) -> bool:
    """Return whether a column's values arrive as other bytes than it holds."""
    return column.data_type in _WORDS and column.charset not in _UTF8


def _as_bytes(column: Column) -> Column:
    source = identifier(column.name).replace("{", "{{").replace("}", "}}")
    name, read_as = f"_dwh_bytes_{column.target_name}", f"CAST({source} AS BINARY)"
    return Column(name, "varbinary", "varbinary", nullable=False, read_as=read_as)


def _literal(column: Column, value: Any) -> str:
    """Return a key's value as a literal that is that value exactly, and of the column's own type or character set."""
    if column.data_type in _WORDS:
        is_utf8 = column.charset in _UTF8
        return characters(value.encode() if is_utf8 else value, "utf8mb4" if is_utf8 else column.charset)
    return literal(Decimal(value) if column.data_type == "decimal" else value)  # one of many digits arrives as text


def _behind(names: Sequence[str], values: Sequence[str], last: str) -> str:
    """Return the condition of the rows behind a key, in the form that MySQL serves by a range of the index.

    It does not so for `(a, b) > (x, y)` (MySQL 8.0 manual, "Range Optimization of Row Constructor Expressions").

    Args:
        last: How the last column compares: `>=` takes the row of the key itself, too.
    """
    name, value = identifier(names[0]), values[0]
    if len(names) == 1:
        return f"{name} {last} {value}"
    return f"{name} >= {value} AND ({name} > {value} OR ({_behind(names[1:], values[1:], last)}))"
