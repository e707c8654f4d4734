"""MERGE: Redshift's narrow grammar of it.

Belongs here: refusing every form Redshift does not have, and REMOVE DUPLICATES. The plain form is PostgreSQL's own
MERGE.
"""

from __future__ import annotations

from collections.abc import Callable

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.plans import Plan, Relay, Script
from aurora_dwh.local.redshift.sqltext import Name, Sql, quote, read_name


def merge(sql: Sql, rewrite: Callable[[str], str]) -> Plan:
    """Returns the plan of a MERGE.

    Raises:
        RedshiftError: for a target alias, a condition on WHEN, one clause only, BY SOURCE, and the like.
    """
    if not sql.at(1, "INTO"):
        raise syntax_error(sql[1].text)
    target = read_name(sql, 2)
    if not sql.at(target.end, "USING"):
        raise syntax_error(sql[target.end].text)
    source_start = target.end + 1
    on = sql.find("ON", _after_source(sql, source_start))
    if on < 0:
        raise syntax_error("MERGE")
    _check_source(sql, source_start, on, target)
    if sql.at(len(sql) - 2, "REMOVE", "DUPLICATES"):
        return _remove_duplicates(sql, target, source_start, on, rewrite)
    _check_clauses(sql, on)
    return Relay(rewrite(sql.text))


def _after_source(sql: Sql, start: int) -> int:
    return sql.close(start) if sql[start].text == "(" else start


def _check_source(sql: Sql, start: int, on: int, target: Name) -> None:
    if sql[start].text != "(":
        return
    for index in range(start + 1, on):
        named = sql[index].is_name and sql.upper(index - 1) in ("FROM", "JOIN", ",")
        if named and read_name(sql, index).parts == target.parts:
            raise RedshiftError("0A000", "Source view/subquery in Merge statement cannot reference target table.")


def _check_clauses(sql: Sql, on: int) -> None:
    whens = [i for i in sql.all("WHEN") if i > on and (sql.at(i + 1, "MATCHED") or sql.at(i + 1, "NOT", "MATCHED"))]
    if not whens:
        raise syntax_error(sql[len(sql) - 1].text)
    for when in whens:
        then = when + (2 if sql.at(when + 1, "MATCHED") else 3)
        if not sql.at(then, "THEN"):
            raise syntax_error(sql[then].text)
    if len(whens) != 2 or not sql.at(whens[0] + 1, "MATCHED") or not sql.at(whens[1] + 1, "NOT"):
        raise RedshiftError(
            "42601", "MERGE needs exactly one WHEN MATCHED clause followed by one WHEN NOT MATCHED clause"
        )
    _check_actions(sql, whens[0] + 3, whens[1])


def _check_actions(sql: Sql, matched: int, second: int) -> None:
    missing = second + 4
    if sql.at(matched, "UPDATE", "SET"):
        for start, _ in sql.split(matched + 2, second):
            if sql[start + 1].text == ".":
                raise syntax_error(".")
    elif not sql.at(matched, "DELETE"):
        raise syntax_error(sql[matched].text)
    if not sql.at(missing, "INSERT"):
        raise syntax_error(sql[missing].text)
    if "RETURNING" in sql.words:
        raise syntax_error("RETURNING")


def _remove_duplicates(sql: Sql, target: Name, start: int, on: int, rewrite: Callable[[str], str]) -> Plan:
    if any(i > on for i in sql.all("WHEN")):
        raise syntax_error("REMOVE")
    into = ".".join(quote(physical(part)) for part in target.parts)
    source, condition = rewrite(sql.slice(start, on)), rewrite(sql.slice(on + 1, len(sql) - 2))
    insert = f"INSERT INTO {into} SELECT DISTINCT * FROM {source}"
    return Script((f"DELETE FROM {into} USING {source} WHERE {condition}", insert), "MERGE")
