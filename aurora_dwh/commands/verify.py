"""`aurora-dwh verify`: Aurora and Redshift compared, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from aurora_dwh.commands.arguments import Days, OptionalTable, find_tables, parse_days
from aurora_dwh.commands.console import FAILED, AsJson, plain, say_json, work
from aurora_dwh.commands.output import figures, say, say_table

EXAMPLES = (
    "aurora-dwh verify",
    "aurora-dwh verify orders_master",
    "aurora-dwh verify 'order*'",
    "aurora-dwh verify orders_master --day 2024-01-01...2024-01-31",
    "aurora-dwh verify --day 2024-01-05 --json",
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_dwh.proof.verdict import Verdict


def verify(table: OptionalTable = None, day: Days = None, as_json: AsJson = False) -> None:
    """Compare Aurora and Redshift row by row, in every value; name what differs. Nothing is changed.

    Each side makes a number of each row by its own SQL. Without `--day` all rows of a table are compared, in short
    pieces; a table of mode full always is. Rows that Aurora wrote since the table was last read are late, and no
    difference; so are rows that it deleted, where `deletes: keep` keeps them. The day that was the newest when it was
    read reaches up to that moment, as its reading did.
    """
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.proof.engine import compare_tables, comparisons

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
        say_verdicts(verdicts)
    if not all(verdict.equal for verdict in verdicts):
        raise typer.Exit(FAILED)


def say_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print for each table both sides' rows and whether they agree, then what differs."""
    from aurora_dwh.proof.verdict import GONE, LATE

    rows = []
    for verdict in verdicts:
        counts = (verdict.source_rows, verdict.staged_rows, *(verdict.kinds.get(kind, 0) for kind in (LATE, GONE)))
        told, outcome = [f"{count:,}" for count in counts], ("equal", "green")
        if verdict.error:
            told, outcome = [""] * 4, ("not compared", "bold red")
        elif not verdict.equal:
            outcome = ("different", "bold red")
        rows.append([plain(_label(verdict)), *told, outcome])
    say_table(
        ["table", *figures("Aurora", "Redshift", "late", "gone"), ""],
        rows,
        title="Aurora and Redshift, every value of every row",
    )
    for verdict in verdicts:
        for line in (verdict.error, *verdict.differences):
            if line:
                say(plain(f"{_label(verdict)}: {line}"), colour=typer.colors.RED)


def _label(verdict: Verdict) -> str:
    return verdict.table if verdict.day is None else f"{verdict.table} {verdict.day}"


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "table": verdict.table,
        "day": verdict.day and verdict.day.isoformat(),
        "equal": verdict.equal,
        "aurora": {"rows": verdict.source_rows},
        "redshift": {"rows": verdict.staged_rows},
        "kinds": dict(verdict.kinds),
        "differences": verdict.differences,
        "error": verdict.error or None,
    }
