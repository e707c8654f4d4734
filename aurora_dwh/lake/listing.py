"""What lies in the folders of a table's days, as S3 lists it, without reading any of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from aurora_dwh.lake.layout import Layout


def day_objects(client: Any, layout: Layout, table: str) -> dict[date, dict[str, Mapping[str, Any]]]:
    """Return day -> name in the day's folder -> the object.

    Args:
        client: A boto3 S3 client.
        layout: Where things lie.
        table: The table's name in the catalog.
    """
    home = layout.days(table)
    found: dict[date, dict[str, Mapping[str, Any]]] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=layout.bucket, Prefix=home):
        for one in page.get("Contents", ()):
            day, _, name = one["Key"].removeprefix(home).partition("/")
            found.setdefault(date.fromisoformat(day), {})[name] = one
    return found
