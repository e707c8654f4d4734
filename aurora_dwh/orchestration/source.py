"""Aurora as a Dagster resource: what the assets ask for rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from logging import Logger

import dagster as dg
from pydantic import PrivateAttr

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Export, Extract
from aurora_dwh.core.rules import Rules
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.source.factory import read_days


class AuroraResource(dg.ConfigurableResource[None]):
    """The source database that the AURORA_* variables name. It is only read, each time in one snapshot."""

    _settings: Callable[[], AuroraSettings] = PrivateAttr(default_factory=lambda: AuroraSettings.from_env)

    @staticmethod
    def of(settings: Callable[[], AuroraSettings]) -> AuroraResource:
        """Return the resource of a source that settings name, which are asked for at each reading."""
        made = AuroraResource()
        made._settings = settings
        return made

    def days(
        self,
        table: Table,
        catalog: Catalog,
        days: Sequence[date],
        log: Logger,
        known: Callable[[Sequence[date]], Mapping[date, int]] = lambda _: {},
        had: Callable[[Rules], Sequence[str]] = lambda _: (),
        today: date | None = None,
    ) -> Iterator[Extract | Export]:
        """Yield the days of a table to be written, as `source.factory.read_days` does."""
        yield from read_days(table, catalog, days, log.warning, known, had, self._settings, today)
