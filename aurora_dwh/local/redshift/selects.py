"""What a SELECT may say of its own list: lateral aliases, there and in WHERE, EXCLUDE, GROUP BY ALL.

Belongs here: lists that need to know the columns of their FROM, which PostgreSQL is asked for. Does not belong here:
TOP and QUALIFY (``rewrite``). Sources: r_SELECT_list.md, r_EXCLUDE_list.md and r_GROUP_BY_clause.md of the guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_dwh.local.redshift.errors import RedshiftError, unsupported
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.sqltext import Sql, quote, read_name

if TYPE_CHECKING:
    from aurora_dwh.local.redshift.rewrite import Rewriter

LIST_ENDS = frozenset({"FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT", "OFFSET"})
_AGGREGATES = frozenset(
    {"ANY_VALUE", "AVG", "BIT_AND", "BIT_OR", "BOOL_AND", "BOOL_OR", "COUNT", "HLL", "LISTAGG", "MAX", "MEDIAN", "MIN"}
    | {"PERCENTILE_CONT", "PERCENTILE_DISC", "STDDEV", "STDDEV_POP", "STDDEV_SAMP", "SUM"}
    | {"VARIANCE", "VAR_POP", "VAR_SAMP"}
)
_NO_ALIAS_AFTER = frozenset(
    {
        "IS",
        "NOT",
        "AND",
        "OR",
        "LIKE",
        "ILIKE",
        "IN",
        "THEN",
        "ELSE",
        "WHEN",
        "BETWEEN",
        "DISTINCT",
        "ALL",
        "CASE",
        "BY",
    }
    | {".", "::"}
)
_NO_ALIAS = frozenset(
    {"END", "NULL", "TRUE", "FALSE", "NULLS", "UNKNOWN", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "ZONE"}
)
_PART_FIRST = frozenset(
    {"EXTRACT", "DATEADD", "DATE_ADD", "DATEDIFF", "DATE_DIFF", "DATE_PART", "DATE_TRUNC", "CONVERT", "TRIM"}
)
"""Functions whose first argument begins with a word that is no column."""


def select_list(rewriter: Rewriter, first: int, end: int, stop: int) -> str | None:
    """Returns the list ``[first, end)`` of the SELECT that ends at ``stop``; None where its tokens say all.

    Raises:
        RedshiftError: EXCLUDE of a column that is not there.
    """
    sql = rewriter.sql
    if sql.upper(first) in ("DISTINCT", "ALL"):
        rest = select_list(rewriter, first + 1, end, stop)
        return None if rest is None else f"{sql[first].text} {rest}"
    items = sql.split(first, end)
    named = [_alias(sql, a, b) for a, b in items]
    where, after_where = _where(rewriter, end, stop)
    lateral = _lateral(sql, [*items, (where, after_where)], [*named, ("", after_where)])
    if not lateral and not any(sql.at(i, "EXCLUDE") and sql[i - 1].text == "*" for i in range(first, end)):
        return None
    source = rewriter.text(end, _source_end(rewriter, end, stop)) if sql.at(end, "FROM") else ""
    if lateral and source:
        lateral -= set(_columns(rewriter, first, f"* {source}"))
    out: list[str] = []
    known: dict[str, str] = {}
    excluding = False
    for (start, after), (name, expression_end) in zip(items, named, strict=True):
        if excluding and after - start == 1:
            continue  # a further name of EXCLUDE without parentheses
        star = next((i for i in range(start, after) if sql.at(i, "EXCLUDE") and sql[i - 1].text == "*"), -1)
        if star > 0:
            excluding = sql[star + 1].text != "("
            out.append(_without(rewriter, items, start, star, first, source))
            continue
        with rewriter.aliased(known):
            out.append(rewriter.text(start, after))
            expression = rewriter.text(start, expression_end)
        if name in lateral:
            known = {**known, name: f"({expression})"}
    if where < after_where:
        with rewriter.aliased(known):
            rewriter.pieces[where] = (rewriter.text(where, after_where), after_where)
    return ", ".join(out)


def _alias(sql: Sql, start: int, end: int) -> tuple[str, int]:
    """The alias of the item ``[start, end)``, empty where it has none, and the end of its expression."""
    last, before = sql[end - 1], sql[end - 2]
    if end - start > 2 and before.upper == "AS" and last.is_name:
        return last.name, end - 2
    ends_expression = before.text in (")", "]") or before.is_name or before.kind in ("number", "string", "param")
    is_alias = last.kind == "quoted" or (last.kind == "word" and last.upper not in _NO_ALIAS)
    if end - start > 1 and is_alias and ends_expression and before.upper not in _NO_ALIAS_AFTER:
        return last.name, end - 1
    return "", end


def _lateral(sql: Sql, items: list[tuple[int, int]], named: list[tuple[str, int]]) -> set[str]:
    """The aliases that a later item of the list names, as if they were columns."""
    seen: set[str] = set()
    used: set[str] = set()
    for (start, _), (name, end) in zip(items, named, strict=True):
        if seen:
            names = {sql[i].name for i in range(start, end) if sql[i].is_name and stands_alone(sql, i)}
            used |= names & seen
        if name:
            seen.add(name)
    return used


def stands_alone(sql: Sql, index: int) -> bool:
    """Whether the name at ``index`` can be a column: it is no part of a longer name, no function, type or date part."""
    before, after = sql[index - 1], sql[index + 1]
    if before.text in (".", "::") or after.text in (".", "(") or after.kind == "string":
        return False
    if before.upper == "AS" or (before.text == "(" and sql.upper(index - 2) in _PART_FIRST):
        return False
    return not (before.kind == "string" and sql.at(index - 2, "INTERVAL"))


def _columns(rewriter: Rewriter, before: int, query: str) -> list[str]:
    if rewriter.columns_of is None:
        raise RedshiftError("0A000", "the columns of this query are not known here")
    return rewriter.columns_of(f"{with_before(rewriter, before)}SELECT {query}")


def _without(rewriter: Rewriter, items: list[tuple[int, int]], start: int, star: int, first: int, source: str) -> str:
    """The columns of ``*`` or ``t.*`` but those that EXCLUDE names."""
    sql = rewriter.sql
    if sql[star + 1].text == "(":
        gone = {physical(sql[a].name) for a, _ in sql.split(star + 2, sql.close(star + 1))}
    else:
        gone = {physical(sql[star + 1].name)}
        gone |= {physical(sql[a].name) for a, b in items if a > star and b - a == 1}
    columns = _columns(rewriter, first, f"{rewriter.text(start, star)} {source}")
    if missing := gone - set(columns):
        raise RedshiftError("42703", f'column "{min(missing)}" in the EXCLUDE list does not exist')
    kept = [name for name in columns if name not in gone]
    if len(kept) != len(set(kept)):
        raise unsupported("EXCLUDE over tables that share the name of a column, in the local stand-in,")
    relation = rewriter.text(start, star - 1)
    return ", ".join(f"{relation}{quote(name)}" for name in kept)


def _where(rewriter: Rewriter, start: int, stop: int) -> tuple[int, int]:
    """The tokens of the WHERE of a SELECT; none where it has none.

    The guide speaks of aliases in the list alone, but sqlalchemy-redshift's reflection rests on them in WHERE.
    """
    where = rewriter.level(start, stop, {"WHERE"})
    if where < 0:
        return stop, stop
    end = rewriter.level(where + 1, stop, LIST_ENDS)
    return where, stop if end < 0 else end


def _source_end(rewriter: Rewriter, start: int, stop: int) -> int:
    end = rewriter.level(start + 1, stop, LIST_ENDS - {"FROM"})
    return stop if end < 0 else end


def group_by_all(rewriter: Rewriter, first: int, end: int, stop: int) -> None:
    """Writes the places of the columns that are not aggregated for GROUP BY ALL, where the SELECT has it."""
    sql = rewriter.sql
    group = rewriter.level(end, stop, {"GROUP"})
    if group < 0 or not sql.at(group, "GROUP", "BY", "ALL"):
        return
    items = sql.split(first + (sql.upper(first) in ("DISTINCT", "ALL")), end)
    if any(sql[b - 1].text == "*" and (b - a == 1 or sql[b - 2].text == ".") for a, b in items):
        raise unsupported("GROUP BY ALL beside *, in the local stand-in,")
    places = [str(number) for number, (a, b) in enumerate(items, 1) if not _is_aggregated(sql, a, b)]
    rewriter.pieces[group] = (f"GROUP BY {', '.join(places)}" if places else "", group + 3)


def _is_aggregated(sql: Sql, start: int, end: int) -> bool:
    index = start
    while index < end:
        if sql.at(index, "(", "SELECT"):
            index = sql.close(index)
        elif sql.at(index, "OVER") or (sql.upper(index) in _AGGREGATES and sql[index + 1].text == "("):
            return True
        index += 1
    return False


def with_before(rewriter: Rewriter, before: int) -> str:
    """The WITH queries that a SELECT at ``before`` can name, as a clause; empty where there are none."""
    sql = rewriter.sql
    found: dict[str, str] = {}
    recursive = ""
    for index in sql.all("WITH"):
        around = [(a, b) for a, b in sql.closing.items() if a < index < b and sql[a].text == "("]
        if index > before or any(b < before for _, b in around) or not sql[index + 1].is_name:
            continue
        at = index + (2 if sql.at(index + 1, "RECURSIVE") else 1)
        recursive = recursive or (" RECURSIVE" if sql.at(index + 1, "RECURSIVE") else "")
        while sql[at].is_name:
            opening = read_name(sql, at).end
            if sql[opening].text == "(":
                opening = sql.close(opening) + 1
            if not sql.at(opening, "AS", "("):
                break
            close = sql.close(opening + 1)
            if close < before:
                found[sql[at].name] = rewriter.text(at, close + 1)
            if sql[close + 1].text != ",":
                break
            at = close + 2
    return f"WITH{recursive} {', '.join(found.values())} " if found else ""
