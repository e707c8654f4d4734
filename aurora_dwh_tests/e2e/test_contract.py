"""The contract suite: green on the stand-in, and each of its lines fails with the stand-in, or the bucket, bent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.contract import scratch
from aurora_dwh_tests.e2e.world import World

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in compiles nothing: what has not ended after half a second waits."""
    monkeypatch.setattr(scratch, "PATIENCE", 0.5)


def test_all_that_is_assumed_holds_on_the_stand_in_and_is_told_without_names(world: World, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--contract", str(tmp_path / "contract.json")])
    text = (tmp_path / "contract.json").read_text()
    found = json.loads(text)
    assert [one for one in found if not one["holds"]] == []
    assert done.exit_code == 0
    assert f"{len(found)} of {len(found)} hold" in done.output
    names = ("AURORA", "_TLS", "REGION", "AWS_EC2")
    hidden = [value for name, value in world.variables.items() if not any(word in name for word in names)]
    assert [value for value in hidden if len(value) > 3 and value in text] == []
    assert world.ask_warehouse("SELECT COUNT(*) FROM pg_namespace WHERE nspname LIKE 'dwh_contract%'") == [(0,)]
