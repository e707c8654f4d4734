"""QuickSight: inside the network, over TLS, by a secret, with the marts that there are."""

from __future__ import annotations

from aurora_dwh.catalog import PACKAGED_CATALOG, marts_folder
from aurora_dwh.warehouse.mart import read_marts
from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import BIS, DEPLOYMENTS
from infra.marts import MARTS

WITH_BI = [name for name in DEPLOYMENTS if "-quicksight-" in name]


def test_only_deployments_that_want_it_have_it(templates: Templates) -> None:
    assert {deployment for deployment, stack in templates.stacks if stack == "bi"} == set(WITH_BI)


def test_each_mart_is_a_dataset() -> None:
    assert set(MARTS) == {mart.name for mart in read_marts(marts_folder(PACKAGED_CATALOG))}


def test_datasets_have_the_marts_columns_and_owners(templates: Templates) -> None:
    datasets = list(templates.of("AWS::QuickSight::DataSet"))
    assert len(datasets) == len(WITH_BI) * len(MARTS)
    for place, dataset in datasets:
        table = dataset["PhysicalTableMap"]["mart"]["RelationalTable"]
        assert {c["Name"]: c["Type"] for c in table["InputColumns"]} == MARTS[table["Name"]], place
        assert dataset["IngestionWaitPolicy"] == {"WaitForSpiceIngestion": False}
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
