"""The lock that a table's writers take: one writes at a time, and nobody waits for a writer of another table.

Redshift locks a table that a transaction updates or deletes from until the transaction ends, also where no row matches:
https://docs.aws.amazon.com/redshift/latest/dg/c_write_readwrite.html. So a writer first deletes nothing. That waits for
the writer before it, and as the transaction has read nothing yet, it then sees what that one left. Readers do not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import PassingError, WarehouseError

GONE: Final = "42P01"
"""SQLSTATE of a table that does not exist."""


def lock(session: Session, table: str) -> None:
    """Make the session's transaction the only writer of a table, by its quoted name, as its first statement.

    Raises:
        PassingError: The table is gone, which was there when it was looked at.
        WarehouseError: Redshift refused.
    """
    with passing(GONE):
        session.execute(f"DELETE FROM {table} WHERE 1 = 0")


def await_writer(session: Session, begin: Callable[[], None], *states: str) -> None:
    """Wait until a COMMIT that is still under way has ended, whose transaction had begun in the same way.

    Args:
        begin: Takes what the other transaction took first.
        states: SQLSTATEs that tell that it has ended as well, as where it made or removed the table.

    Raises:
        PassingError: That cannot be told yet; ask again.
    """
    session.execute("BEGIN")
    try:
        begin()
    except PassingError as error:
        if error.state not in states:
            raise
    session.execute("ROLLBACK")


@contextmanager
def passing(*states: str) -> Iterator[None]:
    """Turn a refusal with one of the SQLSTATEs, for what another writer did meanwhile, into a PassingError."""
    try:
        yield
    except WarehouseError as error:
        if error.state not in states:
            raise
        raise PassingError(str(error), statement=error.statement, state=error.state) from error
