"""The source that settings name, those of the environment by default, and what of a table is read by what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Export, Extract, Lookup, Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.settings.config import AuroraSettings, ConfigError
from aurora_dwh.source.connection import open_session
from aurora_dwh.source.extract import Source
from aurora_dwh.source.lookup import make_lookup
from aurora_dwh.source.windows import days_reached, window


def open_source(
    catalog: Catalog,
    warn: Callable[[str], None],
    settings: Callable[[], AuroraSettings] = AuroraSettings.from_env,
    today: date | None = None,
) -> Source:
    """Return the source; nothing is opened yet.

    Args:
        catalog: The catalog, for its zone and its limits.
        today: The running day, which is read as far as it is; None where each day's end is awaited.

    Raises:
        ConfigError: Settings are missing or wrong.
    """
    aurora = settings()
    return Source(
        partial(open_session, aurora),
        database=aurora.database,
        zone=catalog.zone,
        pause_above=catalog.pause_above,
        warn=warn,
        today=today,
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


def rules(table: Table, catalog: Catalog, settings: Callable[[], AuroraSettings] = AuroraSettings.from_env) -> Rules:
    """Return what shapes the rows of a table that are read of that source now."""
    return Rules.of(table, catalog, source=settings().source_name(), mask_key=_mask_key(table, settings))


def rules_of_any_source(
    table: Table, catalog: Catalog, settings: Callable[[], AuroraSettings] = AuroraSettings.from_env
) -> Rules:
    """Return what shapes a table's rows as the catalog and the mask's key are now, whatever source they are of."""
    return Rules.of(table, catalog, source=None, mask_key=_mask_key(table, settings))


def _mask_key(table: Table, settings: Callable[[], AuroraSettings]) -> str | None:
    """Return the fingerprint of the key of `mask: hmac`, None where the table has no such mask.

    Raises:
        ConfigError: There is no key, or it cannot be had.
    """
    if not table.keyed:
        return None
    try:
        return settings().find_mask_key().fingerprint
    except ConfigError as error:
        named = f"table {table.name}, mask of {', '.join(table.keyed)}"
        raise ConfigError([f"{named}: {problem}" for problem in error.problems]) from None


def lookup(
    table: Table, schema: TableSchema, settings: Callable[[], AuroraSettings] = AuroraSettings.from_env
) -> Lookup | None:
    """Return how that source is asked for rows of an earlier reading, None where nothing tells them apart."""
    return make_lookup(lambda: open_session(settings()), schema, table)


def read_days(
    table: Table,
    catalog: Catalog,
    days: Sequence[date],
    warn: Callable[[str], None],
    known: Callable[[Sequence[date]], Mapping[date, int]] = lambda _: {},
    had: Callable[[Rules], Sequence[str]] = lambda _: (),
    settings: Callable[[], AuroraSettings] = AuroraSettings.from_env,
    today: date | None = None,
) -> Iterator[Extract | Export]:
    """Yield the days of a table to be written as its `extract` says: by this process, or by Aurora itself.

    Args:
        catalog: The catalog that the table belongs to, for its zone and first day.
        warn: Takes what an operator should know, as of a cursor without an index.
        known: Returns how many rows days had when they were last read, those that never were left out. Earlier days
            that the table's lookback reaches into come first, where they have another number now.
        had: Takes the table's rules and returns the columns that it had when it was last read; one that the user may
            not read any more is an error.
        today: The running day, which is read as far as it is; None where each day's end is awaited.

    Raises:
        SourceError: The source is out of reach, or was lost while rows were read; another attempt may do better.
        DataError: The table cannot be read as the catalog says.
    """
    source, by = open_source(catalog, warn, settings, today), rules(table, catalog, settings)
    asked = windows(table, catalog, days)
    rows = known(earlier) if (earlier := counted_again(table, catalog, days)) else {}
    again = list(zip(windows(table, catalog, sorted(rows)), (rows[day] for day in sorted(rows)), strict=True))
    read: Callable[..., Iterator[Extract | Export]] = source.extract if table.extract == "stream" else source.export
    for reading in read(table, asked, again, had(by)):
        reading.rules, reading.lookup = by, lookup(table, reading.schema, settings)
        yield reading
