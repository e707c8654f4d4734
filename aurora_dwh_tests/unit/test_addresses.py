"""Where assets say that their data lie, by the environment alone."""

from __future__ import annotations

import pytest
from dagster import MetadataValue

from aurora_dwh.orchestration.assets.addresses import Addresses

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


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("ap-northeast-1", "https://ap-northeast-1.console.aws.amazon.com"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
    ],
)
def test_p20_the_console_shows_the_folder_and_the_warehouse(region: str, console: str) -> None:
    suffix = ".cn" if region.startswith("cn-") else ""
    host = f"wg.123456789012.{region}.redshift-serverless.amazonaws.com{suffix}"
    places = Addresses.from_env({**VARIABLES, "AWS_REGION": region, "REDSHIFT_HOST": host})
    folder = f"{console}/s3/buckets/bucket?region={region}&prefix=lake/shop/Order%2520Details/&showversions=false"
    assert places.of_lake("Order Details")["console"] == MetadataValue.url(folder)
    workgroup = f"{console}/redshiftv2/home?region={region}#serverless-workgroup?workgroup=wg"
    assert places.of_warehouse("bi", "sales")["console"] == MetadataValue.url(workgroup)

    cluster = Addresses.from_env({**VARIABLES, "REDSHIFT_HOST": f"dwh.abc123.{region}.redshift.amazonaws.com{suffix}"})
    page = f"{console}/redshiftv2/home?region={region}#cluster-details?cluster=dwh"
    assert cluster.of_warehouse("staging", "orders")["console"] == MetadataValue.url(page)
    assert "console" not in cluster.of_lake("orders")  # nobody said where the bucket is

    named = Addresses.from_env({"REDSHIFT_WORKGROUP": "wg", "REDSHIFT_DATABASE": "dwh", "AWS_DEFAULT_REGION": region})
    assert named.of_warehouse("bi", "sales")["console"] == MetadataValue.url(workgroup)


@pytest.mark.parametrize("override", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
def test_p20_what_is_not_amazons_has_no_page_in_its_console(override: str) -> None:
    variables = {**VARIABLES, "AWS_REGION": "us-east-1", "REDSHIFT_HOST": "127.0.0.1", override: "http://127.0.0.1:1"}
    places = Addresses.from_env(variables)
    assert "console" not in places.of_lake("orders")
    assert "console" not in places.of_warehouse("staging", "orders")


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
