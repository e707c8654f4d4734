"""The reader on the embedded Aurora, whose prepared statements describe no columns: rows come in text."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pymysql
import pytest

from aurora_dwh.catalog import Table
from aurora_dwh.catalog_fields import PauseAbove
from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh.source.connection import connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.throttle import replica_lag, threads_running
from aurora_dwh.source.windows import window

DEFINITION = """
CREATE TABLE orders (
  id bigint unsigned NOT NULL, amount decimal(12,2), tiny tinyint(1), rate float, ratio double, note text,
  raw varbinary(300), kind enum('a','b,c'), day date, lasts time(3), doc json, made timestamp(6) NULL, born year,
  update_date datetime(6) NULL, PRIMARY KEY (id), KEY by_update (update_date)
)
"""
ROWS: list[tuple[Any, ...]] = [
    (
        Decimal(2**64 - 1), Decimal("-9999999999.99"), -128, 0.5, 0.1, "é😀\n\t\\N'\"", bytes(range(256)), "b,c",
        date(600, 12, 2), "-838:59:59.000", '{"a": null}', datetime(2024, 1, 2, 3, 4, 5, 6), 2024,
        datetime(2024, 1, 2, 23, 59, 59, 999999),
    ),
    (Decimal(1), *[None] * 12, datetime(2024, 1, 2)),
    (Decimal(2), Decimal("0.00"), 0, 0.0, 0.0, "", b"", "a", date(9999, 12, 31), "00:00:00.000", "null",
     datetime(2024, 1, 1), 1901, datetime(2024, 1, 3)),
]  # fmt: skip


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    aurora = EmbeddedAurora(tmp_path_factory.mktemp("aurora"), user="reader", password="open sesame")
    aurora.start()
    login = {"user": "reader", "password": b"open sesame", "database": aurora.database}
    arguments: dict[str, Any] = {"host": aurora.host, "port": aurora.port, "ssl_disabled": True, **login}
    with pymysql.connect(**arguments, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(DEFINITION)
        for row in ROWS:
            cursor.execute(f"INSERT INTO orders VALUES ({', '.join(['%s'] * len(row))})", row)
    yield arguments
    aurora.stop()


def test_the_days_of_a_table_are_read_exactly(arguments: dict[str, Any]) -> None:
    source = Source(lambda: connect(**arguments), database=arguments["database"], zone=timezone.utc)
    table = Table(name="orders", key=("id",), cursor="update_date")
    days = [window(date(2024, 1, n), zone=timezone.utc, start_date=date(2024, 1, 1)) for n in (1, 2, 3)]

    got = {
        extract.window.day.day: sorted(tuple(row.values()) for batch in extract.batches for row in batch.to_pylist())
        for extract in source.extract(table, days)
    }

    assert got == {1: [], 2: [ROWS[1], ROWS[0]], 3: [ROWS[2]]}


def test_a_spared_source_is_asked_for_its_load_and_its_readers_lag(arguments: dict[str, Any]) -> None:
    session = connect(**arguments)
    assert (threads_running(session), replica_lag(session)) == (1, 0.02)
    session.close()
    table = Table(name="orders", key=("id",), cursor="update_date", chunk_rows=1)
    source = Source(
        lambda: connect(**arguments),
        database=arguments["database"],
        zone=timezone.utc,
        pause_above=PauseAbove(threads_running=1, replica_lag=timedelta(seconds=1)),
    )
    day = window(date(2024, 1, 2), zone=timezone.utc, start_date=date(2024, 1, 1))
    for extract in source.extract(table, [day]):
        assert sum(batch.num_rows for batch in extract.batches) == 2
        assert extract.waited == {}
