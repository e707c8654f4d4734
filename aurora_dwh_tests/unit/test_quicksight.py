"""QuickSight's datasets as assets, against an endpoint that holds every request against botocore's model."""

import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.stub import Stubber

from aurora_dwh.catalog.model import PACKAGED_CATALOG, Catalog, CatalogError, marts_folder
from aurora_dwh.core import retries
from aurora_dwh.core.models import DataError
from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.orchestration.assets.names import Names
from aurora_dwh.orchestration.assets.quicksight import DROPPED, build_quicksight_assets
from aurora_dwh.orchestration.automation.jobs import build_condition_sensor
from aurora_dwh.warehouse.quicksight import QuickSightError, QuickSightUnreachableError, SpiceDataset
from aurora_dwh_tests.aws_endpoint import AwsEndpoint, AwsError
from aurora_dwh_tests.instances import empty_instance

ACCOUNT = "123456789012"
CATALOG = """
timezone: Asia/Tokyo
start_date: 2024-01-01
tables: {a: {key: id, cursor: updated}}
"""
SECTION = f"""
quicksight:
  account_id: "{ACCOUNT}"
  region: eu-west-1
  datasets:
    sales: {{dataset_id: d-1, marts: [daily, stock], timeout: 2h}}
"""
KEY = dg.AssetKey(["quicksight", "sales"])


class QuickSight:
    """A QuickSight whose refreshes take the statuses of `course`, one at each look, and stay in the last one.

    Attributes:
        ingestions: What was started, by id, as DescribeIngestion gives it.
        course: The statuses of the next refresh.
        end: What a refresh says at its end, beside its status.
    """

    def __init__(self) -> None:
        self.ingestions: dict[str, dict[str, Any]] = {}
        self.course = ["QUEUED", "RUNNING", "RUNNING", "COMPLETED"]
        self.end: dict[str, Any] = {
            "RowInfo": {"RowsIngested": 120, "RowsDropped": 0, "TotalRowsInDataset": 500},
            "IngestionSizeInBytes": 4096,
            "IngestionTimeInSeconds": 7,
        }
        self.api = AwsEndpoint("quicksight", {"CreateIngestion": self._create, "DescribeIngestion": self._describe})

    def _create(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["DataSetId"] != "d-1":
            raise AwsError("ResourceNotFoundException", f"DataSet {asked['DataSetId']} is not found")
        if asked["IngestionId"] in self.ingestions:
            raise AwsError("ResourceExistsException", "the ingestion exists")
        self.ingestions[asked["IngestionId"]] = {"course": list(self.course)}
        return {"IngestionId": asked["IngestionId"], "IngestionStatus": "INITIALIZED", "Status": 201}

    def _describe(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self.ingestions.get(asked["IngestionId"])
        if found is None or asked["DataSetId"] != "d-1":
            raise AwsError("ResourceNotFoundException", "not found")
        course = found["course"]
        status = course.pop(0) if len(course) > 1 else course[0]
        ingestion = {
            "Arn": f"arn:aws:quicksight:eu-west-1:{ACCOUNT}:dataset/d-1/ingestion/{asked['IngestionId']}",
            "IngestionId": asked["IngestionId"],
            "IngestionStatus": status,
            "CreatedTime": datetime(2024, 1, 5, tzinfo=timezone.utc),
            **(self.end if status in ("COMPLETED", "FAILED", "CANCELLED") else {}),
        }
        return {"Ingestion": ingestion, "Status": 200}


@pytest.fixture
def quicksight(monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickSight]:
    service = QuickSight()
    monkeypatch.setenv("AWS_ENDPOINT_URL_QUICKSIGHT", service.api.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("aurora_dwh.warehouse.quicksight.POLL_SECONDS", 0.0)
    monkeypatch.setattr(retries, "REQUEST", retries.Retries(1))
    monkeypatch.setattr("aurora_dwh.orchestration.assets.step.RETRY", dg.RetryPolicy(max_retries=1, delay=0))
    yield service
    service.api.close()
    assert service.api.wrong == []


class Place:
    """The catalog's datasets in an instance of their own, beside marts that are built when a test says so."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, section: str = SECTION) -> None:
        (folder / "catalog.yaml").write_text(CATALOG + section, encoding="utf-8")
        monkeypatch.setenv("AURORA_DWH_CATALOG", str(folder / "catalog.yaml"))
        self.instance = empty_instance()
        self.refuses: list[str] = []
        self.marts = [_mart(name) for name in ("daily", "stock")]
        self.assets = build_quicksight_assets(catalog=Catalog.load(), marts=["daily", "stock"])

    def build(self, *marts: str) -> None:
        wanted = [mart for mart in self.marts if mart.key.path[-1] in marts]
        assert dg.materialize(wanted, instance=self.instance).success

    def refresh(self, **options: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(self.assets, instance=self.instance, raise_on_error=False, **options)


def _mart(name: str) -> dg.AssetsDefinition:
    @dg.asset(key=["bi", name])
    def mart() -> None: ...

    return mart


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quicksight: QuickSight) -> Place:
    return Place(tmp_path, monkeypatch)


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error)


def test_a_refresh_is_started_and_followed_to_its_end(place: Place, quicksight: QuickSight) -> None:
    place.build("daily", "stock")
    result = place.refresh()
    assert result.success
    (started,) = quicksight.api.called("CreateIngestion")
    assert started == {
        "AwsAccountId": ACCOUNT,
        "DataSetId": "d-1",
        "IngestionId": started["IngestionId"],
        "IngestionType": "FULL_REFRESH",
    }
    assert re.fullmatch(r"aurora-dwh-build-\d+-1", started["IngestionId"])
    assert set(quicksight.api.regions) == {"eu-west-1"}
    (materialization,) = result.asset_materializations_for_node("quicksight__sales")
    assert {name: value.value for name, value in materialization.metadata.items()} == {
        "dagster/row_count": 500,
        "rows_ingested": 120,
        "rows_dropped": 0,
        "bytes": 4096,
        "seconds": 7,
        "ingestion_id": started["IngestionId"],
    }
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == (DROPPED, True)


def test_a_dataset_may_ask_for_an_incremental_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quicksight: QuickSight
) -> None:
    place = Place(tmp_path, monkeypatch, SECTION.replace("timeout: 2h", "refresh: incremental"))
    assert place.refresh().success
    assert quicksight.api.called("CreateIngestion")[0]["IngestionType"] == "INCREMENTAL_REFRESH"


def test_each_refresh_of_the_same_marts_is_a_new_one(place: Place, quicksight: QuickSight) -> None:
    place.build("daily")
    assert place.refresh().success
    assert place.refresh().success
    first, second = quicksight.ingestions
    assert (first[:-1], first[-1], second[-1]) == (second[:-1], "1", "2")


def test_a_run_that_crashed_leaves_its_refresh_to_the_next_run(place: Place, quicksight: QuickSight) -> None:
    class Killed(BaseException):
        """What no code handles, as when the process goes."""

    def end(*_: object) -> None:
        raise Killed

    place.build("daily", "stock")
    with pytest.MonkeyPatch.context() as patch:
        # Not `time.sleep` itself, by which the thread that sees which waits take long would end as well.
        patch.setattr("aurora_dwh.warehouse.quicksight.time", SimpleNamespace(sleep=end, monotonic=time.monotonic))
        assert not place.refresh().success
    result = place.refresh()
    assert result.success
    assert len(quicksight.api.called("CreateIngestion")) == 1
    log = [entry.user_message for entry in place.instance.all_logs(result.run_id)]
    assert any(re.fullmatch(r"picks up refresh aurora-dwh-build-\d+-1, which runs already", line) for line in log)


def test_a_refresh_of_marts_that_were_built_again_since_is_not_picked_up(place: Place, quicksight: QuickSight) -> None:
    place.build("daily", "stock")
    quicksight.course = ["RUNNING"]
    place.assets = build_quicksight_assets(
        catalog=Catalog.load().model_copy(update={"quicksight": _with_timeout(timedelta(0))}), marts=["daily", "stock"]
    )
    assert "is still RUNNING after" in failure(place.refresh())
    place.build("stock")
    quicksight.course = ["COMPLETED"]
    assert place.refresh().success
    assert len(quicksight.ingestions) == 2


def _with_timeout(timeout: timedelta) -> Any:
    section = Catalog.load().quicksight
    assert section is not None
    return section.model_copy(
        update={"datasets": {n: d.model_copy(update={"timeout": timeout}) for n, d in section.datasets.items()}}
    )


def test_a_lost_connection_is_tried_again_and_the_refresh_picked_up(place: Place, quicksight: QuickSight) -> None:
    describe, looks = quicksight.api.answers["DescribeIngestion"], []

    def once_away(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        looks.append(asked)
        if len(looks) == 3:
            raise AwsError("InternalFailureException", status=500)
        return describe(asked)

    quicksight.api.answers["DescribeIngestion"] = once_away
    assert place.refresh().success
    assert len(quicksight.api.called("CreateIngestion")) == 1


def test_quicksight_that_stays_away_is_named(place: Place, quicksight: QuickSight) -> None:
    def away(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AwsError("ThrottlingException", "slow down")

    quicksight.api.answers["DescribeIngestion"] = away
    assert failure(place.refresh()).startswith("quicksight/sales: QuickSight: An error occurred (ThrottlingException)")
    assert len(quicksight.api.calls) == 2


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_refresh_that_fails_says_why_and_is_not_tried_again(
    place: Place, quicksight: QuickSight, status: str
) -> None:
    quicksight.course = ["RUNNING", status]
    quicksight.end = {"ErrorInfo": {"Type": "SQL_TABLE_NOT_FOUND", "Message": "bi.daily is gone"}}
    assert failure(place.refresh()) == (
        "quicksight/sales: refresh aurora-dwh-build-0-1 of dataset d-1 is "
        f"{status}: SQL_TABLE_NOT_FOUND: bi.daily is gone"
    )
    assert len(quicksight.api.called("CreateIngestion")) == 1


def test_a_failed_refresh_without_a_reason_says_so(place: Place, quicksight: QuickSight) -> None:
    quicksight.course, quicksight.end = ["FAILED"], {}
    assert failure(place.refresh()).endswith("is FAILED: QuickSight gives no reason")


def test_after_a_failed_refresh_the_next_is_a_new_one(place: Place, quicksight: QuickSight) -> None:
    quicksight.course = ["FAILED"]
    assert not place.refresh().success
    quicksight.course = ["COMPLETED"]
    assert place.refresh().success
    assert [ingestion_id[-1] for ingestion_id in quicksight.ingestions] == ["1", "2"]


def test_dropped_rows_are_a_warning(place: Place, quicksight: QuickSight) -> None:
    quicksight.end = {"RowInfo": {"RowsIngested": 118, "RowsDropped": 2}}
    result = place.refresh()
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == "2 of 120 rows were dropped"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "AccessDeniedException",
            "The role needs quicksight:CreateIngestion and quicksight:DescribeIngestion on dataset d-1",
        ),
        ("InvalidParameterValueException", "dataset d-1 cannot be refreshed: An error occurred"),
        ("LimitExceededException", "dataset d-1 cannot be refreshed: An error occurred"),
    ],
)
def test_a_refresh_that_cannot_be_started_is_not_tried_again(
    place: Place, quicksight: QuickSight, code: str, told: str
) -> None:
    def refuse(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AwsError(code)

    quicksight.api.answers["CreateIngestion"] = refuse
    assert told in failure(place.refresh())
    assert len(quicksight.api.called("CreateIngestion")) == 1


def test_a_dataset_that_is_not_there_is_told_with_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quicksight: QuickSight
) -> None:
    place = Place(tmp_path, monkeypatch, SECTION.replace("d-1", "d-2"))
    assert failure(place.refresh()).startswith(
        f"quicksight/sales: there is no dataset d-2 in account {ACCOUNT} and Region eu-west-1; "
    )


def test_a_start_that_another_run_was_first_with_is_followed(place: Place, quicksight: QuickSight) -> None:
    create = quicksight.api.answers["CreateIngestion"]

    def second(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        create(asked)
        return create(asked)

    quicksight.api.answers["CreateIngestion"] = second
    assert place.refresh().success


def test_without_a_region_the_environments_is_taken_and_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quicksight: QuickSight
) -> None:
    place = Place(tmp_path, monkeypatch, SECTION.replace("  region: eu-west-1\n", ""))
    monkeypatch.setenv("AWS_REGION", "ap-northeast-1")
    assert place.refresh().success
    assert set(quicksight.api.regions) == {"ap-northeast-1"}
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert failure(place.refresh()) == (
        "quicksight/sales: QuickSight: set `region` in the catalog's section quicksight, or AWS_REGION"
    )


def test_the_calls_are_just_these() -> None:
    client = boto3.client("quicksight", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    address = {"AwsAccountId": ACCOUNT, "DataSetId": "d-1", "IngestionId": "aurora-dwh-x-1"}
    ingestion = {"Arn": "arn", "IngestionStatus": "COMPLETED", "CreatedTime": datetime(2024, 1, 5, tzinfo=timezone.utc)}
    with Stubber(client) as stub:
        stub.add_client_error("describe_ingestion", "ResourceNotFoundException", expected_params=address)
        stub.add_response("create_ingestion", {}, {**address, "IngestionType": "FULL_REFRESH"})
        stub.add_response("describe_ingestion", {"Ingestion": ingestion}, address)
        done = SpiceDataset(client, ACCOUNT, "d-1").refresh("x", "full", timedelta(hours=1), logging.info)
        stub.assert_no_pending_responses()
    assert (done.ingestion_id, done.rows, done.total) == ("aurora-dwh-x-1", 0, None)


def test_errors_are_of_two_kinds() -> None:
    assert issubclass(QuickSightError, DataError)
    assert not issubclass(QuickSightUnreachableError, DataError)


def test_without_the_section_there_is_nothing_of_quicksight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Place(tmp_path, monkeypatch, "").assets == []
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    assert "quicksight" not in [sensor.name for sensor in found.sensors or []]


def test_a_mart_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Place(tmp_path, monkeypatch)
    with pytest.raises(CatalogError) as caught:
        build_quicksight_assets(catalog=Catalog.load(), marts=["daily", "weekly"])
    assert str(caught.value) == (
        f"{tmp_path}/catalog.yaml: quicksight.datasets.sales.marts: "
        "there is no mart 'stock'; the marts are daily, weekly"
    )


@pytest.mark.parametrize(
    ("written", "instead", "line", "told"),
    [
        (f'"{ACCOUNT}"', ACCOUNT, 7, f"quicksight.account_id: {ACCOUNT} is not an AWS account; write its 12 digits in"),
        ("eu-west-1", "Ireland", 8, "quicksight.region: 'Ireland' is not an AWS Region; write its code, such as"),
        ("marts: [daily, stock]", "marts: []", 10, "quicksight.datasets.sales.marts: name the marts that the dataset"),
        ("dataset_id: d-1, ", "", 10, "quicksight.datasets.sales.dataset_id: must be given"),
        ("d-1", "a/b", 10, "quicksight.datasets.sales.dataset_id: 'a/b' is not a dataset's id; `aws quicksight"),
        ("sales:", "my sales:", 10, "'my sales' cannot name an asset; write letters, digits and _ only"),
        ("timeout: 2h", "timeout: 2", 10, "quicksight.datasets.sales.timeout: 2 is not a duration"),
        ("timeout", "time_out", 10, "sales.time_out: not a field of quicksight, did you mean `timeout`?"),
        ("account_id", "account", 7, "quicksight.account: not a field of quicksight, did you mean `account_id`?"),
    ],
)
def test_a_wrong_section_is_told_by_line_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, instead: str, line: int, told: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        Place(tmp_path, monkeypatch, SECTION.replace(written, instead))
    assert f"catalog.yaml:{line}: quicksight" in str(caught.value)
    assert told in str(caught.value)


class Automation:
    """The condition of the assets, evaluated as the daemon does it, tick after tick."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.cursor: Any = None
        self.defs = dg.Definitions(assets=[*place.marts, *place.assets])

    def requested(self) -> bool:
        result = dg.evaluate_automation_conditions(
            self.defs, self.place.instance, asset_selection=dg.AssetSelection.keys(KEY), cursor=self.cursor
        )
        self.cursor = result.cursor
        return bool(result.total_requested)


def test_a_dataset_is_refreshed_when_one_of_its_marts_was_rebuilt(place: Place) -> None:
    place.build("daily", "stock")
    ticks = Automation(place)
    assert not ticks.requested()  # what was built before the sensor began is no news
    assert not ticks.requested()
    place.build("stock")
    assert ticks.requested()
    assert not ticks.requested()
    assert place.refresh().success
    assert not ticks.requested()
    place.build("daily")
    assert ticks.requested()


def test_a_refresh_that_failed_waits_for_the_next_build(place: Place, quicksight: QuickSight) -> None:
    ticks = Automation(place)
    ticks.requested()
    place.build("daily")
    assert ticks.requested()
    quicksight.course = ["FAILED"]
    assert not place.refresh().success
    assert not ticks.requested()


def test_a_mart_that_is_rebuilt_while_a_refresh_runs_leads_to_another(place: Place, quicksight: QuickSight) -> None:
    ticks = Automation(place)
    ticks.requested()
    place.build("daily")
    assert ticks.requested()
    describe = quicksight.api.answers["DescribeIngestion"]
    during: list[bool] = []

    def building(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if not during:
            place.build("stock")
            during.append(ticks.requested())
        return describe(asked)

    quicksight.api.answers["DescribeIngestion"] = building
    assert place.refresh().success
    assert during == [False]
    assert ticks.requested()


def test_the_sensor_runs_and_is_about_quicksight_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch)
    sensor = build_condition_sensor("quicksight", [KEY], "", names=Names())
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    graph = dg.Definitions(assets=[*place.marts, *place.assets]).resolve_asset_graph()
    assert sensor.asset_selection.resolve(graph) == {KEY}


def test_the_shop_with_a_dataset_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = PACKAGED_CATALOG.read_text(encoding="utf-8")
    dataset = SECTION.replace("[daily, stock]", "[daily_sales, order_detail]")
    (tmp_path / "catalog.yaml").write_text(shop + dataset, encoding="utf-8")
    shutil.copytree(marts_folder(PACKAGED_CATALOG), tmp_path / "marts")
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    dg.Definitions.validate_loadable(found)
    node = found.resolve_asset_graph().get(KEY)
    assert node.parent_keys == {dg.AssetKey(["bi", "daily_sales"]), dg.AssetKey(["bi", "order_detail"])}
    assert node.group_name == "quicksight"
    assert found.get_assets_def(KEY).op.pool == "quicksight"
    assert "quicksight" in [sensor.name for sensor in found.sensors or []]
    daily = found.resolve_job_def("daily_load").asset_layer.executable_asset_keys
    assert KEY not in daily
