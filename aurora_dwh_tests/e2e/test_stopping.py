"""Stop means stop: by the UI's own API, by Ctrl-C and by SIGTERM, wherever a run is and whatever it waits for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.dagster_ui import ROOT, Api, Served, served
from aurora_dwh_tests.e2e.conftest import make_world
from aurora_dwh_tests.e2e.remedies import run as run_command
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.proxies import PASS, Fate, mysql_proxy, redshift_proxy, s3_proxy
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import Server, numbers
from aurora_dwh_tests.services import s3_client

CHAIN = ("lake/t", "staging/t")
SECONDS = 12.0
"""A stop takes 5 s at the most, on a machine that has nothing else to do; what is held here would take minutes."""

HELD_SECONDS = 600.0


@dataclass
class Hold:
    """Keeps the first call that a pattern finds from going on, until it is let go.

    Attributes:
        met: Set once the call has come.
    """

    pattern: str = ""
    met: threading.Event = field(default_factory=threading.Event)
    _gone: threading.Event = field(default_factory=threading.Event)
    _fate: Fate = PASS

    def at(self, pattern: str) -> None:
        """Hold the next call of a pattern."""
        self.pattern, self.met, self._gone = pattern, threading.Event(), threading.Event()

    def let_go(self, fate: Fate = PASS) -> None:
        """Let the call that is held meet its fate, and hold no other."""
        self.pattern, self._fate = "", fate
        self._gone.set()

    def meet(self, call: str) -> Fate:
        """Hold a call, or let it pass."""
        if not self.pattern or not re.search(self.pattern, call):
            return PASS
        self.met.set()
        self._gone.wait(HELD_SECONDS)
        return self._fate


@dataclass
class Stage:
    """A world behind proxies that hold calls, and `dagster dev` in it; `stopped` are the runs that were stopped."""

    world: World
    hold: Hold
    s3: Any
    log: Path
    environment: dict[str, str]
    stopped: list[str] = field(default_factory=list)
    dagster: Served = field(init=False)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Have `dagster dev` run."""
        with served("dagster", ["dev", "-m", "aurora_dwh.definitions"], self.environment, self.log) as self.dagster:
            yield

    @property
    def api(self) -> Api:
        """The UI's own API."""
        return Api(self.dagster.url)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Hold a table of the warehouse as another writer does."""
        with self.world.redshift.admin(self.world.variables["REDSHIFT_DATABASE"]) as other:
            other.query("BEGIN")
            other.query(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
            other.query("ROLLBACK")

    def waits_for_a_lock(self) -> bool:
        """Return whether a session of the warehouse does."""
        with self.world.redshift.admin(self.world.variables["REDSHIFT_DATABASE"]) as admin:
            return bool(admin.query("SELECT 1 FROM pg_locks WHERE NOT granted"))

    def launched(self, day: str, pattern: str) -> str:
        """Launch a run of a day, and return its id once it is held."""
        self.hold.at(pattern)
        run = self.api.launch("daily_load", day, *CHAIN)
        until(self.hold.met.is_set, 120, lambda: self.api.events(run)[-5:])
        return run

    def program(self, *command: str) -> subprocess.Popen[str]:
        """Start a program of the product's environment, which hears signals as in a terminal."""
        return subprocess.Popen(
            [Path(sys.executable).with_name(command[0]), *command[1:]],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in (signal.SIGINT, signal.SIGTERM)],
        )

    def materialize(self, day: str) -> subprocess.Popen[str]:
        """Start a run of a day in a terminal."""
        command = "dagster asset materialize -m aurora_dwh.definitions --select key:lake/t --partition"
        return self.program(*command.split(), day)

    def in_lake(self, day: str) -> list[str]:
        """Return the keys of a day's objects."""
        bucket, prefix = self.world.variables["LAKE_URI"].removeprefix("s3://").split("/", 1)
        listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return [item["Key"] for item in listed if f"/day={day}/" in item["Key"]]

    def in_warehouse(self, day: str) -> int:
        """Return how many rows of a day and of its history are in the warehouse."""
        there = self.world.ask_warehouse("SELECT schemaname, tablename FROM pg_tables")
        columns = {("staging", "t"): "_dwh_day", ("dwh", "load_history"): "day"}
        counts = [
            self.world.ask_warehouse(f"SELECT COUNT(*) FROM {'.'.join(table)} WHERE {columns[table]} = '{day}'")
            for table in columns.keys() & {tuple(row) for row in there}
        ]
        return sum(int(count) for ((count,),) in counts)


@pytest.fixture(scope="module")
def stage(
    mysql: Server,
    lake_server: LakeServer,
    redshift: RedshiftStandIn,
    dagster_home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """One `dagster dev` for all that is stopped here."""
    folder, hold = tmp_path_factory.mktemp("stopping"), Hold()
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        instance = stack.enter_context(dg.DagsterInstance.ephemeral())
        making = make_world(mysql, mysql.database(), lake_server, redshift, dagster_home, instance, folder, patch)
        world = stack.enter_context(making)
        source = stack.enter_context(mysql_proxy(mysql.host, mysql.port, hold.meet))
        warehouse = stack.enter_context(redshift_proxy(redshift.host, redshift.port, hold.meet))
        host, port = lake_server.endpoint_url.removeprefix("http://").split(":")
        lake = stack.enter_context(s3_proxy(host, int(port), hold.meet))
        world.at_source(
            "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6) NOT NULL, pad TEXT, KEY (at))",
            *(
                f"INSERT INTO t SELECT {day}00000 + seq, '2024-01-0{day} 10:00:00' + INTERVAL seq SECOND, "
                "CONCAT(SHA2(RAND(), 512), SHA2(RAND(), 512), SHA2(RAND(), 512), SHA2(RAND(), 512)) "
                f"FROM {numbers(40_000 if day == 1 else 1_000)}"
                for day in range(1, 10)
            ),
        )
        world.catalog("t: {key: id, cursor: at}")
        with world.catalog_file.open("a", encoding="utf-8") as catalog:
            catalog.write("pools: {aurora: 1, redshift: 1}\n")
        settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        shortened = re.sub(r"(poll_interval|free_slots_after_run_end)_seconds: \d+", r"\1_seconds: 3", settings)
        (world.home / "dagster.yaml").write_text(shortened, encoding="utf-8")
        patch.setenv("AURORA_SOURCE", "one source, behind a proxy or not")
        environment = {
            **os.environ,
            **world.variables,
            "AURORA_PORT": str(source),
            "REDSHIFT_PORT": str(warehouse),
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{lake}",
        }
        made = Stage(world, hold, s3_client(lake_server), folder / "dagster.log", environment)
        stack.enter_context(made.served())
        yield made


def _of_terminal(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """Return the runs that were started in a terminal, the last one first."""
    return [run for run in instance.get_runs() if run.remote_job_origin is None]


def _is_blocked(instance: dg.DagsterInstance) -> bool:
    """Return whether such a run has waited for a place in a pool."""
    entries = (entry for run in _of_terminal(instance) for entry in instance.all_logs(run.run_id))
    return any("blocked by limit for pool" in entry.message for entry in entries)


def _is_manifest(key: str) -> bool:
    return key.endswith("_manifest.json")


@pytest.mark.parametrize(
    ("day", "pattern"),
    [  # the next tests: while rows are read, and in the warehouse
        ("2024-01-01", "^PUT .*/part-.*partNumber=2"),
        soak("2024-01-02", "^rows$"),
        soak("2024-01-03", "^PUT .*/_manifest.json"),
        soak("2024-01-04", "^COPY"),
    ],
    ids=["upload", "rows", "manifest", "copy"],
)
def test_o01_terminate_ends_a_run_wherever_it_is_and_nothing_is_tried_again(
    stage: Stage, day: str, pattern: str
) -> None:
    run = stage.launched(day, pattern)
    stage.api.terminate(run)
    took = stage.api.await_status(run, "CANCELED")
    stage.hold.let_go(Fate("before"))
    assert took < SECONDS
    assert "STEP_UP_FOR_RETRY" not in [kind for kind, _ in stage.api.events(run)]
    assert any(map(_is_manifest, stage.in_lake(day))) == (pattern == "^COPY")
    assert stage.in_warehouse(day) == 0
    stage.stopped.append(run)


def test_o01_a_run_that_waits_for_its_place_in_a_pool_is_ended_there(stage: Stage) -> None:
    first = stage.launched("2024-01-02", "^rows$")
    command = stage.materialize("2024-01-03")
    with dg.DagsterInstance.get() as instance:
        until(lambda: _is_blocked(instance), 120)
        command.send_signal(signal.SIGINT)
        text, _ = command.communicate(timeout=SECONDS)
        run = _of_terminal(instance)[0]
    assert run.status is dg.DagsterRunStatus.CANCELED, text
    stage.api.terminate(first)
    assert stage.api.await_status(first, "CANCELED") < SECONDS
    stage.hold.let_go(Fate("before"))
    stage.stopped += [first, run.run_id]


def test_o01_a_statement_that_nobody_waits_for_any_more_is_ended_in_redshift_too(stage: Stage) -> None:
    stage.world.load("2024-01-05", "t")
    with stage.locked("staging.t"):
        run = stage.api.launch("daily_load", "2024-01-06", *CHAIN)
        until(stage.waits_for_a_lock, 120, lambda: stage.api.events(run)[-5:])
        stage.api.terminate(run)
        assert stage.api.await_status(run, "CANCELED") < SECONDS
        until(lambda: not stage.waits_for_a_lock(), SECONDS)
    assert "STEP_UP_FOR_RETRY" not in [kind for kind, _ in stage.api.events(run)]
    assert stage.in_warehouse("2024-01-06") == 0
    stage.stopped.append(run)


@pytest.mark.parametrize(("day", "pattern"), [soak("2024-01-07", "^rows$"), ("2024-01-08", "^COPY")])
def test_o01_a_run_that_was_forced_to_its_end_writes_nothing_more(stage: Stage, day: str, pattern: str) -> None:
    run = stage.launched(day, pattern)
    with dg.DagsterInstance.get() as instance:  # as where its code server cannot be reached
        forced = instance.get_run_by_id(run)
        assert forced
        instance.report_run_canceled(forced)
    stage.hold.let_go()
    ended = "Computational resources were cleaned up after the run was forcibly marked as canceled."
    until(lambda: ended in [message for _, message in stage.api.events(run)], 60, lambda: stage.api.events(run)[-5:])
    assert any(map(_is_manifest, stage.in_lake(day))) == (pattern == "^COPY")
    assert stage.in_warehouse(day) == 0
    stage.stopped.append(run)


@pytest.mark.parametrize("sign", [soak(signal.SIGINT), signal.SIGTERM])
def test_o01_ctrl_c_ends_a_command_and_its_exit_code_says_so(stage: Stage, sign: signal.Signals) -> None:
    stage.hold.at("^rows$")
    command = stage.program("aurora-dwh", "rebuild", "t", "--from", "source")
    until(stage.hold.met.is_set, 120)
    command.send_signal(sign)
    text, _ = command.communicate(timeout=SECONDS)
    stage.hold.let_go(Fate("before"))
    assert command.returncode == 130, text
    assert "stopped" in text
    assert "Traceback" not in text


def test_o01_ctrl_c_cancels_a_run_of_a_terminal(stage: Stage) -> None:
    day = "2024-01-09"
    stage.hold.at("^rows$")
    command = stage.materialize(day)
    until(stage.hold.met.is_set, 120)
    command.send_signal(signal.SIGINT)
    text, _ = command.communicate(timeout=SECONDS)
    stage.hold.let_go(Fate("before"))
    with dg.DagsterInstance.get() as instance:
        run = _of_terminal(instance)[0]
    assert run.status is dg.DagsterRunStatus.CANCELED, text
    assert not any(map(_is_manifest, stage.in_lake(day)))
    assert command.returncode == 1
    stage.stopped.append(run.run_id)


def test_o01_what_was_stopped_stays_so_and_the_days_can_be_loaded(stage: Stage) -> None:
    stage.api.await_status(stage.api.launch("daily_load", "2024-01-01", *CHAIN, last="2024-01-09"), "SUCCESS")
    stage.world.assert_equal("t")
    assert {stage.api.status(run) for run in stage.stopped} == {"CANCELED"}


def test_o04_after_a_power_cut_a_run_that_is_gone_is_ended_and_its_place_freed(stage: Stage) -> None:
    run = stage.launched("2024-01-02", "^rows$")
    stage.dagster.kill()
    stage.hold.let_go(Fate("before"))
    (found,) = [check for check in json.loads(run_command("doctor --json").text) if check["name"] == "dagster: runs"]
    assert found["state"] == "warning"
    assert found["detail"] == f"{run} of daily_load: the code server that started it is gone"
    with stage.served(), dg.DagsterInstance.get() as instance:
        stage.api.await_status(run, "FAILURE", seconds=60)
        until(lambda: run not in instance.event_log_storage.get_concurrency_run_ids(), 60)
