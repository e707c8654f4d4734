"""Every deployment's templates, made once a session and in one app: starting an app is what costs time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.config_file import parse_config

HASH = re.compile(r"(?=\d*[A-F])[0-9A-F]{4,}|[0-9a-f]{64}")
"""What the CDK adds to a name."""


@dataclass(frozen=True)
class Templates:
    """What was made.

    Attributes:
        folder: Where the files are.
        stacks: (deployment, stack without its prefix) -> CloudFormation template.
        first: stack without its prefix -> template of a first deploy, which `deployments.FIRST` is.
        findings: What the CDK and Amazon's rules find and nobody has given a reason for.
    """

    folder: Path
    stacks: dict[tuple[str, str], dict[str, Any]]
    first: dict[str, dict[str, Any]]
    findings: str

    def of(self, kind: str, stack: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """The properties of every resource of a type, in every deployment, after the name of its place."""
        for (deployment, name), template in self.stacks.items():
            for logical, resource in template["Resources"].items():
                if resource["Type"] == kind and stack in (None, name):
                    yield f"{deployment}/{name}/{logical}", resource.get("Properties", {})

    def files(self) -> list[Path]:
        """Files that hold between them every resource, output and parameter of any template, names aside."""
        left: dict[Path, set[str]] = {}
        for file in sorted(self.folder.glob("assembly-*/*.template.json")):
            deployment = file.parent.name.removeprefix("assembly-")
            text = file.read_text(encoding="utf-8").replace(deployment, "").replace(deployment.replace("-", ""), "")
            sections = json.loads(text).values()
            left[file] = {HASH.sub("", json.dumps(part)) for section in sections for part in section.items()}
        chosen: list[Path] = []
        while any(left.values()):  # the one with the most that the chosen ones lack
            chosen.append(max(left, key=lambda file: len(left[file])))
            seen = left.pop(chosen[-1])
            for parts in left.values():
                parts -= seen
        return chosen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder time: whichever comes first makes all the templates."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The templates of all deployments."""
    # Here, as every process of the tests reads this file: the CDK starts a Node.js, and they take 2 GB.
    import infra.app  # sets up Node.js before the CDK is read

    import aws_cdk as cdk  # isort: skip
    from cdk_nag import AwsSolutionsChecks  # isort: skip

    from aurora_dwh_tests.infra.deployments import DEPLOYMENTS, FIRST  # once it is known whether all are to be made

    folder = tmp_path_factory.mktemp("cdk.out")
    app = cdk.App(context=infra.app.CONTEXT, outdir=str(folder), analytics_reporting=False)
    for name, written in DEPLOYMENTS.items():
        infra.app.build(cdk.Stage(app, name), parse_config(written))
    first = cdk.Stage(app, "first")
    first.node.set_context("first", "true")  # as `cdk --context first=true`
    infra.app.build(first, parse_config(DEPLOYMENTS[FIRST]))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    findings = ""
    try:
        app.synth()
    except RuntimeError as error:
        report = folder / "validation-report.json"
        findings = f"{error}\n{report.read_text(encoding='utf-8') if report.exists() else ''}"
    stacks = {}
    for file in sorted(folder.glob("assembly-*/*.template.json")):
        deployment = file.parent.name.removeprefix("assembly-")
        named = re.fullmatch(rf"{deployment.replace('-', '')}dwh([a-z]+)[0-9A-F]{{8}}", file.name.split(".")[0])
        assert named, file.name
        stacks[deployment, named[1]] = json.loads(file.read_text(encoding="utf-8"))
    made = {stack: stacks.pop((deployment, stack)) for deployment, stack in list(stacks) if deployment == "first"}
    return Templates(folder, stacks, made, findings)
