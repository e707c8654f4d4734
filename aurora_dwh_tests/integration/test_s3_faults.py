"""S3 that fails in the middle, by a proxy in front of a real server: what passes is tried again, and no day is half."""

from __future__ import annotations

import random
import re
from base64 import b85encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import cycle, product
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from aurora_dwh.core import retries
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import parquet, store, upload
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET, LakeServer
from aurora_dwh.orchestration.failures import _may_pass
from aurora_dwh.settings import aws
from aurora_dwh_tests.proxies import PASS, Fate, s3_proxy
from aurora_dwh_tests.services import extract

SCHEMA = TableSchema("shop", "orders", (Column("id", "int", "int", False), Column("note", "text", "text")), ("id",))
DAY = date(2024, 1, 5)
CALLS = {
    "manifest read": r"^GET \S+_manifest\.json$",
    "upload begun": r"^POST \S+\?uploads",
    "block": r"^PUT \S+partNumber=2",
    "upload completed": r"^POST \S+\.parquet\?uploadId",
    "file": r"^PUT \S+-00001\.parquet$",
    "manifest": r"^PUT \S+_manifest\.json$",
    "list": r"^GET \S+list-type=2",
    "delete": r"^POST \S+\?delete",
}


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>not now</Message></Error>".encode()


FAULTS = {
    "500": Fate(reply=(500, _error("InternalError"))),
    "503": Fate(reply=(503, _error("SlowDown"))),
    "reset": Fate("before"),
    "answer lost": Fate("after"),
    "truncated": Fate(keep=0.5),
}


class Faulty:
    """The proxy's memory: which calls fail, how often, and how many were met."""

    def __init__(self) -> None:
        self.match, self.fate, self.times, self.met = "", PASS, 0, 0

    def fail(self, match: str, fate: Fate, times: int) -> None:
        self.match, self.fate, self.times, self.met = match, fate, times, 0

    def meet(self, call: str) -> Fate:
        if not self.times or not re.search(self.match, call):
            return PASS
        self.times -= 1
        self.met += 1
        return self.fate


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()


@pytest.fixture
def broken(
    lake: Lake, lake_server: LakeServer, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Lake]]:
    """The product's own client of the lake, behind the proxy; a day takes a file of blocks and one of a request."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet, "PART_BYTES", upload.BLOCK_BYTES + 1000)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", lake_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", lake_server.secret_key)
    at = urlsplit(lake_server.endpoint_url)
    with s3_proxy(at.hostname or "", at.port or 0, faulty.meet) as port:
        yield lambda: Lake(aws.s3_client(f"http://127.0.0.1:{port}", lake_server.region), lake.layout)


def write(lake: Lake, mark: str) -> None:
    """Write a day of a file of blocks and a small one."""
    _write(lake, [mark + "x" * 100, *(mark + _noise(n) for n in range(6)), mark])


def write_small(lake: Lake, mark: str) -> None:
    """Write a day of a small file, where only what it says is looked at."""
    _write(lake, [mark])


def _write(lake: Lake, notes: Sequence[str]) -> None:
    lake.write("orders", extract(SCHEMA, DAY, [{"id": n, "note": note} for n, note in enumerate(notes)]))


@cache
def _noise(seed: int) -> str:
    return b85encode(random.Random(seed).randbytes(1_000_000)).decode()  # a megabyte when it is compressed


def marks(lake: Lake) -> set[str]:
    return {str(note)[:1] for note in lake.reader(lake.read("orders", [DAY])).read_all()["note"].to_pylist()}


def objects(lake: Lake) -> set[str]:
    found = lake.client.list_objects_v2(Bucket=BUCKET, Prefix=lake.layout.day("orders", DAY))
    return {item["Key"] for item in found.get("Contents", ())}


def named(lake: Lake) -> set[str]:
    (manifest,) = lake.read("orders", [DAY])
    return {lake.layout.key(url) for url in (manifest.url, *(part.url for part in manifest.parts))}


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *zip(CALLS, cycle(FAULTS)),
        ("manifest", "answer lost"),
        *(pytest.param(*one, marks=pytest.mark.soak) for one in product(CALLS, FAULTS)),
    ],
)
def test_a18_a23_a_failure_of_s3_that_passes_is_tried_again(
    lake: Lake, broken: Callable[[], Lake], faulty: Faulty, call: str, fault: str
) -> None:
    write_small(lake, "a")
    faulty.fail(CALLS[call], FAULTS[fault], times=1)
    write(broken(), "b")
    assert faulty.met == 1
    assert marks(lake) == {"b"}
    assert objects(lake) == named(lake)


STAYING = ("503", "reset", "answer lost")


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *zip(CALLS, cycle(STAYING)),
        ("manifest", "answer lost"),
        *(pytest.param(*one, marks=pytest.mark.soak) for one in product(["manifest", "delete"], STAYING)),
    ],
)
def test_a18_a23_a_failure_of_s3_that_stays_leaves_no_half_day_and_the_next_run_no_strays(
    lake: Lake,
    broken: Callable[[], Lake],
    faulty: Faulty,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    fault: str,
) -> None:
    write_small(lake, "a")
    faulty.fail(CALLS[call], FAULTS[fault], times=1_000)
    with pytest.raises((ClientError, BotoCoreError)) as caught:
        write(broken(), "b")
    assert faulty.met >= retries.REQUEST.attempts
    assert "SlowDown" in str(caught.value) or fault != "503"
    stands = "b" if call in ("list", "delete") or (call, fault) == ("manifest", "answer lost") else "a"
    assert marks(lake) == {stands}
    a_day_later(faulty, monkeypatch)
    write_small(broken(), "c")
    assert marks(lake) == {"c"}
    assert objects(lake) == named(lake)


def a_day_later(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3 work again, and what was left behind be old."""
    faulty.fail("", PASS, times=0)
    monkeypatch.setattr(store, "STRAY_AGE", -store.STRAY_AGE)


# S3 answers 200, and says in the answer that it did not do all of it


def _kept(code: str, *keys: str) -> Fate:
    errors = "".join(f"<Error><Key>{key}</Key><Code>{code}</Code><Message>not you</Message></Error>" for key in keys)
    return Fate(reply=(200, f"<?xml version='1.0'?><DeleteResult>{errors}</DeleteResult>".encode()))


def test_o08_parts_that_s3_keeps_are_told_and_gone_after_the_next_reading_once_it_lets_them_go(
    lake: Lake, broken: Callable[[], Lake], faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lake, "a")
    parts = sorted(lake.layout.key(part.url) for part in lake.read("orders", [DAY])[0].parts)
    faulty.fail(CALLS["delete"], _kept("AccessDenied", *parts), times=1)
    with pytest.raises(ClientError) as caught:
        write(broken(), "b")
    assert faulty.met == 1  # who may not delete need not ask again
    assert f"not you - S3 keeps 2 objects that no manifest names any more, such as {lake.layout.url(parts[0])};" in str(
        caught.value
    )
    assert "allow this process s3:DeleteObject" in str(caught.value)
    assert not _may_pass(caught.value)
    assert marks(lake) == {"b"}
    assert objects(lake) == named(lake) | set(parts)
    a_day_later(faulty, monkeypatch)
    write_small(broken(), "c")
    assert objects(lake) == named(lake)


@pytest.mark.parametrize("times", [1, 100])
def test_o08_parts_that_s3_keeps_for_a_moment_are_deleted_in_the_next(
    lake: Lake, broken: Callable[[], Lake], faulty: Faulty, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(retries, "DELETION", retries.Retries(3))
    write(lake, "a")
    parts = sorted(lake.layout.key(part.url) for part in lake.read("orders", [DAY])[0].parts)
    faulty.fail(CALLS["delete"], _kept("InternalError", *parts), times=times)
    if times == 1:
        write(broken(), "b")
        assert objects(lake) == named(lake)
    else:
        with pytest.raises(ClientError) as caught:
            write(broken(), "b")
        assert faulty.met == 3
        assert _may_pass(caught.value)


def test_o08_what_s3_keeps_of_an_attempt_that_failed_does_not_hide_why(
    lake: Lake, broken: Callable[[], Lake], faulty: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    work = extract(SCHEMA, DAY, [{"id": 1, "note": "a"}])

    def batches() -> Iterator[pa.RecordBatch]:
        yield from work.batches
        raise ValueError("a value that cannot be copied")

    faulty.fail(CALLS["delete"], _kept("AccessDenied", "x"), times=1)
    with pytest.raises(ValueError, match="a value that cannot be copied"):
        broken().write("orders", replace(work, batches=batches()))
    assert faulty.met == 1
    assert "left for a later sweep" in caplog.text


def test_o08_a_file_that_was_not_completed_though_s3_answers_200_is_completed_by_another_request(
    lake: Lake, broken: Callable[[], Lake], faulty: Faulty
) -> None:
    faulty.fail(CALLS["upload completed"], Fate(reply=(200, _error("InternalError"))), times=1)
    write(broken(), "a")
    assert faulty.met == 1
    assert marks(lake) == {"a"}


# The keys of a proof


KEY_CALLS = {
    "part": r"^PUT \S+-\d{5}\.parquet$",
    "manifest": r"^PUT \S+[0-9a-f]\.json$",
    "list": CALLS["list"],
    "delete": CALLS["delete"],
}


def take_keys(lake: Lake) -> list[int]:
    """Put six megabytes of keys into the lake, and return what COPY would find of them."""
    keys = replace(SCHEMA, columns=(SCHEMA.columns[1],), primary_key=("note",))
    rows = [{"note": f"{number}{_noise(number)}"} for number in range(6)]
    with lake.keys("orders", extract(keys, DAY, rows)) as manifest:
        assert lake.client.head_object(Bucket=BUCKET, Key=lake.layout.key(manifest.url))
        return [int(str(note)[0]) for note in lake.reader([manifest]).read_all()["note"].to_pylist()]


def key_files(lake: Lake) -> list[str]:
    found = lake.client.list_objects_v2(Bucket=BUCKET, Prefix=lake.layout.keys("orders"))
    return [item["Key"] for item in found.get("Contents", ())]


# Each call and each fault once: the client that meets them is the one of the days.
@pytest.mark.parametrize(("call", "fault"), zip(KEY_CALLS, cycle(FAULTS)))
def test_a16_a18_a_failure_of_s3_that_passes_leaves_all_keys_and_no_files(
    lake: Lake, broken: Callable[[], Lake], faulty: Faulty, call: str, fault: str
) -> None:
    faulty.fail(KEY_CALLS[call], FAULTS[fault], times=1)
    assert take_keys(broken()) == list(range(6))
    assert faulty.met == 1
    assert key_files(lake) == []


@pytest.mark.parametrize(("call", "fault"), zip(KEY_CALLS, cycle(["reset", "truncated", "answer lost", "503"])))
def test_a16_a18_a_failure_of_s3_that_stays_gives_no_keys_and_the_next_run_no_strays(
    lake: Lake,
    broken: Callable[[], Lake],
    faulty: Faulty,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    fault: str,
) -> None:
    faulty.fail(KEY_CALLS[call], FAULTS[fault], times=1_000)
    with pytest.raises((ClientError, BotoCoreError)):
        take_keys(broken())
    assert faulty.met >= retries.REQUEST.attempts
    a_day_later(faulty, monkeypatch)
    assert take_keys(broken()) == list(range(6))
    assert key_files(lake) == []


def test_a23_a_block_that_never_arrived_makes_no_file(lake: Lake, broken: Callable[[], Lake], faulty: Faulty) -> None:
    write_small(lake, "a")
    faulty.fail(CALLS["block"], replace(PASS, reply=(200, b"")), times=1)
    with pytest.raises((ClientError, KeyError)):
        write(broken(), "b")
    assert marks(lake) == {"a"}
    assert objects(lake) == named(lake)
