"""A table's chain as Dagster runs it, over the real lake and the stand-in: single days, ranges, and what breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timezone
from logging import Logger
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.days import counted
from aurora_dwh.core.models import DataError, Export, Extract
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.orchestration.assets.marts import build_mart_assets
from aurora_dwh.orchestration.assets.tables import build_table_assets, daily_partitions
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.marts.model import Mart, MartHeader
from aurora_dwh_tests.instances import empty_instance
from aurora_dwh_tests.services import extract, query

NAME = "Order Details"
SCHEMA = TableSchema(
    "shop",
    NAME,
    (Column("id", "bigint", "bigint", False, comment="Its number"), Column("updated", "datetime", "datetime", False)),
    ("id",),
    comment="What was ordered",
)
CATALOG = Catalog(
    timezone="UTC",
    start_date=date(2024, 1, 1),
    tables={NAME: Table(name=NAME, key=("id",), cursor="updated", target_table="lines")},
)
PARTITIONS = daily_partitions(CATALOG)
DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
broken: dict[date, Exception] = {}
waits: dict[str, float] = {}


class Source(AuroraResource):
    """A source that has one row of its own each day, and one that is updated every day."""

    def days(
        self,
        table: Table,
        catalog: Catalog,
        days: Sequence[date],
        log: Logger,
        known: Callable[[Sequence[date]], Mapping[date, int]] = lambda _: {},
        had: Callable[[Rules], Sequence[str]] = lambda _: (),
    ) -> Iterator[Extract | Export]:
        for day in days:
            if day in broken:
                raise broken[day]
            noon = datetime.combine(day, time(12))
            read = datetime(2024, 2, 1, tzinfo=timezone.utc)
            found = extract(SCHEMA, day, [{"id": n, "updated": noon} for n in (0, day.day)], snapshot_at=read)
            found.waited |= waits
            yield replace(found, cursor="updated")


MARTS = [
    Mart(
        "by_day",
        MartHeader(
            materialization="incremental",
            description="d",
            grain=("day",),
            day_column="day",
            sums={"n": "SELECT COUNT(*) FROM staging.lines WHERE _dwh_day >= :first_day AND _dwh_day < :end_day"},
        ),
        "SELECT _dwh_day AS day, COUNT(*) AS n FROM staging.lines WHERE _dwh_day >= :first_day AND _dwh_day < :end_day "
        "GROUP BY 1",
        (("staging", "lines"),),
    ),
    Mart(
        "total",
        MartHeader(materialization="table", description="d", grain=("n",), descriptions={"N": "Lines of all days"}),
        "SELECT COUNT(*) AS n FROM staging.lines",
        (("staging", "lines"),),
    ),
]
CHAIN = build_table_assets(catalog=CATALOG, partitions=PARTITIONS)
BI = build_mart_assets(marts=MARTS, catalog=CATALOG, partitions=PARTITIONS)
SOURCE, LAKE, STAGING = (asset.key for asset in CHAIN)


@pytest.fixture(autouse=True)
def _environment(connected: None) -> None:
    broken.clear()
    waits.clear()


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return empty_instance()


def run(
    instance: dg.DagsterInstance, first: str, last: str = "", *, select: Any = None, also: Sequence[Any] = ()
) -> dg.ExecuteInProcessResult:
    """Materialize a day, or a range of days as one run as a backfill does; without a day what has no partitions."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [*CHAIN, *BI, *also],
        instance=instance,
        partition_key=None if last or not first else first,
        tags=tags if last else {},
        selection=select or [LAKE, STAGING],
        resources={"aurora": Source(), "s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()},
        raise_on_error=False,
    )


def lines(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return query(warehouse, "SELECT id, updated FROM staging.lines ORDER BY 1")


def noon(day: int) -> datetime:
    return datetime(2024, 1, day, 12)  # noqa: DTZ001 - a wall clock


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, Any]:
    """Return a run's metadata of an asset, by partition; the last event of a partition counts."""
    events = result.asset_materializations_for_node(key.to_python_identifier())
    return {str(event.partition): {n: v.value for n, v in event.metadata.items()} for event in events}


def test_a_day_runs_from_the_source_into_redshift(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    result = run(instance, DAYS[0])
    assert result.success
    assert lines(warehouse) == [(0, noon(1)), (1, noon(1))]
    lake, staging = metadata(result, LAKE)[DAYS[0]], metadata(result, STAGING)[DAYS[0]]
    assert lake["dagster/partition_row_count"] == staging["dagster/partition_row_count"] == 2
    assert lake["dagster/uri"].endswith("/shop/Order%20Details/day=2024-01-01/_manifest.json")
    assert (staging["rows_inserted"], staging["rows_updated"]) == (2, 0)
    assert "COPY" in staging["statements"]
    assert staging["dagster/row_count"] == 2
    own = {"_dwh_day": "2024-01-01", "_dwh_loaded_at": "2024-02-01 00:00:00"}
    rows = [{"id": number, "updated": "2024-01-01 12:00:00", **own} for number in ("0", "1")]
    assert [record.data for record in staging["sample"].records] == rows


def test_a_range_shows_rows_of_its_last_day_and_how_many_the_table_has(instance: dg.DagsterInstance) -> None:
    result = run(instance, DAYS[0], DAYS[-1])
    first, last = (metadata(result, STAGING)[day] for day in (DAYS[0], DAYS[-1]))
    assert "sample" not in first
    assert "dagster/row_count" not in first
    assert last["dagster/row_count"] == 4
    assert {record.data["_dwh_day"] for record in last["sample"].records} == {DAYS[-1]}


def test_what_reading_waited_for_is_in_the_days_metadata_and_the_log(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "seconds_waited" not in metadata(run(instance, DAYS[0], select=[LAKE]), LAKE)[DAYS[0]]
    waits.update({"threads_running": 40.0, "max_rows_per_second": 2.5})
    shown = metadata(run(instance, DAYS[0], select=[LAKE]), LAKE)[DAYS[0]]
    assert (shown["seconds_waited"], shown["waited_for"]) == (42.5, waits)
    said = "2024-01-01: reading waited 2.5 s for max_rows_per_second, 40.0 s for threads_running"
    assert said in capfd.readouterr().err


def test_a25_a_range_is_one_run_with_figures_for_each_day(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    result = run(instance, DAYS[0], DAYS[-1])
    assert result.success
    assert lines(warehouse) == [(0, noon(3)), (1, noon(1)), (2, noon(2)), (3, noon(3))]
    assert [metadata(result, LAKE)[day]["dagster/partition_row_count"] for day in DAYS] == [2, 2, 2]
    assert [metadata(result, STAGING)[day]["rows_inserted"] for day in DAYS] == [1, 1, 2]
    assert query(warehouse, "SELECT COUNT(*), COUNT(DISTINCT load_id) FROM dwh.load_history") == [(3, 1)]


def test_each_day_of_a_range_has_figures_of_its_own_that_can_be_plotted(instance: dg.DagsterInstance) -> None:
    broken.clear()
    result = run(instance, DAYS[0], DAYS[-1])
    for day in DAYS:
        lake, staging = metadata(result, LAKE)[day], metadata(result, STAGING)[day]
        for figures, names in (
            (lake, ("bytes", "files", "extract_seconds", "rows_per_second", "converted_values", "lag_seconds")),
            (staging, ("bytes", "copy_seconds", "upsert_seconds", "rows_per_second", "converted_values")),
        ):
            assert {name: type(figures[name]) for name in names if type(figures[name]) not in (int, float)} == {}
        assert lake["bytes"] == staging["bytes"] > 0
    noon = datetime.combine(date(2024, 1, 2), time(12), timezone.utc)
    read = datetime(2024, 2, 1, tzinfo=timezone.utc)
    assert metadata(result, LAKE)[DAYS[1]]["lag_seconds"] == (read - noon).total_seconds()


def test_columns_are_shown_with_types_comments_and_keys_of_each_place(instance: dg.DagsterInstance) -> None:
    result = run(instance, DAYS[0])
    lake, staging = metadata(result, LAKE)[DAYS[0]], metadata(result, STAGING)[DAYS[0]]
    source = instance.fetch_observations(SOURCE, limit=1).records[0].asset_observation
    assert source is not None
    assert source.metadata["comment"].value == "What was ordered"
    assert source.metadata["primary_key"].value == "id"
    assert source.metadata["columns"] == source.metadata["dagster/column_schema"]
    shown = {
        "lake": lake["dagster/column_schema"],
        "staging": staging["dagster/column_schema"],
        "aurora": source.metadata["dagster/column_schema"].value,
    }
    assert {
        layer: [(c.name, c.type, c.description, c.constraints.nullable, c.constraints.unique) for c in schema.columns]
        for layer, schema in shown.items()
    } == {
        "lake": [
            ("id", "int64", "Its number", False, True),
            ("updated", "timestamp[us]", None, True, False),
            ("_dwh_day", "date32[day]", None, True, False),
            ("_dwh_loaded_at", "timestamp[us]", None, True, False),
        ],
        "staging": [
            ("id", "BIGINT", "Its number", False, True),
            ("updated", "TIMESTAMP", None, True, False),
            ("_dwh_day", "DATE", None, True, False),
            ("_dwh_loaded_at", "TIMESTAMP", None, True, False),
        ],
        "aurora": [("id", "bigint", "Its number", False, True), ("updated", "datetime", None, False, False)],
    }
    assert {tuple(schema.constraints.other) for schema in shown.values()} == {("key (id)",)}


def test_the_checks_of_a_load_say_what_they_found(instance: dg.DagsterInstance) -> None:
    result = run(instance, DAYS[0], DAYS[1])
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert {name: one.passed for name, one in found.items()} == dict.fromkeys(
        ("rows", "keys", "schema", "rules", "cursor", "volume"), True
    )
    assert found["rows"].description == (
        "2024-01-01...2024-01-02: 4 rows read from the source, which did not count them, in the manifest and copied"
    )
    assert {one.asset_key for one in found.values()} == {STAGING}


def test_a15_a_check_that_fails_ends_the_run_before_the_commit_and_is_shown(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    assert run(instance, DAYS[0]).success
    query(warehouse, "INSERT INTO staging.lines SELECT * FROM staging.lines WHERE id = 0")
    before = query(warehouse, "SELECT * FROM staging.lines ORDER BY 1")
    result = run(instance, DAYS[1])
    assert not result.success
    assert query(warehouse, "SELECT * FROM staging.lines ORDER BY 1") == before
    assert instance.get_materialized_partitions(STAGING) == {DAYS[0]}
    check = dg.AssetCheckKey(STAGING, "keys")
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert last.event is not None
    evaluation = last.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (
        "2024-01-02: of 2 keys 0 are not in the table after the load and 1 are there more than once, such as 0"
        in str(evaluation.description)
    )
    assert not [e for e in result.all_events if e.is_step_up_for_retry]


def test_a25_the_lakes_days_load_again_without_the_source(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    assert run(instance, DAYS[0], DAYS[-1], select=[LAKE]).success
    broken[date(2024, 1, 1)] = AssertionError("the source is not to be asked")
    for days in ((DAYS[2],), (DAYS[0], DAYS[1]), (DAYS[0],)):
        assert run(instance, *days, select=[STAGING]).success
    assert lines(warehouse) == [(0, noon(3)), (1, noon(1)), (2, noon(2)), (3, noon(3))]


def test_o06_a_range_that_fails_keeps_the_days_that_stand_and_says_what_becomes_of_them(
    instance: dg.DagsterInstance, lake: Lake, capfd: pytest.CaptureFixture[str]
) -> None:
    broken[date(2024, 1, 3)] = DataError("a row that cannot be copied")
    result = run(instance, DAYS[0], DAYS[-1])
    assert not result.success
    assert instance.get_materialized_partitions(LAKE) == set(DAYS[:2])
    assert instance.get_materialized_partitions(STAGING) == set()
    assert len(lake.read(NAME, [date(2024, 1, 1), date(2024, 1, 2)])) == 2
    (failure,) = result.get_step_failure_events()
    assert "a row that cannot be copied" in str(failure.step_failure_data.error)
    said = "2 days (2024-01-01...2024-01-02) of the range are in the lake and stay there; the sensor gaps has them"
    assert said in capfd.readouterr().err
    assert not [e for e in result.all_events if e.is_step_up_for_retry]


@pytest.mark.parametrize("bad", [(2,), (1,), (2, 3)])
def test_o06_a_range_with_days_that_redshift_refuses_loads_the_others_and_names_those(
    instance: dg.DagsterInstance, warehouse: Warehouse, lake: Lake, bad: tuple[int, ...]
) -> None:
    span = [f"2024-01-0{day}" for day in range(1, 7)]
    assert run(instance, span[0], span[-1], select=[LAKE]).success
    for manifest in lake.read(NAME, [date(2024, 1, day) for day in bad]):
        lake.client.delete_object(Bucket=BUCKET, Key=lake.layout.key(manifest.parts[0].url))
    result = run(instance, span[0], span[-1], select=[STAGING])
    good = [day for day in span if int(day[-1]) not in bad]
    assert instance.get_materialized_partitions(STAGING) == set(good)
    assert [f"{day}" for (day,) in query(warehouse, "SELECT day FROM dwh.load_history ORDER BY day")] == good
    assert lines(warehouse) == [(0, noon(6)), *((int(day[-1]), noon(int(day[-1]))) for day in good)]
    (failure,) = result.get_step_failure_events()
    said = str(failure.step_failure_data.user_failure_data.description)
    assert said.startswith(f"{STAGING.to_user_string()}: staging.lines 2024-01-0{bad[0]}: COPY failed"), said
    assert said.endswith(
        f"The range is stopped by {counted(date(2024, 1, day) for day in bad)}, of which nothing is loaded; "
        f"loaded: {counted(date.fromisoformat(day) for day in good)}"
    )
    assert not [e for e in result.all_events if e.is_step_up_for_retry]


def test_o06_a_range_that_cannot_be_loaded_at_all_says_so_after_a_few_attempts(
    instance: dg.DagsterInstance, warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    span = [f"2024-01-{day:02}" for day in range(1, 21)]
    assert run(instance, span[0], span[-1], select=[LAKE]).success
    for manifest in lake.all(NAME):
        lake.client.delete_object(Bucket=BUCKET, Key=lake.layout.key(manifest.parts[0].url))
    redshift.statements.clear()
    result = run(instance, span[0], span[-1], select=[STAGING])
    assert sum(statement.startswith("COPY") for statement in redshift.statements) < 12
    (failure,) = result.get_step_failure_events()
    said = str(failure.step_failure_data.user_failure_data.description)
    assert "staging.lines 2024-01-01...2024-01-20: COPY failed" in said
    assert instance.get_materialized_partitions(STAGING) == set()


def test_a_day_that_is_not_in_the_lake_is_named_and_not_tried_again(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    assert run(instance, DAYS[0], select=[LAKE]).success
    result = run(instance, DAYS[0], DAYS[1], select=[STAGING])
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "no manifest for 2024-01-02" in str(failure.step_failure_data.error)
    assert not [e for e in result.all_events if e.is_step_up_for_retry]
    assert query(warehouse, "SELECT COUNT(*) FROM svv_all_columns WHERE schema_name = 'staging'") == [(0,)]


def test_marts_are_built_from_the_runs_days(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    assert run(instance, DAYS[0], DAYS[-1], select=[LAKE, STAGING, BI[0].key]).success
    expected = [(date(2024, 1, 1), 1), (date(2024, 1, 2), 1), (date(2024, 1, 3), 2)]
    assert query(warehouse, "SELECT day, n FROM bi.by_day ORDER BY 1") == expected
    result = run(instance, "", select=[BI[1].key])
    assert result.success
    built = metadata(result, BI[1].key)["None"]
    assert built["dagster/row_count"] == 1
    shown = [(c.name, c.type, c.description) for c in built["dagster/column_schema"].columns]
    assert shown == [("n", "BIGINT", "Lines of all days")]
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == {
        "not_empty": True,
        "unique_grain": True,
    }


def test_o09_a_mart_by_day_that_was_a_view_has_all_the_days_that_the_view_had(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    assert run(instance, DAYS[0], DAYS[-1], select=[LAKE, STAGING]).success
    query(warehouse, "CREATE SCHEMA bi")
    rows = "SELECT _dwh_day AS day, COUNT(*) AS n FROM staging.lines GROUP BY 1"
    query(warehouse, f"CREATE VIEW bi.by_day AS {rows} WITH NO SCHEMA BINDING")
    before = query(warehouse, "SELECT * FROM bi.by_day ORDER BY 1")
    assert run(instance, DAYS[1], select=[BI[0].key]).success
    assert query(warehouse, "SELECT * FROM bi.by_day ORDER BY 1") == before
    assert instance.get_materialized_partitions(BI[0].key) == set(DAYS)
    query(warehouse, "UPDATE bi.by_day SET n = -1")
    assert run(instance, DAYS[1], select=[BI[0].key]).success  # from now on it is a day's own business
    assert [n for _, n in query(warehouse, "SELECT * FROM bi.by_day ORDER BY 1")] == [-1, before[1][1], -1]


def test_each_day_of_a_mart_has_its_rows_and_its_sums_are_checked(
    instance: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    result = run(instance, DAYS[0], DAYS[-1], select=[LAKE, STAGING, BI[0].key])
    assert [metadata(result, BI[0].key)[day]["dagster/partition_row_count"] for day in DAYS] == [1, 1, 1]
    found = {one.check_name: one for one in result.get_asset_check_evaluations() if one.asset_key == BI[0].key}
    assert found["sums"].description == "2024-01-01...2024-01-03: n is 4 in both"

    query(warehouse, "INSERT INTO staging.lines (id) VALUES (7)")  # of no day, so that only the sum of all is another
    assert run(instance, DAYS[1], select=[BI[0].key]).success
    before = query(warehouse, "SELECT * FROM bi.by_day ORDER BY 1")
    unfair = replace(MARTS[0], header=MARTS[0].header.model_copy(update={"sums": {"n": "SELECT 0"}}))
    (asset,) = build_mart_assets(marts=[unfair], catalog=CATALOG, partitions=PARTITIONS)
    failed = dg.materialize(
        [*CHAIN, asset],
        instance=instance,
        partition_key=DAYS[1],
        selection=[asset.key],
        resources={"aurora": Source(), "s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()},
        raise_on_error=False,
    )
    assert not failed.success
    assert query(warehouse, "SELECT * FROM bi.by_day ORDER BY 1") == before
    check = dg.AssetCheckKey(asset.key, "sums")
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert last.event is not None
    assert not last.event.dagster_event.asset_check_evaluation_data.passed


def test_rows_of_lake_and_staging_and_mart_come_as_arrow_tables(instance: dg.DagsterInstance) -> None:
    seen: dict[str, pa.Table] = {}

    @dg.asset(
        partitions_def=PARTITIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={
            "lake": dg.AssetIn(LAKE, input_manager_key="s3_io"),
            "staging": dg.AssetIn(STAGING, input_manager_key="redshift_io"),
            "mart": dg.AssetIn(BI[0].key, input_manager_key="redshift_io"),
        },
    )
    def features(lake: pa.Table, staging: pa.Table, mart: pa.Table) -> None:
        seen.update(lake=lake, staging=staging, mart=mart)

    select = [LAKE, STAGING, BI[0].key, features.key]
    assert run(instance, DAYS[0], DAYS[-1], select=select, also=[features]).success
    assert sorted(seen["lake"]["id"].to_pylist()) == [0, 0, 0, 1, 2, 3]
    assert sorted(seen["staging"]["id"].to_pylist()) == [0, 1, 2, 3]
    assert sum(seen["mart"]["n"].to_pylist()) == 4
    assert run(instance, DAYS[1], select=[features.key], also=[features]).success
    assert seen["lake"]["_dwh_day"].to_pylist() == [date(2024, 1, 2)] * 2
    assert seen["staging"]["id"].to_pylist() == [2]
    assert seen["mart"].to_pylist() == [{"day": date(2024, 1, 2), "n": 1}]


def test_an_input_of_another_type_is_refused_by_name(instance: dg.DagsterInstance) -> None:
    @dg.asset(partitions_def=PARTITIONS, ins={"rows": dg.AssetIn(LAKE, input_manager_key="s3_io")})
    def wrong(rows: list[int]) -> None:
        raise AssertionError

    result = run(instance, DAYS[0], select=[LAKE, wrong.key], also=[wrong])
    (failure,) = result.get_step_failure_events()
    said = str(failure.step_failure_data.user_failure_data.description)
    assert said.startswith(f"{LAKE.to_user_string()} 2024-01-01 can be taken as pyarrow.Table, "), said
    assert "not as typing.List[int]" in said
