"""What `aurora-dwh doctor` says of alerts and of QuickSight, against endpoints that speak the services' protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.commands.doctor import notices
from aurora_dwh.commands.doctor.check import Attempts, Check, State
from aurora_dwh_tests.aws_endpoint import AwsEndpoint, AwsError

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
CATALOG = """
timezone: Asia/Tokyo
start_date: 2024-01-01
tables: {a: {key: id, cursor: updated}}
quicksight:
  account_id: "123456789012"
  region: eu-west-1
  datasets:
    sales: {dataset_id: d-1, marts: [daily]}
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALERT_SNS_TOPIC_ARN", "ALERT_WEBHOOK_URL", "DAGSTER_UI_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsEndpoint]:
    made = AwsEndpoint("sns", {"GetTopicAttributes": lambda _: {}})
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", made.url)
    monkeypatch.setenv("ALERT_SNS_TOPIC_ARN", TOPIC)
    yield made
    made.close()
    assert made.wrong == []


@pytest.fixture
def quicksight(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsEndpoint]:
    answers = {
        "DescribeIngestion": refuses("ResourceNotFoundException"),
        "DescribeDataSet": lambda _: {"DataSet": {"ImportMode": "SPICE"}},
    }
    made = AwsEndpoint("quicksight", answers)
    monkeypatch.setenv("AWS_ENDPOINT_URL_QUICKSIGHT", made.url)
    yield made
    made.close()
    assert made.wrong == []


def refuses(code: str) -> Callable[[Any], Any]:
    def answer(_: Any) -> Any:
        raise AwsError(code)

    return answer


def checked(catalog: Catalog | None = None) -> dict[str, Check]:
    run = Attempts()
    notices.check(run, catalog)
    return {check.name: check for check in run.checks}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    return Catalog.load(tmp_path / "catalog.yaml")


def test_where_nothing_is_configured_nothing_is_said(catalog: Catalog) -> None:
    assert checked() == {}
    assert checked(catalog.model_copy(update={"quicksight": None})) == {}


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ALERT_WEBHOOK_URL", "hooks.example.com/T0/secret"), ("ALERT_SNS_TOPIC_ARN", "arn:aws:sns:alerts")],
)
def test_a_channel_that_cannot_be_used_fails_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    (check,) = checked().values()
    assert (check.name, check.state) == ("alerts: settings", State.FAILED)
    assert variable in check.detail
    assert "secret" not in check.detail


def test_a_webhook_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "http://127.0.0.1:9/hook")
    assert [(c.name, c.state) for c in checked().values()] == [("alerts: settings", State.OK)]


@pytest.mark.parametrize(
    ("code", "state", "word"),
    [
        (None, State.OK, "it is there, in eu-west-1"),
        ("AuthorizationError", State.OK, "does not say whether it is there"),
        ("NotFound", State.FAILED, "NotFound"),
    ],
)
def test_a_topic_is_asked_for_and_nothing_is_published(
    sns: AwsEndpoint, code: str | None, state: State, word: str
) -> None:
    if code:
        sns.answers["GetTopicAttributes"] = refuses(code)
    check = checked()["alerts: SNS topic"]
    assert check.state is state
    assert word in check.detail
    assert {name for name, _ in sns.calls} == {"GetTopicAttributes"}


@pytest.mark.parametrize(
    ("operation", "answer", "state", "word"),
    [
        ("DescribeDataSet", lambda _: {"DataSet": {"ImportMode": "SPICE"}}, State.OK, "it is in SPICE"),
        ("DescribeDataSet", lambda _: {"DataSet": {"ImportMode": "DIRECT_QUERY"}}, State.FAILED, "DIRECT_QUERY"),
        ("DescribeDataSet", refuses("ResourceNotFoundException"), State.FAILED, "ResourceNotFoundException"),
        ("DescribeDataSet", refuses("AccessDeniedException"), State.OK, "does not say whether it is there"),
        ("DescribeIngestion", refuses("AccessDeniedException"), State.FAILED, "quicksight:DescribeIngestion"),
    ],
)
def test_a_dataset_is_asked_for_and_no_refresh_is_started(
    quicksight: AwsEndpoint, catalog: Catalog, operation: str, answer: Any, state: State, word: str
) -> None:
    quicksight.answers[operation] = answer
    check = checked(catalog)["quicksight: dataset d-1"]
    assert check.state is state
    assert word in check.detail
    assert "CreateIngestion" not in {name for name, _ in quicksight.calls}
