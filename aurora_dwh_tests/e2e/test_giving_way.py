"""A load that lets an ALTER TABLE by: the application does not stand still, and the day is exact all the same."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.source import giving_way, locks, variables
from aurora_dwh.source.giving_way import Watch
from aurora_dwh.source.variables import Variable
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import sample, soak
from aurora_dwh_tests.servers import numbers

DAY = "2024-01-01"
ALTER = "ALTER TABLE t ADD COLUMN fresh INT DEFAULT 7"
ROWS = 24
"""Of which each entry reads about eight a second: the ALTER comes while most are still to be read."""

UPSERT = "{key: id, cursor: at, max_rows_per_second: 8}"
APPEND = "{mode: append, cursor: at, max_rows_per_second: 8}"
OUTFILE = "{mode: full, extract: outfile, filter: SLEEP(0.1) = 0}"


@pytest.mark.parametrize(
    ("aurora", "entry", "moment"),
    [  # rows that the product reads are read in one way, whatever becomes of them
        ("mysql", UPSERT, "over"),
        soak("mysql", OUTFILE, "call"),
        soak("mariadb", APPEND, "over"),
        ("mariadb", OUTFILE, "call"),
    ],
    indirect=["aurora"],
)
def test_c10_an_alter_passes_a_load_and_the_load_is_exact(
    aurora_world: World, entry: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, readings = aurora_world, []
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6), KEY (at))")
    world.at_source(f"INSERT INTO t SELECT seq, '2023-12-31' + INTERVAL seq SECOND FROM {numbers(ROWS)}")
    world.catalog(f"t: {entry}")
    monkeypatch.setattr(giving_way, "LOOK_SECONDS", 0.2)
    begin, enter = getattr(Watch, moment), Watch.__enter__

    def alter() -> None:
        time.sleep(0.5)  # meanwhile rows are read
        world.at_source(ALTER)

    thread = Thread(target=alter)

    def begun(watch: Watch, *arguments: Any) -> Any:
        if thread.ident is None:
            thread.start()
        return begin(watch, *arguments)

    def entered(watch: Watch) -> Watch:
        readings.append(watch)
        return enter(watch)

    monkeypatch.setattr(Watch, moment, begun)
    monkeypatch.setattr(Watch, "__enter__", entered)
    world.load(DAY, "t")
    thread.join()
    assert len(readings) == 2, "the first reading did not give way"
    assert world.columns("t") == ["id", "at", "fresh"]
    world.assert_equal("t")


@pytest.mark.parametrize("aurora", sample(KINDS, "mysql"), indirect=True)
def test_c10_whoever_asks_the_source_names_the_locked_table(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", timedelta(seconds=1))
    shorter = Variable("lock_wait_timeout", "1", "takes the place of the one before it")
    monkeypatch.setattr(variables, "SESSION", (*variables.SESSION, shorter))
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
