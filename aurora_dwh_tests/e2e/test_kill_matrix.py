"""A day is stopped at each of its statements: it is whole or as before, as the page says, and one attempt mends it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from aurora_dwh.local.lake import LakeServer
from aurora_dwh_tests.e2e import kill_matrix, steps
from aurora_dwh_tests.e2e.kill_matrix import DAY, TABLE, WAYS
from aurora_dwh_tests.e2e.world import World

WRITES = os.environ.get("KILL_MATRIX") == "write"
"""`make kill-matrix` has the page written instead of compared."""


@pytest.mark.soak  # `make test` has each crash beside the code that runs the statement, and random ones in over_time/
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("section", kill_matrix.SECTIONS)
def test_a15_a18_a25_what_a_crash_leaves_is_what_the_page_says(
    world: World, lake_server: LakeServer, s3: Any, section: str
) -> None:
    with kill_matrix.bench(world, lake_server, s3, section) as on:
        names = [f"{server}: {words}" for server, _, words in on.statements]
        table = {} if WRITES else dict(enumerate(kill_matrix.documented(section)))
        if not WRITES:
            assert [row[0] for row in table.values()] == names, "other statements than the page's: make kill-matrix"
        measured: dict[tuple[int, int], str] = {}
        for number, (server, nth, _) in enumerate(on.statements):
            for column, way in enumerate(WAYS, 1):
                try:
                    measured[number, column] = kill_matrix.cell(on, server, nth, way)
                except AssertionError as error:
                    raise AssertionError(f"{section}, {names[number]}, {way}: {error}") from error
        if on.step == "extract":
            steps.load_day(TABLE, DAY)
        world.assert_equal(TABLE)
    if WRITES:
        columns = range(1, len(WAYS) + 1)
        rows = [[name, *(measured[number, column] for column in columns)] for number, name in enumerate(names)]
        kill_matrix.document(section, rows)
    else:
        said = {(number, column): table[number][column] for number, column in measured}
        assert measured == said, f"{len(measured)} measured, another outcome than the page's: make kill-matrix"
