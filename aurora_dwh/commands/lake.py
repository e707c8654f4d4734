"""`aurora-dwh lake`: what lies in the lake, and SQL on it, without Redshift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aurora_dwh.commands.console import AsJson, plain, read_dotenv_of, register, say_json
from aurora_dwh.commands.output import figures, say_table, texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from aurora_dwh.core.models import Manifest
    from aurora_dwh.lake.store import Lake

app = typer.Typer(no_args_is_help=True, help="See what lies in the lake, and ask it in SQL.")

Days = Annotated[
    str | None, typer.Option(metavar="A|A...B", help="A day, YYYY-MM-DD, or each day of a range; without it, all.")
]
_SHOWN_ROWS = 100


def complete_table(context: typer.Context, incomplete: str) -> list[str]:
    """Return the lake's tables that begin so; none where the lake cannot be listed."""
    from aurora_dwh.lake.factory import open_lake

    read_dotenv_of(context)
    try:
        return [name for name in open_lake().tables() if name.startswith(incomplete)]
    except Exception:  # a shell asks, and nobody reads what went wrong
        return []


def ls(as_json: AsJson = False) -> None:
    """List the tables in the lake, with their days and the rows of the last one; days that `keep` removed are apart."""
    from aurora_dwh.lake.factory import open_lake

    lake = open_lake()
    found = [(table, *_days(lake, last), last) for table in lake.tables() if (last := lake.newest(table))]
    if as_json:
        say_json(
            [
                {"table": t, "days": len(d), "pruned": len(gone), "first": str(d[0]), "last": _of_day(last)}
                for t, d, gone, last in found
            ]
        )
        return
    rows = [
        [plain(t), f"{len(d):,}", f"{len(gone):,}", str(d[0]), str(d[-1]), f"{last.rows:,}", f"{last.size:,}"]
        for t, d, gone, last in found
    ]
    title = f"{lake.layout.url(lake.layout.home)}: rows and bytes are the last day's"
    say_table(["table", *figures("days", "pruned", "first", "last", "rows", "bytes")], rows, title=title)


def show(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table in the lake.", autocompletion=complete_table)],
    days: Days = None,
    as_json: AsJson = False,
) -> None:
    """Show the columns of TABLE in the lake, and each of its days: when it was read, its rows, files and bytes."""
    from datetime import date

    from aurora_dwh.core.days import counted
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.lake.parquet import own_columns
    from aurora_dwh.lake.reader import span

    lake = open_lake()
    last = lake.latest(table)
    first_day, last_day = span(days) if days else (date.min, date.max)
    found, repairs = lake.all(table, first_day, last_day), lake.repairs(table)
    _, gone = _days(lake, last)
    pruned = {day: at for day, at in gone.items() if first_day <= day <= last_day}
    comments = {column.target_name: column.comment for column in last.schema.columns}
    fields = [(f.name, str(f.type), comments.get(f.name, "")) for f in own_columns(last.schema.arrow_schema)]
    if as_json:
        say_json(
            {
                "table": table,
                "mode": last.rules and last.rules.mode,
                "key": [*last.rules.key] if last.rules else None,
                "columns": [{"name": name, "type": kind, "comment": text} for name, kind, text in fields],
                "days": [_of_day(manifest) for manifest in found],
                "pruned": [{"day": day.isoformat(), "pruned_at": at.isoformat()} for day, at in pruned.items()],
                "repairs": [_of_day(manifest) for manifest in repairs],
            }
        )
        return
    say_table(["column", "type", *texts("")], [[*map(plain, field)] for field in fields], title=plain(table))
    days_found = [("repair" if m.is_repair else str(m.day), m) for m in (*found, *repairs)]
    say_table(
        ["day", *figures("rows", "files", "bytes"), "read at (UTC)"],
        [
            [day, f"{m.rows:,}", f"{len(m.parts):,}", f"{m.size:,}", f"{m.snapshot_at:%Y-%m-%d %H:%M:%S}"]
            for day, m in days_found
        ],
    )
    if pruned:
        typer.echo(f"{counted(pruned)} pruned, as `keep` says")


def prune(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE", help="A table with `keep`; without it, all of them.", autocompletion=complete_table
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the copies of tables of mode full that were read longer ago than their `keep` says, but for the last.

    Each load of such a table does so too; by hand it is for tables that are loaded no more, or whose `keep` is new.
    """
    from aurora_dwh.catalog.model import Catalog, transforms_folder
    from aurora_dwh.commands.arguments import find_named
    from aurora_dwh.core.days import counted
    from aurora_dwh.lake import pruning
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.transforms.model import read_transforms

    known = [*Catalog.load().tables.values(), *(one.table for one in read_transforms(transforms_folder()))]
    keeps = {one.name: one.keep for one in known if one.keep}
    if table is not None:
        keeps = {table: find_named(keeps, table, "has no `keep`", hint="TABLE")}
    lake = open_lake()
    done = {name: pruning.prune(lake, name, keep, is_dry=dry_run) for name, keep in keeps.items()}
    if as_json:
        say_json(
            [
                {
                    "table": name,
                    "days": [day.day.isoformat() for day in of.days],
                    "objects": of.objects,
                    "bytes": of.size,
                    "removed": not dry_run,
                }
                for name, of in done.items()
            ]
        )
        return
    verb = "would remove" if dry_run else "removed"
    for name, of in done.items():
        what = counted(day.day for day in of.days) if of.days else "nothing"
        typer.echo(f"{plain(name)}: {verb} {what}, {of.objects:,} files of {of.size:,} bytes")
    if not done:
        typer.echo("No table has `keep`, so each copy is kept.")


def sql(
    query: Annotated[str, typer.Argument(metavar="SQL", help="A SELECT in DuckDB's SQL.")],
    days: Days = None,
    limit: Annotated[int, typer.Option(metavar="ROWS", min=1, help="The most rows that are printed.")] = _SHOWN_ROWS,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all rows into a file instead, by its ending .parquet or .csv."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run SQL on tables of the lake.

    `lake.TABLE` has the latest version of each row that the days brought, and `latest.TABLE` that of all rows. Rows
    that a proof found to be gone from the source are in neither.
    """
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.lake.reader import Query, spoken

    if output is not None and output.suffix not in (".parquet", ".csv"):
        raise typer.BadParameter(f"{output} ends with neither .parquet nor .csv", param_hint="--output")
    with spoken():
        found = Query(open_lake()).sql(query, days=days)
        if output is not None:
            (found.write_parquet if output.suffix == ".parquet" else found.write_csv)(str(output))
            return
        rows = found.limit(limit + 1).fetchall()
    if as_json:
        say_json(
            [{name: _plain(value) for name, value in zip(found.columns, row, strict=True)} for row in rows[:limit]]
        )
        return
    say_table(texts(*map(plain, found.columns)), [[plain(_shown(value)) for value in row] for row in rows[:limit]])
    if len(rows) > limit:
        typer.echo("More rows follow; `--limit` shows more of them, and `--output` writes all.")


def _days(lake: Lake, last: Manifest) -> tuple[list[date], dict[date, datetime]]:
    """Return the days of a table that there are, and those that its retention removed, each with the moment."""
    gone = lake.pruned(last.table) if last.rules and last.rules.mode == "full" else {}
    return [day for day in lake.days(last.table) if day not in gone], gone


def _of_day(manifest: Manifest) -> Mapping[str, Any]:
    return {
        "day": manifest.day.isoformat(),
        "rows": manifest.rows,
        "files": len(manifest.parts),
        "bytes": manifest.size,
        "read_at": manifest.snapshot_at.isoformat(),
        "manifest": manifest.url,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers, truth and nothing as themselves, all others as text."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "NULL"
    return value.hex() if isinstance(value, bytes) else str(value)


register(app, ls, examples=("aurora-dwh lake ls", "aurora-dwh lake ls --json"), failed="the lake could not be listed")
register(
    app,
    show,
    examples=(
        "aurora-dwh lake show products_master",
        "aurora-dwh lake show products_master --days 2024-01-01...2024-01-07 --json",
    ),
    failed="the lake has nothing of the table",
)
register(
    app,
    prune,
    examples=("aurora-dwh lake prune --dry-run", "aurora-dwh lake prune --json"),
    failed="S3 refused to remove files",
)
register(
    app,
    sql,
    examples=(
        "aurora-dwh lake sql 'select count(*) from lake.products_master'",
        "aurora-dwh lake sql 'select * from lake.products_master' --days 2024-01-05 --limit 5",
        "aurora-dwh lake sql 'from latest.country' --days 2024-01-05 --output country.parquet",
    ),
    failed="the SQL could not be run",
)
