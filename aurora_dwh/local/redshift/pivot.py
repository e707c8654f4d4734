"""PIVOT and UNPIVOT of a FROM clause, as subqueries of PostgreSQL's.

Belongs here: reading the two clauses and writing what gives the same rows. Source:
r_FROM_clause-pivot-unpivot-examples.md of the guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.scopes import NO_ALIAS
from aurora_dwh.local.redshift.selects import with_before
from aurora_dwh.local.redshift.sqltext import Sql, quote, read_name
from aurora_dwh.local.redshift.upstream import literal

if TYPE_CHECKING:
    from aurora_dwh.local.redshift.rewrite import Rewriter

_AGGREGATES = frozenset({"COUNT", "SUM", "MIN", "MAX", "AVG"})


def pivoted(rewriter: Rewriter, start: int) -> tuple[str, int] | None:
    """Returns the relation at ``start`` with the PIVOT or UNPIVOT that follows it; None where none does.

    Raises:
        RedshiftError: for an aggregate other than COUNT, SUM, MIN, MAX and AVG, or a column that is not there.
    """
    sql = rewriter.sql
    end = sql.close(start) + 1 if sql[start].text == "(" else read_name(sql, start).end
    at = end
    if sql.at(at, "AS"):
        at += 1
    if sql[at].is_name and sql.upper(at) not in NO_ALIAS:
        at += 1
    if sql.upper(at) not in ("PIVOT", "UNPIVOT"):
        return None
    opening = at + 1
    if sql.at(at, "UNPIVOT") and sql.upper(opening) in ("INCLUDE", "EXCLUDE") and sql.at(opening + 1, "NULLS"):
        opening += 2
    if sql[opening].text != "(":
        raise syntax_error(sql[opening].text)
    view = rewriter.view(start) if sql[start].is_name else None
    source = view[0] if view else rewriter.text(start, end)
    if sql.at(end, "AS") or at > end:
        source = f"{source} {rewriter.text(end, at)}"
    elif sql[start].text == "(":
        source = f'{source} AS "pivoted~"'
    if rewriter.columns_of is None:
        raise RedshiftError("0A000", "the columns of this relation are not known here")
    columns = rewriter.columns_of(f"{with_before(rewriter, start)}SELECT * FROM {source}")
    write = _pivot if sql.at(at, "PIVOT") else _unpivot
    query = write(rewriter, opening, source, columns, is_including=sql.at(at + 1, "INCLUDE"))
    after = sql.close(opening) + 1
    aliased = sql.at(after, "AS") or (sql[after].is_name and sql.upper(after) not in NO_ALIAS)
    return f"({query})" + ("" if aliased else ' AS "pivot~"'), after


def _pivot(rewriter: Rewriter, opening: int, source: str, columns: list[str], *, is_including: bool) -> str:
    sql, close = rewriter.sql, rewriter.sql.close(opening)
    at = rewriter.level(opening + 1, close, {"FOR"})
    if at < 0 or not sql.at(at + 2, "IN", "("):
        raise syntax_error("PIVOT")
    by = physical(sql[at + 1].name)
    aggregates = [_named(sql, a, b) for a, b in sql.split(opening + 1, at)]
    values = [_named(sql, a, b) for a, b in sql.split(at + 4, sql.close(at + 3))]
    used = {by}
    for start, end, _ in aggregates:
        if sql.upper(start) not in _AGGREGATES or sql[start + 1].text != "(" or sql.close(start + 1) != end - 1:
            raise RedshiftError("0A000", "PIVOT supports the aggregates COUNT, SUM, MIN, MAX and AVG only")
        used |= {physical(sql[i].name) for i in range(start + 2, end - 1) if sql[i].is_name}
    _check_columns([by], columns)
    out = [quote(name) for name in columns if name not in used]
    keys = list(out)
    for first, last, alias in values:
        value = rewriter.text(first, last)
        is_null = sql.at(first, "NULL")
        condition = f"{quote(by)} IS NULL" if is_null else f"{quote(by)} = {value}"
        name = alias or (sql[first].string if sql[first].kind == "string" else value.lower())
        for start, end, suffix in aggregates:
            heading = f"{name}_{suffix}" if suffix else name
            out.append(f"{rewriter.text(start, end)} FILTER (WHERE {condition}) AS {quote(physical(heading))}")
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join(out)} FROM {source}{grouped}"


def _unpivot(rewriter: Rewriter, opening: int, source: str, columns: list[str], *, is_including: bool) -> str:
    sql = rewriter.sql
    value, name = sql[opening + 1], sql[opening + 3]
    if not (sql.at(opening + 2, "FOR") and sql.at(opening + 4, "IN", "(")):
        raise syntax_error("UNPIVOT")
    listed = [_named(sql, a, b) for a, b in sql.split(opening + 6, sql.close(opening + 5))]
    turned = [physical(sql[start].name) for start, _, _ in listed]
    _check_columns(turned, columns)
    rows = ", ".join(
        f"({literal(alias or sql[start].name)}::varchar, {quote(column)})"
        for (start, _, alias), column in zip(listed, turned, strict=True)
    )
    out = [quote(column) for column in columns if column not in turned]
    out += [quote(physical(name.name)), quote(physical(value.name))]
    kept = "" if is_including else f" WHERE {quote(physical(value.name))} IS NOT NULL"
    return (
        f"SELECT {', '.join(out)} FROM {source} CROSS JOIN LATERAL (VALUES {rows})"
        f' AS "turned~" ({quote(physical(name.name))}, {quote(physical(value.name))}){kept}'
    )


def _named(sql: Sql, start: int, end: int) -> tuple[int, int, str]:
    """An expression ``[start, end)`` and its alias, empty where it has none."""
    if end - start > 1 and sql[end - 1].is_name and sql[end - 2].text != ".":
        return start, end - (2 if sql.at(end - 2, "AS") else 1), sql[end - 1].name
    return start, end, ""


def _check_columns(asked: list[str], columns: list[str]) -> None:
    for name in asked:
        if name not in columns:
            raise RedshiftError("42703", f'column "{name}" does not exist')
