"""The lake that settings name, those of the environment by default.

It is for whoever has no use for Dagster, which is 40 MB and half a second to import.
"""

from __future__ import annotations

from aurora_dwh.lake.athena import GlueDatabase
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.store import Lake
from aurora_dwh.settings.aws import glue_client
from aurora_dwh.settings.servers import ENVIRONMENT, Servers


def open_lake(servers: Servers = ENVIRONMENT, folder: str = "") -> Lake:
    """Return a project's lake; raises ConfigError where settings are missing or wrong.

    Args:
        folder: The folder in it that the tables lie in; without it the one named as the source's database.
    """
    settings = servers.lake()
    layout = Layout(settings.bucket, settings.prefix, folder or servers.database())
    return Lake(settings.client(), layout, lists_files=settings.glue_database is not None)


def open_glue(servers: Servers = ENVIRONMENT) -> GlueDatabase | None:
    """Return the database of Glue that has a project's tables, None where none has; raises ConfigError."""
    settings = servers.lake()
    return GlueDatabase(glue_client(settings.region), settings.glue_database) if settings.glue_database else None
