"""`aurora-dwh local`: what it asks of the embedded stack, and variables that shells and .env readers understand."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from dotenv import dotenv_values
from typer.testing import CliRunner

from aurora_dwh import local
from aurora_dwh.cli import app
from aurora_dwh.local.stack import Condition

RUNNER = CliRunner()
VALUES = {"PLAIN": "s3://lake/a", "EMPTY": "", "HARD": 'it\'s "$HOME" \\ `x` #1', "LINES": "a\nb"}


class Stack(ModuleType):
    """The embedded stack as the command line sees it."""

    def __init__(self) -> None:
        super().__init__("aurora_dwh.local.stack")
        self.asked: list[tuple[object, ...]] = []

    def default_state(self) -> Path:
        return Path("default-state")

    def up(self, state: Path, *, without: frozenset[str]) -> None:
        self.asked.append(("up", state, without))

    def down(self, state: Path) -> None:
        self.asked.append(("down", state))

    def status(self, state: Path) -> dict[str, Condition]:
        self.asked.append(("status", state))
        return {"aurora": Condition("running", 7, "h:1"), "lake": Condition("stopped")}

    def environment(self, state: Path) -> dict[str, str]:
        self.asked.append(("environment", state))
        return VALUES


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    module = Stack()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(local, "stack", module, raising=False)
    return module


def run(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["local", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_up_and_down(stack: Stack) -> None:
    assert run("up") == 'The stack is up. Point a shell to it with: eval "$(aurora-dwh local env)"\n'
    assert "local env --state 'a b')" in run("up", "--without", "aurora, lake", "--state", "a b")
    assert run("down") == "The stack is down.\n"
    assert stack.asked == [
        ("up", Path("default-state"), frozenset()),
        ("up", Path("a b"), frozenset({"aurora", "lake"})),
        ("down", Path("default-state")),
    ]


def test_status(stack: Stack) -> None:
    assert run("status", "--state", "s") == "aurora     running  h:1  pid 7\nlake       stopped\n"
    assert json.loads(run("status", "--json")) == {
        "aurora": {"state": "running", "pid": 7, "address": "h:1", "size": 0},
        "lake": {"state": "stopped", "pid": None, "address": "", "size": 0},
    }
    assert stack.asked == [("status", Path("s")), ("status", Path("default-state"))]


def test_a_service_that_is_none_is_refused(stack: Stack) -> None:
    result = RUNNER.invoke(app, ["local", "up", "--without", "aurora,redshift"])
    assert result.exit_code == 2
    assert "redshift: the services are aurora, lake, warehouse" in " ".join(result.stderr.replace("│", " ").split())
    assert stack.asked == []


def test_a_shell_evaluates_the_variables(stack: Stack) -> None:
    del stack
    for name, value in VALUES.items():
        script = f'eval "$1"; printf %s "${name}"'
        assert subprocess.run(["sh", "-c", script, "sh", run("env")], capture_output=True, text=True).stdout == value


def test_a_dotenv_file_holds_the_variables(stack: Stack) -> None:
    del stack
    text = run("env", "--format", "dotenv")
    assert text.startswith("PLAIN=s3://lake/a\n")
    assert dotenv_values(stream=io.StringIO(text)) == VALUES
