"""The asset graph that a catalog and the marts become."""

from __future__ import annotations

import re
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from aurora_dwh.catalog.model import PACKAGED_CATALOG, Catalog, Table, marts_folder
from aurora_dwh.core.models import DataError
from aurora_dwh.lake.store import LakeConflictError
from aurora_dwh.orchestration.assets.marts import build_mart_assets
from aurora_dwh.orchestration.assets.names import asset_name
from aurora_dwh.orchestration.assets.step import BACKFILL
from aurora_dwh.orchestration.assets.tables import build_table_assets, daily_partitions
from aurora_dwh.orchestration.failures import named_failures
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.load.statements import staging_target
from aurora_dwh.warehouse.marts.model import Mart, MartError, MartHeader, read_marts

BI = marts_folder(PACKAGED_CATALOG)


def catalog(*tables: Table, **fields: Any) -> Catalog:
    written = {"timezone": "Asia/Tokyo", "start_date": "2024-01-01", **fields}
    return Catalog.model_validate({**written, "tables": {table.name: table for table in tables}})


def orders(name: str = "orders", **fields: Any) -> Table:
    return Table(**{"name": name, "key": ["id"], "cursor": "updated", **fields})


def assets(written: Catalog) -> list[Any]:
    return list(build_table_assets(catalog=written, partitions=daily_partitions(written)))


def mart(name: str = "sales", inputs: tuple[tuple[str, str], ...] = (), **header: Any) -> Mart:
    fields = {"materialization": "table", "description": "What it is.", "grain": ("a", "b"), **header}
    return Mart(name, MartHeader(**fields), "SELECT 1", inputs)


def marts(*found: Mart, of: Catalog | None = None) -> list[dg.AssetsDefinition]:
    written = of or catalog(orders())
    return build_mart_assets(marts=found, catalog=written, partitions=daily_partitions(written))


def key(*path: str) -> dg.AssetKey:
    return dg.AssetKey(list(path))


def test_a_table_is_a_chain_of_three_and_a_mart_its_fourth_layer() -> None:
    source, lake, staging = assets(catalog(orders()))
    (bi,) = marts(mart(inputs=(("staging", "orders"),)))
    assert not source.is_executable
    assert [source.key, lake.key, staging.key, bi.key] == [
        key("aurora", "orders"),
        key("lake", "orders"),
        key("staging", "orders"),
        key("bi", "sales"),
    ]
    assert [list(a.asset_deps[a.key]) for a in (lake, staging, bi)] == [[source.key], [lake.key], [staging.key]]
    groups = [a.group_names_by_key[a.key] for a in (source, lake, staging, bi)]
    assert groups == ["aurora", "lake", "staging", "bi"]


def test_each_layer_shows_what_it_is_made_of() -> None:
    layers = assets(catalog(orders())) + marts(mart(), mart("seen", materialization="view"))
    kinds = [next(iter(a.specs)).kinds for a in layers]
    assert kinds == [{"mysql"}, {"s3", "parquet"}, {"redshift", "table"}, {"redshift", "sql"}, {"redshift", "view"}]


def test_a25_all_chains_share_one_partitions_definition_and_one_backfill_policy() -> None:
    written = catalog(orders(), orders("lines"))
    partitions = daily_partitions(written)
    found = build_table_assets(catalog=written, partitions=partitions)
    days = {"materialization": "incremental", "day_column": "a"}
    found += build_mart_assets(marts=[mart(**days)], catalog=written, partitions=partitions)
    made = [a for a in found if a.is_executable]
    assert len(made) == 5
    assert {id(a.partitions_def) for a in made} == {id(partitions)}
    assert {a.backfill_policy for a in made} == {BACKFILL}
    assert dg.BackfillPolicy.single_run() == BACKFILL


def test_a11_days_begin_on_the_catalogs_first_in_its_zone() -> None:
    partitions = daily_partitions(catalog(orders(), timezone="America/Chicago", start_date="2024-03-10"))
    window = partitions.time_window_for_partition_key("2024-03-10")
    assert partitions.get_first_partition_key() == "2024-03-10"
    assert (window.end.timestamp() - window.start.timestamp()) / 3600 == 23  # the clocks go forward
    assert partitions.end_offset == 0


def test_a19_a24_steps_are_bounded_by_pools_and_tried_again() -> None:
    _, lake, staging = assets(catalog(orders()))
    (bi,) = marts(mart())
    assert [a.op.pool for a in (lake, staging, bi)] == ["aurora", "redshift", "redshift"]
    for asset in (lake, staging, bi):
        policy = asset.op.retry_policy
        assert policy is not None
        assert policy.max_retries == 2


def test_owners_tags_and_description_of_a_table_are_on_its_chain() -> None:
    table = orders(description="What people buy.", owners=["team:data"], tags={"pii": "yes"})
    source, lake, staging = assets(catalog(table))
    for spec in (*source.specs, *lake.specs, *staging.specs):
        assert (list(spec.owners), spec.tags["pii"]) == (["team:data"], "yes")
        assert spec.description.startswith("What people buy.\n\n")


@pytest.mark.parametrize(
    ("fields", "lake_text", "staging_text"),
    [
        (
            {},
            "A day holds the rows whose `updated` lies in the day, as",
            "upserted by `id`, the latest reading of a row wins.",
        ),
        (
            {"mode": "append"},
            "A day holds the rows whose `updated` lies in the day, as",
            "each day replaced as one unit.",
        ),
        ({"mode": "full", "cursor": None}, "A day holds the whole table as it was", "replaced in one transaction."),
    ],
)
def test_the_description_says_what_a_day_is(fields: Any, lake_text: str, staging_text: str) -> None:
    _, lake, staging = assets(catalog(orders(**fields)))
    assert lake_text in next(iter(lake.specs)).description
    assert staging_text in next(iter(staging.specs)).description


@pytest.mark.parametrize(
    ("table", "pattern"),
    [
        ("orders", "orders"),
        ("Order_1", "Order_1"),
        ("order-details", "order_details_[0-9a-f]{6}"),
        ("日本", "___[0-9a-f]{6}"),
        ("a b", "a_b_[0-9a-f]{6}"),
    ],
)
def test_a22_a_table_name_that_dagster_does_not_allow_gets_a_digest(table: str, pattern: str) -> None:
    assert re.fullmatch(pattern, asset_name(table))


def test_a22_tables_whose_plain_names_are_equal_stay_apart() -> None:
    names = ["a b", "a-b", "a.b", "a_b", "A_b", "a$b"]
    assert len({asset_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["order", "select", "class", "def", "input", "type", "1st", "x" * 64, "Ünïcode 表", "a/b?*"]
)
def test_a22_odd_table_names_make_a_graph_that_loads(name: str) -> None:
    written = catalog(orders(name))
    defs = dg.Definitions(
        assets=[*assets(written), *marts(mart(inputs=(("staging", written.tables[name].target),)), of=written)],
        resources={"aurora": AuroraResource(), "s3_io": S3IOManager(), "redshift_io": RedshiftIOManager()},
    )
    dg.Definitions.validate_loadable(defs)
    assert defs.get_assets_def(key("bi", "sales")).asset_deps[key("bi", "sales")] == {key("staging", asset_name(name))}


def test_a22_the_lake_and_the_warehouse_know_a_table_by_its_own_name() -> None:
    _, lake, staging = assets(catalog(orders("Order Details", target_table="Details")))
    assert next(iter(lake.specs)).metadata["aurora_dwh/table"] == "Order Details"
    assert next(iter(staging.specs)).metadata["aurora_dwh/target"] == "details"


def test_a_mart_may_read_another_mart_and_a_table_by_its_name_in_redshift() -> None:
    written = catalog(orders("Order Details", target_table="Details"))
    found = marts(
        mart("base", (("staging", "details"),)), mart("top", (("bi", "base"), ("staging", "details"))), of=written
    )
    name = asset_name("Order Details")
    assert [a.asset_deps[a.key] for a in found] == [
        {key("staging", name)},
        {key("bi", "base"), key("staging", name)},
    ]


def test_only_incremental_marts_have_days() -> None:
    found = marts(
        mart("t"), mart("v", materialization="view"), mart("i", materialization="incremental", day_column="a")
    )
    assert [a.partitions_def is not None for a in found] == [False, False, True]


def test_a_mart_that_reads_what_nobody_makes_is_refused() -> None:
    with pytest.raises(MartError) as caught:
        marts(mart(inputs=(("staging", "nowhere"), ("public", "orders"), ("staging", "orders"))))
    assert str(caught.value) == (
        "sales.sql reads staging.nowhere, which is neither a table of the catalog nor a mart\n"
        "sales.sql reads public.orders, which is neither a table of the catalog nor a mart, "
        "did you mean `staging.orders`?"
    )


def test_a_mart_whose_only_table_is_misspelt_does_not_vanish_and_is_told_the_name() -> None:
    with pytest.raises(MartError) as caught:
        marts(mart("a", inputs=(("staging", "ordres"),)), mart("b", inputs=(("bi", "aa"),)))
    assert str(caught.value) == (
        "a.sql reads staging.ordres, which is neither a table of the catalog nor a mart, "
        "did you mean `staging.orders`?\n"
        "b.sql reads bi.aa, which is neither a table of the catalog nor a mart, did you mean `bi.a`?"
    )


def test_the_shops_marts_hang_on_the_shops_tables() -> None:
    shop = Catalog.load(PACKAGED_CATALOG)
    found = {a.key.path[-1]: a.asset_deps[a.key] for a in marts(*read_marts(BI), of=shop)}
    assert found["daily_page_views"] == {key("staging", "page_view")}
    assert found["order_fulfilment"] == {key("staging", "orders_master")}
    assert found["daily_sales"] == {
        key("staging", n) for n in ("orders_master", "order_details_master", "products_master")
    }


def test_o09_a_mart_whose_table_got_another_target_does_not_vanish() -> None:
    catalog = Catalog.model_validate(
        {
            "timezone": "UTC",
            "start_date": "2024-01-01",
            "tables": {"Orders": {"name": "Orders", "mode": "full", "target_table": "o2"}},
        }
    )
    header = MartHeader(materialization="table", description="d", grain=("id",))
    mart = Mart("sales", header, "SELECT id FROM staging.orders", (("staging", "orders"),))
    with pytest.raises(MartError, match=r"sales.sql reads staging.orders, which the catalog calls staging.o2"):
        build_mart_assets(marts=[mart], catalog=catalog, partitions=daily_partitions(catalog))


def test_a_staging_target_is_made_from_the_catalog() -> None:
    table = orders("Orders", dist_key="id")
    target = staging_target(table, "raw")
    assert (target.schema_name, target.name, target.key, target.cursor) == ("raw", "orders", ("id",), "updated")
    assert (target.dist_key, target.sort_key, target.label) == ("id", ("updated",), "raw.orders")


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (DataError("bad"), True),
        (WarehouseError("refused", statement="SELECT 1"), True),
        (PassingError("lost"), False),
        (LakeConflictError("other"), False),
        (ConnectionError("cut"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_trying_again_cannot_mend_is_not_tried_again(error: Exception, permanent: bool) -> None:
    with (
        pytest.raises(dg.Failure if permanent else type(error)) as caught,
        named_failures(key("staging", "orders")),
    ):
        raise error
    if permanent:
        assert caught.value.allow_retries is False
        assert caught.value.description == f"staging/orders: {error}"
        assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("service", "call", "named"),
    [
        ("s3", lambda client: client.get_object(Bucket="b", Key="k"), "S3"),
        ("redshift-serverless", lambda client: client.get_credentials(workgroupName="w"), "Redshift Serverless"),
    ],
)
@pytest.mark.parametrize("answers", [True, False])
def test_an_error_of_aws_names_the_service(service: str, call: Any, named: str, answers: bool) -> None:
    client = boto3.Session("a", "s", region_name="eu-west-1").client(
        service, endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
    )
    stub = Stubber(client)
    stub.add_client_error("get_object" if service == "s3" else "get_credentials", "AccessDeniedException")
    if answers:
        stub.activate()
    with (
        pytest.raises(dg.Failure) as caught,
        named_failures(key("staging", "orders"), attempts_left=False),
    ):
        call(client)
    assert str(caught.value.description).startswith(f"staging/orders: {named}: ")


def test_a_marts_page_shows_its_sql_and_where_its_columns_come_from() -> None:
    shop = Catalog.load(PACKAGED_CATALOG)
    (spec,) = (
        spec for a in marts(*read_marts(BI), of=shop) for spec in a.specs if spec.key == key("bi", "daily_sales")
    )
    assert spec.description is not None
    first, _, rest = spec.description.partition("\n")
    assert first == "Sales by day and product line."
    assert "```sql\nSELECT\n  CAST(o.order_date AS DATE) AS order_day," in rest
    assert "- `units`: from `staging.order_details_master.quantity_ordered`, as `SUM(d.quantity_ordered)`\n" in rest
    (file,) = spec.metadata["dagster/code_references"].code_references
    assert file.label == "daily_sales.sql"


def test_a_mart_is_checked_for_rows_for_its_grain_and_for_the_sums_that_its_header_names() -> None:
    plain, summed = marts(mart(), mart("summed", sums={"a": "staging.orders.a"}))
    names = [[spec.name for spec in asset.check_specs] for asset in (plain, summed)]
    assert names == [["not_empty", "unique_grain"], ["not_empty", "unique_grain", "sums"]]
    assert all(spec.blocking for spec in (*plain.check_specs, *summed.check_specs))


def test_a_table_without_a_description_has_a_first_line_of_its_layer() -> None:
    source, lake, staging = assets(catalog(orders("Order Details")))
    lines = [spec.description.partition("\n")[0] for spec in (*source.specs, *lake.specs, *staging.specs)]
    assert lines == [
        "Table Order Details of the source.",
        "Table Order Details in the lake, a folder for each day.",
        "Table Order Details in Redshift.",
    ]


def test_each_layer_says_where_its_data_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AURORA_HOST": "reader",
        "AURORA_DATABASE": "shop",
        "LAKE_URI": "s3://lake/data",
        "REDSHIFT_HOST": "wg",
        "REDSHIFT_DATABASE": "dwh",
        "REDSHIFT_STAGING_SCHEMA": "raw",
        "REDSHIFT_BI_SCHEMA": "reports",
    }.items():
        monkeypatch.setenv(name, value)
    specs = [next(iter(a.specs)) for a in (*assets(catalog(orders("Orders"))), *marts(mart()))]
    assert [spec.metadata["dagster/uri"] for spec in specs] == [
        "mysql://reader:3306/shop/Orders",
        "s3://lake/data/shop/Orders/",
        "redshift://wg/dwh/raw/orders",
        "redshift://wg/dwh/reports/sales",
    ]
    assert [spec.metadata.get("dagster/table_name") for spec in specs] == [
        None, None, "dwh.raw.orders", "dwh.reports.sales",
    ]  # fmt: skip
