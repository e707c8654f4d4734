"""Commands that a task runs once: the run's environment, the instance as the image has it, a PostgreSQL.

Only the daemon and the webserver are told which task a run is, DAGSTER_RUN_TASK, and nothing here may ask for it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from alembic import command
from dagster._check import CheckError
from dagster_postgres.utils import pg_alembic_config
from sqlalchemy import create_engine

from aurora_dwh_tests.e2e.image import ROOT, ReachableStorage, image_environment
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.instances import orders, postgres_settings
from infra import commands

OLD = "5771160a95ad"
"""The schema that Dagster 1.4 had: without checks, limits of pools, and the backfill in a run's row."""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(storage: ReachableStorage, tmp_path: Path) -> Start:
    """Starts a command as a container of the image does."""
    home = tmp_path / "opt-dagster"
    home.mkdir()
    for file in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / "infra" / file, home)
    environment = {
        **image_environment(home, storage),
        "DAGSTER_LOG_BUCKET": "logs",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
    }
    assert "DAGSTER_RUN_TASK" not in environment
    output = subprocess.PIPE

    def run(words: list[str], **variables: str) -> subprocess.Popen[str]:
        more = {**environment, **variables}
        return subprocess.Popen(words, cwd=home, env=more, stdout=output, stderr=subprocess.STDOUT, text=True)

    return run


def said(process: subprocess.Popen[str]) -> str:
    """Return what a command printed, which ended well."""
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    return text


def version(storage: ReachableStorage) -> str:
    ((found,),) = storage.query("SELECT version_num FROM alembic_version")
    return str(found)


def alembic(storage: ReachableStorage, do: Callable[..., None], *words: str) -> None:
    """Run one of Alembic's commands with Dagster's own migrations."""
    import dagster_postgres.run_storage as place

    engine = create_engine(storage.url(), isolation_level="AUTOCOMMIT")
    config = pg_alembic_config(place.__file__)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        do(config, *words)
    engine.dispose()


@pytest.mark.timeout(600)
def test_dagsters_database_is_made_and_pruned_by_tasks_of_their_own(storage: ReachableStorage, start: Start) -> None:
    assert "schema " in said(start(commands.migrate()))
    newest = version(storage)
    assert said(start(commands.migrate())).count(newest) == 3  # found, to be, is: nothing is done twice
    assert "0 runs" in said(start(["aurora-dwh", "prune", "--before", "2024-06-01", "--dry-run"]))


@pytest.mark.timeout(600)
def test_an_older_schema_is_migrated_by_one_of_several_that_start_at_once(
    storage: ReachableStorage, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").write_text(postgres_settings(storage))

    def instance() -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(tmp_path))

    with instance() as made:
        run = dg.materialize([orders], instance=made).run_id
        newest = version(storage)
    alembic(storage, command.downgrade, OLD)
    with instance() as made, pytest.raises(CheckError, match="schema migration"):
        dg.materialize([orders], instance=made)
    processes = [start(commands.migrate()) for _ in range(3)]
    texts = [said(process) for process in processes]
    assert sum(f"schema {OLD}, to be {newest}" in text for text in texts) == 1, texts
    assert version(storage) == newest
    with instance() as made:
        assert made.has_run(run)
        assert made.get_latest_materialization_event(orders.key)
        assert dg.materialize([orders], instance=made).success


@pytest.mark.timeout(600)
def test_a_schema_of_a_newer_dagster_is_left_so_that_an_image_can_be_rolled_back(
    storage: ReachableStorage, start: Start
) -> None:
    said(start(commands.migrate()))
    newest = version(storage)
    storage.query("UPDATE alembic_version SET version_num = 'fffffff00000'")
    assert "schema fffffff00000 is of a newer Dagster" in said(start(commands.migrate()))
    assert version(storage) == "fffffff00000"
    storage.query(f"UPDATE alembic_version SET version_num = '{newest}'")


def test_a_command_is_for_the_location_whose_catalog_is_named_beside_it(
    storage: ReachableStorage, world: World, start: Start, tmp_path: Path
) -> None:
    """As the page has it, with another folder in the place of the image's."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    (written,) = re.findall(r'`"environment": (\[.*?\])`', page)
    variables = {one["name"]: one["value"].replace("/opt/aurora-dwh", str(tmp_path)) for one in json.loads(written)}
    world.catalog("orders: {key: id, cursor: changed_at}")
    (file,) = (Path(value) for value in variables.values())
    file.parent.mkdir(parents=True)
    file.write_text(world.catalog_file.read_text().replace("orders", "contacts"))
    for table in ("orders", "contacts"):
        world.at_source(
            f"CREATE TABLE {table} (id INT PRIMARY KEY, changed_at DATETIME NOT NULL, KEY (changed_at))",
            f"INSERT INTO {table} VALUES (1, '2024-01-01 10:00')",
        )
    planned = said(start(["aurora-dwh", "plan", "contacts", "--day", "2024-01-01"], **variables))
    assert "`contacts`" in planned
    refused = start(["aurora-dwh", "plan", "contacts", "--day", "2024-01-01"])
    text, _ = refused.communicate(timeout=120)
    assert refused.returncode != 0
    assert "contacts" in text
