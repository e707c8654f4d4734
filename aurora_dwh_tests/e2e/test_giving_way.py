"""A load that lets an ALTER TABLE by: the application does not stand still, and the day is exact all the same."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.source import locks
from aurora_dwh.source.giving_way import Watch
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World

pytestmark = pytest.mark.parametrize("aurora", KINDS, indirect=True)

DAY = "2024-01-01"
ALTER = "ALTER TABLE t ADD COLUMN fresh INT DEFAULT 7"


@pytest.mark.parametrize(
    ("entry", "moment"),
    [
        ("{key: id, cursor: at, max_rows_per_second: 8}", "over"),
        ("{mode: append, cursor: at, max_rows_per_second: 8}", "over"),
        ("{mode: full, extract: outfile, filter: SLEEP(0.1) = 0}", "call"),
    ],
    ids=["incremental", "append", "outfile"],
)
def test_c10_an_alter_passes_a_load_and_the_load_is_exact(
    aurora_world: World, entry: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, took = aurora_world, []
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6), KEY (at))")
    for n in range(60):
        world.at_source(f"INSERT INTO t VALUES ({n}, '2023-12-31 10:00:00' + INTERVAL {n} SECOND)")
    world.catalog(f"t: {entry}")
    begin = getattr(Watch, moment)

    def alter() -> None:
        time.sleep(0.5)  # meanwhile rows are read
        began = time.monotonic()
        world.at_source(ALTER)
        took.append(time.monotonic() - began)

    thread = Thread(target=alter)

    def begun(watch: Watch, *arguments: Any) -> Any:
        if thread.ident is None:
            thread.start()
        return begin(watch, *arguments)

    monkeypatch.setattr(Watch, moment, begun)
    world.load(DAY, "t")
    thread.join()
    assert took[0] < 5, "a reading takes six seconds and more"
    assert world.columns("t") == ["id", "at", "fresh"]
    world.assert_equal("t")


def test_c10_whoever_asks_the_source_names_the_locked_table(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", timedelta(seconds=1))
    world = aurora_world
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6), KEY (at))")
    world.catalog("t: {key: id, cursor: at}")
    world.load(DAY, "t")
    with world.source() as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES t WRITE")
        assert f"somebody else has locked {world.database}.t" in " ".join(run("doctor --json").text.split())
        for command in ("verify t", "plan t"):
            assert f"{world.database}.t is locked" in " ".join(run(command).text.replace("│", "").split()), command
        assert run("discover").exit_code == 0
