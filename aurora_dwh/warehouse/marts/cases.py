"""A mart's test file, `marts/<name>.test.yaml`: what its tables hold in each case, and the rows that must come of it.

Here is what such a file says and what may be wrong with it. How a case is tried is `trial`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_dwh.core.schema import fold
from aurora_dwh.core.spelling import near_match
from aurora_dwh.warehouse.marts.model import Mart, MartError

if TYPE_CHECKING:
    from ruamel.yaml import YAML

SUFFIX = ".test.yaml"
"""How the name of a mart's test file ends."""

_RANGE = "..."
"""What stands between the first and the last day of a range, as on the command line."""

Row = Mapping[str, Any]
"""Folded column name -> value: None, bool, int, Decimal, str, date, datetime, or a list or dict for SUPER."""


class CaseError(MartError):
    """A mart's test file that cannot be used; the message has a line for each thing to mend."""


@dataclass(frozen=True)
class Case:
    """One case of a mart."""

    name: str  # what it is about, in the author's words
    inputs: Mapping[str, tuple[Row, ...]]  # `schema.table` -> its rows; a table that is not named has none
    expected: tuple[Row, ...]  # the rows that the mart must have, in any order, each with the grain at the least
    days: tuple[date, date] | None = None  # of an incremental mart, the half-open range of days that are built


@dataclass(frozen=True)
class Cases:
    """A mart's test file."""

    mart: Mart
    file: str  # the file's name
    # `schema.table` -> column -> type in Redshift, for each table that the mart reads
    columns: Mapping[str, Mapping[str, str]]
    cases: tuple[Case, ...]  # the cases, in the file's order


class _Case(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: Any = None
    inputs: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    expected: list[dict[str, Any]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    columns: dict[str, dict[str, str]]
    cases: dict[str, _Case] = Field(min_length=1)


def cases_file(mart: Path) -> Path:
    """Return the test file that a mart's file has beside it, whether it is there or not."""
    return mart.with_name(f"{mart.stem}{SUFFIX}")


def read_cases(mart: Mart, path: Path) -> Cases:
    """Read a mart's test file; raises a CaseError that names file, case, table, row and column."""
    from ruamel.yaml.error import YAMLError

    try:
        said = _yaml().load(path.read_text(encoding="utf-8"))
        file = _File.model_validate(said)
    except YAMLError as error:
        raise CaseError(f"{path.name}: is not YAML: {error}") from error
    except ValidationError as error:
        problems = [*_misshapen(error)]
    else:
        columns = {fold(table): _folded(types) for table, types in file.columns.items()}
        cases = tuple(_case(name, one) for name, one in file.cases.items())
        found = Cases(mart, path.name, columns, cases)
        problems = [
            *_twins(file),
            *_problems_of_columns(found),
            *(p for case in file.cases for p in _problems(found, file, case)),
        ]
        if not problems:
            return found
    raise CaseError("\n".join(f"{path.name}: {problem}" for problem in problems))


@cache
def _yaml() -> YAML:
    """Return a reader that keeps every digit of a number with a fraction."""
    from aurora_dwh.core.yaml_reader import PlainConstructor, plain_reader

    class Exact(PlainConstructor):
        pass

    def number(constructor: Any, node: Any) -> Decimal | float:
        text = str(constructor.construct_scalar(node)).replace("_", "")
        return float(text.replace(".", "")) if text.lower().endswith(("inf", "nan")) else Decimal(text)

    Exact.add_constructor("tag:yaml.org,2002:float", number)
    return plain_reader(constructor=Exact, pure=True)


def _misshapen(error: ValidationError) -> Iterator[str]:
    """Yield what a file has in a place where something else belongs."""
    for detail in error.errors():
        *place, last = [step for step in detail["loc"] if step != "[key]"] or ["the file"]
        known = _Case.model_fields if place else _File.model_fields
        match detail["type"]:
            case "extra_forbidden":
                what = f"{last}: is none of {', '.join(known)}{near_match(str(last), known)}"
            case "missing":
                what = f"{last}: must be given"
            case "string_type" if place[:1] == ["columns"]:
                what = f"{last}: {detail['input']!r} is no type; one with a comma stands in quotes, or on its own line"
            case _:
                what = f"{_word(last)}: {detail['input']!r} does not belong here: {detail['msg']}"
        yield ": ".join([*(_word(step) for step in place), what])


def _word(step: int | str) -> str:
    return f"row {step + 1}" if isinstance(step, int) else step


def _case(name: str, said: _Case) -> Case:
    inputs = {fold(table): tuple(_folded(row) for row in rows) for table, rows in said.inputs.items()}
    expected = tuple(_folded(row) for row in said.expected)
    return Case(name, inputs, expected, _days(said.days))


def _days(said: Any) -> tuple[date, date] | None:
    """Return the half-open range that a day or `A...B` means; None where it is neither, or ends before it begins."""
    first, _, last = str(said).partition(_RANGE)
    try:
        start, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        return None
    return (start, end + timedelta(days=1)) if start <= end else None


def _folded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {fold(name): value for name, value in row.items()}


def _twins(file: _File) -> Iterator[str]:
    """Yield where two names of a table, of a column or in a row are one to Redshift, which knows no capitals."""
    named = {"columns": file.columns.keys(), **{f"columns: {name}": types for name, types in file.columns.items()}}
    for name, case in file.cases.items():
        named[f"cases: {name}: inputs"] = case.inputs.keys()
        lists = {"expected": case.expected, **{f"inputs: {table}": rows for table, rows in case.inputs.items()}}
        named |= {f"cases: {name}: {of}: row {n}": row for of, rows in lists.items() for n, row in enumerate(rows, 1)}
    for place, names in named.items():
        first: dict[str, str] = {}
        for one in names:
            if (other := first.setdefault(fold(one), one)) != one:
                yield f"{place}: {other} and {one} are one name to Redshift; leave one out"


def _problems_of_columns(found: Cases) -> Iterator[str]:
    """Yield where the tables whose columns are declared are not those that the mart reads."""
    read = {fold(f"{schema}.{table}") for schema, table in found.mart.inputs}
    for table in (one for one in found.columns if one not in read):
        yield f"columns: {table}: {_unread(found.mart, table)}"
    for table in sorted(read - found.columns.keys()):
        yield f"columns: {found.mart.name} reads {table}; write its columns as `{table}: {{<column>: <type>}}`"
    for table, columns in found.columns.items():
        if not columns:
            yield f"columns: {table}: has none; write those that {found.mart.name} reads, as `<column>: <type>`"


def _problems(found: Cases, file: _File, name: str) -> Iterator[str]:
    """Yield what of a case does not go with the mart and the columns."""
    (case,) = (one for one in found.cases if one.name == name)
    lead, header = f"cases: {name}", found.mart.header
    if header.materialization == "incremental" and case.days is None:
        said = "" if file.cases[name].days is None else f"{str(file.cases[name].days)!r} is no day and no range; "
        yield f"{lead}: days: {said}say which are built, as `2024-01-05` or `2024-01-05...2024-01-07`"
    elif header.materialization != "incremental" and file.cases[name].days is not None:
        yield f"{lead}: days: {found.mart.name} is a {header.materialization}, which is not built by days; leave it out"
    for table, rows in case.inputs.items():
        if table not in found.columns:
            yield f"{lead}: inputs: {table}: {_unread(found.mart, table)}"
            continue
        for number, row in enumerate(rows, 1):
            for column in (one for one in row if one not in found.columns[table]):
                known = found.columns[table]
                declared = near_match(column, known) or f"; add it there, or write one of {', '.join(known)}"
                yield f"{lead}: inputs: {table}: row {number}: `columns` does not declare {column}{declared}"
    for number, row in enumerate(case.expected, 1):
        if lacking := [column for column in header.grain if fold(column) not in row]:
            yield f"{lead}: expected: row {number}: has no {', '.join(lacking)}, which tells the mart's rows apart"


def _unread(mart: Mart, table: str) -> str:
    read = [f"{schema}.{name}" for schema, name in mart.inputs]
    return f"{mart.name} does not read it" + (near_match(table, read) or f"; it reads {', '.join(read) or 'no table'}")
