"""Dagster's storage in PostgreSQL, for production."""

from __future__ import annotations

from typing import Final

from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config

KEPT: Final = 1
"""Connections that a process keeps for runs, events and schedules each; PostgreSQL pays for each with memory."""

MORE: Final = 20
"""Further ones that its threads may open meanwhile."""

_SECONDS: Final = 900  # after which a connection is made anew, so that none outlives a change of the database's address


class PostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules, with the settings of `storage: postgres`.

    In dagster.yaml: `storage: {custom: {module: aurora_dwh.instance.postgres, class: PostgresStorage, config: ...}}`.
    """

    @classmethod
    def from_config_value(  # type: ignore[override] # as Dagster's own
        cls, inst_data: ConfigurableClassData | None, config_value: PostgresStorageConfig
    ) -> DagsterPostgresStorage:
        """Return the storage that the settings describe."""
        made, tokens = super().from_config_value(inst_data, config_value), get_token_provider_from_config(config_value)
        for part in (made.run_storage, made.event_log_storage, made.schedule_storage):
            kept = create_pg_engine(
                made.postgres_url,
                tokens,
                isolation_level="AUTOCOMMIT",
                pool_size=KEPT,
                max_overflow=MORE,
                pool_recycle=_SECONDS,
                pool_pre_ping=True,  # a failover or a proxy may have cut what was kept
            )
            vars(part)["_engine"] = kept  # where Dagster's own `optimize_for_webserver` puts one, too
        return made
