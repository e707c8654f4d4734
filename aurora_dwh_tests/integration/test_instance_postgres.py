"""Production's storage is Dagster's own in all but the number of its connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster_postgres.event_log import PostgresEventLogStorage

from aurora_dwh_tests.instances import Storage, orders, postgres_settings


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    made = Storage(tmp_path_factory.mktemp("storage"))
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def instance_of(storage: Storage, home: Path, *, kept: bool) -> dg.DagsterInstance:
    """Return an instance on it, with connections that are kept or as Dagster has them."""
    (home / "dagster.yaml").write_text(postgres_settings(storage, kept=kept))
    return dg.DagsterInstance.get()


def sessions(storage: Storage) -> int:
    """Return how many connections were made to the database so far."""
    ((found,),) = storage.query("SELECT sessions FROM pg_stat_database WHERE datname = 'dagster'")
    return int(found)


def test_a_run_takes_few_connections_and_dagsters_own_storage_reads_it(storage: Storage, home: Path) -> None:
    with instance_of(storage, home, kept=True) as instance:
        before = sessions(storage)
        run = dg.materialize([orders], instance=instance).run_id
        told = [entry.message for entry in instance.all_logs(run)]
        after = sessions(storage)
    assert len(told) > 10
    assert after - before <= 6  # one for each kind of data, and those of this test
    with instance_of(storage, home, kept=False) as own:
        assert type(own.event_log_storage) is PostgresEventLogStorage
        assert [entry.message for entry in own.all_logs(run)] == told


def test_connections_that_a_failover_cuts_are_made_anew(storage: Storage, home: Path) -> None:
    with instance_of(storage, home, kept=True) as instance:
        assert dg.materialize([orders], instance=instance).success
        ((cut,),) = storage.query(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = 'dagster' AND pid <> pg_backend_pid()"
        )
        assert cut > 0
        assert dg.materialize([orders], instance=instance).success
