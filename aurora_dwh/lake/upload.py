"""A writable file that is an S3 multipart upload: what is written goes out in blocks, so memory stays flat.

Here belongs the upload of one object; which objects make a day is `lake.store`.
"""

from __future__ import annotations

import io
from mmap import mmap
from typing import Any

from aurora_dwh.core.prefetch import BackgroundCalls

BLOCK_BYTES = 5 * 1024 * 1024
"""Bytes in one uploaded block; S3 wants 5 MiB at least for all but the last, and 10,000 blocks at most."""

WAITING_BLOCKS = 1
"""Blocks that wait for the one under way while the next is filled."""


class S3Upload(io.RawIOBase):
    """One object on its way to S3; it exists only after `close`, and not at all after `abort`.

    An object that ends within its first block is sent by a single PUT.
    """

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client = client
        self._target = {"Bucket": bucket, "Key": key}
        self._block = _block(BLOCK_BYTES)
        self._filled = 0
        self._upload_id: str | None = None
        self._sending: BackgroundCalls[dict[str, Any]] = BackgroundCalls(room=WAITING_BLOCKS)
        self._sent = 0
        self._written = 0

    def __del__(self) -> None:
        """Do nothing: a file that was forgotten must not become an object, as closing it here would make it."""

    def writable(self) -> bool:
        """Return True: that is what the file is for."""
        return True

    def tell(self) -> int:
        """Return the bytes written so far."""
        return self._written

    def write(self, data: Any) -> int:
        """Take bytes, sending a block whenever one is full, unless it is aborted; raises what the client raises."""
        view = memoryview(data).cast("B")
        if self.closed:
            return len(view)
        for start in range(0, len(view), BLOCK_BYTES):
            self._fill(view[start : start + BLOCK_BYTES])
        self._written += len(view)
        return len(view)

    def send_rest(self) -> None:
        """Send the last block, as nothing will follow; what fits into one alone waits until it is closed."""
        if self._upload_id is not None and self._filled:
            self._send(self._rest())
            self._filled = 0

    def close(self) -> None:
        """Send the rest and make the object; nothing happens when it is closed already."""
        if self.closed:
            return
        try:
            if self._upload_id is None:
                self._client.put_object(**self._target, Body=self._rest())
            else:
                self.send_rest()
                blocks = {"Parts": self._sending.finish()}
                self._client.complete_multipart_upload(**self._target, UploadId=self._upload_id, MultipartUpload=blocks)
        finally:
            self._sending.drop()
        super().close()

    def abort(self) -> None:
        """Give the upload up, so that no object and no stray block is left."""
        if self.closed:
            return
        super().close()
        self._sending.stop()
        if self._upload_id is not None:
            self._client.abort_multipart_upload(**self._target, UploadId=self._upload_id)

    def _fill(self, data: memoryview) -> None:
        """Add a block's bytes at the most; a full block is given away as it is, as a copy would take its size again."""
        room = BLOCK_BYTES - self._filled
        for part in (data[:room], data[room:]):
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            if self._filled == BLOCK_BYTES:
                self._send(self._block)
                self._block, self._filled = _block(BLOCK_BYTES), 0

    def _rest(self) -> mmap | bytes:
        """Return what fills no block."""
        if not self._filled:
            return b""
        rest = _block(self._filled)
        rest[:] = self._block[: self._filled]
        return rest

    def _send(self, block: mmap | bytes) -> None:
        if self._upload_id is None:
            self._upload_id = self._client.create_multipart_upload(**self._target)["UploadId"]
        self._sent += 1
        self._sending.call(self._send_block, self._upload_id, self._sent, block)

    def _send_block(self, upload_id: str, number: int, block: mmap | bytes) -> dict[str, Any]:
        answer = self._client.upload_part(**self._target, UploadId=upload_id, PartNumber=number, Body=block)
        return {"PartNumber": number, "ETag": answer["ETag"]}


def _block(size: int) -> mmap:
    """Return memory that goes back to the system as soon as it is sent.

    The allocator would keep it: from the first large piece that is given back it keeps as large ones for small ones
    (`M_MMAP_THRESHOLD` in mallopt(3)), which is 15 MB more at the peak of a copy. A file can be sent as it is, besides,
    where botocore copies a bytearray.
    """
    return mmap(-1, size)
