"""Names of a SELECT's result that its WHERE uses, which PostgreSQL does not know there.

Redshift takes a name for a column of FROM where there is one, else for what the list calls so; sqlalchemy-redshift's
reflection rests on it. Belongs here: finding such names and writing out what they stand for. Does not belong here:
asking for columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aurora_dwh.local.redshift.sqltext import Sql

_ENDS = frozenset({"GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "MINUS", "INTERSECT"})


def expand_aliases(sql: Sql, has_column: Callable[[str, str], bool]) -> Sql:
    """Returns the statement with those names of each WHERE written out.

    Args:
        sql: the statement.
        has_column: whether a FROM clause, Redshift SQL, has a column of the name.
    """
    changed = False
    for index in sql.all("SELECT"):
        clauses = _clauses(sql, index)
        if {"FROM", "WHERE"} <= clauses.keys():
            start, where, end = clauses["FROM"], clauses["WHERE"], clauses["END"]
            named = _named(sql, index + 1, start)
            for place in _bare_names(sql, where + 1, end):
                name = sql[place].name
                if name in named and not has_column(name, sql.slice(start, where)):
                    sql.replace(place, place + 1, f"({named[name]})")
                    changed = True
    return Sql(sql.render()) if changed else sql


def _clauses(sql: Sql, select: int) -> dict[str, int]:
    """Where the FROM and the WHERE of a SELECT begin, and where its WHERE ends."""
    found: dict[str, int] = {}
    index = select + 1
    while index < len(sql) and sql[index].text != ")" and sql.upper(index) not in _ENDS:
        if sql.upper(index) in ("FROM", "WHERE"):
            found.setdefault(sql.upper(index), index)
        index = sql.close(index) + 1 if sql[index].text == "(" else index + 1
    return found | {"END": index}


def _named(sql: Sql, start: int, end: int) -> dict[str, str]:
    """The expressions of a list that are given a name by AS."""
    items = ((a, b) for a, b in sql.split(start, end) if b - a > 2 and sql.at(b - 2, "AS"))
    return {sql[b - 1].name: sql.slice(a, b - 2) for a, b in items if sql[b - 1].is_name}


def _bare_names(sql: Sql, start: int, end: int) -> Iterator[int]:
    """Names without a table, outside of subqueries."""
    index = start
    while index < end:
        if sql[index].text == "(" and sql.upper(index + 1) in ("SELECT", "WITH"):
            index = sql.close(index)
        elif sql[index].is_name and sql[index - 1].text not in (".", "::") and sql[index + 1].text not in (".", "("):
            yield index
        index += 1
