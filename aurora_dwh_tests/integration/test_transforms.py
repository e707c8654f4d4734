"""Transforms as a project has them: files of SQL and functions, day by day, into the lake and into Redshift."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import aurora_dwh.lake
from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.cli import app
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.assets.tables import daily_partitions
from aurora_dwh.orchestration.assets.transforms import build_transform_assets
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.transforms.model import Transform, TransformError, read_transforms, transform
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.instances import empty_instance
from aurora_dwh_tests.services import extract, query

CATALOG = Catalog(
    timezone="Asia/Tokyo",
    start_date=date(2024, 1, 1),
    tables={
        "orders": Table(name="orders", key=("id",), cursor="at"),
        "users": Table(name="users", key=("id",), cursor="at"),
    },
)
PARTITIONS = daily_partitions(CATALOG)
DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
AT = Column("at", "datetime", "datetime")
PRICE = Column("price", "decimal", "decimal(10,2)", precision=10, scale=2)
ORDERS = TableSchema(
    "shop", "orders", (Column("id", "bigint", "bigint", False), Column("user", "int", "int"), PRICE, AT), ("id",)
)
USERS = TableSchema(
    "shop", "users", (Column("id", "int", "int", False), Column("email", "varchar", "varchar(40)"), AT), ("id",)
)
SPEND = """\
/*
description: |
  What each user spent in a day, without his address.
  One row a user and day.
key: [day, user]
dist_key: user
sort_key: [day]
columns: {user: varchar(64), spent: "decimal(12,2)"}
staging: true
owners: ["team:data"]
*/
SELECT :day AS day, sha256(u.email) AS "user", count(*) AS orders, sum(o.price) AS spent
FROM lake.orders o JOIN latest.users u ON u.id = o.user
GROUP BY ALL;
"""
pytestmark = pytest.mark.usefixtures("connected")


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return empty_instance()


@pytest.fixture(autouse=True)
def _tables(lake: Lake) -> None:
    """Two tables: each day has orders of its own, and users are written on the first day alone, one of them again."""
    for number, day in enumerate(DAYS, 1):
        write_orders(lake, day, [(number * 10 + n, n % 2 + 1, f"{number}.50") for n in range(3)])
    for day, users in zip(DAYS, ({1: "a@x", 2: "b@x"}, {}, {2: "c@x"}), strict=True):
        rows = [{"id": n, "email": email, "at": noon(day)} for n, email in users.items()]
        write(lake, USERS, day, rows)


def noon(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(12))


def write_orders(lake: Lake, day: str, orders: list[tuple[int, int, str]]) -> None:
    rows = [{"id": n, "user": user, "price": Decimal(price), "at": noon(day)} for n, user, price in orders]
    write(lake, ORDERS, day, rows)


def write(lake: Lake, schema: TableSchema, day: str, rows: list[dict[str, Any]]) -> None:
    from aurora_dwh.core.rules import Rules

    table = CATALOG.tables[schema.table]
    read = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(1), timezone.utc)
    found = extract(schema, date.fromisoformat(day), rows, snapshot_at=read)
    lake.write(schema.table, replace(found, rules=Rules.of(table, CATALOG, source="mysql://here/shop")))


def sql(folder: Path, text: str = SPEND, name: str = "spend") -> list[Transform]:
    (folder / f"{name}.sql").write_text(dedent(text), encoding="utf-8")
    return read_transforms(folder)


def run(
    instance: dg.DagsterInstance, transforms: list[Transform], first: str, last: str = ""
) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    sources = [dg.AssetSpec(["lake", name], partitions_def=PARTITIONS) for name in CATALOG.tables]
    assets = build_transform_assets(transforms=transforms, catalog=CATALOG, partitions=PARTITIONS)
    return dg.materialize(
        [*sources, *assets],
        instance=instance,
        partition_key=None if last else first,
        tags=tags if last else {},
        resources={"s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()},
        raise_on_error=False,
    )


def failure(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    event = result.get_step_failure_events()[0]
    assert event.step_failure_data.user_failure_data is not None, event
    return str(event.step_failure_data.user_failure_data.description)


def spent(warehouse: Warehouse) -> list[tuple[str, int, str]]:
    rows = query(warehouse, 'SELECT day, "user", orders, spent FROM staging.spend ORDER BY 1, 3')
    assert all(len(user) == 64 for _, user, _, _ in rows)
    return [(str(day), int(orders), str(money)) for day, _, orders, money in rows]


def test_sql_joins_days_with_latest_rows_into_lake_and_redshift(
    instance: dg.DagsterInstance, warehouse: Warehouse, lake: Lake, tmp_path: Path
) -> None:
    result = run(instance, sql(tmp_path), DAYS[0], DAYS[1])
    assert result.success
    first, second = ([(DAYS[0], 1, "1.50"), (DAYS[0], 2, "3.00")], [(DAYS[1], 1, "2.50"), (DAYS[1], 2, "5.00")])
    assert spent(warehouse) == [*first, *second]
    assert [manifest.rows for manifest in lake.all("spend")] == [2, 2]
    assert lake.all("spend")[0].window.start == datetime.fromisoformat("2023-12-31T15:00:00+00:00")
    for key in ("lake", "staging"):
        assert instance.get_materialized_partitions(dg.AssetKey([key, "spend"])) == set(DAYS[:2])
    found = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert found == dict.fromkeys(("rows", "keys", "schema", "rules", "volume"), True)
    (event,) = [e for e in result.asset_materializations_for_node("lake__spend") if e.partition == DAYS[1]][-1:]
    assert event.metadata["dagster/partition_row_count"].value == 2
    types = query(
        warehouse,
        "SELECT column_name, COALESCE(character_maximum_length, numeric_scale) FROM svv_all_columns "
        "WHERE table_name = 'spend' AND column_name IN ('user', 'spent') ORDER BY 1",
    )
    assert types == [("spent", 2), ("user", 256)]


def test_a_day_that_is_run_again_is_the_same_and_one_that_changed_takes_its_place(
    instance: dg.DagsterInstance, warehouse: Warehouse, lake: Lake, tmp_path: Path
) -> None:
    transforms = sql(tmp_path)
    assert run(instance, transforms, DAYS[0], DAYS[2]).success
    before = spent(warehouse)
    assert run(instance, transforms, DAYS[1]).success
    assert spent(warehouse) == before
    text = SPEND.replace("key: [day, user]\n", "").replace("staging: true", "staging: true\ntarget_table: by_day")
    by_day = [one for one in sql(tmp_path, text, "by_day") if one.name == "by_day"]
    for _ in range(2):
        assert run(instance, by_day, DAYS[1]).success
    assert query(warehouse, "SELECT COUNT(*) FROM staging.by_day") == [(2,)]
    write(lake, ORDERS, DAYS[1], [])
    assert run(instance, by_day, DAYS[1]).success
    assert query(warehouse, "SELECT COUNT(*) FROM staging.by_day") == [(0,)]


def test_functions_take_and_give_rows_of_any_kind(instance: dg.DagsterInstance) -> None:
    @transform(key=["id"])
    def with_pandas(orders: pd.DataFrame, day: date) -> pd.DataFrame:
        """Orders, in pandas.

        Each with its day.
        """
        return orders.assign(day=day)

    @transform(description="In polars", latest=["people"], tables={"people": "users"})
    def with_polars(orders: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
        return orders.join(people, left_on="user", right_on="id").select("id", "email")

    @transform()
    def with_arrow(orders: pa.Table) -> pa.Table:
        return orders.select(["id"])

    @transform(tables={"orders": "with_arrow"})
    def with_duckdb(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return orders.aggregate("count(*) AS n")

    assert with_pandas.header.description == "Orders, in pandas.\n\nEach with its day."
    assert run(instance, [with_duckdb, with_pandas, with_polars, with_arrow], DAYS[0], DAYS[1]).success
    assert aurora_dwh.lake.read("with_pandas", pa.Table)["id"].to_pylist() != []
    found = aurora_dwh.lake.read("with_polars", pa.Table, days=DAYS[1])
    assert found.select(["id", "email"]).sort_by("id").to_pylist() == [
        {"id": 20, "email": "a@x"},
        {"id": 21, "email": "c@x"},
        {"id": 22, "email": "a@x"},
    ]
    assert aurora_dwh.lake.read("with_duckdb", pa.Table)["n"].to_pylist() == [3, 3]


def test_a_file_of_python_has_transforms(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    (tmp_path / "more.py").write_text(
        "import polars as pl\n\nfrom aurora_dwh.transforms.model import transform\n\n\n"
        "@transform(key=['id'])\ndef cheap(orders: pl.DataFrame) -> pl.DataFrame:\n"
        '    """Orders that cost little."""\n    return orders.filter(pl.col("price") < 2)\n',
        encoding="utf-8",
    )
    (found,) = read_transforms(tmp_path)
    assert (found.name, found.inputs) == ("cheap", [("lake", "orders")])
    assert run(instance, [found], DAYS[0], DAYS[1]).success
    assert sorted(aurora_dwh.lake.read("cheap", pa.Table)["id"].to_pylist()) == [10, 11, 12]


def test_files_are_found_by_whatever_path_the_folder_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    imports = "import pyarrow as pa\n\nfrom aurora_dwh.transforms.model import transform\n"
    function = "@transform()\ndef one(orders: pa.Table) -> pa.Table:\n    return orders\n"
    Path("one.py").write_text(f"{imports}\n\n{function}", encoding="utf-8")
    Path("_shared.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert [found.name for found in read_transforms(Path())] == ["one"]
    Path("two.py").write_text("VALUE = 1\n", encoding="utf-8")
    with pytest.raises(TransformError, match=r"two\.py has no function that is a transform"):
        read_transforms(Path())


def test_a_day_that_an_input_lacks_is_named(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    said = failure(run(instance, sql(tmp_path), "2024-01-09"))
    assert said.startswith("lake/spend: lake/orders: nothing of 2024-01-09 is under s3://"), said


def test_a_day_that_is_copied_in_the_same_run_is_there_when_it_is_read(
    instance: dg.DagsterInstance, warehouse: Warehouse, lake: Lake, tmp_path: Path
) -> None:
    day = "2024-01-04"

    @dg.multi_asset(
        specs=[dg.AssetSpec(["lake", name], partitions_def=PARTITIONS) for name in CATALOG.tables], can_subset=True
    )
    def source(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        write_orders(lake, day, [(40, 1, "4.50")])
        write(lake, USERS, day, [])
        yield from (dg.MaterializeResult(asset_key=key) for key in sorted(context.selected_asset_keys))

    transforms = build_transform_assets(transforms=sql(tmp_path), catalog=CATALOG, partitions=PARTITIONS)
    found = dg.materialize(
        [*transforms, source],
        instance=instance,
        partition_key=day,
        resources={"s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()},
        raise_on_error=False,
    )
    assert found.success
    assert spent(warehouse) == [(day, 1, "4.50")]


def test_sql_that_duckdb_refuses_is_named_and_writes_nothing(
    instance: dg.DagsterInstance, lake: Lake, tmp_path: Path
) -> None:
    said = failure(run(instance, sql(tmp_path, SPEND.replace("o.price", "o.prize")), DAYS[0]))
    assert said.startswith("lake/spend: transform spend: Binder Error"), said
    assert lake.days("spend") == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("spend", "SELECT 1", "spend.sql: the file must open with a /* header */"),
        ("spend", "/*\nkey: [a]\n*/ SELECT 1 AS a", "transform spend: header: description: Field required"),
        ("spend", "/*\ndescription: d\nkeys: [a]\n*/ SELECT 1 AS a", "header: keys: Extra inputs"),
        ("spend", "/*\ndescription: d\ncolumns: {a: numbr}\n*/ SELECT 1 AS a", "'numbr' is no type"),
        ("spend", "/*\ndescription: d\n*/ SELECT FROM WHERE", "spend.sql: the SQL cannot be read"),
        ("sp-end", "/*\ndescription: d\n*/ SELECT 1", "transform sp-end: a name has letters, digits and _"),
        ("orders", "/*\ndescription: d\n*/ SELECT 1", "transform orders: there is a table or a transform of that name"),
        ("spend", "/*\ndescription: d\n*/ FROM lake.ordres", "transform spend reads lake.ordres, which is neither"),
        ("spend", "/*\ndescription: d\n*/ FROM lake.spend", "transform spend reads lake.spend, which is neither"),
        (
            "spend",
            "/*\ndescription: d\nstaging: true\ntarget_table: users\n*/ FROM lake.orders",
            "transform spend: staging.users is the table of users",
        ),
    ],
)
def test_a_transform_that_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(TransformError) as refused:
        build_transform_assets(transforms=sql(tmp_path, text, name), catalog=CATALOG, partitions=PARTITIONS)
    assert said in str(refused.value)


def test_a_function_without_annotations_is_refused() -> None:
    with pytest.raises(TransformError, match="transform wrong: annotate 'orders' with one of pyarrow"):

        @transform()
        def wrong(orders: Any) -> Any:
            return orders


def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Transform]:
    """Make a project of a catalog and a transform, and name it in the environment."""
    (folder / "catalog.yaml").write_text(
        "timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n"
        "  orders: {key: id, cursor: at}\n  users: {key: id, cursor: at}\n"
    )
    (folder / "transforms").mkdir()
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(folder / "catalog.yaml"))
    return sql(folder / "transforms")


def test_its_table_in_redshift_is_made_anew_from_the_lake(
    instance: dg.DagsterInstance, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(instance, project(tmp_path, monkeypatch), DAYS[0], DAYS[2]).success
    before = spent(warehouse)
    query(warehouse, "DROP TABLE staging.spend")
    done = CliRunner().invoke(app, ["rebuild", "spend"])
    assert (done.exit_code, spent(warehouse)) == (0, before), done.output
    refused = CliRunner().invoke(app, ["rebuild", "spend", "--from", "source"], env={"COLUMNS": "300"})
    assert refused.exit_code == 2
    assert "materialize lake/spend for all of its days" in refused.output


def test_a20_a_column_that_is_computed_of_another_type_is_told_as_such_and_carried_over_as_is_said(
    instance: dg.DagsterInstance, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(instance, project(tmp_path, monkeypatch), DAYS[0], DAYS[2]).success
    before = spent(warehouse)
    text = SPEND.replace("{user:", "{orders: varchar(10), user:").replace("count(*)", "CAST(count(*) AS VARCHAR)")
    other = sql(tmp_path / "transforms", text)
    said = failure(run(instance, other, DAYS[0]))
    assert (
        "column 'orders' is BIGINT in Redshift and now VARCHAR(40) (varchar(10) in its rows), which Redshift cannot "
        "change in place; run `aurora-dwh rebuild spend` once all days of lake/spend were materialized again"
    ) in said
    too_early = CliRunner().invoke(app, ["rebuild", "spend"])
    assert too_early.exit_code == 1
    assert "`aurora-dwh rebuild spend` once all days of lake/spend were materialized again" in too_early.output
    assert spent(warehouse) == before
    failure(run(instance, other, DAYS[0], DAYS[2]))
    done = CliRunner().invoke(app, ["rebuild", "spend"])
    assert (done.exit_code, spent(warehouse)) == (0, before), done.output
    assert run(instance, other, DAYS[1]).success
    assert spent(warehouse) == before


def test_c12_a_column_that_is_computed_no_more_is_told_with_the_command_for_a_table_without_it(
    instance: dg.DagsterInstance, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(instance, project(tmp_path, monkeypatch), DAYS[0], DAYS[2]).success
    less = sql(tmp_path / "transforms", SPEND.replace("count(*) AS orders, ", ""))
    result = run(instance, less, DAYS[0], DAYS[2])
    assert result.success
    (schema,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "schema"]
    assert not schema.passed
    assert str(schema.description).endswith(
        "; run `aurora-dwh rebuild spend` once all days of lake/spend were materialized again for a table without them"
    )
    done = CliRunner().invoke(app, ["rebuild", "spend"])
    assert done.exit_code == 0, done.output
    columns = query(warehouse, "SELECT column_name FROM svv_all_columns WHERE table_name = 'spend'")
    assert ("orders",) not in columns
    assert ("spent",) in columns


def test_a_day_is_computed_when_all_that_it_reads_has_landed(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, monkeypatch)
    location = load_definitions()
    assert isinstance(location, dg.Definitions)
    lake, staging = dg.AssetKey(["lake", "spend"]), dg.AssetKey(["staging", "spend"])
    cursor: Any = None

    def asked(*landed: str) -> set[tuple[str, str]]:
        nonlocal cursor
        for name in landed:
            key = dg.AssetKey(name.split("/"))
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=DAYS[0]))
        found = dg.evaluate_automation_conditions(
            location,
            instance,
            asset_selection=dg.AssetSelection.assets(lake, staging),
            evaluation_time=datetime(2024, 1, 2, 3, tzinfo=timezone.utc),
            cursor=cursor,
        )
        cursor = found.cursor
        return {(key.path[0], day) for key in (lake, staging) for day in found.get_requested_partitions(key) if day}

    assert asked() == set()
    assert asked("lake/orders") == set()
    assert asked("lake/users") == {("lake", DAYS[0]), ("staging", DAYS[0])}
    assert asked() == set()
    assert asked("lake/orders") == {("lake", DAYS[0]), ("staging", DAYS[0])}
    assert "transforms" in {sensor.name for sensor in location.sensors or []}
    assert not {lake, staging} & location.resolve_job_def("daily_load").asset_layer.executable_asset_keys


def test_assets_say_what_they_are_and_where_they_stand(tmp_path: Path) -> None:
    lake, staging = build_transform_assets(transforms=sql(tmp_path), catalog=CATALOG, partitions=PARTITIONS)
    spec = next(iter(lake.specs))
    assert spec.key.path == ["lake", "spend"]
    assert {tuple(dep.asset_key.path) for dep in spec.deps} == {("lake", "orders"), ("lake", "users")}
    assert str(spec.description).startswith("What each user spent in a day, without his address.\n")
    assert "FROM lake.orders o" in str(spec.description)
    assert [*spec.owners] == ["team:data"]
    assert {tuple(dep.asset_key.path) for dep in next(iter(staging.specs)).deps} == {("lake", "spend")}
