"""The figures that docs/operation.md tells are those of the code and of the instance's settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from ruamel.yaml import YAML

from aurora_dwh.core import retries, waiting
from aurora_dwh.instance import health
from aurora_dwh.lake import guard, store
from aurora_dwh.orchestration import failures
from aurora_dwh.orchestration.automation import alerts, failure_events, gaps, retention, run_history, schedules
from aurora_dwh.proof import buckets, compare, pace
from aurora_dwh.settings import aws, config
from aurora_dwh.source import connection as source
from aurora_dwh.source import locks, replication
from aurora_dwh.warehouse import connection
from aurora_dwh.warehouse.load import batches

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "operation.md").read_text(encoding="utf-8").split())
WORDS = {0.25: "a quarter", 1000: "a thousand", 2: "two", 3: "three", 4: "four", 6: "six", 10: "ten", 12: "twelve"}
SPANS = {60: "a minute", 1800: "half an hour", 3600: "an hour", 86400: "a day"}
MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(weeks=1)


def monitoring(*folders: str) -> dict[str, Any]:
    """Return what a dagster.yaml says of run monitoring, and how often a run that is gone is started again."""
    said = YAML(typ="safe").load(ROOT.joinpath(*folders, "dagster.yaml").read_text(encoding="utf-8"))
    return {**said["run_monitoring"], "retries": said["run_retries"]["max_retries"]}


def span(time: timedelta) -> str:
    return SPANS[int(time.total_seconds())]


def pauses(policy: retries.Retries) -> float:
    return sum(policy.pause * policy.growth**number for number in range(policy.attempts - 1))


LOGIN = retries.TRANSACTION
PAUSES = pauses(LOGIN)
LOGINS = LOGIN.attempts * connection.LOGIN_SECONDS + PAUSES
HERE, THERE = monitoring(), monitoring("infra")

SENTENCES = (
    f"{WORDS[batches.MOST_REFUSED]} such days end it",
    f"More than {schedules.TABLES_A_RUN} tables are dealt to several runs",
    f"days of the last {WORDS[timedelta(days=gaps.HORIZON_DAYS) / WEEK]} weeks",
    f"missing days of each of the last {WORDS[gaps.HORIZON_MONTHS]} months",
    f"It waits {span(run_history.PAUSE)} after a failure",
    f"gives up after {WORDS[retries.DAY.attempts]} runs without success",
    f"the newest {WORDS[gaps._SHOWN]} gaps at a time",
    f"more than {guard.MAX_SHARE * 100:.0f} % of the rows are gone (and more than {WORDS[guard.FEW_ROWS]}, or all)",
    f"up to {guard.SAMPLE_ROWS} are looked up in Aurora by their key",
    f"runs it {WORDS[schedules.HOURS_BEHIND_LOAD]} hours after the daily load",
    f"in short statements, {WORDS[pace.PIECE_SECONDS]} of a second each",
    f"more than some {buckets.FEW_ROWS:,} rows",
    f"about {WORDS[buckets.BUCKET_ROWS]} neighbouring rows each",
    f"If more than {compare.CANDIDATES:,} rows differ",
    f"If it lags, reading waits for it, {span(replication.PATIENCE)}",
    f"after {WORDS[1 + failures.RETRY.max_retries]} attempts of the step",
    f"after {waiting.NOTICE_SECONDS:.0f} seconds and then every {waiting.NOTICE_SECONDS:.0f} seconds",
    f"| {connection.LOGIN_SECONDS} s, {WORDS[LOGIN.attempts]} times with pauses of {int(PAUSES)} s in all",
    f"so {int(LOGINS / 60)} min {int(LOGINS % 60)} s",
    f"which a workgroup wakes too | {connection.WAKE_SECONDS:.0f} s",
    f"wait for all who read the table | {connection.LOCK_SECONDS / 60:.0f} min",
    f"a table's other writers among them | {connection.STATEMENT_SECONDS / 3600:.0f} h",
    f"and each answer of its login | {config.CONNECT_TIMEOUT} s, and {source.LOGIN_SECONDS:.0f} s",
    f"Aurora: a statement | {source.DEFAULT_STATEMENT_TIMEOUT / HOUR:.0f} h",
    f"Aurora: a table that is locked | {locks.PATIENCE / MINUTE:.0f} min",
    f"Aurora: a replica that is behind | {replication.PATIENCE / MINUTE:.0f} min",
    f"an answer | {aws.CONNECT_SECONDS} s to connect, {aws.READ_SECONDS} s for bytes, {retries.REQUEST.attempts} times",
    f"within {SPANS[THERE['poll_interval_seconds']]} after the daemon's start such a run is failed",
    f"{SPANS[HERE['free_slots_after_run_end_seconds']]} later its places are free",
    f"once it has said nothing for {span(health.RUN_SILENCE)}",
    f"ended after {WORDS[HERE['max_runtime_seconds'] / 3600]} hours",
    f"in production after {WORDS[THERE['max_runtime_seconds'] / 3600]}",
    f"once they are {span(store.STRAY_AGE)} old",
    f"once a run is {retention.KEPT.days} days old",
    f"Runs without success stay {gaps.HORIZON.days} days",
    f"with {WORDS[alerts.INCIDENTS_SHOWN]} incidents",
    f"older than {WORDS[failure_events.MAX_AGE_SECONDS / 86400]} days when a sensor comes to it is passed over",
)


def test_each_figure_of_the_page_is_the_code_s() -> None:
    assert [sentence for sentence in SENTENCES if sentence not in PAGE] == []
    assert HERE["poll_interval_seconds"] <= THERE["poll_interval_seconds"]
    assert HERE["free_slots_after_run_end_seconds"] == THERE["free_slots_after_run_end_seconds"]
    assert HERE["retries"] == THERE["retries"] == 1


def test_the_totals_that_policies_of_retries_name_are_their_own() -> None:
    text = Path(retries.__file__).read_text(encoding="utf-8")
    by_dagster = [(2**attempt - 1) * retries.STEP.pause for attempt in range(1, retries.STEP.attempts)]
    said = (
        f"may go in a moment, {pauses(retries.DELETION):g} s",
        f"and a transaction: {pauses(retries.TRANSACTION):g} s",
        f"talks to a server: {sum(by_dagster):g} s",
        f"that was scheduled among them: {pauses(retries.DAY) / 3600:g} hours",
    )
    assert [sentence for sentence in said if sentence not in text] == []
    assert aws._config().retries["total_max_attempts"] == retries.REQUEST.attempts


def test_what_the_driver_asks_of_aws_ends_as_the_page_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver makes its client with botocore's own settings."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    monkeypatch.delenv("AWS_RETRY_MODE", raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    keys = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "x")
    nobody = "http://127.0.0.1:1"
    client = boto3.client("redshift-serverless", region_name="eu-west-1", endpoint_url=nobody, **keys)
    asked: list[str] = []
    client.meta.events.register("before-send.redshift-serverless", lambda request, **_: asked.append(request.url))
    with pytest.raises(EndpointConnectionError):
        client.get_credentials(workgroupName="dwh")
    assert f"| {client.meta.config.connect_timeout} s to connect, {len(asked)} times |" in PAGE
