"""The event log that keeps its connections is Dagster's own in all but that."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Queue
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from aurora_dwh.instance.sqlite import KEPT, SqliteEventLog
from aurora_dwh_tests.instances import PROJECT_SETTINGS, orders


@pytest.fixture
def log(instance: dg.DagsterInstance) -> SqliteEventLog:
    assert isinstance(instance.event_log_storage, SqliteEventLog)
    return instance.event_log_storage


def another(instance: dg.DagsterInstance) -> SqliteEventLog:
    """Return a log of the same runs that shares nothing with the instance's own."""
    made = SqliteEventLog.from_config_value(None, {})
    made.register_instance(instance)
    return made


def run_id() -> str:
    return str(uuid4())


def entry(run: str, message: str) -> EventLogEntry:
    return EventLogEntry(None, 20, message, run, 1_700_000_000.0, job_name="load")


def messages(log: SqliteEventLogStorage, run: str) -> list[str]:
    return [found.user_message for found in log.get_logs_for_run(run)]


def test_what_a_run_wrote_is_read_by_dagsters_own_storage_and_the_other_way_round(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert isinstance(instance.event_log_storage, SqliteEventLog)
    first = dg.materialize([orders], instance=instance)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as own:
        assert type(own.event_log_storage) is SqliteEventLogStorage
        second = dg.materialize([orders], instance=own)
        for run in (first, second):
            told = [e.message for e in own.all_logs(run.run_id)]
            assert told == [e.message for e in instance.all_logs(run.run_id)]
            assert len(told) > 10
        for each in (own, instance):
            latest = each.get_latest_materialization_event(dg.AssetKey("orders"))
            assert latest is not None
            assert latest.run_id == second.run_id


def test_o15_without_a_dagster_home_the_log_is_in_the_folder_that_dagster_makes_for_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    ref = InstanceRef.from_dir(str(tmp_path), config_dir=str(PROJECT_SETTINGS.parent))  # as its command line does
    with dg.DagsterInstance.from_ref(ref) as instance, dg.DagsterInstance.from_ref(instance.get_ref()) as again:
        done = dg.materialize([orders], instance=instance)
        assert isinstance(again.event_log_storage, SqliteEventLog)
        assert len(again.all_logs(done.run_id)) > 10
    assert (tmp_path / "history" / "runs" / f"{done.run_id}.db").is_file()


def test_who_follows_a_run_hears_of_each_event_while_its_writer_goes_on(
    log: SqliteEventLog, instance: dg.DagsterInstance
) -> None:
    run, heard = run_id(), Queue[str]()
    log.store_event(entry(run, "before"))
    reader = another(instance)
    reader.watch(run, None, lambda event, _: heard.put(event.user_message))
    try:
        for message in ("one", "two", "three"):
            log.store_event(entry(run, message))
            told = ""
            while told != message:
                told = heard.get(timeout=10)
    finally:
        reader.dispose()


def test_a_writer_that_is_killed_leaves_what_it_wrote(log: SqliteEventLog) -> None:
    run = run_id()
    if (child := os.fork()) == 0:
        log.store_event(entry(run, "written"))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert messages(log, run) == ["written"]


def test_many_runs_hold_few_files_open_and_each_keeps_its_events(
    instance: dg.DagsterInstance, log: SqliteEventLog
) -> None:
    runs = [run_id() for _ in range(KEPT + 10)]
    for run in runs:
        log.store_event(entry(run, "first"))
    for run in runs:
        log.store_event(entry(run, "second"))
    assert all(messages(log, run) == ["first", "second"] for run in runs)
    assert 0 < len([name for name in _open_files(instance.root_directory) if name.endswith(".db")]) <= KEPT
    log.dispose()
    assert not [name for name in _open_files(instance.root_directory) if ".db" in name]


def test_a_log_that_was_wiped_begins_anew(log: SqliteEventLog) -> None:
    run = run_id()
    log.store_event(entry(run, "before"))
    log.wipe()
    assert messages(log, run) == []
    log.store_event(entry(run, "after"))
    assert messages(log, run) == ["after"]


def test_threads_with_logs_of_their_own_write_to_one_run_at_once(
    log: SqliteEventLog, instance: dg.DagsterInstance
) -> None:
    run, logs = run_id(), [log, *(another(instance) for _ in range(2))]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda n: logs[n % 3].store_event(entry(run, str(n))), range(60)))
    assert sorted(map(int, messages(log, run))) == list(range(60))
    for other in logs[1:]:
        other.dispose()


def _open_files(folder: str) -> list[str]:
    names = []
    for file in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the listing's own is gone
            names.append(str(file.readlink()))
    return [name for name in names if name.startswith(folder)]
