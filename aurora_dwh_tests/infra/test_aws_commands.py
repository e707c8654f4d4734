"""The AWS CLI's commands on the pages and in the printed steps, by the services' own models."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from aurora_dwh_tests.infra.deployments import DEPLOYMENTS
from infra.config_file import parse_config
from infra.steps import existing_source_steps

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / name for name in ("deployment.md", "operation.md", "catalog.md", "moving.md", "project.md")]
OF_THE_CLI = {"s3", "configure"}
"""Commands that the CLI has of its own."""

HANDED_ON = {("logs", "tail"), ("ecs", "wait"), ("ssm", "start-session")}
"""Commands that the CLI makes of an operation, whose options are not the operation's alone."""

GLOBAL = {"region", "query", "output", "profile"}


def written() -> Iterator[tuple[str, str]]:
    """Yield each command that is whole, after its place."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = re.findall(r"^ {4,}(aws .*)$", text, re.MULTILINE)
        spans = re.findall(r"`(aws [^`]+)`", re.sub(r"\n *", " ", text))
        yield from ((page.name, command) for command in [*lines, *spans] if "--" in command)
    config = parse_config(DEPLOYMENTS["aurora-http-none-kept"])
    assert config.source.existing
    for step in existing_source_steps(config, config.source.existing, "arn:aws:iam::123456789012:role/x"):
        yield from (("step", command) for command in re.findall(r"aws [^|&]+", step.command))


COMMANDS = sorted(set(written()))


def test_there_are_commands_of_all_that_is_deployed() -> None:
    assert {command.split()[1] for _, command in COMMANDS} >= {"ecs", "logs", "rds", "secretsmanager", "quicksight"}


@pytest.mark.parametrize(("place", "command"), COMMANDS)
def test_a_command_is_one_of_the_service_and_has_what_that_requires(place: str, command: str) -> None:
    _, service, name, *words = shlex.split(re.sub(r"<[^>]+>", "x", command))
    if service in OF_THE_CLI or (service, name) in HANDED_ON:
        return
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(one, "-"): one for one in model.operation_names}
    assert name in operations, f"{place}: {command}"
    shape = model.operation_model(operations[name]).input_shape
    members = {xform_name(one, "-"): one for one in shape.members}
    given = {word.removeprefix("--") for word in words if word.startswith("--")} - GLOBAL
    flags = {one.removeprefix("no-") for one in given}
    assert flags <= members.keys(), f"{place}: {command}"
    assert {xform_name(one, "-") for one in shape.required_members} <= flags, f"{place}: {command}"
