"""A mart's file: one SELECT in `marts/<name>.sql` under a header. How its table or view is built is `build`.

The header is YAML in the comment that opens the file. What the SELECT reads is found in its own text, so nothing has to
be listed twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import IDENTIFIER_LIMIT
from aurora_dwh.core.spelling import near_words
from aurora_dwh.core.sql_file import read_sql_file
from aurora_dwh.warehouse.marts.checks import sum_query
from aurora_dwh.warehouse.sql import identifier, literal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog


class MartError(DataError):
    """A mart's file that cannot be used, or a mart that cannot be built as it is."""


class MartHeader(BaseModel):
    """The header of a mart's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # `table` is computed anew; `view` is late-binding; `incremental` replaces the days of the run
    materialization: Literal["table", "view", "incremental"]
    description: str  # what a row is; the first line is shown in lists
    grain: tuple[str, ...] = Field(min_length=1)  # the columns that tell one row from another
    day_column: str | None = None  # for `incremental`: the column that says which day a row belongs to
    dist_key: str | None = None  # distribution key of the table
    sort_key: tuple[str, ...] = ()  # sort key of the table
    owners: tuple[str, ...] = ()  # who answers for the mart
    # column -> what it must add up to, as `staging.table.column` or a SELECT of one number
    sums: dict[str, str] = Field(default_factory=dict)
    # column -> its type in Redshift, where the SQL does not say it; `columns` reads both
    columns: dict[str, str] = Field(default_factory=dict)
    descriptions: dict[str, str] = Field(default_factory=dict)  # column -> what it holds


@dataclass(frozen=True)
class Mart:
    """A mart as its file describes it; `inputs` are `(schema, table)` pairs that the query reads."""

    name: str
    header: MartHeader
    query: str
    inputs: tuple[tuple[str, str], ...]
    file: Path | None = None


def read_mart(path: Path) -> Mart:
    """Read a mart's file; raises a MartError that names the file."""
    said, query = read_sql_file(path, MartError)
    try:
        header = MartHeader.model_validate(said)
    except ValidationError as error:
        raise MartError(f"{path.name}: header: {error}") from error
    if header.materialization == "incremental" and not (header.day_column and _names_days(query)):
        raise MartError(
            f"{path.name}: an incremental mart needs `day_column`, and :first_day and :end_day in its query"
        )
    if len(path.stem.encode()) > IDENTIFIER_LIMIT:
        raise MartError(f"{path.name}: Redshift cuts names at {IDENTIFIER_LIMIT} bytes; give the file a shorter name")
    found = Mart(path.stem, header, query, _inputs(path.name, query), path)
    _check_sums(path.name, found)
    _check_types(path.name, header)
    return found


def read_marts(folder: Path) -> list[Mart]:
    """Read the marts of a folder, in the order of their names."""
    return [read_mart(path) for path in sorted(folder.glob("*.sql"))]


def check_inputs(marts: Sequence[Mart], catalog: Catalog, computed: Collection[str] = ()) -> None:
    """Refuse marts that read what neither the catalog nor a transform nor another mart makes.

    Raises:
        MartError: Some do; the message has a line for each name, with the one that may be meant.
    """
    tables = catalog.tables.values()
    staged = {*(table.target for table in tables), *computed}
    known = {*(("staging", name) for name in staged), *(("bi", mart.name) for mart in marts)}
    renamed = {table.name.lower(): table.target for table in tables}
    problems = []
    for mart in marts:
        for schema, name in mart.inputs:
            if (schema, name) in known:
                continue
            if schema == "staging" and name in renamed:
                why = f"which the catalog calls staging.{renamed[name]} (`target_table`); name that one"
            else:
                why = "which is neither a table of the catalog nor a mart" + _near(name, known)
            problems.append(f"{mart.name}.sql reads {schema}.{name}, {why}")
    if problems:
        raise MartError("\n".join(problems))


def _near(name: str, known: Collection[tuple[str, str]]) -> str:
    """Return `, did you mean X?` for the table whose name is written most like another; empty where none is."""
    schemas = {table: schema for schema, table in sorted(known)}
    return "".join(f", did you mean `{schemas[near]}.{near}`?" for near in near_words(name, schemas))


def render(query: str, schemas: Mapping[str, str], days: tuple[date, date] | None) -> str:
    """Return a mart's query with schemas named as in this warehouse, and with the days of the run."""
    for name, called in schemas.items():
        if name != called:
            query = re.sub(rf"(?<![\w.\"]){name}\.(?=[\w\"])", f"{identifier(called)}.", query)
    if days is None:
        return query
    values = dict(zip((":first_day", ":end_day"), days, strict=True))
    return re.sub(r"(?<!:):(first_day|end_day)\b", lambda m: f"DATE {literal(values[m[0]])}", query)


def _names_days(query: str) -> bool:
    return {":first_day", ":end_day"} <= set(re.findall(r"(?<!:):\w+\b", query))


def _check_sums(file: str, mart: Mart) -> None:
    """Refuse sums that are compared with what the mart does not read, or with more than the days that it computes."""
    by_day = mart.header.materialization == "incremental"
    for column, wanted in mart.header.sums.items():
        query = sum_query(wanted, by_day=by_day)
        if not query.lower().startswith("select"):
            raise MartError(
                f"{file}: sums: {column}: {wanted!r} is neither `schema.table.column` nor a SELECT of one number"
            )
        if by_day and not _names_days(query):
            raise MartError(f"{file}: sums: {column}: the SELECT needs :first_day and :end_day, as the mart's query")
        strange = [f"{schema}.{name}" for schema, name in _inputs(file, query) if (schema, name) not in mart.inputs]
        if strange:
            raise MartError(f"{file}: sums: {column}: the mart does not read {', '.join(strange)}")


def _check_types(file: str, header: MartHeader) -> None:
    for column, type_name in header.columns.items():
        try:
            kind(type_name)
        except ValueError as error:
            raise MartError(f"{file}: columns: {column}: {error}") from error


def _inputs(file: str, query: str) -> tuple[tuple[str, str], ...]:
    """Return the tables that a query reads, by Redshift's own grammar."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError

    try:
        tree = sqlglot.parse_one(query, read="redshift")
    except ParseError as error:
        raise MartError(f"{file}: {error}") from error
    named = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    tables = {(table.db, table.name) for table in tree.find_all(exp.Table)}
    loose = sorted(name for db, name in tables if not db and name not in named)
    if loose:
        raise MartError(f"{file}: name the schema of {', '.join(loose)} (staging. or bi.)")
    return tuple(sorted((db, name) for db, name in tables if db))


def kind(type_name: str) -> str:
    """Return the kind of a type such as `DECIMAL(10,2)`, as QuickSight calls it, else its own name.

    Types of a kind take one another's values: `INTEGER` and `BIGINT`, whatever the lengths of two texts.

    Raises:
        ValueError: Redshift has no such type.
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = exp.DataType.build(type_name, dialect="redshift", udt=False)
    except (SqlglotError, ValueError):
        raise ValueError(f"{type_name!r} is no type of Redshift") from None
    for name, types in {
        "STRING": exp.DataType.TEXT_TYPES,
        "INTEGER": exp.DataType.INTEGER_TYPES,
        "DECIMAL": exp.DataType.REAL_TYPES,
        "DATETIME": {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP},
        "BIT": {exp.DataType.Type.BOOLEAN},
    }.items():
        if found.this in types:
            return name
    return str(found.this.value)
