"""The lake that settings name, those of the environment by default.

It is for whoever has no use for Dagster, which is 40 MB and half a second to import.
"""

from __future__ import annotations

from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.purge import Purge
from aurora_dwh.lake.store import Lake
from aurora_dwh.servers import ENVIRONMENT, Servers


def open_lake(servers: Servers = ENVIRONMENT, folder: str = "") -> Lake:
    """Return a project's lake.

    Args:
        servers: Where the project reaches it.
        folder: The folder in it that the tables lie in; without it the one named as the source's database.

    Raises:
        ConfigError: Settings are missing or wrong.
    """
    settings = servers.lake()
    return Lake(settings.client(), Layout(settings.bucket, settings.prefix, folder or servers.database()))


def open_purge() -> Purge:
    """Return what removes days of the environment's lake for good.

    Raises:
        ConfigError: Variables are missing or wrong.
    """
    settings = ENVIRONMENT.lake()
    return Purge(settings.client(), Layout(settings.bucket, settings.prefix, ENVIRONMENT.database()))
