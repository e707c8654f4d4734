"""Runs that ended long ago are forgotten, and which partitions are there is not: in SQLite and in PostgreSQL."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_spec import AssetCheckKey
from dagster._core.remote_origin import RegisteredCodeLocationOrigin
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG, ROOT_RUN_ID_TAG, RUN_KEY_TAG, SENSOR_NAME_TAG
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.core.models import utc_now
from aurora_dwh.instance.retention import Pruned, Retention
from aurora_dwh.instance.run_tags import REQUESTED_BY
from aurora_dwh.orchestration.automation.retention import build_retention_sensor
from aurora_dwh_tests.instances import PROJECT_SETTINGS, Storage, postgres_settings

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-11")
COLUMNS = dg.TableSchema([dg.TableColumn(f"column_{number}", "integer") for number in range(30)])
KEY, TOTAL = dg.AssetKey("lines"), dg.AssetKey("total")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("right", asset="lines")])
def lines(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Tell as much of a day as a table's load, and fail where the run is told to."""
    if context.has_tag("fail"):
        raise dg.Failure("as told")
    told = {"rows": 3, "statement": "SELECT 1", "dagster/column_schema": COLUMNS}
    yield dg.MaterializeResult(metadata=told)
    yield dg.AssetCheckResult(check_name="right", passed=True, description=context.partition_key)


@dg.asset(deps=[lines], partitions_def=DAYS, automation_condition=dg.AutomationCondition.eager())
def copies() -> None:
    """Follow the lines of a day."""


@dg.asset(deps=[lines])
def total() -> dg.MaterializeResult[None]:
    """Have no days."""
    return dg.MaterializeResult(metadata={"rows": 7})


DEFINITIONS = dg.Definitions([lines, copies, total])


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    made = Storage(tmp_path_factory.mktemp("storage"))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgres"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance without runs, as the project sets it up locally and as in production."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    settings = PROJECT_SETTINGS.read_text()
    if request.param == "postgres":
        settings = postgres_settings(request.getfixturevalue("storage"))
    (tmp_path / "dagster.yaml").write_text(settings)
    with dg.DagsterInstance.get() as made:
        made.wipe()
        yield made


def run(instance: dg.DagsterInstance, *assets: Any, day: str | None = None, **tags: str) -> str:
    done = dg.materialize(
        list(assets), instance=instance, partition_key=day, tags=tags, raise_on_error=False,
        selection=[asset.key for asset in assets],
    )  # fmt: skip
    assert done.success != ("fail" in tags)
    return done.run_id


def history(instance: dg.DagsterInstance) -> datetime:
    """Make runs of several days, and return a moment behind them."""
    for day in ("2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"):
        run(instance, lines, copies, day=day)
    for _ in range(2):
        run(instance, total)
    return utc_now()


def prune(instance: dg.DagsterInstance, before: datetime, *, is_dry: bool = False, failed: bool = False) -> Pruned:
    kept = Retention(instance)
    old = kept.old(before, failed=before if failed else before - timedelta(days=100))
    return sum(kept.prune(old, is_dry=is_dry), Pruned())


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return what the instance says of the assets."""
    found: dict[str, Any] = {}
    for key, partitions in ((KEY, DAYS), (copies.key, DAYS), (TOTAL, None)):
        (record,) = instance.get_asset_records([key])
        entry = record.asset_entry
        cached = get_and_update_asset_status_cache_value(instance, key, partitions)
        assert cached
        latest = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        found[key.to_user_string()] = (
            instance.get_materialized_partitions(key),
            latest,
            entry.last_materialization_storage_id,
            entry.last_materialization_record.timestamp if entry.last_materialization_record else None,
            cached.serialized_materialized_partition_subset,
            cached.serialized_failed_partition_subset,
            [(r.storage_id, r.timestamp, r.partition_key) for r in last_of_each(instance, key)],
        )
    check = AssetCheckKey(KEY, "right")
    summary = instance.event_log_storage.get_asset_check_summary_records([check])[check]
    assert summary.last_check_execution_record
    found["check"] = (summary.last_check_execution_record.id, summary.last_check_execution_record.status)
    return found


def last_of_each(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[dg.EventLogRecord]:
    """Return the last materialization of each partition."""
    records = instance.fetch_materializations(key, limit=1000).records
    latest = {record.partition_key: record for record in reversed(records)}
    return sorted(latest.values(), key=lambda record: record.storage_id)


def requested(instance: dg.DagsterInstance, cursor: Any = None) -> tuple[int, Any]:
    found = dg.evaluate_automation_conditions(DEFINITIONS, instance=instance, cursor=cursor)
    return found.total_requested, found.cursor


def test_o13_what_is_there_stays_and_nothing_looks_new(instance: dg.DagsterInstance) -> None:
    _, cursor = requested(instance)
    before = history(instance)
    newest = run(instance, lines, copies, day="2024-01-04")
    for _ in range(3):
        asked, cursor = requested(instance, cursor)
    assert asked == 0
    there, events = shown(instance), instance.event_log_storage.get_maximum_record_id()
    said = prune(instance, before, is_dry=True)
    assert (len(instance.get_runs()), shown(instance)) == (7, there)
    assert prune(instance, before) == said
    assert said.runs == 6
    assert said.events > 100
    assert [found.run_id for found in instance.get_runs()] == [newest]
    assert shown(instance) == there
    assert instance.event_log_storage.get_maximum_record_id() == events
    assert requested(instance, cursor)[0] == 0
    assert prune(instance, before) == Pruned()


def test_o13_of_a_run_its_logs_are_gone_and_of_a_partition_its_figures_stay(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    before = history(instance)
    old = [found.run_id for found in instance.get_runs()]
    run(instance, total)
    prune(instance, before)
    files = {file.name for file in tmp_path.rglob("*") if any(name in str(file) for name in old)}
    assert files == set()
    with dg.DagsterInstance.get() as other:
        left = {event.dagster_event_type for found in old for event in other.all_logs(found)}
    assert left <= {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    assert len(instance.fetch_materializations(KEY, limit=100).records) == 3
    assert len(instance.fetch_materializations(TOTAL, limit=100).records) == 1
    told = {
        record.partition_key: sorted(record.asset_materialization.metadata)
        for record in last_of_each(instance, KEY)
        if record.asset_materialization
    }
    assert told == {
        "2024-01-01": ["rows"],
        "2024-01-02": ["rows"],
        "2024-01-03": ["dagster/column_schema", "rows", "statement"],  # the asset's page shows this one
    }


def test_o13_runs_that_somebody_may_ask_for_stay(instance: dg.DagsterInstance) -> None:
    def stored(status: dg.DagsterRunStatus, **tags: str) -> str:
        of = {name.replace("__", "/"): value for name, value in tags.items()}
        found = dg.DagsterRun("job", status=status, tags=of)
        return instance.run_storage.add_run(found).run_id

    success, status = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus
    under_way = {stored(one) for one in (status.NOT_STARTED, status.STARTING, status.STARTED, status.CANCELING)}
    origin = stored(status.FAILURE)
    retry = stored(status.STARTED, **{ROOT_RUN_ID_TAG: origin})
    failed = stored(status.FAILURE)
    by_key = {SENSOR_NAME_TAG: "sensor", RUN_KEY_TAG: "one"}
    foreign, own = stored(success, **by_key), stored(success, **by_key, **{REQUESTED_BY: "gaps"})
    here = stored(success, **{REPOSITORY_LABEL_TAG: "defs@here"})
    plain, newest = stored(success), stored(success)
    kept, now = Retention(instance), utc_now() + timedelta(seconds=1)
    assert kept.old(now, failed=now - timedelta(days=1)) == [own, here, plain]
    assert kept.old(now, failed=now) == [failed, own, here, plain]
    assert kept.old(now, failed=now, location="defs@here") == [here]
    assert kept.old(now - timedelta(hours=1), failed=now) == []
    list(kept.prune(kept.old(now, failed=now)))
    assert {found.run_id for found in instance.get_runs()} == {*under_way, origin, retry, foreign, newest}


def test_o13_a_failed_day_is_shown_as_failed_for_as_long_as_its_run_stays(instance: dg.DagsterInstance) -> None:
    history(instance)
    run(instance, lines, day="2024-01-05", fail="yes")
    run(instance, total)
    there = shown(instance)
    prune(instance, utc_now())
    assert shown(instance) == there


def test_o13_ids_are_not_given_again_when_all_runs_are_old(instance: dg.DagsterInstance) -> None:
    history(instance)
    events = instance.event_log_storage.get_maximum_record_id()
    prune(instance, utc_now(), failed=True)
    Retention(instance).compact()
    run(instance, lines, day="2024-01-06")
    (record,) = instance.fetch_materializations(KEY, limit=1).records
    assert events is not None
    assert record.storage_id > events


def test_o13_it_goes_on_beside_runs(instance: dg.DagsterInstance) -> None:
    """As beside `dagster dev`: another process's runs are written while rows are deleted and files are made smaller."""
    before = history(instance)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with dg.DagsterInstance.get() as other:
                for day in ("2024-01-07", "2024-01-08", "2024-01-09"):
                    run(other, lines, day=day)
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    done = Pruned()
    while worker.is_alive():
        done += prune(instance, before)
        Retention(instance).compact()
        worker.join(0.2)  # which has to come to its turn: a file is made smaller under a lock
    assert not failures
    assert done.runs >= 6
    assert instance.get_materialized_partitions(KEY) == {f"2024-01-0{day}" for day in (1, 2, 3, 7, 8, 9)}


def test_o13_the_sensor_forgets_runs_of_its_own_location_when_they_are_old(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = {REPOSITORY_LABEL_TAG: "__repository__@mine"}
    for day in ("2024-01-01", "2024-01-02"):
        run(instance, lines, day=day, **label)
    other, newest = run(instance, total), run(instance, total)
    assert tick(instance) == "removed 0 runs, 0 events, 0.0 MB"
    later = datetime.now(timezone.utc) + timedelta(days=31)
    monkeypatch.setattr("aurora_dwh.orchestration.automation.retention.utc_now", lambda: later)
    assert tick(instance).startswith("removed 2 runs, ")
    assert {found.run_id for found in instance.get_runs()} == {other, newest}
    assert instance.get_materialized_partitions(KEY) == {"2024-01-01", "2024-01-02"}


def tick(instance: dg.DagsterInstance) -> str:
    """Return what the sensor says at a tick in the location `mine`."""
    context = dg.SensorEvaluationContext(
        instance_ref=instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=None,
        log_key=None,
        repository_name="__repository__",
        instance=instance,
        code_location_origin=RegisteredCodeLocationOrigin("mine"),
    )
    found = build_retention_sensor()(context)
    assert isinstance(found, dg.SkipReason)
    return found.skip_message or ""


def test_o13_without_an_instance_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    said = CliRunner().invoke(app, ["prune", "--before", "2024-01-01"])
    assert (said.exit_code, "DAGSTER_HOME is not set" in said.output) == (2, True)
