"""docs/cli.md, written from the commands themselves: `python -m docs._generate.cli_page`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from aurora_dwh.cli import app

PAGE = Path(__file__).parents[1] / "cli.md"

_INTRODUCTION = """# The command line

`aurora-dwh` is there once the package is installed. This page is written from the commands, and
`aurora-dwh COMMAND --help` says the same.

- **Settings** are variables of the environment (`.env.example` lists them) and the catalog ([catalog.md](catalog.md)).
  As Dagster does, the command also reads a file `.env` in the working directory, which wins over the environment;
  `--target NAME`, before the command, reads `.env.NAME` instead ([project.md](project.md#dev-and-prod-targets)).
- **Exit codes**: 0 where all is well, 1 where a check failed, tables differ or the work could not be done, 2 where
  usage, settings or catalog are wrong, 130 where Ctrl-C or SIGTERM stopped the command. Warnings of `doctor` and
  `discover` end with 0.
- **Scripts**: `--json` prints one JSON value on stdout. Errors and progress bars go to stderr. What is no terminal gets
  text alone, without bars and colours. A command whose reader leaves, as `| head` does, ends with 141.
- **Terminals**: `NO_COLOR=1` takes the colours away. Where a table is too wide, its rows are lines of their own.
- **Completion**: `aurora-dwh --install-completion` teaches bash, zsh, fish or PowerShell the commands, options and the
  catalog's tables; open a new shell afterwards.
"""


def page() -> str:
    """Return the page's text."""
    commands = dict(_commands(typer.main.get_command(app), "aurora-dwh"))
    contents = "\n".join(f"- [`{name}`](#{name.replace(' ', '-')}): {_first(c.help)}" for name, c in commands.items())
    return "\n".join([_INTRODUCTION, contents, "", *(_section(name, c) for name, c in commands.items())])


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = [
        name,
        *(p.metavar if p.required else f"[{p.metavar}]" for p in arguments),
        *(["[OPTIONS]"] if options else []),
    ]
    examples, _, codes = command.epilog.partition("\n\n")
    commands = "\n".join(line.strip() for line in examples.splitlines()[1:])
    rows = [_row(f"`{p.metavar}`", p.help) for p in arguments] + [_row(_option(p), p.help) for p in options]
    table = ["| | |", "|---|---|", *rows, ""] if rows else []
    parts = [
        f"## {name}",
        "",
        "```text",
        " ".join(usage),
        "```",
        "",
        command.help,
        "",
        *table,
        "```sh",
        commands,
        "```",
        "",
        codes,
        "",
    ]
    return "\n".join(parts)


def _option(option: Any) -> str:
    value = option.metavar
    if isinstance(option.default, Enum):
        value = "|".join(str(choice.value) for choice in type(option.default))
    return f"`{', '.join(option.opts)}{'' if option.is_flag else f' {value}'}`".replace("|", "\\|")


def _row(name: str, meaning: str) -> str:
    return f"| {name} | {meaning} |"


def _first(text: str) -> str:
    return text.partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
