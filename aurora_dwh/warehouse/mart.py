"""A mart: one SELECT in `bi/<name>.sql` under a header, and how its table or view is built from it.

The header is YAML in the comment that opens the file. What the SELECT reads is found in its own text, so nothing has to
be listed twice. Every build is one transaction: readers see the old rows or the new, and views and grants stay.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import fold
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.sql import identifier, identifiers, literal, qualified
from aurora_dwh.warehouse.swap import grants, swap

_BUILT = "dwh_mart"
"""The temporary table that a mart's rows are computed into."""

_HEADER = re.compile(r"\A\s*/\*(?P<header>.*?)\*/\s*(?P<query>.*?);?\s*\Z", re.DOTALL)


class MartError(DataError):
    """A mart's file that cannot be used, or a mart that cannot be built as it is."""


class MartHeader(BaseModel):
    """The header of a mart's file.

    Attributes:
        materialization: `table` is computed anew; `view` is late-binding; `incremental` replaces the days of the run.
        description: What a row is; the first line is shown in lists.
        grain: The columns that tell one row from another.
        day_column: For `incremental`: the column that says which day a row belongs to.
        dist_key: Distribution key of the table.
        sort_key: Sort key of the table.
        owners: Who answers for the mart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    materialization: Literal["table", "view", "incremental"]
    description: str
    grain: tuple[str, ...]
    day_column: str | None = None
    dist_key: str | None = None
    sort_key: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mart:
    """A mart as its file describes it; `inputs` are `(schema, table)` pairs that the query reads."""

    name: str
    header: MartHeader
    query: str
    inputs: tuple[tuple[str, str], ...]


def read_mart(path: Path) -> Mart:
    """Read a mart's file.

    Raises:
        MartError: The header or the query is not as it must be; the message names the file.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    match = _HEADER.match(path.read_text(encoding="utf-8"))
    if not match:
        raise MartError(f"{path.name}: the file must open with a /* header */ and go on with one SELECT")
    try:
        header = MartHeader.model_validate(YAML(typ="safe").load(io.StringIO(match["header"])))
    except (YAMLError, ValidationError) as error:
        raise MartError(f"{path.name}: header: {error}") from error
    incremental = header.materialization == "incremental"
    if incremental and (
        header.day_column is None or not {":first_day", ":end_day"} <= set(_parameters(match["query"]))
    ):
        raise MartError(
            f"{path.name}: an incremental mart needs `day_column`, and :first_day and :end_day in its query"
        )
    return Mart(path.stem, header, match["query"], _inputs(path.name, match["query"]))


def read_marts(folder: Path) -> list[Mart]:
    """Read the marts of a folder, in the order of their names."""
    return [read_mart(path) for path in sorted(folder.glob("*.sql"))]


@dataclass(frozen=True)
class Built:
    """What a build did: rows written (None for a view) and the statements that were run."""

    rows: int | None
    statements: tuple[str, ...]


def build(
    warehouse: Warehouse, mart: Mart, *, schemas: Mapping[str, str], days: tuple[date, date] | None = None
) -> Built:
    """Build a mart in one transaction.

    Args:
        warehouse: Redshift.
        mart: What to build.
        schemas: The names that the query uses for schemas (`staging`, `bi`) and what they are called in Redshift.
        days: For an incremental mart, the half-open range of days to compute.

    Raises:
        MartError: The mart's columns changed and days built earlier have the old ones.
        WarehouseError: Redshift refused a statement.
    """
    query = render(mart, schemas, days)
    target = qualified(schemas["bi"], mart.name)
    header = mart.header

    def replace_view(session: Session) -> Built:
        session.execute(f"CREATE OR REPLACE VIEW {target} AS\n{query}\nWITH NO SCHEMA BINDING")
        return Built(None, tuple(session.statements))

    def new_view(session: Session) -> Built:
        given = grants(session, schemas["bi"], mart.name)
        session.execute(f"DROP VIEW IF EXISTS {target}")
        replace_view(session)
        for grant in given:
            session.execute(grant)
        return Built(None, tuple(session.statements))

    def as_table(session: Session) -> Built:
        exists = _exists(session, schemas["bi"], mart.name)
        session.execute(f"CREATE TEMP TABLE {identifier(_BUILT)} AS\n{query}")
        if exists and _columns(session, identifier(_BUILT)) == _columns(session, target):
            session.execute(_delete(target, header, days))
            session.execute(f"INSERT INTO {target} SELECT * FROM {identifier(_BUILT)}")
        elif exists and header.materialization == "incremental":
            raise MartError(f"bi/{mart.name}: its columns changed; drop {target} and build all of its days again")
        else:
            _make(session, schemas["bi"], mart, exists=exists)
        rows = session.execute(f"SELECT COUNT(*) FROM {identifier(_BUILT)}").rows[0][0]
        return Built(int(rows), tuple(session.statements))

    with warehouse.session() as session:
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schemas['bi'])}")
    if header.materialization != "view":
        return warehouse.transaction(as_table)
    try:
        return warehouse.transaction(replace_view)
    except PassingError:
        raise
    except WarehouseError:  # its columns changed, which OR REPLACE does not do
        return warehouse.transaction(new_view)


def render(mart: Mart, schemas: Mapping[str, str], days: tuple[date, date] | None) -> str:
    """Return the query with schemas named as in this warehouse, and with the days of the run."""
    query = mart.query
    for name, called in schemas.items():
        if name != called:
            query = re.sub(rf"(?<![\w.\"]){name}\.(?=[\w\"])", f"{identifier(called)}.", query)
    if days is None:
        return query
    values = dict(zip((":first_day", ":end_day"), days, strict=True))
    return re.sub(r"(?<!:):(first_day|end_day)\b", lambda m: f"DATE {literal(values[m[0]])}", query)


def _parameters(query: str) -> list[str]:
    return re.findall(r"(?<!:):\w+\b", query)


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


def _exists(session: Session, schema: str, name: str) -> bool:
    rows = session.execute(
        "SELECT COUNT(*) FROM svv_all_columns WHERE database_name = current_database() "
        f"AND schema_name = {literal(fold(schema))} AND table_name = {literal(fold(name))}"
    ).rows
    return bool(rows[0][0])


def _columns(session: Session, table: str) -> tuple[object, ...]:
    """Return what tells whether rows of one table fit another as they are: names, types, lengths and scales."""
    answer = session.execute(f"SELECT * FROM {table} LIMIT 0")
    return answer.columns, answer.modifiers


def _make(session: Session, schema: str, mart: Mart, *, exists: bool) -> None:
    """Make the mart's table of the rows that were built; where one exists, in its place."""
    name = f"{mart.name}__new" if exists else mart.name
    made = f"{qualified(schema, name)}{_attributes(mart.header)}"
    session.execute(f"CREATE TABLE {made} AS SELECT * FROM {identifier(_BUILT)}")
    if exists:
        swap(session, schema, mart.name, replacement=name)


def _delete(target: str, header: MartHeader, days: tuple[date, date] | None) -> str:
    if header.materialization != "incremental" or days is None or header.day_column is None:
        return f"DELETE FROM {target}"
    column = identifier(header.day_column)
    return f"DELETE FROM {target} WHERE {column} >= {literal(days[0])} AND {column} < {literal(days[1])}"


def _attributes(header: MartHeader) -> str:
    dist = f" DISTKEY ({identifier(header.dist_key)})" if header.dist_key else ""
    sort = f" SORTKEY ({identifiers(header.sort_key)})" if header.sort_key else ""
    return dist + sort
