"""`aurora-dwh rebuild`: a staging table made anew from the lake or from Aurora, and swapped for the old one."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.arguments import OneTable, find_loaded
from aurora_dwh.commands.console import AsJson, say_json, work

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from datetime import date

    from aurora_dwh.catalog.model import Catalog, Table
    from aurora_dwh.core.models import Manifest
    from aurora_dwh.lake.store import Lake


EXAMPLES = ("aurora-dwh rebuild orders_master", "aurora-dwh rebuild orders_master --from source")


class Origin(str, Enum):
    """Where the rows of the new table come from."""

    LAKE = "lake"
    SOURCE = "source"


def rebuild(
    table: OneTable,
    origin: Annotated[
        Origin,
        typer.Option("--from", help="`lake` loads the days that lie on S3; `source` reads them all from Aurora first."),
    ] = Origin.LAKE,
    as_json: AsJson = False,
) -> None:
    """Make the staging table of TABLE anew and swap it for the old one, with its views and grants.

    For what cannot be changed in place: a column's type, another mode, key, cursor, source, dist_key or sort_key; and
    for a table that is gone or emptied. Readers see the old rows until they see the new ones. With `--from source`,
    rows that Aurora no longer has are not in the new table.
    """
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.warehouse import rebuild as warehouse_rebuild
    from aurora_dwh.warehouse.connection import open_warehouse
    from aurora_dwh.warehouse.load.statements import staging_target

    catalog = Catalog.load()
    wanted = find_loaded(catalog, table)
    if origin is Origin.SOURCE and wanted.name not in catalog.tables:
        remedy = f"materialize lake/{wanted.name} for all of its days, and rebuild it from the lake"
        raise typer.BadParameter(f"{wanted.name} is computed by a transform; {remedy}", param_hint="--from")
    lake, warehouse = open_lake(), open_warehouse()
    target = staging_target(wanted, warehouse.settings.staging_schema)
    loaded = warehouse_rebuild.loaded_days(warehouse, target)
    if origin is Origin.SOURCE:
        _read_again(catalog, wanted, lake, max((*lake.days(wanted.name), *loaded), default=catalog.start_date))
        loaded.clear()  # what lay in days before the first one is in that one now
    with work(f"Loading {target.label}", len(lake.days(wanted.name))) as advance:
        done = warehouse_rebuild.rebuild(
            warehouse,
            lake,
            target,
            wanted.mode,
            lambda: _days(catalog, wanted, lake, loaded),
            table=wanted.name,
            is_read_anew=origin is Origin.SOURCE,
            loaded=lambda days: advance(parts=len(days)),
        )
    advice = ""
    if wanted.deletes != "keep":
        advice = f"Materialize proof/{wanted.name}: rows deleted in Aurora since their day was read are back"
    if as_json:
        days = [day.isoformat() for day in done.days]
        say_json({"table": target.label, "rows": done.rows, "days": days, "advice": advice or None})
        return
    typer.echo(f"{target.label}: {done.rows:,} rows from {len(done.days)} days, now in place of the old table")
    if advice:
        typer.echo(advice)


def _days(catalog: Catalog, table: Table, lake: Lake, loaded: Container[date]) -> Sequence[Manifest]:
    """Return what in the lake the table is made of: its days and its repairs; in mode full, the last day.

    Those before the catalog's first day are of the table where it was loaded with them.

    Raises:
        RulesError: They were read by other rules than the catalog has now, or do not meet.
    """
    from aurora_dwh.core.rules import RulesError, check_days, quoted
    from aurora_dwh.source.coverage import mismatches, told
    from aurora_dwh.source.factory import rules_of_any_source

    days = lake.loadable(table.name, table.mode, lambda day: day >= catalog.start_date or day in loaded)
    if table.name not in catalog.tables:
        return days
    remedy = f"Read them from Aurora again with `aurora-dwh rebuild {quoted(table.name)} --from source`"
    check_days(rules_of_any_source(table, catalog), days, remedy=remedy)
    if found := [*mismatches(table, catalog, (day for day in days if not day.is_repair))]:
        raise RulesError(
            f"lake/{table.name}: days do not meet, as the catalog's zone or first day was another one when some were "
            f"read: {told(found)}; nothing was changed. {remedy}"
        )
    return days


def _read_again(catalog: Catalog, table: Table, lake: Lake, last: date) -> None:
    """Write every day from the first to the last one anew; in mode full, only the last."""
    import logging

    from aurora_dwh.core.days import between
    from aurora_dwh.core.models import utc_now
    from aurora_dwh.orchestration.source import AuroraResource

    first = last if table.mode == "full" else catalog.start_date
    days = between(first, last)
    with work(f"Reading {table.name}", len(days)) as advance:
        log, had = logging.getLogger(__name__), partial(lake.columns, table.name)
        today = utc_now().astimezone(catalog.zone).date()  # which a table may have that is loaded by the hour
        for _ in lake.write_each(AuroraResource().days(table, catalog, days, log, had=had, today=today), is_anew=True):
            advance()
    lake.drop_repairs(table.name)
