"""Which days an instance has of assets, asked of many assets at once: a question for each page of them.

Dagster's own call is about one asset, so that whoever asks for each table of a catalog asks as often as it has tables.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import dagster as dg
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import select

from aurora_dwh.instance.details import EVENTS

PAGE: Final = 500
"""Assets of one question; SQLite before 3.32 takes 999 values in a statement."""


def materialized_days(
    instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], days: Collection[str] | None = None
) -> dict[dg.AssetKey, set[str]]:
    """Return which days, of all or some partition keys, were materialized of each asset, and not wiped since."""
    log, found = instance.event_log_storage, {asset: set[str]() for asset in assets}
    if isinstance(log, SqlEventLogStorage):
        every = list(found)
        for start in range(0, len(every), PAGE):
            for asset, day in _rows(log, every[start : start + PAGE], days):
                found[asset].add(day)
    else:
        for asset in found:
            of_it = instance.get_materialized_partitions(asset)
            found[asset] = of_it if days is None else of_it.intersection(days)
    return found


def _rows(
    log: SqlEventLogStorage, assets: Sequence[dg.AssetKey], days: Collection[str] | None
) -> Iterator[tuple[dg.AssetKey, str]]:
    named = {asset.to_string(): asset for asset in assets}
    materialized = EVENTS.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value
    which = EVENTS.partition.is_not(None) if days is None else EVENTS.partition.in_(days)
    query = (
        select(EVENTS.asset_key, EVENTS.partition).where(EVENTS.asset_key.in_(named), materialized, which).distinct()
    )
    # As Dagster's own call does it: what was wiped is there yet and does not count.
    query = log._add_assets_wipe_filter_to_query(query, log._get_assets_details(assets), assets)
    with log.index_connection() as connection:
        rows: Iterable[tuple[str, str]] = connection.execute(query)
        for asset, day in rows:
            yield named[asset], sys.intern(day)  # a day is the same text for all assets
