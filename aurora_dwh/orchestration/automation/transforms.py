"""When transforms are computed: each as soon as the day of all that it reads has landed, as marts by day are.

And a job to compute them by hand, which the sensor `gaps` takes for days that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.assets.names import PLAIN, Names

if TYPE_CHECKING:
    from aurora_dwh.transforms.model import Transform


def build_transform_sensor(
    *, transforms: Sequence[dg.AssetKey], names: Names = PLAIN
) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that computes transforms by their conditions."""
    return dg.AutomationConditionSensorDefinition(
        names.of_project("transforms"),
        target=dg.AssetSelection.assets(*transforms),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Computes a transform's day once all that it reads has it, and again where it was read again.",
    )


def transform_keys(transforms: Iterable[Transform], names: Names = PLAIN) -> list[dg.AssetKey]:
    """Return the assets of transforms, in the lake and in Redshift."""
    return [
        names.key(layer, one.name)
        for one in transforms
        for layer in (("lake", "staging") if one.header.staging else ("lake",))
    ]


def build_transform_job(
    *, transforms: Sequence[dg.AssetKey], partitions: dg.DailyPartitionsDefinition, names: Names = PLAIN
) -> dg.UnresolvedAssetJobDefinition:
    """Return the job that computes every transform, for people and programs that do not wait for the sensor."""
    return dg.define_asset_job(
        names.of_project("transforms"),
        selection=dg.AssetSelection.assets(*transforms),
        executor_def=stoppable_in_process_executor,
        description="Computes every transform for the days of the run, from what is in the lake.",
        partitions_def=partitions,
    )
