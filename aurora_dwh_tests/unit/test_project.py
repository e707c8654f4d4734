"""A project among others in one code location: names, selections and settings of its own."""

from __future__ import annotations

import inspect
import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

import aurora_dwh
from aurora_dwh import AuroraSettings, LakeSettings, RedshiftSettings, build_definitions, build_location_definitions
from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.automation import gaps
from aurora_dwh.warehouse.marts.model import MartError

HEAD = "timezone: UTC\nstart_date: 2024-01-01\n"
MART = "/*\nmaterialization: table\ndescription: d\ngrain: [id]\n*/\nSELECT id FROM staging.orders"
NOW = datetime(2024, 3, 11, 6, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _an_environment_that_leads_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("AURORA_", "REDSHIFT_", "LAKE_", "AWS_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "elsewhere.yaml"))
    monkeypatch.setenv("AURORA_DATABASE", "elsewhere")
    monkeypatch.setenv("AURORA_HOST", "elsewhere")
    monkeypatch.setenv("LAKE_URI", "s3://elsewhere")
    monkeypatch.setenv("REDSHIFT_STAGING_SCHEMA", "elsewhere")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return folder(tmp_path / "shop", "tables: {orders: {mode: full}}", orders=MART)


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    tables = "orders: {mode: full, deadline: '06:00'}, people: {mode: full, schedule: monthly}"
    return folder(tmp_path / "crm", f"pools: {{aurora: 7}}\ntables: {{{tables}}}", of_crm=MART)


def folder(path: Path, tables: str, **marts: str) -> Path:
    (path / "marts").mkdir(parents=True)
    (path / "catalog.yaml").write_text(HEAD + tables)
    for name, text in marts.items():
        (path / "marts" / f"{name}.sql").write_text(text)
    return path / "catalog.yaml"


@dg.asset(key=["staging", "theirs"], group_name="staging", partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def theirs() -> None:
    """An asset of the company's own, in a group and with a key like the product's."""


@dg.asset(key=["bi", "their_mart"], group_name="bi")
def their_mart() -> None:
    """Another."""


COMPANY = dg.Definitions(
    assets=[theirs, their_mart],
    jobs=[dg.define_asset_job("all_of_theirs", dg.AssetSelection.assets(theirs))],
    resources={"aurora_of_theirs": dg.ResourceDefinition.hardcoded_resource(1)},
    executor=dg.multiprocess_executor,
)


def keys(defs: dg.Definitions, job: str) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}


def test_two_sources_and_a_companys_own_definitions_are_one_location(shop: Path, crm: Path) -> None:
    defs = dg.Definitions.merge(
        build_definitions(catalog=shop), build_definitions(catalog=crm, key_prefix=["corp", "crm"]), COMPANY
    )
    dg.Definitions.validate_loadable(defs)
    assert defs.executor is dg.multiprocess_executor
    graph = defs.resolve_asset_graph()
    groups = {key.to_user_string(): graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert {key: group for key, group in groups.items() if "people" in key or "crm/bi" in key} == {
        "corp/crm/aurora/people": "corp_crm_aurora",
        "corp/crm/lake/people": "corp_crm_lake",
        "corp/crm/staging/people": "corp_crm_staging",
        "corp/crm/proof/people": "corp_crm_proof",
        "corp/crm/bi/of_crm": "corp_crm_bi",
    }
    assert graph.get(dg.AssetKey(["corp", "crm", "bi", "of_crm"])).parent_keys == {
        dg.AssetKey(["corp", "crm", "staging", "orders"])
    }
    assert keys(defs, "daily_load") == {"lake/orders", "staging/orders"}
    assert keys(defs, "marts") == {"bi/orders"}
    assert keys(defs, "proof") == {"proof/orders"}
    assert keys(defs, "corp_crm_daily_load") == {"corp/crm/lake/orders", "corp/crm/staging/orders"}
    assert keys(defs, "corp_crm_monthly_load") == {"corp/crm/lake/people", "corp/crm/staging/people"}
    assert keys(defs, "corp_crm_marts") == {"corp/crm/bi/of_crm"}
    assert defs.resolve_job_def("corp_crm_daily_load").executor_def is stoppable_in_process_executor
    lake = defs.get_assets_def(dg.AssetKey(["corp", "crm", "lake", "orders"]))
    assert lake.op.pool == "corp_crm_aurora"
    assert lake.required_resource_keys == {"corp_crm_aurora", "corp_crm_s3_io"}
    sensors = {sensor.name for sensor in defs.sensors or []}
    assert sensors == {
        *("gaps", "arrivals", "marts", "pools"),
        *(f"corp_crm_{name}" for name in ("gaps", "arrivals", "marts", "pools", "freshness")),
    }
    (marts,) = [sensor for sensor in defs.sensors or [] if sensor.name == "marts"]
    assert marts.asset_selection.resolve(graph) == {dg.AssetKey(["bi", "orders"])}


def test_a_schedule_asks_for_its_own_assets(crm: Path) -> None:
    defs = build_definitions(catalog=crm, key_prefix="crm")
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2024, 2, 1, 3, tzinfo=timezone.utc), repository_def=defs.get_repository_def()
    )
    (request,) = defs.resolve_schedule_def("crm_monthly_load").evaluate_tick(context).run_requests or []
    assert {key.to_user_string() for key in request.asset_selection or ()} == {"crm/lake/people", "crm/staging/people"}


def test_gaps_leaves_assets_of_others_alone(shop: Path, crm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "utc_now", lambda: NOW)
    defs = dg.Definitions.merge(
        build_definitions(catalog=shop), build_definitions(catalog=crm, key_prefix="crm"), COMPANY
    )
    instance = dg.DagsterInstance.ephemeral()
    for key in (["staging", "theirs"], ["crm", "staging", "orders"], ["crm", "lake", "orders"]):
        for day in ("2024-03-01", "2024-03-10"):
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))
    repository = defs.get_repository_def()

    def tick(name: str) -> Any:
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        return repository.get_sensor_def(name).evaluate_tick(context)

    assert tick("gaps").skip_message == "nothing of the last 14 days is missing"
    asked = tick("crm_gaps").run_requests
    assert {request.job_name for request in asked} == {"crm_daily_load"}
    assert {key.to_user_string() for request in asked for key in request.asset_selection} == {
        "crm/lake/orders",
        "crm/staging/orders",
    }
    instance.dispose()


def test_each_project_has_pools_of_its_own(shop: Path, crm: Path) -> None:
    defs = dg.Definitions.merge(build_definitions(catalog=shop), build_definitions(catalog=crm, key_prefix="crm"))
    with dg.instance_for_test() as instance:
        repository = defs.get_repository_def()
        for name in ("pools", "crm_pools"):
            context = dg.build_sensor_context(instance=instance, repository_def=repository)
            repository.get_sensor_def(name).evaluate_tick(context)
        limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    assert limits["crm_aurora"] == 7
    assert limits["aurora"] != 7


def test_addresses_are_those_of_the_settings_that_are_given_and_not_of_the_environment(shop: Path) -> None:
    defs = build_definitions(
        catalog=shop,
        source=AuroraSettings(database="shop", host="reader", user="u", password=SecretStr("p")),
        lake=lambda: LakeSettings(bucket="lake"),
        warehouse=RedshiftSettings(database="dwh", workgroup="wg", staging_schema="raw", bi_schema="reports"),
    )
    graph = defs.resolve_asset_graph()
    told = {layer: graph.get(dg.AssetKey([layer, "orders"])).metadata for layer in ("aurora", "lake", "staging", "bi")}
    assert told["aurora"]["dagster/uri"] == "mysql://reader:3306/shop/orders"
    assert told["lake"]["dagster/uri"] == "s3://lake/shop/orders/"
    assert told["staging"]["dagster/table_name"] == "dwh.raw.orders"
    assert told["bi"]["dagster/table_name"] == "dwh.reports.orders"
    assert "elsewhere" not in str(told)


def test_marts_lie_beside_the_catalog_or_where_one_says(shop: Path, crm: Path) -> None:
    catalog = aurora_dwh.Catalog.load(shop)

    def marts(**given: Any) -> set[str]:
        graph = build_definitions(**given).resolve_asset_graph()
        return {key.path[-1] for key in graph.get_all_asset_keys() if key.path[0] == "bi"}

    assert marts(catalog=str(shop)) == {"orders"}
    assert marts(catalog=catalog) == set()
    assert marts(catalog=catalog, marts=crm.with_name("marts")) == {"of_crm"}
    assert marts(catalog=catalog, marts=[]) == set()


def test_a_misspelt_mart_stops_the_location_with_the_name(shop: Path) -> None:
    (shop.with_name("marts") / "odd.sql").write_text(MART.replace("orders", "order"))
    with pytest.raises(MartError, match=r"odd.sql reads staging.order, .* did you mean `staging.orders`\?"):
        build_definitions(catalog=shop)


@pytest.mark.parametrize("prefix", ["1st", "a-b", ["ok", "not ok"], "a/b"])
def test_a_prefix_that_dagster_would_refuse_is_refused_with_the_reason(shop: Path, prefix: Any) -> None:
    with pytest.raises(ValueError, match="write letters, digits and _"):
        build_definitions(catalog=shop, key_prefix=prefix)


def test_groups_may_have_a_prefix_of_their_own(shop: Path) -> None:
    graph = build_definitions(catalog=shop, key_prefix="a", group_prefix="the_shop").resolve_asset_graph()
    assert graph.get(dg.AssetKey(["a", "lake", "orders"])).group_name == "the_shop_lake"
    graph = build_definitions(catalog=shop, key_prefix="a", group_prefix="").resolve_asset_graph()
    assert graph.get(dg.AssetKey(["a", "lake", "orders"])).group_name == "lake"


def test_what_a_location_has_once_is_apart(shop: Path) -> None:
    defs = build_definitions(catalog=shop)
    assert defs.executor is None
    assert not {"retention"} & {sensor.name for sensor in defs.sensors or []}
    once = build_location_definitions()
    assert once.executor is stoppable_in_process_executor
    assert [sensor.name for sensor in once.sensors or []] == ["retention"]


def test_the_page_shows_every_argument_and_its_example_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "project.md").read_text(encoding="utf-8")
    in_code, in_yaml = page.split("\n## In YAML")
    arguments = re.findall(r"^\| `([a-z_]+)` \|", in_code, re.MULTILINE)
    assert arguments == list(inspect.signature(build_definitions).parameters)
    attributes = [name for cell in re.findall(r"^\| (`.*?) \|", in_yaml, re.MULTILINE) for name in cell.split(", ")]
    assert attributes == [f"`{name}`" for name in aurora_dwh.AuroraToRedshiftComponent.model_fields]
    for project in ("shop", "crm"):
        folder(tmp_path / project, "tables: {orders: {mode: full}}", orders=MART)
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    dg.Definitions.validate_loadable(names["defs"])
    assert names["defs"].resolve_asset_graph().has(dg.AssetKey(["crm", "bi", "orders"]))


def test_the_public_names_are_there_and_others_are_refused() -> None:
    for name in aurora_dwh.__all__:
        assert getattr(aurora_dwh, name)
    with pytest.raises(AttributeError, match="build_definition"):
        _ = aurora_dwh.build_definition


def test_a_projects_transforms_have_its_names_and_its_marts_read_them(crm: Path) -> None:
    transforms = crm.with_name("transforms")
    transforms.mkdir()
    head = "/*\ndescription: Spending.\nkey: [id]\nstaging: true\ntarget_table: spent\n*/\n"
    (transforms / "spend.sql").write_text(f"{head}SELECT id FROM lake.orders")
    (crm.parent / "marts" / "of_spend.sql").write_text(MART.replace("staging.orders", "staging.spent"))
    defs = build_definitions(catalog=crm, key_prefix="crm")
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    parents = {
        key: graph.get(dg.AssetKey(["crm", *key])).parent_keys for key in (("bi", "of_spend"), ("lake", "spend"))
    }
    assert parents == {
        ("bi", "of_spend"): {dg.AssetKey(["crm", "staging", "spend"])},
        ("lake", "spend"): {dg.AssetKey(["crm", "lake", "orders"])},
    }
    staging = defs.get_assets_def(dg.AssetKey(["crm", "staging", "spend"]))
    assert staging.required_resource_keys - {"io_manager"} == {"crm_s3_io", "crm_redshift_io"}
    assert "crm_transforms" in {sensor.name for sensor in defs.sensors or []}
    with pytest.raises(MartError, match=r"of_spend\.sql reads staging\.spent, which is neither"):
        build_definitions(catalog=crm, transforms=[])
