"""What a run's partitions are in the lake, which knows days: Dagster's keys and the days that they stand for."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

import dagster as dg

from aurora_dwh.core.frames import FrameError
from aurora_dwh.core.models import Window

_DAY = timedelta(days=1)


def windows(context: dg.InputContext | dg.OutputContext) -> dict[str, Window]:
    """Return the day of each of the asset's partitions in the run, by its key; none of an asset without partitions.

    Raises:
        FrameError: Its partitions are not days, nor weeks or months, which lie under their first day.
    """
    if not context.has_asset_partitions:
        return {}
    partitions = context.asset_partitions_def
    found = {key: _window(context.asset_key, partitions, key) for key in context.asset_partition_keys}
    if len({window.day for window in found.values()}) < len(found):
        raise _no_days(context.asset_key, partitions)
    return found


def _window(asset: dg.AssetKey, partitions: dg.PartitionsDefinition, key: str) -> Window:
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        span = partitions.time_window_for_partition_key(key)
        if span.start.time() != time():
            raise _no_days(asset, partitions)
        return Window(span.start.date(), span.start.astimezone(timezone.utc), span.end.astimezone(timezone.utc))
    try:
        day = date.fromisoformat(key)
    except ValueError:
        raise _no_days(asset, partitions) from None
    start = datetime.combine(day, time(), timezone.utc)
    return Window(day, start, start + _DAY)


def _no_days(asset: dg.AssetKey, partitions: dg.PartitionsDefinition) -> FrameError:
    return FrameError(
        f"{asset.to_user_string()}: its partitions are {type(partitions).__name__}, and the lake has days; partition "
        "it by days, weeks or months, or by keys such as 2024-01-31"
    )
