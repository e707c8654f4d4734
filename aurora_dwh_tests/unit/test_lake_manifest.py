"""The manifest's JSON: COPY's part by the rules of Redshift, the product's part by a round trip."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import pytest

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Manifest, Part, Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.manifest import copy_json, from_json, to_json

URL = "s3://lake/shop/orders/day=2024-01-05/_manifest.json"
MANIFEST = Manifest(
    table="Ördrs 日本",
    url=URL,
    attempt="20240106T010000-ab",
    schema=TableSchema("shop", "Ördrs 日本", (Column("Id", "int", "int", False), Column("c", "text", "text")), ("Id",)),
    window=Window(
        date(2024, 1, 5),
        datetime(2024, 1, 4, 14, tzinfo=timezone.utc),
        datetime(2024, 1, 5, 15, 0, 0, 1, tzinfo=timezone.utc),
    ),
    snapshot_at=datetime(2024, 1, 6, 1, 2, 3, 456789, tzinfo=timezone.utc),
    source_rows=11,
    parts=(Part("s3://lake/p-0.parquet", 1234, 10), Part("s3://lake/p-1.parquet", 99, 1)),
    converted={"c": {"zero_date": 3}},
)


def test_the_manifest_is_one_that_copy_reads() -> None:
    text = to_json(MANIFEST)
    body = json.loads(text.decode("utf-8"))
    assert not text.startswith(b"\xef\xbb\xbf")
    assert body["entries"] == [
        {"url": "s3://lake/p-0.parquet", "mandatory": True, "meta": {"content_length": 1234, "record_count": 10}},
        {"url": "s3://lake/p-1.parquet", "mandatory": True, "meta": {"content_length": 99, "record_count": 1}},
    ]


def test_a_joined_manifest_has_nothing_but_the_entries() -> None:
    assert json.loads(copy_json(MANIFEST.parts)) == {"entries": json.loads(to_json(MANIFEST))["entries"]}


def test_the_manifest_comes_back_as_it_was() -> None:
    assert from_json(to_json(MANIFEST), URL) == MANIFEST


def test_the_rules_come_back_too_and_what_an_older_version_wrote_has_none() -> None:
    table = Table(name="orders", key=("id",), cursor="at", exclude=("a", "b"), mask={"c": "sha256"})
    rules = Rules.of(table, Catalog(timezone="Asia/Tokyo", start_date=date(2024, 1, 1), tables={}), source="shop@db")
    ruled = replace(MANIFEST, rules=rules)
    assert from_json(to_json(ruled), URL) == ruled
    older = json.loads(to_json(ruled))
    del older["aurora_dwh"]["rules"]
    assert from_json(json.dumps(older).encode(), URL) == MANIFEST


def test_a_day_without_rows_comes_back_too() -> None:
    empty = Manifest("t", URL, "a", MANIFEST.schema, Window(date(2024, 1, 1), None, MANIFEST.window.end),
                     MANIFEST.snapshot_at, 0, (), {})  # fmt: skip
    assert json.loads(to_json(empty))["entries"] == []
    assert from_json(to_json(empty), URL) == empty


def test_the_manifest_says_how_many_rows_it_names() -> None:
    assert json.loads(to_json(MANIFEST))["aurora_dwh"]["rows"] == 11


def test_files_of_csv_come_back_with_their_rows_as_the_source_counted_them() -> None:
    parts = tuple(Part(p.url, p.size, None) for p in MANIFEST.parts)
    manifest = replace(MANIFEST, parts=parts, files="csv", source_rows=12)
    body = json.loads(to_json(manifest))
    assert body["entries"][0] == {"url": parts[0].url, "mandatory": True, "meta": {"content_length": 1234}}
    assert (body["aurora_dwh"]["files"], body["aurora_dwh"]["rows"]) == ("csv", 12)
    assert from_json(to_json(manifest), URL) == manifest
    assert manifest.rows == 12


def changed(change: dict[str, Any]) -> bytes:
    body = json.loads(to_json(MANIFEST))
    body["aurora_dwh"].update(change)
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"entries": []}',
        copy_json(MANIFEST.parts),
        changed({"schema": {}}),
        changed({"window": None}),
        changed(
            {"schema": {"database": "d", "table": "t", "columns": [{"nom": "x"}], "primary_key": [], "comment": ""}}
        ),
    ],
)
def test_what_is_not_a_manifest_is_named_with_the_way_out(data: bytes) -> None:
    with pytest.raises(ValueError, match="materialize that day of the lake again") as caught:
        from_json(data, URL)
    assert str(caught.value).startswith(URL)


def test_a_manifest_of_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="manifest format 3 is not known to this version"):
        from_json(changed({"format": 3}), URL)
