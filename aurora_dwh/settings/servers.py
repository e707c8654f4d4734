"""How one project reaches its three servers: by the environment, or by settings that were given instead.

Each is asked for when it is needed, so that a code location loads without any of them, and so that what is wrong with
a setting is the failure of the step that needs it. What the settings are is `config`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aurora_dwh.settings.config import AuroraSettings, LakeSettings, RedshiftSettings, aws_region

Source = AuroraSettings | Callable[[], AuroraSettings] | None
Lake = LakeSettings | Callable[[], LakeSettings] | None
Warehouse = RedshiftSettings | Callable[[], RedshiftSettings] | None


@dataclass(frozen=True)
class Servers:
    """Functions that return the settings of each server."""

    source: Callable[[], AuroraSettings] = AuroraSettings.from_env  # of Aurora
    lake: Callable[[], LakeSettings] = LakeSettings.from_env  # of S3
    warehouse: Callable[[], RedshiftSettings] = RedshiftSettings.from_env  # of Redshift

    @staticmethod
    def of(source: Source, lake: Lake, warehouse: Warehouse) -> Servers:
        """Return how to reach servers, by settings or functions that return them; None is the environment."""
        return Servers(
            (lambda: source) if isinstance(source, AuroraSettings) else source or AuroraSettings.from_env,
            (lambda: lake) if isinstance(lake, LakeSettings) else lake or LakeSettings.from_env,
            (lambda: warehouse) if isinstance(warehouse, RedshiftSettings) else warehouse or RedshiftSettings.from_env,
        )

    def database(self) -> str:
        """Return the source database's name, which the lake's layout needs; raises ConfigError."""
        if self.source is AuroraSettings.from_env:
            return AuroraSettings.database_from_env()
        return self.source().database

    def region(self) -> str | None:
        """Return the warehouse's AWS Region; None leaves it to the AWS configuration."""
        if self.warehouse is RedshiftSettings.from_env:
            return aws_region()
        return self.warehouse().region


ENVIRONMENT = Servers()
"""Those that the process's environment names."""
