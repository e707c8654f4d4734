"""Aurora as a Dagster resource: what the assets ask for rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from logging import Logger

import dagster as dg

from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.config import AuroraSettings
from aurora_dwh.handoff import Export, Extract, Window
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window


class AuroraResource(dg.ConfigurableResource[None]):
    """The source database that the AURORA_* variables name. It is only read, in one consistent snapshot for a run."""

    def days(self, table: Table, catalog: Catalog, days: Sequence[date], log: Logger) -> Iterator[Extract | Export]:
        """Yield the days of a table to be written as its `extract` says: by this process, or by Aurora itself.

        Args and errors are those of `extract`.
        """
        if table.extract == "stream":
            yield from self.extract(table, catalog, days, log)
        else:
            yield from open_source(catalog, log.warning).export(table, _windows(table, catalog, days))

    def extract(self, table: Table, catalog: Catalog, days: Sequence[date], log: Logger) -> Iterator[Extract]:
        """Yield the days of a table; nothing is read before the first is asked for.

        Args:
            table: What to read.
            catalog: The catalog that the table belongs to, for its zone and first day.
            days: The days, in order.
            log: Where to warn, as of a cursor without an index.

        Raises:
            SourceError: The source is out of reach, or was lost while rows were read; another attempt may do better.
            DataError: The table cannot be read as the catalog says.
        """
        yield from open_source(catalog, log.warning).extract(table, _windows(table, catalog, days))


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


def _windows(table: Table, catalog: Catalog, days: Sequence[date]) -> list[Window]:
    return [window(day, zone=catalog.zone, start_date=catalog.start_date, lookback=table.lookback) for day in days]
