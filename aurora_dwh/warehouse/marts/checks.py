"""What is checked of a mart before its rows replace the old ones: that there are any, their grain, and their sums.

The header's `sums` says what a column must add up to: a column of staging, whose sum it then is, or a SELECT of one
number. What is checked of source tables is `checks`' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isclose
from typing import TYPE_CHECKING

from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import CheckError
from aurora_dwh.warehouse.load.statements import DAY
from aurora_dwh.warehouse.sql import identifier, identifiers, qualified

if TYPE_CHECKING:
    from aurora_dwh.warehouse.marts.model import Mart, MartHeader

NOT_EMPTY, UNIQUE_GRAIN, SUMS = "not_empty", "unique_grain", "sums"
"""The checks of a mart."""

_COLUMN = re.compile(r"(\w+)\.(\w+)\.(\w+)")

Number = int | float | Decimal


@dataclass(frozen=True)
class MartFigures:
    """What was found of a mart's rows."""

    rows: int  # how many there are
    keys: int  # how many different values the grain has
    sums: Mapping[str, tuple[Number, Number]]  # column -> its sum, and what it has to be


def sum_query(wanted: str, *, by_day: bool) -> str:
    """Return the SELECT of what a column must add up to, `by_day` of the rows of the run's days alone."""
    column = _COLUMN.fullmatch(wanted.strip())
    if column is None:
        return wanted.strip()
    of_days = f" WHERE {DAY} >= :first_day AND {DAY} < :end_day" if by_day else ""
    return f"SELECT SUM({column[3]}) FROM {column[1]}.{column[2]}{of_days}"


def check_mart(session: Session, mart: Mart, table: str, *, render: Callable[[str], str]) -> MartFigures:
    """Look at a mart's rows, in the transaction that makes them the mart.

    Args:
        table: Where its new rows are, quoted.
        render: Puts this warehouse's schemas and the run's days into a query.

    Raises:
        CheckError: A table has no rows, or the grain is not unique, or a sum is not what it has to be.
    """
    header = mart.header
    sums = list(header.sums)
    counted = session.execute(count_mart(table, header.grain, sums)).rows[0]
    wanted: tuple[Number | None, ...] = ()
    if sums:
        wanted = session.execute(wanted_sums(header, render=render)).rows[0]
    pairs = zip(counted[2:], wanted, strict=True)
    found = MartFigures(
        int(counted[0]), int(counted[1]), {n: (a or 0, b or 0) for n, (a, b) in zip(sums, pairs, strict=True)}
    )
    _judge(mart, found)
    return found


def count_mart(table: str, grain: tuple[str, ...], sums: list[str]) -> str:
    """Return the query for a mart's rows, its different grains, and the sums of some columns."""
    added = "".join(f", SUM({identifier(name)})" for name in sums)
    keys = f"(SELECT COUNT(*) FROM (SELECT DISTINCT {identifiers(grain)} FROM {table}) k)"
    return f"SELECT COUNT(*), {keys}{added} FROM {table}"


def wanted_sums(header: MartHeader, *, render: Callable[[str], str]) -> str:
    """Return the query for what columns have to add up to, in the order of the header's `sums`."""
    by_day = header.materialization == "incremental"
    queries = (render(sum_query(wanted, by_day=by_day)) for wanted in header.sums.values())
    return "SELECT " + ",\n  ".join(f"({query})" for query in queries)


def count_days(table: str, day_column: str) -> str:
    """Return the query for the rows that each day of an incremental mart has."""
    return f"SELECT {identifier(day_column)}, COUNT(*) FROM {table} GROUP BY 1"


def _judge(mart: Mart, found: MartFigures) -> None:
    name, header = qualified("bi", mart.name).replace('"', ""), mart.header
    if not found.rows and header.materialization == "table":
        raise CheckError(NOT_EMPTY, f"{name}: its query gave no rows; the old rows stay. Are its tables loaded?")
    if found.keys != found.rows:
        raise CheckError(
            UNIQUE_GRAIN,
            f"{name}: {found.rows} rows have {found.keys} different ({', '.join(header.grain)}), which should tell "
            "them apart; the old rows stay. Correct the query, or `grain` in its header",
        )
    wrong = [f"{column} is {a} and should be {b}" for column, (a, b) in found.sums.items() if not _equal(a, b)]
    if wrong:
        raise CheckError(
            SUMS,
            f"{name}: sums are not those of staging: {'; '.join(wrong)}; the old rows stay. Are all of its tables "
            "loaded to the same day, and does a join lose or multiply rows?",
        )


def _equal(one: Number, other: Number) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return Decimal(one) == Decimal(other)
