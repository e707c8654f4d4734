"""Navigation into SUPER and iteration over it, as calls of the functions of ``sql/super.sql``.

``c.orders[0].id`` becomes ``super_get(super_get(super_get(c.orders, 0), 'id')``; ``FROM c, c.orders AS o`` becomes a
lateral subquery. What a path starts with, a table or a column, the FROM clauses say (``scopes``): what no relation is
called is a column. Source: "Querying semistructured data" of the guide.
"""

from __future__ import annotations

from aurora_dwh.local.redshift.errors import syntax_error
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.parameters import ATTRIBUTES, is_on
from aurora_dwh.local.redshift.scopes import CLAUSES, Iteration, Scope, Scopes
from aurora_dwh.local.redshift.sqltext import Sql, Token, quote
from aurora_dwh.local.redshift.types import read_type
from aurora_dwh.local.redshift.upstream import literal

Pieces = dict[int, tuple[str, int]]
"""Index of a token -> what stands in its place, and the index behind what it replaces."""
_VERBS = frozenset({"SELECT", "WITH", "(", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "DECLARE"})
_NO_PATH_AFTER = frozenset({".", "::", "AS", "AT", "COLLATE", "DELETE", "INTO", "UPDATE"})


def navigation(sql: Sql) -> Pieces:
    """Returns what takes the place of the paths and iterations of a query, or of a statement that changes a table."""
    if sql.upper(0) not in _VERBS or not any(t.text in (".", "[") or t.upper == "UNNEST" for t in sql.tokens):
        return {}
    return _Navigation(sql).pieces()


class _Navigation:
    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.scopes = Scopes(sql)

    def pieces(self) -> Pieces:
        """All of them."""
        found: Pieces = {i.start: (self._iteration(i), i.end) for i in self.scopes.iterations}
        inside = {k for i in self.scopes.iterations for k in range(i.start, i.end)}
        index = 0
        while index < len(self.sql):
            token = self.sql[index]
            is_constructor = self.sql.at(index, "ARRAY", "[")  # of an array of the leader node's
            if not token.is_name or is_constructor or index in inside or self.sql.upper(index - 1) in _NO_PATH_AFTER:
                index += 1
                continue
            stop = self.scopes.path_end(index)
            if stop == index + 1 and not found:  # a plain name, and no element of an array
                index = stop
                continue
            if self.sql[stop].text != "(" and (path := self._path(index, stop)):
                heading, end = self._heading(index, stop)
                found[index] = (path + heading, end)
            index = stop
        return found

    def _iteration(self, item: Iteration) -> str:
        path = self._path(item.path, item.stop, is_source=True)
        source = "super_attributes" if item.kind == "object" else "super_elements"
        place = "attribute" if item.kind == "object" else "index"
        columns = f"element, {place}" if len(item.columns) > 1 else "element"
        if not item.columns:
            raise syntax_error(self.sql[item.end].text)
        named = ", ".join(quote(physical(name)) for name in item.columns)
        return f"LATERAL (SELECT {columns} FROM pg_catalog.{source}({path})) AS {quote(physical(item.alias))} ({named})"

    def _path(self, index: int, stop: int, *, is_source: bool = False) -> str:
        """The path ``[index, stop)`` as an expression; empty where it is a plain column or a table."""
        sql, scope = self.sql, self.scopes.at[index]
        is_relation = sql.upper(index - 1) in ("FROM", "JOIN", "USING", ",", "(")
        if not is_source and is_relation and self.scopes.clauses[index] == "FROM":
            return ""
        base, step = self._base(scope, index, stop)
        if step == stop and not is_source and not scope.is_element(sql[index].name):
            return ""
        while step < stop:
            if sql[step].text == ".":
                base, step = f"pg_catalog.super_get({base}, {literal(_attribute(sql[step + 1]))})", step + 2
            else:
                close = sql.close(step)
                base, step = f"pg_catalog.super_get({base}, {sql.slice(step + 1, close)})", close + 1
        return base

    def _base(self, scope: Scope, index: int, stop: int) -> tuple[str, int]:
        """The column that a path starts from, and where its steps begin."""
        sql, names = self.sql, [self.sql[index]]
        while sql[index + 2 * len(names) - 1].text == "." and index + 2 * len(names) < stop:
            names.append(sql[index + 2 * len(names)])
        first = names[0].name
        if scope.is_element(first):
            alias = quote(physical(first))
            return f"{alias}.{alias}", index + 1
        length = 1
        if scope.is_table(first):
            length = 2
        for count in (2, 3):
            if scope.is_qualified(tuple(name.name for name in names[:count])) and len(names) >= count:
                length = count + 1
        length = min(length, len(names))
        return ".".join(_column(name) for name in names[:length]), index + 2 * length - 1

    def _heading(self, index: int, stop: int) -> tuple[str, int]:
        """The alias of a path that is a column of the result, its last attribute's name; and where the column ends."""
        sql, end, casts = self.sql, stop, ""
        if self.scopes.clauses[index] != "SELECT" or not self._starts_item(index):
            return "", stop
        while sql[end].text == "::":
            kind = read_type(sql, end + 1)
            end, casts = kind.end, f"{casts}::{kind.sql}"
        if end < len(sql) and sql[end].text not in (",", ")") and sql.upper(end) not in CLAUSES | {"FROM", "INTO"}:
            return "", stop
        name = next(sql[i] for i in range(stop - 1, index - 1, -1) if sql[i].is_name)
        return f"{casts} AS {quote(physical(name.name))}", end

    def _starts_item(self, index: int) -> bool:
        sql = self.sql
        before = sql.upper(index - 1)
        return before in ("SELECT", ",", "DISTINCT", "ALL") or sql.at(index - 2, "TOP")


def _column(token: Token) -> str:
    return quote(physical(token.name)) if token.kind == "quoted" else token.text


def _attribute(token: Token) -> str:
    """An attribute's name: in small letters, unless the session keeps them."""
    if is_on(ATTRIBUTES):
        return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text
    return token.name
