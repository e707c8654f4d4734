"""`aurora-dwh verify`: Aurora and Redshift compared, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from aurora_dwh.commands.choose import Days, OptionalTable, find_tables, parse_days
from aurora_dwh.commands.speech import FAILED, AsJson, plain, say_json, work

EXAMPLES = (
    "aurora-dwh verify",
    "aurora-dwh verify orders_master",
    "aurora-dwh verify orders_master --day 2024-01-01...2024-01-31",
    "aurora-dwh verify --day 2024-01-05 --json",
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from aurora_dwh.proof import Verdict


def verify(
    table: OptionalTable = None,
    day: Days = None,
    as_json: AsJson = False,
) -> None:
    """Compare Aurora and Redshift by count, by keys and by a checksum of every value; name what differs.

    Each side computes its checksums by its own SQL. Without `--day` all rows of a table are compared at once; a table
    of mode full always is. Rows that Aurora changed after their day was read differ until that day is loaded. The day
    that was the newest when it was read reaches up to that moment, as its reading did.
    """
    from rich.console import Console

    from aurora_dwh.catalog import Catalog
    from aurora_dwh.proof import compare_tables, comparisons

    catalog = Catalog.load()
    tables, days = find_tables(catalog, table), parse_days(day, catalog)
    total = len(comparisons(tables, days))
    verdicts = []
    with work("Comparing", total) as advance:
        for verdict in compare_tables(catalog, tables, days):
            verdicts.append(verdict)
            advance(f"Compared {_label(verdict)}")
    if as_json:
        say_json([_plain(verdict) for verdict in verdicts])
    else:
        say_verdicts(Console(), verdicts)
    if not all(verdict.equal for verdict in verdicts):
        raise typer.Exit(FAILED)


def say_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print for each table both sides' rows and checksums and whether they agree, then what differs."""
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(title="Aurora and Redshift, every value of every row")
    for heading in ("table", "Aurora", "Redshift", "checksums", ""):
        grid.add_column(heading, justify="right" if heading in ("Aurora", "Redshift") else "left")
    for verdict in verdicts:
        sums = [_checksum(side.checksum) for side in (verdict.source, verdict.warehouse)]
        figures = (f"{verdict.source.rows:,}", f"{verdict.warehouse.rows:,}", " ".join(sums))
        outcome = "[green]equal[/]" if verdict.equal else "[bold red]different[/]"
        if verdict.error:
            figures, outcome = ("", "", ""), "[bold red]not compared[/]"
        grid.add_row(Text(plain(_label(verdict))), *figures, outcome)
    console.print(grid)
    for verdict in verdicts:
        for line in (verdict.error, *verdict.differences):
            if line:
                console.print(
                    plain(f"{_label(verdict)}: {line}"), style="red", markup=False, highlight=False, soft_wrap=True
                )


def _label(verdict: Verdict) -> str:
    return verdict.table if verdict.day is None else f"{verdict.table} {verdict.day}"


def _checksum(value: int) -> str:
    return f"{value:016x}"


def _plain(verdict: Verdict) -> dict[str, Any]:
    sides = {"aurora": verdict.source, "redshift": verdict.warehouse}
    return {
        "table": verdict.table,
        "day": verdict.day and verdict.day.isoformat(),
        "equal": verdict.equal,
        **{name: {"rows": side.rows, "checksum": _checksum(side.checksum)} for name, side in sides.items()},
        "differences": verdict.differences,
        "error": verdict.error or None,
    }
