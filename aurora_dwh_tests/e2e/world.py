"""A whole little world for a test: a source, a lake, a warehouse and a Dagster instance that are nobody else's.

Everything is driven as a user would: the code location's own job runs, with the environment as its only settings. The
two sides are read here by plain drivers and compared here, with nothing of the product's proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pymysql
import redshift_connector
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.orchestration.assets.names import asset_name
from aurora_dwh_tests.servers import Server

LOAD, MARTS = "daily_load", "marts"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Rows = Counter[tuple[Any, ...]]


def chain(*tables: str) -> list[dg.AssetKey]:
    """Return the lake and staging assets of tables."""
    return [dg.AssetKey([layer, asset_name(table)]) for table in tables for layer in ("lake", "staging")]


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        run_id: Its id in Dagster.
        success: Whether all of its steps succeeded.
        failures: What Dagster shows first of each failed step, else of the run: the message without its causes.
        events: All its events.
    """

    run_id: str
    success: bool
    failures: tuple[str, ...]
    events: tuple[dg.DagsterEvent, ...]

    @property
    def failure(self) -> str:
        """The one failed step's message."""
        assert len(self.failures) == 1, self.failures
        return self.failures[0]

    def failure_of(self, table: str) -> str:
        """Return the message of a table's one failed step."""
        (found,) = [one for one in self.failures if one.partition(": ")[0].endswith(f"/{asset_name(table)}")]
        return found

    def check(self, name: str, table: str | None = None) -> Any:
        """Return what the run's one check of that name, and of a table, found, as Dagster keeps it."""
        evaluations = [
            e.asset_check_evaluation_data for e in self.events if e.event_type_value == "ASSET_CHECK_EVALUATION"
        ]
        (found,) = [
            evaluation
            for evaluation in evaluations
            if evaluation.check_name == name and table in (None, evaluation.asset_key.path[-1])
        ]
        return found


@dataclass
class World:
    """Servers, names and settings of one test.

    Attributes:
        server: The source's server.
        database: The source's database.
        redshift: The warehouse's server; its database has the same name.
        home: DAGSTER_HOME.
        catalog_file: The catalog's file.
        variables: The environment that leads here.
        instance: Where Dagster keeps runs and what came of them.
    """

    server: Server
    database: str
    redshift: RedshiftStandIn
    home: Path
    catalog_file: Path
    variables: dict[str, str]
    instance: dg.DagsterInstance

    @property
    def secrets(self) -> list[str]:
        """Everything that must never be seen."""
        return [self.variables[n] for n in ("AURORA_PASSWORD", "REDSHIFT_PASSWORD", "AWS_SECRET_ACCESS_KEY")]

    def catalog(self, tables: str, *, timezone: str = "Asia/Tokyo", start_date: str = "2024-01-01") -> None:
        """Write the catalog: `tables` is the YAML beneath that key."""
        lines = "".join(f"  {line}\n" for line in tables.strip().splitlines())
        text = f"timezone: {timezone}\nstart_date: {start_date}\ntables:\n{lines}"
        self.catalog_file.write_text(text, encoding="utf-8")

    def definitions(self) -> dg.Definitions:
        """Return the code location, built anew."""
        from aurora_dwh.definitions import defs

        return defs()

    def run(
        self, first: str, last: str | None = None, assets: Sequence[dg.AssetKey] | None = None, *, job: str = LOAD
    ) -> Run:
        """Run a job for a day or, as one run, for a range; `assets` is None for the whole job."""
        days = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last or first}
        result = (
            self.definitions()
            .resolve_job_def(job)
            .execute_in_process(
                run_config=QUIET,
                instance=self.instance,
                partition_key=None if last else first,
                tags=days if last else None,
                asset_selection=assets,
                raise_on_error=False,
            )
        )
        events = tuple(result.all_events)
        failures = [_message(e.step_failure_data) for e in events if e.is_step_failure]
        if not failures:  # the run ended before its first step
            failures = [str(e.job_failure_data.error.message) for e in events if e.is_job_failure]
        return Run(result.run_id, result.success, tuple(failures), events)

    def load(self, first: str, *tables: str, last: str | None = None) -> Run:
        """Run the chains of tables and expect success."""
        run = self.run(first, last, chain(*tables))
        assert run.success, run.failures
        return run

    def at_source(self, *statements: str) -> None:
        """Run statements in the source, each committed by itself."""
        with self.source() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def source(self, **options: Any) -> pymysql.connections.Connection[Any]:
        """Return a connection to the source in autocommit mode and UTC."""
        arguments = {**self.server.arguments(self.database), "autocommit": True, **options}
        return pymysql.connect(**arguments, init_command="SET time_zone = '+00:00'")

    def ask_source(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the source."""
        with self.source() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def at_warehouse(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements on the warehouse, each committed by itself; return the rows of the last, if it has any."""
        with redshift_connector.connect(
            host=self.variables["REDSHIFT_HOST"],
            port=int(self.variables["REDSHIFT_PORT"]),
            database=self.variables["REDSHIFT_DATABASE"],
            user=self.variables["REDSHIFT_USER"],
            password=self.variables["REDSHIFT_PASSWORD"],
            ssl=False,
            application_name="tests",  # which the driver else looks for in the source of each function that calls it
        ) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def ask_warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the warehouse, committed; none where it has no rows."""
        return self.at_warehouse(statement)

    def columns(self, table: str) -> list[str]:
        """Return the names of a source table's columns, in order."""
        return [
            name
            for (name,) in self.ask_source(
                "SELECT column_name FROM information_schema.columns "
                f"WHERE table_schema = DATABASE() AND table_name = '{table}' ORDER BY ordinal_position"
            )
        ]

    def source_rows(self, table: str) -> Rows:
        """Return each row of a source table and how often it is there."""
        names = ", ".join(f"`{name}`" for name in self.columns(table))
        return Counter(self.ask_source(f"SELECT {names} FROM `{table}`"))

    def staged_rows(self, table: str, target: str | None = None) -> Rows:
        """Return each row of the staging table, in the source's columns, and how often it is there."""
        names = ", ".join(f'"{name.lower()}"' for name in self.columns(table))
        return Counter(self.ask_warehouse(f'SELECT {names} FROM staging."{target or table.lower()}"'))

    def assert_equal(self, *tables: str) -> None:
        """Compare every value of every row of both sides."""
        for table in tables:
            there, here = self.source_rows(table), self.staged_rows(table)
            assert there, f"{table} is empty in the source, which proves nothing"
            missing, extra = there - here, here - there
            assert not missing, f"{table}: {missing.total()} rows are not in staging, such as {_first(missing)}"
            assert not extra, f"{table}: {extra.total()} rows are in staging alone, such as {_first(extra)}"

    def materialized_days(self, asset: str) -> set[str]:
        """Return the days of an asset that Dagster shows as materialized."""
        return self.instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))

    def day_metadata(self, asset: str, day: str) -> dict[str, Any]:
        """Return what the UI shows of the last materialization of an asset's day."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset.split("/")), asset_partitions=[day]), limit=1
        ).records
        assert records, f"{asset} {day} was never materialized"
        materialization = records[0].asset_materialization
        assert materialization is not None
        return {name: value.value for name, value in materialization.metadata.items()}


def days(first: int, last: int) -> list[str]:
    """Return days of January 2024 as partition keys."""
    return [date(2024, 1, number).isoformat() for number in range(first, last + 1)]


def _message(failure: Any) -> str:
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    return str(failure.error.message)


def _first(rows: Rows) -> tuple[Any, ...]:
    return next(iter(rows))
