"""`aurora-dwh purge`: days of a table removed from the lake for good, versions of a versioned bucket included."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.arguments import complete_table, parse_range
from aurora_dwh.commands.console import AsJson, say_json
from aurora_dwh.commands.output import say

if TYPE_CHECKING:
    from aurora_dwh.lake.purge import Found

EXAMPLES = (
    "aurora-dwh purge orders_master --days 2024-01-05",
    "aurora-dwh purge orders_master --days 2024-01-01...2024-01-31",
    "aurora-dwh purge orders_master --days all --yes",
)

ALL = "all"

Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="A table's name in the source; the catalog need not have it any more.",
        autocompletion=complete_table,
    ),
]


def purge(
    table: Table,
    days: Annotated[
        str, typer.Option(metavar="A|A...B|all", help="A day, YYYY-MM-DD, each day of a range, or all that there are.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal to ask on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove days of TABLE from the lake for good, with every version of their files that the bucket keeps.

    What there is is listed, and removed when that is confirmed. The staging table keeps its rows, and Dagster shows the
    days as materialized; to have a day in the lake again, materialize it, which reads it from Aurora.
    """
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.lake.purge import Purge

    chosen, lake = _chosen(days), open_lake()
    purged = Purge(lake.client, lake.layout)
    found = purged.find(table, chosen)
    if not as_json:
        _say(table, days, found)
    if found.versions:
        if not (yes or _is_asked()):
            raise typer.BadParameter("there is no terminal to ask on, so nothing was removed", param_hint="--yes")
        if not yes:
            typer.confirm("Remove all of this for good?", abort=True)
        purged.remove(found.versions)
    if as_json:
        say_json(
            {
                "table": table,
                "objects": found.objects,
                "versions": len(found.versions),
                "bytes": found.size,
                "out_of_reach": found.out_of_reach,
                "shared": found.shared,
            }
        )
    elif found.versions:
        typer.echo(f"Removed {len(found.versions):,} versions for good.")


def _chosen(text: str) -> list[date] | None:
    """Return the days of `A` or `A...B`, whether the catalog has them or not; None for all of them."""
    if text == ALL:
        return None
    try:
        return parse_range(text, date.fromisoformat, hint="--days")
    except ValueError:
        wanted = "a day as YYYY-MM-DD, a range as A...B, or all"
        raise typer.BadParameter(f"{text!r} is not days; write {wanted}", param_hint="--days") from None


def _say(table: str, days: str, found: Found) -> None:
    """Print what there is: each object once, with how many versions of it are kept."""
    kept: dict[str, int] = {}
    for version in found.versions:
        kept[version.key] = kept.get(version.key, 0) + 1
    for key, versions in kept.items():
        typer.echo(key + (f" ({versions} versions)" if versions > 1 else ""))
    typer.echo(
        f"{table} {days}: {found.objects:,} objects, {len(found.versions):,} versions in all, {found.size:,} bytes"
    )
    if found.shared:
        typer.echo(f"{len(found.shared):,} files stay, as days that are not removed are of the same reading")
    for url in found.out_of_reach:
        say(f"{url} lies in another bucket and is left there", colour=typer.colors.YELLOW, err=True)


def _is_asked() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty()
