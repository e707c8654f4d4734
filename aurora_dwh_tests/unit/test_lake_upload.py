"""One object on its way to S3: which calls are made, in which order, with which bytes."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from aurora_dwh.lake import upload
from aurora_dwh.lake.upload import S3Upload

BLOCK = 100


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "BLOCK_BYTES", BLOCK)


class Client:
    """An S3 client that notes its calls."""

    def __init__(self, failing: str = "") -> None:
        self.calls: list[tuple[str, Any]] = []
        self._failing = failing

    def _note(self, name: str, detail: Any, **target: Any) -> None:
        assert (target["Bucket"], target["Key"]) == ("lake", "k")
        self.calls.append((name, detail))
        if name == self._failing:
            raise ConnectionError(name)

    def put_object(self, *, Body: bytes, **target: Any) -> None:  # noqa: N803 - boto3's names
        self._note("put", Body[:], **target)

    def create_multipart_upload(self, **target: Any) -> dict[str, str]:
        self._note("create", None, **target)
        return {"UploadId": "u1"}

    def upload_part(self, *, PartNumber: int, Body: bytes, UploadId: str, **target: Any) -> dict[str, str]:  # noqa: N803
        assert UploadId == "u1"
        self._note("part", (PartNumber, Body[:]), **target)
        return {"ETag": f"e{PartNumber}"}

    def complete_multipart_upload(self, *, UploadId: str, MultipartUpload: Any, **target: Any) -> None:  # noqa: N803
        assert UploadId == "u1"
        self._note("complete", MultipartUpload["Parts"], **target)

    def abort_multipart_upload(self, *, UploadId: str, **target: Any) -> None:  # noqa: N803
        assert UploadId == "u1"
        self._note("abort", None, **target)


def opened(client: Client) -> S3Upload:
    return S3Upload(client, "lake", "k")


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1])
def test_what_ends_within_the_first_block_is_one_put(size: int) -> None:
    client = Client()
    with opened(client) as sink:
        sink.write(b"x" * size)
        assert client.calls == []
    assert client.calls == [("put", b"x" * size)]


def test_what_is_longer_goes_out_block_by_block_while_it_is_written() -> None:
    client = Client()
    sink = opened(client)
    data = bytes(range(250))
    for start in range(0, 250, 30):
        sink.write(data[start : start + 30])
    assert ("part", (1, data[:100])) in client.calls
    sink.close()
    assert client.calls == [
        ("create", None),
        ("part", (1, data[:100])),
        ("part", (2, data[100:200])),
        ("part", (3, data[200:])),
        ("complete", [{"PartNumber": n, "ETag": f"e{n}"} for n in (1, 2, 3)]),
    ]


def test_one_write_may_fill_many_blocks_and_end_on_a_border() -> None:
    client = Client()
    with opened(client) as sink:
        assert sink.write(memoryview(b"z" * 300)) == 300
        assert sink.tell() == 300
    assert [call for call, _ in client.calls] == ["create", "part", "part", "part", "complete"]


def test_the_rest_is_sent_before_there_is_an_object() -> None:
    client = Client()
    sink = opened(client)
    sink.write(b"x" * 150)
    sink.send_rest()
    sink.close()
    assert [call for call, _ in client.calls] == ["create", "part", "part", "complete"]
    small = opened(client)
    small.write(b"x")
    small.send_rest()
    assert client.calls[-1][0] == "complete"
    small.close()
    assert client.calls[-1] == ("put", b"x")


def test_an_aborted_upload_leaves_nothing_behind() -> None:
    client = Client()
    sink = opened(client)
    sink.write(b"x" * 150)
    sink.abort()
    sink.abort()
    sink.close()
    assert [call for call, _ in client.calls if call != "part"] == ["create", "abort"]
    assert client.calls[-1] == ("abort", None)


def test_a_forgotten_upload_makes_no_object() -> None:
    client = Client()
    sink = opened(client)
    sink.write(b"x")
    del sink
    gc.collect()
    assert client.calls == []


def test_no_more_blocks_wait_than_memory_is_meant_for() -> None:
    client, go_on = Client(), threading.Event()
    note = client.upload_part

    def slow(**arguments: Any) -> dict[str, str]:
        assert go_on.wait(10)
        return note(**arguments)

    client.upload_part = slow  # type: ignore[method-assign]
    sink = opened(client)
    writing = threading.Thread(target=sink.write, args=(b"x" * 100 * BLOCK,))
    writing.start()
    writing.join(0.2)
    assert writing.is_alive()
    assert sink._sending._given.qsize() <= upload.WAITING_BLOCKS
    go_on.set()
    writing.join()
    sink.close()
    assert len(client.calls[-1][1]) == 100


def test_an_abort_before_the_first_block_calls_nothing_then_or_later() -> None:
    client = Client()
    sink = opened(client)
    sink.write(b"x")
    sink.abort()
    del sink
    gc.collect()
    assert client.calls == []


def test_closing_twice_makes_one_object() -> None:
    client = Client()
    sink = opened(client)
    sink.close()
    sink.close()
    assert client.calls == [("put", b"")]


@pytest.mark.parametrize("failing", ["part", "complete"])
def test_a_failure_on_the_way_can_still_be_aborted(failing: str) -> None:
    client = Client(failing)
    sink = opened(client)
    with pytest.raises(ConnectionError, match=failing):  # noqa: PT012 - either call may be the one
        sink.write(b"x" * 150)
        sink.close()
    sink.abort()
    assert client.calls[-1] == ("abort", None)


def test_it_is_a_file_to_write_to_and_nothing_else() -> None:
    sink = opened(Client())
    assert sink.writable()
    assert not sink.readable()
    assert not sink.seekable()
