"""Manifests: what must be in them, and what happens when it is not (checklist point 3)."""

from __future__ import annotations

import pyarrow as pa
import pytest

from aurora_dwh_tests.integration.standin.conftest import Bucket, Session

ONE = pa.table({"id": pa.array([1], pa.int64())})


@pytest.fixture(autouse=True)
def table(db: Session) -> None:
    db.sql("CREATE TABLE t (id bigint)")


def copy(source: str, fmt: str = "PARQUET") -> str:
    return f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS {fmt} MANIFEST"


def test_a23_only_the_listed_files_are_loaded(db: Session, bucket: Bucket) -> None:
    entries = [bucket.parquet(f"part-{i}.parquet", ONE) for i in range(3)]
    db.sql(copy(bucket.manifest(*entries[:2], schema={"elements": []}, author={"name": "x"})))
    assert db.one("SELECT count(*) FROM t") == 2
    assert db.sql("SELECT source_file_count FROM sys_load_history") == [(2,)]
    assert db.one("SELECT count(*) FROM sys_load_detail") == 2


def test_the_same_file_twice_is_loaded_twice(db: Session, bucket: Bucket) -> None:
    entry = bucket.parquet("x.parquet", ONE)
    db.sql(copy(bucket.manifest(entry, entry)))
    assert db.one("SELECT pg_last_copy_count()") == 2


def test_a_missing_manifest(db: Session, bucket: Bucket) -> None:
    error = db.refused(copy(bucket.url("nope.json")))
    assert error["C"] == "XX000"
    assert "does not exist" in error["M"]
    assert "8001" in error["D"]


def test_a_missing_mandatory_file(db: Session, bucket: Bucket) -> None:
    entry = bucket.parquet("x.parquet", ONE)
    gone = {**entry, "url": bucket.url("gone.parquet")}
    error = db.refused(copy(bucket.manifest(entry, gone)))
    assert error["M"] == "Spectrum Scan Error: File not found"
    assert db.one("SELECT count(*) FROM t") == 0


def test_a_missing_optional_file_is_skipped_but_not_all_of_them(db: Session, bucket: Bucket) -> None:
    entry = bucket.parquet("x.parquet", ONE)
    gone = {"url": bucket.url("gone.parquet"), "meta": {"content_length": 1}}
    db.sql(copy(bucket.manifest(entry, gone)))
    assert db.one("SELECT count(*) FROM t") == 1
    assert "File not found" in db.refused(copy(bucket.manifest(gone)))["M"]


@pytest.mark.parametrize("meta", [None, {}, {"content_length": 1}, {"content_length": "12"}])
def test_parquet_entries_need_the_right_content_length(db: Session, bucket: Bucket, meta: object) -> None:
    entry = bucket.parquet("x.parquet", ONE)
    entry["meta"] = meta
    assert "content_length" in db.refused(copy(bucket.manifest(entry)))["M"]


def test_text_entries_need_none(db: Session, bucket: Bucket) -> None:
    db.sql(copy(bucket.manifest({"url": bucket.put("x", b"7\n")}), "CSV"))
    assert db.one("SELECT id FROM t") == 7


@pytest.mark.parametrize("scheme", ["s3-eu-west-1://", "https://", "s3a://"])
def test_entries_need_the_scheme_s3(db: Session, bucket: Bucket, scheme: str) -> None:
    entry = bucket.parquet("x.parquet", ONE)
    entry["url"] = entry["url"].replace("s3://", scheme)
    error = db.refused(copy(bucket.manifest(entry)))
    assert "the scheme must be s3://" in error["M"]
    assert "8001" in error["D"]


@pytest.mark.parametrize("body", [b"not json", b"{}", b'{"entries":[]}', b'{"entries":[{}]}', b"\xff"])
def test_broken_manifests(db: Session, bucket: Bucket, body: bytes) -> None:
    assert "8001" in db.refused(copy(bucket.put("m.json", body)))["D"]


def test_an_entry_is_not_a_prefix(db: Session, bucket: Bucket) -> None:
    bucket.put("folder/x", b"1\n")
    assert db.refused(copy(bucket.manifest({"url": bucket.url("folder/"), "mandatory": True}), "CSV"))["C"] == "XX000"
    assert db.refused(copy(bucket.manifest({"url": bucket.url("folder/y"), "mandatory": True}), "CSV"))["C"] == "XX000"


def test_an_empty_parquet_prefix_loads_nothing_without_an_error(db: Session, bucket: Bucket) -> None:
    db.sql(f"COPY t FROM '{bucket.url('none/')}' IAM_ROLE default FORMAT AS PARQUET")
    assert db.one("SELECT pg_last_copy_count()") == 0
    assert "does not exist" in db.refused(f"COPY t FROM '{bucket.url('none/')}' IAM_ROLE default CSV")["M"]
