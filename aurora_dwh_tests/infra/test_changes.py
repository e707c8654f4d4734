"""What the pages say can be changed later, changed: the templates before and after, as CloudFormation compares them.

It refuses to remove or change an export that another stack takes, makes the new resource before it deletes the old one
(so that a name given to both is in its own way), and replaces a resource where a property that is fixed at its creation
differs. https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import DEPLOYMENTS, IS_WHOLE, REGION, VARIED
from aurora_dwh_tests.infra.test_every_template import is_kept

Stacks = dict[str, dict[str, Any]]

REMOVABLE = {"bi"}
"""Stacks that an option takes away; they are destroyed while the option is set."""


@functools.cache
def fixed(kind: str) -> frozenset[str]:
    """The properties of a type that cannot be changed."""
    if kind.startswith("Custom::"):
        return frozenset()
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    return frozenset(path.split("/")[2] for path in schema.get("createOnlyProperties", ()))


def stacks_of(templates: Templates, deployment: str) -> Stacks:
    """A deployment's templates, without its own name in them."""
    made = {}
    for (of, stack), template in templates.stacks.items():
        if of == deployment:
            text = json.dumps(template).replace(deployment, "").replace(deployment.replace("-", ""), "")
            made[stack] = json.loads(text)
    return made


def changes() -> Iterator[tuple[str, str]]:
    """Each two deployments that differ in one option other than the source, in both directions."""
    for before, after in itertools.permutations(DEPLOYMENTS, 2):
        ours, theirs = before.split("-"), after.split("-")
        if ours[0] == theirs[0] and sum(a != b for a, b in zip(ours, theirs, strict=True)) == 1:
            yield before, after


def replaced(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The resources of a stack that are made anew under the same logical name."""
    found = set()
    for logical, resource in before["Resources"].items():
        other = after["Resources"].get(logical)
        if other and any(
            resource.get("Properties", {}).get(name) != other.get("Properties", {}).get(name)
            for name in fixed(resource["Type"])
        ):
            found.add(logical)
    return found


def exports(stacks: Stacks) -> dict[str, str]:
    return {
        output["Export"]["Name"]: json.dumps(output["Value"])
        for template in stacks.values()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }


def imports(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("Fn::ImportValue"), str):
            yield value["Fn::ImportValue"]
        for part in value.values():
            yield from imports(part)
    elif isinstance(value, list):
        for part in value:
            yield from imports(part)


def names(template: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """Names that resources are given, with the resource that has each."""
    return {
        (resource["Type"], name, value): logical
        for logical, resource in template["Resources"].items()
        for name, value in resource.get("Properties", {}).items()
        if name in fixed(resource["Type"]) and name.endswith(("Name", "Identifier")) and isinstance(value, str)
    }


def balancers(template: dict[str, Any]) -> dict[str, str]:
    """Target group -> the load balancer whose listener sends requests to it."""
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
            (target,) = [
                a["TargetGroupArn"]["Ref"] for a in resource["Properties"]["DefaultActions"] if a["Type"] == "forward"
            ]
            found[target] = resource["Properties"]["LoadBalancerArn"]["Ref"]
    return found


def problems(before: Stacks, after: Stacks) -> Iterator[str]:
    """Why CloudFormation would not do it, or what would be lost."""
    offered = exports(after)
    for name, value in exports(before).items():
        taken = [stack for stack, template in before.items() if name in set(imports(template))]
        if taken and offered.get(name) != value:
            yield f"export {name} is taken by {taken} and is {'changed' if name in offered else 'removed'}"
    for stack in before.keys() - after.keys() - REMOVABLE:
        yield f"{stack} is removed"
    for stack in before.keys() & after.keys():
        for problem in (*lost(before[stack], after[stack]), *collisions(before[stack], after[stack])):
            yield f"{stack}/{problem}"


def lost(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Resources with data that are removed or made anew."""
    anew = replaced(old, new)
    for logical, resource in old["Resources"].items():
        if is_kept(resource) and (logical in anew or logical not in new["Resources"]):
            yield f"{logical} holds data and is {'made anew' if logical in anew else 'removed'}"


def collisions(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Resources that the old ones are in the way of, which are deleted last."""
    anew = replaced(old, new)
    named, to_be = names(old), names(new)
    for key in named.keys() & to_be.keys():
        if named[key] != to_be[key] or named[key] in anew:
            yield f"{to_be[key]} is made while {named[key]} has its name {key[2]}"
    ours, theirs = balancers(old), balancers(new)
    for group in ours.keys() & theirs.keys() - anew:
        if ours[group] != theirs[group] or ours[group] in anew:
            yield f"{group} belongs to one load balancer and is given to another"


def test_what_a_small_platform_becomes_standard_by_is_added_and_nothing_with_data_is_touched(
    templates: Templates,
) -> None:
    """What docs/deployment.md says of `size`: the storage stays, and a daemon is made when the one before is gone."""
    for source, storage in (("new", "AWS::RDS::DBCluster"), ("instance", "AWS::RDS::DBInstance")):
        small = stacks_of(templates, f"{source}-small-none-kept")["platform"]["Resources"]
        standard = stacks_of(templates, f"{source}-http-none-kept")["platform"]["Resources"]
        added = {standard[logical]["Type"] for logical in standard.keys() - small.keys()}
        assert {"AWS::ECS::Service", "AWS::ElasticLoadBalancingV2::LoadBalancer"} <= added
        (before,), (after,) = (
            [(name, one["Properties"]) for name, one in part.items() if one["Type"] == storage and "Writer" not in name]
            for part in (small, standard)
        )
        assert before[0] == after[0]
        assert all(before[1][name] == after[1][name] for name in fixed(storage) & before[1].keys())
        service = [name for name, one in small.items() if one["Type"] == "AWS::ECS::Service"]
        assert len(service) == 1
        (daemon,) = [one for name, one in standard.items() if name.startswith("DaemonService")]
        assert service[0] in daemon["DependsOn"]
        assert small[service[0]]["Properties"]["LoadBalancers"] == []


@pytest.mark.parametrize("source", VARIED)
def test_each_option_can_be_changed_later(templates: Templates, source: str) -> None:
    found: dict[str, list[str]] = {}
    compared = 0
    made = {name: stacks_of(templates, name) for name in DEPLOYMENTS if name.split("-")[0] == source}
    for before, after in changes():
        if before in made:
            compared += 1
            for problem in problems(made[before], made[after]):
                found.setdefault(problem, []).append(f"{before} -> {after}")
    assert {problem: places[0] for problem, places in found.items()} == {}
    uis = 5 if f"{source}-small-none-kept" in made else 4
    assert compared == (uis * (uis - 1) * 4 + uis * 8 if IS_WHOLE else uis * (uis - 1) + 4)
