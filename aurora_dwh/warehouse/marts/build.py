"""How a mart's table or view is built: each build is one transaction, in which the new rows are checked.

Readers see the old rows or the new, and views and grants stay. What a mart is, is `model`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.load.schema_drift import DONE_BY_ANOTHER, live_columns, missing_schemas, settle
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.locks import lock, passing
from aurora_dwh.warehouse.marts.checks import MartFigures, check_mart, count_days
from aurora_dwh.warehouse.marts.columns import check_declared
from aurora_dwh.warehouse.marts.model import Mart, MartError, MartHeader, render
from aurora_dwh.warehouse.sql import beside, identifier, identifiers, literal, qualified
from aurora_dwh.warehouse.table_keys import differences
from aurora_dwh.warehouse.table_swap import replaced, swap

TABLE, _VIEW = "r", "v"
"""What pg_class calls a table and a view."""

BUILT = "dwh_mart"
"""The temporary table that a mart's rows are computed into."""

_ALL_DAYS = (date.min, date.max)
"""The half-open range of the days that a view shows."""


@dataclass(frozen=True)
class Built:
    """What a build did."""

    figures: MartFigures  # what was found of the rows
    statements: tuple[str, ...]  # what was run
    columns: tuple[tuple[str, str], ...] = ()  # the columns' names and types
    # of an incremental mart, each day's rows; where it takes the place of a view, of all days
    days: Mapping[date, int] = field(default_factory=dict)


def build(
    warehouse: Warehouse, mart: Mart, *, schemas: Mapping[str, str], days: tuple[date, date] | None = None
) -> Built:
    """Build a mart in one transaction.

    Args:
        schemas: The names that the query uses for schemas (`staging`, `bi`) and what they are called in Redshift.
        days: For an incremental mart, the half-open range of days to compute.

    Raises:
        CheckError: The new rows are not as they must be; the old ones stay.
        MartError: The mart's columns are not as its header declares, or changed and days built earlier have the old
            ones.
        DependentError: Something hangs on the mart that cannot be kept where it is made anew.
        WarehouseError: Redshift refused a statement.
    """
    work = Build(mart, schemas, days)
    warehouse.persist(lambda session: settle(session, lambda: missing_schemas(session, schemas["bi"])))
    kinds: list[str] = []

    def look(session: Session) -> None:
        kinds.append(_kind(session, schemas["bi"], mart.name))

    if mart.header.materialization != "view":
        return warehouse.transaction(lambda session: work.table(session, kinds[-1]), before=look)
    try:
        return warehouse.transaction(lambda session: work.view(session, kinds[-1]), before=look)
    except PassingError:
        raise
    except WarehouseError:  # its columns changed, which OR REPLACE does not do
        return warehouse.transaction(lambda session: work.new_view(session, kinds[-1]), before=look)


@dataclass(frozen=True)
class Build:
    """One build's work, of which a transaction may call a part several times."""

    mart: Mart
    schemas: Mapping[str, str]
    days: tuple[date, date] | None

    def view(self, session: Session, kind: str) -> Built:
        """Make the view, where `kind` stands; its columns must be as they were."""
        if kind == TABLE:
            return self.new_view(session, kind)
        session.execute(f"CREATE OR REPLACE VIEW {self._target} AS\n{self._query}\nWITH NO SCHEMA BINDING")
        return self._built(session, self._check(session, self._target))

    def new_view(self, session: Session, kind: str) -> Built:
        """Make the view in place of what stands."""
        with replaced(session, self.schemas["bi"], self.mart.name, kind="TABLE" if kind == TABLE else "VIEW"):
            done = self.view(session, "")
        return replace(done, statements=tuple(session.statements))

    def table(self, session: Session, kind: str) -> Built:
        """Compute the rows, check them, and put them in place of those that stand; `kind` is what stands."""
        if kind == _VIEW and self.days not in (None, _ALL_DAYS):  # readers had all of them, and keep them
            return replace(self, days=_ALL_DAYS).table(session, kind)
        schema, header, new = self.schemas["bi"], self.mart.header, identifier(BUILT)
        exists = kind == TABLE
        if exists:
            lock(session, self._target)
        session.execute(f"CREATE TEMP TABLE {new} AS\n{self._query}")
        figures = self._check(session, new)
        if exists and _columns(session, new) == _columns(session, self._target):
            session.execute(_delete(self._target, header, self.days))
            session.execute(f"INSERT INTO {self._target} SELECT * FROM {new}")
            if differences(session, schema, self.mart.name, dist_key=header.dist_key, sort_key=header.sort_key):
                _make(session, schema, self.mart, self._target, exists=True)
        elif exists and header.materialization == "incremental":
            raise MartError(
                f"bi/{self.mart.name}: its columns changed; run DROP TABLE {self._target} and build all its days again"
            )
        elif kind == _VIEW:
            with replaced(session, schema, self.mart.name, kind="VIEW"):
                _make(session, schema, self.mart, new, exists=False)
        else:
            _make(session, schema, self.mart, new, exists=exists)
        by_day = session.execute(count_days(new, header.day_column)).rows if header.day_column and self.days else ()
        return self._built(session, figures, {day: int(rows) for day, rows in by_day if day is not None})

    @property
    def _query(self) -> str:
        return render(self.mart.query, self.schemas, self.days)

    @property
    def _target(self) -> str:
        return qualified(self.schemas["bi"], self.mart.name)

    def _check(self, session: Session, table: str) -> MartFigures:
        return check_mart(session, self.mart, table, render=lambda text: render(text, self.schemas, self.days))

    def _built(self, session: Session, figures: MartFigures, by_day: Mapping[date, int] | None = None) -> Built:
        statements = tuple(session.statements)
        columns = tuple(live_columns(session, Target(self.schemas["bi"], self.mart.name)).items())
        check_declared(self.mart, columns)
        return Built(figures, statements, columns, by_day or {})


def _kind(session: Session, schema: str, name: str) -> str:
    """Return what has a name: a table, a view, or nothing.

    Both are asked for: `svv_all_columns` may lack late-binding views, and `pg_class` cuts the longest names.
    """
    rows = session.execute(
        "SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(fold(schema))} AND c.relname = {literal(fold(name))}"
    ).rows
    if rows:
        return str(rows[0][0])
    return TABLE if live_columns(session, Target(schema, name)) else ""


def _columns(session: Session, table: str) -> tuple[object, ...]:
    """Return what tells whether rows of one table fit another as they are: names, types, lengths and scales."""
    answer = session.execute(f"SELECT * FROM {table} LIMIT 0")
    return answer.columns, answer.modifiers


def _make(session: Session, schema: str, mart: Mart, source: str, *, exists: bool) -> None:
    """Make the mart's table of the rows of another table; where one exists, in its place."""
    name = beside(mart.name, "__new") if exists else mart.name
    made = f"{qualified(schema, name)}{_attributes(mart.header)}"
    with passing(*DONE_BY_ANOTHER):
        session.execute(f"CREATE TABLE {made} AS SELECT * FROM {source}")
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
