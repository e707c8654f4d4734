"""Two sources in the code location of another project, by settings that are given: the environment leads to none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from aurora_dwh import AuroraSettings, LakeSettings, RedshiftSettings, build_definitions
from aurora_dwh_tests.e2e.world import QUIET, World

CATALOG = "timezone: UTC\nstart_date: 2024-01-01\ntables:\n  item: {key: id, cursor: changed, deletes: remove}\n"
MART = "/*\nmaterialization: table\ndescription: d\ngrain: [id]\n*/\nSELECT id, name FROM staging.item"
DAY = "2024-01-02"


@pytest.fixture
def other_database(world: World) -> str:
    """A second database on the world's server, with a table of the same name and other rows."""
    name = f"{world.database}_crm"
    world.at_source(f"CREATE DATABASE {name}")
    for database in (world.database, name):
        world.at_source(
            f"CREATE TABLE {database}.item (id INT PRIMARY KEY, name VARCHAR(20), changed DATETIME, KEY (changed))",
            f"INSERT INTO {database}.item VALUES (1, '{database[-12:]}', '{DAY} 10:00:00')",
        )
    return name


@dg.asset(deps=[dg.AssetKey(["crm", "bi", "items"])])
def report(redshift: dg.ResourceParam[str]) -> str:
    """An asset of a project that was there before, whose names are what a project calls such things."""
    return redshift


FOREIGN = dg.Definitions(
    assets=[report],
    jobs=[dg.define_asset_job("nightly", [report])],
    schedules=[dg.ScheduleDefinition(name="nightly", job_name="nightly", cron_schedule="0 5 * * *")],
    resources={"redshift": "the company's own", "io_manager": dg.mem_io_manager},
)


@pytest.fixture
def location(world: World, other_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    aurora, lake, redshift = AuroraSettings.from_env(), LakeSettings.from_env(), RedshiftSettings.from_env()
    for name in list(os.environ):
        if name.startswith(("AURORA_", "LAKE_", "REDSHIFT_", "AWS_ENDPOINT")):
            monkeypatch.delenv(name)
    for project in ("shop", "crm"):
        (tmp_path / project / "marts").mkdir(parents=True)
        (tmp_path / project / "catalog.yaml").write_text(CATALOG)
        (tmp_path / project / "marts" / "items.sql").write_text(MART)
    return dg.Definitions.merge(
        FOREIGN,
        build_definitions(catalog=tmp_path / "shop" / "catalog.yaml", source=aurora, lake=lake, warehouse=redshift),
        build_definitions(
            catalog=tmp_path / "crm" / "catalog.yaml",
            key_prefix="crm",
            source=lambda: replace(aurora, database=other_database),
            lake=lambda: lake,
            warehouse=lambda: replace(redshift, staging_schema="crm", bi_schema="crm_bi"),
        ),
    )


def run(world: World, defs: dg.Definitions, job: str, *, day: str | None = None) -> bool:
    found = defs.resolve_job_def(job)
    return found.execute_in_process(QUIET, world.instance, partition_key=day, raise_on_error=False).success


def test_each_source_is_loaded_built_proven_and_mended_by_its_own_settings(
    world: World, other_database: str, location: dg.Definitions
) -> None:
    for prefix in ("", "crm_"):
        assert run(world, location, f"{prefix}daily_load", day=DAY)
        assert run(world, location, f"{prefix}marts")
        assert run(world, location, f"{prefix}proof")
    for schema, database in (("staging", world.database), ("crm", other_database)):
        assert world.ask_warehouse(f"SELECT id, name FROM {schema}.item") == [(1, database[-12:])]
    for schema, database in (("bi", world.database), ("crm_bi", other_database)):
        assert world.ask_warehouse(f"SELECT id, name FROM {schema}.items") == [(1, database[-12:])]
    lost = f"DELETE FROM {other_database}.item"
    world.at_source(lost, f"INSERT INTO {other_database}.item VALUES (2, 'new', '{DAY} 11:00:00')")
    assert run(world, location, "crm_daily_load", day=DAY)
    assert not run(world, location, "crm_proof")  # half of the rows are gone, which is refused
    assert run(world, location, "proof")
    seen = world.instance.fetch_observations(dg.AssetKey(["crm", "aurora", "item"]), limit=1).records
    assert len(seen) == 1


def test_both_stand_beside_a_project_that_was_there_before(world: World, location: dg.Definitions) -> None:
    graph = location.resolve_asset_graph()
    assert graph.get(report.key).parent_keys == {dg.AssetKey(["crm", "bi", "items"])}
    done = location.resolve_job_def("nightly").execute_in_process(instance=world.instance)
    assert done.output_for_node("report") == "the company's own"
