"""`aurora-dwh doctor`: checks everything that a load needs and says how to mend what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from aurora_dwh.commands.speech import FAILED, AsJson, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_dwh.commands.checks import Check


EXAMPLES = ("aurora-dwh doctor", "aurora-dwh doctor --json")


def doctor(as_json: AsJson = False) -> None:
    """Check every connection, privilege, index, bucket and role, and say how to mend each that fails."""
    from aurora_dwh.commands.checks import State, run_checks

    checks = run_checks()
    if as_json:
        say_json([asdict(check) for check in checks])
    else:
        _say(checks)
    if any(check.state is State.FAILED for check in checks):
        raise typer.Exit(FAILED)


def _say(checks: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    table = Table("check", "state", "what to do")
    for check in checks:
        advice = "\n".join(part for part in (check.detail, check.remedy and f"-> {check.remedy}") if part)
        table.add_row(Text(check.name), Text(check.state.value, style=colours[check.state.value]), Text(advice))
    Console().print(table)
