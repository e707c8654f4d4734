"""What the UI shows as logs: each process may write its own and the webserver may read them, by the calls they make."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._core.definitions.instigation_logger import InstigationLogger, get_instigation_log_records
from dagster._core.storage.compute_log_manager import ComputeIOType
from ruamel.yaml import YAML

from aurora_dwh.local.lake import LakeServer
from aurora_dwh_tests.infra.authorization import Deployment, listed
from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.test_policies import deployments
from aurora_dwh_tests.services import lake_variables
from infra.stacks.platform import LOG_PREFIX

SETTINGS = Path(__file__).parents[2] / "infra" / "dagster.yaml"
ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "ListObjects": "ListBucket"}
"""Operation -> action, where their names differ:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""

Call = tuple[str, str]
"""An action, and the key or prefix that it is of."""


@pytest.fixture(scope="module")
def instance(lake_server: LakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    """An instance that keeps output as production's does."""
    home = tmp_path_factory.mktemp("home")
    settings = YAML().load(SETTINGS.read_text(encoding="utf-8"))
    settings["compute_logs"]["config"]["local_dir"] = str(home)  # not the machine's own, where other tests' output lies
    with (home / "dagster.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"telemetry": settings["telemetry"], "compute_logs": settings["compute_logs"]}, file)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lake_variables(lake_server, f"s3://{lake_server.bucket}/x").items():
            patch.setenv(name, value)
        patch.setenv("DAGSTER_LOG_BUCKET", lake_server.bucket)
        patch.setenv("AWS_DEFAULT_REGION", lake_server.region)
        with DagsterInstance.from_config(str(home)) as made:
            yield made


@contextmanager
def calls(instance: DagsterInstance) -> Iterator[list[Call]]:
    """Note what is asked of S3."""
    noted: list[Call] = []
    events = instance.compute_log_manager._s3_session.meta.events  # type: ignore[attr-defined]

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        action = ACTIONS.get(model.name, model.name)
        noted.append((f"s3:{action}", params.get("Key") or params["Prefix"]))

    events.register("provide-client-params.s3", note)
    yield noted
    events.unregister("provide-client-params.s3", note)


def granted(name: str, deployment: Deployment, role: str) -> list[dict[str, Any]]:
    """Return what a role may do; in a small platform code server, daemon and webserver have one, the webserver's."""
    held = "Webserver" if "-small-" in name and role in ("Code", "Daemon") else role
    statements = [
        statement
        for logical, resource in deployment.stacks["platform"]["Resources"].items()
        if logical.startswith(f"{held}RoleDefaultPolicy")
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]
    assert statements, (name, role)
    return statements


def refused(templates: Templates, role: str, made: Sequence[Call]) -> set[tuple[str, str]]:
    """Return which of the calls a role may not make, with the deployment."""
    found = set()
    for name, deployment in deployments(templates):
        statements = granted(name, deployment, role)
        for call in made:
            if not any(_allows(deployment, statement, *call) for statement in statements):
                found.add((name, f"{role} {call}"))
    return found


def _allows(deployment: Deployment, statement: dict[str, Any], action: str, key: str) -> bool:
    if action not in listed(statement["Action"]):
        return False
    if action == "s3:ListBucket":
        return any(fnmatch.fnmatchcase(key, one) for one in statement["Condition"]["StringLike"]["s3:prefix"])
    resources = [deployment.text("platform", one) for one in listed(statement["Resource"])]
    return any(fnmatch.fnmatchcase(f"arn:aws:s3:::x/{key}", one) for one in resources)


def test_ticks_are_logged_by_the_code_server_and_shown_by_the_webserver(
    templates: Templates, instance: DagsterInstance
) -> None:
    log = ["__repository__", "gaps", "20240101_010000"]
    with calls(instance) as written, InstigationLogger(log, instance) as logger:
        logger.info("what it did")
    assert [action for action, _ in written] == ["s3:PutObject"]
    assert written[0][1].startswith(f"{LOG_PREFIX}/")
    with calls(instance) as read:
        (record,) = get_instigation_log_records(instance, log)
        keys = instance.compute_log_manager.get_log_keys_for_log_key_prefix(log[:-1], ComputeIOType.STDERR)
    assert (record["msg"], keys) == ("what it did", [log])
    assert {action for action, _ in read} == {"s3:GetObject", "s3:ListBucket"}
    assert refused(templates, "Code", written) == set()
    assert refused(templates, "Webserver", read) == set()


def test_backfills_are_logged_in_the_daemon_s_own_output_and_nowhere_else(instance: DagsterInstance) -> None:
    """Where Dagster keeps them in the bucket one day, the daemon needs the right to write them."""
    assert not instance.backfill_log_storage_enabled()


def test_what_a_step_prints_is_written_by_its_run_and_shown_by_the_webserver(
    templates: Templates, instance: DagsterInstance
) -> None:
    log = ["a-run", "compute_logs", "a-step"]
    with calls(instance) as written, instance.compute_log_manager.capture_logs(log):
        sys.stdout.write("what it printed\n")
        sys.stdout.flush()
        instance.compute_log_manager.on_progress(log)  # type: ignore[attr-defined] # as every 30 seconds
    assert {action for action, _ in written} == {"s3:GetObject", "s3:PutObject"}
    with calls(instance) as read:
        assert b"what it printed" in (instance.compute_log_manager.get_log_data(log).stdout or b"")
    assert refused(templates, "Run", written) == set()
    assert refused(templates, "Webserver", read) == set()


def test_who_asks_how_a_run_is_may_read_what_its_container_said_last(templates: Templates) -> None:
    for name, deployment in deployments(templates):
        resources = deployment.stacks["platform"]["Resources"]
        (task,) = [r for r in resources.values() if r.get("Properties", {}).get("Family") == "dwh-run"]
        (container,) = task["Properties"]["ContainerDefinitions"]
        options = container["LogConfiguration"]["Options"]
        assert options["awslogs-stream-prefix"]  # without it the launcher asks for nothing
        for role in ("Daemon", "Webserver"):
            (allowed,) = [
                statement["Resource"]
                for statement in granted(name, deployment, role)
                if statement["Action"] == "logs:GetLogEvents"
            ]
            assert allowed == {"Fn::GetAtt": [options["awslogs-group"]["Ref"], "Arn"]}, (name, role)
