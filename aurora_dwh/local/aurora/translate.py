"""MySQL statements into SQLite's language: SELECT, UPDATE, DELETE, INSERT ... SELECT.

MySQL's own text is kept wherever SQLite understands it, since MySQL's functions are registered there under their names
(`functions`); what remains is names of tables, literals compared with temporal columns, exact DECIMAL arithmetic and a
little syntax. Each output column gets its MySQL type here as well. Running statements is `session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import sqlglot
from mysql_mimic.types import ColumnDefinition, ColumnType
from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError

from aurora_dwh.local.aurora import fields, information_schema
from aurora_dwh.local.aurora.errors import AuroraError, not_supported, syntax_error, unknown_table
from aurora_dwh.local.aurora.tables import INTEGERS, TEMPORALS, Column, Table
from aurora_dwh.local.aurora.values import SQLITE_INTEGER, storer

# sqlglot's trees: the name of their base class differs between its versions.
Node: TypeAlias = Any

_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_ARITHMETIC: Final[dict[type[Any], str]] = {
    exp.Add: "DWH_ADD",
    exp.Sub: "DWH_SUB",
    exp.Mul: "DWH_MUL",
    exp.Div: "DWH_DIV",
}
_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}
_INTEGER_RESULTS: Final = (exp.Count, exp.Length, exp.IntDiv, exp.Boolean, exp.Not, exp.Connector, exp.Predicate)
_TRANSPARENT: Final = (exp.Min, exp.Max, exp.Paren, exp.Distinct, exp.Greatest, exp.Least, exp.Coalesce)
_NOW_NAMES: Final = frozenset({"NOW", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "SYSDATE", "UTC_TIMESTAMP"})
_TODAY_NAMES: Final = frozenset({"CURDATE", "CURRENT_DATE", "UTC_DATE"})
_INTEGER_NAMES: Final = frozenset({"CRC32", "CONNECTION_ID", "ROW_COUNT", "UNIX_TIMESTAMP", "LAST_INSERT_ID"})


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
    separator = node.args.get("separator") or exp.Literal.string(",")
    return f"GROUP_CONCAT({generator.sql(inner)}, {generator.sql(separator)})"


@dataclass(frozen=True)
class Context:
    """What a statement's meaning depends on besides its text.

    Attributes:
        schema: The session's schema.
        find: Gives a table of the catalogue, or raises error 1146.
        variable: Gives a system variable's value, or raises error 1193.
        functions: Values of the functions that ask about the session and the clock.
        offset: Seconds that the session's time zone is ahead of UTC.
    """

    schema: str
    find: Callable[[str, str], Table]
    variable: Callable[[str], Any]
    functions: Mapping[str, Callable[[int], Any]]
    offset: int


@dataclass(frozen=True)
class Translated:
    """A statement for SQLite.

    Attributes:
        sql: Its text.
        fields: The result's columns; a `None` type is left to the first value.
        scope: The tables it names, by alias (lower case).
        schema_tables: The information_schema tables it names.
    """

    sql: str
    fields: tuple[tuple[str, fields.Field | None], ...]
    scope: dict[str, Table]
    schema_tables: tuple[str, ...]


def parse(sql: str) -> Node:
    """Parse one MySQL statement, or raise error 1064."""
    try:
        parsed = sqlglot.parse(sql, read="mysql")
    except SqlglotError as problem:
        raise syntax_error(sql, str(problem).splitlines()[0]) from None
    if len(parsed) != 1 or parsed[0] is None or isinstance(parsed[0], exp.Command):
        raise syntax_error(sql)
    return parsed[0]


def render(tree: Node) -> str:
    """The SQLite text of a tree."""
    return str(tree.sql(dialect=_SqliteText, comments=False))


def translate(tree: Node, context: Context) -> Translated:
    """Translate a parsed statement; the tree is changed."""
    return _Translation(context).run(tree)


class _Translation:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._scope: dict[str, Table] = {}
        self._schema_tables: list[str] = []

    def run(self, tree: Node) -> Translated:
        self._bind_tables(tree)
        titles = self._titles(tree)
        for column in tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)
        selected = tree.selects if titles else []
        found = tuple((title, self._field(title, node)) for title, node in zip(titles, selected, strict=True))
        tree = tree.transform(self._session_value)
        tree = tree.transform(self._node)
        for name in ("locks", "hint"):
            for node in tree.find_all(exp.Select):
                node.set(name, None)
        return Translated(render(tree), found, self._scope, tuple(self._schema_tables))

    def _bind_tables(self, tree: Node) -> None:
        local = {cte.alias for cte in tree.find_all(exp.CTE)}
        for node in list(tree.find_all(exp.Table)):
            if node.name in local and not node.db:
                continue
            schema = node.db or self._context.schema
            if schema.lower() == information_schema.NAME:
                if not information_schema.exists(node.name):
                    raise unknown_table(information_schema.NAME, node.name.upper())
                table = information_schema.definition(node.name)
                self._schema_tables.append(table.name)
            else:
                table = self._context.find(schema, node.name)
            alias = node.alias or node.name
            self._scope[alias.lower()] = table
            node.set("hints", None)
            node.set("db", None)
            node.set("this", exp.to_identifier(table.stored_name, quoted=True))
            if not isinstance(node.parent, (exp.Insert, exp.Schema)):
                node.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        if self._schema_tables and len(self._schema_tables) < len(self._scope):
            raise not_supported("a join of information_schema with other tables")

    def _titles(self, tree: Node) -> list[str]:
        """Expand stars, and name each output column as MySQL does."""
        if not isinstance(tree, exp.Query):
            return []
        for select in tree.find_all(exp.Select):
            select.set("expressions", [one for node in select.expressions for one in self._expand(select, node)])
        return [self._title(node) for node in tree.selects]

    def _expand(self, select: exp.Select, node: Node) -> list[Node]:
        is_star = isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))
        sources = [*select.find_all(exp.Subquery), *select.find_all(exp.CTE)]
        if not is_star or sources:
            return [node]
        wanted = node.table.lower() if isinstance(node, exp.Column) else ""
        names = [one.alias.lower() for one in select.find_all(exp.Table)]
        return [
            exp.column(exp.to_identifier(column.name, quoted=True), table=exp.to_identifier(name, quoted=True))
            for name in names
            if not wanted or name == wanted
            for column in self._scope[name].columns
        ]

    def _title(self, node: Node) -> str:
        if isinstance(node, exp.Alias):
            return str(node.alias)
        if isinstance(node, exp.Column):
            found = self._column(node)
            return found[1].name if found and found[0].schema == information_schema.NAME else str(node.name)
        return str(node.name) if isinstance(node, exp.Literal) else node.sql("mysql")

    def _column(self, node: Node) -> tuple[Table, Column] | None:
        """The catalogue's column behind a reference."""
        if not isinstance(node, exp.Column):
            return None
        tables = [self._scope[node.table.lower()]] if node.table.lower() in self._scope else self._scope.values()
        for table in tables:
            column = table.column(node.name)
            if column is not None:
                return table, column
        return None

    def _session_value(self, node: Node) -> Node:
        """Replace what is constant for a statement: variables, the clock, the session's names."""
        if isinstance(node, exp.SessionParameter):
            return _literal(self._context.variable(node.name))
        name = _function_name(node)
        if name in self._context.functions:
            return _literal(self._context.functions[name](_digits(node)))
        return node

    def _field(self, title: str, node: Node) -> fields.Field | None:
        """The MySQL type of an expression; None where only its value can tell."""
        node = node.this if isinstance(node, exp.Alias) else node
        found = self._column(node)
        if found:
            return fields.of_column(title, *found)
        if isinstance(node, _TRANSPARENT):
            inner = node.expressions[0] if isinstance(node, exp.Distinct) else node.this
            field = self._field(title, inner) or None
            return replace(field, flags=field.flags & ~1, table="", org_name="") if field else None
        if isinstance(node, exp.Cast):
            return _cast_field(title, node)
        if isinstance(node, (exp.If, exp.Case)):
            return self._field(title, node.args["true"]) if isinstance(node, exp.If) and node.args.get("true") else None
        return self._computed_field(title, node)

    def _computed_field(self, title: str, node: Node) -> fields.Field | None:
        moment = _moment_field(title, node)
        if moment is not None:
            return moment
        if isinstance(node, (exp.Sum, exp.Avg)):
            inner = self._field("", node.this)
            doubled = inner is not None and inner.type in {ColumnType.DOUBLE, ColumnType.FLOAT}
            return fields.plain(title, ColumnType.DOUBLE if doubled else ColumnType.NEWDECIMAL)
        if isinstance(node, tuple(_ARITHMETIC)):
            sides = [self._field("", side) for side in (node.this, node.expression)]
            if any(side is not None and side.type in {ColumnType.DOUBLE, ColumnType.FLOAT} for side in sides):
                return fields.plain(title, ColumnType.DOUBLE)
            if isinstance(node, exp.Div) or any(side is not None and side.is_decimal for side in sides):
                return fields.plain(title, ColumnType.NEWDECIMAL)
            return None
        if isinstance(node, exp.BitwiseXorAgg) or _function_name(node) in _INTEGER_NAMES:
            return fields.integer(title)
        if isinstance(node, exp.Literal) and not node.is_string and "." in node.name:
            return fields.plain(title, ColumnType.NEWDECIMAL)
        return fields.integer(title) if isinstance(node, _INTEGER_RESULTS) else None

    def _node(self, node: Node) -> Node:
        if isinstance(node, _COMPARISONS):
            return self._comparison(node)
        if isinstance(node, (exp.Between, exp.In)):
            return self._membership(node)
        if isinstance(node, exp.Ordered):
            node.set("nulls_first", None)
            return self._by_value(node, "this")
        if isinstance(node, tuple(_ARITHMETIC)):
            return self._arithmetic(node)
        return _SYNTAX.get(type(node), _same)(node)

    def _comparison(self, node: Node) -> Node:
        left, right = node.this, node.expression
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            pairs = zip(left.expressions, right.expressions, strict=False)
            right.set("expressions", [self._as_stored(one, value) for one, value in pairs])
            return node
        node.set("expression", self._as_stored(left, right))
        node.set("this", self._as_stored(right, left))
        self._by_value(node, "this")
        return self._by_value(node, "expression")

    def _membership(self, node: Node) -> Node:
        for name in ("low", "high"):
            if name in node.args:
                node.set(name, self._as_stored(node.this, node.args[name]))
        if node.expressions:
            node.set("expressions", [self._as_stored(node.this, one) for one in node.expressions])
        return node

    def _as_stored(self, reference: Node, value: Node) -> Node:
        """A literal compared with a column, in the form that the column stores."""
        found = self._column(reference)
        if found is None or not isinstance(value, exp.Literal):
            return value
        column = found[1]
        if column.data_type in TEMPORALS:
            return _temporal_literal(column, value, self._context.offset)
        if column.data_type in INTEGERS and value.is_string and value.name.lstrip("-").isdigit():
            value = exp.Literal.number(value.name)
        if not value.is_string and value.name.isdigit() and int(value.name) > SQLITE_INTEGER:
            return exp.Literal.string(value.name)
        return value

    def _by_value(self, node: Node, name: str) -> Node:
        """Order and compare computed decimals, which are text, by their value."""
        inner = node.args[name]
        field = None if isinstance(inner, exp.Literal) else self._field("", self._aliased(node, inner))
        if field is not None and field.is_decimal and not field.org_name:
            node.set(name, exp.Cast(this=inner, to=exp.DataType.build("DOUBLE")))
        return node

    def _aliased(self, node: Node, inner: Node) -> Node:
        """What an output alias stands for in ORDER BY and HAVING."""
        select = node.find_ancestor(exp.Select)
        if isinstance(inner, exp.Column) and not inner.table and select is not None and not self._column(inner):
            for one in select.selects:
                if isinstance(one, exp.Alias) and one.alias.lower() == inner.name.lower():
                    return one.this
        return inner

    def _arithmetic(self, node: Node) -> Node:
        if isinstance(node.expression, exp.Interval):
            return _shifted(node.this, node.expression, backwards=isinstance(node, exp.Sub))
        sides = [self._field("", side) for side in (node.this, node.expression)]
        exact = isinstance(node, exp.Div) or any(side is not None and side.is_decimal for side in sides)
        if not exact:
            return node
        return exp.Anonymous(this=_ARITHMETIC[type(node)], expressions=[node.this, node.expression])


def _function_name(node: Node) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.name).upper()
    return node.sql_name() if isinstance(node, exp.Func) else ""


def _moment_field(title: str, node: Node) -> fields.Field | None:
    name = _function_name(node)
    shifted = isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.expression, exp.Interval)
    if name in _NOW_NAMES or shifted or isinstance(node, (exp.DateAdd, exp.DateSub)):
        digits = _digits(node) if name in _NOW_NAMES else 6
        return fields.plain(title, ColumnType.DATETIME, decimals=digits)
    if name in _TODAY_NAMES or isinstance(node, exp.TsOrDsToDate):
        return fields.plain(title, ColumnType.DATE)
    return None


def _digits(node: Node) -> int:
    """The digits that a function of the clock is asked for: NOW(6)."""
    found = node.expressions[0] if node.expressions else node.args.get("this")
    return int(found.name) if isinstance(found, exp.Literal) else 0


def _literal(value: Any) -> Node:
    if value is None:
        return exp.null()
    return exp.Literal.number(value) if isinstance(value, int) else exp.Literal.string(str(value))


def _temporal_literal(column: Column, value: exp.Literal, offset: int) -> exp.Literal:
    if not value.is_string:
        return value
    try:
        stored = storer(column, offset=offset)(value.name)
        finer = storer(replace(column, arguments=("6",)), offset=offset)(value.name)
    except AuroraError as problem:
        raise AuroraError(1525, f"Incorrect {column.data_type.upper()} value: '{value.name}'") from problem
    # Microseconds that the column has not still decide a comparison: text order puts them after the whole second.
    exact = stored if finer.startswith(stored) and not finer[len(stored) :].strip(".0") else finer
    return exp.Literal.string(exact)


def _shifted(moment: Node, interval: exp.Interval, *, backwards: bool) -> Node:
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
    return _shifted(node.this, interval, backwards=isinstance(node, exp.DateSub))


def _same(node: Node) -> Node:
    return node


def _call(name: str, *arguments: Node | int) -> Node:
    nodes = [exp.Literal.number(one) if isinstance(one, int) else one for one in arguments]
    return exp.Anonymous(this=name, expressions=nodes)


def _cast(node: Node) -> Node:
    field = _cast_field("", node)
    sizes = [int(size.name) for size in node.args["to"].expressions if size.name.isdigit()]
    if field.type == ColumnType.NEWDECIMAL:
        precision, scale = [*sizes, *(10, 0)[len(sizes) :]]
        return _call("DWH_DECIMAL", node.this, precision, scale)
    if field.type == ColumnType.LONGLONG:
        return _call("DWH_INTEGER", node.this, int(bool(field.flags)))
    if field.type == ColumnType.DATETIME:
        return _call("DWH_DATETIME", node.this, sizes[0] if sizes else 0)
    if field.type == ColumnType.DATE:
        return _call("DWH_DATE", node.this)
    if field.type == ColumnType.DOUBLE:
        return node
    return _call("DWH_BINARY" if field.type == ColumnType.BLOB else "DWH_CHAR", node.this)


def _cast_field(title: str, node: Node) -> fields.Field:
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


def _introduced(node: Node) -> Node:
    literal = node.args["expression"]
    if node.name.lower() == "_binary" and isinstance(literal, exp.Literal):
        return exp.HexString(this=literal.name.encode("utf-8", "surrogateescape").hex())
    return literal


_SYNTAX: Final[dict[type[Any], Callable[[Node], Node]]] = {
    exp.Cast: _cast,
    exp.Introducer: _introduced,
    exp.DateAdd: _date_function,
    exp.DateSub: _date_function,
    exp.TsOrDsToDate: lambda node: _call("DWH_DATE", node.this),
}
