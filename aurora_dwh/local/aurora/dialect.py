"""MySQL's syntax tree and SQLite's text: parsing, writing, and the rewritings that need nothing but the node itself.

MySQL's own text is kept wherever SQLite understands it, since MySQL's functions are registered there under their names
(`functions`). What needs the catalogue or the session is `translate`; types of expressions are `kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError

from aurora_dwh.local.aurora.errors import not_supported, syntax_error

# sqlglot's trees: the name of their base class differs between its versions.
Node: TypeAlias = Any

_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}
_SELECT_OPTIONS: Final = re.compile(
    r"\A(\(*\s*SELECT)\s+(?:(?:SQL_\w+|HIGH_PRIORITY|STRAIGHT_JOIN)\s+)+", re.IGNORECASE
)


class _SqliteText(MySQL):
    """MySQL's own dialect, with SQLite's string literals and the few operators it spells otherwise."""

    class Generator(MySQL.Generator):  # type: ignore[misc, valid-type]
        """Writes SQL for SQLite."""

        TRANSFORMS: Final = {
            **MySQL.Generator.TRANSFORMS,
            exp.NullSafeEQ: lambda self, node: self.binary(node, "IS"),
            exp.IntDiv: lambda self, node: (
                f"CAST({self.sql(node, 'this')} / {self.sql(node, 'expression')} AS INTEGER)"
            ),
            exp.Mod: lambda self, node: self.func("MOD", node.this, node.expression),
            exp.RegexpLike: lambda self, node: self.func("REGEXP", node.expression, node.this),
            exp.GroupConcat: lambda self, node: _group_concat(self, node),
            exp.Lock: lambda self, node: "",
            # SQLite takes these two names for the beginning of a join.
            exp.Left: lambda self, node: self.func("DWH_LEFT", node.this, node.expression),
            exp.Right: lambda self, node: self.func("DWH_RIGHT", node.this, node.expression),
        }

        def literal_sql(self, expression: exp.Literal) -> str:
            """A string literal with doubled quotes; SQLite has no backslash escapes and ends text at a NUL."""
            if not expression.is_string:
                return str(expression.this)
            value = str(expression.this)
            if "\0" in value:
                return f"CAST(x'{value.encode().hex()}' AS TEXT)"
            return "'" + value.replace("'", "''") + "'"


def _group_concat(generator: Any, node: Node) -> str:
    inner = node.this.this if isinstance(node.this, exp.Order) else node.this
    if isinstance(inner, exp.Distinct):
        return f"GROUP_CONCAT({generator.sql(inner)})"  # SQLite takes no separator with DISTINCT
    separator = node.args.get("separator") or exp.Literal.string(",")
    return f"GROUP_CONCAT({generator.sql(inner)}, {generator.sql(separator)})"


def parse(sql: str) -> Node:
    """Parse one MySQL statement, or raise error 1064."""
    try:
        parsed = sqlglot.parse(_SELECT_OPTIONS.sub(r"\1 ", sql), read="mysql")
    except SqlglotError as problem:
        raise syntax_error(sql, str(problem).splitlines()[0]) from None
    if len(parsed) != 1 or parsed[0] is None or isinstance(parsed[0], exp.Command):
        raise syntax_error(sql)
    return parsed[0]


def render(tree: Node) -> str:
    """The SQLite text of a tree."""
    return str(tree.sql(dialect=_SqliteText, comments=False))


def function_name(node: Node) -> str:
    """The MySQL name of a function call; empty for anything else."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).upper()
    return node.sql_name() if isinstance(node, exp.Func) else ""


def digits(node: Node) -> int:
    """The digits that a function of the clock is asked for: NOW(6)."""
    found = node.expressions[0] if node.expressions else node.args.get("this")
    return int(found.name) if isinstance(found, exp.Literal) else 0


def literal(value: Any) -> Node:
    """A value as a literal."""
    if value is None:
        return exp.null()
    return exp.Literal.number(value) if isinstance(value, int) else exp.Literal.string(str(value))


def call(name: str, *arguments: Node | int) -> Node:
    """A call of a function of `functions`."""
    nodes = [exp.Literal.number(one) if isinstance(one, int) else one for one in arguments]
    return exp.Anonymous(this=name, expressions=nodes)


def shifted(moment: Node, interval: exp.Interval, *, backwards: bool) -> Node:
    """A moment plus or minus an interval of fixed length."""
    unit = str(interval.args["unit"].name).upper()
    if unit not in _SECONDS:
        raise not_supported(f"INTERVAL ... {unit}")
    amount = interval.this
    number = exp.Literal.number(amount.name) if isinstance(amount, exp.Literal) else amount
    seconds = exp.Mul(this=number, expression=exp.Literal.number(_SECONDS[unit] * (-1 if backwards else 1)))
    return exp.Anonymous(this="DWH_ADD_SECONDS", expressions=[moment, seconds])


def _date_function(node: Node) -> Node:
    interval = node.expression
    if not isinstance(interval, exp.Interval):
        interval = exp.Interval(this=interval, unit=node.args.get("unit"))
    return shifted(node.this, interval, backwards=isinstance(node, exp.DateSub))


def _difference(node: Node) -> Node:
    unit = str(node.args["unit"].name).upper()
    if unit not in _SECONDS:
        raise not_supported(f"TIMESTAMPDIFF({unit}, ...)")
    return call("DWH_SECONDS_BETWEEN", node.this, node.expression, _SECONDS[unit])


def _introduced(node: Node) -> Node:
    literal = node.args["expression"]
    if node.name.lower() == "_binary" and isinstance(literal, exp.Literal):
        return exp.HexString(this=literal.name.encode("utf-8", "surrogateescape").hex())
    return literal


def _characters(node: Node) -> Node:
    """CHAR(n, ...): a text of the characters, here of one byte each."""
    codes = [int(one.name) for one in node.expressions if isinstance(one, exp.Literal)]
    if len(codes) < len(node.expressions) or any(code > 127 for code in codes):
        raise not_supported("CHAR() of other than ASCII codes")
    return exp.Literal.string("".join(map(chr, codes)))


def _part_of_date(node: Node) -> Node:
    """YEAR, MONTH, DAY: of the value as it is; sqlglot puts a conversion to a date into them, which would round."""
    if isinstance(node.this, exp.TsOrDsToDate):
        node.set("this", node.this.this)
    return node


SYNTAX: Final[dict[type[Any], Callable[[Node], Node]]] = {
    exp.Introducer: _introduced,
    exp.Chr: _characters,
    exp.DateAdd: _date_function,
    exp.DateSub: _date_function,
    exp.TimestampDiff: _difference,
    exp.Year: _part_of_date,
    exp.Month: _part_of_date,
    exp.Day: _part_of_date,
    exp.TsOrDsToDate: lambda node: call("DWH_DATE", node.this),
}
