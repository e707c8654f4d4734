"""What holds for every template of every deployment: Amazon's rules, CloudFormation's schemas, nothing public."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import ACCOUNT, DEPLOYMENTS, FIRST, IS_WHOLE
from infra.config import Config
from infra.config_file import parse_config

KEPT = {
    "AWS::S3::Bucket",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RedshiftServerless::Namespace",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
}
"""Types that hold what cannot be made again."""


def is_kept(resource: dict[str, Any]) -> bool:
    """Whether a resource holds such; an instance of a cluster does not, for the cluster does."""
    return resource["Type"] in KEPT and "DBClusterIdentifier" not in resource.get("Properties", {})


NOT_ERRORS = {
    "W3005": "the CDK writes dependencies that a reference implies",
    "W6001": "a printed command names what another stack made",
    "W3010": "zones are named in the configuration, so that nothing is looked up",
}


def statements(templates: Templates) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of a role's policy, after the name of its place."""
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
        for place, properties in templates.of(kind):
            documents = [
                properties.get("PolicyDocument"),
                *(p["PolicyDocument"] for p in properties.get("Policies", ())),
            ]
            for document in filter(None, documents):
                for statement in document["Statement"]:
                    yield place, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_product_of_the_options_is_made(templates: Templates) -> None:
    assert len(DEPLOYMENTS) == (72 if IS_WHOLE else 20)
    assert {deployment for deployment, _ in templates.stacks} == set(DEPLOYMENTS)


def test_each_option_of_the_configuration_has_each_of_its_values_in_a_deployment() -> None:
    """So that an option made later is met here: switches, choices of a few words, and what may be left out."""
    met: dict[str, set[Any]] = {}
    for written in DEPLOYMENTS.values():
        _meet(parse_config(written), "", met)
    wanted = _options(Config, "")
    assert len(wanted) > 15
    assert {place: values - met[place] for place, values in wanted.items() if values - met[place]} == {}


def _options(model: type[BaseModel], above: str) -> dict[str, set[Any]]:
    """Place of each option -> its values; of what may be left out, whether it is there."""
    options: dict[str, set[Any]] = {}
    for name, field in model.model_fields.items():
        place, parts = f"{above}.{name}", get_args(field.annotation) or (field.annotation,)
        if field.annotation is bool or type(None) in parts:
            options[place] = {True, False}
        elif get_origin(field.annotation) is Literal and isinstance(parts[0], str):
            options[place] = set(parts)
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                options |= _options(part, place)
    return options


def _meet(model: BaseModel, above: str, met: dict[str, set[Any]]) -> None:
    for name, field in type(model).model_fields.items():
        value, place = getattr(model, name), f"{above}.{name}"
        is_optional = type(None) in get_args(field.annotation)
        if is_optional or isinstance(value, (bool, str)):
            met.setdefault(place, set()).add(value is not None if is_optional else value)
        if isinstance(value, BaseModel):
            _meet(value, place, met)


def test_amazons_rules_find_nothing_without_a_reason(templates: Templates) -> None:
    assert templates.findings == ""


@pytest.mark.timeout(600)
def test_cloudformation_accepts_every_template(templates: Templates) -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), "--format", "parseable"]
    for rule in NOT_ERRORS:
        command += ["--ignore-checks", rule]
    done = subprocess.run([*command, "--", *templates.files()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


UNCONDITIONAL = {"lambda.amazonaws.com": "roles of the CDK's own functions, which it makes"}
"""Service -> why anybody's resources may have it assume a role: a role can be passed within its account alone."""


def test_services_act_for_this_account_alone(templates: Templates) -> None:
    seen = set()
    for place, role in templates.of("AWS::IAM::Role"):
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            names = listed(statement["Principal"]["Service"])
            if UNCONDITIONAL.keys() >= set(names):
                continue
            seen |= set(names)
            (condition,) = statement["Condition"].values()
            assert set(statement["Condition"]) <= {"StringEquals", "StringEqualsIfExists"}, place
            assert condition == {"aws:SourceAccount": ACCOUNT}, place
    services = ("ecs-tasks", "quicksight", "rds", "redshift", "redshift-serverless")
    assert seen == {f"{name}.amazonaws.com" for name in services}
    for place, key in templates.of("AWS::KMS::Key"):
        used = [s for s in key["KeyPolicy"]["Statement"] if "Service" in s["Principal"]]
        assert used
        assert all(s["Condition"] == {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}} for s in used), place


def test_no_role_may_do_everything(templates: Templates) -> None:
    seen = 0
    for place, statement in statements(templates):
        for action in listed(statement["Action"]):
            seen += 1
            assert action != "*", place
            assert not action.endswith(":*"), (place, action)
    assert seen


def test_no_bucket_is_public_or_in_the_clear(templates: Templates) -> None:
    buckets = dict(templates.of("AWS::S3::Bucket"))
    for place, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, place
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["BucketEncryption"], place
    policies = list(templates.of("AWS::S3::BucketPolicy"))
    assert len(policies) == len(buckets)
    for place, policy in policies:
        denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        conditions = [s["Condition"] for s in denied]
        assert {"Bool": {"aws:SecureTransport": "false"}} in conditions, place


def test_no_security_group_is_open_to_the_internet(templates: Templates) -> None:
    for place, group in templates.of("AWS::EC2::SecurityGroup"):
        for rule in group.get("SecurityGroupIngress", ()):
            if "-internet-" in place and "Balancer" in place:
                assert (rule["CidrIp"], rule["FromPort"]) == ("0.0.0.0/0", 443)
            else:
                assert rule.get("CidrIp") != "0.0.0.0/0", place
    for place, rule in templates.of("AWS::EC2::SecurityGroupIngress"):
        assert "CidrIp" not in rule, place


def test_no_machine_gets_a_public_address(templates: Templates) -> None:
    for place, subnet in templates.of("AWS::EC2::Subnet"):
        assert subnet["MapPublicIpOnLaunch"] is False, place
    for place, service in templates.of("AWS::ECS::Service"):
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED", place


def test_data_outlives_its_stack_unless_the_switch_says_otherwise(templates: Templates) -> None:
    for (deployment, stack), template in templates.stacks.items():
        for logical, resource in template["Resources"].items():
            if is_kept(resource):
                policies = resource["DeletionPolicy"], resource["UpdateReplacePolicy"]
                # What a failed deploy has just made goes with it; but buckets, which may have objects by then.
                kept = "Retain" if resource["Type"] == "AWS::S3::Bucket" else "RetainExceptOnCreate"
                wanted = ("Delete", "Delete") if deployment.endswith("destroyable") else (kept, "Retain")
                assert policies == wanted, f"{deployment}/{stack}/{logical}"


def test_a_failed_first_deploy_leaves_nothing_that_stands_in_the_way_of_the_next(templates: Templates) -> None:
    """No database refuses its deletion, no stack does, and nothing that is kept has a name that is given again."""
    assert templates.first
    manifest = json.loads((templates.folder / "assembly-first" / "manifest.json").read_text(encoding="utf-8"))
    stacks = [one for one in manifest["artifacts"].values() if one["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == len(templates.first)
    assert not [one for one in stacks if one["properties"].get("terminationProtection")]
    for stack, template in templates.first.items():
        for logical, resource in template["Resources"].items():
            place, properties = f"{stack}/{logical}", resource.get("Properties", {})
            assert not properties.get("DeletionProtection"), place
            protection = {"Key": "deletion_protection.enabled", "Value": "true"}  # of a load balancer
            assert protection not in properties.get("LoadBalancerAttributes", ()), place
            if resource.get("DeletionPolicy") == "Retain":
                assert not {name for name in properties if name.endswith(("Name", "Identifier"))}, place


def test_what_the_second_deploy_adds_to_the_first_is_protection_alone(templates: Templates) -> None:
    protected = 0
    for stack, template in templates.first.items():
        second = json.loads(json.dumps(templates.stacks[FIRST, stack]))
        for logical, resource in second["Resources"].items():
            if resource["Properties"].pop("DeletionProtection", None) is not None:
                protected += 1
                assert template["Resources"][logical]["Properties"].pop("DeletionProtection") is False
        kinds = [sorted(part["Type"] for part in one["Resources"].values()) for one in (template, second)]
        assert kinds[0] == kinds[1], stack
    assert protected == 2


def test_the_templates_hold_no_secret(templates: Templates) -> None:
    for place, template in templates.stacks.items():
        text = json.dumps(template)
        assert 'MasterUserPassword": "' not in text, place
        assert 'client_secret": "' not in text.lower(), place
