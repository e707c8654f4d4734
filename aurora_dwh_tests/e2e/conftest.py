"""The fixtures `world`: real servers, and an environment in which the product finds nothing else; and `storage`."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pymysql
import pytest

from aurora_dwh.core import retries
from aurora_dwh.local.aurora import EmbeddedAurora, Exports
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.s3 import S3Access
from aurora_dwh_tests.e2e.image import ReachableStorage
from aurora_dwh_tests.e2e.nights import Nights
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.servers import Server, running_aurora
from aurora_dwh_tests.services import USER, empty_database, lake_variables

RETRY_AT_ONCE = dg.RetryPolicy(max_retries=1, delay=0.1)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[ReachableStorage]:
    """Dagster's PostgreSQL in production."""
    made = ReachableStorage(tmp_path / "storage")
    yield made
    made.close()


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home without runs, to be copied: its databases take longer to make than most runs here to write.

    For the same reason what a step prints is not taken up, for which Dagster would start processes for each run.
    """
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "event_log_storage:\n"
        "  module: aurora_dwh.instance.sqlite\n"
        "  class: SqliteEventLog\n"
        "  config: {}\n"
        "compute_logs:\n"
        "  module: dagster._core.storage.noop_compute_log_manager\n"
        "  class: NoOpComputeLogManager\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        dg.DagsterInstance.get().dispose()
    return home


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory, which each test finds empty: files take as long to write as the runs that do it."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def kept(world: World) -> Iterator[None]:
    """Has the world's runs in files beneath DAGSTER_HOME, where other processes find them, and secrets would lie."""
    with dg.DagsterInstance.get() as world.instance:
        yield


@pytest.fixture(scope="session")
def server(mysql: Server) -> Server:
    """MySQL alone, but for the modules about the source, which import the fixture of both."""
    return mysql


@pytest.fixture
def world(
    server: Server,
    database: str,
    lake_server: LakeServer,
    redshift: RedshiftStandIn,
    dagster_home: Path,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A source, a lake, a warehouse and a Dagster home that only this test uses; waits before retries are short."""
    with make_world(server, database, lake_server, redshift, dagster_home, instance, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def nights(world: World) -> Nights:
    """A world whose days are those that have just ended."""
    return Nights(world)


@pytest.fixture
def world_of(
    lake_server: LakeServer,
    redshift: RedshiftStandIn,
    dagster_home: Path,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Any, str], AbstractContextManager[World]]:
    """Makes a world of a server and a database of it."""
    return lambda server, database: make_world(
        server, database, lake_server, redshift, dagster_home, instance, tmp_path, monkeypatch
    )


@pytest.fixture(scope="session", params=("mysql",))
def aurora(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, lake_server: LakeServer
) -> Iterator[EmbeddedAurora]:
    """An embedded Aurora, which writes to the lake by itself, a part for some hundred bytes; tests name the servers."""
    access = S3Access(lake_server.endpoint_url, lake_server.region, lake_server.access_key, lake_server.secret_key)
    folder, exports = tmp_path_factory.mktemp("aurora"), Exports(access, part_bytes=500)
    login = {"user": "reader", "password": secrets.token_hex(8)}
    yield from running_aurora(folder, **login, exports=exports, kind=request.param)


@pytest.fixture
def aurora_world(
    aurora: EmbeddedAurora,
    lake_server: LakeServer,
    redshift: RedshiftStandIn,
    dagster_home: Path,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A world whose source is an embedded Aurora."""
    database = f"shop_{secrets.token_hex(3)}"
    with pymysql.connect(**aurora.arguments()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    with make_world(aurora, database, lake_server, redshift, dagster_home, instance, tmp_path, monkeypatch) as made:
        yield made


@contextmanager
def make_world(
    source: Any,
    database: str,
    lake_server: LakeServer,
    redshift: RedshiftStandIn,
    dagster_home: Path,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """Make a world of a server and a database of it, in a folder, with an instance of Dagster."""
    monkeypatch.setattr("aurora_dwh.orchestration.assets.step.RETRY", RETRY_AT_ONCE)  # before definitions are built
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, pause=0.01))
    for name in os.environ:
        if name.startswith(("AURORA_", "REDSHIFT_", "AWS_", "LAKE_", "DAGSTER_")):
            monkeypatch.delenv(name)
    home = tmp_path / "dagster"
    shutil.copytree(dagster_home, home)
    variables = {
        **_aurora(source, database),
        **_lake(lake_server),
        **_redshift(redshift, f"{database}_{secrets.token_hex(3)}"),
        "AURORA_DWH_CATALOG": str(tmp_path / "catalog.yaml"),
        "DAGSTER_HOME": str(home),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with empty_database(redshift, variables["REDSHIFT_DATABASE"]):
        yield World(source, database, redshift, home, tmp_path / "catalog.yaml", variables, instance)
    instance.wipe()


def _aurora(server: Any, database: str) -> dict[str, str]:
    return {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_DATABASE": database,
        "AURORA_USER": server.user,
        "AURORA_PASSWORD": server.password,
        "AURORA_TLS": "disabled",
    }


def _lake(server: LakeServer) -> dict[str, str]:
    return {
        **lake_variables(server, f"s3://{server.bucket}/e2e-{secrets.token_hex(4)}"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _redshift(server: RedshiftStandIn, database: str) -> dict[str, str]:
    return {
        "REDSHIFT_HOST": server.host,
        "REDSHIFT_PORT": str(server.port),
        "REDSHIFT_DATABASE": database,
        "REDSHIFT_USER": USER,
        "REDSHIFT_PASSWORD": server._password,
        "REDSHIFT_TLS": "disabled",
    }
