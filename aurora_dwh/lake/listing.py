"""What lies under a prefix, as S3 lists it, without reading any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from aurora_dwh.lake.layout import Layout

Object = Mapping[str, Any]
"""What S3 says of an object: `Key`, `Size`, `LastModified`, `ETag`."""


def objects(client: Any, layout: Layout, prefix: str) -> Iterator[Object]:
    """Yield the objects under a prefix, in the order of their keys."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=layout.bucket, Prefix=prefix):
        yield from page.get("Contents", ())


def folders(client: Any, layout: Layout, prefix: str) -> Iterator[str]:
    """Yield the prefixes, up to their next slash, of all keys under a prefix; for arguments see `objects`."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=layout.bucket, Prefix=prefix, Delimiter="/")
    return (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ()))


def day_objects(client: Any, layout: Layout, table: str) -> dict[date, dict[str, Object]]:
    """Return day -> name in the day's folder -> the object, of a table by its name in the catalog."""
    home = layout.days(table)
    found: dict[date, dict[str, Object]] = {}
    for one in objects(client, layout, home):
        day, _, name = one["Key"].removeprefix(home).partition("/")
        found.setdefault(date.fromisoformat(day), {})[name] = one
    return found
