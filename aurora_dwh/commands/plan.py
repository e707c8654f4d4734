"""`aurora-dwh plan`: every statement that a day of a table would run, in order. Nothing is read or written."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

import typer


def plan(
    table: Annotated[str, typer.Argument(help="A table of the catalog.")],
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; without it, yesterday.")] = None,
) -> None:
    """Print every SQL statement that a day of TABLE would run; run none of them.

    The table's columns are read from Aurora's information_schema.
    """
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    for heading, statements in _sections(table, day.date() if day else None):
        console.rule(heading)
        for statement in statements:
            if console.is_terminal:
                console.print(Syntax(statement + ";", "sql", background_color="default", word_wrap=True))
            else:  # what is piped on must not be broken into lines
                typer.echo(statement + ";")


def _sections(name: str, day: date | None) -> list[tuple[str, list[str]]]:
    from aurora_dwh.catalog import Catalog
    from aurora_dwh.commands.choose import find_table
    from aurora_dwh.config import AuroraSettings, RedshiftSettings
    from aurora_dwh.handoff import Manifest, Part, utc_now
    from aurora_dwh.lake.io_manager import open_lake
    from aurora_dwh.source.connection import connect
    from aurora_dwh.source.extract import Source
    from aurora_dwh.source.windows import window
    from aurora_dwh.warehouse import plan as warehouse_plan
    from aurora_dwh.warehouse.connection import Warehouse
    from aurora_dwh.warehouse.io_manager import staging_target

    catalog = Catalog.load()
    table = find_table(catalog, name)
    day = day or datetime.now(catalog.zone).date() - timedelta(days=1)
    aurora = AuroraSettings.from_env()
    source = Source(lambda: connect(**aurora.connect_arguments()), database=aurora.database, zone=catalog.zone)
    schema = source.schema(table)
    span = window(day, zone=catalog.zone, start_date=catalog.start_date, lookback=table.lookback)

    lake = open_lake().layout
    warehouse = Warehouse(RedshiftSettings.from_env())
    target = staging_target(table, warehouse.settings.staging_schema)
    manifest = Manifest(
        table=table.name,
        url=lake.url(lake.manifest(table.name, day)),
        attempt="plan",
        schema=schema,
        window=span,
        snapshot_at=utc_now(),
        parts=(Part(lake.url(lake.part(table.name, day, "plan", 0)), size=1, rows=1),),
        converted={},
    )
    return [
        (f"Aurora: read {table.name} {day}", [source.statement(table, schema, span)]),
        (f"Redshift: before the first load of {target.label}", warehouse_plan.first_load(target, schema)),
        (f"Redshift: load {day}", warehouse_plan.load_of(warehouse, target, table.mode, manifest)),
    ]
