"""QuickSight: inside the network, over TLS, by a secret, with the marts that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from aurora_dwh.catalog.model import PACKAGED_CATALOG, marts_folder
from aurora_dwh.warehouse.marts.model import MartError
from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import BIS, DEPLOYMENTS
from infra.datasets import read_datasets

WITH_BI = [name for name in DEPLOYMENTS if "-quicksight-" in name]


def test_only_deployments_that_want_it_have_it(templates: Templates) -> None:
    assert {deployment for deployment, stack in templates.stacks if stack == "bi"} == set(WITH_BI)


def test_each_mart_is_a_dataset_of_the_project_that_the_configuration_names(templates: Templates) -> None:
    shop = {file.stem for file in marts_folder(PACKAGED_CATALOG).glob("*.sql")}
    assert len(shop) == 5
    for deployment in WITH_BI:
        named = {
            dataset["Name"]
            for place, dataset in templates.of("AWS::QuickSight::DataSet")
            if place.startswith(f"{deployment}/")
        }
        assert named == ({"visits"} if deployment.startswith("instance-") else shop), deployment


def test_a_column_has_the_type_that_its_mart_says(templates: Templates) -> None:
    held = {dataset["Name"]: dataset for _, dataset in templates.of("AWS::QuickSight::DataSet")}
    columns = {
        name: {c["Name"]: c["Type"] for c in dataset["PhysicalTableMap"]["mart"]["RelationalTable"]["InputColumns"]}
        for name, dataset in held.items()
    }
    assert columns["visits"] == {"day": "DATETIME", "visits": "INTEGER", "is_busy": "BIT"}
    assert list(columns["stock_cover"].items()) == [
        ("product_id", "STRING"),
        ("product_name", "STRING"),
        ("product_line", "STRING"),
        ("quantity_stock", "INTEGER"),
        ("stock_value", "DECIMAL"),
        ("units_14_days", "INTEGER"),
        ("cover_days", "DECIMAL"),
    ]


def test_a_type_that_quicksight_does_not_have_is_told_with_its_remedy(tmp_path: Path) -> None:
    header = "materialization: table\ndescription: What\ngrain: [a]"
    (tmp_path / "mine.sql").write_text(f"/*\n{header}\n*/\nSELECT 1 AS a, CAST(x AS SUPER) AS s FROM staging.t")
    said = "mine.sql: QuickSight has no type for SUPER, which column s is; CAST it to VARCHAR"
    with pytest.raises(MartError, match=said):
        read_datasets(tmp_path)


def test_datasets_have_owners_and_hold_up_no_deploy(templates: Templates) -> None:
    datasets = list(templates.of("AWS::QuickSight::DataSet"))
    assert datasets
    for place, dataset in datasets:
        assert dataset["IngestionWaitPolicy"] == {"WaitForSpiceIngestion": False}, place
        (owner,) = dataset["Permissions"]
        assert BIS["quicksight"]
        assert [owner["Principal"]] == BIS["quicksight"]["owners"]
        assert len(owner["Actions"]) == 10


def test_the_data_source_has_a_secret_a_connection_and_tls(templates: Templates) -> None:
    sources = list(templates.of("AWS::QuickSight::DataSource"))
    assert len(sources) == len(WITH_BI)
    for place, source in sources:
        assert source["SslProperties"] == {"DisableSsl": False}, place
        assert set(source["Credentials"]) == {"SecretArn"}
        assert source["VpcConnectionProperties"]["VpcConnectionArn"]
        assert set(source["DataSourceParameters"]["RedshiftParameters"]) == {"Database", "Host", "Port"}
