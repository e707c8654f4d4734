"""Every statement of every policy against Amazon's own reference: what an action may be given, what a call needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import dagster_aws.ecs.launcher as launcher
import dagster_aws.ecs.tasks as ecs_tasks
import dagster_aws.ecs.utils as ecs_utils
from botocore import xform_name

from aurora_dwh_tests.infra.authorization import Deployment, known, listed, takes
from aurora_dwh_tests.infra.conftest import Templates

OF_ANY = {
    "ec2:createnetworkinterface": "QuickSight wants it so when it checks the role of a VPC connection",
    "ec2:modifynetworkinterfaceattribute": "likewise",
    "ec2:deletenetworkinterface": "likewise",
}
"""Actions that are allowed of any resource though they can be narrowed -> why."""

NOT_CALLED = {
    "ecs:RegisterTaskDefinition": "the run's task definition is named in dagster.yaml",
}
"""What the run launcher could call, and does not as it is configured -> why."""


def deployments(templates: Templates) -> Iterator[tuple[str, Deployment]]:
    names = {deployment for deployment, _ in templates.stacks}
    for name in sorted(names):
        yield name, Deployment({stack: made for (of, stack), made in templates.stacks.items() if of == name})


def documents(resource: dict[str, Any]) -> list[dict[str, Any]]:
    properties = resource.get("Properties", {})
    whole = [properties.get("PolicyDocument"), properties.get("KeyPolicy")]
    return [one for one in (*whole, *(p["PolicyDocument"] for p in properties.get("Policies", ()))) if one]


def problems(statement: dict[str, Any], resources: list[str]) -> Iterator[str]:
    """What a statement allows in vain, or more widely than it has to."""
    taken: set[str] = set()
    for action in listed(statement["Action"]):
        actions = known(action)
        if not actions:
            yield f"{action}: there is no such action"
        kinds = sorted({(one, kind) for one, types in actions.items() for kind in types})
        if "*" in resources and kinds and set(actions) - set(OF_ANY):
            yield f"{action}: is allowed of any resource, and could be narrowed to {[kind for _, kind in kinds]}"
        takes_these = {arn for arn in resources for one, kind in kinds if takes(one, kind, arn)}
        if resources and "*" not in resources and not takes_these:
            yield f"{action}: takes none of {resources}, but {[kind for _, kind in kinds] or 'only *'}"
        taken |= takes_these
    if unused := set(resources) - taken - {"*"}:
        yield f"{statement['Action']}: nothing takes {sorted(unused)}"


def test_every_statement_allows_what_its_actions_take(templates: Templates) -> None:
    seen: dict[str, set[str]] = {}
    for name, deployment in deployments(templates):
        for stack, template in deployment.stacks.items():
            for logical, resource in template["Resources"].items():
                for document in documents(resource):
                    for statement in document["Statement"]:
                        # A key's own policy says * and means the key.
                        here = statement["Resource"] != "*" or resource["Type"] != "AWS::KMS::Key"
                        found = [deployment.text(stack, one) for one in listed(statement["Resource"])] if here else []
                        for problem in problems(statement, found):
                            seen.setdefault(f"{stack}/{logical}: {problem}", set()).add(name)
    assert sorted(seen) == []


def allowed(template: dict[str, Any], policy: str) -> set[str]:
    """The actions of the policies whose name begins so."""
    return {
        action
        for logical, resource in template["Resources"].items()
        if logical.startswith(policy) and resource["Type"] == "AWS::IAM::Policy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }


def test_the_function_that_limits_usage_may_make_its_calls_and_names_their_parameters(templates: Templates) -> None:
    model = botocore.session.get_session().get_service_model("redshift-serverless")
    calls = 0
    for (deployment, stack), template in templates.stacks.items():
        for resource in template["Resources"].values():
            if resource["Type"] != "Custom::AWS":
                continue
            may = allowed(template, "UsageLimitCustomResourcePolicy")
            for moment in ("Create", "Update", "Delete"):
                written = resource["Properties"][moment]
                parts = [written] if isinstance(written, str) else written["Fn::Join"][1]
                text = "".join(part if isinstance(part, str) else "x" for part in parts)
                (action,) = re.findall(r'"action":"(\w+)"', text)
                operation = model.operation_model(action[0].upper() + action[1:])
                assert f"redshift-serverless:{operation.name}" in may, (deployment, stack)
                parameters = set(re.findall(r'"(\w+)":', text.split('"parameters":')[1].split("}")[0]))
                assert parameters <= set(operation.input_shape.members)
                assert set(operation.input_shape.required_members) <= parameters
                calls += 1
    assert calls == 3 * len({deployment for deployment, _ in templates.stacks})


def test_who_launches_runs_may_make_every_call_of_the_run_launcher(templates: Templates) -> None:
    text = "".join(
        Path(module.__file__).read_text(encoding="utf-8")
        for module in (launcher, ecs_tasks, ecs_utils)
        if module.__file__
    )
    called = set(re.findall(r"\.(\w+)\(", text))
    session = botocore.session.get_session()
    named = {
        xform_name(operation): f"{service}:{operation}"
        for service in ("ecs", "logs")
        for operation in session.get_service_model(service).operation_names
    }
    needed = {named[name] for name in called & set(named)}
    assert {"ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks", "logs:GetLogEvents"} <= needed
    for (deployment, stack), template in templates.stacks.items():
        if stack == "platform":
            for role in ("WebserverRole",) if "-small-" in deployment else ("DaemonRole", "WebserverRole"):
                assert needed - allowed(template, role) <= set(NOT_CALLED), (deployment, role)


def test_a_session_of_ecs_exec_may_open_its_channels(templates: Templates) -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions
    channels = {f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")}
    for place, service in templates.of("AWS::ECS::Service"):
        assert service.get("EnableExecuteCommand", False) == (service["ServiceName"] == "webserver"), place
    for (deployment, stack), template in templates.stacks.items():
        if stack == "platform":
            assert channels <= allowed(template, "WebserverRole"), deployment
            assert not channels & (allowed(template, "Daemon") | allowed(template, "Run") | allowed(template, "Code"))
