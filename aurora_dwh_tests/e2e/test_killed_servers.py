"""A server is killed in the middle of a run: a clear message, nothing half written, and a re-run repairs it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from aurora_dwh.core import retries
from aurora_dwh.lake import store
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import Fault
from aurora_dwh.source import reader
from aurora_dwh_tests.e2e.world import Run, World, chain
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import Server, numbers

FIRST, SECOND = "2024-01-01", "2024-01-02"
FIRST_ROWS, ROWS = 1_000, 75_000

few_rows = pytest.mark.parametrize("big", [5_000], indirect=True)
"""Marks a test that interrupts no stream of rows from the source, but what is done with them."""


def made(rows: int = ROWS) -> tuple[str, str]:
    """Return the statements that make the table."""
    return (
        "CREATE TABLE big (id INT PRIMARY KEY, changed DATETIME(6) NOT NULL, note VARCHAR(200), KEY (changed))",
        (
            f"INSERT INTO big SELECT seq, IF(seq <= {FIRST_ROWS}, '2024-01-01 10:00:00', '2024-01-02 10:00:00') "
            f"+ INTERVAL seq MICROSECOND, REPEAT(CHAR(65 + seq % 26), 200) FROM {numbers(rows)}"
        ),
    )


@pytest.fixture
def big(world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    """A table of 15 MB, unless a test wants fewer rows, most in the second day, of which the first is loaded."""
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))
    monkeypatch.setattr(retries, "REQUEST", retries.Retries(2))
    monkeypatch.setenv("AURORA_SOURCE", "big, whatever address leads to it")
    world.catalog("big: {key: id, cursor: changed}")
    world.at_source(*made(getattr(request, "param", ROWS)))
    world.load(FIRST, "big")
    return world


@pytest.fixture
def lake_again(lake_server: LakeServer) -> Iterator[LakeServer]:
    """The S3 server, which runs again after the test whatever happened."""
    yield lake_server
    if not lake_server.is_alive():
        lake_server.start()


@few_rows
@pytest.mark.parametrize("statement", ["COPY", soak("INSERT INTO"), "COMMIT"])
def test_a15_the_warehouse_is_killed_during_a_load(big: World, statement: str) -> None:
    try:
        with _killed_at(big, statement, lambda: big.redshift.postgres_pid):
            run = big.run(SECOND, None, chain("big"))
    finally:
        big.redshift.start()
    _assert_clear(run, "staging/big", "Redshift")
    assert big.materialized_days("staging/big") == {FIRST}
    _assert_only_first_day(big)
    _assert_repaired(big)


@few_rows
def test_a15_a_connection_that_is_lost_after_commit_is_looked_up_and_not_loaded_twice(big: World) -> None:
    big.redshift.faults.add(Fault("^COMMIT", "drop", when="after"))
    big.load(SECOND, "big")
    big.assert_equal("big")
    assert big.ask_warehouse("SELECT COUNT(*) FROM dwh.load_history WHERE day = '2024-01-02'") == [(1,)]


@few_rows
@pytest.mark.parametrize("moment", ["parts", "manifest"])
def test_a18_the_lake_is_killed_while_a_day_is_written(
    big: World, lake_again: LakeServer, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    with monkeypatch.context() as patch:
        if moment == "parts":
            _do_before(patch, store, "S3Upload", lambda: _kill(lake_again.pid))
        else:
            _do_before(patch, store.Lake, "_put_manifest", lambda: _kill(lake_again.pid))
        run = big.run(SECOND, None, chain("big"))
    _assert_clear(run, "lake/big", "S3")
    lake_again.start()
    assert big.materialized_days("lake/big") == {FIRST}
    staged = big.run(SECOND, None, chain("big")[1:])
    _assert_clear(staged, "lake/big", SECOND)  # a day is in the lake as a whole or not at all
    _assert_only_first_day(big)
    _assert_repaired(big)


@few_rows
def test_a23_the_lake_is_killed_before_copy_reads_it(big: World, lake_again: LakeServer) -> None:
    with _killed_at(big, "COPY", lambda: lake_again.pid):
        run = big.run(SECOND, None, chain("big"))
    _assert_clear(run, "/big", "Could not connect to the endpoint")  # said by COPY, or by the attempt after it
    lake_again.start()
    _assert_only_first_day(big)
    _assert_repaired(big)


def test_a18_the_source_is_killed_while_its_rows_are_read(big: World, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as patch:
            _do_after_first_batch(patch, big.server.kill)
            run = big.run(SECOND, None, chain("big"))
    finally:
        big.server.start()
    _assert_clear(run, "lake/big", "Aurora")
    assert big.materialized_days("lake/big") == {FIRST}
    _assert_only_first_day(big)
    _assert_repaired(big)


def test_a18_a_failover_while_rows_are_read_is_survived_by_the_run(big: World, monkeypatch: pytest.MonkeyPatch) -> None:
    successor = Server("mysql")
    try:
        _take_over(successor, big)

        def fail_over() -> None:  # the name in AURORA_HOST leads to another, read-only server from now on
            big.server.kill()
            monkeypatch.setenv("AURORA_PORT", str(successor.port))

        with monkeypatch.context() as patch:
            _do_after_first_batch(patch, fail_over)
            run = big.run(SECOND, None, chain("big"))
        assert run.success, run.failures
        assert any(event.is_step_up_for_retry for event in run.events)
    finally:
        successor.remove()
        big.server.start()
    big.assert_equal("big")


def _take_over(successor: Server, world: World) -> None:
    """Give a server the rows of a world's source and its password, and let it be a reader."""
    with successor.connect() as connection, connection.cursor() as cursor:
        for statement in (f"CREATE DATABASE {world.database} CHARACTER SET utf8mb4", f"USE {world.database}", *made()):
            cursor.execute(statement)
        cursor.execute("SET GLOBAL read_only = 1")
        cursor.execute("ALTER USER root@localhost IDENTIFIED BY %s", (world.server.password,))


def _assert_clear(run: Run, asset: str, cause: str) -> None:
    """Expect a message of a line or two that says where and why, instead of a traceback or of what Dagster counted."""
    assert not run.success
    assert asset in run.failure
    assert cause in run.failure
    assert len(run.failure) < 1000
    assert "Traceback" not in run.failure
    assert "max_retries" not in run.failure


def _assert_only_first_day(world: World) -> None:
    assert world.ask_warehouse("SELECT COUNT(*), MAX(id) FROM staging.big") == [(FIRST_ROWS, FIRST_ROWS)]
    assert world.ask_warehouse("SELECT day::VARCHAR FROM dwh.load_history") == [(FIRST,)]


def _assert_repaired(world: World) -> None:
    world.load(SECOND, "big")
    world.assert_equal("big")


@contextmanager
def _killed_at(world: World, statement: str, pid: Callable[[], int | None]) -> Iterator[None]:
    """Kill a process while the warehouse is at the next statement of a kind, which is slow for once."""
    seen = len(world.redshift.statements)
    came = threading.Event()
    world.redshift.faults.add(Fault(f"^{statement}", "delay", seconds=60, until=came))

    def watch() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            later = list(world.redshift.statements)[seen:]
            if any(text.lstrip().startswith(statement) for text in later):
                _kill(pid())
                came.set()
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield
    watcher.join()
    assert came.is_set(), f"the run came to no {statement}"


def _kill(pid: int | None) -> None:
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)


def _do_before(patch: pytest.MonkeyPatch, owner: Any, name: str, action: Callable[[], None]) -> None:
    """Let a call of the product be preceded by `action`."""
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        action()
        return original(*args, **kwargs)

    patch.setattr(owner, name, call)


def _do_after_first_batch(patch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Let the source's reader do `action` when it has given its first rows."""
    original = reader.read

    def read(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, batch in enumerate(original(*args, **kwargs)):
            if number == 1:
                action()
            yield batch

    patch.setattr(reader, "read", read)
