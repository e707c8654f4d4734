"""`aurora-dwh doctor`: checks everything that a load needs and says how to mend what is wrong.

Each system has a module, `source`, `lake`, `warehouse` and `worker`; `export` is about the first two together, and
`notices` about whom a load tells of its end. A check never ends the run: it is a `Check` with its state, and the next
one follows where it still makes sense.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.console import FAILED, AsJson, say_json, work
from aurora_dwh.commands.output import say_table, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.commands.doctor.check import Check

EXAMPLES = ("aurora-dwh doctor", "aurora-dwh doctor --json", "aurora-dwh doctor --contract contract.json")

Contract = Annotated[
    Path | None,
    typer.Option(
        "--contract",
        metavar="FILE",
        help="Measure what the product takes for granted of Redshift and S3 instead, and write it into FILE.",
    ),
]


def doctor(as_json: AsJson = False, contract: Contract = None) -> None:
    """Check every connection, privilege, index, bucket, role and clock, and say how to mend each that fails.

    An object is written to the lake and deleted again, and a row is copied into a temporary table of Redshift; nothing
    else is changed. Warnings do not fail.

    With --contract a new warehouse is tried once, in a schema that is removed again, for some minutes: how its locks,
    types, functions and errors are, and the bucket. The file has no secret and no name of the account.
    """
    if contract is not None:
        from aurora_dwh.commands.doctor.contract import report

        report.write(contract, as_json=as_json)
        return
    with work("Checking", None) as advance:
        checks = run_checks(advance)
    if as_json:
        say_json([asdict(check) for check in checks])
    else:
        say_checks(checks)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(FAILED)


def run_checks(progress: Callable[[str], object] = lambda _: None) -> list[Check]:
    """Check everything that a load of a day needs; `progress` is told each check's name once it was made."""
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.commands.doctor import export, lake, notices, source, warehouse, worker
    from aurora_dwh.commands.doctor.check import Attempts

    run = Attempts(progress)
    catalog = run.attempt("catalog", Catalog.load, remedy="mend the lines named, see docs/catalog.md")
    if catalog is not None:
        run.attempt("marts", lambda: _check_marts(catalog), remedy="mend the files named, see docs/marts.md")
    scanned = source.check(run, catalog)
    bucket = lake.check(run)
    if bucket is not None:
        export.check(run, catalog, bucket.settings)
    warehouse.check(run, catalog, bucket)
    worker.check(run, scanned)
    notices.check(run, catalog)
    return run.checks


def _check_marts(catalog: Catalog) -> None:
    from aurora_dwh.catalog.model import marts_folder, transforms_folder
    from aurora_dwh.transforms.model import read_transforms, staged_tables
    from aurora_dwh.warehouse.marts.model import check_inputs, read_marts

    check_inputs(read_marts(marts_folder()), catalog, staged_tables(read_transforms(transforms_folder())))


def say_checks(checks: Sequence[Check]) -> None:
    """Print checks as a table; tables of the source that are well take one line together."""
    from aurora_dwh.commands.doctor.source import TABLE

    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    tables = [check for check in checks if check.name.startswith(TABLE)]
    well = [check for check in tables if check.state == "ok"]
    together = f"{len(well)} of {len({check.name for check in tables})} can be read as the catalog says"
    rows = []
    for check in checks:
        if check in well and check is not well[0]:
            continue
        name, found = (check.name, check.detail) if check not in well else ("aurora: tables", together)
        advice = "\n".join(part for part in (found, check.remedy and f"-> {check.remedy}") if part)
        rows.append([name, (check.state.value, colours[check.state.value]), advice])
    say_table([*texts("check"), "", *texts("found, and what to do")], rows)
    counts = {state: sum(check.state == state for check in checks) for state in colours}
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items() if count))
