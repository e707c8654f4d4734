"""A mart tried: its tables made of the rows of a case, the mart built as ever, its rows compared with those expected.

It is for a warehouse of its own: the schemas that the mart reads, and `bi`, are emptied before each case.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from math import isclose, isfinite
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.documents import canonical_text
from aurora_dwh.core.models import DataError, wall_clock
from aurora_dwh.core.schema import fold
from aurora_dwh.core.spelling import near_match
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.marts.build import build
from aurora_dwh.warehouse.marts.cases import Case, Cases, Row
from aurora_dwh.warehouse.sql import identifier, identifiers, literal, qualified

if TYPE_CHECKING:
    from aurora_dwh.warehouse.connection import Answer, Session, Warehouse

_SCHEMAS = {"staging": "staging", "bi": "bi"}

_VALUE = "dwh_value"
"""The temporary table that a refused row's values are put into one by one."""

_DATE, _TIMESTAMPS = 1082, (1114, 1184)
"""The numbers that the driver has for types."""

_NO_COLUMN = "42703"
"""SQLSTATE of a column that is not there."""


@dataclass(frozen=True)
class Difference:
    """One way in which a mart's rows are not the expected ones."""

    kind: str  # `missing`, of a row that is expected; `extra`, of one that is not; `value`, of one column of a row
    row: Row  # the values of the grain; of an extra row, all of them
    column: str = ""  # the column whose value differs
    expected: Any = None  # its value in the test file
    found: Any = None  # its value in the mart

    def __str__(self) -> str:
        row = ", ".join(f"{name} {shown(value)}" for name, value in self.row.items())
        if not self.column:
            return f"{self.kind} row: {row}"
        quote = "; write a text in quotes" if isinstance(self.found, str) and not isinstance(self.expected, str) else ""
        return f"{row}: {self.column} is {shown(self.found)}, expected is {shown(self.expected)}{quote}"


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: str  # the case's name
    rows: int = 0  # the mart's rows
    differences: tuple[Difference, ...] = ()  # where they are not those that were expected
    error: str = ""  # why there are none, or why they cannot be compared

    @property
    def is_good(self) -> bool:
        """Whether the mart is as expected."""
        return not self.differences and not self.error


def try_case(warehouse: Warehouse, cases: Cases, case: Case) -> Outcome:
    """Build a mart from a case's rows and compare.

    Args:
        warehouse: One whose schemas may be emptied.

    Raises:
        PassingError: The warehouse was out of reach.
    """
    try:
        with warehouse.session() as session:
            _empty(session, cases)
            for table, columns in cases.columns.items():
                _make(session, table, columns, case.inputs.get(table, ()))
        build(warehouse, cases.mart, schemas=_SCHEMAS, days=case.days)
        with warehouse.session() as session:
            answer = session.execute(f"SELECT * FROM {qualified('bi', cases.mart.name)}")
        return Outcome(case.name, len(answer.rows), tuple(_compare(cases, case, answer)))
    except PassingError:
        raise
    except (DataError, WarehouseError) as error:
        advice = ""
        if isinstance(error, WarehouseError) and error.state == _NO_COLUMN:
            advice = f"; if the mart is right, declare the column in {cases.file}, under `columns`"
        return Outcome(case.name, error=f"{error}{advice}")


class _TrialError(DataError):
    """A case whose rows are none that its tables, or the mart, can have."""


def _empty(session: Session, cases: Cases) -> None:
    for schema in sorted({table.partition(".")[0] for table in cases.columns} | set(_SCHEMAS)):
        session.execute(f"DROP SCHEMA IF EXISTS {identifier(schema)} CASCADE")
        session.execute(f"CREATE SCHEMA {identifier(schema)}")


def _make(session: Session, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Make a table of rows; a column that a row leaves out is NULL in it."""
    schema, _, name = table.partition(".")
    target = qualified(schema, name)
    declared = ", ".join(f"{identifier(column)} {kind}" for column, kind in columns.items())
    try:
        session.execute(f"CREATE TABLE {target} ({declared})")
    except WarehouseError as error:
        raise _TrialError(f"columns: {table}: {error}") from error
    for number, row in enumerate(rows, 1):
        try:
            session.execute(_insert(target, row or dict.fromkeys(list(columns)[:1])))
        except WarehouseError as error:
            where = f"inputs: {table}: row {number}"
            for column, value in row.items():
                if why := _refused(session, target, column, value):
                    place = f"{where}: column {column} ({columns[column]}): {shown(value)}"
                    raise _TrialError(f"{place} is none of its values: {why}") from error
            raise _TrialError(f"{where}: {error}") from error


def _insert(target: str, row: Row) -> str:
    return f"INSERT INTO {target} ({identifiers(row)}) VALUES ({', '.join(_literal(one) for one in row.values())})"


def _refused(session: Session, target: str, column: str, value: Any) -> str:
    """Return why a column does not take a value, empty where it does."""
    session.execute(f"CREATE TEMP TABLE {_VALUE} AS SELECT {identifier(column)} FROM {target} LIMIT 0")
    try:
        session.execute(_insert(_VALUE, {column: value}))
    except WarehouseError as error:
        return str(error)
    finally:
        session.execute(f"DROP TABLE {_VALUE}")
    return ""


def _literal(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"JSON_PARSE({literal(_document(value))})"
    if isinstance(value, float):  # infinite or no number: all others are read as Decimal
        return literal(str(value))
    return str(value) if isinstance(value, Decimal) else literal(value)


def _document(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, default=lambda one: float(one) if isinstance(one, Decimal) else str(one)
    )


def _compare(cases: Cases, case: Case, answer: Answer) -> Iterator[Difference]:
    """Yield how a mart's rows differ from those of a case: first the expected ones in their order, then those left."""
    names = [fold(name) for name, _ in answer.columns]
    kinds = dict(zip(names, (kind for _, kind in answer.columns), strict=True))
    grain = [fold(name) for name in cases.mart.header.grain]
    found = {_key(row, grain): row for row in (dict(zip(names, values, strict=True)) for values in answer.rows)}
    seen: dict[tuple[Any, ...], int] = {}
    for number, said in enumerate(case.expected, 1):
        for column in said.keys() - kinds.keys():
            near = near_match(column, names) or f"; it has {', '.join(names)}"
            raise _TrialError(f"expected: row {number}: {cases.mart.name} has no column {column}{near}")
        row = {column: _taken(value, kinds[column]) for column, value in said.items()}
        key, told = _key(row, grain), {column: row[column] for column in grain}
        if (before := seen.setdefault(key, number)) != number:
            raise _TrialError(f"expected: row {number} has the {', '.join(grain)} of row {before}; leave one out")
        if key not in found:
            yield Difference("missing", told)
            continue
        actual = found.pop(key)
        for column, value in row.items():
            if not _equal(actual[column], value):
                yield Difference("value", told, column, value, actual[column])
    yield from (Difference("extra", row) for row in found.values())


def _key(row: Row, grain: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_comparable(row[column]) for column in grain)


def _taken(value: Any, kind: int) -> Any:
    """Return an expected value as the column's type has it, where it is written as a text or a date."""
    with suppress(ValueError):
        if isinstance(value, str) and kind == _DATE:
            return date.fromisoformat(value)
        if isinstance(value, str) and kind in _TIMESTAMPS:
            return datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime) and kind in _TIMESTAMPS:
            return datetime.combine(value, time.min)
    return value


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict | list):
        with suppress(ValueError):
            return isinstance(found, str) and canonical_text(found) == canonical_text(_document(expected))
        return False
    one, other = _comparable(found), _comparable(expected)
    if isinstance(found, float) and isinstance(other, Decimal):
        return isclose(found, float(other), rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def _comparable(value: Any) -> Any:
    """Return a value that is equal to another one where the two mean the same."""
    match value:
        case None | bool():
            return ("truth", value)
        case float() if not isfinite(value):
            return str(value)
        case int() | float() | Decimal():
            return Decimal(str(value))
        case datetime():
            return wall_clock(value) if value.tzinfo else value
        case date() | str():
            return value
        case bytes():
            return value.hex()
        case dict() | list():
            return _document(value)
    return str(value)


def shown(value: Any) -> str:
    """Return a value as a reader of the test file would write it."""
    match value:
        case None:
            return "NULL"
        case str():
            return f"'{value}'"
        case bool():
            return str(value).lower()
        case bytes():
            return value.hex()
        case dict() | list():
            return _document(value)
    return str(value)
