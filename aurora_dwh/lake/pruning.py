"""Retention of the lake: copies of a table of mode full removed when a later one has stood in for them long enough.

A copy's age is that of its reading, so that a day which was read late, or again, is a young copy. Of those that are too
old the last one stays: it is what the table was at the moment from which on all copies are kept. So the last reading
is never removed, and each moment since then can be read. Days of other modes are rows of the table, and never go.

A day goes as it came, by one object: its manifest moves to `_pruned.json` beside it, and then go the files that no
other day names. A copy that was exported by hand is left to whoever put it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.models import Manifest, utc_now
from aurora_dwh.lake.deletion import remove
from aurora_dwh.lake.layout import FILE_LIST, MANIFEST_NAME, PART, Layout
from aurora_dwh.lake.listing import day_objects
from aurora_dwh.lake.manifest import to_json

if TYPE_CHECKING:
    from aurora_dwh.lake.store import Lake

PRUNED_NAME = "_pruned.json"
"""What the manifest of a day that was removed is called from then on."""

_OVERTAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""S3's answers where the day was read again meanwhile, or pruned by another process."""


@dataclass(frozen=True)
class Pruning:
    """What was removed, or would be."""

    days: tuple[Manifest, ...]  # the days' manifests as they were, in order
    objects: int  # how many files went with them
    size: int  # their bytes


def pruned(client: Any, layout: Layout, table: str) -> dict[date, datetime]:
    """Return which days of a table were removed and have not been read since, each with the moment (UTC)."""
    return {
        day: names[PRUNED_NAME]["LastModified"]
        for day, names in day_objects(client, layout, table).items()
        if PRUNED_NAME in names and MANIFEST_NAME not in names
    }


def prune(lake: Lake, table: str, keep: timedelta, *, is_dry: bool = False) -> Pruning:
    """Remove the copies of a table that were read longer ago than `keep`, but for the last of them.

    Raises:
        ClientError: S3 refused; what was removed stays so, and the rest goes the next time.
    """
    client, layout = lake.client, lake.layout
    listed = day_objects(client, layout, table)
    standing = lake.known(table, [day for day, names in sorted(listed.items()) if MANIFEST_NAME in names])
    going = _outdated(layout, table, standing, utc_now() - keep)
    if not is_dry:
        going = [one for one in going if _retire(client, layout, one, listed[one.day][MANIFEST_NAME]["ETag"])]
    left = {layout.key(part.url) for one in standing if one not in going for part in one.parts}
    sizes = {layout.key(part.url): part.size for one in going for part in one.parts}
    files = {key: size for key, size in sizes.items() if key not in left}
    if not is_dry:
        lists = {layout.file_list(table, one.day) for one in going if FILE_LIST in listed[one.day]}
        remove(client, layout.bucket, sorted({*files, *lists, *_leavings(listed)} - left))
    return Pruning(tuple(going), len(files), sum(files.values()))


def _outdated(layout: Layout, table: str, standing: Iterable[Manifest], end: datetime) -> list[Manifest]:
    """Return the copies that were read before a moment and overtaken before it."""
    copies = (one for one in standing if one.rules and one.rules.mode == "full" and one.snapshot_at < end)
    old = sorted(copies, key=lambda one: (one.snapshot_at, one.day))
    home = layout.days(table)
    return [one for one in old[:-1] if all(layout.key(part.url).startswith(home) for part in one.parts)]


def _retire(client: Any, layout: Layout, manifest: Manifest, etag: str) -> bool:
    """Move a manifest, and return whether it was still the day's."""
    from botocore.exceptions import ClientError

    key = layout.key(manifest.url)
    retired = key.removesuffix(MANIFEST_NAME) + PRUNED_NAME  # which says nothing as long as there is a manifest
    client.put_object(Bucket=layout.bucket, Key=retired, Body=to_json(manifest), ContentType="application/json")
    try:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
        client.delete_object(Bucket=layout.bucket, Key=key, IfMatch=etag)
    except ClientError as error:
        if error.response["Error"]["Code"] in _OVERTAKEN:
            return False
        raise
    return True


def _leavings(listed: Mapping[date, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield the keys of files that a prune left which was broken off: they are older than the mark of their day."""
    for names in listed.values():
        if PRUNED_NAME in names and MANIFEST_NAME not in names:
            at = names[PRUNED_NAME]["LastModified"]
            yield from (one["Key"] for name, one in names.items() if name.startswith(PART) and one["LastModified"] < at)
