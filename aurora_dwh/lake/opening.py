"""The lake that the environment names, for whoever has no use for Dagster: it is 40 MB and half a second to import."""

from __future__ import annotations

from aurora_dwh.config import AuroraSettings, LakeSettings
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.purge import Purge
from aurora_dwh.lake.store import Lake


def open_lake() -> Lake:
    """Return the lake that the environment names.

    Raises:
        ConfigError: Variables are missing or wrong.
    """
    settings = LakeSettings.from_env()
    return Lake(settings.client(), _layout(settings))


def open_purge() -> Purge:
    """Return what removes days of that lake for good.

    Raises:
        ConfigError: Variables are missing or wrong.
    """
    settings = LakeSettings.from_env()
    return Purge(settings.client(), _layout(settings))


def _layout(settings: LakeSettings) -> Layout:
    return Layout(settings.bucket, settings.prefix, AuroraSettings.database_from_env())
