"""Production's storage is Dagster's own in all but the number of its connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from dagster_postgres.event_log import PostgresEventLogStorage

from aurora_dwh.local.redshift.postgres import SUPERUSER, PostgresServer


class Server:
    """A PostgreSQL for Dagster."""

    def __init__(self, folder: Path) -> None:
        self._server = PostgresServer(folder)
        self._server.start(lambda: self.ask("SELECT 1", "postgres"))
        self.ask("CREATE DATABASE dagster", "postgres")

    def ask(self, statement: str, database: str = "dagster") -> Any:
        """Run a statement that gives one value."""
        connection = psycopg2.connect(host=str(self._server.socket_dir), user=SUPERUSER, dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchone()[0] if cursor.description else None
        finally:
            connection.close()

    def instance(self, home: Path, *, kept: bool) -> dg.DagsterInstance:
        """Return an instance on it, with connections that are kept or as Dagster has them."""
        url = f"postgresql+psycopg2://{SUPERUSER}@/dagster?host={self._server.socket_dir}"
        config = f"{{postgres_url: '{url}'}}"
        custom = f"custom: {{module: aurora_dwh.instance.postgres, class: PostgresStorage, config: {config}}}"
        storage = custom if kept else f"postgres: {config}"
        (home / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\nstorage: {{{storage}}}\n")
        return dg.DagsterInstance.get()

    def stop(self) -> None:
        """End the server."""
        self._server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("storage"))
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@dg.asset(check_specs=[dg.AssetCheckSpec("right", asset="orders")])
def orders() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult(metadata={"rows": 3})
    yield dg.AssetCheckResult(check_name="right", passed=True)


def test_a_run_takes_few_connections_and_dagsters_own_storage_reads_it(server: Server, home: Path) -> None:
    with server.instance(home, kept=True) as instance:
        before = server.ask("SELECT sessions FROM pg_stat_database WHERE datname = 'dagster'")
        run = dg.materialize([orders], instance=instance).run_id
        told = [entry.message for entry in instance.all_logs(run)]
        after = server.ask("SELECT sessions FROM pg_stat_database WHERE datname = 'dagster'")
    assert len(told) > 10
    assert after - before <= 6  # one for each kind of data, and those of this test
    with server.instance(home, kept=False) as own:
        assert type(own.event_log_storage) is PostgresEventLogStorage
        assert [entry.message for entry in own.all_logs(run)] == told


def test_connections_that_a_failover_cuts_are_made_anew(server: Server, home: Path) -> None:
    with server.instance(home, kept=True) as instance:
        assert dg.materialize([orders], instance=instance).success
        cut = server.ask(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = 'dagster' AND pid <> pg_backend_pid()"
        )
        assert cut > 0
        assert dg.materialize([orders], instance=instance).success
