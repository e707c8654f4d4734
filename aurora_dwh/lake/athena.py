"""The lake as tables of the AWS Glue Data Catalog, so that Athena reads it: one partition a day.

A partition's location holds nothing but a list of the day's files, by the input format that Amazon's own inventories in
Parquet are read with (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-athena-query.html). The
list is written by one PUT, after the manifest and before the files that it replaces are removed: so a query sees the
day as it was or as it is, and never a half of it.

The partition's column is `_dwh_day`, since of files that several days share only the catalog knows which day is read.
Types are those of https://docs.aws.amazon.com/athena/latest/ug/data-types.html. Columns are only added to a table, at
its end, and all partitions have the table's, since Athena compares them by their places
(https://docs.aws.amazon.com/athena/latest/ug/updates-and-partitions.html); a type is that of the latest reading. Days
in CSV are left out: Athena's reader of CSV knows no line breaks in a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.core.schema import fold
from aurora_dwh.lake.layout import FILE_LIST, MANIFEST_NAME, Layout
from aurora_dwh.lake.listing import day_objects
from aurora_dwh.lake.parquet import DAY, own_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.lake.store import Lake

OWNER = "aurora_dwh"
"""The table parameter that says which folder a table is of."""

GLUE_ACTIONS = (
    "GetTable",
    "CreateTable",
    "UpdateTable",
    "GetPartitions",
    "BatchCreatePartition",
    "BatchUpdatePartition",
    "BatchDeletePartition",
)
"""What Glue is asked to do."""

_TYPES = {
    "bool": "boolean",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "date32[day]": "date",
    "timestamp[us]": "timestamp",
}
_FORMAT = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
_COMMENT, _DESCRIPTION = 255, 2048
"""Characters of a column's comment and of a table's description (Glue's API reference)."""

_WRITTEN, _REMOVED = 100, 25
"""Partitions that Glue writes, and removes, in one request."""


class GlueError(DataError):
    """A table of Glue that could not be brought up to date; the lake is as it was."""


@dataclass(frozen=True)
class Published:
    """What became of a table in Glue."""

    name: str  # the table's name there
    partitions: int  # how many days it has
    added: int  # days that it had not
    removed: int  # days that it has no more


def write_list(client: Any, layout: Layout, manifest: Manifest) -> None:
    """Write the list of a day's files that Athena reads; it is empty where there are none that it can read."""
    urls = [f"{part.url}\n" for part in manifest.parts] if manifest.files == "parquet" else []
    key = layout.file_list(manifest.table, manifest.day)
    client.put_object(Bucket=layout.bucket, Key=key, Body="".join(urls).encode(), ContentType="text/plain")


def athena_type(kind: pa.DataType) -> str:
    """Return how Athena names a type of the lake."""
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _TYPES[str(kind)]


def glue_name(table: str) -> str:
    """Return a table's name in Glue: Athena takes small letters, digits and `_`."""
    return re.sub(r"[^a-z0-9_]", "_", fold(table))


@dataclass(frozen=True)
class GlueDatabase:
    """A database of the Glue Data Catalog."""

    client: Any  # a boto3 Glue client
    name: str  # the database

    def look_up(self) -> None:
        """See that the database answers, asked for a table that need not be; raises GlueError where it does not."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.get_table(DatabaseName=self.name, Name=OWNER)
        except (BotoCoreError, ClientError) as error:
            said = error.response["Error"] if isinstance(error, ClientError) else {"Code": ""}
            if said["Code"] != "EntityNotFoundException" or "database" in said.get("Message", "").lower():
                raise GlueError(f"{self.name} in Glue: {error}") from error

    def publish(self, lake: Lake, table: str, days: Iterable[date] = ()) -> Published:
        """Bring a table up to date: its columns, a partition for each day with rows, and none for any other.

        Args:
            days: Days that were read since, whose columns may be new.

        Raises:
            GlueError: Glue refused, or another's table has the name.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._publish(lake, table, set(days))
        except (BotoCoreError, ClientError) as error:
            raise GlueError(f"{self.name}.{glue_name(table)} in Glue: {error}") from error

    def _publish(self, lake: Lake, table: str, days: set[date]) -> Published:
        layout, name = lake.layout, glue_name(table)
        listed = day_objects(lake.client, layout, table)
        stale = {day for day, names in listed.items() if MANIFEST_NAME in names and not _is_listed(names)}
        read = lake.known(table, sorted(stale | days))
        for manifest in read:
            write_list(lake.client, layout, manifest)
        listed = day_objects(lake.client, layout, table)
        wanted = {
            day for day, names in listed.items() if MANIFEST_NAME in names and names.get(FILE_LIST, {}).get("Size")
        }
        shapes = sorted(read or filter(None, [lake.newest(table)]), key=lambda m: m.snapshot_at)
        shapes = [one for one in shapes if one.files == "parquet"]
        if not shapes:
            return Published(name, 0, 0, 0)
        known, is_changed = self._table(layout, table, shapes)
        has = self._partitions(name)
        made = partial(_partition, layout, table, known)
        self._batches("create", name, [made(day) for day in sorted(wanted - has)])
        if is_changed:
            old = sorted(wanted & has)
            again = [{"PartitionValueList": [str(day)], "PartitionInput": made(day)} for day in old]
            self._batches("update", name, again)
        self._batches("delete", name, [{"Values": [str(day)]} for day in sorted(has - wanted)])
        return Published(name, len(wanted), len(wanted - has), len(has - wanted))

    def _table(self, layout: Layout, table: str, shapes: Sequence[Manifest]) -> tuple[list[dict[str, str]], bool]:
        """Make the table, or mend it; return its columns and whether they were others before."""
        home, name = layout.url(layout.table(table)), glue_name(table)
        try:
            found = self.client.get_table(DatabaseName=self.name, Name=name)["Table"]
        except self.client.exceptions.EntityNotFoundException:
            found = {}
        if found and found.get("Parameters", {}).get(OWNER) != home:
            raise GlueError(
                f"{self.name}.{name} in Glue is not the table of {home}; remove or rename it there, or name another "
                "database in LAKE_GLUE_DATABASE"
            )
        before = found.get("StorageDescriptor", {}).get("Columns", [])
        columns = _columns(before, shapes)
        wanted = {
            "Name": name,
            **({"Description": comment[:_DESCRIPTION]} if (comment := shapes[-1].schema.comment) else {}),
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {**found.get("Parameters", {}), "EXTERNAL": "TRUE", "classification": "parquet", OWNER: home},
            "PartitionKeys": [{"Name": DAY, "Type": "date", "Comment": "The day that brought the row."}],
            "StorageDescriptor": {"Columns": columns, "Location": home, **_FORMAT},
        }
        if not found:
            self.client.create_table(DatabaseName=self.name, TableInput=wanted)
        elif not _has(found, wanted):
            self.client.update_table(DatabaseName=self.name, TableInput=wanted)
        return columns, bool(found) and before != columns

    def _partitions(self, name: str) -> set[date]:
        pages = self.client.get_paginator("get_partitions").paginate(
            DatabaseName=self.name, TableName=name, ExcludeColumnSchema=True
        )
        return {date.fromisoformat(one["Values"][0]) for page in pages for one in page["Partitions"]}

    def _batches(self, verb: str, name: str, partitions: Sequence[Mapping[str, Any]]) -> None:
        """Create, update or delete partitions; one that is there already, or gone, is as it is wanted."""
        call = getattr(self.client, f"batch_{verb}_partition")
        given = {"create": "PartitionInputList", "update": "Entries", "delete": "PartitionsToDelete"}[verb]
        passed = {"create": "AlreadyExistsException", "delete": "EntityNotFoundException"}.get(verb)
        size = _REMOVED if verb == "delete" else _WRITTEN
        for start in range(0, len(partitions), size):
            some = {given: partitions[start : start + size]}
            for error in call(DatabaseName=self.name, TableName=name, **some).get("Errors", ()):
                detail = error.get("ErrorDetail", {})
                if detail.get("ErrorCode") != passed:
                    values = error.get("PartitionValues") or error.get("PartitionValueList")
                    raise GlueError(
                        f"{self.name}.{name} in Glue: partition {', '.join(values or ())}: "
                        f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage', '')}"
                    )


def _has(found: Any, wanted: Any) -> bool:
    """Return whether Glue's answer, which has more fields than were ever set, has those that are wanted."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_has(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(found or ()) == len(wanted) and all(map(_has, found or (), wanted))
    return bool(found == wanted)


def _is_listed(names: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a day's list of files is no older than its manifest."""
    return FILE_LIST in names and bool(names[FILE_LIST]["LastModified"] >= names[MANIFEST_NAME]["LastModified"])


def _columns(before: Sequence[Mapping[str, str]], shapes: Iterable[Manifest]) -> list[dict[str, str]]:
    """Return the columns that a table has, those before in their places, as the latest of readings has them."""
    columns = {one["Name"]: dict(one) for one in before}
    for manifest in shapes:
        columns |= {one["Name"]: one for one in _columns_of(manifest)}
    return list(columns.values())


def _columns_of(manifest: Manifest) -> Iterator[dict[str, str]]:
    comments = {column.target_name: column.comment for column in manifest.schema.columns}
    for field in own_columns(manifest.schema.arrow_schema):
        if field.name != DAY:
            comment = " ".join(comments.get(field.name, "").split())[:_COMMENT]  # Glue takes one line
            yield {"Name": field.name, "Type": athena_type(field.type), **({"Comment": comment} if comment else {})}


def _partition(layout: Layout, table: str, columns: Sequence[Mapping[str, str]], day: date) -> dict[str, Any]:
    folder = layout.file_list(table, day).rpartition("/")[0]
    return {
        "Values": [day.isoformat()],
        "StorageDescriptor": {"Columns": columns, "Location": f"{layout.url(folder)}/", **_FORMAT},
    }
