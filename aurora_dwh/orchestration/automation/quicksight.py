"""The sensor that refreshes QuickSight's datasets; when a dataset is due is said by its asset."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from aurora_dwh.orchestration.assets.names import PLAIN, Names


def build_quicksight_sensor(
    *, datasets: Sequence[dg.AssetKey], names: Names = PLAIN
) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that requests `quicksight/<dataset>` after its marts were rebuilt."""
    return dg.AutomationConditionSensorDefinition(
        names.of_project("quicksight"),
        target=dg.AssetSelection.assets(*datasets),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes each SPICE dataset when one of its marts was rebuilt and none is being built.",
    )
