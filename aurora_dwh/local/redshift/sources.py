"""The S3 side of COPY and UNLOAD: objects, prefixes, manifests.

Belongs here: which objects a COPY reads, by prefix or by manifest, and fetching them. Does not belong here: what is
in them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

from aurora_dwh.local.redshift.copy_options import CopyOptions
from aurora_dwh.local.redshift.errors import RedshiftError, block, spectrum_error

S3_ERROR = 8001


@dataclass(frozen=True)
class Source:
    """One object to load."""

    bucket: str
    key: str
    size: int
    etag: str = ""

    @property
    def url(self) -> str:
        """Its s3:// address."""
        return f"s3://{self.bucket}/{self.key}"


def s3_error(message: str, context: str) -> RedshiftError:
    """Returns an error of code 8001: S3 and manifests."""
    return RedshiftError("XX000", message, block(message, S3_ERROR, context))


def split_url(url: str) -> tuple[str, str]:
    """Returns bucket and key of an s3:// address.

    Raises:
        RedshiftError: 8001 for any other scheme.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise s3_error(f"Invalid S3 location '{url}': the scheme must be s3://", "S3 location")
    return bucket, key


def resolve(options: CopyOptions, s3: Any) -> list[Source]:
    """Returns the objects that a COPY loads, in order.

    Raises:
        RedshiftError: 8001 for a missing object or a manifest that breaks a rule.
    """
    bucket, key = split_url(options.source)
    if options.flag("MANIFEST"):
        return _from_manifest(options, s3, bucket, key)
    found = _by_prefix(s3, bucket, key)
    if not found and options.format != "PARQUET":  # a columnar COPY of nothing loads nothing, without an error
        raise s3_error(f"The specified S3 prefix '{key}' does not exist", options.source)
    return found


def _by_prefix(s3: Any, bucket: str, prefix: str) -> list[Source]:
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            Source(bucket, item["Key"], item["Size"], item["ETag"].strip('"'))
            for page in pages
            for item in page.get("Contents", [])
            if not item["Key"].endswith("/")
        ]
    except (ClientError, BotoCoreError) as error:
        raise s3_error(f"S3ServiceException: {error}", f"s3://{bucket}/{prefix}") from error


def _head(s3: Any, bucket: str, key: str) -> Source | None:
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise s3_error(f"S3ServiceException: {error}", f"s3://{bucket}/{key}") from error
    except BotoCoreError as error:
        raise s3_error(f"S3ServiceException: {error}", f"s3://{bucket}/{key}") from error
    return Source(bucket, key, int(found["ContentLength"]), str(found.get("ETag", "")).strip('"'))


def _from_manifest(options: CopyOptions, s3: Any, bucket: str, key: str) -> list[Source]:
    if not key or key.endswith("/") or _head(s3, bucket, key) is None:
        raise s3_error(f"The specified S3 prefix '{key}' does not exist", options.source)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        entries = json.loads(body.decode("utf-8"))["entries"]
        listed = [(str(e["url"]), bool(e.get("mandatory", False)), e.get("meta", {})) for e in entries]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise s3_error("The manifest is not valid: it must be JSON with an array 'entries'", options.source) from error
    if not listed:
        raise s3_error("The manifest lists no files", options.source)
    columnar = options.format == "PARQUET"
    sources = []
    for url, mandatory, meta in listed:
        found = _entry(s3, url, meta, columnar=columnar)
        if found:
            sources.append(found)
        elif mandatory:
            raise _missing(url, columnar=columnar)
    if not sources:
        raise _missing(listed[0][0], columnar=columnar)
    return sources


def _entry(s3: Any, url: str, meta: Any, *, columnar: bool) -> Source | None:
    bucket, key = split_url(url)
    if not key or key.endswith("/"):
        raise s3_error(f"The manifest entry '{url}' must name one object", "manifest")
    stated = meta.get("content_length") if isinstance(meta, dict) else None
    if columnar and not (isinstance(stated, int) and stated >= 0):
        raise s3_error(
            f"The manifest entry '{url}' has no meta key content_length, which columnar files need", "manifest"
        )
    found = _head(s3, bucket, key)
    if columnar and found and found.size != stated:
        message = f"The content_length {stated} of manifest entry '{url}' differs from the object's size {found.size}"
        raise s3_error(message, "manifest")
    return found


def _missing(url: str, *, columnar: bool) -> RedshiftError:
    if columnar:
        error = spectrum_error(15001, f"File not found: {url}")
        error.message = "Spectrum Scan Error: File not found"
        return error
    return s3_error(f"Problem reading manifest file - S3 file not found: {url}", "code 1212")


@contextmanager
def fetched(s3: Any, source: Source, folder: str) -> Iterator[str]:
    """Yields the path of a local copy of the object: files of any size, without memory."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="copy-") as file:
        try:
            s3.download_fileobj(source.bucket, source.key, file)
        except (ClientError, BotoCoreError) as error:
            raise s3_error(f"S3ServiceException: {error}", source.url) from error
        file.flush()
        yield file.name


def opened(s3: Any, source: Source) -> IO[bytes]:
    """Returns the object's bytes as a stream."""
    try:
        body: IO[bytes] = s3.get_object(Bucket=source.bucket, Key=source.key)["Body"]
    except (ClientError, BotoCoreError) as error:
        raise s3_error(f"S3ServiceException: {error}", source.url) from error
    return body
