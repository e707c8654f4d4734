"""Dagster's event log in SQLite, for the local stack."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Final

import dagster as dg
from dagster import DagsterInstance
from dagster._config import UserConfigSchema
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen
from sqlalchemy.pool import StaticPool

KEPT: Final = 16
"""How many files are held open: the index, and the runs that were last written or looked at."""


class SqliteEventLog(SqliteEventLogStorage):
    """The event log of a local instance, in `history/runs` beneath the instance's folder as by default.

    That is DAGSTER_HOME, and where it is not set the folder that Dagster makes for as long as a command runs.

    In dagster.yaml: `event_log_storage: {module: aurora_dwh.instance.sqlite, class: SqliteEventLog, config: {}}`.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """There is nothing to say."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, _config: Mapping[str, object]
    ) -> SqliteEventLog:
        """Return the event log of the instance that is going to register it."""
        return cls(inst_data)

    def register_instance(self, instance: DagsterInstance) -> None:
        """Open the log in the instance's folder, which nothing that Dagster gave before says."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(str(Path(instance.root_directory) / "history" / "runs"), self._inst_data)
        super().register_instance(instance)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, and tell those who follow the run.

        The UI watches the run's file. SQLite writes to the log beside it, and to itself only when that is full or the
        last connection is closed.
        """
        super().store_event(event)
        with suppress(FileNotFoundError):  # wiped by another process
            os.utime(self.path_for_shard(event.run_id))

    def has_table(self, table_name: str) -> bool:
        """Return whether a table is there; Dagster asks for each result of a check, and none ever goes."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close what is open."""
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._close(next(iter(self._engines)))

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """Give a connection in a transaction to one thread at a time, as Dagster's own does."""
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._initialized_dbs:  # the first time, and when all was wiped
            self._close(shard)
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            listen(engine, "connect", _write_without_waiting)
            self._engines[shard] = engine
            self._initdb(engine)
            self._initialized_dbs.add(shard)
            if len(self._engines) > KEPT:
                self._close(next(iter(self._engines)))
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def _close(self, shard: str) -> None:
        if shard in self._engines:
            self._engines.pop(shard).dispose()
        self._initialized_dbs.discard(shard)


def _write_without_waiting(connection: SqliteConnection, _record: object) -> None:
    """Leave it to SQLite when the disk must have what was written: a power cut may take the last events, and no more.

    https://www.sqlite.org/pragma.html#pragma_synchronous: with a write-ahead log the file stays whole, and whatever
    ends the process alone takes nothing. Days whose events are gone are loaded again, as the load allows at any time.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
