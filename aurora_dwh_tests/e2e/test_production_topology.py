"""The production topology on one machine: migration, code server, daemon and webserver, as the tasks start them.

Their command lines are those of `infra.commands`, their configuration is `infra/dagster.yaml`, `infra/workspace.yaml`.
One thing is replaced, the run launcher, for there is no ECS here: runs start in the code server's container instead.
Dagster's storage is a PostgreSQL, steps' output goes to an S3 server, and the source is a MySQL server.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ruamel.yaml import YAML

from aurora_dwh.catalog.model import PACKAGED_CATALOG, marts_folder
from aurora_dwh.local import shop
from aurora_dwh.warehouse.marts.model import kind as kind_of
from aurora_dwh_tests.dagster_ui import Api
from aurora_dwh_tests.e2e.image import ROOT, ReachableStorage, image_environment
from aurora_dwh_tests.e2e.world import World
from infra import commands
from infra.datasets import read_datasets

PATIENCE = 240.0
LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
DAEMONS = """{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"""
STATUS = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""


COLUMNS_OF_LATE_VIEWS = """
SELECT view_name, col_name, col_type
FROM pg_get_late_binding_view_cols()
     cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)
WHERE view_schema = 'bi' ORDER BY col_num
"""
"""They are not in the catalog's columns: r_PG_GET_LATE_BINDING_VIEW_COLS of the Redshift guide."""


class Containers:
    """Processes that are started as the containers are, in a folder that looks like the image's."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home, self._environment = home, environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> None:
        with (self.home / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=self.home, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.home, env=self._environment, capture_output=True, text=True, check=False
        )

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            dead = [name for name, process in self._running.items() if process.poll() is not None]
            if dead or time.monotonic() > end:
                logs = "\n".join(f"--- {file.name}\n{file.read_text()[-3000:]}" for file in self.home.glob("*.log"))
                raise AssertionError(f"{what} did not come; ended by themselves: {dead}\n{logs}")
            time.sleep(0.5)

    def healthy(self, command: list[str]) -> None:
        """Expect a health check, which takes seconds to import what it needs, to succeed."""
        done = self.run(command)
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def containers(world: World, storage: ReachableStorage, tmp_path: Path) -> Iterator[Containers]:
    home = tmp_path / "opt-dagster"
    home.mkdir()
    yaml = YAML()
    instance = yaml.load((ROOT / "infra" / "dagster.yaml").read_text(encoding="utf-8"))
    assert instance.pop("run_launcher")["class"] == "EcsRunLauncher"
    yaml.dump(instance, home / "dagster.yaml")
    (home / "workspace.yaml").write_bytes((ROOT / "infra" / "workspace.yaml").read_bytes())
    environment = {
        **image_environment(home, storage),
        "DAGSTER_LOG_BUCKET": world.variables["LAKE_URI"].split("/")[2],
        "AWS_DEFAULT_REGION": world.variables["AWS_REGION"],
    }
    made = Containers(home, environment)
    yield made
    made.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.timeout(900)
def test_a_day_is_loaded_by_the_containers_of_production(
    world: World, storage: ReachableStorage, containers: Containers, s3: Any
) -> None:
    yesterday = str(datetime.now(ZoneInfo(shop.TIMEZONE)).date() - timedelta(days=1))
    with world.source() as connection:
        shop.create(connection)
        shop.live(connection, last=shop.START + timedelta(days=1), scale=0.05)
    # The first partition holds all history, so that one run loads the whole shop.
    catalog = PACKAGED_CATALOG.read_text(encoding="utf-8").replace("2024-01-01", yesterday)
    world.catalog_file.write_text(catalog, encoding="utf-8")
    shutil.copytree(marts_folder(PACKAGED_CATALOG), marts_folder(world.catalog_file))
    datasets = read_datasets(marts_folder(world.catalog_file))
    code, crm, ui = _free_port(), _free_port(), _free_port()
    folder = containers.home / "locations"
    containers._environment.update(
        DAGSTER_CODE_HOST="127.0.0.1",
        DAGSTER_CODE_PORT=str(code),
        DAGSTER_CODE_LOCATIONS=json.dumps({"crm": ["127.0.0.1", crm]}),
        AURORA_DWH_LOCATIONS=str(folder),
    )
    (folder / "crm").mkdir(parents=True)
    world.at_source("CREATE TABLE contacts (id INT PRIMARY KEY)", "INSERT INTO contacts VALUES (1), (2)")
    of_crm = f"timezone: {shop.TIMEZONE}\nstart_date: {yesterday}\ntables: {{contacts: {{mode: full, key: id}}}}\n"
    (folder / "crm" / "catalog.yaml").write_text(of_crm, encoding="utf-8")
    url = f"http://127.0.0.1:{ui}"

    migrated = containers.run(commands.migrate())
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    containers.start("code", commands.code_server(code))
    containers.start("code-crm", commands.code_server(crm, location="crm"))
    for port in (code, crm):
        containers.wait("a code server", lambda port=port: _listens(port))
        containers.healthy(commands.code_server_health(port))
    containers.start("daemon", commands.daemon())
    containers.start("webserver", commands.webserver(ui))
    containers.wait("the webserver", lambda: _answers(url + commands.WEBSERVER_HEALTH_PATH))
    containers.wait("the daemon", lambda: _is_alive(Api(url)))
    containers.healthy(commands.daemon_health())

    before = _measures(containers)
    assert before["days_late"] == len(shop.TABLES) + 1
    assert before["location_error"] == 0
    run, other = (
        _launch(Api(url), location, job, yesterday)
        for location, job in (("aurora_dwh", "daily_load"), ("crm", "crm_daily_load"))
    )

    def ended() -> bool:
        states = {one: Api(url).ask(STATUS, id=one)["runOrError"]["status"] for one in (run, other)}
        for one, status in states.items():
            assert status not in ("FAILURE", "CANCELED"), _log(storage, one)
        return set(states.values()) == {"SUCCESS"}

    containers.wait("the end of the runs", ended)
    # The daemon builds the marts by itself once yesterday has landed.
    containers.wait("the marts", lambda: _marts(world) == set(datasets))

    after = _measures(containers)
    assert after["days_late"] == 0
    assert after["failed_runs"] == 0
    assert after["daemon_silence_seconds"] < 300
    world.assert_equal(*shop.TABLES, "contacts")
    assert world.ask_warehouse("SELECT COUNT(*) > 0 FROM bi.daily_sales") == [(True,)]
    held: dict[str, dict[str, str]] = {}
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'bi' ORDER BY ordinal_position"
    )
    for mart, column, kind in [*world.ask_warehouse(columns), *world.ask_warehouse(COLUMNS_OF_LATE_VIEWS)]:
        held.setdefault(mart, {})[column] = kind_of(kind)
    assert {mart: list(kinds.items()) for mart, kinds in held.items()} == {
        mart: list(kinds.items()) for mart, kinds in datasets.items()
    }
    assert storage.query(f"SELECT status FROM runs WHERE run_id = '{run}'") == [("SUCCESS",)]
    bucket = world.variables["LAKE_URI"].split("/")[2]
    logs = s3.list_objects_v2(Bucket=bucket, Prefix=f"dagster/storage/{run}/")
    assert logs["KeyCount"] > 0


def _is_alive(api: Api) -> bool:
    daemons = api.ask(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    return all(one["healthy"] for one in daemons if one["required"])


def _launch(api: Api, location: str, job: str, day: str) -> str:
    params = {
        "selector": {"repositoryLocationName": location, "repositoryName": "__repository__", "jobName": job},
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day}]},
    }
    launched = api.ask(LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def _marts(world: World) -> set[str]:
    return {
        name
        for (name,) in world.ask_warehouse("SELECT table_name FROM information_schema.tables WHERE table_schema = 'bi'")
    }


def _measures(containers: Containers) -> dict[str, float]:
    done = containers.run([*commands.watch("00:00"), "--once"])
    assert done.returncode == 0, done.stderr
    measures: dict[str, float] = json.loads(done.stdout)
    return measures


def _log(storage: ReachableStorage, run: str) -> str:
    rows = storage.query(f"SELECT event FROM event_logs WHERE run_id = '{run}' ORDER BY id DESC LIMIT 8")
    return "\n".join(str(event)[:2000] for (event,) in rows)
