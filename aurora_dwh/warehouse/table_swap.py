"""A table put in another's place: one rename, and the views and grants that held on to the old table come along.

Views are made again by their own text, and grants are given again, in the transaction that renames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse import dependents
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.dependents import DependentError, Grant
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.load.schema_drift import DONE_BY_ANOTHER, live_columns
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.sql import identifier, identifiers, qualified


def swap(session: Session, schema: str, name: str, *, replacement: str) -> None:
    """Put a table in the place of another of its schema, inside the caller's transaction; the old one is dropped.

    Readers wait for the transaction or see the old rows. Late-binding views go by the name and need nothing.

    Args:
        session: A session with an open transaction, of a user who owns the tables and the views on them, and who may
            see what others were granted (`ALTER USER ... SYSLOG ACCESS UNRESTRICTED`, `GRANT ROLE sys:monitor`).
        name: The table that is replaced; it may be gone.

    Raises:
        DependentError: Something hangs on the old table that cannot be kept, as a view that needs a column which the
            new one lacks, or a materialized view.
        WarehouseError: Redshift refused.
    """
    with replaced(session, schema, name):
        session.execute(f"ALTER TABLE {qualified(schema, replacement)} RENAME TO {identifier(name)}")


@contextmanager
def replaced(session: Session, schema: str, name: str, *, kind: Literal["TABLE", "VIEW"] = "TABLE") -> Iterator[None]:
    """Remove a table or view; whoever enters makes what takes its place, and all that hung on it hangs on that."""
    views = dependents.check(session, schema, name)
    places = [(schema, name), *((view.schema, view.name) for view in views)]
    given = [(place, dependents.grants(session, *place)) for place in places]
    for view in reversed(views):
        session.execute(f"DROP VIEW {view.sql}")
    with _kept(f"{fold(schema)}.{fold(name)}: something that is not a view hangs on it, such as a materialized view"):
        session.execute(f"DROP {kind} IF EXISTS {qualified(schema, name)}")
    yield
    for view in views:
        with _kept(f"{fold(schema)}.{fold(name)}: the view {view.label} cannot be made again on what is new"):
            session.execute(f"CREATE VIEW {view.sql} AS {view.query}")
    for place, of_place in given:
        _give(session, *place, of_place)


@contextmanager
def _kept(trouble: str) -> Iterator[None]:
    """Name what hangs on a table where Redshift refuses to go on because of it."""
    try:
        yield
    except PassingError:
        raise
    except WarehouseError as error:
        if error.state in DONE_BY_ANOTHER:
            raise
        raise DependentError(
            f"{trouble} ({error}); nothing was changed. Drop it, run this again, and make it anew, a view WITH NO "
            "SCHEMA BINDING, which goes by the table's name"
        ) from error


def _give(session: Session, schema: str, name: str, given: Iterable[Grant]) -> None:
    """Give privileges again; of columns those on columns that are there, as far as Redshift tells them of a view."""
    there = live_columns(session, Target(schema, name)) if any(grant.columns for grant in given) else {}
    for grant in given:
        columns = [column for column in grant.columns if column in there or not there]
        if grant.columns and not columns:
            continue
        of_columns = f" ({identifiers(columns)})" if columns else ""
        option = " WITH GRANT OPTION" if grant.with_option else ""
        session.execute(f"GRANT {grant.privilege}{of_columns} ON {qualified(schema, name)} TO {grant.to}{option}")
