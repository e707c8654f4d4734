"""INSERT and REPLACE: reading their literals fast, and storing rows under MySQL's rules.

Multi-row inserts of literals are how tables are filled, so they are read by one regular expression instead of by the
general parser (a thousand times the speed). Anything else in VALUES is left to the general translation.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aurora_dwh.local.aurora.errors import AuroraError, unknown_column
from aurora_dwh.local.aurora.reader import unescape
from aurora_dwh.local.aurora.tables import Column, Table
from aurora_dwh.local.aurora.values import storer

_NAME: Final = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_HEAD: Final = re.compile(
    rf"\A(?P<verb>INSERT|REPLACE)\s+(?:LOW_PRIORITY\s+)?(?P<ignore>IGNORE\s+)?(?:INTO\s+)?(?P<table>{_NAME}(?:\.{_NAME})?)"
    rf"\s*(?:\((?P<columns>{_NAME}(?:\s*,\s*{_NAME})*)\s*\))?\s*VALUES?\s*(?=\()",
    re.IGNORECASE,
)
_VALUE: Final = re.compile(
    r"\s*(?P<open>\()?\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<text>'(?:[^'\\]|''|\\.)*')"
    r"|(?P<null>NULL)|(?P<default>DEFAULT)|(?P<hex>0x[0-9a-f]*|x'[0-9a-f]*')|_binary\s*(?P<bytes>'(?:[^'\\]|''|\\.)*')"
    r"|(?P<bool>TRUE|FALSE))\s*(?P<close>\)\s*,?|,)",
    re.IGNORECASE | re.DOTALL,
)
_DUPLICATE: Final = re.compile(
    r"\s*(?:AS\s+(?P<alias>\w+)\s+)?ON\s+DUPLICATE\s+KEY\s+UPDATE\s+(?P<sets>.+)\Z", re.I | re.S
)
_SET: Final = re.compile(
    rf"\s*(?P<target>{_NAME})\s*=\s*(?:VALUES\s*\(\s*(?P<source>{_NAME})\s*\)|(?P<alias>\w+)\.(?P<field>{_NAME}))\s*(?:,|\Z)",
    re.IGNORECASE,
)
_DEFAULT: Final = object()


@dataclass(frozen=True)
class Insert:
    """Rows for a table.

    Attributes:
        table: The table.
        columns: The columns that `rows` hold, in their order.
        rows: Values as written.
        replace: Whether a row with the same key is replaced.
        ignore: Whether a row with the same key is skipped.
        updates: Columns to take over when the key exists (ON DUPLICATE KEY UPDATE target = VALUES(source)).
    """

    table: Table
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    replace: bool = False
    ignore: bool = False
    updates: dict[str, str] = field(default_factory=dict)


def read(sql: str, schema: str, find: Callable[[str, str], Table]) -> Insert | None:
    """Read an INSERT or REPLACE of literals.

    Returns:
        The rows, or None when the statement holds more than literals.
    """
    head = _HEAD.match(sql)
    if head is None:
        return None
    names = [_bare(name) for name in re.findall(_NAME, head["table"])]
    rows, at = _rows(sql, head.end())
    if rows is None:
        return None
    updates: dict[str, str] = {}
    if at < len(sql):
        clause = _DUPLICATE.match(sql, at)
        found = _updates(clause["sets"]) if clause else None
        if not found:
            return None
        updates = found
    table = find(*names) if len(names) == 2 else find(schema, names[0])
    columns = (
        [_bare(name) for name in re.findall(_NAME, head["columns"])]
        if head["columns"]
        else [column.name for column in table.columns]
    )
    return Insert(
        table, columns, rows, replace=head["verb"].upper() == "REPLACE", ignore=bool(head["ignore"]), updates=updates
    )


def _bare(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _rows(sql: str, at: int) -> tuple[list[list[Any]] | None, int]:
    rows: list[list[Any]] = []
    row: list[Any] = []
    more = True
    match = _VALUE.match
    while more:
        found = match(sql, at)
        if found is None:
            return None, at
        at = found.end()
        if found["open"]:
            row = []
            rows.append(row)
        row.append(_value(found))
        close = found["close"]
        more = close[-1] == ","
    return rows, at


def _value(found: re.Match[str]) -> Any:
    kind = found.lastgroup
    # `close` is always the last group; the value is whichever other one took part.
    text = found["text"]
    if text is not None:
        return unescape(text)
    number = found["number"]
    if number is not None:
        return int(number) if number.lstrip("-").isdigit() else number
    return _rare_value(found) if kind else None


def _rare_value(found: re.Match[str]) -> Any:
    if found["hex"] is not None:
        return bytes.fromhex(found["hex"].lstrip("0").lstrip("xX").strip("'"))
    if found["bytes"] is not None:
        return unescape(found["bytes"]).encode("utf-8", "surrogateescape")
    if found["bool"]:
        return int(found["bool"].upper() == "TRUE")
    return _DEFAULT if found["default"] else None


def _updates(text: str) -> dict[str, str] | None:
    updates: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _SET.match(text, at)
        if found is None:
            return None
        updates[_bare(found["target"])] = _bare(found["source"] or found["field"])
        at = found.end()
    return updates


def run(
    connection: sqlite3.Connection, statement: Insert, *, now: Callable[[int], str], offset: int
) -> tuple[int, int]:
    """Store the rows.

    Args:
        connection: In a transaction.
        statement: What to store.
        now: Gives the statement's time as DATETIME text with so many digits.
        offset: Seconds that the session's zone is ahead of UTC.

    Returns:
        How many rows were affected, and the first number that the server gave (0 when it gave none).
    """
    table = statement.table
    given = [_known(table, name) for name in statement.columns]
    rows = _stored(statement, given, now, offset)
    missing = [column for column in table.columns if column not in given and not column.auto_increment]
    tail = [_filling(column, now, offset) for column in missing]
    columns = ", ".join(_quote(column.name) for column in [*given, *missing])
    marks = ", ".join("?" * len(columns.split(", ")))
    verb = "INSERT OR REPLACE" if statement.replace else "INSERT OR IGNORE" if statement.ignore else "INSERT"
    sql = f"{verb} INTO {_quote(table.stored_name)} ({columns}) VALUES ({marks}){_upsert(statement, now, offset)}"
    before = connection.total_changes
    connection.executemany(sql, [[*row, *tail] for row in rows] if tail else rows)
    affected = connection.total_changes - before
    if not any(column.auto_increment for column in table.columns):
        return affected, 0
    (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
    return affected, int(last) - affected + 1


def _known(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise unknown_column(name)
    return column


def _stored(statement: Insert, given: Sequence[Column], now: Callable[[int], str], offset: int) -> list[list[Any]]:
    stores = [storer(column, offset=offset) for column in given]
    rows = []
    for number, row in enumerate(statement.rows, start=1):
        if len(row) != len(given):
            raise AuroraError(1136, f"Column count doesn't match value count at row {number}")
        if _DEFAULT in row:
            row = [
                _filling(column, now, offset) if value is _DEFAULT else value
                for column, value in zip(given, row, strict=True)
            ]
        rows.append([store(value) for store, value in zip(stores, row, strict=True)])
    return rows


def _filling(column: Column, now: Callable[[int], str], offset: int) -> Any:
    """What a column that was not given gets."""
    if column.default_is_expression:
        if not (column.default or "").upper().startswith("CURRENT_TIMESTAMP"):
            raise AuroraError(1235, f"The embedded Aurora doesn't support 'DEFAULT ({column.default})'")
        return storer(column, offset=offset)(now(6))
    if column.default is None and not column.nullable and not column.auto_increment:
        raise AuroraError(1364, f"Field '{column.name}' doesn't have a default value")
    return storer(column)(column.default)


def _upsert(statement: Insert, now: Callable[[int], str], offset: int) -> str:
    if not statement.updates:
        return ""
    table = statement.table
    sets = [
        f"{_quote(_known(table, target).name)} = excluded.{_quote(_known(table, source).name)}"
        for target, source in statement.updates.items()
    ]
    named = {target.lower() for target in statement.updates}
    for column in table.columns:
        if column.on_update and column.name.lower() not in named:
            sets.append(f"{_quote(column.name)} = '{storer(column, offset=offset)(now(6))}'")
    return f" ON CONFLICT DO UPDATE SET {', '.join(sets)}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
