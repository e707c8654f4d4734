"""Aurora as a Dagster resource: what the assets ask for rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from logging import Logger

import dagster as dg

from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.handoff import Export, Extract
from aurora_dwh.source.opening import open_source, windows


class AuroraResource(dg.ConfigurableResource[None]):
    """The source database that the AURORA_* variables name. It is only read, in one consistent snapshot for a run."""

    def days(self, table: Table, catalog: Catalog, days: Sequence[date], log: Logger) -> Iterator[Extract | Export]:
        """Yield the days of a table to be written as its `extract` says: by this process, or by Aurora itself.

        Args and errors are those of `extract`.
        """
        if table.extract == "stream":
            yield from self.extract(table, catalog, days, log)
        else:
            yield from open_source(catalog, log.warning).export(table, windows(table, catalog, days))

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
        yield from open_source(catalog, log.warning).extract(table, windows(table, catalog, days))
