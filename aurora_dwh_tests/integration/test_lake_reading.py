"""The lake read without Redshift: the latest version of each row, at any time, with what proofs mended and missed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import aurora_dwh.lake
from aurora_dwh.cli import app
from aurora_dwh.core.models import Extract
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.gone import Gone
from aurora_dwh.lake.reader import Query, QueryError
from aurora_dwh.lake.store import Lake, MissingDayError
from aurora_dwh_tests.services import extract

NAME = "Orders & More"
ID, NOTE, AT = (
    Column("Id", "bigint", "bigint", False),
    Column("note", "varchar", "varchar(9)"),
    Column("at", "datetime", "datetime"),
)
SCHEMA = TableSchema("shop", NAME, (ID, NOTE, AT), ("Id",))
FIRST = date(2024, 1, 1)
pytestmark = pytest.mark.usefixtures("connected")


def rules(mode: str = "incremental", key: tuple[str, ...] = ("id",)) -> Rules:
    return Rules(
        source="mysql://here/shop", table=NAME, mode=mode, key=key, cursor=None if mode == "full" else "at",
        cursor_timezone="UTC", timezone="UTC", start_date="2024-01-01", include=(), exclude=(), filter=None, mask={},
        zero_dates="null", oversize="fail", nul_bytes="fail",
    )  # fmt: skip


def moment(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, tzinfo=timezone.utc)


def reading(
    day: int,
    rows: Mapping[int, str],
    *,
    read: datetime | None = None,
    schema: TableSchema = SCHEMA,
    of: Rules | None = None,
) -> Extract:
    """Return a day's rows by id, written at noon and read on the next day."""
    values = [{"id": n, "note": note, "at": datetime(2024, 1, day, 12), "extra": 1} for n, note in rows.items()]  # noqa: DTZ001
    named = [{c.target_name: row[c.target_name] for c in schema.columns} for row in values]
    found = extract(schema, date(2024, 1, day), named, snapshot_at=read or moment(day + 1, 1))
    return replace(found, rules=of or rules())


def notes(rows: Any) -> dict[int, str]:
    table = rows if isinstance(rows, pa.Table) else pa.table(rows)
    return dict(sorted(zip(table["id"].to_pylist(), table["note"].to_pylist(), strict=True)))


@pytest.fixture
def days(lake: Lake) -> Lake:
    """Three days, in which row 1 is written again, and the second day is read again after the third."""
    for one in (
        reading(1, {1: "a", 2: "a", 3: "a"}),
        reading(2, {1: "b"}),
        reading(3, {4: "c", 1: "c"}),
        reading(2, {5: "late"}, read=moment(5)),
    ):
        lake.write(NAME, one)
    return lake


def test_each_row_is_there_once_in_its_latest_version(days: Lake) -> None:
    assert notes(aurora_dwh.lake.read(NAME)) == {1: "c", 2: "a", 3: "a", 4: "c", 5: "late"}


def test_the_table_is_as_it_was_at_the_end_of_a_day_or_at_a_moment(days: Lake) -> None:
    assert notes(aurora_dwh.lake.read(NAME, as_of=FIRST)) == {1: "a", 2: "a", 3: "a"}
    assert notes(aurora_dwh.lake.read(NAME, as_of=moment(4, 2))) == {1: "c", 2: "a", 3: "a", 4: "c"}
    with pytest.raises(QueryError, match="has no time zone"):
        aurora_dwh.lake.read(NAME, as_of=datetime(2024, 1, 4))  # noqa: DTZ001
    with pytest.raises(MissingDayError, match="nothing of as of 2023-12-31"):
        aurora_dwh.lake.read(NAME, as_of=date(2023, 12, 31))


def test_days_give_the_rows_that_they_brought(days: Lake) -> None:
    assert notes(aurora_dwh.lake.read(NAME, days="2024-01-03")) == {1: "c", 4: "c"}
    assert notes(aurora_dwh.lake.read(NAME, days=(date(2024, 1, 2), date(2024, 1, 3)))) == {1: "c", 4: "c", 5: "late"}
    assert notes(aurora_dwh.lake.read(NAME, days="2024-01-01...2024-01-02")) == {1: "a", 2: "a", 3: "a", 5: "late"}
    with pytest.raises(QueryError, match="ends before it begins"):
        aurora_dwh.lake.read(NAME, days="2024-01-03...2024-01-02")


def test_what_a_proof_read_again_is_there_and_what_it_found_gone_is_not(days: Lake) -> None:
    days.write_repair(NAME, reading(3, {2: "mended", 9: "missed"}, read=moment(6)))
    days.write_gone(NAME, Gone(["id"], [["3"], ["1"]], moment(3, 12)))
    assert notes(aurora_dwh.lake.read(NAME)) == {1: "c", 2: "mended", 4: "c", 5: "late", 9: "missed"}
    assert notes(aurora_dwh.lake.read(NAME, days="2024-01-01")) == {2: "mended"}
    assert notes(aurora_dwh.lake.read(NAME, as_of=moment(3, 6))) == {1: "a", 2: "a", 3: "a"}


def test_a_table_that_is_copied_whole_is_as_its_last_reading_saw_it(lake: Lake) -> None:
    of = rules("full", ())
    for day, rows in ((1, {1: "a", 2: "a"}), (3, {2: "c"}), (2, {1: "b", 2: "b"})):
        lake.write(NAME, reading(day, rows, of=of))
    assert notes(aurora_dwh.lake.read(NAME)) == {2: "c"}
    assert notes(aurora_dwh.lake.read(NAME, as_of=date(2024, 1, 2))) == {1: "b", 2: "b"}


def test_a_day_that_shares_the_parts_of_another_has_its_own_day_in_the_rows(lake: Lake) -> None:
    of = rules("full", ())
    found = replace(reading(2, {1: "a"}, of=of), also=[reading(1, {}).window])
    for manifest, one in [*lake.write_each([found])]:
        lake.share(manifest, one.also[0])
    assert aurora_dwh.lake.read(NAME, pa.Table, days="2024-01-01")["_dwh_day"].to_pylist() == [FIRST]


def test_days_with_other_columns_go_together(days: Lake) -> None:
    wider = replace(SCHEMA, columns=(ID, replace(NOTE, length=99), Column("extra", "int", "int"), AT))
    days.write(NAME, reading(4, {1: "d"}, schema=wider))
    days.write(NAME, reading(5, {}, schema=wider))
    rows = aurora_dwh.lake.read(NAME, pa.Table)
    assert rows.schema.names == ["id", "note", "extra", "at", "_dwh_day", "_dwh_loaded_at"]
    assert {row["id"]: row["extra"] for row in rows.to_pylist()} == {1: 1, 2: None, 3: None, 4: None, 5: None}


def test_a_table_without_rows_has_columns(lake: Lake) -> None:
    lake.write(NAME, reading(1, {}))
    rows = aurora_dwh.lake.read(NAME, pa.Table)
    assert rows.num_rows == 0
    assert rows.schema.field("at").type == pa.timestamp("us")


@pytest.mark.parametrize("kind", [pa.Table, pd.DataFrame, pl.DataFrame, pl.LazyFrame, duckdb.DuckDBPyRelation])
def test_rows_come_as_what_is_asked_for(days: Lake, kind: Any) -> None:
    rows = aurora_dwh.lake.read(NAME, kind)
    assert isinstance(rows, kind)
    assert notes(rows.collect() if isinstance(rows, pl.LazyFrame) else rows)[5] == "late"


def test_sql_joins_tables_of_days_and_their_latest_versions(days: Lake) -> None:
    query = (
        'SELECT l.id, l.note, a.note FROM lake."Orders & More" l JOIN latest."Orders & More" a USING (id) ORDER BY 1'
    )
    assert Query(days).sql(query, days="2024-01-01").fetchall()[0] == (1, "a", "c")
    assert Query(days).sql(query).fetchall()[0] == (1, "c", "c")
    with pytest.raises(QueryError, match="nope"):
        Query(days).sql('SELECT nope FROM lake."Orders & More"')
    with pytest.raises(MissingDayError, match="lake/nothing: nothing is under s3://"):
        Query(days).sql("SELECT * FROM lake.nothing")


def test_only_the_columns_that_are_asked_for_are_fetched(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    get = lake.client.get_object

    def counted(**given: Any) -> Any:
        answer = get(**given)
        if "Range" in given:
            fetched.append(answer["ContentLength"])
        return answer

    noon = datetime(2024, 1, 1, 12)  # noqa: DTZ001
    many = {"id": range(50_000), "note": [secrets.token_hex(32) for _ in range(50_000)], "at": [noon] * 50_000}
    batch = pa.RecordBatch.from_pydict(many, schema=SCHEMA.arrow_schema)
    manifest = lake.write(NAME, replace(reading(1, {}, of=rules("append", ())), batches=iter([batch])))
    monkeypatch.setattr(lake.client, "get_object", counted)
    assert Query(lake).sql('SELECT count("at") FROM lake."Orders & More"').fetchall() == [(50_000,)]
    assert 0 < sum(fetched) < manifest.size / 2


def command(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["lake", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == exit_code, result.output
    return result.stdout if not exit_code else result.stderr


def test_the_commands_list_show_and_ask(days: Lake, tmp_path: Path) -> None:
    days.write_repair(NAME, reading(3, {2: "mended"}, read=moment(6)))
    (listed,) = json.loads(command("ls", "--json"))
    assert (listed["table"], listed["days"], listed["first"], listed["last"]["rows"]) == (NAME, 3, "2024-01-01", 2)
    assert NAME in command("ls")
    shown = json.loads(command("show", NAME, "--days", "2024-01-02...2024-01-03", "--json"))
    assert [(day["day"], day["rows"]) for day in shown["days"]] == [("2024-01-02", 1), ("2024-01-03", 2)]
    assert (shown["mode"], shown["key"], len(shown["repairs"])) == ("incremental", ["id"], 1)
    assert "timestamp[us]" in command("show", NAME)
    query = 'SELECT id, note, "at", NULL AS nothing FROM lake."Orders & More" ORDER BY id'
    assert json.loads(command("sql", query, "--days", "2024-01-03", "--json"))[0] == {
        "id": 1, "note": "c", "at": "2024-01-03 12:00:00", "nothing": None,
    }  # fmt: skip
    assert "More rows follow" in command("sql", query, "--limit", "2")
    written = tmp_path / "rows.parquet"
    command("sql", query, "--output", str(written))
    assert pq.read_table(written)["id"].to_pylist() == [1, 2, 3, 4, 5]


def test_the_commands_say_what_is_wrong(days: Lake) -> None:
    assert "lake/nothing: nothing is under s3://" in command("show", "nothing", exit_code=1)
    assert f"did you mean `{NAME}`?" in command("show", NAME.removesuffix("e"), exit_code=1)
    assert "the SQL cannot be read: Invalid expression" in command("sql", "SELEC 1", exit_code=1)
    assert "'soon' is not days" in command("sql", "SELECT 1 FROM lake.x", "--days", "soon", exit_code=1)


def test_tables_of_the_lake_are_listed_by_name(days: Lake) -> None:
    assert days.tables() == [NAME]
    assert days.layout.name(days.layout.inbox + "x") is None


def test_a_day_that_is_being_written_hides_none_that_stands(lake: Lake) -> None:
    lake.write(NAME, reading(1, {1: "a"}))
    lake.client.put_object(
        Bucket=lake.layout.bucket, Key=lake.layout.part(NAME, date(2024, 1, 2), "x", 0), Body=b"half"
    )
    assert lake.latest(NAME).day == FIRST
    listed = CliRunner().invoke(app, ["lake", "ls", "--json"])
    assert listed.exit_code == 0, listed.output
    assert [(one["table"], one["last"]["day"]) for one in json.loads(listed.stdout)] == [(NAME, "2024-01-01")]
