"""`aurora-dwh local`: the embedded stack of Aurora, lake and warehouse on this machine."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from aurora_dwh.commands.console import AsJson, register, say_json

SERVICES = ("aurora", "lake", "warehouse")

State = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The folder that the stack keeps its data in.", show_default="the stack's own"),
]
Without = Annotated[
    str, typer.Option(metavar="SERVICES", help="Services to leave out, with commas between: aurora, lake, warehouse.")
]

app = typer.Typer(no_args_is_help=True, help="Run Aurora, S3 and Redshift stand-ins on this machine.")


class Format(str, Enum):
    """How `env` writes variables."""

    SHELL = "shell"
    DOTENV = "dotenv"


def up(state: State = None, without: Without = "") -> None:
    """Start the stack and leave it running."""
    from aurora_dwh.local import stack

    stack.up(state or stack.default_state(), without=_services(without))
    option = f" --state {shlex.quote(str(state))}" if state else ""
    typer.echo(f'The stack is up. Point a shell to it with: eval "$(aurora-dwh local env{option})"')


def down(state: State = None) -> None:
    """Stop the stack. Its data stays."""
    from aurora_dwh.local import stack

    stack.down(state or stack.default_state())
    typer.echo("The stack is down.")


def status(state: State = None, as_json: AsJson = False) -> None:
    """Say what is running."""
    from aurora_dwh.local import stack

    found = stack.status(state or stack.default_state())
    if as_json:
        say_json({service: asdict(condition) for service, condition in found.items()})
        return
    for service, condition in found.items():
        typer.echo(f"{service:<10} {condition}")


def env(
    state: State = None,
    style: Annotated[
        Format, typer.Option("--format", help="shell: lines for eval; dotenv: lines for a .env file.")
    ] = Format.SHELL,
) -> None:
    """Print the environment variables that lead to the stack."""
    from aurora_dwh.local import stack

    for name, value in stack.environment(state or stack.default_state()).items():
        shell = f"export {name}={_single_quoted(value)}"
        typer.echo(shell if style is Format.SHELL else f"{name}={dotenv_value(value)}")


register(
    app,
    up,
    examples=("aurora-dwh local up", "aurora-dwh local up --without aurora", "aurora-dwh local up --state another"),
)
register(app, down, examples=("aurora-dwh local down",))
register(app, status, examples=("aurora-dwh local status", "aurora-dwh local status --json"))
register(
    app,
    env,
    examples=('eval "$(aurora-dwh local env)"', "aurora-dwh local env --format dotenv > .env"),
    failed="the stack is not up",
)


def _services(text: str) -> frozenset[str]:
    named = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(named - set(SERVICES)):
        raise typer.BadParameter(
            f"{', '.join(unknown)}: the services are {', '.join(SERVICES)}", param_hint="--without"
        )
    return named


def _single_quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def dotenv_value(value: str) -> str:
    """Return a value as it is where no reader of .env files could take it for something else, else in single quotes."""
    if value and all(character.isalnum() or character in "-_./:@,+=" for character in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
