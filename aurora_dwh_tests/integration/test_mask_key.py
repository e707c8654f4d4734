"""`mask: hmac` on real servers: what is hashed, by which key, and that neither value nor key is seen anywhere else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import SecretStr

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import DataError
from aurora_dwh.lake.store import Lake
from aurora_dwh.proof.engine import Places, examine
from aurora_dwh.proof.subject import plain_subject
from aurora_dwh.proof.verdict import Verdict
from aurora_dwh.settings.config import AuroraSettings, ConfigError
from aurora_dwh.source import factory as opening
from aurora_dwh.source.connection import Connection, clock, connect, execute
from aurora_dwh.source.extract import Source
from aurora_dwh.source.reader import read
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.statement import select
from aurora_dwh.source.value_policies import expected
from aurora_dwh.source.windows import window
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load.schema_drift import live_columns
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh_tests.servers import Server

KEY = "0123456789abcdef-0123456789abcdef"
TYPES = {
    "VARCHAR(90) CHARACTER SET latin1": "'Zoé'",
    "TEXT": "'寿司 '",
    "CHAR(9)": "'ab'",
    "ENUM('a', 'ü')": "'ü'",
    "INT UNSIGNED": "4294967295",
    "DECIMAL(12,2)": "-7.50",
    "DOUBLE": "0.1",
    "DATE": "'2024-02-29'",
    "DATETIME(3)": "'2024-02-29 01:02:03.5'",
    "TIME": "'-838:59:59'",
    "YEAR": "2024",
    "VARBINARY(9)": "x'00ff80'",
    "BIT(12)": "b'101000000001'",
}
"""Type of a column -> a value of it, as a literal."""


def settings(key: str | None = KEY, **fields: Any) -> AuroraSettings:
    return AuroraSettings(database="shop", host="h", user="u", mask_key=SecretStr(key) if key else None, **fields)


def digest(value: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), value, hashlib.sha256).hexdigest()


@pytest.fixture
def source(server: Server, database: str) -> Iterator[Connection]:
    """A session on the source's database, with the key."""
    connection = connect(**server.arguments(database), mask_key=settings().find_mask_key)
    yield connection
    if connection.open:
        connection.close()


@pytest.fixture
def person(server: Server, database: str) -> Iterator[Any]:
    """Runs statements at the source, which has a table of persons."""
    with server.connect(database) as connection, connection.cursor() as cursor:

        def run(*statements: str) -> list[Any]:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

        run(
            "CREATE TABLE t (id INT PRIMARY KEY, email VARCHAR(90), at DATETIME, KEY (at))",
            "INSERT INTO t VALUES (1, 'ada@example.com', '2024-01-01'), (2, NULL, '2024-01-01'), "
            "(3, 'ada@example.com', '2024-01-01'), (4, '', '2024-01-01')",
        )
        yield run


@pytest.mark.parametrize("wire", ["binary", "text"])
def test_a_keyed_hash_is_of_the_bytes_that_sha256_hashes_whatever_the_type(
    server: Server, source: Connection, database: str, wire: Any
) -> None:
    columns = {f"c{number}": kind for number, kind in enumerate(TYPES)}
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(' '.join(c) for c in columns.items())})")
        cursor.execute(f"INSERT INTO t VALUES (1, {', '.join(TYPES.values())})")
    schema = read_selected(source, database, Table(name="t", mode="full", mask=dict.fromkeys(columns, "hmac")))
    (batch,) = read(source, select(schema), schema, wire=wire)
    plain = replace(schema, columns=tuple(replace(column, keyed=False) for column in schema.columns[1:]))
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(select(plain))
        ((*values,),) = cursor.fetchall()
        cursor.execute(
            select(read_selected(source, database, Table(name="t", mode="full", mask=dict.fromkeys(columns, "sha256"))))
        )
        ((_, *hashes),) = cursor.fetchall()
    for (name, kind), value, unkeyed in zip(columns.items(), values, hashes, strict=True):
        hashed = value if isinstance(value, bytes) else str(value).encode()
        assert hashlib.sha256(hashed).hexdigest() == unkeyed, kind  # an independent word on what the bytes are
        assert batch.column(name).to_pylist() == [digest(hashed)], kind


def test_null_stays_null_and_no_value_or_key_is_in_a_statement_of_the_source(
    person: Any, source: Connection, database: str
) -> None:
    person("SET GLOBAL log_output = 'TABLE'", "TRUNCATE mysql.general_log", "SET GLOBAL general_log = 1")
    try:
        schema = read_selected(source, database, Table(name="t", mode="full", mask={"EMAIL": "hmac"}))
        (batch,) = read(source, select(schema), schema)
        seen = "".join(str(one) for one in person("SELECT argument FROM mysql.general_log"))
    finally:
        person("SET GLOBAL general_log = 0")
    ada, nothing = digest(b"ada@example.com"), digest(b"")
    assert batch.column("email").to_pylist() == [ada, None, ada, nothing]
    assert "email" in seen  # the statement was logged
    assert KEY not in seen
    assert "ada@" not in seen


def test_without_a_key_nothing_is_read_and_the_variables_are_named(person: Any, server: Server, database: str) -> None:
    table = Table(name="t", mode="full", mask={"email": "hmac"})
    connection = connect(**server.arguments(database))
    with pytest.raises(ConfigError, match="set AURORA_MASK_KEY or AURORA_MASK_KEY_SECRET_ID"):
        read_selected(connection, database, table)
    catalog = Catalog(timezone="UTC", start_date="2024-01-01", tables={"t": table})
    with pytest.raises(ConfigError, match="table t, mask of email: there is no key for `mask: hmac`"):
        opening.rules(table, catalog, lambda: settings(None))
    connection.close()


def test_a_value_that_cannot_be_read_shows_nothing_of_what_is_hashed(
    server: Server, source: Connection, database: str
) -> None:
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id VARCHAR(40) PRIMARY KEY, born DATE NOT NULL)")
        cursor.execute("SET sql_mode = ''")
        cursor.execute("INSERT INTO t VALUES ('ada@example.com', '0000-00-00')")
    table = Table(name="t", mode="full", mask={"id": "hmac"}, zero_dates="fail")
    schema = read_selected(source, database, table)
    with pytest.raises(DataError) as caught:
        list(read(source, select(schema), schema, zero_dates="fail"))
    assert digest(b"ada@example.com")[:20] in str(caught.value)
    assert "ada@" not in str(caught.value)


def test_aurora_and_people_do_not_export_what_is_to_be_hashed(server: Server, database: str) -> None:
    source = Source(lambda: connect(**server.arguments(database)), database=database, zone=timezone.utc)
    table = Table(name="t", key=("id",), cursor="at", mask={"email": "hmac"})
    span = window(
        datetime(2024, 1, 1, tzinfo=timezone.utc).date(),
        zone=timezone.utc,
        start_date=datetime(2024, 1, 1, tzinfo=timezone.utc).date(),
    )
    with pytest.raises(DataError, match="'email' would be exported in the clear"):
        source.export_statements(table, None, span, "s3://x/", is_by_hand=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [("id",), ()], ids=["by key", "by all values"])
def test_a_proof_compares_the_hashes_and_names_the_row_that_differs(
    person: Any, source: Connection, warehouse: Warehouse, lake: Lake, database: str, key: tuple[str, ...]
) -> None:
    if not key:
        person("ALTER TABLE t DROP PRIMARY KEY")
    ada, nothing = digest(b"ada@example.com"), digest(b"")

    def here(*statements: str) -> None:
        with warehouse.session() as session:
            for statement in statements:
                session.execute(statement)

    here(
        "CREATE TABLE t (id INTEGER, email VARCHAR(256), at TIMESTAMP)",
        f"INSERT INTO t VALUES (1, '{ada}', '2024-01-01'), (2, NULL, '2024-01-01'), (3, '{ada}', '2024-01-01'), "
        f"(4, '{nothing}', '2024-01-01')",
    )
    table = Table(name="t", key=key, mode="full", mask={"email": "hmac"})

    def compared() -> Verdict:
        schema, target = read_selected(source, database, table), Target("public", "t", key=key)
        live = warehouse.persist(lambda session: live_columns(session, target))
        what = plain_subject(schema, expected(schema, table), target, live)
        return examine(source, Places(lake, warehouse), what, clock(source)).verdict

    assert compared().equal
    here(f"UPDATE t SET email = '{digest(b'ada@example.com', 'another')}' WHERE id = 3")
    verdict = compared()
    assert not verdict.equal
    assert verdict.wrong == (1 if key else 2)
    if key:
        assert verdict.columns == {"email": 1}
    assert "ada@" not in str(verdict)
    here(f"UPDATE t SET email = '{ada}' WHERE id = 3", "UPDATE t SET email = '' WHERE id = 2")
    assert not compared().equal
    execute(source, "SELECT 1")
