"""The real parts of an example: the product's source, lake and warehouse, and other clients that look at them."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow.parquet as pq
import redshift_connector

from aurora_dwh.core.models import Manifest, utc_now
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.store import Lake, MissingDayError
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.integration.over_time.copy import Reading, Row
from aurora_dwh_tests.servers import Server

NO_SUCH_TABLE = "42P01"


class CrashError(BaseException):
    """The end of a run's process, which no handler of it survives."""


@dataclass
class Parts:
    """Servers and clients, shared by all examples.

    Attributes:
        server: The source's server.
        database: The source's database.
        s3: The client that the product's lake uses, and that `crashing` makes crash.
        eyes: A client of S3 that never crashes.
        redshift: The warehouse's server.
        warehouse: The product's warehouse.
        now: Gives the present instant of the example.
    """

    server: Server
    database: str
    s3: Any
    eyes: Any
    redshift: RedshiftStandIn
    warehouse: Warehouse
    now: Callable[[], datetime] = field(default=utc_now, init=False)
    _calls: int | None = field(default=None, init=False)
    _has_crashed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.s3.meta.events.register("before-send.s3", self._call)
        self.s3.meta.events.register("after-call.s3", self._called)
        self._when = ""
        self._client = redshift_connector.connect(
            **self.warehouse.settings.connect_arguments() | {"max_prepared_statements": 0}
        )
        self._client.autocommit = True

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def lake(self, name: str) -> Lake:
        """Return the product's lake with a prefix of its own."""
        return Lake(self.s3, Layout(BUCKET, f"over-time-{self.database}", name))

    @contextmanager
    def crashing(self, call: int | None, *, when: str) -> Iterator[None]:
        """Crash before or after one call of S3, counted from 0, and at each one after it; None crashes never.

        A crash in a thread of boto3's is lost there: what comes of it afterwards is the crash's doing.
        """
        self._calls, self._when, self._has_crashed = call, when, False
        try:
            yield
        except Exception as error:
            if self._has_crashed:
                raise CrashError from error
            raise
        finally:
            self._calls = None

    @contextmanager
    def narrow(self, table: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Give the login of a user who may read some columns of a source's table."""
        names = ", ".join(f"`{name}`" for name in columns)
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER narrow IDENTIFIED BY 'narrow'")
            try:
                cursor.execute(f"GRANT SELECT ({names}) ON `{self.database}`.`{table}` TO narrow")
                yield self.server.arguments(self.database) | {"user": "narrow", "password": "narrow"}
            finally:
                cursor.execute("DROP USER narrow")

    @contextmanager
    def failing(self, fault: Fault | None) -> Iterator[None]:
        """Put a fault into the warehouse for a while."""
        if fault:
            self.redshift.faults.add(fault)
        try:
            yield
        finally:
            self.redshift.faults.clear()

    def reading(self, lake: Lake, table: str, day: date) -> Reading | None:
        """Return a day as it stands in the lake, its files read by pyarrow; None where it is not there.

        Days of one reading of a whole table share its files, where all rows have the last of those days.
        """
        try:
            (manifest,) = lake.read(table, [day])
        except MissingDayError:
            return None
        rows = tuple(row for part in manifest.parts for row in self._part(lake, part.url))
        assert len(rows) == manifest.rows, f"{manifest.url} says {manifest.rows} rows and its files have {len(rows)}"
        assert {row["_dwh_day"] for row in rows} <= {manifest.written_day}
        return Reading(manifest, tuple(row | {"_dwh_day": day} for row in rows))

    def repairs(self, lake: Lake, table: str) -> list[Reading]:
        """Return the rows that proofs read again, as they lie in the lake."""
        return [
            Reading(manifest, tuple(row for part in manifest.parts for row in self._part(lake, part.url)))
            for manifest in lake.repairs(table)
        ]

    def staged(self, table: str) -> Counter[frozenset[tuple[str, Any]]]:
        """Return each row of a staging table and how often it is there; none where there is no table."""
        try:
            names, rows = self.ask(f'SELECT * FROM staging."{table}"')
        except redshift_connector.ProgrammingError as error:
            if error.args[0]["C"] != NO_SUCH_TABLE:
                raise
            return Counter()
        return Counter(frozenset(_filled(dict(zip(names, row, strict=True))).items()) for row in rows)

    def ask(self, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of a statement's columns and its rows, none where it gives none."""
        cursor = self._client.cursor()
        cursor.execute(statement)
        if not cursor.description:
            return [], []
        names = [name.decode() if isinstance(name, bytes) else name for name, *_ in cursor.description]
        return names, [tuple(row) for row in cursor.fetchall()]

    def _part(self, lake: Lake, url: str) -> list[Row]:
        body = self.eyes.get_object(Bucket=BUCKET, Key=lake.layout.key(url))["Body"].read()
        return [_filled(row) for row in pq.read_table(io.BytesIO(body)).to_pylist()]

    def _call(self, **_: Any) -> None:
        if self._calls is not None:
            self._calls -= 1
            if self._calls < -1 or (self._calls == -1 and self._when == "before"):
                self._crash()

    def _called(self, **_: Any) -> None:
        if self._calls is not None and self._calls < 0:
            self._crash()

    def _crash(self) -> None:
        self._has_crashed = True
        raise CrashError


def latest(readings: Sequence[Reading]) -> dict[date, Manifest]:
    """Return the last of the readings of each day."""
    return {reading.manifest.day: reading.manifest for reading in readings}


def _filled(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}
