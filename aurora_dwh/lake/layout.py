"""Where things lie in the lake: `LAKE_URI/<database>/<table>/day=YYYY-MM-DD/`.

Only names are made here; nothing is read or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, unquote

MANIFEST_NAME = "_manifest.json"
FILE_LIST = "athena/files.txt"
"""The list of a day's files for Athena, in a folder with nothing else."""

PART = "part-"
"""How the names of a day's files begin."""

_ARRIVALS = "_arrivals"
_MISREAD = frozenset({".", "..", _ARRIVALS})
"""Names that are something else as a part of a key: a step in a path, or the inbox beside the tables."""


def _segment(name: str) -> str:
    """Return a name as one part of a key, which `unquote` turns back into the name."""
    if name in _MISREAD:
        return "".join(f"%{byte:02X}" for byte in name.encode())
    return quote(name, safe="")


@dataclass(frozen=True)
class Layout:
    """The lake of one database."""

    bucket: str  # the S3 bucket
    prefix: str  # key prefix within the bucket, without slashes at its ends; may be empty
    database: str  # the source database

    def table(self, table: str) -> str:
        """Return a table's key prefix; what S3, a URL or this layout would misread in a name is percent-encoded."""
        return f"{self.home}{_segment(table)}"

    def day(self, table: str, day: date) -> str:
        """Return a day's key prefix."""
        return f"{self.days(table)}{day.isoformat()}"

    def days(self, table: str) -> str:
        """Return what the key prefixes of all of a table's days begin with."""
        return f"{self.table(table)}/day="

    def manifest(self, table: str, day: date) -> str:
        """Return the key of a day's manifest."""
        return f"{self.day(table, day)}/{MANIFEST_NAME}"

    def part(self, table: str, day: date, attempt: str, number: int) -> str:
        """Return the key of a day's part number `number`, counted from 0."""
        return f"{self.export(table, day, attempt)}{number:05d}.parquet"

    def file_list(self, table: str, day: date) -> str:
        """Return the key of the list of a day's files that Athena reads."""
        return f"{self.day(table, day)}/{FILE_LIST}"

    def export(self, table: str, day: date, attempt: str) -> str:
        """Return what the keys of a day's parts begin with, which Aurora goes on from where it writes them itself."""
        return f"{self.day(table, day)}/{PART}{attempt}-"

    @property
    def inbox(self) -> str:
        """The key prefix of days that are exported by hand."""
        return f"{self.home}{_ARRIVALS}/"

    def arrival(self, table: str, day: date, name: str) -> str:
        """Return what the keys of a day begin with that is exported by hand under a name."""
        return f"{self.arrivals(table)}day={day.isoformat()}/{name}"

    def arrivals(self, table: str) -> str:
        """Return the key prefix of a table's days that are exported by hand."""
        return f"{self.inbox}{_segment(table)}/"

    def loads(self, table: str) -> str:
        """Return the key prefix of what exists while a load of several days runs."""
        return f"{self.table(table)}/_loads/"

    def range_manifest(self, table: str, load: str) -> str:
        """Return the key of the manifest that joins several days for one COPY."""
        return f"{self.loads(table)}{load}.json"

    def keys(self, table: str) -> str:
        """Return the key prefix of a table's key-files, which exist while it is compared."""
        return f"{self.table(table)}/_keys/"

    def repairs(self, table: str) -> str:
        """Return what the key prefixes of all of a table's repairs begin with."""
        return f"{self.table(table)}/repair="

    def repair(self, table: str, attempt: str, name: str) -> str:
        """Return the key of an object of a repair, the folder of single rows that were read again."""
        return f"{self.repairs(table)}{attempt}/{name}"

    def gone(self, table: str) -> str:
        """Return what the keys of all records begin with of rows that are gone from the source."""
        return f"{self.table(table)}/gone="

    @property
    def home(self) -> str:
        """The key prefix of all tables."""
        return "/".join(part for part in (self.prefix, _segment(self.database)) if part) + "/"

    def name(self, key: str) -> str | None:
        """Return the table that a key is of; None for what lies in the inbox, or elsewhere."""
        found = key.removeprefix(self.home).partition("/")[0]
        return unquote(found) if key.startswith(self.home) and found and found != _ARRIVALS else None

    def url(self, key: str) -> str:
        """Return a key's address."""
        return f"s3://{self.bucket}/{key}"

    def key(self, url: str) -> str:
        """Return the key of an address within the bucket; raises ValueError where it is in another."""
        if not url.startswith(self.url("")):
            raise ValueError(f"{url} is not in bucket {self.bucket}")
        return url.removeprefix(self.url(""))
