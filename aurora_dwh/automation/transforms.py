"""When transforms are computed: each as soon as the day of all that it reads has landed, as marts by day are."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from aurora_dwh.assets.names import PLAIN, Names


def build_transform_sensor(
    *, transforms: Sequence[dg.AssetKey], names: Names = PLAIN
) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that computes transforms by their conditions.

    Args:
        transforms: Their assets, in the lake and in Redshift.
        names: What the sensor is called.
    """
    return dg.AutomationConditionSensorDefinition(
        names.of_project("transforms"),
        target=dg.AssetSelection.assets(*transforms),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Computes a transform's day once all that it reads has it, and again where it was read again.",
    )
