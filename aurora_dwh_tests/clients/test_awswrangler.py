"""awswrangler: COPY, multi-row INSERT, upserts by both, UNLOAD to Parquet and text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aurora_dwh.local.lake import LakeServer
from aurora_dwh_tests.clients.conftest import Warehouse

FIRST = [1, "日本", "10.50", 0.25, "2024-01-01", "2024-01-01 12:30:00.123456", True]
LATER = [2, "later", "20.00", 1e300, None, "2024-01-02 00:00:00", False]
THIRD = [3, None, "-0.01", None, "9999-12-31", None, None]
NEW = [4, "new", None, 0.25, "2024-01-01", "2024-01-01 12:30:00.123456", True]


@pytest.fixture(scope="module")
def frames(warehouse: Warehouse, run: Callable[..., str], lake_server: LakeServer) -> dict[str, list[list[Any]]]:
    """What awswrangler read back."""
    warehouse.sql("CREATE SCHEMA bi")
    printed: dict[str, list[list[Any]]] = json.loads(
        run("python", "wrangler.py", f"s3://{lake_server.bucket}/wrangler")
    )
    return printed


def test_copies_are_read_by_query_and_by_unload(frames: dict[str, list[list[Any]]], warehouse: Warehouse) -> None:
    assert frames["read"] == frames["unloaded"] == [FIRST, LATER, THIRD, NEW]
    assert warehouse.postgres("SELECT id, name, price, sold, changed, paid FROM bi.copied ORDER BY id") == [
        ("1", "日本", "10.50", "2024-01-01", "2024-01-01 12:30:00.123456", "t"),
        ("2", "later", "20.00", None, "2024-01-02 00:00:00", "f"),
        ("3", None, "-0.01", "9999-12-31", None, None),
        ("4", "new", None, "2024-01-01", "2024-01-01 12:30:00.123456", "t"),
    ]


def test_a_copied_table_has_the_keys_that_were_asked_for(frames: dict[str, Any], warehouse: Warehouse) -> None:
    columns = (
        "SELECT \"column\", type, distkey, sortkey FROM pg_table_def WHERE tablename = 'copied' ORDER BY 1 LIMIT 3"
    )
    assert warehouse.sql("SET search_path TO bi", columns) == [
        ("changed", "timestamp without time zone", False, 0),
        ("id", "bigint", True, 2),
        ("name", "character varying(40)", False, 0),
    ]
    keys = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'copied'"
    assert warehouse.sql(keys) == [("copied_pkey", "CREATE UNIQUE INDEX copied_pkey ON bi.copied USING btree (id)")]


def test_rows_are_inserted_upserted_and_given_new_columns(frames: dict[str, list[list[Any]]]) -> None:
    assert frames["inserted"] == [
        [*FIRST, None],
        [*LATER, None],
        [*LATER, "x"],
        [*THIRD, None],
        [*NEW, None],
        [*NEW, "x"],
    ]
    assert frames["emptied"] == [[2], [4]]


def test_text_is_unloaded_in_place_of_what_was_there(frames: dict[str, Any], lake_server: LakeServer, s3: Any) -> None:
    listed = s3.list_objects_v2(Bucket=lake_server.bucket, Prefix="wrangler/text/")["Contents"]
    assert [item["Key"] for item in listed] == ["wrangler/text/000", "wrangler/text/manifest"]
    body = s3.get_object(Bucket=lake_server.bucket, Key="wrangler/text/000")["Body"].read().decode()
    assert sorted(body.splitlines()) == ["1,日本", "2,later", "3,", "4,new"]
