"""The embedded lake, as a client of S3 sees it."""

from __future__ import annotations

import importlib.metadata
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from aurora_dwh.local.lake import LakeError, LakeServer
from aurora_dwh.local.processes import is_running, start_time, wait_until


def client_of(lake: LakeServer, *, key: str = "", secret: str = "") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=lake.endpoint_url,
        region_name=lake.region,
        aws_access_key_id=key or lake.access_key,
        aws_secret_access_key=secret or lake.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeServer]:
    server = LakeServer(tmp_path_factory.mktemp("lake"))
    server.start()
    yield server
    server.stop()


def test_objects_are_put_listed_read_and_deleted(lake: LakeServer) -> None:
    s3 = client_of(lake)
    keys = [f"many/{number:04}" for number in range(20)]
    for key in keys:
        s3.put_object(Bucket=lake.bucket, Key=key, Body=b"x")
    listing = s3.get_paginator("list_objects_v2")
    pages = list(listing.paginate(Bucket=lake.bucket, Prefix="many/", PaginationConfig={"PageSize": 15}))
    assert [len(page["Contents"]) for page in pages] == [15, 5]
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    s3.put_object(Bucket=lake.bucket, Key="日本/a b+c", Body=b"0123456789")
    ranged = s3.get_object(Bucket=lake.bucket, Key="日本/a b+c", Range="bytes=2-4")
    assert ranged["Body"].read() == b"234"
    s3.delete_object(Bucket=lake.bucket, Key="日本/a b+c")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=lake.bucket, Key="日本/a b+c")
    assert code_of(caught) == "NoSuchKey"


def test_multipart_upload(lake: LakeServer) -> None:
    s3 = client_of(lake)
    parts = [os.urandom(5 * 1024 * 1024), os.urandom(1_000)]
    upload = s3.create_multipart_upload(Bucket=lake.bucket, Key="large")["UploadId"]
    sent = []
    for number, body in enumerate(parts, start=1):
        answer = s3.upload_part(Bucket=lake.bucket, Key="large", UploadId=upload, PartNumber=number, Body=body)
        sent.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(Bucket=lake.bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": sent})
    found = s3.get_object(Bucket=lake.bucket, Key="large")
    assert found["ETag"].endswith('-2"')
    assert found["Body"].read() == b"".join(parts)


def test_if_none_match_protects_an_object(lake: LakeServer) -> None:
    s3 = client_of(lake)
    s3.put_object(Bucket=lake.bucket, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=lake.bucket, Key="once", Body=b"second", IfNoneMatch="*")
    assert code_of(caught) == "PreconditionFailed"
    assert s3.get_object(Bucket=lake.bucket, Key="once")["Body"].read() == b"first"


@pytest.mark.parametrize(
    ("key", "secret", "code"), [("nobody", "x", "InvalidAccessKeyId"), ("", "wrong", "SignatureDoesNotMatch")]
)
def test_wrong_credentials_are_refused(lake: LakeServer, key: str, secret: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        client_of(lake, key=key, secret=secret).list_objects_v2(Bucket=lake.bucket)
    assert code_of(caught) == code


def test_secrets_are_kept_private_and_out_of_the_log(lake: LakeServer) -> None:
    folder = lake.log_file.parent
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    assert lake.secret_key not in lake.log_file.read_text(encoding="utf-8", errors="replace")


def test_objects_credentials_and_port_survive_a_stop_and_a_kill_and_objects_other_ports(tmp_path: Path) -> None:
    first = LakeServer(tmp_path)
    first.start()
    before = (first.port, first.access_key, first.secret_key)
    client_of(first).put_object(Bucket=first.bucket, Key="kept", Body=b"1")
    first.stop()
    assert not first.is_alive()

    second = LakeServer(tmp_path)
    second.start()
    assert (second.port, second.access_key, second.secret_key) == before
    client_of(second).put_object(Bucket=second.bucket, Key="kept too", Body=b"2" * 300_000)
    pid = second.pid
    assert pid is not None
    os.kill(pid, 9)
    assert wait_until(lambda: not second.is_alive(), 5)

    (tmp_path / "ports.json").unlink()
    third = LakeServer(tmp_path)
    third.start()
    assert third.port != second.port
    s3 = client_of(third)
    assert s3.get_object(Bucket=third.bucket, Key="kept")["Body"].read() == b"1"
    assert s3.get_object(Bucket=third.bucket, Key="kept too")["Body"].read() == b"2" * 300_000
    third.stop()


def test_a_server_left_over_by_a_killed_parent_is_ended(tmp_path: Path) -> None:
    forgotten = LakeServer(tmp_path)
    forgotten.start()
    pid = forgotten.pid
    assert pid is not None
    started = start_time(pid)
    second = LakeServer(tmp_path)
    second.start()
    assert not is_running(pid, started)
    assert second.is_alive()
    second.stop()


def test_a_platform_without_the_program_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "files", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LakeError, match=r"LAKE_URI.*AWS_\*.*--without lake"):
        LakeServer(tmp_path).start()


def test_a_server_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "filerldb2").write_text("not a folder", encoding="utf-8")
    with pytest.raises(LakeError, match=r"stopped while starting:\n\(end of .*weed\.log\)"):
        LakeServer(tmp_path).start()
