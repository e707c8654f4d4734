"""Days that somebody exported by hand into the lake's inbox, found and read; taking them into their place is `store`'s.

An arrival is what these two statements of Aurora leave in `LAKE_URI/<database>/_arrivals/<table>/day=YYYY-MM-DD/`, both
run in one snapshot: the rows as CSV with a manifest, `<name>.part_00000`, ... and `<name>.manifest`; then what was
counted of them, `<name>-count.part_00000`. `aurora-dwh plan TABLE --day D --by-hand` prints them. Files say nothing of
their columns, so the first row is compared with what the table's columns are now.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from aurora_dwh.core.models import Part
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.lake import aurora_manifest, csv_parts
from aurora_dwh.lake.aurora_manifest import IntakeError
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.listing import objects

_PLACE = re.compile(r"(?P<table>[^/]+)/day=(?P<day>\d{4}-\d\d-\d\d)/(?P<name>[^/]+)")
_COUNT = "-count.part_00000"
_OWN_FIELDS = 2
_COUNT_FIELDS = 2


@dataclass(frozen=True)
class Arrival:
    """A manifest in the inbox."""

    key: str  # the manifest's key
    table: str  # the table's name, by the folder; empty where the key is not in a day's folder
    day: date | None  # the day, by the folder; None likewise
    arrived_at: datetime  # when the manifest was written, in UTC
    version: str  # what changes when the manifest or the count is written again
    is_counted: bool  # whether the count is there

    @property
    def mark(self) -> str:
        """A short text that no other arrival has."""
        return sha256(f"{self.key} {self.version}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Contents:
    """What an arrival holds."""

    parts: tuple[Part, ...]  # its files with rows in them
    rows: int  # how many rows were counted
    counts: tuple[int, ...]  # what was counted besides, in the order of the count's columns
    read_at: datetime  # when the rows were read, in UTC


def find(client: Any, layout: Layout) -> list[Arrival]:
    """Return all arrivals in the inbox of the lake's database, in the order in which they arrived."""
    listed = {item["Key"]: item for item in objects(client, layout, layout.inbox)}
    found = []
    for key, item in listed.items():
        name = key.removeprefix(layout.inbox)
        if not name.endswith(".manifest") or name.endswith("-count.manifest"):
            continue
        count = listed.get(key.removesuffix(".manifest") + _COUNT)
        place = _PLACE.fullmatch(name)
        found.append(
            Arrival(
                key=key,
                table=unquote(place["table"]) if place else "",
                day=_day(place["day"]) if place else None,
                arrived_at=item["LastModified"].astimezone(timezone.utc),
                version=f"{item['ETag']} {count['ETag'] if count else ''}",
                is_counted=count is not None,
            )
        )
    return sorted(found, key=lambda one: (one.arrived_at, one.key))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read(client: Any, layout: Layout, arrival: Arrival, schema: TableSchema, counts: int) -> Contents:
    """Return what an arrival holds; of its rows only the first is read.

    Args:
        counts: How many numbers the count holds besides the rows and the newest cursor.

    Raises:
        IntakeError: Its files are not those of the table and the day, or not all there.
    """
    parts = tuple(part for part in aurora_manifest.parts_of(client, layout, arrival.key) if part.size)
    url = layout.url(arrival.key)
    counted = _first(client, layout, arrival.key.removesuffix(".manifest") + _COUNT) or ()
    if len(counted) != _COUNT_FIELDS + counts or not counted[0].isdigit():
        raise IntakeError(f"{url}: the count beside it has {len(counted)} fields and not {_COUNT_FIELDS + counts}")
    rows, numbers = int(counted[0]), tuple(int(number) for number in counted[_COUNT_FIELDS:])
    if not rows or not parts:
        if rows or parts:
            raise IntakeError(f"{url}: {rows} rows were counted, and its files hold {sum(p.size for p in parts)} bytes")
        return Contents((), 0, numbers, arrival.arrived_at)
    first = _first(client, layout, layout.key(parts[0].url)) or ()
    return Contents(parts, rows, numbers, _checked(url, first, arrival, schema))


def _checked(url: str, first: Sequence[str], arrival: Arrival, schema: TableSchema) -> datetime:
    """Compare the first row with the table's columns and the day; return when it was read."""
    wanted = len(schema.columns) + _OWN_FIELDS
    if len(first) != wanted:
        raise IntakeError(
            f"{url}: its first row has {len(first)} fields, and table {schema.table} wants {wanted}: "
            f"{', '.join(c.target_name for c in schema.columns)}, _dwh_day, _dwh_loaded_at"
        )
    if first[-2] != str(arrival.day):
        raise IntakeError(f"{url}: its first row is of the day {first[-2]!r}, and its folder is that of {arrival.day}")
    try:
        return datetime.fromisoformat(first[-1]).replace(tzinfo=timezone.utc)
    except ValueError:
        raise IntakeError(f"{url}: its first row was read at {first[-1]!r}, which is no moment") from None


def _first(client: Any, layout: Layout, key: str) -> Sequence[str] | None:
    """Return the fields of a file's first row, None where it has none; no more of it is fetched than is needed."""
    body = client.get_object(Bucket=layout.bucket, Key=key)["Body"]
    try:
        records: Iterator[tuple[int, list[str]]] = csv_parts.records(csv_parts.Stream(body))
        return next((fields for _, fields in records), None)
    except (csv.Error, UnicodeDecodeError) as error:
        raise IntakeError(f"{layout.url(key)} is no CSV in UTF-8: {error}") from error
    finally:
        body.close()
