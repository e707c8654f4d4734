"""Retention of the lake on a real S3 server: old copies go, and nothing that is still needed goes with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

import aurora_dwh.lake
from aurora_dwh.catalog.model import CATALOG_VARIABLE, Catalog, Table
from aurora_dwh.cli import app
from aurora_dwh.core.models import Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import pruning
from aurora_dwh.lake.pruning import prune
from aurora_dwh.lake.store import Lake, MissingDayError
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.orchestration.assets.tables import daily_partitions
from aurora_dwh.orchestration.assets.transforms import build_transform_assets
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.transforms.model import read_transforms
from aurora_dwh_tests.services import extract

SCHEMA = TableSchema("shop", "country", (Column("id", "bigint", "bigint", False),), ("id",))
FIRST = date(2024, 1, 1)
SHOP = Catalog(timezone="UTC", start_date=FIRST, tables={})
NOW = datetime(2024, 1, 11, 1, tzinfo=timezone.utc)
KEEP = timedelta(days=5)


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def write(lake: Lake, number: int, *, mode: str = "full", read: datetime | None = None, also: int = 0) -> None:
    """Write the copy of a day, which has as many rows as its number; it stands for days before it, too."""
    table = Table(name="country", mode=mode, **({} if mode == "full" else {"cursor": "id"}))  # type: ignore[arg-type]
    work = extract(SCHEMA, day(number), ({"id": n} for n in range(number)), snapshot_at=read)
    before = [day(n) for n in range(number - also, number)]
    work = replace(
        work,
        rules=Rules.of(table, SHOP, source="shop@db"),
        also=[Window(one, None, datetime.combine(one, time(), timezone.utc)) for one in before],
    )
    for manifest, one in lake.write_each([work]):
        for window in one.also:
            lake.share(manifest, window)


def rows(lake: Lake, number: int) -> int:
    (manifest,) = lake.read("country", [day(number)])
    return lake.reader([manifest]).read_all().num_rows


def objects(lake: Lake, s3: Any) -> set[str]:
    home = lake.layout.table("country") + "/day=2024-01-"
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=home).get("Contents", ())
    return {item["Key"].removeprefix(home) for item in found}


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "utc_now", lambda: NOW)


@pytest.fixture
def hook(s3: Any) -> Iterator[Callable[[str, Callable[[], None]], None]]:
    """Lets something happen once, just before an operation of S3."""
    registered = []

    def set_up(operation: str, happen: Callable[[], None]) -> None:
        def once(**_: Any) -> None:
            s3.meta.events.unregister(f"before-call.s3.{operation}", once)
            happen()

        registered.append((operation, once))
        s3.meta.events.register(f"before-call.s3.{operation}", once)

    yield set_up
    for operation, once in registered:
        s3.meta.events.unregister(f"before-call.s3.{operation}", once)


def test_copies_that_were_read_long_ago_go_but_for_the_last_of_them(lake: Lake, s3: Any) -> None:
    for number in range(1, 11):
        write(lake, number)
    would = prune(lake, "country", KEEP, is_dry=True)
    assert [rows(lake, number) for number in range(1, 11)] == [*range(1, 11)]

    done = prune(lake, "country", KEEP)  # the cut lies at 2024-01-06 01:00, when day 5 was just read
    assert done == would
    assert ([one.day for one in done.days], done.objects) == ([day(n) for n in (1, 2, 3)], 3)
    assert done.size == sum(one.size for one in done.days) > 0
    assert [one.day for one in lake.all("country")] == [day(n) for n in range(4, 11)]
    assert [rows(lake, number) for number in range(4, 11)] == [*range(4, 11)]
    assert {name for name in objects(lake, s3) if name < "04"} == {f"0{n}/_pruned.json" for n in (1, 2, 3)}
    assert sorted(lake.pruned("country")) == [day(1), day(2), day(3)]
    assert prune(lake, "country", KEEP).days == ()


def test_the_only_copy_and_one_that_is_read_late_stay(lake: Lake) -> None:
    write(lake, 1)
    assert prune(lake, "country", timedelta(days=1)).days == ()
    write(lake, 2, read=NOW - timedelta(hours=1))
    assert prune(lake, "country", timedelta(days=1)).days == ()
    write(lake, 3, read=NOW - timedelta(hours=2))  # which is not the last reading, and young
    assert prune(lake, "country", timedelta(days=1)).days == ()
    assert [rows(lake, number) for number in (1, 2, 3)] == [1, 2, 3]


def test_27_days_of_a_reading_are_one_file(lake: Lake, s3: Any) -> None:
    write(lake, 27, also=26)
    assert [rows(lake, number) for number in (1, 14, 27)] == [27, 27, 27]
    names = sorted(name.partition("/")[2][:5] for name in objects(lake, s3))
    assert names == [*["_mani"] * 27, "part-"]


def test_days_that_a_later_one_shares_its_files_with_go_without_the_files(lake: Lake, s3: Any) -> None:
    write(lake, 4, also=3)
    done = prune(lake, "country", KEEP)
    assert ([one.day for one in done.days], done.objects, done.size) == ([day(1), day(2), day(3)], 0, 0)
    assert rows(lake, 4) == 4
    write(lake, 5, read=NOW - KEEP - timedelta(minutes=1))
    done = prune(lake, "country", KEEP)
    assert ([one.day for one in done.days], done.objects) == ([day(4)], 1)
    assert {name for name in objects(lake, s3) if name < "05"} == {f"0{n}/_pruned.json" for n in (1, 2, 3, 4)}


def test_days_of_other_modes_are_rows_and_stay(lake: Lake) -> None:
    write(lake, 1, mode="append")
    write(lake, 2, mode="append")
    for number in (3, 4, 5):
        write(lake, number)
    assert [one.day for one in prune(lake, "country", KEEP).days] == [day(3)]
    assert [rows(lake, number) for number in (1, 2, 4, 5)] == [1, 2, 4, 5]


def test_a_day_that_is_read_again_meanwhile_stands(lake: Lake, hook: Callable[[str, Callable[[], None]], None]) -> None:
    for number in (1, 2, 3):
        write(lake, number)
    hook("DeleteObject", lambda: write(lake, 1, read=NOW))
    assert [one.day for one in prune(lake, "country", KEEP).days] == [day(2)]
    assert [rows(lake, number) for number in (1, 3)] == [1, 3]
    assert [*lake.pruned("country")] == [day(2)]


def test_what_a_prune_left_that_was_broken_off_goes_with_the_next(
    lake: Lake,
    s3: Any,
    hook: Callable[[str, Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in (1, 2, 3):
        write(lake, number)

    def end() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObjects")

    hook("DeleteObjects", end)
    with pytest.raises(ClientError, match="AccessDenied"):
        prune(lake, "country", KEEP)
    assert [one.day for one in lake.all("country")] == [day(3)]
    assert len([name for name in objects(lake, s3) if "/part-" in name]) == 3

    s3.put_object(Bucket=BUCKET, Key=f"{lake.layout.day('country', day(2))}/part-new", Body=b"")  # of a new reading
    listed = pruning.day_objects

    def older(*given: Any) -> Any:
        """List files of the copies as older than the marks: S3 tells moments by the second."""
        return {
            of: {
                name: {**one, "LastModified": NOW - timedelta(days=name[:6] == "part-2")} for name, one in all_.items()
            }
            for of, all_ in listed(*given).items()
        }

    monkeypatch.setattr(pruning, "day_objects", older)
    assert prune(lake, "country", KEEP).days == ()
    assert {name.partition("-")[0] for name in objects(lake, s3) if "/part" in name} == {"02/part", "03/part"}
    assert rows(lake, 3) == 3


@pytest.mark.usefixtures("connected")
def test_each_moment_since_the_cut_can_be_read_and_what_is_older_is_said_to_be_pruned(lake: Lake) -> None:
    for number in range(1, 11):
        write(lake, number)
    prune(lake, "country", KEEP)
    read = aurora_dwh.lake.read
    cut = NOW - KEEP
    for moment, count in ((cut - timedelta(seconds=1), 4), (cut, 5), (NOW, 10)):
        assert read("country", pa.Table, as_of=moment).num_rows == count
    for number in range(5, 11):
        assert read("country", pa.Table, as_of=day(number)).num_rows == number
    told = r"\(2024-01-01...2024-01-0[23] pruned, as `keep` says\)"
    with pytest.raises(MissingDayError, match=f"nothing of as of 2024-01-03 .* {told}"):
        read("country", as_of=day(3))
    with pytest.raises(MissingDayError, match=f"no manifest for 2024-01-01...2024-01-02 .* {told}"):
        lake.read("country", [day(1), day(2), day(4)])
    write(lake, 1, read=NOW)
    assert rows(lake, 1) == 1
    assert [*lake.pruned("country")] == [day(2), day(3)]


@pytest.mark.usefixtures("connected")
def test_the_commands_prune_and_tell_what_is_pruned(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["lake", *arguments], env={"COLUMNS": "160"})
        assert done.exit_code == 0, done.output
        return done.output

    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(
        "timezone: UTC\nstart_date: 2024-01-01\ndefaults: {keep: 5d}\n"
        "tables: {country: {mode: full}, page_view: {mode: append, cursor: at}}\n"
    )
    monkeypatch.setenv(CATALOG_VARIABLE, str(catalog))
    for number in range(1, 11):
        write(lake, number)
    told = r"3 days (2024-01-01...2024-01-03)"
    assert f"country: would remove {told}, 3 files of" in run("prune", "--dry-run")
    (done,) = json.loads(run("prune", "country", "--json"))
    assert (done["days"], done["objects"], done["removed"]) == (["2024-01-01", "2024-01-02", "2024-01-03"], 3, True)
    assert "country: removed nothing, 0 files" in run("prune")
    (listed,) = json.loads(run("ls", "--json"))
    assert (listed["days"], listed["pruned"], listed["first"]) == (7, 3, "2024-01-04")
    assert f"{told} pruned, as `keep` says" in run("show", "country")
    shown = json.loads(run("show", "country", "--days", "2024-01-03...2024-01-04", "--json"))
    assert ([one["day"] for one in shown["days"]], [one["day"] for one in shown["pruned"]]) == (
        ["2024-01-04"],
        ["2024-01-03"],
    )
    refused = CliRunner().invoke(app, ["lake", "prune", "page_view"])
    assert refused.exit_code == 2
    assert "has no `keep`" in refused.output


@pytest.mark.usefixtures("connected")
def test_a_load_prunes_and_its_asset_says_so(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(timezone="UTC", start_date=FIRST, tables={})
    (tmp_path / "states.sql").write_text(
        "/*\ndescription: States.\nmode: full\nkeep: 2d\nstaging: true\n*/\nSELECT :day AS day\n"
    )
    assets = build_transform_assets(
        transforms=read_transforms(tmp_path), catalog=catalog, partitions=daily_partitions(catalog)
    )
    ahead = timedelta(0)
    monkeypatch.setattr(pruning, "utc_now", lambda: datetime.now(timezone.utc) + ahead)
    with dg.DagsterInstance.ephemeral() as instance:

        def run(number: int) -> None:
            resources = {"s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()}
            assert dg.materialize(
                assets, instance=instance, partition_key=str(day(number)), resources=resources
            ).success

        run(1)
        run(2)
        assert len(lake.all("states")) == 2
        ahead = timedelta(days=3)
        run(3)
        (left,) = lake.all("states")
        assert left.day == day(3)
        key = dg.AssetKey(["lake", "states"])
        seen = instance.fetch_observations(key, limit=9).records
        told = {one.partition_key: one.asset_observation for one in seen}
        assert told.keys() == {"2024-01-01", "2024-01-02"}
        assert all(one and one.metadata["pruned"].value is True for one in told.values())
        assert {one.run_id for one in seen} == {""}  # so that it does not go with an old run
