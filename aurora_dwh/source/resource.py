"""Aurora as a Dagster resource: what the assets ask for rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from logging import Logger

import dagster as dg

from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.config import AuroraSettings
from aurora_dwh.handoff import Extract
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window


class AuroraResource(dg.ConfigurableResource[None]):
    """The source database that the AURORA_* variables name. It is only read, in one consistent snapshot for a run."""

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
        settings = AuroraSettings.from_env()
        source = Source(
            lambda: connect(**settings.connect_arguments()),
            database=settings.database,
            zone=catalog.zone,
            pause_above=catalog.pause_above,
            warn=log.warning,
        )
        windows = [
            window(day, zone=catalog.zone, start_date=catalog.start_date, lookback=table.lookback) for day in days
        ]
        yield from source.extract(table, windows)
