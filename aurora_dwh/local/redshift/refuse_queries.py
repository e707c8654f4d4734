"""What Redshift refuses in a query and PostgreSQL would take: windows, set operations, WITH, aggregates side by side.

Belongs here: checks of a query by its tokens. Does not belong here: what no statement may hold (``refuse``), what takes
the types of expressions (``refuse_tree``). Messages are Redshift's where somebody met them; the pages are the guide's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.sqltext import Sql

FRAMED = frozenset({
    "SUM", "AVG", "COUNT", "MIN", "MAX", "STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE", "VAR_SAMP", "VAR_POP",
    "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "BOOL_AND", "BOOL_OR",
})  # fmt: skip
"""Window functions that need a frame beside ORDER BY: c_Window_functions."""
SORTING = frozenset({"LISTAGG", "MEDIAN", "PERCENTILE_CONT", "PERCENTILE_DISC"})
MOST_GROUPING_SETS = 64


def _windows(sql: Sql) -> None:
    for index in sql.all("OVER"):
        if sql[index + 1].text != "(":
            if sql[index - 1].text == ")" and sql[index + 1].is_name:
                raise syntax_error(sql[index + 1].text)
            continue
        _window(sql, index)
    for index in sql.all("WINDOW"):
        if sql[index + 1].is_name and sql.at(index + 2, "AS", "("):
            raise syntax_error(sql[index].text)


_FRAMES = frozenset({"RANGE", "GROUPS", "EXCLUDE"})
_FRAME_STARTS = frozenset({"BETWEEN", "UNBOUNDED", "CURRENT", "NO", "GROUP", "TIES"})


def _window(sql: Sql, over: int) -> None:
    start, close = over + 2, sql.close(over + 1)
    top = {sql.upper(i): i for i in _top_level(sql, start, close)}
    for word in _FRAMES & top.keys():
        if sql.upper(top[word] + 1) in _FRAME_STARTS or sql.at(top[word] + 2, "PRECEDING"):
            if word == "RANGE":
                raise RedshiftError("0A000", "RANGE clause of window functions not yet implemented")
            raise syntax_error(sql[top[word]].text)
    name = _function_before(sql, over)
    if "ORDER" in top and "ROWS" not in top and name in FRAMED:
        raise RedshiftError("42601", "Aggregate window functions with an ORDER BY clause require a frame clause")
    for word, what in (("PARTITION", "PARTITION BY"), ("ORDER", "ORDER BY")):
        if word in top:
            key = sql[top[word] + 2]
            if key.kind in ("number", "string") and sql[top[word] + 3].upper in (
                ",",
                ")",
                "ORDER",
                "ASC",
                "DESC",
                "ROWS",
            ):
                raise RedshiftError("0A000", f"constant expressions are not supported in {what} of window functions")


def _top_level(sql: Sql, start: int, end: int) -> Iterator[int]:
    index = start
    while index < end:
        yield index
        index = sql.close(index) + 1 if sql[index].text in ("(", "[") else index + 1


def _function_before(sql: Sql, over: int) -> str:
    """The function whose clause OVER is."""
    for opening, close in sql.closing.items():
        if close == over - 1:
            return sql.upper(opening - 1)
    return ""


def _set_operations(sql: Sql) -> None:
    for word in ("INTERSECT", "EXCEPT", "MINUS"):
        for _ in sql.all(word, "ALL"):
            raise RedshiftError("0A000", f"{word} ALL is not supported")


def _limits(sql: Sql) -> None:
    for index in sql.all("FETCH"):
        if sql.upper(index + 1) in ("FIRST", "NEXT") and sql.upper(index - 1) != "." and index > 0:
            raise syntax_error(sql[index].text)
    for index in sql.all("OFFSET"):
        if sql.upper(index + 2) in ("ROW", "ROWS"):
            raise syntax_error(sql[index + 2].text)


def _recursion(sql: Sql) -> None:
    """The recursive form of r_WITH_clause: a list of columns, UNION ALL, at the head of the statement."""
    for index in sql.all("WITH", "RECURSIVE"):
        if any(opening < index < close for opening, close in sql.closing.items()):
            raise syntax_error(sql[index + 1].text)
        start = index + 2
        while sql[start].is_name:
            listed = sql[start + 1].text == "("
            body = (sql.close(start + 1) if listed else start) + 2
            if sql[body].text != "(":
                return
            _recursive(sql, start, body, listed=listed)
            start = sql.close(body) + 2 if sql[sql.close(body) + 1].text == "," else len(sql)


def _recursive(sql: Sql, name: int, body: int, *, listed: bool) -> None:
    inner = range(body + 1, sql.close(body))
    if not any(sql.upper(i - 1) in ("FROM", "JOIN", ",") and sql[i].name == sql[name].name for i in inner):
        return
    if not listed:
        raise RedshiftError("0A000", "Recursive CTE without a column name list is not supported")
    if any(sql.at(i, "UNION") and not sql.at(i + 1, "ALL") for i in inner):
        raise RedshiftError("0A000", "Recursive CTE requires UNION ALL")


def _aggregates(sql: Sql) -> None:
    """Aggregates that sort agree on their order, and stand beside no DISTINCT: r_LISTAGG, r_MEDIAN."""
    for start, end in _selects(sql):
        orders: set[str] = set()
        distinct = sorting = False
        for index in _reached(sql, start, end):
            if sql[index + 1].text != "(" or sql[index].kind != "word":
                continue
            close = sql.close(index + 1)
            if sql.at(close + 1, "OVER") or (
                sql.at(close + 1, "WITHIN", "GROUP") and sql.at(sql.close(close + 3) + 1, "OVER")
            ):
                continue
            distinct |= sql.at(index + 2, "DISTINCT") and sql.upper(index) not in SORTING
            if sql.upper(index) in SORTING:
                sorting = True
                order = _order(sql, index, close)
                orders |= {order} if order else set()
        if len(orders) > 1:
            raise RedshiftError("0A000", "within group ORDER BY clauses for aggregate functions must be the same")
        if sorting and distinct:
            raise RedshiftError(
                "0A000",
                "Using LISTAGG/PERCENTILE_CONT/MEDIAN aggregate functions"
                " with other distinct aggregate function not supported",
            )


def _order(sql: Sql, index: int, close: int) -> str:
    if sql.at(index, "MEDIAN"):
        return sql.slice(index + 2, close).lower()
    if sql.at(close + 1, "WITHIN", "GROUP"):
        return sql.slice(close + 6, sql.close(close + 3)).lower()
    return ""


def _selects(sql: Sql) -> Iterator[tuple[int, int]]:
    """The tokens of each query: from its SELECT to the next set operation or the parenthesis around it."""
    for index in sql.all("SELECT"):
        around = [close for opening, close in sql.closing.items() if opening < index < close]
        end = min(around, default=len(sql))
        yield index, next((i for i in _top_level(sql, index, end) if sql.upper(i) in _BETWEEN_QUERIES), end)


_BETWEEN_QUERIES = frozenset({"UNION", "INTERSECT", "EXCEPT", "MINUS"})


def _reached(sql: Sql, start: int, end: int) -> Iterator[int]:
    """The tokens of one query without those of the queries within."""
    index = start
    while index < end:
        if sql[index].text == "(" and sql.upper(index + 1) in ("SELECT", "WITH"):
            index = sql.close(index)
        yield index
        index += 1


def _grouping(sql: Sql) -> None:
    """No constants, and 64 sets at most: r_GROUP_BY_aggregation-extensions."""
    for word in ("CUBE", "ROLLUP"):
        for index in sql.all(word, "("):
            columns = len(sql.split(index + 2, sql.close(index + 1)))
            if (2**columns if word == "CUBE" else columns + 1) > MOST_GROUPING_SETS:
                raise RedshiftError("54000", f"too many grouping sets: at most {MOST_GROUPING_SETS} are supported")
            _no_constants(sql, index + 1)
    for index in sql.all("GROUPING", "SETS", "("):
        _no_constants(sql, index + 2)


def _no_constants(sql: Sql, opening: int) -> None:
    for start, end in sql.split(opening + 1, sql.close(opening)):
        if end - start == 1 and sql[start].kind in ("number", "string"):
            raise RedshiftError("0A000", "constants are not supported in GROUPING SETS, ROLLUP and CUBE")


def _assignments(sql: Sql) -> None:
    """UPDATE sets one column at a time, and joins no table with an outer join: r_UPDATE."""
    if not sql.starts("UPDATE"):
        return
    start = sql.find("SET")
    if start > 0 and sql[start + 1].text == "(":
        raise syntax_error("(")
    top = [sql.upper(i) for i in _top_level(sql, max(start, 0), len(sql))]
    if "FROM" in top and any(
        word in ("LEFT", "RIGHT", "FULL") and after in ("JOIN", "OUTER") for word, after in itertools.pairwise(top)
    ):
        raise RedshiftError("0A000", "Target table must be part of an equijoin predicate")


NESTED_CHECKS: tuple[Callable[[Sql], None], ...] = (
    _windows,
    _set_operations,
    _limits,
    _recursion,
    _aggregates,
    _grouping,
    _assignments,
)
"""What no query holds, wherever it stands."""
