"""The MySQL types of expressions: what a result column is, from the catalogue's columns outwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mysql_mimic.types import ColumnDefinition, ColumnType
from sqlglot import exp

from aurora_dwh.local.aurora import fields
from aurora_dwh.local.aurora.dialect import Node, call, digits, function_name
from aurora_dwh.local.aurora.tables import Column, Table

ARITHMETIC: Final[dict[type[Any], str]] = {
    exp.Add: "DWH_ADD",
    exp.Sub: "DWH_SUB",
    exp.Mul: "DWH_MUL",
    exp.Div: "DWH_DIV",
}
_DOUBLES: Final = frozenset({ColumnType.DOUBLE, ColumnType.FLOAT})
_INTEGER_RESULTS: Final = (exp.Count, exp.Length, exp.IntDiv, exp.Boolean, exp.Not, exp.Connector, exp.Predicate)
_TRANSPARENT: Final = (exp.Min, exp.Max, exp.Neg, exp.Paren, exp.Distinct, exp.Greatest, exp.Least, exp.Coalesce)
_NOW_NAMES: Final = frozenset({"NOW", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "SYSDATE", "UTC_TIMESTAMP"})
_TODAY_NAMES: Final = frozenset({"CURDATE", "CURRENT_DATE", "UTC_DATE"})
_INTEGER_NAMES: Final = frozenset({"CRC32", "CONNECTION_ID", "ROW_COUNT", "UNIX_TIMESTAMP", "LAST_INSERT_ID"})


class Kinds:
    """Types of expressions among some tables.

    Args:
        scope: The tables, by alias (lower case); tables may still be added to it.
    """

    def __init__(self, scope: dict[str, Table]) -> None:
        self._scope = scope

    def column(self, node: Node) -> tuple[Table, Column] | None:
        """The catalogue's column behind a reference."""
        if not isinstance(node, exp.Column):
            return None
        tables = [self._scope[node.table.lower()]] if node.table.lower() in self._scope else self._scope.values()
        for table in tables:
            column = table.column(node.name)
            if column is not None:
                return table, column
        return None

    def field(self, title: str, node: Node) -> fields.Field | None:
        """The MySQL type of an expression, as a result column; None where only its value can tell."""
        node = node.this if isinstance(node, exp.Alias) else node
        found = self.column(node)
        if found:
            return fields.of_column(title, *found)
        if isinstance(node, exp.Coalesce) and any(isinstance(o, exp.Literal) and o.is_string for o in node.expressions):
            return fields.text(title)
        if isinstance(node, _TRANSPARENT):
            return self._anonymous(title, node.expressions[0] if isinstance(node, exp.Distinct) else node.this)
        if isinstance(node, exp.If):
            return self._anonymous(title, node.args["true"])
        if isinstance(node, exp.Case):
            return self._anonymous(title, node.args["ifs"][0].args["true"])
        if isinstance(node, exp.Cast):
            return cast_field(title, node)
        return _moment_field(title, node) or self._computed(title, node)

    def is_decimal(self, *nodes: Node) -> bool:
        """Whether one of the expressions is a DECIMAL."""
        found = [self.field("", node) for node in nodes]
        return any(field is not None and field.is_decimal for field in found)

    def _anonymous(self, title: str, node: Node) -> fields.Field | None:
        """The type of an expression that may be NULL and is no table's column any more."""
        field = self.field(title, node)
        if field is None:
            return None
        return replace(field, flags=field.flags & ~int(ColumnDefinition.NOT_NULL_FLAG), table="", org_name="")

    def _computed(self, title: str, node: Node) -> fields.Field | None:
        if isinstance(node, (exp.Sum, exp.Avg)):
            return fields.plain(title, ColumnType.DOUBLE if self._is_double(node.this) else ColumnType.NEWDECIMAL)
        if type(node) in ARITHMETIC or isinstance(node, exp.Mod):
            return self._arithmetic(title, node)
        if isinstance(node, exp.BitwiseXorAgg):
            return replace(fields.integer(title), flags=int(ColumnDefinition.UNSIGNED_FLAG))
        if isinstance(node, exp.Literal) and not node.is_string and "." in node.name:
            return fields.plain(title, ColumnType.NEWDECIMAL)
        if isinstance(node, _INTEGER_RESULTS) or function_name(node) in _INTEGER_NAMES:
            return fields.integer(title)
        return None

    def _arithmetic(self, title: str, node: Node) -> fields.Field | None:
        if self._is_double(node.this) or self._is_double(node.expression):
            return fields.plain(title, ColumnType.DOUBLE)
        if isinstance(node, exp.Div) or self.is_decimal(node.this, node.expression):
            return fields.plain(title, ColumnType.NEWDECIMAL)
        return None

    def _is_double(self, node: Node) -> bool:
        field = self.field("", node)
        return field is not None and field.type in _DOUBLES


def _moment_field(title: str, node: Node) -> fields.Field | None:
    name = function_name(node)
    shifted = isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.expression, exp.Interval)
    if name in _NOW_NAMES or shifted or isinstance(node, (exp.DateAdd, exp.DateSub)):
        count = digits(node) if name in _NOW_NAMES else 6
        return fields.plain(title, ColumnType.DATETIME, decimals=count)
    if name in _TODAY_NAMES or isinstance(node, exp.TsOrDsToDate):
        return fields.plain(title, ColumnType.DATE)
    return None


def cast_field(title: str, node: Node) -> fields.Field:
    """The type that a CAST makes."""
    kind = node.args["to"].this
    name = kind.name if hasattr(kind, "name") else str(kind)
    if name in {"BIGINT", "INT", "UBIGINT", "UINT"}:
        field = fields.integer(title)
        return replace(field, flags=int(ColumnDefinition.UNSIGNED_FLAG) if name.startswith("U") else 0)
    kinds = {
        "DECIMAL": ColumnType.NEWDECIMAL,
        "DATETIME": ColumnType.DATETIME,
        "TIMESTAMP": ColumnType.DATETIME,
        "DATE": ColumnType.DATE,
        "DOUBLE": ColumnType.DOUBLE,
        "FLOAT": ColumnType.DOUBLE,
        "BINARY": ColumnType.BLOB,
        "VARBINARY": ColumnType.BLOB,
    }
    return fields.plain(title, kinds.get(name, ColumnType.VAR_STRING))


def rewritten_cast(node: Node) -> Node:
    """A CAST as a call of the function that does what MySQL's does."""
    field = cast_field("", node)
    sizes = [int(size.name) for size in node.args["to"].expressions if size.name.isdigit()]
    if field.type == ColumnType.NEWDECIMAL:
        precision, scale = [*sizes, *(10, 0)[len(sizes) :]]
        return call("DWH_DECIMAL", node.this, precision, scale)
    if field.type == ColumnType.LONGLONG:
        return call("DWH_INTEGER", node.this, int(bool(field.flags)))
    if field.type == ColumnType.DATETIME:
        return call("DWH_DATETIME", node.this, sizes[0] if sizes else 0)
    if field.type == ColumnType.DATE:
        return call("DWH_DATE", node.this)
    if field.type == ColumnType.DOUBLE:
        return node
    return call("DWH_BINARY" if field.type == ColumnType.BLOB else "DWH_CHAR", node.this)
