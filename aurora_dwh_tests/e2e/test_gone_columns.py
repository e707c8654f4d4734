"""A column that is not read any more: taken from the user, which is an error, or gone from the table, which is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from aurora_dwh_tests.e2e.remedies import follow
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.sampling import sample, soak
from aurora_dwh_tests.servers import one_server, server  # noqa: F401 - both servers, unlike elsewhere in this folder

DAY, NEXT, THIRD = "2024-01-01", "2024-01-02", "2024-01-03"
MODES = {
    "incremental": "key: id, cursor: at",
    "append": "mode: append, cursor: at",
    "full": "mode: full",
}


@pytest.fixture(params=["narrow"])
def granted(world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with a table `t` whose columns the user may read one by one, itself or by a role."""
    table(world)
    to = request.param
    world.at_source("CREATE USER narrow IDENTIFIED BY 'n'", "CREATE ROLE narrow_role", "GRANT narrow_role TO narrow")
    if world.server.is_mariadb:
        world.at_source("SET DEFAULT ROLE narrow_role FOR narrow")
    world.at_source(f"GRANT SELECT (id, price, at) ON {world.database}.t TO {to}")
    monkeypatch.setenv("AURORA_USER", "narrow")
    monkeypatch.setenv("AURORA_PASSWORD", "n")
    monkeypatch.setattr(World, "grantee", to, raising=False)
    yield world
    world.at_source("DROP USER narrow", "DROP ROLE narrow_role")


def table(world: World) -> None:
    """Make `t`: ten rows of the first day and ten of the second."""
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, price INT, at DATETIME(6), KEY (at))")
    rows = ", ".join(f"({n}, {n}, '2024-01-0{1 + n // 10} 10:00:00')" for n in range(20))
    world.at_source(f"INSERT INTO t VALUES {rows}")


def prices(world: World) -> dict[int, int | None]:
    """Return each row's price in the warehouse."""
    return dict(world.ask_warehouse("SELECT id, price FROM staging.t"))


@pytest.mark.parametrize(
    ("server", "mode"),
    [("mysql", "append"), soak("mysql", "incremental"), soak("mysql", "full"), ("mariadb", "incremental")],
    indirect=["server"],
)
def test_c12_a_column_that_is_taken_from_the_user_fails_the_day_until_it_is_granted_again(
    granted: World, mode: str
) -> None:
    world, to = granted, World.grantee  # type: ignore[attr-defined]
    world.catalog(f"t: {{{MODES[mode]}}}", timezone="UTC")
    world.load(DAY, "t")
    before = prices(world)
    world.at_source(
        f"REVOKE SELECT (price) ON {world.database}.t FROM {to}",
        f"UPDATE t SET at = '2024-01-02 11:00:00' WHERE id < {0 if mode == 'append' else 5}",
    )
    failure = world.run(NEXT, None, chain("t")).failure
    assert "'price' was read before" in failure
    assert prices(world) == before
    (grant,) = re.findall(r"run (GRANT SELECT \(`price`\) ON \S+ TO \S+?)[,;]", failure)
    world.at_source(grant)
    world.load(NEXT, "t")
    world.assert_equal("t")


@pytest.mark.parametrize("granted", ["narrow_role"], indirect=True)
def test_c12_a_column_that_the_user_shall_not_read_any_more_is_left_out_by_the_catalog(granted: World) -> None:
    world, to = granted, World.grantee  # type: ignore[attr-defined]
    world.catalog("t: {key: id, cursor: at}", timezone="UTC")
    world.load(DAY, "t")
    world.at_source(f"REVOKE SELECT (price) ON {world.database}.t FROM {to}")
    failure = world.run(NEXT, None, chain("t")).failure
    assert "`exclude: [price]`" in failure
    world.catalog("t: {key: id, cursor: at, include: [id, at]}", timezone="UTC")
    follow(failure)
    assert set(world.ask_warehouse("SELECT id FROM staging.t")) == {(n,) for n in range(10)}


@one_server
@pytest.mark.parametrize(("mode", "lost"), [("incremental", 5), ("append", 0), soak("full", 20)])
def test_c12_a_column_that_is_dropped_is_told_with_the_values_that_go_and_others_stay(
    world: World, mode: str, lost: int
) -> None:
    table(world)
    world.catalog(f"t: {{{MODES[mode]}}}", timezone="UTC")
    world.load(DAY, "t", last=NEXT)
    before = prices(world)
    assert before == {n: n for n in range(20)}
    if mode == "incremental":
        world.at_source("UPDATE t SET at = '2024-01-03 11:00:00' WHERE id < 5")
    world.at_source("ALTER TABLE t DROP COLUMN price", "INSERT INTO t VALUES (20, '2024-01-03 10:00:00')")
    found = world.load(THIRD, "t").check("schema")
    gone = {n for n in range(20) if n < lost}
    assert prices(world) == {n: None if n in gone or n == 20 else n for n in range(21)}
    assert found.passed is (lost == 0)
    if lost:
        assert found.severity.value == "WARN"
        assert f"'price' ({lost} rows that had a value have none now)" in found.description
    again = world.load(THIRD, "t").check("schema")
    assert again.passed, "nothing is lost twice"
    assert "'price'" in again.description
    if lost:
        follow(found.description)
        world.assert_equal("t")


@one_server
@pytest.mark.parametrize("mode", sample(MODES, "incremental"))
def test_c12_a_frozen_table_takes_no_rows_without_a_column_that_it_has(world: World, mode: str) -> None:
    table(world)
    world.catalog(f"t: {{{MODES[mode]}, on_drift: freeze}}", timezone="UTC")
    world.load(DAY, "t")
    before = prices(world)
    world.at_source("ALTER TABLE t DROP COLUMN price")
    failure = world.run(NEXT, None, chain("t")).failure
    assert "'price' is gone from the source" in failure
    assert prices(world) == before
    follow(failure)
    world.assert_equal("t")


@one_server
def test_c12_a_range_in_which_a_column_goes_keeps_what_the_days_before_it_had(world: World) -> None:
    """The lake has two days with the column and one without; a staging table that is made of them says what went."""
    table(world)
    world.catalog("t: {key: id, cursor: at}", timezone="UTC")
    world.load(DAY, "t", last=NEXT)
    world.at_source("UPDATE t SET at = '2024-01-03 11:00:00' WHERE id < 5", "ALTER TABLE t DROP COLUMN price")
    world.load(THIRD, "t")
    world.ask_warehouse("DROP TABLE staging.t")
    world.ask_warehouse("DELETE FROM dwh.load_history")
    run = world.run(DAY, THIRD, [chain("t")[1]])
    assert run.success, run.failures
    assert prices(world) == {n: None if n < 5 else n for n in range(20)}
    assert "'price' (5 rows" in run.check("schema").description
