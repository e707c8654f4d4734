"""A string literal where a SUPER goes is a string, and no document: JSON_PARSE makes documents (super-overview).

Belongs here: finding such literals in INSERT and UPDATE. Does not belong here: a literal that is cast (``rewrite``).
"""

from __future__ import annotations

from collections.abc import Iterator

from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.plans import Context
from aurora_dwh.local.redshift.sqltext import Name, Sql, name_list, quote, read_name
from aurora_dwh.local.redshift.upstream import literal

_COLUMNS = (
    "SELECT attname, atttypid = 'super'::regtype FROM pg_attribute"
    " WHERE attrelid = to_regclass({}) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


def marked(sql: Sql, session: Context) -> Sql:
    """Returns the statement with a cast behind each string literal that goes right into a SUPER column."""
    verb = sql.upper(0)
    if verb not in ("INSERT", "UPDATE") or not any(token.kind == "string" for token in sql.tokens):
        return sql
    table = read_name(sql, 2 if verb == "INSERT" else 1)
    target = ".".join(quote(physical(part)) for part in table.parts)
    columns = {
        str(name): is_super == "t" for name, is_super in session.upstream.query(_COLUMNS.format(literal(target)))
    }
    if True not in columns.values():
        return sql
    found = _assigned(sql, table) if verb == "UPDATE" else _inserted(sql, table, list(columns))
    for column, index in [*found]:
        if columns.get(column):
            sql.replace(index + 1, index + 1, "::varchar ")
    return Sql(sql.render())


def _assigned(sql: Sql, table: Name) -> Iterator[tuple[str, int]]:
    start = sql.find("SET", table.end) + 1
    end = next((i for i in range(start, len(sql)) if sql.upper(i) in ("FROM", "WHERE")), len(sql))
    for first, last in sql.split(start, end):
        if last - first == 3 and sql[first + 2].kind == "string":
            yield physical(sql[first].name), first + 2


def _inserted(sql: Sql, table: Name, columns: list[str]) -> Iterator[tuple[str, int]]:
    index = table.end
    if sql[index].text == "(" and sql.upper(index + 1) != "SELECT":
        columns = [physical(name) for name in name_list(sql, index)]
        index = sql.close(index) + 1
    if sql.at(index, "VALUES"):
        while sql[index + 1].text == "(":
            close = sql.close(index + 1)
            yield from _literals(sql, index + 2, close, columns)
            index = close + 1
    elif sql.at(index, "SELECT"):
        end = next((i for i in range(index, len(sql)) if sql.upper(i) in ("FROM", "WHERE", "UNION")), len(sql))
        yield from _literals(sql, index + 1, end, columns)


def _literals(sql: Sql, start: int, end: int, columns: list[str]) -> Iterator[tuple[str, int]]:
    for column, (first, last) in zip(columns, sql.split(start, end), strict=False):
        if sql[first].kind == "string" and (last - first == 1 or sql.at(first + 1, "AS")):
            yield column, first
