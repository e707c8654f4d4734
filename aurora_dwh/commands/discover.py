"""`aurora-dwh discover`: reads information_schema and adds the database's tables to the catalog."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.speech import AsJson, plain, say_json, work

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aurora_dwh.commands.catalog_edit import CatalogFile
    from aurora_dwh.commands.suggest import Suggestion
    from aurora_dwh.config import AuroraSettings

EXAMPLES = (
    "aurora-dwh discover --output catalog.yaml",
    "aurora-dwh discover --database shop --output shop.yaml",
    "aurora-dwh discover --json",
)


@dataclass
class Found:
    """What a run of `discover` came upon.

    Attributes:
        added: The tables that were added to the catalog.
        views: The database's views, which are not copied.
        gone: Tables of the catalog that the database does not have.
    """

    added: list[Suggestion] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def discover(
    database: Annotated[
        str | None, typer.Option(metavar="NAME", help="The database. Default: AURORA_DATABASE.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The catalog's file. Default: AURORA_DWH_CATALOG, or catalog.yaml."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the source's tables to the catalog, with keys, cursors and warnings. Those already in it are left alone.

    Tables with a column that says when a row was last written are copied day by day, logs are appended, and all others
    are copied whole, which is always right. Comments in the file say why, and what to look at. No row is read.
    """
    from aurora_dwh.catalog import CATALOG_VARIABLE, Catalog
    from aurora_dwh.config import AuroraSettings

    settings = AuroraSettings.from_env(os.environ | ({"AURORA_DATABASE": database} if database else {}))
    path = output or Path(os.environ.get(CATALOG_VARIABLE) or "catalog.yaml")
    file, found = _discover(settings, path)
    if found.added:
        file.add(found.added)
        file.save()
    (_say_for_scripts if as_json else _say)(file, found)
    if file.tables:
        Catalog.load(path)
    if not as_json and not os.environ.get(CATALOG_VARIABLE):
        typer.echo(f"The catalog in use is the packaged one until you set {CATALOG_VARIABLE}={path}")


def _discover(settings: AuroraSettings, path: Path) -> tuple[CatalogFile, Found]:
    from aurora_dwh.commands.catalog_edit import CatalogFile
    from aurora_dwh.commands.facts import read_facts, read_views, read_zone
    from aurora_dwh.commands.suggest import suggest
    from aurora_dwh.source.connection import connect
    from aurora_dwh.source.discovery import as_stored, read_tables

    with closing(connect(**settings.connect_arguments())) as connection:
        yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
        start = yesterday.replace(day=1)  # a month that has a whole day to load already
        file = CatalogFile(path, start=start, zone=read_zone(connection))
        names = read_tables(connection, settings.database)
        stored = as_stored(connection, names)
        known = {stored(name): name for name in file.tables}
        new = [name for name in names if name not in known]
        found = Found(
            views=read_views(connection, settings.database),
            gone=[name for there, name in known.items() if there not in names],
        )
        with work(f"Reading {settings.database}", len(new)) as advance:
            for facts in read_facts(connection, settings.database, new):
                found.added.append(suggest(facts))
                advance(f"Read {facts.schema.table}")
    found.added = list(_with_targets(found.added, file.targets))
    return file, found


def _with_targets(suggestions: Iterable[Suggestion], taken: Iterable[str]) -> Iterator[Suggestion]:
    """Yield suggestions with a name in Redshift of their own, where the table's cannot be one or is another one's."""
    from aurora_dwh.schema import IDENTIFIER_LIMIT, TEMPORARY, fold

    used = set(taken)
    for suggestion in suggestions:
        name = fold(suggestion.table).encode()[:IDENTIFIER_LIMIT].decode(errors="ignore")
        name = target = name.replace(TEMPORARY, "_", 1) if name.startswith(TEMPORARY) else name
        number = 1
        while target in used:
            number += 1
            target = f"{name.encode()[: IDENTIFIER_LIMIT - 8].decode(errors='ignore')}_{number}"
        used.add(target)
        if target != fold(suggestion.table):
            suggestion = replace(suggestion, fields={**suggestion.fields, "target_table": target})
        yield suggestion


def _say(file: CatalogFile, found: Found) -> None:
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    if found.added:
        grid = Grid("table", "mode", "key", "cursor", "look at")
        for suggestion in found.added:
            fields = suggestion.fields
            cells = (suggestion.table, fields["mode"], ", ".join(fields.get("key", ())), fields.get("cursor", ""))
            grid.add_row(*(Text(plain(cell)) for cell in cells), Text("\n".join(suggestion.warnings), style="yellow"))
        Console().print(grid)
    for name in found.gone:
        typer.secho(f"{plain(name)} is in the catalog and not in the database", fg=typer.colors.YELLOW)
    if found.views:
        typer.echo(f"Views are not copied: {plain(', '.join(found.views))}")
    modes = Counter(suggestion.fields["mode"] for suggestion in found.added)
    counted = ", ".join(f"{count} {mode}" for mode, count in modes.most_common())
    typer.echo(f"{file.path}: {len(found.added)} added{counted and f' ({counted})'}, {len(file.tables)} in all")


def _say_for_scripts(file: CatalogFile, found: Found) -> None:
    added = [
        {"table": s.table, "fields": s.fields, "reason": s.reason or None, "warnings": s.warnings} for s in found.added
    ]
    say_json(
        {
            "catalog": str(file.path),
            "added": added,
            "views": found.views,
            "not_in_database": found.gone,
            "tables": file.tables,
        }
    )
