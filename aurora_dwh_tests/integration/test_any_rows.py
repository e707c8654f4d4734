"""Rows of any kind through the IO managers, as a project of one's own has them: any asset key, days, ranges, none."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aurora_dwh.core.frames import name_of
from aurora_dwh.core.models import Manifest
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.source.wire import day_splitter
from aurora_dwh.warehouse import rows
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.instances import empty_instance
from aurora_dwh_tests.services import query

DAILY = dg.DailyPartitionsDefinition(start_date="2024-01-01", timezone="Asia/Tokyo")
DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
ROWS = pa.table(
    {
        "id": pa.array([1, 2**53 + 1], pa.int64()),
        "amount": pa.array([Decimal("1.5000"), None], pa.decimal128(15, 4)),
        "name": ["寿司🍣", None],
        "at": pa.array([datetime(2024, 1, 1, 12, 0, 0, 123456), None], pa.timestamp("us")),  # noqa: DTZ001
        "day": pa.array([date(2024, 1, 1), None], pa.date32()),
        "is_new": pa.array([True, None], pa.bool_()),
        "few": pa.array([7, None], pa.int32()),
    }
)
GIVEN: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow.Table": lambda rows: rows,
    "pyarrow.RecordBatchReader": lambda rows: rows.to_reader(),
    "pandas.DataFrame": lambda rows: rows.to_pandas(types_mapper=pd.ArrowDtype),
    "polars.DataFrame": pl.from_arrow,
    "polars.LazyFrame": lambda rows: pl.from_arrow(rows).lazy(),  # type: ignore[union-attr]
    "duckdb.DuckDBPyRelation": lambda rows: duckdb.connect().from_arrow(rows),
}
KINDS = {
    name_of(kind): kind
    for kind in (pa.Table, pa.RecordBatchReader, pd.DataFrame, pl.DataFrame, pl.LazyFrame, duckdb.DuckDBPyRelation)
}
pytestmark = pytest.mark.usefixtures("connected")


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return empty_instance()


def run(
    instance: dg.DagsterInstance, assets: list[Any], first: str = "", last: str = "", *, select: Any = None
) -> dg.ExecuteInProcessResult:
    """Materialize assets of a project that has nothing of the product but its IO managers."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        assets,
        instance=instance,
        partition_key=first if first and not last else None,
        tags=tags if last else {},
        selection=select,
        resources={"lake": S3IOManager(), "warehouse": RedshiftIOManager()},
        raise_on_error=False,
    )


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Return what a run that failed says."""
    assert not result.success
    (event,) = result.get_step_failure_events()
    assert event.step_failure_data.user_failure_data is not None, event
    return str(event.step_failure_data.user_failure_data.description)


def asset(
    rows: Any, manager: str, key: list[str], *, partitions: Any = DAILY, metadata: Mapping[str, Any] | None = None
) -> dg.AssetsDefinition:
    """Return an asset that gives rows, or what a function makes of its partitions."""

    @dg.asset(
        key=key,
        io_manager_key=manager,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        metadata=metadata or {},
    )
    def made(context: dg.AssetExecutionContext) -> Any:
        return rows(context.partition_keys if partitions else []) if callable(rows) else rows

    return made


def taken(
    of: dg.AssetsDefinition, kind: Any, *, partitions: Any = DAILY, manager: str | None = None
) -> tuple[Any, Any]:
    """Return an asset that takes another one's rows as a type, and the list of what it got."""
    got: list[Any] = []

    def take(rows: Any) -> None:
        got.append(rows.read_all() if isinstance(rows, pa.RecordBatchReader) else rows)

    take.__annotations__["rows"] = kind
    ins = {"rows": dg.AssetIn(of.key, input_manager_key=manager)}
    policy = dg.BackfillPolicy.single_run() if partitions else None
    return dg.asset(name="taker", ins=ins, partitions_def=partitions, backfill_policy=policy)(take), got


def plain(rows: Any) -> list[dict[str, Any]]:
    """Return rows of any kind as Python has them, without the product's own columns."""
    table = rows.collect() if isinstance(rows, pl.LazyFrame) else rows
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table)
    elif not isinstance(table, pa.Table):
        table = pa.table(table)
    named = [name for name in table.column_names if not name.startswith("_dwh_")]
    return sorted(table.select(named).to_pylist(), key=lambda row: row[named[0]])


@pytest.mark.parametrize("manager", ["lake", "warehouse"])
@pytest.mark.parametrize("kind", GIVEN)
def test_rows_of_each_kind_come_back_as_that_kind(instance: dg.DagsterInstance, kind: str, manager: str) -> None:
    made = asset(GIVEN[kind](ROWS), manager, ["features", "daily"])
    taker, got = taken(made, KINDS[kind], manager=manager)
    assert run(instance, [made, taker], DAYS[0]).success
    assert isinstance(got[0], pa.Table if kind == "pyarrow.RecordBatchReader" else KINDS[kind])
    assert plain(got[0]) == ROWS.to_pylist()


def test_a_day_of_rows_is_a_day_of_the_lake_as_a_tables_is(instance: dg.DagsterInstance, lake: Lake) -> None:
    made = asset(ROWS, "lake", ["features", "daily"])
    result = run(instance, [made], DAYS[0])
    (manifest,) = lake.all("features/daily")
    assert (manifest.day, manifest.rows, manifest.files) == (date(2024, 1, 1), 2, "parquet")
    assert manifest.window.start == datetime.fromisoformat("2023-12-31T15:00:00+00:00")
    body = json.loads(
        lake.client.get_object(Bucket=lake.layout.bucket, Key=lake.layout.key(manifest.url))["Body"].read()
    )
    assert [entry["mandatory"] for entry in body["entries"]] == [True]
    (event,) = result.asset_materializations_for_node("features__daily")
    assert event.metadata["dagster/partition_row_count"].value == 2
    assert event.metadata["dagster/uri"].value == manifest.url
    assert [column.name for column in event.metadata["dagster/column_schema"].value.columns][:3] == [
        "id",
        "amount",
        "name",
    ]


def test_types_in_redshift_are_those_of_the_rows(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    metadata = {"aurora_dwh/columns": {"name": "varchar(10)"}, "aurora_dwh/sort_key": ["id"]}
    assert run(instance, [asset(ROWS, "warehouse", ["features", "daily"], metadata=metadata)], DAYS[0]).success
    types = query(
        warehouse,
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale "
        "FROM svv_all_columns WHERE schema_name = 'features' AND table_name = 'daily' AND column_name NOT LIKE '_dwh%' "
        "ORDER BY ordinal_position",
    )
    assert [(name, kind) for name, kind, *_ in types] == [
        ("id", "bigint"),
        ("amount", "numeric"),
        ("name", "character varying"),
        ("at", "timestamp without time zone"),
        ("day", "date"),
        ("is_new", "boolean"),
        ("few", "integer"),
    ]
    assert types[1][3:] == (15, 4)
    assert types[2][2] == 40


def test_no_rows_have_the_types_of_the_table(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    made = asset(ROWS, "warehouse", ["features", "daily"])
    assert run(instance, [made], DAYS[0]).success
    taker, got = taken(made, pa.Table, manager="warehouse")
    query(warehouse, "DELETE FROM features.daily")
    assert run(instance, [made, taker], DAYS[0], select=[taker.key]).success
    assert got[0].num_rows == 0
    assert got[0].schema.field("amount").type == pa.decimal128(15, 4)
    assert got[0].schema.field("at").type == pa.timestamp("us")
    assert got[0].schema.field("few").type == pa.int32()
    assert got[0].schema.field("name").type == pa.string()


def test_rows_of_redshift_come_a_part_at_a_time(
    instance: dg.DagsterInstance, warehouse: Warehouse, redshift: RedshiftStandIn
) -> None:
    made = asset(pa.table({"n": list(range(2_500))}), "warehouse", ["features", "daily"])
    assert run(instance, [made], DAYS[0]).success
    redshift.statements.clear()
    read = rows.reader(warehouse, "SELECT n FROM features.daily ORDER BY n")
    assert [batch.num_rows for batch in read] == [1_000, 1_000, 500]
    assert [one for one in redshift.statements if "features.daily" in one and not one.startswith("DECLARE")] == []


def test_a_range_is_given_by_partition_or_by_a_column_and_taken_as_one_or_by_partition(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    def by_partition(keys: list[str]) -> dict[str, pa.Table]:
        return {key: pa.table({"n": [int(key[-1])]}) for key in keys}

    def of_column(keys: list[str]) -> pd.DataFrame:
        return pd.DataFrame({"day": pd.to_datetime(keys), "n": [int(key[-1]) for key in keys]})

    for key, given, metadata in (
        ("mapped", by_partition, {}),
        ("split", of_column, {"partition_expr": "day"}),
    ):
        made = asset(given, "lake", [key], metadata=metadata)
        assert run(instance, [made], DAYS[0], DAYS[-1]).success
        assert instance.get_materialized_partitions(made.key) == set(DAYS)
        assert [m.rows for m in lake.all(key)] == [1, 1, 1]
        taker, got = taken(made, pl.DataFrame)
        assert run(instance, [made, taker], DAYS[0], DAYS[-1], select=[taker.key]).success
        assert got[0]["n"].to_list() == [1, 2, 3]
        for kind, expected in ((dict[str, pa.Table], [[1], [2], [3]]), (dict[str, Manifest], [1, 1, 1])):
            taker, got = taken(made, kind)
            assert run(instance, [made, taker], DAYS[0], DAYS[-1], select=[taker.key]).success
            assert [*got[0]] == DAYS
            found = [one.rows if isinstance(one, Manifest) else one["n"].to_pylist() for one in got[0].values()]
            assert found == expected
        taker, got = taken(made, Manifest)
        assert run(instance, [made, taker], DAYS[1], select=[taker.key]).success
        assert got[0].day == date(2024, 1, 2)


def test_rows_of_days_in_any_order_are_parted_without_being_held(
    instance: dg.DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_splitter, "GATHERED_BYTES", 2**20)
    held: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(60):
            held.append(pa.total_allocated_bytes())
            n = range(number * 1_000, number * 1_000 + 1_000)
            yield pa.record_batch(
                {"day": [DAYS[one % 3] for one in n], "n": [*n], "text": [f"{one:0>1000}" for one in n]}
            )

    def rows(_: list[str]) -> pa.RecordBatchReader:
        first = next(batches())
        held.clear()
        return pa.RecordBatchReader.from_batches(first.schema, batches())

    before = pa.total_allocated_bytes()
    made = asset(rows, "lake", ["parted"], metadata={"partition_expr": "DAY"})
    assert run(instance, [made], DAYS[0], DAYS[-1]).success
    assert len(held) == 60
    assert max(held) - before < 10 * 2**20 < 60 * 1_000_000  # of all rows
    taker, got = taken(made, dict[str, pl.DataFrame])
    assert run(instance, [made, taker], DAYS[0], DAYS[-1], select=[taker.key]).success
    for number, found in enumerate(got[0].values()):
        assert found["n"].to_list() == list(range(number, 60_000, 3))
        assert found["text"][-1] == f"{59_997 + number:0>1000}"

    framed = pl.DataFrame({"day": [DAYS[n % 3] for n in range(9)], "text": [f"text {n}" for n in range(9)]})
    assert run(instance, [asset(framed, "lake", ["framed"], metadata={"partition_expr": "day"})], *DAYS[::2]).success
    assert [m.rows for m in lake.all("framed")] == [3, 3, 3]
    strange = asset(framed, "lake", ["framed"], metadata={"partition_expr": "day"})
    assert failure(run(instance, [strange], *DAYS[:2])) == (
        "framed 2024-01-01...2024-01-02: there are rows of 'day' 2024-01-03, which is no day of the run"
    )
    assert [m.rows for m in lake.all("framed")] == [3, 3, 3]


def test_an_asset_without_partitions_is_whole_each_time(
    instance: dg.DagsterInstance, warehouse: Warehouse, lake: Lake
) -> None:
    for manager, key in (("lake", ["lake", "model"]), ("warehouse", ["model_scores"])):
        for n in (1, 2):
            made = asset(pl.DataFrame({"n": [n]}), manager, key, partitions=None)
            result = run(instance, [made])
            assert result.success
        taker, got = taken(made, pd.DataFrame, partitions=None, manager=manager)
        assert run(instance, [made, taker], select=[taker.key]).success
        assert got[0]["n"].to_list() == [2]
    assert query(warehouse, "SELECT n FROM staging.model_scores") == [(2,)]
    assert len(lake.all("model")) == 1


def test_rows_are_upserted_by_key_where_they_have_one(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    def rows(keys: list[str]) -> dict[str, pd.DataFrame]:
        return {key: pd.DataFrame({"id": [0, int(key[-1])], "of": [key, key]}) for key in keys}

    metadata = {"aurora_dwh/key": ["id"], "aurora_dwh/target": "by_key", "aurora_dwh/schema": "ml"}
    made = asset(rows, "warehouse", ["features", "daily"], metadata=metadata)
    for days in ((DAYS[0], DAYS[2]), (DAYS[1],)):
        assert run(instance, [made], *days).success
    latest = query(warehouse, "SELECT id, of FROM ml.by_key ORDER BY 1")
    assert latest == [(0, DAYS[1]), (1, DAYS[0]), (2, DAYS[1]), (3, DAYS[2])]


def test_the_whole_history_is_an_input_of_what_has_no_days(instance: dg.DagsterInstance) -> None:
    made = asset(lambda keys: {key: pa.table({"n": [int(key[-1])]}) for key in keys}, "lake", ["history"])
    assert run(instance, [made], DAYS[0], DAYS[-1]).success

    @dg.asset(
        ins={"rows": dg.AssetIn("history", input_manager_key="lake", metadata={"allow_missing_partitions": True})}
    )
    def model(rows: duckdb.DuckDBPyRelation) -> None:
        assert rows.aggregate("sum(n)").fetchall() == [(6,)]

    assert run(instance, [made, model], select=[model.key]).success


def test_what_cannot_be_stored_is_refused_by_asset_day_and_type(instance: dg.DagsterInstance, lake: Lake) -> None:
    def said(rows: Any, *days: str, manager: str = "lake", **more: Any) -> str:
        return failure(run(instance, [asset(rows, manager, ["features", "daily"], **more)], *days))

    for manager in ("lake", "warehouse"):
        assert said([{"n": 1}], DAYS[0], manager=manager).startswith(
            "features/daily 2024-01-01: the asset gave list, which is no rows; return one of pyarrow.Table, "
        )
    assert "features/daily 2024-01-01...2024-01-03: one pyarrow.Table is of 3 partitions" in said(
        ROWS, DAYS[0], DAYS[2]
    )
    assert said({DAYS[1]: ROWS}, DAYS[0]) == (
        "features/daily: the asset gave rows of 2024-01-02, and the run is of 2024-01-01"
    )
    assert said(pa.table({"x": [None]}), DAYS[0]).startswith(
        "features/daily 2024-01-01: features/daily: column 'x' holds nothing but NULL"
    )
    hours = dg.HourlyPartitionsDefinition(start_date="2024-01-01-00:00")
    assert "HourlyPartitionsDefinition, and the lake has days" in said(ROWS, "2024-01-01-01:00", partitions=hours)
    assert "no column 'id_', which key or columns name" in said(ROWS, DAYS[0], metadata={"aurora_dwh/key": ["id_"]})
    assert "aurora_dwh/kye: Extra inputs" in said(ROWS, DAYS[0], metadata={"aurora_dwh/kye": ["id"]})
    assert lake.days("features/daily") == []


def test_rows_of_two_assets_do_not_come_into_one_folder(instance: dg.DagsterInstance, lake: Lake) -> None:
    assert run(instance, [asset(ROWS, "lake", ["lake", "orders"])], DAYS[0]).success
    said = failure(run(instance, [asset(ROWS, "lake", ["orders"])], DAYS[1]))
    assert "lake/orders was loaded from table orders of asset lake/orders" in said
    assert "Give each asset a table of its own, by `aurora_dwh/table` among its metadata" in said
    assert "aurora-dwh rebuild" not in said
    assert lake.days("orders") == [date(2024, 1, 1)]
    other = asset(ROWS, "lake", ["orders"], metadata={"aurora_dwh/table": "other_orders"})
    assert run(instance, [other], DAYS[1]).success
    assert lake.days("other_orders") == [date(2024, 1, 2)]


def test_a_day_may_have_fewer_rows_when_it_is_computed_again(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    many = pa.table({"n": list(range(100))})
    for given in (many, many.slice(0, 1)):
        assert run(instance, [asset(given, "warehouse", ["features", "daily"])], DAYS[0]).success
    assert query(warehouse, "SELECT COUNT(*) FROM features.daily") == [(1,)]
