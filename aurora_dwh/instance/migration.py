"""Brings Dagster's PostgreSQL to the schema that the installed Dagster has, by one process at a time.

Dagster itself takes no lock, and of two that add the same column the second one fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg
import dagster_postgres.run_storage
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from dagster_postgres import PostgresRunStorage
from dagster_postgres.utils import pg_alembic_config
from sqlalchemy import func, select

_LOCK: Final = 0x61757264  # any number that no one else locks in Dagster's database
_SECONDS: Final = 1.0


def migrate(instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
    """Migrate, and say what is done. A schema that a newer Dagster has left stays as it is.

    Args:
        instance: One whose storage is a PostgreSQL.

    Raises:
        TypeError: It is another storage.
    """
    runs = instance.run_storage
    if not isinstance(runs, PostgresRunStorage):
        raise TypeError(f"{type(runs).__name__} is no PostgreSQL; use dagster instance migrate")
    with _alone(runs, say):
        found, newest = runs.alembic_version()
        if not _is_known(found):
            say(f"schema {found} is of a newer Dagster than the one that is installed, whose last is {newest}")
            return
        say(f"schema {found}, to be {newest}")
        instance.upgrade(say)
        say(f"schema {runs.alembic_version()[0]}")


def _is_known(revision: str | None) -> bool:
    scripts = ScriptDirectory.from_config(pg_alembic_config(dagster_postgres.run_storage.__file__))
    try:
        scripts.get_revision(revision or "base")
    except CommandError:
        return False
    return True


@contextmanager
def _alone(runs: PostgresRunStorage, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock for as long.

    It is asked for again and again: who waited for it in a statement would be waited for in turn, by an index that is
    built beside what others do (https://www.postgresql.org/docs/16/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY).
    """
    with runs.connect() as connection:
        while not connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
            say("another process migrates")
            time.sleep(_SECONDS)
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(_LOCK)))
