"""What the graph and the sensors need of Dagster that it does not export; what its services need is beside them here.

Read for Dagster 1.13; `pyproject.toml` bounds the version, and the tests of each use say where another one differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._utils.schedules import cron_string_iterator

__all__ = ["AssetGraph", "cron_moments"]


def cron_moments(cron: str, zone: str, since: datetime) -> Iterator[datetime]:
    """Yield the moments of a schedule in order, beginning with `since` where it is one of them."""
    yield from cron_string_iterator(since.timestamp(), cron, zone)
