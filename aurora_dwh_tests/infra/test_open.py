"""Opening the UI without a VPN: which container is taken, and what is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber
from botocore.validate import ParamValidator

from infra.open import OpenError, find_webserver, session

ROOT = Path(__file__).parents[2]
TASK = "arn:aws:ecs:ap-northeast-1:123456789012:task/aurora-dwh/0123456789abcdef0123456789abcdef"
SMALLEST = 'account: "123456789012"\nnetwork: {new: {}}\nsource: {new: {}}\n'


def ecs(*containers: dict[str, Any]) -> Any:
    """A client that answers as ECS's own description says it does."""
    client = boto3.client("ecs", region_name="ap-northeast-1", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(client)
    asked = {"cluster": "aurora-dwh", "serviceName": "webserver", "desiredStatus": "RUNNING"}
    stub.add_response("list_tasks", {"taskArns": [TASK] if containers else []}, asked)
    if containers:
        tasks = {"tasks": [{"taskArn": TASK, "containers": list(containers)}]}
        stub.add_response("describe_tasks", tasks, {"cluster": "aurora-dwh", "tasks": [TASK]})
    stub.activate()
    return client


def container(name: str, status: str = "RUNNING") -> dict[str, Any]:
    return {
        "name": name,
        "runtimeId": f"0123-{name}",
        "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": status}],
    }


def test_a_webserver_that_takes_sessions_is_found() -> None:
    found = find_webserver(ecs(container("watch"), container("webserver")), "aurora-dwh")
    assert found == "ecs:aurora-dwh_0123456789abcdef0123456789abcdef_0123-webserver"


@pytest.mark.parametrize("containers", [(), (container("webserver", "PENDING"),), ({"name": "webserver"},)])
def test_where_none_takes_sessions_the_remedy_is_told(containers: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(OpenError, match="aws ecs wait services-stable --cluster aurora-dwh --services webserver"):
        find_webserver(ecs(*containers), "aurora-dwh")


def test_the_session_forwards_the_uis_port_by_parameters_that_the_service_takes() -> None:
    command = session("ap-northeast-1", "ecs:aurora-dwh_0_1", 8080)
    assert command[:3] == ["aws", "ssm", "start-session"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options["--region"] == "ap-northeast-1"
    parameters = json.loads(options["--parameters"])
    assert parameters == {"portNumber": ["3000"], "localPortNumber": ["8080"]}
    model = botocore.session.get_session().get_service_model("ssm").operation_model("StartSession")
    given = {"Target": options["--target"], "DocumentName": options["--document-name"], "Parameters": parameters}
    assert not ParamValidator().validate(given, model.input_shape).has_errors()


def test_programs_that_are_missing_are_named(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(SMALLEST)
    command = [sys.executable, "-m", "infra.open", "--config", str(file)]
    empty = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=empty, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("install aws (the AWS CLI: https://")
    assert "session-manager-plugin" in done.stderr
