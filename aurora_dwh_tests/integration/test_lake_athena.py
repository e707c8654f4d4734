"""The lake's tables in Glue, as Athena reads them: a real S3 server, and a Glue held to botocore's model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import TYPE_RULES, Column, TableSchema
from aurora_dwh.lake import athena, pruning, store
from aurora_dwh.lake.athena import GlueDatabase, GlueError
from aurora_dwh.lake.deletion import delete
from aurora_dwh.lake.pruning import prune
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.orchestration.assets.tables import daily_partitions
from aurora_dwh.orchestration.assets.transforms import build_transform_assets
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.transforms.model import read_transforms
from aurora_dwh_tests.aws_endpoint import AwsEndpoint, AwsError
from aurora_dwh_tests.services import extract

NAME = "Orders & More"
ID = Column("Id", "int", "int", False, comment="The order's\nnumber.")
NOTE = Column("note", "varchar", "varchar(9)", length=9)
PRICE = Column("price", "decimal", "decimal(12,4)", precision=12, scale=4)
SCHEMA = TableSchema("shop", NAME, (ID, NOTE), ("Id",), comment="Orders, one row each.")
FIRST = date(2024, 1, 1)
SHOP = Catalog(timezone="UTC", start_date=FIRST, tables={})
DATABASE = "shop_lake"
SYMLINKS = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"


class Glue:
    """A Glue Data Catalog with one database, which adds what Glue adds to what it is given.

    Attributes:
        tables: Name -> table, as GetTable gives it.
        partitions: Name -> value -> partition.
        refuses: An operation -> the code that it answers with.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.partitions: dict[str, dict[str, Any]] = {}
        self.refuses: dict[str, str] = {}
        answers = {
            "GetTable": self._get_table,
            "CreateTable": self._create_table,
            "UpdateTable": self._update_table,
            "GetPartitions": self._get_partitions,
            "BatchCreatePartition": self._create,
            "BatchUpdatePartition": self._update,
            "BatchDeletePartition": self._delete,
        }
        self.api = AwsEndpoint("glue", {name: self._guarded(name, answer) for name, answer in answers.items()})
        self.client = boto3.client(
            "glue",
            region_name="eu-west-1",
            endpoint_url=self.api.url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def _guarded(self, name: str, answer: Any) -> Any:
        def guarded(asked: Mapping[str, Any]) -> Mapping[str, Any]:
            if code := self.refuses.get(name):
                raise AwsError(code)
            if asked["DatabaseName"] != DATABASE:
                raise AwsError("EntityNotFoundException", f"Database {asked['DatabaseName']} not found.")
            return answer(asked)  # type: ignore[no-any-return]

        return guarded

    def _get_table(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["Name"] not in self.tables:
            raise AwsError("EntityNotFoundException", "Entity Not Found")
        return {"Table": self.tables[asked["Name"]]}

    def _create_table(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["TableInput"]["Name"] in self.tables:
            raise AwsError("AlreadyExistsException", "Table already exists.")
        return self._update_table(asked)

    def _update_table(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        given = asked["TableInput"]
        kept = {"Compressed": False, "NumberOfBuckets": 0, "StoredAsSubDirectories": False}
        self.tables[given["Name"]] = {
            **given,
            "DatabaseName": DATABASE,
            "StorageDescriptor": {**given["StorageDescriptor"], **kept},
            "Retention": 0,
        }
        self.partitions.setdefault(given["Name"], {})
        return {}

    def _get_partitions(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer with two partitions at a time."""
        found = [*self.partitions[asked["TableName"]].values()]
        start = int(asked.get("NextToken", "0"))
        more = {"NextToken": str(start + 2)} if start + 2 < len(found) else {}
        return {"Partitions": [{"Values": one["Values"]} for one in found[start : start + 2]], **more}

    def _create(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        errors = []
        for one in asked["PartitionInputList"]:
            if one["Values"][0] in self.partitions[asked["TableName"]]:
                errors.append(_error(one["Values"], "AlreadyExistsException", "PartitionValues"))
            else:
                self.partitions[asked["TableName"]][one["Values"][0]] = one
        return {"Errors": errors}

    def _update(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        errors = []
        for one in asked["Entries"]:
            if one["PartitionValueList"][0] in self.partitions[asked["TableName"]]:
                self.partitions[asked["TableName"]][one["PartitionValueList"][0]] = one["PartitionInput"]
            else:
                errors.append(_error(one["PartitionValueList"], "EntityNotFoundException", "PartitionValueList"))
        return {"Errors": errors}

    def _delete(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        known = self.partitions[asked["TableName"]]
        gone = [one["Values"] for one in asked["PartitionsToDelete"] if not known.pop(one["Values"][0], None)]
        return {"Errors": [_error(values, "EntityNotFoundException", "PartitionValues") for values in gone]}


def _error(values: list[str], code: str, field: str) -> dict[str, Any]:
    return {field: values, "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "as it is"}}


@pytest.fixture
def glue() -> Iterator[Glue]:
    made = Glue()
    yield made
    made.api.close()
    assert made.api.wrong == []


@pytest.fixture
def listing(lake: Lake) -> Lake:
    """The test's lake, as LAKE_GLUE_DATABASE has it."""
    return Lake(lake.client, lake.layout, lists_files=True)


def write(lake: Lake, number: int, rows: Mapping[int, str], *, schema: TableSchema = SCHEMA, also: int = 0) -> None:
    """Write a day, which stands for days before it, too."""
    day = FIRST + timedelta(days=number - 1)
    named = [{"id": n, "note": note, "price": Decimal(n)} for n, note in rows.items()]
    kept = [{c.target_name: row[c.target_name] for c in schema.columns} for row in named]
    before = [
        Window(FIRST + timedelta(days=n - 1), None, datetime.now(timezone.utc)) for n in range(number - also, number)
    ]
    found = replace(
        extract(schema, day, kept),
        rules=Rules.of(Table(name=NAME, mode="full"), SHOP, source="shop@db"),
        also=before,
    )
    for manifest, one in lake.write_each([found]):
        for window in one.also:
            lake.share(manifest, window)


def read(glue: Glue, s3: Any, name: str = "orders___more") -> dict[str, list[dict[str, Any]]]:
    """Read a table as Athena does: of each partition the files that the objects in its location list, by name."""
    table, found = glue.tables[name], {}
    for value, partition in glue.partitions[name].items():
        storage = partition["StorageDescriptor"]
        assert storage["InputFormat"] == table["StorageDescriptor"]["InputFormat"] == SYMLINKS
        assert storage["Columns"] == table["StorageDescriptor"]["Columns"]
        prefix = storage["Location"].removeprefix(f"s3://{BUCKET}/")
        found[value] = []
        for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]:
            listed = s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read().decode()
            for url in listed.splitlines():
                body = s3.get_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
                rows = pq.read_table(pa.BufferReader(body)).to_pylist()
                names = [column["Name"] for column in storage["Columns"]]
                found[value] += [{name: row.get(name) for name in names} for row in rows]
    return found


def notes(glue: Glue, s3: Any) -> dict[str, dict[int, str]]:
    return {day: {row["id"]: row["note"] for row in rows} for day, rows in read(glue, s3).items()}


def test_a_table_has_a_partition_for_each_day_with_rows_and_again_changes_nothing(
    lake: Lake, s3: Any, glue: Glue
) -> None:
    """The days were written before Glue was switched on; two share their files, and one has no rows."""
    write(lake, 2, {1: "a", 2: "b"}, also=1)
    write(lake, 3, {})
    write(lake, 4, {2: "c"})
    done = GlueDatabase(glue.client, DATABASE).publish(lake, NAME)
    assert (done.name, done.partitions, done.added, done.removed) == ("orders___more", 3, 3, 0)
    assert notes(glue, s3) == {
        "2024-01-01": {1: "a", 2: "b"},
        "2024-01-02": {1: "a", 2: "b"},
        "2024-01-04": {2: "c"},
    }
    table = glue.tables["orders___more"]
    assert table["StorageDescriptor"]["Columns"] == [
        {"Name": "id", "Type": "int", "Comment": "The order's number."},
        {"Name": "note", "Type": "string"},
        {"Name": "_dwh_loaded_at", "Type": "timestamp"},
    ]
    assert [(key["Name"], key["Type"]) for key in table["PartitionKeys"]] == [("_dwh_day", "date")]
    assert (table["Description"], table["TableType"]) == ("Orders, one row each.", "EXTERNAL_TABLE")
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith(".ParquetHiveSerDe")

    before = len(glue.api.calls)
    assert GlueDatabase(glue.client, DATABASE).publish(lake, NAME).added == 0
    assert {name for name, _ in glue.api.calls[before:]} == {"GetTable", "GetPartitions"}


def test_a_day_that_is_read_again_is_never_half_there(
    listing: Lake, s3: Any, glue: Glue, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(listing, 1, {1: "a"})
    database = GlueDatabase(glue.client, DATABASE)
    database.publish(listing, NAME)
    seen = []
    for name in ("_write_parts", "_put_manifest", "_sweep"):
        step = getattr(Lake, name)

        def looked(self: Lake, *given: Any, step: Any = step, **more: Any) -> Any:
            seen.append(notes(glue, s3))
            made = step(self, *given, **more)
            seen.append(notes(glue, s3))
            return made

        monkeypatch.setattr(store.Lake, name, looked)
    write(listing, 1, {1: "b", 2: "b"})
    old, new = {"2024-01-01": {1: "a"}}, {"2024-01-01": {1: "b", 2: "b"}}
    assert [one for n, one in enumerate(seen) if not n or one != seen[n - 1]] == [old, new]
    before = len(glue.api.calls)
    database.publish(listing, NAME, [FIRST])
    assert {name for name, _ in glue.api.calls[before:]} == {"GetTable", "GetPartitions"}


def test_days_that_are_gone_or_have_no_rows_any_more_have_no_partition(
    listing: Lake, s3: Any, glue: Glue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        write(listing, number, {number: "a"})
    database = GlueDatabase(glue.client, DATABASE)
    database.publish(listing, NAME)
    monkeypatch.setattr(pruning, "utc_now", lambda: datetime(2024, 1, 9, tzinfo=timezone.utc))
    assert [one.day.day for one in prune(listing, NAME, timedelta(days=5)).days] == [1]
    for day in (date(2024, 1, 3), date(2024, 1, 4)):  # as purge has it
        home = listing.layout.day(NAME, day) + "/"
        keys = [{"Key": item["Key"]} for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=home)["Contents"]]
        assert delete(s3, BUCKET, keys) == []
    write(listing, 4, {})
    done = database.publish(listing, NAME)
    assert (done.partitions, done.added, done.removed) == (2, 0, 3)
    assert notes(glue, s3) == {"2024-01-02": {2: "a"}, "2024-01-05": {5: "a"}}


def test_a_new_column_comes_last_and_a_changed_type_is_the_latest_readings(listing: Lake, s3: Any, glue: Glue) -> None:
    write(listing, 1, {1: "a"})
    database = GlueDatabase(glue.client, DATABASE)
    database.publish(listing, NAME)
    wider = replace(SCHEMA, columns=(PRICE, replace(ID, data_type="bigint", column_type="bigint")))
    write(listing, 2, {2: "-"}, schema=wider)
    database.publish(listing, NAME, [date(2024, 1, 2)])
    columns = [(c["Name"], c["Type"]) for c in glue.tables["orders___more"]["StorageDescriptor"]["Columns"]]
    assert columns == [
        ("id", "bigint"),
        ("note", "string"),
        ("_dwh_loaded_at", "timestamp"),
        ("price", "decimal(12,4)"),
    ]
    assert {day: [(r["id"], r["note"], r["price"]) for r in rows] for day, rows in read(glue, s3).items()} == {
        "2024-01-01": [(1, "a", None)],
        "2024-01-02": [(2, None, Decimal(2))],
    }


@pytest.mark.parametrize("rule", TYPE_RULES, ids=lambda rule: rule.mysql)
def test_each_type_of_the_map_has_one_in_athena(rule: Any) -> None:
    """Athena's types, and the only ones of Parquet's that it reads them from."""
    (data_type, *_) = sorted(rule.data_types)
    column = next(
        one
        for one in (
            Column("c", data_type, f"{data_type}{unsigned}", precision=precision, scale=2)
            for unsigned in ("", " unsigned")
            for precision in (12, 1, 64, 50)
        )
        if one.rule is rule
    )
    kind = column.arrow_type
    expected = {
        pa.bool_(): "boolean", pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint", pa.float32(): "float",
        pa.float64(): "double", pa.string(): "string", pa.binary(): "binary", pa.date32(): "date",
        pa.timestamp("us"): "timestamp",
    }  # fmt: skip
    told = f"decimal({kind.precision},{kind.scale})" if pa.types.is_decimal(kind) else expected[kind]
    assert athena.athena_type(kind) == told


def test_what_glue_refuses_is_named(listing: Lake, glue: Glue) -> None:
    write(listing, 1, {1: "a"})
    database = GlueDatabase(glue.client, DATABASE)
    glue.refuses["BatchCreatePartition"] = "AccessDeniedException"
    with pytest.raises(GlueError, match=r"shop_lake\.orders___more in Glue: .*AccessDeniedException"):
        database.publish(listing, NAME)
    glue.refuses.clear()
    assert database.publish(listing, NAME).added == 1
    with pytest.raises(GlueError, match="Database other not found"):
        GlueDatabase(glue.client, "other").publish(listing, NAME)
    glue.tables["orders___more"]["Parameters"] = {"classification": "csv"}
    with pytest.raises(GlueError, match="is not the table of s3://"):
        database.publish(listing, NAME)


@pytest.mark.usefixtures("connected")
def test_the_lakes_assets_say_whether_glue_is_up_to_date(
    lake: Lake, s3: Any, glue: Glue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_GLUE_DATABASE", DATABASE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", glue.api.url)
    catalog = Catalog(timezone="UTC", start_date=FIRST, tables={})
    (tmp_path / "states.sql").write_text("/*\ndescription: States.\n*/\nSELECT 1 AS n, 'x' AS note\n")
    assets = build_transform_assets(
        transforms=read_transforms(tmp_path), catalog=catalog, partitions=daily_partitions(catalog)
    )

    def run(day: str) -> dg.AssetCheckEvaluation:
        done = dg.materialize(assets, partition_key=day, resources={"s3_io": S3IOManager()})
        assert done.success
        (evaluation,) = done.get_asset_check_evaluations()
        return evaluation

    first = run("2024-01-01")
    assert (first.check_name, first.passed, first.blocking) == ("glue", True, False)
    assert first.description == "shop_lake.states has 1 days with rows; 1 are new, 0 were removed"
    glue.refuses["GetTable"] = "AccessDeniedException"
    second = run("2024-01-02")
    assert (second.passed, second.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "which the next load tries again" in str(second.description)
    glue.refuses.clear()
    assert run("2024-01-02").description == "shop_lake.states has 2 days with rows; 1 are new, 0 were removed"
    rows = read(glue, s3, "states")
    assert {day: [(row["n"], row["note"]) for row in found] for day, found in rows.items()} == {
        "2024-01-01": [(1, "x")],
        "2024-01-02": [(1, "x")],
    }
