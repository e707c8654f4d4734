"""Commands that `RunCommand` starts as a task: the run's environment, the instance as the image has it, a PostgreSQL.

Only the daemon and the webserver are told which task a run is, DAGSTER_RUN_TASK, and nothing here may ask for it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aurora_dwh_tests.e2e.image import ROOT, ReachableStorage, image_environment


@pytest.mark.timeout(600)
def test_dagsters_database_is_migrated_and_pruned_by_tasks_of_their_own(
    storage: ReachableStorage, tmp_path: Path
) -> None:
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

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "after:" in run("python", "-m", "infra.migrate")
    ((versions,),) = storage.query("SELECT COUNT(*) FROM alembic_version")
    assert versions == 1
    # Before the first process of the new version starts, and again afterwards: nothing is done twice.
    run("python", "-m", "infra.migrate")
    assert "0 runs" in run("aurora-dwh", "prune", "--before", "2024-06-01", "--dry-run")
