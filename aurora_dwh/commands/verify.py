"""`aurora-dwh verify`: Aurora and Redshift compared, value by value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table as Grid

    from aurora_dwh.proof import Verdict


def verify(
    table: Annotated[str | None, typer.Argument(help="A table of the catalog; without it, all of them.")] = None,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Compare only the rows of this day's window.")
    ] = None,
) -> None:
    """Compare source and warehouse by count and by a checksum over every value; exit with 1 where they differ."""
    from rich.console import Console

    from aurora_dwh.catalog import Catalog
    from aurora_dwh.commands.choose import find_table
    from aurora_dwh.proof import compare_tables

    catalog = Catalog.load()
    tables = [find_table(catalog, table)] if table else list(catalog.tables.values())
    console = Console()
    with console.status("Comparing"):
        verdicts = list(compare_tables(catalog, tables, day.date() if day else None))
    console.print(verdict_grid(verdicts))
    for difference in (d for verdict in verdicts for d in verdict.differences):
        console.print(difference, style="red", markup=False)
    if not all(verdict.equal for verdict in verdicts):
        raise typer.Exit(1)


def verdict_grid(verdicts: Iterable[Verdict]) -> Grid:
    """Return a table to print: for each table of the source both sides' rows and checksums, and whether they agree."""
    from rich.table import Table as Grid

    grid = Grid(title="Aurora and Redshift, every value of every row")
    for heading in ("table", "Aurora", "Redshift", "checksums", ""):
        grid.add_column(heading, justify="right" if heading in ("Aurora", "Redshift") else "left")
    for verdict in verdicts:
        sums = [f"{side.checksum:016x}" for side in (verdict.source, verdict.warehouse)]
        grid.add_row(
            verdict.table,
            f"{verdict.source.rows:,}",
            f"{verdict.warehouse.rows:,}",
            " ".join(sums),
            "[green]equal[/]" if verdict.equal else "[bold red]different[/]",
        )
    return grid
