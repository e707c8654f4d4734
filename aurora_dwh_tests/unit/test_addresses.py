"""Where assets say that their data lie, by the environment alone."""

from __future__ import annotations

from aurora_dwh.assets.addresses import Addresses

VARIABLES = {
    "AURORA_HOST": "reader.example",
    "AURORA_DATABASE": "shop",
    "AURORA_PASSWORD": "hunter2",
    "LAKE_URI": "s3://bucket/lake",
    "REDSHIFT_HOST": "wg.example",
    "REDSHIFT_DATABASE": "dwh",
    "REDSHIFT_PASSWORD": "hunter2",
    "REDSHIFT_STAGING_SCHEMA": "raw",
    "REDSHIFT_BI_SCHEMA": "reports",
}


def test_each_place_has_its_address_with_the_schemas_own_names() -> None:
    places = Addresses.from_env(VARIABLES)
    assert places.of_source("Orders") == {"dagster/uri": "mysql://reader.example:3306/shop/Orders"}
    assert places.of_lake("Order Details") == {"dagster/uri": "s3://bucket/lake/shop/Order%20Details/"}
    assert places.of_warehouse("staging", "orders") == {
        "dagster/table_name": "dwh.raw.orders",
        "dagster/uri": "redshift://wg.example/dwh/raw/orders",
    }
    assert places.of_warehouse("bi", "sales")["dagster/table_name"] == "dwh.reports.sales"


def test_without_an_environment_there_are_only_the_usual_names() -> None:
    places = Addresses.from_env({})
    assert (places.of_source("orders"), places.of_lake("orders")) == ({}, {})
    assert places.of_warehouse("staging", "orders") == {"dagster/table_name": "staging.orders"}
    assert places.schemas == {"staging": "staging", "bi": "bi"}


def test_a_workgroup_stands_for_a_host_that_is_not_named() -> None:
    places = Addresses.from_env({"REDSHIFT_WORKGROUP": "wg", "REDSHIFT_DATABASE": "dwh", "AURORA_PORT": "3307"})
    assert places.warehouse == "redshift://wg/dwh"
    assert places.source is None


def test_what_is_no_address_of_a_lake_is_left_to_the_run_to_complain_of() -> None:
    assert Addresses.from_env({"LAKE_URI": "lake", "AURORA_DATABASE": "shop"}).layout is None
