"""Files that Aurora wrote to the lake by itself: its own manifest is read, checked, and becomes parts.

Aurora uploads `<prefix>.manifest` after all of `<prefix>.part_00000`, `.part_00001`, ..., so who finds it finds all of
them (Amazon Aurora User Guide, "Saving data from an Amazon Aurora MySQL DB cluster into text files"). COPY cannot read
that manifest: its addresses are `s3-region://bucket/key`, and nothing in it is mandatory.
"""

from __future__ import annotations

import json
import re
from typing import Any

from aurora_dwh.core.models import DataError, Part
from aurora_dwh.lake.layout import Layout

_SCHEME = re.compile(r"^s3(-[a-z0-9-]+)?://")


class IntakeError(DataError):
    """A manifest that is not as Aurora writes it, or that lists what is not there."""


def parts_of(client: Any, layout: Layout, key: str) -> tuple[Part, ...]:
    """Return the files that a manifest of Aurora lists.

    Raises:
        IntakeError: There is no such manifest, it is none, or a file that it lists is not there or lies elsewhere.
    """
    url = layout.url(key)
    try:
        body = client.get_object(Bucket=layout.bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        raise IntakeError(f"{url} is not there: Aurora writes it last, so the export did not end") from None
    listed = _listed(body, url)
    prefix = key.removesuffix("manifest") + "part_"
    return tuple(_part(client, layout, one, prefix, url) for one in listed)


def _listed(body: bytes, url: str) -> list[str]:
    try:
        listed = [str(entry["url"]) for entry in json.loads(body)["entries"]]
    except (ValueError, KeyError, TypeError) as error:
        raise IntakeError(f"{url} is not a manifest as Aurora writes it ({error!r})") from error
    if not listed:
        raise IntakeError(f"{url} lists no files")
    if len(set(listed)) < len(listed):
        raise IntakeError(f"{url} lists a file twice, and COPY would load it twice")
    return [_SCHEME.sub("s3://", one) for one in listed]


def _part(client: Any, layout: Layout, address: str, prefix: str, url: str) -> Part:
    from botocore.exceptions import ClientError

    try:
        key = layout.key(address)
    except ValueError as error:
        raise IntakeError(f"{url} lists {error}; export into the lake's bucket") from error
    if not key.startswith(prefix):
        raise IntakeError(f"{url} lists {address}, which is not one of the files that were written with it")
    try:
        found = client.head_object(Bucket=layout.bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        raise IntakeError(f"{url} lists {address}, which is not there; export the day again") from error
    return Part(address, int(found["ContentLength"]), None)
