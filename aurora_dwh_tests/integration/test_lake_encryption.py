"""A bucket that refuses what does not name its encryption, as companies' policies have it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aurora_dwh.commands.doctor import lake as doctor
from aurora_dwh.commands.doctor.check import Attempts, State
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import upload
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET, LakeServer
from aurora_dwh.settings.config import LakeSettings
from aurora_dwh_tests.integration.test_s3_faults import _noise
from aurora_dwh_tests.services import extract, lake_variables

SCHEMA = TableSchema("shop", "orders", (Column("id", "int", "int", False), Column("note", "text", "text")), ("id",))
ROWS = [{"id": n, "note": _noise(n)} for n in range(6)]  # so that the file is sent in blocks
KEY = "arn:aws:kms:eu-west-1:123456789012:key/0d8c"
HEADERS = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id")


class Bucket:
    """The bucket's policy, which sees each request as it is about to be signed, and what was asked for.

    What it lets pass goes on without the encryption, as the embedded server has no keys.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def demand(self, request: Any, **_: Any) -> None:
        makes_file = request.method == "PUT" and "partNumber" not in request.url
        if not makes_file and not request.url.endswith("?uploads"):
            return
        asked = tuple(request.headers.get(name, "") for name in HEADERS)
        if not asked[0]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "explicit deny in a policy"}}, "PutObject")
        self.asked.append(asked)
        for name in HEADERS:
            del request.headers[name]


@pytest.fixture
def bucket(
    lake: Lake, lake_server: LakeServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[Bucket, LakeSettings]]:
    """Gives the bucket and the settings of the lake with a value of LAKE_SSE."""
    for name, value in {
        "AURORA_DATABASE": "shop",
        **lake_variables(lake_server, f"s3://{BUCKET}/{lake.layout.prefix}"),
    }.items():
        monkeypatch.setenv(name, value)

    def make(sse: str) -> tuple[Bucket, LakeSettings]:
        monkeypatch.setenv("LAKE_SSE", sse)
        made, connect = Bucket(), LakeSettings.client

        def client(settings: LakeSettings) -> Any:
            connected = connect(settings)
            connected.meta.events.register("before-sign.s3", made.demand)
            return connected

        monkeypatch.setattr(LakeSettings, "client", client)
        return made, LakeSettings.from_env()

    return make


def test_o17_without_the_setting_the_bucket_refuses_and_doctor_names_it(bucket: Any) -> None:
    bucket("")
    with pytest.raises(ClientError, match="explicit deny"):
        open_lake().write("orders", extract(SCHEMA, date(2024, 1, 5), ROWS))
    run = Attempts()
    assert doctor.check(run) is None
    assert run.checks[-1].name == "lake: put object"
    assert run.checks[-1].state is State.FAILED
    assert "set LAKE_SSE" in run.checks[-1].remedy


@pytest.mark.parametrize(
    ("sse", "asked"),
    [("AES256", ("AES256", "")), ("aws:kms", ("aws:kms", "")), (KEY, ("aws:kms", KEY))],
)
def test_o17_with_the_setting_each_object_names_its_encryption(bucket: Any, sse: str, asked: tuple[str, str]) -> None:
    made, _ = bucket(sse)
    (part,) = open_lake().write("orders", extract(SCHEMA, date(2024, 1, 5), ROWS)).parts
    assert part.size > upload.BLOCK_BYTES
    assert made.asked == [asked] * 2  # the file and the manifest
    run = Attempts()
    assert doctor.check(run) is not None
    assert set(made.asked) == {asked}
