"""The sensor that refreshes QuickSight's datasets; when a dataset is due is said by its asset."""

from __future__ import annotations

import dagster as dg


def build_quicksight_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that requests `quicksight/<dataset>` after its marts were rebuilt."""
    return dg.AutomationConditionSensorDefinition(
        "quicksight",
        target=dg.AssetSelection.groups("quicksight"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes each SPICE dataset when one of its marts was rebuilt and none is being built.",
    )
