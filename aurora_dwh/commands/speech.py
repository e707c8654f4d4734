"""How commands speak: one line in red for an error, JSON for scripts, exit codes.

Exit codes: 0 all is well, 1 a check failed or the work could not be done, 2 wrong usage or configuration.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from aurora_dwh.catalog_errors import CatalogError
from aurora_dwh.environment import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1
MISUSED = 2

_KNOWN = ("aurora_dwh", "pymysql", "redshift_connector", "botocore")
"""Packages whose errors are about the user's surroundings; others are the program's faults and keep their traceback."""

Command = TypeVar("Command", bound="Callable[..., Any]")


def speak_plainly(command: Command) -> Command:
    """Make a command say what went wrong in red and end with the exit code for it."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if not _is_known(error):
                raise
            fail(str(error), code=MISUSED if _is_misuse(error) else FAILED)

    return run  # type: ignore[return-value]  # wraps() keeps the signature that typer reads


def fail(message: str, *, code: int = FAILED) -> NoReturn:
    """Print an error and end the command."""
    for line in message.splitlines():
        typer.secho(f"error: {line}", fg=typer.colors.RED, err=True)
    raise typer.Exit(code)


def say_json(value: Any) -> None:
    """Print a value for scripts."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _is_known(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _KNOWN


def _is_misuse(error: Exception) -> bool:
    return isinstance(error, ConfigError | CatalogError)
