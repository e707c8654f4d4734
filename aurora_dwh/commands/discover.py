"""`aurora-dwh discover`: reads information_schema and adds the database's tables to the catalog."""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.speech import say_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_dwh.commands.catalog_edit import CatalogFile
    from aurora_dwh.commands.suggest import Index, Suggestion, TableFacts
    from aurora_dwh.source.connection import Connection


def discover(
    database: Annotated[str | None, typer.Option(help="The database. Default: AURORA_DATABASE.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="The catalog's file. Default: AURORA_DWH_CATALOG, or catalog.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found for scripts.")] = False,
) -> None:
    """Add the source's tables to the catalog, with keys, cursors and warnings. Those already in it are left alone."""
    from aurora_dwh.catalog import CATALOG_VARIABLE, Catalog
    from aurora_dwh.commands.catalog_edit import CatalogFile
    from aurora_dwh.commands.suggest import suggest
    from aurora_dwh.config import AuroraSettings
    from aurora_dwh.source.connection import connect
    from aurora_dwh.source.discovery import read_tables

    settings = AuroraSettings.from_env(os.environ | ({"AURORA_DATABASE": database} if database else {}))
    path = output or Path(os.environ.get(CATALOG_VARIABLE) or "catalog.yaml")
    file = CatalogFile(path, start=datetime.now(timezone.utc).date().replace(month=1, day=1))
    connection = connect(**settings.connect_arguments())
    try:
        found = read_tables(connection, settings.database)
        new = [name for name in found if name not in file.tables]
        added = [suggest(facts) for facts in read_facts(connection, settings.database, new)]
    finally:
        connection.close()
    gone = [name for name in file.tables if name not in found]
    if added:
        file.add(added)
        file.save()
    (_say_for_scripts if as_json else _say)(file, added, gone)
    if file.tables:
        Catalog.load(path)
    if not as_json and not os.environ.get(CATALOG_VARIABLE):
        typer.echo(f"The catalog in use is the packaged one until you set {CATALOG_VARIABLE}={path}")


def read_facts(connection: Connection, database: str, tables: Iterable[str]) -> list[TableFacts]:
    """Return what decides how each table is copied."""
    from aurora_dwh.commands.suggest import TableFacts
    from aurora_dwh.source.discovery import read_schema

    indexes, touched = _indexes(connection, database), _touched(connection, database)
    return [
        TableFacts(read_schema(connection, database, name), tuple(indexes[name]), frozenset(touched[name]))
        for name in tables
    ]


def _indexes(connection: Connection, database: str) -> defaultdict[str, list[Index]]:
    from aurora_dwh.commands.suggest import Index
    from aurora_dwh.source.connection import execute

    rows = execute(
        connection,
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        (database,),
    )
    columns: dict[tuple[str, str, bool], list[str | None]] = {}
    for table, index, non_unique, column in rows:
        place = (_text(table), _text(index), not int(non_unique))
        columns.setdefault(place, []).append(None if column is None else _text(column))
    found: defaultdict[str, list[Index]] = defaultdict(list)
    for (table, _, unique), names in columns.items():
        plain = tuple(name for name in names if name is not None)
        if len(plain) == len(names):  # an index on an expression has parts without a name
            found[table].append(Index(plain, unique))
    return found


def _touched(connection: Connection, database: str) -> defaultdict[str, set[str]]:
    from aurora_dwh.source.connection import execute

    rows = execute(
        connection,
        "SELECT TABLE_NAME, COLUMN_NAME, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s",
        (database,),
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    for table, column, extra in rows:
        if "on update" in _text(extra or "").lower():
            found[_text(table)].add(_text(column))
    return found


def _text(value: str | bytes) -> str:
    """Return text as text: MySQL 8 gives some columns of information_schema as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _say(file: CatalogFile, added: list[Suggestion], gone: list[str]) -> None:
    for suggestion in added:
        typer.echo(f"added {suggestion.table} ({suggestion.fields['mode']})")
        for warning in suggestion.warnings:
            typer.secho(f"  {warning}", fg=typer.colors.YELLOW)
    for name in gone:
        typer.secho(f"{name} is in the catalog and not in the database", fg=typer.colors.YELLOW)
    typer.echo(f"{file.path}: {len(added)} added, {len(file.tables)} in all")


def _say_for_scripts(file: CatalogFile, added: list[Suggestion], gone: list[str]) -> None:
    tables = [{"table": s.table, "fields": s.fields, "warnings": s.warnings} for s in added]
    say_json({"catalog": str(file.path), "added": tables, "not_in_database": gone, "tables": file.tables})
