"""`aurora-dwh discover`: reads information_schema and adds the database's tables to the catalog."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.console import AsJson, plain, say_json, work
from aurora_dwh.commands.output import say, say_table, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aurora_dwh.commands.catalog_edit import CatalogFile
    from aurora_dwh.commands.suggest import Suggestion
    from aurora_dwh.core.schema import TableSchema
    from aurora_dwh.settings.config import AuroraSettings

EXAMPLES = (
    "aurora-dwh discover --output catalog.yaml",
    "aurora-dwh discover --database shop --output shop.yaml",
    "aurora-dwh discover --tables 'order*'",
    "aurora-dwh discover --json",
)


@dataclass
class Found:
    """What a run of `discover` came upon."""

    added: list[Suggestion] = field(default_factory=list)  # the tables that were added to the catalog
    refused: dict[str, str] = field(default_factory=dict)  # tables that cannot be copied -> the reason
    # the views that the catalog does not have, which stand in it as comments
    views: list[Suggestion] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  # tables of the catalog that the database does not have
    ignored: list[str] = field(default_factory=list)  # tables and views that the catalog's `ignore` leaves out


def discover(
    database: Annotated[
        str | None, typer.Option(metavar="NAME", help="The database. Default: AURORA_DATABASE.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The catalog's file. Default: AURORA_DWH_CATALOG, or catalog.yaml."),
    ] = None,
    tables: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Only the tables and views of such names, as 'sales_*'. Default: all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the source's tables to the catalog, with keys, cursors and warnings. Those already in it are left alone.

    Tables with a column that says when a row was last written are copied day by day, logs are appended, and all others
    are copied whole, which is always right. Comments in the file say why, what to look at, and which tables cannot be
    copied. Views stand there as comments too, each to be copied once its # is taken away. What `ignore` in the file
    names is left out. No row is read.
    """
    from aurora_dwh.catalog.model import CATALOG_VARIABLE, Catalog
    from aurora_dwh.settings.config import AuroraSettings

    settings = AuroraSettings.from_env(os.environ | ({"AURORA_DATABASE": database} if database else {}))
    path = output or Path(os.environ.get(CATALOG_VARIABLE) or "catalog.yaml")
    file, found = _discover(settings, path, None, tables)
    if found.added or found.refused or found.views:
        file.save()
    (_say_for_scripts if as_json else _say)(file, found)
    if file.tables:
        Catalog.load(path)
    if not as_json and not os.environ.get(CATALOG_VARIABLE):
        typer.echo(f"The catalog in use is the packaged one until you set {CATALOG_VARIABLE}={path}")


def add_tables(
    settings: AuroraSettings, path: Path, *, zone: str | None, pattern: str | None = None
) -> tuple[CatalogFile, Callable[[], None]]:
    """Return a catalog's file with a database's tables added, not saved yet, and a function that tells of them.

    Args:
        zone: The zone of a new file; None is the database's, or UTC.
        pattern: Which of them, by their names; None for all.

    Raises:
        BadParameter: The database has no table of such a name.
    """
    file, found = _discover(settings, path, zone, pattern)
    return file, partial(_say, file, found)


def _discover(
    settings: AuroraSettings, path: Path, zone: str | None, pattern: str | None = None
) -> tuple[CatalogFile, Found]:
    from pymysql.err import MySQLError

    from aurora_dwh.commands.catalog_edit import CatalogFile
    from aurora_dwh.commands.schema_facts import read_facts, read_zone
    from aurora_dwh.commands.suggest import suggest, suggest_view
    from aurora_dwh.core.models import DataError
    from aurora_dwh.source.connection import SourceError, open_session
    from aurora_dwh.source.discovery import as_stored, read_schema, read_tables, read_views
    from aurora_dwh.source.sessions import Sessions, describe

    schemas: dict[str, TableSchema] = {}
    with closing(Sessions(partial(open_session, settings))) as sessions:
        yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
        start = yesterday.replace(day=1)  # a month that has a whole day to load already
        with sessions.session() as connection:
            file = CatalogFile(path, start=start, zone=zone or read_zone(connection))
            views = read_views(connection, settings.database)
            names = (*read_tables(connection, settings.database), *views)
            stored = as_stored(connection, names)
            known = {stored(name): name for name in file.tables}
            wanted = _wanted(names, pattern)
            new = [name for name in wanted if name not in known]
            copied = {there: name for there, name in known.items() if name not in file.queries}
            found = Found(
                gone=[name for there, name in copied.items() if there not in names],
                ignored=[name for name in new if file.is_ignored(name)],
            )
            new = [name for name in new if name not in found.ignored]
            facts = read_facts(connection, settings.database)
        with work(f"Reading {settings.database}", len(new)) as advance:
            for name in new:
                try:
                    with sessions.session() as connection:
                        schemas[name] = read_schema(connection, settings.database, name)
                except (DataError, SourceError) as error:
                    found.refused[name] = str(error)
                except MySQLError as error:
                    found.refused[name] = describe(error)
                advance(f"Read {name}")
    suggested = ((suggest_view if name in views else suggest)(facts.of(s)) for name, s in schemas.items())
    suggestions = _with_targets(suggested, file.targets)
    return _offered(file, list(suggestions), schemas, found), found


def _wanted(names: Sequence[str], pattern: str | None) -> list[str]:
    """Return the names that a pattern is of, all without one; raises BadParameter where it is of none."""
    from aurora_dwh.commands.arguments import find_named

    if pattern is None:
        return [*names]
    wanted = [name for name in names if fnmatchcase(name, pattern)]
    if not wanted:
        find_named(dict.fromkeys(names), pattern, "is no table of the database", hint="--tables")
    return wanted


def _offered(
    file: CatalogFile, suggestions: Sequence[Suggestion], schemas: Mapping[str, TableSchema], found: Found
) -> CatalogFile:
    """Return the file with every table that the product can copy as the file then says; note which ones those are.

    Raises:
        CatalogError: The file had problems of its own before.
    """
    while True:
        left = [suggestion for suggestion in suggestions if suggestion.table not in found.refused]
        draft = copy(file)
        draft.add([replace(suggestion, is_view=False) for suggestion in left], found.refused)
        refused = _refusals(draft, {suggestion.table: schemas[suggestion.table] for suggestion in left})
        if not refused:
            break
        found.refused |= refused
    found.added, found.views = ([s for s in left if s.is_view is is_view] for is_view in (False, True))
    offered = copy(file)
    offered.add(left, found.refused)
    return offered


def _refusals(draft: CatalogFile, schemas: Mapping[str, TableSchema]) -> dict[str, str]:
    """Return which of the tables the product would not read in a file, or not copy as the file says, and why."""
    from aurora_dwh.catalog.errors import CatalogError
    from aurora_dwh.core.models import DataError
    from aurora_dwh.source.selection import selected

    if not schemas:
        return {}
    try:
        catalog = draft.read()
    except CatalogError as error:
        refused = {str(p.table): p.message for p in error.problems if p.table in schemas}
        if not refused:
            raise
        return refused
    refused = {}
    for name, schema in schemas.items():
        try:
            selected(schema, catalog.tables[name])
        except DataError as error:
            refused[name] = str(error).removeprefix(f"table {name}: ")
    return refused


def _with_targets(suggestions: Iterable[Suggestion], taken: Iterable[str]) -> Iterator[Suggestion]:
    """Yield suggestions with a name in Redshift of their own, where the table's cannot be one or is another one's."""
    from aurora_dwh.core.schema import IDENTIFIER_LIMIT, TEMPORARY, fold

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
    if found.added:
        rows = []
        for suggestion in found.added:
            fields = suggestion.fields
            cells = (suggestion.table, fields["mode"], ", ".join(fields.get("key", ())), fields.get("cursor", ""))
            rows.append([*map(plain, cells), ("\n".join(suggestion.warnings), "yellow")])
        say_table(["table", "mode", "key", "cursor", *texts("look at")], rows)
    for name, reason in found.refused.items():
        say(plain(f"{name} is not copied: {reason}"), colour=typer.colors.YELLOW)
    for name in found.gone:
        say(f"{plain(name)} is in the catalog and not in the database", colour=typer.colors.YELLOW)
    if found.views:
        typer.echo(f"Views are offered as comments: {plain(', '.join(view.table for view in found.views))}")
    modes = Counter(suggestion.fields["mode"] for suggestion in found.added)
    counted = ", ".join(f"{count} {mode}" for mode, count in modes.most_common())
    ignored = f", {len(found.ignored)} ignored" if found.ignored else ""
    added = f"{len(found.added)} added{counted and f' ({counted})'}"
    typer.echo(f"{file.path}: {added}{ignored}, {len(file.tables)} in all")


def _say_for_scripts(file: CatalogFile, found: Found) -> None:
    added = [
        {"table": s.table, "fields": s.fields, "reason": s.reason or None, "warnings": s.warnings} for s in found.added
    ]
    say_json(
        {
            "catalog": str(file.path),
            "added": added,
            "refused": found.refused,
            "views": [view.table for view in found.views],
            "not_in_database": found.gone,
            "ignored": found.ignored,
            "tables": file.tables,
        }
    )
