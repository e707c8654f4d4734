"""The source that the environment names, for whoever has no use for Dagster, and what of a table is read by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.config import AuroraSettings
from aurora_dwh.handoff import Lookup, Window
from aurora_dwh.rules import Rules
from aurora_dwh.schema import TableSchema
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.lookup import make_lookup
from aurora_dwh.source.windows import days_reached, window


def open_source(catalog: Catalog, warn: Callable[[str], None]) -> Source:
    """Return the source that the AURORA_* variables name; nothing is opened yet.

    Args:
        catalog: The catalog, for its zone and its limits.
        warn: Takes what an operator should know.

    Raises:
        ConfigError: Variables are missing or wrong.
    """
    settings = AuroraSettings.from_env()
    return Source(
        lambda: connect(**settings.connect_arguments()),
        database=settings.database,
        zone=catalog.zone,
        pause_above=catalog.pause_above,
        warn=warn,
    )


def windows(table: Table, catalog: Catalog, days: Sequence[date]) -> list[Window]:
    """Return what of a table belongs to each of the days."""
    lookback = table.lookback if table.mode == "incremental" else timedelta(0)  # else a day is one with its window
    return [window(day, zone=catalog.zone, start_date=catalog.start_date, lookback=lookback) for day in days]


def counted_again(table: Table, catalog: Catalog, days: Sequence[date]) -> list[date]:
    """Return the days that a load of others counts again, and reads again where their rows are fewer or more.

    In mode append they are those that the lookback of the first day reaches into, where a day is replaced as one unit.
    """
    if table.mode != "append":
        return []
    return days_reached(min(days), zone=catalog.zone, start_date=catalog.start_date, lookback=table.lookback)


def rules(table: Table, catalog: Catalog) -> Rules:
    """Return what shapes the rows of a table that are read of that source now."""
    return Rules.of(table, catalog, source=AuroraSettings.from_env().source_name())


def lookup(table: Table, schema: TableSchema) -> Lookup | None:
    """Return how that source is asked for rows of an earlier reading, None where nothing tells them apart."""
    return make_lookup(lambda: connect(**AuroraSettings.from_env().connect_arguments()), schema, table)
