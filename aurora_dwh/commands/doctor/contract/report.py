"""The report of all assumptions: a table for people, a file for whoever is asked for help."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from aurora_dwh.commands.console import FAILED, say_json, work
from aurora_dwh.commands.doctor.contract import catalog, copies, functions, locks, store
from aurora_dwh.commands.doctor.contract.assumption import Assumption, Finding, findings
from aurora_dwh.commands.doctor.contract.scratch import Scratch
from aurora_dwh.commands.output import say_table, texts


def assumptions() -> list[Assumption]:
    """Return all that is assumed, in the order in which it is measured."""
    return [one for part in (store, functions, catalog, copies, locks) for one in part.assumptions()]


def measure(progress: Callable[[str], object] = lambda _: None) -> list[Finding]:
    """Measure all assumptions of the warehouse and the lake that the environment names.

    Raises:
        ConfigError: Variables are missing or wrong.
        WarehouseError: There is no way to Redshift, or its user may make no schema.
    """
    from aurora_dwh.settings.config import LakeSettings
    from aurora_dwh.warehouse.connection import open_warehouse

    with Scratch(open_warehouse(), LakeSettings.from_env()) as scratch:
        return list(findings(scratch, assumptions(), progress))


def write(path: Path, *, as_json: bool) -> None:
    """Measure all, write it into a file, and print it; what does not hold fails."""
    with work("Measuring", len(assumptions())) as advance:
        found = measure(advance)
    told = [asdict(one) for one in found]
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        say_json(told)
    else:
        _say(found)
    if not all(one.holds for one in found):
        raise typer.Exit(FAILED)


def _say(found: Sequence[Finding]) -> None:
    rows = []
    for one in found:
        follows = one.found if one.holds else f"{one.found}\n-> {one.meaning}\n   {'; '.join(one.statements)[:600]}"
        rows.append([one.name, ("ok", "green") if one.holds else ("differs", "red"), one.expected, follows])
    say_table([*texts("assumption"), "", *texts("expected", "found, and what follows")], rows)
    count = sum(one.holds for one in found)
    typer.echo(f"{count} of {len(found)} hold")
