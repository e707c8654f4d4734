"""One S3 server and one stand-in for all tests here, and a database of its own for each test."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector
from redshift_connector.error import InterfaceError, ProgrammingError

from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn, S3Access
from aurora_dwh_tests.services import empty_database

USER = "admin"
PASSWORD = "secret"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    server = LakeServer(tmp_path_factory.mktemp("lake"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def access(lake: LakeServer) -> S3Access:
    return S3Access(lake.endpoint_url, lake.region, lake.access_key, lake.secret_key)


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory, access: S3Access) -> Iterator[RedshiftStandIn]:
    running = RedshiftStandIn(tmp_path_factory.mktemp("redshift"), s3=access, user=USER, password=PASSWORD)
    running.start()
    yield running
    running.remove()


class Session:
    """A connection through the real driver, autocommit on."""

    def __init__(self, standin: RedshiftStandIn, database: str, **options: Any) -> None:
        known = {"host": standin.host, "port": standin.port, "user": USER, "password": PASSWORD, "ssl": False}
        self.connection = redshift_connector.connect(database=database, **{**known, **options})
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def sql(self, text: str, parameters: tuple[Any, ...] | None = None) -> list[Any]:
        """Runs a statement and returns its rows."""
        self.cursor.execute(text, parameters)
        return [tuple(row) for row in self.cursor.fetchall()] if self.cursor.description else []

    def one(self, text: str) -> Any:
        """Returns the one value of a query."""
        ((value,),) = self.sql(text)
        return value

    def refused(self, text: str) -> dict[str, str]:
        """Runs a statement that must be refused and returns the error's fields."""
        with pytest.raises((ProgrammingError, InterfaceError)) as caught:
            self.cursor.execute(text)
        fields: dict[str, str] = caught.value.args[0]
        return fields

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def database(standin: RedshiftStandIn) -> Iterator[str]:
    with empty_database(standin, f"t{next(NUMBERS)}") as name:
        standin.statements.clear()
        yield name


@pytest.fixture
def connect(standin: RedshiftStandIn, database: str) -> Iterator[Callable[..., Session]]:
    opened: list[Session] = []

    def make(**options: Any) -> Session:
        opened.append(Session(standin, database, **options))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


@pytest.fixture
def db(connect: Callable[..., Session]) -> Session:
    return connect()


@pytest.fixture(scope="session")
def anywhere(standin: RedshiftStandIn) -> Iterator[Session]:
    """A session for what reads and changes nothing: a database takes ten times as long to make as that."""
    with empty_database(standin, f"t{next(NUMBERS)}") as name:
        session = Session(standin, name)
        yield session
        session.close()


class Bucket:
    """A bucket's folder of one test's own."""

    def __init__(self, client: Any, name: str, prefix: str) -> None:
        self.client = client
        self.name = name
        self.prefix = prefix

    def url(self, key: str = "") -> str:
        return f"s3://{self.name}/{self.prefix}/{key}"

    def put(self, key: str, body: bytes) -> str:
        self.client.put_object(Bucket=self.name, Key=f"{self.prefix}/{key}", Body=body)
        return self.url(key)

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=f"{self.prefix}/{key}")["Body"].read()
        return body

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=f"{self.prefix}/").get("Contents", [])
        return [item["Key"].removeprefix(f"{self.prefix}/") for item in found]

    def parquet(self, key: str, table: pa.Table, **options: Any) -> dict[str, Any]:
        """Writes a Parquet file and returns its manifest entry."""
        sink = io.BytesIO()
        pq.write_table(table, sink, **options)
        url = self.put(key, sink.getvalue())
        return {"url": url, "mandatory": True, "meta": {"content_length": len(sink.getvalue())}}

    def manifest(self, *entries: dict[str, Any], key: str = "manifest.json", **extra: Any) -> str:
        return self.put(key, json.dumps({"entries": list(entries), **extra}).encode())


@pytest.fixture
def bucket(access: S3Access, lake: LakeServer) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        region_name=access.region,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
    )
    return Bucket(client, lake.bucket, f"standin-{next(NUMBERS)}")


@pytest.fixture
def load(db: Session, bucket: Bucket) -> Callable[..., None]:
    """Loads an Arrow table into a Redshift table by manifest."""

    def run(table: str, data: pa.Table, options: str = "", **write: Any) -> None:
        source = bucket.manifest(
            bucket.parquet(f"{next(NUMBERS)}.parquet", data, **write), key=f"m{next(NUMBERS)}.json"
        )
        db.sql(f"COPY {table} FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST {options}")

    return run
