"""Where commands write: terminals of any width, with or without colours, pipes whose reader may leave, logs of jobs.

Nothing but text goes into what is no terminal. Colours follow NO_COLOR (https://no-color.org) and TERM=dumb.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Column
    from rich.text import Text

READER_GONE: Final = 128 + signal.SIGPIPE
"""The exit code where whoever read the output has left: a shell's for a filter that ended by SIGPIPE."""

_TEXT_WIDTH: Final = 30
"""Columns of the terminal that a text needs at the least, to be read where it is wrapped."""


class Program(typer.Typer):
    """An app that ends when the reader of its output does, as `aurora-dwh verify | head` has it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the arguments name."""
        if not is_terminal(sys.stdout) and "FORCE_COLOR" not in os.environ:
            os.environ["_TYPER_FORCE_DISABLE_TERMINAL"] = "1"  # else it takes a job of GitHub's for one
        sys.stdout, sys.stderr = _Stream(sys.stdout), _Stream(sys.stderr)
        return super().__call__(*args, **kwargs)


class _Stream:
    """A standard stream; writing to it ends the process where nobody reads any more.

    It is told apart here from a connection to a server that breaks, which raises the same error. Nor may SIGPIPE end
    the process by itself: it would at such a connection, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._end()

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._end()

    def _end(self) -> NoReturn:
        # What is left in the buffer must go somewhere, or Python complains of it when it ends
        # (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        raise SystemExit(READER_GONE)


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that moves its cursor as it is told, whatever else the environment says."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def console(*, err: bool = False) -> Console:
    """Return rich's way to stdout, or to stderr."""
    from rich.console import Console

    return Console(stderr=err, color_system="auto" if _may_colour() else None)


def say(text: str, *, colour: str, err: bool = False) -> None:
    """Print lines in a colour, where there may be one."""
    typer.secho(text, fg=colour, err=err, color=None if _may_colour() else False)


def figures(*names: str) -> list[Column]:
    """Return the columns of numbers that are headed so."""
    from rich.table import Column

    return [Column(name, no_wrap=True, justify="right") for name in names]


def texts(*names: str) -> list[Column]:
    """Return the columns of texts that are headed so, which may have several lines."""
    from rich.table import Column

    return [Column(name) for name in names]


def say_table(columns: Sequence[Column | str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table; where it is too wide, print each of its rows as lines of their own.

    Args:
        columns: How each is headed, if at all; what is headed by a text alone is shown on one line or not in a table.
        rows: The cells, each a text, or one and its style; the first says what the others are about.
    """
    from rich.table import Column, Table
    from rich.text import Text

    headed = [Column(one, no_wrap=True) if isinstance(one, str) else one for one in columns]
    told = [[Text.assemble(cell) for cell in row] for row in rows]
    out = console()
    if told and _least_width(headed, told) > out.width:
        _say_rows(out, headed, told, title)
        return
    grid = Table(*headed, title=title)
    for row in told:
        grid.add_row(*row)
    out.print(grid)


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> int:
    from rich.cells import cell_len

    def width(number: int, column: Column) -> int:
        longest = max(cell_len(line) for row in rows for line in [*row[number].plain.split("\n"), str(column.header)])
        return longest if column.no_wrap else min(longest, _TEXT_WIDTH)

    return sum(width(number, column) + 3 for number, column in enumerate(columns)) + 1


def _say_rows(out: Console, columns: Sequence[Column], rows: Sequence[Sequence[Text]], title: str | None) -> None:
    from rich.padding import Padding
    from rich.text import Text

    if title:
        out.print(Text(title, style="italic"))
    for name, *cells in rows:
        told = [(str(column.header), cell) for column, cell in zip(columns[1:], cells, strict=True) if cell.plain]
        out.print(Text(": ").join([name, *(cell for heading, cell in told if not heading)]))
        for heading, cell in told:
            if heading:
                out.print(Padding(Text.assemble(f"{heading}: ", cell, overflow="fold"), (0, 0, 0, 2), expand=False))


def _may_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")
