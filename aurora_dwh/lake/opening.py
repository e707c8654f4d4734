"""The lake that the environment names, for whoever has no use for Dagster: it is 40 MB and half a second to import."""

from __future__ import annotations

from aurora_dwh.config import AuroraSettings, LakeSettings
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.purge import Purge
from aurora_dwh.lake.store import Lake


def open_lake(folder: str = "") -> Lake:
    """Return the lake that the environment names.

    Args:
        folder: The folder in it that the tables lie in; without it the one named as the source's database.

    Raises:
        ConfigError: Variables are missing or wrong.
    """
    settings = LakeSettings.from_env()
    return Lake(settings.client(), _layout(settings, folder))


def open_purge() -> Purge:
    """Return what removes days of that lake for good.

    Raises:
        ConfigError: Variables are missing or wrong.
    """
    settings = LakeSettings.from_env()
    return Purge(settings.client(), _layout(settings))


def _layout(settings: LakeSettings, folder: str = "") -> Layout:
    return Layout(settings.bucket, settings.prefix, folder or AuroraSettings.database_from_env())
