"""What commands write: on terminals of any width, without colours, into pipes and logs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from rich.cells import cell_len
from rich.table import Column
from rich.text import Text

from aurora_dwh.commands.console import speak_plainly
from aurora_dwh.commands.output import READER_GONE, say_table
from aurora_dwh_tests.unit.test_cli import commands

PROGRAM = str(Path(sys.executable).with_name("aurora-dwh"))
COLOUR = re.compile(r"\x1b\[[0-9;]*?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m")
HELPS = [["--help"], *([*command.split(), "--help"] for command in commands())]
EACH_HELP = """
import sys
from contextlib import suppress
from aurora_dwh.cli import app

for arguments in {helps!r}:
    print("#", *arguments, flush=True)
    sys.argv[1:] = arguments
    with suppress(SystemExit):
        app(prog_name="aurora-dwh")
"""
"""Has each command say its help, in one process: how it speaks is decided where the program starts."""

SPEAKING = [["doctor"], ["verify", "no_such_table"], ["discover"]]
"""Commands that say something in colours without any server: a table, boxes, errors."""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("AURORA_", "AWS_", "LAKE_", "REDSHIFT_", "ALERT_", "DAGSTER_")) or name in (
            *("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CI", "GITHUB_ACTIONS"),
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


def on_terminal(*arguments: str, width: int = 100) -> str:
    """Run a command on a terminal and return what it shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    variables = dict(os.environ)  # without those that readline sets beside Python's back, such as COLUMNS
    with subprocess.Popen([PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux's way to say that the other end is closed
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    return shown.decode()


def at_once(all_arguments: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Run commands beside one another, without a terminal, and return what each wrote to stdout and to stderr."""
    started = [
        subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for arguments in all_arguments
    ]
    return [process.communicate(timeout=120) for process in started]


def test_o21_nothing_but_text_goes_into_a_pipe_or_the_log_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.setenv(name, "true")
    helps = subprocess.run(
        [sys.executable, "-c", EACH_HELP.format(helps=HELPS)], capture_output=True, text=True, check=True
    )
    for out, err in [(helps.stdout, helps.stderr), *at_once(SPEAKING)]:
        assert out + err
        assert "\x1b" not in out + err
        assert "\r" not in out + err
    assert helps.stdout.count("Usage: aurora-dwh") == len(HELPS)


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(one, marks=[pytest.mark.soak] if one == ["doctor"] else [], id=" ".join(one)) for one in SPEAKING],
)
def test_o21_no_color_and_a_dumb_terminal_have_no_colours(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    assert COLOUR.search(on_terminal(*arguments))
    with monkeypatch.context() as patched:
        patched.setenv("NO_COLOR", "1")
        assert not COLOUR.search(on_terminal(*arguments))
    monkeypatch.setenv("TERM", "dumb")
    shown = on_terminal(*arguments)
    assert shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("command", ["verify --help", "doctor", "doctor --json", "discover 2>&1"])
def test_o21_a_command_ends_with_the_reader_of_its_output(command: str) -> None:
    script = f'{PROGRAM} {command} | head -n 0; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode == READER_GONE == 141


def test_o21_a_connection_to_a_server_that_breaks_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    @speak_plainly
    def cut() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(typer.Exit) as caught:
        cut()
    assert caught.value.exit_code == 1
    assert "Broken pipe" in capsys.readouterr().err


@pytest.mark.parametrize("width", [40, pytest.param(60, marks=pytest.mark.soak)])
def test_o21_what_doctor_found_can_be_read_on_a_narrow_terminal(width: int) -> None:
    shown = on_terminal("doctor", width=width)
    lines = _plain(shown).splitlines()[1:]  # the first is that of the progress bar
    assert max(map(cell_len, lines)) <= width
    assert any(line.startswith("aurora: settings: failed") for line in lines), shown
    flat = " ".join(_plain(shown).split())
    assert "-> set the variables, see .env.example" in flat
    assert "AURORA_HOST is not set: the host to read from, the cluster's reader endpoint by preference" in flat
    assert "│" not in shown


COLUMNS = [
    Column("table", no_wrap=True),
    *(Column(name, no_wrap=True, justify="right") for name in ("Aurora", "Redshift")),
    Column("", no_wrap=True),
    Column("look at"),
]
ROWS = [
    ["order_details_master", "1,234,567,890", "1,234,567,890", "equal", ""],
    ["注文", "0", "12", "different", "nobody reads a text in a column that is as narrow as one of its words"],
]


@pytest.mark.parametrize("width", [40, 60, 80, 90])
def test_o21_rows_are_lines_of_their_own_where_no_table_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    say_table(COLUMNS, [list(map(Text, row)) for row in ROWS], title="Tables")
    shown = capsys.readouterr().out
    assert "│" not in shown
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[:4] == [
        "Tables",
        "order_details_master: equal",
        "  Aurora: 1,234,567,890",
        "  Redshift: 1,234,567,890",
    ]
    assert lines[4:7] == ["注文: different", "  Aurora: 0", "  Redshift: 12"]
    assert " ".join(" ".join(lines[7:]).split()) == f"look at: {ROWS[1][4]}"
    assert max(map(cell_len, lines)) <= width


def test_o21_a_table_is_a_table_where_it_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    say_table(COLUMNS, [list(map(Text, row)) for row in ROWS])
    shown = capsys.readouterr().out
    for row in ROWS:
        assert any(all(cell in line for cell in row[:4]) for line in shown.splitlines())


def _plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "")
