"""A day is stopped at each of its statements: it is whole or as before, as the page says, and one attempt mends it."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings

from aurora_dwh.local.lake import LakeServer
from aurora_dwh_tests.e2e import kill_matrix, steps
from aurora_dwh_tests.e2e.kill_matrix import DAY, TABLE, WAYS
from aurora_dwh_tests.e2e.world import World

WRITES = os.environ.get("KILL_MATRIX") == "write"
"""`make kill-matrix` has the page written instead of compared."""

IS_WHOLE = WRITES or settings.get_current_profile_name() == "soak"
"""Without it, every fifth statement is tried in one way, and what makes a day in all of them."""

DECISIVE = ("S3: `PUT` of the manifest", "Redshift: `COMMIT`")


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
        measured: dict[int, list[str]] = {number: [name] for number, name in enumerate(names)}
        for number, (server, nth, _) in enumerate(on.statements):
            for way, cell in enumerate(WAYS):
                in_sample = names[number] in DECISIVE or (number % 5 == 0 and number // 5 % 3 == way)
                if not (IS_WHOLE or in_sample):
                    measured[number].append(table[number][1 + way])
                    continue
                try:
                    measured[number].append(kill_matrix.cell(on, server, nth, cell))
                except AssertionError as error:
                    raise AssertionError(f"{section}, {names[number]}, {cell}: {error}") from error
        if on.step == "extract":
            steps.load_day(TABLE, DAY)
        world.assert_equal(TABLE)
    if WRITES:
        kill_matrix.document(section, list(measured.values()))
    else:
        assert list(measured.values()) == list(table.values()), "another outcome than the page's: make kill-matrix"
