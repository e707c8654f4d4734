"""What runs in the tests of Dagster instances, and a PostgreSQL that one keeps its runs in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2

from aurora_dwh.local.redshift.postgres import SUPERUSER, PostgresServer

PROJECT_SETTINGS = Path(__file__).parents[1] / "dagster.yaml"


@dg.asset(check_specs=[dg.AssetCheckSpec("right", asset="orders")])
def orders() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Make nothing, and say so in events of every kind that a table's load has."""
    yield dg.MaterializeResult(metadata={"rows": 3})
    yield dg.AssetCheckResult(check_name="right", passed=True)


@cache
def _in_memory() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def empty_instance() -> dg.DagsterInstance:
    """Return this process's instance in memory, without runs: to make one takes as long as two runs."""
    made = _in_memory()
    made.wipe()
    return made


class Storage:
    """A PostgreSQL with a database `dagster`, empty at first."""

    def __init__(self, folder: Path) -> None:
        self.server = PostgresServer(folder)
        if self.server.start(lambda: self.query("SELECT 1", "postgres")):
            self.query("CREATE DATABASE dagster", "postgres")

    def query(self, statement: str, database: str = "dagster") -> list[tuple[Any, ...]]:
        """Run a statement and return its rows, none where it gives none."""
        connection = psycopg2.connect(host=str(self.server.socket_dir), user=SUPERUSER, dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def url(self, database: str = "dagster") -> str:
        """Return a database's address, as SQLAlchemy takes it."""
        return f"postgresql+psycopg2://{SUPERUSER}@/{database}?host={self.server.socket_dir}"

    def close(self) -> None:
        """End the server."""
        self.server.stop()


def postgres_settings(storage: Storage, *, kept: bool = True, database: str = "dagster") -> str:
    """Return the dagster.yaml of an instance on a PostgreSQL, with connections that are kept or as Dagster has them."""
    config = f"{{postgres_url: '{storage.url(database)}'}}"
    custom = f"custom: {{module: aurora_dwh.instance.postgres, class: PostgresStorage, config: {config}}}"
    return f"telemetry: {{enabled: false}}\nstorage: {{{custom if kept else f'postgres: {config}'}}}\n"
