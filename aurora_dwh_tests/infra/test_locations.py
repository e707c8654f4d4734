"""Several code locations from one configuration: a code server each, one daemon, one kind of run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aurora_dwh.catalog.model import PACKAGED_CATALOG
from aurora_dwh_tests.infra.deployments import DEPLOYMENTS
from infra import commands, config, workspace
from infra.config_file import ConfigError, parse_config

NAME = "newInVpc-http-none-kept"
CATALOG = "timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n  {table}: {{key: id, cursor: updated_at}}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with catalogs of two locations beside the sample shop."""
    shutil.copytree(PACKAGED_CATALOG.parent, tmp_path / "aurora_dwh" / "sample_shop")
    for name, table in (("crm", "contacts"), ("back_office", "invoices")):
        (folder := tmp_path / "locations" / name).mkdir(parents=True)
        (folder / "catalog.yaml").write_text(CATALOG.format(table=table))
    monkeypatch.setattr(config, "ROOT", tmp_path)
    return tmp_path


def written(**platform: Any) -> dict[str, Any]:
    return {**DEPLOYMENTS[NAME], "platform": {**DEPLOYMENTS[NAME]["platform"], **platform}}


def refused(**platform: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(written(**platform))
    return "\n".join(caught.value.problems)


def test_a_location_has_a_catalog_and_makes_what_no_other_makes(root: Path) -> None:
    assert parse_config(written(locations=["crm", "back_office"])).platform.locations == ("crm", "back_office")
    assert "there is no file locations/hr/catalog.yaml in the repository" in refused(locations=["hr"])
    assert "each location has a name of its own" in refused(locations=["crm", "crm"])
    for name in ("Crm", "crm-1", "crm_", "1crm"):
        assert "does not have the form" in refused(locations=[name])
    assert "`size: small` has one code server; set `size: standard`" in refused(locations=["crm"], size="small")
    (root / "locations" / "crm" / "catalog.yaml").write_text(CATALOG.format(table="orders_master"))
    (marts := root / "locations" / "back_office" / "marts").mkdir()
    (marts / "daily_sales.sql").write_text("/*\ndescription: x\n*/\nSELECT 1")
    said = refused(locations=["crm", "back_office"])
    shop = "aurora_dwh/sample_shop/catalog.yaml"
    for made, file in (("staging.orders_master", "crm"), ("bi.daily_sales", "back_office")):
        where = f"{made} is made by {shop} and locations/{file}/catalog.yaml; take it out of one of them"
        assert f"platform.locations: {where}" in said


def test_each_location_has_a_code_server_that_all_are_told_of(root: Path, tmp_path: Path) -> None:
    import infra.app  # sets up Node.js before the CDK is read

    import aws_cdk as cdk  # isort: skip

    made = []
    for locations in ([], ["crm", "back_office"]):
        out = tmp_path / f"cdk.out{len(locations)}"
        app = cdk.App(context=infra.app.CONTEXT, outdir=str(out), analytics_reporting=False)
        infra.app.build(cdk.Stage(app, "some"), parse_config(written(locations=locations)))
        app.synth()
        (file,) = out.glob("assembly-some/*platform*.template.json")
        made.append(json.loads(file.read_text(encoding="utf-8"))["Resources"])
    one, three = made

    assert _names(three, "AWS::ECS::Service", "ServiceName") - _names(one, "AWS::ECS::Service", "ServiceName") == {
        "code-crm", "code-back-office"
    }  # fmt: skip
    assert [name for name in one if name not in three] == []  # nothing is made anew
    containers = {
        container["Name"]: container
        for resource in three.values()
        if resource["Type"] == "AWS::ECS::TaskDefinition"
        for container in resource["Properties"]["ContainerDefinitions"]
    }
    for location, name in (("crm", "code-crm"), ("back_office", "code-back-office")):
        assert containers[name]["Command"] == commands.code_server(location=location)
        assert containers[name]["HealthCheck"]["Command"] == ["CMD", *commands.code_server_health()]
    for container in containers.values():
        environment = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
        assert environment["AURORA_DWH_LOCATIONS"] == "/opt/aurora-dwh/locations"
        if container["Name"] != "seed":
            assert workspace.servers(environment) == {
                "aurora_dwh": ("code.dwh.internal", 4000),
                "crm": ("code-crm.dwh.internal", 4000),
                "back_office": ("code-back-office.dwh.internal", 4000),
            }
    found = _names(three, "AWS::ServiceDiscovery::Service", "Name")
    assert found == {"code", "code-crm", "code-back-office"}


def _names(resources: dict[str, Any], kind: str, field: str) -> set[str]:
    return {one["Properties"][field] for one in resources.values() if one["Type"] == kind}


def test_what_asks_code_servers_becomes_its_command_with_all_of_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "-w", "workspace.yaml"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "DAGSTER_CODE_HOST": "h", "DAGSTER_CODE_PORT": "1"}
    started = [sys.executable, "-m", "infra.workspace", *command]
    alone = subprocess.run(started, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert alone.stdout.strip() == "['-w', 'workspace.yaml']"
    environment[workspace.VARIABLE] = '{"crm": ["other", 2]}'
    both = subprocess.run(started, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert both.stdout.strip() == "['-w', 'workspace.yaml', '-w', 'locations.yaml']"
    (loaded,) = json.loads((tmp_path / "locations.yaml").read_text())["load_from"]
    assert loaded == {"grpc_server": {"host": "other", "port": 2, "location_name": "crm"}}
