"""The CDK's command line as docs/deployment.md calls it: from its folder, for its configurations, without AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.config_file import read_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
CONFIGURATIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"npx aws-cdk (\w+)([^`\n#&]*)", PAGE)


def npx(*arguments: str) -> str:
    """Run the program that the page's first step installed, in the folder that the page names."""
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "CDK_DISABLE_CLI_TELEMETRY": "1"}
    hidden = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = ["npx", "--no-install", "aws-cdk", "--no-notices", *arguments]
    done = subprocess.run(
        command, cwd=ROOT / "infra", env={**hidden, **tools}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (
        f"{done.stdout}{done.stderr}\n(`make infra` installs what is missing: npm ci --prefix infra)"
    )
    return done.stdout


@pytest.mark.parametrize("written", CONFIGURATIONS, ids=["new", "existing"])
@pytest.mark.timeout(600)
def test_the_pages_commands_work_for_the_pages_configurations(tmp_path: Path, written: str) -> None:
    file, made = tmp_path / "config.yaml", tmp_path / "cdk.out"
    file.write_text(written, encoding="utf-8")
    config = read_config(file)
    npx("synth", "--quiet", "--output", str(made), "--context", f"config={file}")
    stacks = {path.name.split(".")[0] for path in made.glob("*.template.json")}
    assert {f"{config.name}-{one}" for one in ("foundation", "warehouse", "source", "platform")} <= stacks
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    assert "missing" not in manifest
    named = {word for _, rest in COMMANDS for word in rest.split() if word.startswith("aurora-dwh-")}
    assert "aurora-dwh-platform" in named
    assert named & stacks <= set(npx("list", *sorted(named & stacks), "--app", str(made)).split())


def test_the_pages_configurations_are_both_kinds_of_source() -> None:
    assert ["existing:" in one for one in CONFIGURATIONS] == [False, True]
    assert {command for command, _ in COMMANDS} >= {"bootstrap", "deploy", "diff", "destroy"}
