"""The lake's one writer and reader: parts first, the manifest last and by one PUT, older parts removed after it.

Whoever reads the lake sees a day as a whole or not at all, because only the manifest says which parts a day has.
"""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.days import listed
from aurora_dwh.core.models import (
    REPAIR,
    DataError,
    Export,
    Extract,
    GaveWay,
    Lookup,
    Manifest,
    Part,
    Window,
    shown,
    utc_now,
)
from aurora_dwh.core.rules import Rules, is_other_source
from aurora_dwh.core.spelling import near_match
from aurora_dwh.core.waiting import require_wanted, tidy
from aurora_dwh.lake import athena, aurora_manifest, pruning
from aurora_dwh.lake import contents as part_contents
from aurora_dwh.lake import manifest as manifest_json
from aurora_dwh.lake.deletion import remove
from aurora_dwh.lake.gone import Gone
from aurora_dwh.lake.guard import Guard, ShrunkenDayError
from aurora_dwh.lake.inbox import Arrival, Contents
from aurora_dwh.lake.layout import MANIFEST_NAME, PART, Layout
from aurora_dwh.lake.listing import folders, objects
from aurora_dwh.lake.manifest import ManifestError
from aurora_dwh.lake.parquet import write_parts
from aurora_dwh.lake.upload import S3Upload

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.core.schema import FileFormat, TableSchema

_log = logging.getLogger(__name__)

CLOCK_ERROR = timedelta(minutes=5)
"""How far this machine's clock may be behind the source's: what was read later than that, was by a wrong clock."""

STRAY_AGE = timedelta(days=1)
"""Objects that nothing names are taken for the leavings of a crash once they are this old."""

KEY_PART_BYTES = 1024 * 1024
"""A part of rows that are only compared: each is one PUT, so that no block of an upload waits in memory beside a walk,
and COPY has parts enough to share among slices (Amazon Redshift Developer Guide, "Loading data files")."""


class MissingDayError(DataError):
    """Days that are asked for and not in the lake."""


class LakeConflictError(Exception):
    """Another extraction of the same day ended first; its day stands, and this one may be tried again."""


class OlderReadingError(Exception):
    """A reading shows the source at an earlier moment than that which the lake has; another attempt may not."""


class Lake:
    """The lake of one database.

    Args:
        lists_files: Whether each day's files are listed for Athena, too.
    """

    def __init__(self, client: Any, layout: Layout, *, lists_files: bool = False) -> None:
        self.client, self._lists_files = client, lists_files  # an S3 client of boto3
        self._guard = Guard(client, layout, self.newest)
        self.layout = layout

    def write(self, table: str, extract: Extract | Export, *, is_anew: bool = False) -> Manifest:
        """Write one day's rows, or have them written, and then its manifest, which replaces an earlier one of the day.

        Args:
            extract: The day's rows.
            is_anew: Whether all of the table is read anew, in place of another source's rows too.

        Raises:
            RulesError: The table's days are of another source.
            ShrunkenDayError: Rows are gone from the source that the day has.
            LakeConflictError: Another extraction wrote the day's manifest meanwhile.
            OlderReadingError: The lake has a reading of a later moment.
            IntakeError: What the source wrote is not what it says.
        """
        day = extract.window.day
        url = self._manifest_url(table, day)
        before, etag = self._to_replace(table, extract, url, is_anew=is_anew)
        attempt = _new_attempt()
        prefix = self.layout.export(table, day, attempt)
        if isinstance(extract, Export):
            manifest = self._have_written(table, extract, attempt, url, prefix)
        else:
            manifest = self._write_parts(table, extract, attempt, url, prefix)
        # From here on the parts are only removed when the manifest is known not to name them: a PUT whose answer is
        # lost may well have happened.
        try:
            self._put_day(manifest, before, etag, extract.lookup)
        except (ShrunkenDayError, LakeConflictError):
            self._discard([self.layout.key(part.url) for part in manifest.parts])
            raise
        return manifest

    def write_each(
        self, extracts: Iterable[Extract | Export], *, is_anew: bool = False
    ) -> Iterator[tuple[Manifest, Extract | Export]]:
        """Write extracts one after the other, as `write` does, and yield what came of each that did not give way."""
        for extract in extracts:
            try:
                manifest = self.write(extract.schema.table, extract, is_anew=is_anew)
            except GaveWay:  # its day is the next one's
                continue
            yield manifest, extract

    def take_in(
        self,
        arrival: Arrival,
        contents: Contents,
        schema: TableSchema,
        window: Window,
        converted: Mapping[tuple[str, str], int],
        rules: Rules | None = None,
        lookup: Lookup | None = None,
    ) -> Manifest | None:
        """Make a day that was exported by hand the lake's own; its files stay where they are.

        Args:
            converted: `(column, reason) -> values` that a policy changed.
            rules: What shaped its rows.
            lookup: How to ask the source for rows of an earlier reading.

        Returns:
            The day's manifest, which may stand already; None where the lake has a later reading of the day.

        Raises:
            RulesError: The table's days are of another source.
            ShrunkenDayError: Rows are gone from the source that the day has.
            LakeConflictError: Another extraction wrote the day's manifest meanwhile.
        """
        url = self._manifest_url(arrival.table, window.day)
        before, etag = self._standing(url)
        self._guard.check_source(arrival.table, before, rules)
        manifest = Manifest(
            table=arrival.table,
            url=url,
            attempt=f"arrival-{arrival.mark}",
            schema=schema,
            window=window,
            snapshot_at=contents.read_at,
            source_rows=contents.rows,
            parts=contents.parts,
            converted=manifest_json.by_column(converted),
            files="csv",
            rules=rules,
            counted_rows=contents.rows,
        )
        if before is not None and before.attempt == manifest.attempt:
            return before
        if before is not None and before.snapshot_at >= manifest.snapshot_at:
            return None
        self._put_day(manifest, before, etag, lookup)
        return manifest

    @contextmanager
    def keys(self, table: str, extract: Extract) -> Iterator[Manifest]:
        """Give rows that are only compared as files that COPY can read; they are removed when the context ends.

        The rows are read to their end before it begins.
        """
        home, attempt = self.layout.keys(table), _new_attempt()
        self._delete(self._strays(home))
        url = self.layout.url(f"{home}{attempt}.json")
        try:
            manifest = self._write_parts(table, extract, attempt, url, f"{home}{attempt}-", KEY_PART_BYTES)
            self._put(self.layout.key(url), manifest_json.to_json(manifest))
            yield manifest
        finally:
            error, written = sys.exc_info()[1], self._under(f"{home}{attempt}")
            tidy(partial(self._delete if error is None else self._discard, written), after=error)

    def write_repair(self, table: str, extract: Extract) -> Manifest:
        """Write single rows that were read again into a place of their own, where no reading of a day replaces them."""
        self._delete(self._stray_repairs(table))
        attempt = f"{REPAIR}{_new_attempt()}"
        url = self.layout.url(self.layout.repair(table, attempt, MANIFEST_NAME))
        manifest = self._write_parts(table, extract, attempt, url, self.layout.repair(table, attempt, PART))
        self._put_manifest(manifest, None)
        return manifest

    def repairs(self, table: str) -> list[Manifest]:
        """Return the manifests of a table's repairs, in the order in which they were read."""
        keys = [key for key in self._under(self.layout.repairs(table)) if key.endswith(MANIFEST_NAME)]
        found = [manifest for manifest in map(self._find, map(self.layout.url, keys)) if manifest is not None]
        return sorted(found, key=lambda manifest: manifest.snapshot_at)

    def write_gone(self, table: str, gone: Gone) -> None:
        """Record rows that are gone from the source."""
        self._put(f"{self.layout.gone(table)}{_new_attempt()}.json", gone.to_json())

    def gone(self, table: str) -> list[Gone]:
        """Return the records of a table's rows that are gone from the source."""
        keys = self._under(self.layout.gone(table))
        bodies = ((key, self.client.get_object(Bucket=self.layout.bucket, Key=key)["Body"].read()) for key in keys)
        return [Gone.from_json(body, self.layout.url(key)) for key, body in bodies]

    def tables(self) -> list[str]:
        """Return the tables that the lake has a folder for, in order."""
        names = map(self.layout.name, folders(self.client, self.layout, self.layout.home))
        return sorted(name for name in names if name)

    def drop_repairs(self, table: str) -> None:
        """Remove a table's repairs and the records of rows that are gone, when all of it was read anew."""
        self._delete([*self._under(self.layout.repairs(table)), *self._under(self.layout.gone(table))])

    def loadable(self, table: str, mode: str, counts: Callable[[date], bool] = lambda _: True) -> list[Manifest]:
        """Return all that a staging table is made of: of a table that is copied whole its last reading, else its days.

        With the days of an incremental table come the rows that were read again.

        Args:
            counts: Whether a day is one of the table's.
        """
        days = [manifest for manifest in self.all(table) if counts(manifest.day)]
        if mode == "full":
            return sorted(days, key=lambda m: (m.snapshot_at, m.day))[-1:]
        return [*days, *(self.repairs(table) if mode == "incremental" else ())]

    def _stray_repairs(self, table: str) -> list[str]:
        """Return what a crash left long ago of repairs without a manifest."""
        home = self.layout.repairs(table)
        whole = {key.removesuffix(MANIFEST_NAME) for key in self._under(home) if key.endswith(MANIFEST_NAME)}
        old = self._strays(home)
        return [key for key in old if key.rpartition("/")[0] + "/" not in whole]

    def share(self, manifest: Manifest, window: Window, *, lookup: Lookup | None = None) -> Manifest:
        """Let another day, which the same reading of the source stands for, have the parts of one that is written.

        Args:
            manifest: The day that is written; its `days` have the other one.
            lookup: How to ask the source for rows of an earlier reading.

        Raises:
            Exception: As `write`.
        """
        shared = replace(manifest, url=self._manifest_url(manifest.table, window.day), window=window)
        before, etag = self._to_replace(manifest.table, shared, shared.url)
        self._put_day(shared, before, etag, lookup)
        return shared

    def read(self, table: str, days: Sequence[date]) -> list[Manifest]:
        """Return the days' manifests, in order; raises a MissingDayError that lists those that are not there."""
        found = [self._find(self._manifest_url(table, day)) for day in days]
        missing = [day for day, manifest in zip(days, found, strict=True) if manifest is None]
        if missing:
            raise MissingDayError(
                f"lake/{table}: no manifest for {listed(missing)} under {self.layout.url(self.layout.table(table))}"
                f"{self.told_pruned(table, missing)}; materialize those days of lake/{table} first"
            )
        return [manifest for manifest in found if manifest is not None]

    def pruned(self, table: str) -> dict[date, datetime]:
        """Return which days of a table its retention removed, each with the moment (UTC), as `pruning.pruned` does."""
        return pruning.pruned(self.client, self.layout, table)

    def told_pruned(self, table: str, days: Iterable[date]) -> str:
        """Return, as the end of a sentence, which of days that are missing the table's retention removed."""
        found = self.pruned(table).keys() & set(days)
        return f" ({listed(found)} pruned, as `keep` says)" if found else ""

    def latest(self, table: str) -> Manifest:
        """Return the manifest of a table's latest day; raises a MissingDayError where the lake has no day of it."""
        found = self.newest(table)
        if found is None:
            near = near_match(table, self.tables()) or "; materialize it first"
            raise MissingDayError(f"lake/{table}: nothing is under {self.layout.url(self.layout.table(table))}{near}")
        return found

    def newest(self, table: str) -> Manifest | None:
        """Return the manifest of a table's latest day that can be read, None where the lake has no such day."""
        standing = (self._standing(self._manifest_url(table, day))[0] for day in reversed(self.days(table)))
        found = next(filter(None, standing), None)  # a day that is being written has no manifest yet
        self._guard.saw_latest(table, found)
        return found

    def counts(self, table: str, days: Iterable[date]) -> dict[date, int]:
        """Return how many rows the source gave of days when they were read, without those that are not in the lake."""
        return {manifest.day: manifest.source_rows for manifest in self.known(table, days)}

    def columns(self, table: str, rules: Rules) -> list[str]:
        """Return the columns, named as in the source, that the last day of a table has; none where there is no day.

        What was read of another source than the rules' says nothing.
        """
        last = self.newest(table)
        if last is None or is_other_source(last.rules, rules):
            return []
        return [column.name for column in last.schema.columns]

    def of_reading(self, table: str, days: Iterable[date], read: Iterable[Manifest]) -> list[Manifest]:
        """Return those of the days' manifests that are of the very reading of the source that others are of."""
        moments = {manifest.snapshot_at for manifest in read}
        return [manifest for manifest in self.known(table, days) if manifest.snapshot_at in moments]

    def known(self, table: str, days: Iterable[date]) -> list[Manifest]:
        """Return the manifests of those of the days that are in the lake, in the order asked for."""
        found = (self._find(self._manifest_url(table, day)) for day in days)
        return [manifest for manifest in found if manifest is not None]

    def days(self, table: str) -> list[date]:
        """Return the days of a table that the lake has a folder for, in order."""
        start = self.layout.days(table)
        return sorted(
            date.fromisoformat(folder[len(start) : -1]) for folder in folders(self.client, self.layout, start)
        )

    def all(self, table: str, first: date = date.min, last: date = date.max) -> list[Manifest]:
        """Return the manifests of the days of a table, from a first to a last one, that are in the lake, in order."""
        return self.known(table, [day for day in self.days(table) if first <= day <= last])

    def is_current(self, manifests: Iterable[Manifest]) -> bool:
        """Return whether the manifests are still those that the lake has for their days."""
        standing = [(m, self._find(m.url)) for m in manifests]
        return all(now is not None and now.attempt == m.attempt for m, now in standing)

    def reader(self, manifests: Sequence[Manifest]) -> pa.RecordBatchReader:
        """Return the rows of the days a batch at a time, as `contents.reader` does."""
        return part_contents.reader(self.client, self.layout, manifests)

    def value(self, manifests: Sequence[Manifest], url: str, row: int, column: str) -> str | None:
        """Return one value of a part of the days as text, None where the part, row or column cannot be read.

        Args:
            row: The row of a Parquet file, the line at which the row begins of a CSV file, counted from 1.
        """
        for manifest in manifests:
            if any(part.url == url for part in manifest.parts):
                return part_contents.value(self.client, self.layout, manifest, url, row, column)
        return None

    @contextmanager
    def copy_manifest(self, manifests: Sequence[Manifest]) -> Iterator[str]:
        """Give the address of a manifest that COPY can read for all the days at once.

        One day's own manifest serves for itself; for several days a joined one exists while the context is open.
        """
        table = manifests[0].table
        if len(manifests) == 1:
            yield manifests[0].url
            return
        key = self.layout.range_manifest(table, secrets.token_hex(8))
        self._delete(self._strays(self.layout.loads(table)))
        parts = [part for manifest in manifests for part in manifest.parts]
        self._put(key, manifest_json.copy_json(parts))
        try:
            yield self.layout.url(key)
        finally:
            tidy(partial(self._discard, [key]), after=sys.exc_info()[1])

    def _write_parts(
        self,
        table: str,
        extract: Extract,
        attempt: str,
        url: str,
        prefix: str,
        part_bytes: int | None = None,
    ) -> Manifest:
        """Write an extract's rows and return the manifest for them, which is not written; a failure leaves nothing."""
        keys: list[str] = []

        def open_part(number: int) -> S3Upload:
            keys.append(f"{prefix}{number:05d}.parquet")
            return S3Upload(self.client, self.layout.bucket, keys[-1])

        try:
            sizes = write_parts(extract, open_part, part_bytes)
            require_wanted()
        except BaseException as error:
            tidy(partial(self._discard, keys), error)
            raise
        parts = [Part(self.layout.url(k), size, rows) for k, (size, rows) in zip(keys, sizes, strict=True)]
        return _manifest(table, extract, attempt, url, parts, "parquet", extract.rows_read, extract.counted.rows)

    def _have_written(self, table: str, export: Export, attempt: str, url: str, prefix: str) -> Manifest:
        """Have the source write a day's rows and return the manifest for them; a failure leaves nothing."""
        try:
            keys = [self.layout.key(one) for one in export.write(self.layout.url(prefix))] if export.rows else []
            parts = [part for key in keys for part in aurora_manifest.parts_of(self.client, self.layout, key)]
            require_wanted()
        except BaseException as error:
            tidy(lambda: self._discard(self._under(prefix)), error)
            raise
        self._delete(keys)
        return _manifest(table, export, attempt, url, parts, "csv", export.rows, export.rows)

    def _find(self, url: str) -> Manifest | None:
        """Return the manifest in a place, None where there is none."""
        body, _ = self._get_manifest(url)
        return None if body is None else manifest_json.from_json(body, url)

    def _standing(self, url: str) -> tuple[Manifest | None, str | None]:
        """Return what a new manifest would replace, None where none can be read, and its ETag."""
        body, etag = self._get_manifest(url)
        try:
            before = None if body is None else manifest_json.from_json(body, url)
        except ManifestError:
            before = None  # a new extraction is what mends it; its parts are swept as strays
        return before, etag

    def _get_manifest(self, url: str) -> tuple[bytes | None, str | None]:
        """Return a manifest's bytes and their ETag, or twice None where there is none."""
        try:
            answer = self.client.get_object(Bucket=self.layout.bucket, Key=self.layout.key(url))
        except self.client.exceptions.NoSuchKey:
            return None, None
        return answer["Body"].read(), answer["ETag"]

    def _manifest_url(self, table: str, day: date) -> str:
        return self.layout.url(self.layout.manifest(table, day))

    def _to_replace(
        self, table: str, reading: Extract | Export | Manifest, url: str, *, is_anew: bool = False
    ) -> tuple[Manifest | None, str | None]:
        """Return what a reading of a day would replace; refuse one that is of another source or older than that."""
        before, etag = self._standing(url)
        if not is_anew:
            self._guard.check_source(table, before, reading.rules)
        if before is not None and not is_other_source(before.rules, reading.rules):
            _refuse_older(table, reading, before)
        return before, etag

    def _put_day(self, manifest: Manifest, before: Manifest | None, etag: str | None, lookup: Lookup | None) -> None:
        """Put a day's manifest in the place of the one before, and the list of its files; then remove older files."""
        self._guard.check_rows_kept(before, manifest, lookup)
        self._put_manifest(manifest, etag)
        if self._lists_files:
            athena.write_list(self.client, self.layout, manifest)
        self._sweep(manifest, before)

    def _put_manifest(self, manifest: Manifest, etag: str | None) -> None:
        """Put the manifest in place of the one that was there at the start, and of no other."""
        from botocore.exceptions import ClientError

        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = manifest_json.to_json(manifest)
        try:
            self._put(self.layout.key(manifest.url), body, ContentType="application/json", **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
            standing, _ = self._standing(manifest.url)
            if standing is not None and standing.attempt == manifest.attempt:
                return  # the client library sent the PUT again after it had succeeded
            raise LakeConflictError(
                f"lake/{manifest.table} {manifest.day}: another extraction of this day ended first and its rows stand; "
                "materialize the day again if it must be read anew"
            ) from error

    def _sweep(self, manifest: Manifest, before: Manifest | None) -> None:
        """Remove the parts that the new manifest replaced, and what a crash left long ago."""
        strays = set(self._strays(self.layout.day(manifest.table, manifest.day) + f"/{PART}"))
        left = (strays | (self._keys_of([before]) if before else set())) - self._keys_of([manifest])
        # Other days may share them: those that the manifest before this one names. Of strays nobody says which.
        table, days = manifest.table, before.days if before else ()
        others = self.all(table) if left & strays else self.known(table, days)
        self._delete(sorted(left - self._keys_of(others)))

    def _keys_of(self, manifests: Iterable[Manifest]) -> set[str]:
        return {self.layout.key(part.url) for manifest in manifests for part in manifest.parts}

    def _strays(self, prefix: str) -> list[str]:
        """Return the keys under a prefix that are old enough to be the leavings of a crash."""
        end = utc_now() - STRAY_AGE
        return [item["Key"] for item in objects(self.client, self.layout, prefix) if item["LastModified"] < end]

    def _under(self, prefix: str) -> list[str]:
        return [item["Key"] for item in objects(self.client, self.layout, prefix)]

    def _put(self, key: str, body: bytes, **more: str) -> None:
        self.client.put_object(Bucket=self.layout.bucket, Key=key, Body=body, **more)

    def _delete(self, keys: Sequence[str]) -> None:
        remove(self.client, self.layout.bucket, keys)

    def _discard(self, keys: Sequence[str]) -> None:
        """Delete objects where something else is to be told; what S3 keeps of them is swept once it is old."""
        try:
            self._delete(keys)
        except Exception as error:  # whatever it is, the lake's days do not depend on it
            _log.warning("left for a later sweep: %s", error)


def _refuse_older(table: str, extract: Extract | Export | Manifest, before: Manifest) -> None:
    """Refuse a reading that would take the place of a later one, unless that one is of a moment that has not come."""
    if extract.snapshot_at < before.snapshot_at <= utc_now() + CLOCK_ERROR:
        raise OlderReadingError(
            f"lake/{table} {extract.window.day}: the source was read as it was at {shown(extract.snapshot_at)}, and "
            f"the lake has the day as it was at {shown(before.snapshot_at)}, which stays. The server that was read is "
            "behind, or its clock was set back; materialize the day again when it has caught up"
        )


def _manifest(
    table: str,
    of: Extract | Export,
    attempt: str,
    url: str,
    parts: Sequence[Part],
    files: FileFormat,
    rows: int,
    counted_rows: int | None,
) -> Manifest:
    """Return the manifest of a reading whose rows are written; with several days, where they stand for several."""
    return Manifest(
        table=table,
        url=url,
        attempt=attempt,
        schema=of.schema,
        window=of.window,
        snapshot_at=of.snapshot_at,
        source_rows=rows,
        parts=tuple(parts),
        converted=manifest_json.by_column(of.converted),
        files=files,
        rules=of.rules,
        counted_rows=counted_rows,
        rows_behind=of.rows_behind,
        begun_at=of.begun_at,
        strays=of.strays,
        days=(*(window.day for window in of.also), of.window.day) if of.also else (),
    )


def _new_attempt() -> str:
    return f"{utc_now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
