"""Remedies that messages name, taken at their word: the command in the text is run as it stands there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from typer.testing import CliRunner

from aurora_dwh.cli import app

_COMMAND = re.compile(r"`aurora-dwh ([^`]+)`")
_VARIABLE = re.compile(r"AURORA_SOURCE=('[^']*'|\S+) and go on")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    text: str
    exit_code: int


def run(command: str, *, typed: str | None = None) -> Said:
    """Run an `aurora-dwh` command in the world's environment.

    Args:
        command: Its arguments, as they are typed into a shell behind `aurora-dwh`.
        typed: What is typed where it asks.
    """
    done = CliRunner().invoke(app, shlex.split(command), input=typed)
    return Said(done.output, done.exit_code)


def follow(message: str) -> str:
    """Run the last command that a message names, expect it to succeed, and return it."""
    command = commands(message)[-1]
    done = run(command)
    assert done.exit_code == 0, done.text
    return command


def named_source(message: str) -> str:
    """Return the value of AURORA_SOURCE that a message names."""
    (value,) = _VARIABLE.findall(message)
    return shlex.split(value)[0]


def commands(message: str) -> list[str]:
    """Return the arguments of the commands that a message names."""
    return [str(command) for command in _COMMAND.findall(message)]
