"""Fixtures: the embedded lake and the Redshift stand-in, one of each a session, and days of rows to put into them."""

from __future__ import annotations

import itertools
import re
import secrets
import threading
import time as clock
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, TypeVar

import boto3
import pyarrow as pa
import pytest
from botocore.config import Config
from pydantic import SecretStr

from aurora_dwh.core import retries
from aurora_dwh.core.models import Extract, Window
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET, LakeServer
from aurora_dwh.local.redshift import Fault, RedshiftStandIn, S3Access
from aurora_dwh.local.redshift.faults import Action, When
from aurora_dwh.settings.config import LakeSettings, RedshiftSettings
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh_tests import databases

T = TypeVar("T")
USER = "dwh"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def lake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    """An S3 server with an empty bucket."""
    server = LakeServer(tmp_path_factory.mktemp("lake"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redshift(tmp_path_factory: pytest.TempPathFactory, lake_server: LakeServer) -> Iterator[RedshiftStandIn]:
    """A Redshift stand-in that reads the embedded lake."""
    s3 = S3Access(lake_server.endpoint_url, lake_server.region, lake_server.access_key, lake_server.secret_key)
    server = RedshiftStandIn(
        tmp_path_factory.mktemp("redshift"), s3=s3, user=USER, password=secrets.token_hex(8), database="dev"
    )
    server.start()
    yield server
    server.remove()  # the data may lie outside pytest's folder, which pytest clears


@pytest.fixture(scope="session")
def s3(lake_server: LakeServer) -> Any:
    """A client of the S3 server."""
    return s3_client(lake_server)


def s3_client(server: LakeServer) -> Any:
    """Return a client of an S3 server that shares nothing with any other."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def lake_variables(server: LakeServer, uri: str) -> dict[str, str]:
    """Return the product's settings for a lake on an S3 server."""
    return {
        "LAKE_URI": uri,
        "AWS_ENDPOINT_URL_S3": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_REGION": server.region,
    }


@pytest.fixture
def lake(s3: Any) -> Lake:
    """A lake of its own for a test, under a prefix that no other test has."""
    return Lake(s3, Layout(BUCKET, f"test-{next(_numbers)}-{secrets.token_hex(4)}", "shop"))


@contextmanager
def empty_database(redshift: RedshiftStandIn, name: str) -> Iterator[str]:
    """Make a database of the stand-in for a while; no fault is in it from before, nor left behind."""
    uses = databases.take(redshift, name)
    redshift.faults.clear()
    yield name
    redshift.faults.clear()
    databases.give_back(redshift, name, uses)


@pytest.fixture
def warehouse(redshift: RedshiftStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """An empty database of its own for a test; what is tried again is so at once."""
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, pause=0.001))
    with empty_database(redshift, f"test_{next(_numbers)}") as database:
        yield Warehouse(
            RedshiftSettings(
                database=database,
                host=redshift.host,
                port=redshift.port,
                user=USER,
                password=SecretStr(redshift._password),
                tls="disabled",
            )
        )


@pytest.fixture
def connected(lake: Lake, lake_server: LakeServer, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a process that works on the test's lake and warehouse."""
    settings = warehouse.settings
    assert settings.password
    for name, value in {
        "AURORA_DATABASE": lake.layout.database,
        **lake_variables(lake_server, f"s3://{BUCKET}/{lake.layout.prefix}"),
        "AWS_DEFAULT_REGION": lake_server.region,
        "REDSHIFT_HOST": str(settings.host),
        "REDSHIFT_PORT": str(settings.port),
        "REDSHIFT_DATABASE": settings.database,
        "REDSHIFT_USER": str(settings.user),
        "REDSHIFT_PASSWORD": settings.password.get_secret_value(),
        "REDSHIFT_TLS": "disabled",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(LakeSettings, "client", lambda self: lake.client)


def extract(
    schema: TableSchema, day: date, rows: Iterable[Mapping[str, Any]], *, snapshot_at: datetime | None = None
) -> Extract:
    """Return rows as an extract of a day.

    Args:
        schema: The rows' columns.
        day: The day.
        rows: The rows by folded column name, a batch each, so that a generator can break between them.
        snapshot_at: When they were read, in UTC; one hour after the day's end where it is not said.
    """
    end = datetime.combine(day, time(), timezone.utc) + timedelta(days=1)
    batches = (pa.RecordBatch.from_pylist([dict(row)], schema=schema.arrow_schema) for row in rows)
    return Extract(schema, Window(day, end - timedelta(days=1), end), snapshot_at or end + timedelta(hours=1), batches)


def query(warehouse: Warehouse, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of one statement, run in a session of its own."""
    with warehouse.session() as session:
        return session.execute(statement).rows


class Failing:
    """The work that is done in its context fails at one statement, or nowhere; that is over when the context ends.

    Attributes:
        turn: How often the work was done before, from 0.
        met: Whether the work came to that statement.
        statements: What the work ran.
    """

    def __init__(self, redshift: RedshiftStandIn, turn: int, fault: Fault | None) -> None:
        self.turn, self.met = turn, False
        self.statements: list[str] = []
        self._redshift, self._fault = redshift, fault

    def __enter__(self) -> None:
        self._redshift.statements.clear()
        if self._fault:
            self._redshift.faults.add(self._fault)

    def __exit__(self, *_: object) -> None:
        self.met = self._fault is not None and not self._redshift.faults.pending
        self._redshift.faults.clear()
        self.statements = list(self._redshift.statements)


NAME_OR_VALUE = r"""(?:'(?:[^']|'')*'|"[^"]*"|\d+)"""
BORDERS = r"BEGIN|COMMIT|CREATE|ALTER|DROP"
"""What begins and ends a transaction, and what may stand outside of one and change something."""


def each_statement(redshift: RedshiftStandIn, action: Action, when: When, *, of: str = "") -> Iterator[Failing]:
    """Yield a context for some work undisturbed, then one for each kind of statement that it ran, to fail there.

    Statements that differ in names and values alone are of one kind, and fail once; but each COMMIT does.

    Args:
        redshift: The server.
        action: How they fail.
        when: Before or after they are done.
        of: What begins the statements that are to fail, by a regular expression; all where it is empty.
    """
    whole = Failing(redshift, 0, None)
    yield whole
    assert whole.statements, "the first time, the work is to be done in the context"
    before: Counter[str] = Counter()
    faults = []
    for statement in whole.statements:
        kind = f"^{NAME_OR_VALUE.join(re.escape(part) for part in re.split(NAME_OR_VALUE, statement.strip()))}$"
        if re.match(of, statement) and (kind not in before or kind == "^COMMIT$"):
            faults.append(Fault(kind, action, when=when, skip=before[kind]))
        before[kind] += 1
    assert faults
    for turn, fault in enumerate(faults, 1):
        failing = Failing(redshift, turn, fault)
        yield failing
        assert failing.met, f"the work came to none of {fault}"


class SlowToCommit(Warehouse):
    """A warehouse that is asked whether work has landed while its COMMIT is under way.

    Attributes:
        said: What it said, for each transaction.
    """

    def __init__(self, redshift: RedshiftStandIn, warehouse: Warehouse) -> None:
        super().__init__(warehouse.settings)
        self.said: list[bool] = []
        self._redshift = redshift

    def transaction(
        self,
        work: Callable[[Session], T],
        *,
        before: Callable[[Session], None] = lambda _: None,
        landed: Callable[[Session], bool] = lambda _: False,
    ) -> T:
        asking = threading.Thread(target=lambda: self.said.append(self.persist(landed)))
        with self.session() as session:
            before(session)
            session.execute("BEGIN")
            result = work(session)
            asking.start()
            while asking.is_alive() and not _waiting(self._redshift, self.settings.database):
                clock.sleep(0.01)
            session.execute("COMMIT")
        asking.join(120)
        return result


def _waiting(redshift: RedshiftStandIn, database: str) -> bool:
    """Return whether a session waits for a lock."""
    with redshift.admin(database) as admin:
        return bool(admin.query("SELECT 1 FROM pg_locks WHERE NOT granted"))


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run the works at the same time and return what each returned or raised."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def one(number: int) -> None:
        start.wait(60)
        try:
            results[number] = works[number]()
        except Exception as error:  # handed to the test
            results[number] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return results
