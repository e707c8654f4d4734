"""Alerts: runs that really fail, told to a webhook and to SNS by HTTP as they speak it."""

import json
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.stub import Stubber
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test, freeze_time
from pydantic import SecretStr

from aurora_dwh.core.models import DataError
from aurora_dwh.orchestration.automation import failure_events
from aurora_dwh.orchestration.automation.alert_settings import AlertSettings, configured
from aurora_dwh.orchestration.automation.alerts import INCIDENTS_SHOWN, build_alert_sensors, compose
from aurora_dwh.orchestration.automation.channels import Message, SendError, SnsTopic, Webhook
from aurora_dwh.orchestration.automation.failure_events import MAX_AGE_SECONDS, Incident
from aurora_dwh.orchestration.failures import named_failures
from aurora_dwh.settings.environment import ConfigError
from aurora_dwh_tests.aws_endpoint import AwsEndpoint, AwsError
from aurora_dwh_tests.instances import empty_instance

TOPIC = "arn:aws:sns:eu-west-1:123456789012:data-alerts"
SECRET_PATH = "/services/T0/B0/s3cr3tt0ken"
UI = "https://dagster.example.com"
DAYS = dg.DailyPartitionsDefinition("2024-01-01")


class Hook:
    """A webhook: `status` is what it answers, `texts` what it took."""

    def __init__(self) -> None:
        self.status = 200
        self.texts: list[str] = []
        self.refused = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = self.path == SECRET_PATH and self.headers["Content-Type"] == "application/json"
                status = hook.status if good else 404
                if status == 200:
                    hook.texts.append(json.loads(body)["text"])
                else:
                    hook.refused += 1
                self.send_response(status, "as wanted")
                if status == 302:
                    self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{SECRET_PATH}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsEndpoint]:
    endpoint = AwsEndpoint("sns", {"Publish": lambda _: {"MessageId": "1"}})
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", endpoint.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_REGION", raising=False)
    yield endpoint
    endpoint.close()
    assert endpoint.wrong == []


class Place:
    """An instance with a sensor; `cursor` is what Dagster keeps between ticks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, **variables: str) -> None:
        for variable, value in {"DAGSTER_UI_URL": UI + "/", **variables}.items():
            monkeypatch.setenv(variable, value)
        self.instance = empty_instance()
        self.name = name
        self.cursor: str | None = None
        self.tick()

    def tick(self) -> str:
        """Evaluate the sensor once and return what it says."""
        (sensor,) = [sensor for sensor in build_alert_sensors() if sensor.name == self.name]
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        assert not data.run_requests
        return data.skip_message or ""

    def run(self, *assets: Any, day: str | None = "2024-01-05", tags: dict[str, str] | None = None) -> dg.DagsterRun:
        result = dg.materialize(
            list(assets), instance=self.instance, partition_key=day, tags=tags, raise_on_error=False
        )
        return result.dagster_run


@pytest.fixture
def place(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(monkeypatch, "alerts_webhook", ALERT_WEBHOOK_URL=hook.url)


def table(name: str, error: Exception | None = None, **arguments: Any) -> dg.AssetsDefinition:
    """An asset of a day that fails as a load fails."""

    @dg.asset(key=["staging", name], partitions_def=DAYS, **arguments)
    def load(context: dg.AssetExecutionContext) -> None:
        with named_failures(context.asset_key):
            if error:
                raise error

    return load


def checked(severity: str, *, passed: bool = False, blocking: bool = False, text: str | None = "9 of 10 rows") -> Any:
    """An asset of a day with a check."""

    @dg.asset(
        key=["staging", "orders"],
        partitions_def=DAYS,
        check_specs=[dg.AssetCheckSpec("rows", asset=["staging", "orders"], blocking=blocking)],
    )
    def load() -> dg.MaterializeResult:  # type: ignore[type-arg]
        result = dg.AssetCheckResult(
            passed=passed,
            check_name="rows",
            severity=dg.AssetCheckSeverity(severity),
            description=text,
            metadata={"rows": 9, "expected": 10},
        )
        return dg.MaterializeResult(check_results=[result])

    return load


def test_a_failed_run_is_told_with_table_day_reason_and_link(place: Place, hook: Hook) -> None:
    run = place.run(table("orders", DataError("part-1.parquet, line 3, column price: 'x' is no number")))
    assert place.tick() == "told the webhook of aurora-dwh: 1 failure"
    (text,) = hook.texts
    assert text.splitlines() == [
        "aurora-dwh: 1 failure",
        "FAILED staging/orders, 2024-01-05",
        "  part-1.parquet, line 3, column price: 'x' is no number",
        f"  {UI}/runs/{run.run_id}",
    ]


def test_a_failure_is_told_once(place: Place, hook: Hook) -> None:
    place.run(table("orders", DataError("bad")))
    place.tick()
    assert place.tick() == "nothing failed"
    place.run(table("lines", DataError("bad")))
    place.tick()
    assert ["orders" in text for text in hook.texts] == [True, False]


def test_what_failed_before_the_sensor_began_is_not_told(monkeypatch: pytest.MonkeyPatch, hook: Hook) -> None:
    place = Place(monkeypatch, "alerts_webhook", ALERT_WEBHOOK_URL=hook.url)
    place.run(table("orders", DataError("bad")))
    place.cursor = None
    assert place.tick() == "what fails from now on is told"
    assert place.tick() == "nothing failed"
    assert hook.texts == []


def test_a_run_that_succeeds_is_not_told(place: Place, hook: Hook) -> None:
    assert place.run(table("orders"), table("lines")).is_success
    assert place.tick() == "nothing failed"
    assert hook.texts == []


@pytest.mark.parametrize(
    ("severity", "mark", "count"), [("ERROR", "FAILED", "1 failure"), ("WARN", "WARNING", "1 warning")]
)
def test_a_failed_check_is_told_by_its_severity(place: Place, hook: Hook, severity: str, mark: str, count: str) -> None:
    run = place.run(checked(severity))
    assert run.is_success
    place.tick()
    assert hook.texts == [
        f"aurora-dwh: {count}\n{mark} staging/orders, 2024-01-05, check rows\n  9 of 10 rows\n  {UI}/runs/{run.run_id}"
    ]


def test_a_check_without_a_description_is_told_by_its_metadata(place: Place, hook: Hook) -> None:
    place.run(checked("WARN", text=None))
    place.tick()
    assert "  expected: 10, rows: 9\n" in hook.texts[0]


def test_a_check_that_passes_is_not_told(place: Place, hook: Hook) -> None:
    place.run(checked("ERROR", passed=True, blocking=True))
    assert place.tick() == "nothing failed"
    assert hook.texts == []


def test_a_blocking_check_and_the_run_that_it_ends_are_one_alert(place: Place, hook: Hook) -> None:
    run = place.run(checked("ERROR", blocking=True))
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert place.tick() == "told the webhook of aurora-dwh: 1 failure"
    assert "FAILED staging/orders, 2024-01-05, check rows\n  9 of 10 rows" in hook.texts[0]


def test_a_run_that_a_check_and_an_error_end_is_told_of_both(place: Place, hook: Hook) -> None:
    place.run(checked("ERROR", blocking=True), table("lines", DataError("bad")))
    assert place.tick() == "told the webhook of aurora-dwh: 2 failures"
    assert "check rows" in hook.texts[0]
    assert "FAILED staging/lines, 2024-01-05\n  bad" in hook.texts[0]


def test_a_check_that_fails_at_each_attempt_of_its_step_is_told_once(place: Place, hook: Hook) -> None:
    attempts: list[int] = []

    @dg.asset(
        key=["staging", "orders"],
        check_specs=[dg.AssetCheckSpec("rows", asset=["staging", "orders"])],
        retry_policy=dg.RetryPolicy(max_retries=2, delay=0),
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Any]:
        attempts.append(context.retry_number)
        yield dg.AssetCheckResult(passed=False, check_name="rows", description="9 of 10 rows")
        if len(attempts) == 2:  # in the middle of the run, as the daemon would
            place.tick()
        if len(attempts) < 3:
            raise ConnectionError("cut")
        yield dg.MaterializeResult()

    assert place.run(load, day=None).is_success
    place.tick()
    assert len(attempts) == 3
    assert len(hook.texts) == 1
    assert hook.texts[0].count("check rows") == 1


def test_a_check_that_no_run_made_is_told_with_a_link_to_its_asset(place: Place, hook: Hook) -> None:
    place.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["staging", "orders"]),
            check_name="fresh",
            passed=False,
            description="2024-01-05 is missing",
        )
    )
    place.tick()
    (text,) = hook.texts
    assert text.splitlines() == [
        "aurora-dwh: 1 failure",
        "FAILED staging/orders, check fresh",
        "  2024-01-05 is missing",
        f"  {UI}/assets/staging/orders?view=checks",
    ]


def test_a_range_is_told_by_its_first_and_last_day(place: Place, hook: Hook) -> None:
    tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-31"}
    asset = table("orders", DataError("bad"), backfill_policy=dg.BackfillPolicy.single_run())
    place.run(asset, day=None, tags=tags)
    place.tick()
    assert "FAILED staging/orders, 2024-01-01 to 2024-01-31\n" in hook.texts[0]


def test_many_tables_of_one_run_are_one_incident_that_names_a_few(place: Place, hook: Hook) -> None:
    place.run(*(table(f"t{number}", DataError(f"reason {number}")) for number in range(7)))
    assert place.tick() == "told the webhook of aurora-dwh: 1 failure"
    assert "2024-01-05, 7 assets\n" in hook.texts[0]
    assert hook.texts[0].count(": reason ") == 3
    assert "  and 4 more\n" in hook.texts[0]


def test_many_incidents_are_one_message_of_bounded_length() -> None:
    found = [Incident("warning", "w", ("why",), "/runs/w"), *[Incident("error", "e", ("why",), "/runs/e")] * 50]
    message = compose(found, UI)
    assert (message.subject, message.severity) == ("aurora-dwh: 50 failures and 1 warning", "error")
    assert message.body.count("FAILED e") == INCIDENTS_SHOWN
    assert message.body.endswith(f"and {51 - INCIDENTS_SHOWN} more: {UI}/runs")


def test_without_the_uis_address_a_message_names_the_run() -> None:
    message = compose([Incident("warning", "w", ("why",), "/runs/7")], None)
    assert message == Message("aurora-dwh: 1 warning", "WARNING w\n  why\n  /runs/7", "warning")


def test_a_tick_reads_a_bounded_number_of_events_and_the_next_goes_on(
    place: Place, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure_events, "RUNS_PER_TICK", 2)
    monkeypatch.setattr(failure_events, "CHECKS_PER_TICK", 1)
    for number in range(3):
        place.run(table(f"t{number}", DataError("bad")))
    place.run(checked("WARN"))
    place.run(checked("WARN"))
    assert [place.tick() for _ in range(3)] == [
        "told the webhook of aurora-dwh: 2 failures and 1 warning",
        "told the webhook of aurora-dwh: 1 failure and 1 warning",
        "nothing failed",
    ]
    assert [text.count("FAILED") for text in hook.texts] == [2, 1]


def test_a_run_that_dagster_starts_again_by_itself_is_not_told(place: Place, hook: Hook) -> None:
    place.run(table("orders", DataError("bad")), tags={"dagster/will_retry": "true"})
    assert place.tick() == "nothing failed"
    assert hook.texts == []


def test_a_run_that_fails_before_its_first_step_is_told(place: Place, hook: Hook) -> None:
    run = place.instance.create_run_for_job(dg.job(name="nightly")(lambda: None))
    place.instance.report_run_failed(run, "the worker did not start")
    place.tick()
    assert "FAILED nightly\n  the worker did not start\n" in hook.texts[0]


def test_runs_of_other_code_locations_are_theirs(place: Place) -> None:
    start = failure_events.Place.end(place.instance)
    for location in ("aurora_dwh", "payroll"):
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
        run = create_run_for_test(
            place.instance, job_name=f"{location}_job", remote_job_origin=repository.get_job_origin(f"{location}_job")
        )
        place.instance.report_run_failed(run, "lost")
    place.run(table("orders", DataError("bad")))  # by the command line, which names no location
    found, _ = failure_events.incidents_after(place.instance, start, location="aurora_dwh")
    assert [incident.what for incident in found] == ["aurora_dwh_job", "staging/orders, 2024-01-05"]


def test_what_is_older_than_a_few_days_is_passed_over(place: Place, hook: Hook) -> None:
    with freeze_time(datetime.now(timezone.utc) - timedelta(seconds=MAX_AGE_SECONDS + 60)):
        place.run(table("orders", DataError("bad")))
        place.run(checked("ERROR"))
    assert place.tick() == "nothing failed"
    assert hook.texts == []


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_o16_an_alert_that_the_webhook_refuses_fails_the_tick_and_is_sent_at_the_next(
    place: Place, hook: Hook, status: int
) -> None:
    place.run(table("orders", DataError("bad")))
    hook.status = status
    for _ in range(2):
        with pytest.raises(SendError) as refused:
            place.tick()
        assert str(refused.value) == (
            f"the webhook did not take the alert: HTTP {status} as wanted; "
            "tried again at the next tick: aurora-dwh: 1 failure"
        )
    place.run(table("lines", DataError("bad")))
    hook.status = 200
    assert place.tick() == "told the webhook of aurora-dwh: 2 failures"
    assert hook.refused == 2
    assert place.tick() == "nothing failed"


def test_a_webhook_that_is_out_of_reach_does_not_end_the_sensor(place: Place, hook: Hook) -> None:
    hook.server.shutdown()
    hook.server.server_close()
    place.run(table("orders", DataError("bad")))
    for _ in range(2):
        with pytest.raises(SendError, match="did not take the alert"):
            place.tick()


def test_a_slow_webhook_is_waited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_dwh.orchestration.automation.channels.SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # takes connections and says nothing
        pytest.raises(SendError, match="did not take the alert"),
    ):
        Webhook(SecretStr(f"http://127.0.0.1:{silent.getsockname()[1]}/")).send(Message("s", "b", "error"))


def test_markup_in_a_reason_reaches_nobody(place: Place, hook: Hook) -> None:
    place.run(table("orders", DataError("<!channel> & <b>")))
    place.tick()
    assert "&lt;!channel&gt; &amp; &lt;b&gt;" in hook.texts[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1{}",
        "http://127.0.0.1:1/a b{}",
        "http://no-such-host.invalid{}",
        "http://[::1{}",
        "ftp://h{}",
        "{}",
    ],
)
def test_a28_the_webhooks_address_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    place = Place(monkeypatch, "alerts_webhook", ALERT_WEBHOOK_URL=url.format(SECRET_PATH))
    place.run(table("orders", DataError("bad")))
    with pytest.raises((ConfigError, SendError)) as failed:
        place.tick()
    said = "".join(traceback.format_exception(failed.value))
    printed = capfd.readouterr()
    seen = said + caplog.text + printed.out + printed.err + repr(AlertSettings(webhook_url=SecretStr(SECRET_PATH)))
    assert "s3cr3tt0ken" not in seen


def test_an_alert_is_published_to_the_topic_in_its_own_region(
    monkeypatch: pytest.MonkeyPatch, sns: AwsEndpoint
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    place = Place(monkeypatch, "alerts_sns", ALERT_SNS_TOPIC_ARN=TOPIC)
    run = place.run(table("orders", DataError("bad & worse")))
    assert place.tick() == "told the SNS topic of aurora-dwh: 1 failure"
    assert sns.called("Publish") == [
        {
            "TopicArn": TOPIC,
            "Subject": "aurora-dwh: 1 failure",
            "Message": f"FAILED staging/orders, 2024-01-05\n  bad & worse\n  {UI}/runs/{run.run_id}",
            "MessageAttributes": {"severity": {"DataType": "String", "StringValue": "error"}},
        }
    ]
    assert sns.regions == ["eu-west-1"]
    assert place.tick() == "nothing failed"


@pytest.mark.parametrize("code", ["AuthorizationError", "NotFound", "Throttling"])
def test_o16_an_alert_that_sns_refuses_fails_the_tick_and_is_published_at_the_next(
    monkeypatch: pytest.MonkeyPatch, sns: AwsEndpoint, code: str
) -> None:
    place = Place(monkeypatch, "alerts_sns", ALERT_SNS_TOPIC_ARN=TOPIC)
    place.run(table("orders", DataError("bad")))
    taken = sns.answers["Publish"]

    def refuse(_: Any) -> Any:
        raise AwsError(code)

    sns.answers["Publish"] = refuse
    with pytest.raises(SendError, match=rf"SNS did not take the alert: An error occurred \({code}\)"):
        place.tick()
    sns.answers["Publish"] = taken
    assert place.tick() == "told the SNS topic of aurora-dwh: 1 failure"
    assert len(sns.called("Publish")) == 2


def test_without_credentials_the_sensor_says_so_and_keeps_the_alert(
    monkeypatch: pytest.MonkeyPatch, sns: AwsEndpoint, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    place = Place(monkeypatch, "alerts_sns", ALERT_SNS_TOPIC_ARN=TOPIC)
    place.run(table("orders", DataError("bad")))
    with pytest.raises(SendError, match="SNS did not take the alert: Unable to locate credentials"):
        place.tick()
    assert sns.calls == []


def test_one_channels_failure_is_nothing_to_the_other(
    monkeypatch: pytest.MonkeyPatch, hook: Hook, sns: AwsEndpoint
) -> None:
    by_hook = Place(monkeypatch, "alerts_webhook", ALERT_WEBHOOK_URL=hook.url, ALERT_SNS_TOPIC_ARN=TOPIC)
    by_topic = Place(monkeypatch, "alerts_sns")
    by_topic.instance = by_hook.instance
    by_topic.cursor = by_hook.cursor
    by_hook.run(table("orders", DataError("bad")))
    hook.status = 500
    for _ in range(2):
        with pytest.raises(SendError):
            by_hook.tick()
        by_topic.tick()
    hook.status = 200
    by_hook.tick()
    assert (len(hook.texts), len(sns.calls)) == (1, 1)


def test_a_long_subject_is_cut_to_what_sns_takes(sns: AwsEndpoint) -> None:
    SnsTopic(TOPIC).send(Message("x" * 500, "body", "error"))
    assert sns.called("Publish")[0]["Subject"] == "x" * 99


def test_publish_is_called_with_just_these_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("sns", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr("boto3.Session.client", lambda *_, **__: client)
    expected = {
        "TopicArn": TOPIC,
        "Subject": "s",
        "Message": "b",
        "MessageAttributes": {"severity": {"DataType": "String", "StringValue": "warning"}},
    }
    with Stubber(client) as stub:
        stub.add_response("publish", {"MessageId": "1"}, expected)
        SnsTopic(TOPIC).send(Message("s", "b", "warning"))
        stub.assert_no_pending_responses()


def test_nothing_is_watched_where_no_channel_is_configured() -> None:
    assert configured({}) == configured({"ALERT_SNS_TOPIC_ARN": " ", "ALERT_WEBHOOK_URL": ""}) == []
    assert build_alert_sensors({}) == []


def test_each_channel_that_is_configured_has_a_sensor_that_runs() -> None:
    both = build_alert_sensors({"ALERT_SNS_TOPIC_ARN": TOPIC, "ALERT_WEBHOOK_URL": "https://hook"})
    assert [sensor.name for sensor in both] == ["alerts_sns", "alerts_webhook"]
    assert {sensor.default_status for sensor in both} == {dg.DefaultSensorStatus.RUNNING}
    assert [s.name for s in build_alert_sensors({"ALERT_WEBHOOK_URL": "https://hook"})] == ["alerts_webhook"]


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"ALERT_SNS_TOPIC_ARN": "data-alerts"}, "ALERT_SNS_TOPIC_ARN is not the ARN of an SNS topic (no FIFO topic)"),
        (
            {"ALERT_SNS_TOPIC_ARN": f"{TOPIC}.fifo"},
            "ALERT_SNS_TOPIC_ARN is not the ARN of an SNS topic (no FIFO topic)",
        ),
        (
            {"ALERT_WEBHOOK_URL": "hooks.example.com"},
            "ALERT_WEBHOOK_URL is not an address that begins with https:// or http://",
        ),
        ({"DAGSTER_UI_URL": "localhost:3000"}, "DAGSTER_UI_URL is not an address that begins with https:// or http://"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_without_its_value(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AlertSettings.from_env(variables)
    assert caught.value.problems == [problem]


def test_a_mistake_in_a_variable_fails_the_tick_and_not_the_code_location(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, "alerts_sns", ALERT_SNS_TOPIC_ARN="data-alerts")
    place.run(table("orders", DataError("bad")))
    with pytest.raises(ConfigError, match="ALERT_SNS_TOPIC_ARN is not the ARN"):
        place.tick()
