"""Which relations a name can mean at each place of a statement.

Belongs here: reading the FROM clauses of a statement, with their nesting. Does not belong here: what is made of a name
(``navigation``, ``selects``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aurora_dwh.local.redshift.sqltext import Sql, read_name

CLAUSES = frozenset(
    {"SELECT", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "WINDOW", "SET", "VALUES"}
    | {"UNION", "EXCEPT", "MINUS", "INTERSECT"}
)
"""Words that end a FROM clause, or the list of a SELECT."""
NO_ALIAS = CLAUSES | frozenset(
    {"ON", "USING", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "AS", "AT", "FROM", "WITH", "FETCH"}
    | {"FOR", "PIVOT", "UNPIVOT", "WHEN"}
)


def begins_clause(sql: Sql, index: int) -> bool:
    """Whether the word at ``index``, one of ``CLAUSES``, is none of WITHIN GROUP or WITH OFFSET."""
    return sql.upper(index - 1) not in ("WITHIN", "WITH")


@dataclass(frozen=True)
class Iteration:
    """A FROM item that iterates over a SUPER value: the tokens ``[start, end)`` of it and its path ``[path, stop)``.

    Args:
        kind: ``array`` or ``object``.
        alias: what an element is called; for UNNEST, the table.
        columns: names of the element and, where it is asked for, of its index or attribute.
    """

    kind: str
    start: int
    end: int
    path: int
    stop: int
    alias: str
    columns: tuple[str, ...]


@dataclass
class Scope:
    """A SELECT, or a statement that changes a table, with what its FROM names."""

    parent: Scope | None
    clause: str = ""
    tables: set[str] = field(default_factory=set)
    qualified: set[tuple[str, ...]] = field(default_factory=set)
    elements: set[str] = field(default_factory=set)
    """Aliases of elements of a SUPER array."""

    def is_table(self, name: str) -> bool:
        """Whether ``name`` is an alias here or in a query around."""
        return name in self.tables or (self.parent is not None and self.parent.is_table(name))

    def is_element(self, name: str) -> bool:
        """Whether ``name`` is an element of an array here or in a query around."""
        return name in self.elements or (self.parent is not None and self.parent.is_element(name))

    def is_qualified(self, parts: tuple[str, ...]) -> bool:
        """Whether a table is named so, without an alias, here or in a query around."""
        return parts in self.qualified or (self.parent is not None and self.parent.is_qualified(parts))


class Scopes:
    """The scope and the clause of each token of ``sql``; the iterations in its FROM clauses."""

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.at: list[Scope] = []
        self.clauses: list[str] = []
        self.iterations: list[Iteration] = []
        self._dotted: list[tuple[Scope, int]] = []
        self._read()
        for scope, index in self._dotted:  # the FROM around may stand behind the query that iterates over its columns
            first = sql[index].name
            if scope.parent and (scope.parent.is_table(first) or scope.parent.is_element(first)):
                scope.qualified = {parts for parts in scope.qualified if parts[-1] != read_name(sql, index).table}
                self._iteration(scope, index, index, "array")

    def path_end(self, index: int) -> int:
        """Index behind a path ``a.b[0].c`` that starts at ``index``."""
        sql = self.sql
        index += 1
        while True:
            if sql[index].text == "." and sql[index + 1].is_name:
                index += 2
            elif sql[index].text == "[":
                index = sql.close(index) + 1
            else:
                return index

    def _read(self) -> None:
        sql, scope = self.sql, Scope(None)
        ends: list[tuple[int, Scope]] = []
        reading, skip = False, 0  # reading: what comes next in a FROM clause is a relation
        for index, token in enumerate(sql.tokens):
            while ends and index == ends[-1][0]:
                scope = ends.pop()[1]
            scope, reading = self._step(scope, index, is_reading=reading)
            self.at.append(scope)
            self.clauses.append(scope.clause)
            if reading and index >= skip and index + 1 < len(sql):
                skip = self._relation(scope, index + 1)
                reading = skip == index + 1 and sql[index + 1].text == "("
            if token.text == "(" and not self._is_joined(scope, index):
                ends.append((sql.close(index), scope))
                scope = Scope(scope)

    def _step(self, scope: Scope, index: int, *, is_reading: bool) -> tuple[Scope, bool]:
        """The scope at a token, and whether a relation follows it."""
        sql, word = self.sql, self.sql.upper(index)
        if word in CLAUSES and begins_clause(sql, index):
            if word == "SELECT" and scope.clause:  # the next arm of a UNION
                scope = Scope(scope.parent)
            scope.clause = word
            return scope, False
        if word in ("FROM", "JOIN", "USING") and self._opens_from(scope, index):
            scope.clause = "FROM"
            return scope, True
        changes = word == "INTO" or (word in ("UPDATE", "DELETE") and index == 0 and not sql.at(1, "FROM"))
        return scope, changes or (word == "," and scope.clause == "FROM") or (is_reading and word != "ON")

    def _opens_from(self, scope: Scope, index: int) -> bool:
        """Not the FROM of EXTRACT, TRIM and SUBSTRING, nor the USING of a join's columns."""
        if self.sql.at(index, "USING"):
            return self.sql[index + 1].text != "(" or self.sql.upper(index + 2) in ("SELECT", "WITH", "(")
        return scope.parent is None or scope.clause != ""

    def _is_joined(self, scope: Scope, index: int) -> bool:
        """Whether the parenthesis at ``index`` holds a join, whose names are seen outside of it."""
        if scope.clause != "FROM" or self.sql.upper(index - 1) not in ("FROM", "JOIN", ",", "("):
            return False
        inner = index
        while self.sql[inner].text == "(":
            inner += 1
        return self.sql[inner].is_name and self.sql.upper(inner) not in ("SELECT", "WITH", "VALUES")

    def _relation(self, scope: Scope, index: int) -> int:
        """Notes the relation at ``index``; returns the index behind it, or ``index`` itself where there is none."""
        sql, token = self.sql, self.sql[index]
        if token.text == "(":
            if self._is_joined(scope, index):
                return index
            self._named(scope, sql.close(index) + 1)
            return index
        if not token.is_name or token.upper in ("LATERAL", "SELECT"):
            return index
        if token.upper == "UNNEST" and sql[index + 1].text == "(":
            return self._unnest(scope, index)
        if token.upper == "UNPIVOT":
            return self._iteration(scope, index, index + 1, "object")
        stop = self.path_end(index)
        if sql[stop].text == "(" and not sql.at(index - 1, "INTO"):  # a function
            return self._named(scope, sql.close(stop) + 1)[1]
        first, is_path = token.name, stop > index + 1
        has_bracket = any(sql[i].text == "[" for i in range(index, stop))
        if scope.is_element(first) or (is_path and (scope.is_table(first) or has_bracket)):
            return self._iteration(scope, index, index, "array")
        name = read_name(sql, index)
        if is_path:
            self._dotted.append((scope, index))
        alias, end = self._named(scope, name.end)
        if not alias:
            scope.tables.add(name.table)
            scope.qualified |= {name.parts[i:] for i in range(len(name.parts))}
        return end

    def _named(self, scope: Scope, index: int) -> tuple[str, int]:
        """Notes the alias at ``index`` and the one behind a PIVOT; returns the last and the index behind it."""
        alias, end = self._alias(index)
        if self.sql.upper(end) in ("PIVOT", "UNPIVOT"):
            opening = self.sql.find("(", end)
            alias, end = self._alias(self.sql.close(opening) + 1)
        scope.tables.add(alias)
        return alias, end

    def _iteration(self, scope: Scope, start: int, path: int, kind: str) -> int:
        stop = self.path_end(path)
        alias, end = self._alias(stop)
        columns: tuple[str, ...] = (alias or self.sql[stop - 1].name,)
        if self.sql.at(end, "AT") and self.sql[end + 1].is_name:
            columns, end = (*columns, self.sql[end + 1].name), end + 2
        scope.elements.add(columns[0])
        self.iterations.append(Iteration(kind, start, end, path, stop, columns[0], columns))
        return end

    def _unnest(self, scope: Scope, index: int) -> int:
        sql, close = self.sql, self.sql.close(index + 1)
        after = close + (3 if sql.at(close + 1, "WITH", "OFFSET") else 1)
        alias, end = self._alias(after)
        columns: tuple[str, ...] = ()
        if sql[end].text == "(":
            columns = tuple(sql[a].name for a, _ in sql.split(end + 1, sql.close(end)))
            end = sql.close(end) + 1
        scope.tables.add(alias)
        self.iterations.append(Iteration("array", index, end, index + 2, close, alias, columns))
        return end

    def _alias(self, index: int) -> tuple[str, int]:
        """The alias at ``index``, empty where there is none, and the index behind it."""
        if self.sql.at(index, "AS") and self.sql[index + 1].is_name:
            return self.sql[index + 1].name, index + 2
        token = self.sql[index]
        if token.is_name and token.upper not in NO_ALIAS:
            return token.name, index + 1
        return "", index
