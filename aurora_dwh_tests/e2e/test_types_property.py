"""Property: whatever columns a table has and whatever stands in them, it arrives as it is."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_dwh_tests.e2e import type_samples
from aurora_dwh_tests.e2e.test_types import DAY, assert_equal, verify, write
from aurora_dwh_tests.e2e.type_samples import SAMPLES
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
)

_NUMBERS = itertools.count(1)
_TABLES = st.lists(st.sampled_from([n for n in SAMPLES if SAMPLES[n].stored]), min_size=1, max_size=9, unique=True)
_TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50), max_size=20
)  # any character but the halves of one, which UTF-8 has not


def _arrives(world: World, names: list[str], seed: int, count: int, texts: list[str]) -> None:
    table = f"any_{next(_NUMBERS)}"
    world.catalog(f"{table}: {{key: id, cursor: changed}}")
    write(world, table, count, seed, names)
    with world.source() as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD COLUMN free VARCHAR(50) CHARACTER SET utf8mb4 FIRST")
        values: list[Any] = [(text, number) for number, text in enumerate(texts)]
        cursor.executemany(f"UPDATE {table} SET free = %s WHERE id = %s", values)
    world.load(DAY, table)
    assert_equal(world, table, names)
    free = f"SELECT id, free FROM {{}}{table}"
    assert dict(world.ask_warehouse(free.format("staging."))) == dict(world.ask_source(free.format("")))
    verdict = verify(table)
    assert verdict.equal, verdict.differences
    assert verdict.source_rows == len(type_samples.rows(count, seed, names))


@mariadb_in_soak
@pytest.mark.parametrize("examples", [2, soak(20)])
def test_any_table_of_any_types_arrives_as_it_is(world: World, examples: int) -> None:
    asked = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    tables = given(names=_TABLES, seed=st.integers(0, 2**32), count=st.integers(1, 400), texts=_TEXTS)
    asked(tables(_arrives))(world)
