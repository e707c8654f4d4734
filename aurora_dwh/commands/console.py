"""How commands speak: help with examples, one line in red for an error, JSON for scripts, progress, exit codes.

Exit codes: 0 all is well, 1 a check failed or the work could not be done, 2 wrong usage or configuration, 130 stopped.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol, TypeVar

import typer

from aurora_dwh.catalog.errors import CatalogError
from aurora_dwh.commands.output import console, is_terminal, say
from aurora_dwh.core.spelling import near_match
from aurora_dwh.settings.environment import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FAILED = 1
MISUSED = 2
STOPPED = 130
"""As a shell has it of a program that Ctrl-C (signal 2) ended."""

EXIT_CODES = f"Exit codes: 0 done, {FAILED} {{failed}}, {MISUSED} wrong usage, settings or catalog, {STOPPED} stopped."

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_KNOWN = ("aurora_dwh", "pymysql", "redshift_connector", "botocore")
"""Packages whose errors are about the user's surroundings; others are the program's faults and keep their traceback."""

Command = TypeVar("Command", bound="Callable[..., Any]")


def register(
    app: typer.Typer,
    command: Callable[..., Any],
    *,
    name: str | None = None,
    examples: Sequence[str],
    failed: str = "could not be done",
    keeps_options: bool = False,
) -> None:
    """Add a command to an app, with what `--help` shows behind its options.

    Args:
        command: The command; its docstring is the help.
        name: Its name, where that is not the function's.
        failed: What exit code 1 says, in words that follow "1".
        keeps_options: Whether what follows the first argument is taken as it is, options too.
    """
    lines = ("Examples:", *(f"  {example}" for example in examples))
    app.command(
        name,
        help=_unwrapped(inspect.getdoc(command) or ""),
        context_settings={"allow_interspersed_args": not keeps_options},
        epilog="\n".join(lines) + "\n\n" + EXIT_CODES.format(failed=failed),
    )(speak_plainly(command))


def stop_on_sigterm() -> None:
    """Take SIGTERM, by which containers are stopped, for Ctrl-C; a container's first process would else not hear it."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def read_dotenv(target: str | None = None) -> None:
    """Take over what the working directory's .env says, or .env.NAME for a target; the file wins over the environment.

    Dagster does the same at the start of each of its commands, with .env alone, and has no setting for it.

    Raises:
        ConfigError: The target has no file, or .env lies beside it.
    """
    file = Path(f".env.{target}" if target else ".env")
    if target and not file.is_file():
        others = sorted(
            path.name.removeprefix(".env.") for path in Path().glob(".env.*") if path.name != ".env.example"
        )
        hint = near_match(target, others) or f"; write it, or name one of: {', '.join(others) or 'none is there'}"
        raise ConfigError([f"{file}: the target {target} has no such file in the working directory{hint}"])
    if target and Path(".env").is_file():
        raise ConfigError(
            [f"{file} and .env are both there, and Dagster reads .env whatever the target; rename .env to .env.NAME"]
        )
    if file.is_file():
        from dotenv import dotenv_values

        os.environ.update({name: value for name, value in dotenv_values(file).items() if value is not None})


def read_dotenv_of(context: typer.Context) -> None:
    """Read the file that `read_dotenv` would for the line that a shell completes; nobody reads what was wrong."""
    with suppress(ConfigError):
        read_dotenv(context.find_root().params.get("target"))


def _unwrapped(text: str) -> str:
    """Return a text with each paragraph on one line, for a terminal of any width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def speak_plainly(command: Command) -> Command:
    """Make a command say what went wrong in red and end with the exit code for it."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            fail("stopped before its end; it may be run again", code=STOPPED)
        except Exception as error:
            if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _KNOWN:
                raise
            from aurora_dwh.source.connection import explain

            fail(explain(error), code=MISUSED if isinstance(error, ConfigError | CatalogError) else FAILED)

    return run  # type: ignore[return-value]  # wraps() keeps the signature that typer reads


def fail(message: str, *, code: int = FAILED) -> NoReturn:
    """Print an error and end the command."""
    for line in message.rstrip().split("\n"):
        say(f"error: {plain(line)}", colour=typer.colors.RED, err=True)
    raise typer.Exit(code)


def plain(text: str) -> str:
    """Return a text, such as a table's name, on one line, what a terminal or a file would act upon spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Advance(Protocol):
    """Notes that a part of the work is done."""

    def __call__(self, description: str | None = None, *, parts: int = 1) -> None:
        """Move the bar on by some parts, and say what is being done now."""


@contextmanager
def work(description: str, total: int | None) -> Iterator[Advance]:
    """Show the progress of long work, of `total` parts if known, on stderr, where that is a terminal."""
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    is_seen = is_terminal(sys.stderr)
    with Progress(*columns, console=console(err=True), transient=True, disable=not is_seen) as progress:
        task = progress.add_task(escape(description), total=total)

        def advance(description: str | None = None, *, parts: int = 1) -> None:
            progress.update(task, advance=parts, description=description and escape(plain(description)))

        yield advance


def say_json(value: Any) -> None:
    """Print a value for scripts."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
