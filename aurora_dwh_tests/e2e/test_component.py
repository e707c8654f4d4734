"""The component, as somebody uses it who has a Dagster project already: by `dg`, in YAML."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from aurora_dwh import AuroraToRedshiftComponent, build_definitions, build_location_definitions
from aurora_dwh_tests.e2e.world import QUIET, World
from aurora_dwh_tests.programs import run_program

SHOP = Path(__file__).parents[2] / "aurora_dwh" / "sample_shop"
PROJECT = {
    "pyproject.toml": '[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "company"\n',
    "company/__init__.py": "",
    "company/definitions.py": (
        "from pathlib import Path\nimport dagster as dg\n\n@dg.definitions\ndef defs() -> dg.Definitions:\n"
        "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    ),
    "company/defs/__init__.py": "",
}
"""A project as `create-dagster project` makes it, in as few files."""
TYPE = "aurora_dwh.AuroraToRedshiftComponent"


def run_dg(folder: Path, *words: str, exit_code: int = 0) -> str:
    """Run `dg` in a project, where nothing says how to reach a server."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AURORA_", "REDSHIFT_", "LAKE_"))}
    program = [str(Path(sys.executable).with_name("dg")), *words]
    return run_program(program, folder, {**kept, "DAGSTER_DISABLE_TELEMETRY": "1"}, exit_code=exit_code)


@pytest.mark.timeout(600)  # each `dg` takes ten seconds to import all that it knows
def test_a_component_is_scaffolded_checked_and_listed_by_dg(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    run_dg(tmp_path, "scaffold", "defs", TYPE, "shop")
    made = tmp_path / "company" / "defs" / "shop"
    shutil.copy(SHOP / "catalog.yaml", made)
    shutil.copytree(SHOP / "marts", made / "marts")
    (made.parent / "crm").mkdir()
    (made.parent / "crm" / "defs.yaml").write_text(
        f"type: {TYPE}\nattributes: {{catalog: ../shop/catalog.yaml, marts: none, key_prefix: crm, location: false}}\n"
    )
    (made.parent / "crm" / "none").mkdir()
    listed = json.loads(run_dg(tmp_path, "list", "defs", "--json"))
    expected = dg.Definitions.merge(
        build_definitions(catalog=SHOP / "catalog.yaml"),
        build_definitions(catalog=SHOP / "catalog.yaml", marts=[], key_prefix="crm"),
        build_location_definitions(),
    )
    keys = expected.resolve_asset_graph().get_all_asset_keys()
    assert {asset["asset_key"] for asset in listed["assets"]} == {key.to_user_string() for key in keys}
    assert {one["name"] for one in listed["sensors"]} == {sensor.name for sensor in expected.sensors or ()}
    assert {one["name"] for one in listed["schedules"]} == {one.name for one in expected.schedules or ()}

    (made / "defs.yaml").write_text(f"type: {TYPE}\nattributes: {{catalogue: catalog.yaml}}\n")
    assert "'catalog' is a required property" in run_dg(tmp_path, "check", "defs", exit_code=1)


def test_a_component_reads_how_to_reach_its_servers_from_a_file_when_it_loads_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.catalog("t: {mode: full}")
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    own = {n: v for n, v in world.variables.items() if n.startswith(("AURORA_", "REDSHIFT_", "LAKE_"))}
    for name in own:
        monkeypatch.delenv(name)
    with create_defs_folder_sandbox() as sandbox:
        attributes = {"catalog": str(world.catalog_file), "env_file": "crm.env", "key_prefix": "crm"}
        path = sandbox.scaffold_component(
            component_cls=AuroraToRedshiftComponent,
            defs_path="crm",
            defs_yaml_contents={"type": TYPE, "attributes": attributes},
        )

        def load() -> dg.ExecuteInProcessResult:
            with sandbox.load_component_and_build_defs(defs_path=path) as (_, defs):
                job = defs.resolve_job_def("crm_daily_load")
                return job.execute_in_process(
                    run_config=QUIET, instance=world.instance, partition_key="2024-01-01", raise_on_error=False
                )

        (failure, *_) = (event.step_failure_data for event in load().all_events if event.is_step_failure)
        assert "crm/crm.env: there is no such file, and `env_file` in the defs.yaml" in str(failure)
        (path / "crm.env").write_text("".join(f"{name}='{value}'\n" for name, value in own.items()))
        assert load().success
    assert world.ask_warehouse("SELECT id FROM staging.t ORDER BY id") == [(1,), (2,)]
