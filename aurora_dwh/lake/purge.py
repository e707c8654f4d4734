"""Days of a table removed from the lake for good: every version of every object that has, or had, rows of them.

That is a day's folder, its folder in the inbox, and the files that its manifest names in another place of the bucket.
Files that other days name too, as those of one reading of a whole table do, stay until the last of these days goes.
With any day go the table's repairs: single rows that a proof read again, which may be rows of that day, too; and the
keys of rows that it found to be gone.
Manifests go first, so that no reader finds a day half there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from aurora_dwh.core.models import DataError
from aurora_dwh.lake.deletion import delete
from aurora_dwh.lake.layout import MANIFEST_NAME, Layout
from aurora_dwh.lake.listing import objects


class PurgeError(DataError):
    """S3 did not list or did not remove versions; what was removed stays so."""


@dataclass(frozen=True)
class Version:
    """One version of an object, or the mark of its deletion, which has no bytes."""

    key: str  # the object's key
    version_id: str  # the version
    size: int  # its bytes
    is_current: bool  # whether it is what readers of the key find


@dataclass(frozen=True)
class Found:
    """What there is of some days."""

    versions: tuple[Version, ...]  # all versions, those of manifests first
    out_of_reach: tuple[str, ...]  # addresses of files that lie in another bucket
    shared: tuple[str, ...]  # keys of files that days which stay name too

    @property
    def objects(self) -> int:
        """How many objects a reader finds."""
        return sum(version.is_current and version.size > 0 for version in self.versions)

    @property
    def size(self) -> int:
        """Bytes in all versions."""
        return sum(version.size for version in self.versions)


class Purge:
    """The lake of one database, to be purged."""

    def __init__(self, client: Any, layout: Layout) -> None:
        self._client, self._layout = client, layout

    def find(self, table: str, days: Sequence[date] | None) -> Found:
        """Return what there is of a table's days, by its name in the source; the catalog need not have it any more.

        Args:
            days: The days; None for all, and for what was left beside them.

        Raises:
            PurgeError: S3 does not list versions for this process.
        """
        layout = self._layout
        homes = (
            [f"{layout.table(table)}/", layout.arrivals(table)]
            if days is None
            else [
                layout.repairs(table),
                layout.gone(table),
                *(home for day in days for home in (f"{layout.day(table, day)}/", layout.arrival(table, day, ""))),
            ]
        )
        versions = {(v.key, v.version_id): v for home in homes for v in self._versions(home)}
        out_of_reach = []
        for url in self._named([v.key for v in versions.values() if v.is_current and v.key.endswith(MANIFEST_NAME)]):
            try:
                key = layout.key(url)
            except ValueError:
                out_of_reach.append(url)
                continue
            if not key.startswith(tuple(homes)):
                versions |= {(v.key, v.version_id): v for v in self._versions(key) if v.key == key}
        shared = {v.key for v in versions.values()} & (set() if days is None else self._keys_of_others(table, homes))
        going = (v for v in versions.values() if v.key not in shared)
        ordered = sorted(going, key=lambda v: (not v.key.endswith(MANIFEST_NAME), v.key))
        return Found(tuple(ordered), tuple(sorted(out_of_reach)), tuple(sorted(shared)))

    def remove(self, versions: Sequence[Version]) -> None:
        """Remove versions; raises a PurgeError that names the first that S3 keeps, as under a lock."""
        objects = [{"Key": version.key, "VersionId": version.version_id} for version in versions]
        if refused := delete(self._client, self._layout.bucket, objects):
            first = refused[0]
            raise PurgeError(
                f"S3 keeps {len(refused)} versions, such as {self._layout.url(first['Key'])} ({first['Code']}: "
                f"{first.get('Message', '')}); allow this process s3:DeleteObjectVersion on them, or wait for "
                "their lock to end, and purge again"
            )

    def _versions(self, prefix: str) -> Iterator[Version]:
        from botocore.exceptions import ClientError

        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._layout.bucket, Prefix=prefix)
        try:
            for page in pages:
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    yield Version(one["Key"], one["VersionId"], one.get("Size", 0), one["IsLatest"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            raise PurgeError(
                f"S3 does not list versions under {self._layout.url(prefix)} for this process; allow it "
                f"s3:ListBucketVersions on bucket {self._layout.bucket}, and s3:DeleteObjectVersion on its objects"
            ) from error

    def _keys_of_others(self, table: str, homes: Sequence[str]) -> set[str]:
        """Return the keys of the files that days name which lie elsewhere."""
        keys = (item["Key"] for item in objects(self._client, self._layout, self._layout.days(table)))
        others = [key for key in keys if key.endswith(MANIFEST_NAME) and not key.startswith(tuple(homes))]
        return {url.removeprefix(self._layout.url("")) for url in self._named(others)}

    def _named(self, manifests: Sequence[str]) -> Iterator[str]:
        """Yield the addresses that manifests name, as far as they can be read."""
        for key in manifests:
            try:
                body = self._client.get_object(Bucket=self._layout.bucket, Key=key)["Body"].read()
                yield from (str(entry["url"]) for entry in json.loads(body)["entries"])
            except (self._client.exceptions.NoSuchKey, ValueError, KeyError, TypeError):
                continue
