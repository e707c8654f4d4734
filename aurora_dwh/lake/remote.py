"""Objects of S3 as files, of which no more is fetched than is read; and the file system by which DuckDB reads them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

PROTOCOL = "aurora-dwh"
"""How the addresses begin by which DuckDB knows the lake's files."""


class Remote(io.RawIOBase):
    """An object of S3 as a file, of which no more is fetched than is read."""

    def __init__(self, client: Any, bucket: str, key: str, size: int) -> None:
        self._client, self._place, self._size, self._at = client, {"Bucket": bucket, "Key": key}, size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer by one request."""
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        answer = self._client.get_object(**self._place, Range=f"bytes={self._at}-{end - 1}")
        data = answer["Body"].read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def file_system(client: Any, bucket: str, sizes: Mapping[str, int]) -> Any:
    """Return the file system that DuckDB registers: the files that manifests name, and no others.

    Args:
        client: A boto3 S3 client, which several threads use.
        sizes: Key -> bytes, of all the files; it may grow.
    """
    from fsspec.spec import AbstractFileSystem

    class Files(AbstractFileSystem):  # type: ignore[misc]
        """The lake's files, which no one writes here."""

        protocol = PROTOCOL
        cachable = False

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            """Return what is known of a file."""
            return {"name": path, "size": sizes[_key(path)], "type": "file"}

        def glob(self, path: str, *_: Any, **__: Any) -> list[str]:
            """Return the file: an address is never a pattern."""
            return [path]

        def modified(self, _: str) -> datetime:
            """Return some moment: a part never changes."""
            return datetime(2000, 1, 1, tzinfo=timezone.utc)

        def _open(self, path: str, *_: Any, **__: Any) -> Remote:
            return Remote(client, bucket, _key(path), sizes[_key(path)])

    return Files()


def addresses(keys: Iterable[str]) -> list[str]:
    """Return the addresses by which DuckDB asks the file system for files."""
    return [f"{PROTOCOL}://{key}" for key in keys]


def _key(path: str) -> str:
    return path.removeprefix(f"{PROTOCOL}://")
