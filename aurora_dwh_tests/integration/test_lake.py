"""The lake over a real S3 server: a day is there as a whole or not at all, whoever writes it and whatever breaks."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import DataError, Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import parquet, store, upload
from aurora_dwh.lake.manifest import to_json
from aurora_dwh.lake.store import Lake, LakeConflictError, MissingDayError
from aurora_dwh.lake.upload import S3Upload
from aurora_dwh.local.lake import BUCKET
from aurora_dwh_tests.services import extract

SCHEMA = TableSchema(
    "shop", "orders", (Column("Id", "bigint", "bigint", False), Column("note", "text", "text")), ("Id",)
)
DAY = date(2024, 1, 5)
SHOP = Catalog(timezone="UTC", start_date=DAY, tables={})
RULES = Rules.of(Table(name="orders", mode="full"), SHOP, source="shop@db")
Row = Mapping[str, Any]


def rows(count: int, note: str = "n") -> list[Row]:
    return [{"id": n, "note": f"{note}{n}"} for n in range(count)]


def keys(lake: Lake, s3: Any, folder: str = "") -> set[str]:
    """Return what lies under a day (or all of the lake), as names behind the folder's."""
    prefix = f"{folder or lake.layout.prefix}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", ())}


def day_keys(lake: Lake, s3: Any, day: date = DAY) -> set[str]:
    return keys(lake, s3, lake.layout.day("orders", day))


def part_names(manifest: Any) -> set[str]:
    return {part.url.rpartition("/")[2] for part in manifest.parts}


def ids(lake: Lake, day: date = DAY) -> list[int]:
    found: list[int] = lake.reader(lake.read("orders", [day])).read_all()["id"].to_pylist()
    return sorted(found)


@pytest.fixture
def _many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet, "PART_BYTES", 5)


@pytest.mark.usefixtures("_many_parts")
def test_a23_a_day_lies_in_the_lake_as_its_manifest_says(lake: Lake, s3: Any) -> None:
    work = extract(SCHEMA, DAY, rows(3))
    work.converted.update({("note", "zero_date"): 2, ("Id", "b"): 1, ("Id", "a"): 3})
    manifest = lake.write("orders", work)
    assert day_keys(lake, s3) == {*part_names(manifest), "_manifest.json"}
    assert len(manifest.parts) == 3
    assert [part.rows for part in manifest.parts] == [1, 1, 1]
    for part in manifest.parts:
        assert s3.head_object(Bucket=BUCKET, Key=lake.layout.key(part.url))["ContentLength"] == part.size
    assert manifest.converted == {"Id": {"a": 3, "b": 1}, "note": {"zero_date": 2}}
    assert manifest.window == work.window
    assert manifest.snapshot_at == work.snapshot_at
    assert lake.read("orders", [DAY]) == [manifest]


def test_the_rows_are_those_that_were_written(lake: Lake) -> None:
    work = extract(SCHEMA, DAY, [{"id": 1, "note": "\0'\"\\N"}, {"id": 2, "note": None}, {"id": 3, "note": ""}])
    table = lake.reader([lake.write("orders", work)]).read_all()
    own = {"_dwh_day": DAY, "_dwh_loaded_at": work.snapshot_at.replace(tzinfo=None)}
    assert table.to_pylist() == [
        {"id": 1, "note": "\0'\"\\N", **own},
        {"id": 2, "note": None, **own},
        {"id": 3, "note": "", **own},
    ]


def test_rows_of_several_days_join_though_a_column_came_later(lake: Lake) -> None:
    wider = TableSchema("shop", "orders", (*SCHEMA.columns, Column("More", "int", "int")), ("Id",))
    lake.write("orders", extract(SCHEMA, DAY, rows(1)))
    lake.write("orders", extract(wider, DAY + timedelta(days=1), [{"id": 7, "note": "x", "more": 1}]))
    table = lake.reader(lake.read("orders", [DAY, DAY + timedelta(days=1)])).read_all()
    assert [(r["id"], r["more"]) for r in table.to_pylist()] == [(0, None), (7, 1)]


@pytest.mark.usefixtures("_many_parts")
def test_one_reading_stands_for_further_days(lake: Lake, s3: Any) -> None:
    before = Window(DAY - timedelta(days=1), None, datetime(2024, 1, 1, tzinfo=timezone.utc))
    read = extract(SCHEMA, DAY, rows(25))
    read.also = [before]
    read.converted["note", "nul_bytes"] = 3
    last = lake.write("orders", read)
    earlier = lake.share(last, before)

    assert (earlier.day, earlier.snapshot_at, earlier.converted) == (
        DAY - timedelta(days=1),
        last.snapshot_at,
        {"note": {"nul_bytes": 3}},
    )
    assert ids(lake, earlier.day) == ids(lake) == list(range(25))
    assert set(lake.reader([earlier]).read_all()["_dwh_day"].to_pylist()) == {earlier.day}
    assert len(earlier.parts) > 1
    lake.write("orders", extract(SCHEMA, DAY, rows(2)))
    assert ids(lake, earlier.day) == list(range(25))


def test_a_day_without_rows_stands_and_still_has_its_columns(lake: Lake, s3: Any) -> None:
    manifest = lake.write("orders", extract(SCHEMA, DAY, []))
    assert day_keys(lake, s3) == {"_manifest.json"}
    assert (manifest.rows, manifest.parts) == (0, ())
    assert lake.reader(lake.read("orders", [DAY])).read_all().schema == parquet.own_columns(SCHEMA.arrow_schema)


@pytest.mark.usefixtures("_many_parts")
def test_a_second_extraction_replaces_the_day_and_removes_the_parts_of_the_first(lake: Lake, s3: Any) -> None:
    first = lake.write("orders", extract(SCHEMA, DAY, rows(4)))
    second = lake.write("orders", extract(SCHEMA, DAY, rows(2)))
    assert day_keys(lake, s3) == {*part_names(second), "_manifest.json"}
    assert not part_names(first) & part_names(second)
    assert ids(lake) == [0, 1]


@pytest.mark.usefixtures("_many_parts")
def test_a_day_that_became_empty_leaves_no_part(lake: Lake, s3: Any) -> None:
    lake.write("orders", extract(SCHEMA, DAY, rows(4)))
    lake.write("orders", extract(SCHEMA, DAY, []))
    assert day_keys(lake, s3) == {"_manifest.json"}


def test_the_other_days_and_tables_are_not_touched(lake: Lake, s3: Any) -> None:
    other = TableSchema("shop", "orders_old", SCHEMA.columns, ("Id",))
    lake.write("orders", extract(SCHEMA, DAY, rows(1)))
    lake.write("orders", extract(SCHEMA, date(2024, 1, 6), rows(1)))
    lake.write("orders_old", extract(other, DAY, rows(1)))
    before = keys(lake, s3) - {k for k in keys(lake, s3) if k.startswith("shop/orders/day=2024-01-05/")}
    lake.write("orders", extract(SCHEMA, DAY, rows(2)))
    assert before <= keys(lake, s3)


def broken(count: int, error: BaseException) -> Iterator[Row]:
    yield from rows(count, "new")
    raise error


@pytest.mark.usefixtures("_many_parts")
@pytest.mark.parametrize("error", [DataError("bad row"), ConnectionError("cut"), KeyboardInterrupt()], ids=repr)
def test_a18_an_extraction_that_breaks_leaves_the_day_as_it_was(lake: Lake, s3: Any, error: BaseException) -> None:
    lake.write("orders", extract(SCHEMA, DAY, rows(4)))
    before = day_keys(lake, s3)
    with pytest.raises(type(error)):
        lake.write("orders", extract(SCHEMA, DAY, broken(3, error)))
    assert day_keys(lake, s3) == before
    assert ids(lake) == [0, 1, 2, 3]


@pytest.mark.usefixtures("_many_parts")
def test_a18_a_first_extraction_that_breaks_leaves_nothing(lake: Lake, s3: Any) -> None:
    with pytest.raises(ConnectionError):
        lake.write("orders", extract(SCHEMA, DAY, broken(3, ConnectionError("cut"))))
    assert day_keys(lake, s3) == set()
    assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix=lake.layout.prefix).get("Uploads")


def test_the_parts_lie_there_before_the_manifest_is_put(lake: Lake, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    put = Lake._put_manifest

    def watched(self: Lake, manifest: Any, etag: Any) -> None:
        seen.append(day_keys(lake, s3) - part_names(manifest))
        assert part_names(manifest) <= day_keys(lake, s3)
        put(self, manifest, etag)
        assert "_manifest.json" in day_keys(lake, s3)

    monkeypatch.setattr(Lake, "_put_manifest", watched)
    lake.write("orders", extract(SCHEMA, DAY, rows(2)))
    assert seen == [set()]


def test_readers_see_the_old_day_while_a_new_one_is_written(lake: Lake) -> None:
    lake.write("orders", extract(SCHEMA, DAY, rows(2)))
    during: list[list[int]] = []

    def watching() -> Iterator[Row]:
        for row in rows(5):
            during.append(ids(lake))
            yield row

    lake.write("orders", extract(SCHEMA, DAY, watching()))
    assert during == [[0, 1]] * 5
    assert ids(lake) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("standing", [0, 2])
def test_of_two_extractions_at_once_exactly_one_wins_and_the_day_is_whole(lake: Lake, s3: Any, standing: int) -> None:
    if standing:
        lake.write("orders", extract(SCHEMA, DAY, rows(standing)))
    together = threading.Barrier(2)
    outcomes: list[tuple[int, str]] = []

    def slow(count: int) -> Iterator[Row]:
        together.wait(10)  # both have looked at the standing manifest
        yield from rows(count)
        together.wait(10)

    def run(count: int) -> None:
        try:
            outcomes.append((count, lake.write("orders", extract(SCHEMA, DAY, slow(count))).attempt))
        except LakeConflictError:
            outcomes.append((count, "lost"))

    threads = [threading.Thread(target=run, args=(count,)) for count in (5, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(attempt == "lost" for _, attempt in outcomes) == {True: 1, False: 1}
    count, attempt = next(o for o in outcomes if o[1] != "lost")
    manifest = lake.read("orders", [DAY])[0]
    assert (manifest.attempt, ids(lake)) == (attempt, list(range(count)))
    assert day_keys(lake, s3) == {*part_names(manifest), "_manifest.json"}


def test_the_one_that_lost_says_so_and_may_try_again(lake: Lake) -> None:
    def overtaken() -> Iterator[Row]:
        lake.write("orders", extract(SCHEMA, DAY, rows(2)))
        yield from rows(5)

    with pytest.raises(LakeConflictError, match="lake/orders 2024-01-05: another extraction of this day ended first"):
        lake.write("orders", extract(SCHEMA, DAY, overtaken()))
    assert ids(lake) == [0, 1]
    lake.write("orders", extract(SCHEMA, DAY, rows(5)))
    assert ids(lake) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "condition", [{"IfNoneMatch": "*"}, {"IfMatch": '"00000000000000000000000000000000"'}], ids=str
)
def test_the_server_honours_the_conditions_that_the_manifest_is_put_under(
    lake: Lake, s3: Any, condition: dict[str, str]
) -> None:
    key = f"{lake.layout.prefix}/object"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"2", **condition)
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"1"


def test_a_put_that_succeeded_and_was_sent_again_by_the_client_is_a_success(lake: Lake, s3: Any) -> None:
    class Twice:
        """A client whose PUT of the manifest has its answer lost and is sent again."""

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def put_object(self, **arguments: Any) -> Any:
            if arguments["Key"].endswith("_manifest.json"):
                s3.put_object(**arguments)
            return s3.put_object(**arguments)

    manifest = Lake(Twice(), lake.layout).write("orders", extract(SCHEMA, DAY, rows(3)))
    assert lake.read("orders", [DAY]) == [manifest]
    assert ids(lake) == [0, 1, 2]


def test_parts_are_kept_when_nobody_knows_whether_the_manifest_was_put(lake: Lake, s3: Any) -> None:
    class Lost:
        """A client that loses the answer to the PUT of the manifest."""

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def put_object(self, **arguments: Any) -> Any:
            answer = s3.put_object(**arguments)
            if arguments["Key"].endswith("_manifest.json"):
                raise ConnectionError("lost")
            return answer

    with pytest.raises(ConnectionError):
        Lake(Lost(), lake.layout).write("orders", extract(SCHEMA, DAY, rows(3)))
    assert ids(lake) == [0, 1, 2]


def test_leavings_of_a_crash_are_swept_once_they_are_old(lake: Lake, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = lake.layout.part("orders", DAY, "20240101T000000-dead", 0)
    other_day = lake.layout.part("orders", date(2024, 1, 6), "20240101T000000-dead", 0)
    for key in (stray, other_day):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    lake.write("orders", extract(SCHEMA, DAY, rows(1)))
    assert stray.rpartition("/")[2] in day_keys(lake, s3)  # it may be another extraction's that still runs
    monkeypatch.setattr(store, "STRAY_AGE", timedelta(seconds=-60))
    manifest = lake.write("orders", extract(SCHEMA, DAY, rows(1)))
    assert day_keys(lake, s3) == {*part_names(manifest), "_manifest.json"}
    assert day_keys(lake, s3, date(2024, 1, 6)) == {other_day.rpartition("/")[2]}


def test_days_come_in_the_order_asked_for(lake: Lake) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    for day in days:
        lake.write("orders", extract(SCHEMA, day, []))
    assert [m.day for m in lake.read("orders", days[::-1])] == days[::-1]


def test_missing_days_are_listed(lake: Lake) -> None:
    lake.write("orders", extract(SCHEMA, DAY, []))
    asked = [DAY + timedelta(days=n) for n in range(9)]
    with pytest.raises(MissingDayError) as caught:
        lake.read("orders", asked)
    assert str(caught.value) == (
        "lake/orders: no manifest for 2024-01-06...2024-01-13 under "
        f"s3://{BUCKET}/{lake.layout.prefix}/shop/orders; materialize those days of lake/orders first"
    )


def test_a_manifest_that_cannot_be_read_is_named_and_a_new_extraction_mends_it(lake: Lake, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=lake.layout.manifest("orders", DAY), Body=b'{"entries": []}')
    with pytest.raises(ValueError, match="materialize that day of the lake again"):
        lake.read("orders", [DAY])
    again = extract(SCHEMA, DAY, rows(2))
    again.rules = RULES
    assert lake.columns("orders", RULES) == []
    lake.write("orders", again)
    assert ids(lake) == [0, 1]


def test_one_day_serves_copy_with_its_own_manifest(lake: Lake) -> None:
    manifest = lake.write("orders", extract(SCHEMA, DAY, rows(1)))
    with lake.copy_manifest([manifest]) as url:
        assert url == manifest.url


def test_several_days_are_joined_for_as_long_as_copy_reads_them(lake: Lake, s3: Any) -> None:
    days = [lake.write("orders", extract(SCHEMA, DAY + timedelta(days=n), rows(n))) for n in range(3)]
    with pytest.raises(RuntimeError), lake.copy_manifest(days) as url:  # noqa: PT012 - looked at while it is there
        body = json.loads(s3.get_object(Bucket=BUCKET, Key=lake.layout.key(url))["Body"].read())
        assert [e["url"] for e in body["entries"]] == [part.url for day in days for part in day.parts]
        raise RuntimeError
    assert not {key for key in keys(lake, s3) if "_loads" in key}


def test_a22_a_table_with_an_odd_name_is_kept_like_any_other(lake: Lake) -> None:
    name = "Größe & 50% of/日本 ?#"
    schema = TableSchema("shop", name, SCHEMA.columns, ("Id",))
    lake.write(name, extract(schema, DAY, rows(2)))
    lake.write(name, extract(schema, DAY, rows(3)))
    assert sorted(lake.reader(lake.read(name, [DAY])).read_all()["id"].to_pylist()) == [0, 1, 2]


BLOCK = upload.BLOCK_BYTES


@pytest.mark.parametrize("size", [0, 5, BLOCK - 1, BLOCK, 3 * BLOCK + 3])
def test_an_uploaded_object_is_byte_for_byte_what_was_written(lake: Lake, s3: Any, size: int) -> None:
    key = f"{lake.layout.prefix}/object"
    data = bytes(range(251)) * (size // 251 + 1)
    with S3Upload(s3, BUCKET, key) as sink:
        for start in range(0, size, 3_000_000):
            sink.write(data[start : min(start + 3_000_000, size)])
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == data[:size]
    parts = s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"').partition("-")[2]
    assert bool(parts) == (size >= BLOCK)


def test_an_aborted_upload_leaves_neither_object_nor_blocks(lake: Lake, s3: Any) -> None:
    key = f"{lake.layout.prefix}/object"
    sink = S3Upload(s3, BUCKET, key)
    sink.write(bytes(2 * BLOCK))
    assert s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key)["Uploads"]
    sink.abort()
    assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads")
    assert keys(lake, s3) == set()


def test_a_part_in_the_lake_is_parquet_that_any_reader_opens(lake: Lake, s3: Any) -> None:
    manifest = lake.write("orders", extract(SCHEMA, DAY, rows(2)))
    body = s3.get_object(Bucket=BUCKET, Key=lake.layout.key(manifest.parts[0].url))["Body"].read()
    assert pq.read_table(pa.BufferReader(body)).column_names == ["id", "note", "_dwh_day", "_dwh_loaded_at"]


def test_the_manifest_in_the_lake_is_what_to_json_says(lake: Lake, s3: Any) -> None:
    manifest = lake.write(
        "orders", extract(SCHEMA, DAY, rows(2), snapshot_at=datetime(2024, 1, 6, tzinfo=timezone.utc))
    )
    stored = s3.get_object(Bucket=BUCKET, Key=lake.layout.key(manifest.url))
    assert stored["Body"].read() == to_json(manifest)
    assert stored["ContentType"] == "application/json"
