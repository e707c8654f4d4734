"""MySQL statements into SQLite's language: SELECT, UPDATE, DELETE, INSERT ... SELECT.

Here is what needs the catalogue or the session: names of tables and columns, literals compared with columns, exact
DECIMAL arithmetic, variables and the clock. Rewritings of syntax alone are `dialect`, types of expressions are `kinds`,
running statements is `session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlglot import exp

from aurora_dwh.local.aurora import information_schema
from aurora_dwh.local.aurora.dialect import SYNTAX, Node, call, digits, function_name, literal, parse, render, shifted
from aurora_dwh.local.aurora.errors import AuroraError, not_supported, unknown_table
from aurora_dwh.local.aurora.fields import Field
from aurora_dwh.local.aurora.kinds import ARITHMETIC, Kinds, rewritten_cast
from aurora_dwh.local.aurora.tables import INTEGERS, TEMPORALS, Column, Table
from aurora_dwh.local.aurora.values import SQLITE_INTEGER, storer

__all__ = ["Context", "Translated", "parse", "translate"]

_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)


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
    fields: tuple[tuple[str, Field | None], ...]
    scope: dict[str, Table]
    schema_tables: tuple[str, ...]


def translate(tree: Node, context: Context) -> Translated:
    """Translate a parsed statement; the tree is changed."""
    return _Translation(context).run(tree)


class _Translation:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._scope: dict[str, Table] = {}
        self._kinds = Kinds(self._scope)
        self._schema_tables: list[str] = []

    def run(self, tree: Node) -> Translated:
        self._bind_tables(tree)
        titles = self._titles(tree)
        for column in tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)
        selected = tree.selects if titles else []
        found = tuple((title, self._kinds.field(title, node)) for title, node in zip(titles, selected, strict=True))
        tree = tree.transform(self._session_value)
        tree = self._rewritten(tree)
        for derived in tree.find_all(exp.Subquery):
            if isinstance(derived.parent, (exp.From, exp.Join)) and not derived.this.args.get("limit"):
                # A limit keeps SQLite from merging the query into the outer one, where each use of one of its
                # expressions would compute it again.
                derived.this.set("limit", exp.Limit(expression=exp.Literal.number(-1)))
        for name in ("locks", "hint"):
            for node in tree.find_all(exp.Select):
                node.set(name, None)
        return Translated(render(tree), found, self._scope, tuple(self._schema_tables))

    def _bind_tables(self, tree: Node) -> None:
        local = {cte.alias for cte in tree.find_all(exp.CTE)}
        for node in list(tree.find_all(exp.Table)):
            if node.name in local and not node.db:
                continue
            if node.name.lower() == "dual" and not node.db:
                node.parent.pop()  # SELECT ... FROM DUAL has no table
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
        if any(_is_star(node) for node in tree.selects):
            return []  # of a derived table: SQLite will name them
        return [self._title(node) for node in tree.selects]

    def _expand(self, select: exp.Select, node: Node) -> list[Node]:
        wanted = node.table.lower() if isinstance(node, exp.Column) else ""
        names = [one.alias_or_name.lower() for one in _sources(select)]
        if not _is_star(node) or not all(name in self._scope for name in names):
            return [node]
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
            found = self._kinds.column(node)
            return found[1].name if found and found[0].schema == information_schema.NAME else str(node.name)
        return str(node.name) if isinstance(node, exp.Literal) else node.sql("mysql")

    def _session_value(self, node: Node) -> Node:
        """Replace what is constant for a statement: variables, the clock, the session's names."""
        if isinstance(node, exp.SessionParameter):
            return literal(self._context.variable(node.name))
        name = function_name(node)
        if name in self._context.functions:
            return literal(self._context.functions[name](digits(node)))
        return node

    def _rewritten(self, node: Node) -> Node:
        """Rewrite a node, and what is in it; sqlglot's own transform would leave out what is in a new node."""
        new = self._node(node)
        for child in list(new.iter_expressions()):
            inner = self._rewritten(child)
            if inner is not child:
                child.replace(inner)
        return new

    def _node(self, node: Node) -> Node:
        if isinstance(node, _COMPARISONS):
            return self._comparison(node)
        if isinstance(node, (exp.Between, exp.In)):
            return self._membership(node)
        if isinstance(node, exp.Ordered):
            node.set("nulls_first", None)
            return self._by_value(node, "this")
        if type(node) in ARITHMETIC:
            return self._arithmetic(node)
        if isinstance(node, exp.Cast):
            return rewritten_cast(node)
        rewrite = SYNTAX.get(type(node))
        return rewrite(node) if rewrite else node

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
        found = self._kinds.column(reference)
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
        field = None if isinstance(inner, exp.Literal) else self._kinds.field("", self._aliased(node, inner))
        if field is not None and field.is_decimal and not field.org_name:
            node.set(name, exp.Cast(this=inner, to=exp.DataType.build("DOUBLE")))
        return node

    def _aliased(self, node: Node, inner: Node) -> Node:
        """What an output alias stands for in ORDER BY and HAVING."""
        select = node.find_ancestor(exp.Select)
        if isinstance(inner, exp.Column) and not inner.table and select is not None and not self._kinds.column(inner):
            for one in select.selects:
                if isinstance(one, exp.Alias) and one.alias.lower() == inner.name.lower():
                    return one.this
        return inner

    def _arithmetic(self, node: Node) -> Node:
        if isinstance(node.expression, exp.Interval):
            return shifted(node.this, node.expression, backwards=isinstance(node, exp.Sub))
        for side in ("this", "expression"):
            found = self._kinds.column(node.args[side])
            if found and found[1].data_type == "bit":  # bytes elsewhere, a number in arithmetic
                node.set(side, call("DWH_BITS", node.args[side].copy()))
        if not isinstance(node, exp.Div) and not self._kinds.is_decimal(node.this, node.expression):
            return node
        return exp.Anonymous(this=ARITHMETIC[type(node)], expressions=[node.this, node.expression])


def _is_star(node: Node) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def _sources(select: Node) -> list[Node]:
    """What a SELECT reads from, in order; sqlglot renamed the argument for FROM."""
    start = select.args.get("from_") or select.args.get("from")
    joined = [join.this for join in select.args.get("joins") or []]
    return [start.this, *joined] if start else []


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
