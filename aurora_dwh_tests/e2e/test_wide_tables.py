"""Tables at the limits of Redshift's tables and names: what fits is loaded and equal, what does not is told."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor.check import Attempts, State
from aurora_dwh.commands.doctor.source import TABLE, check
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh.proof.verdict import Verdict
from aurora_dwh_tests.e2e.proofs import prove
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers, unlike elsewhere in this folder
    mariadb_in_soak,
    one_server,
    server,
)

pytestmark = pytest.mark.timeout(300)

DAY = "2024-01-01"
LONG = "顧" * 43
"""A name of 43 characters, which MySQL takes, and of 129 bytes."""


def wide(world: World, columns: int, *, key: str = "id INT", more: str = "") -> None:
    """Make a table `wide` of so many columns, and two rows in it; InnoDB ends at 1,017."""
    names = [f"c{number}" for number in range(columns - 2)]
    world.at_source(
        f"CREATE TABLE wide ({key} PRIMARY KEY, at DATETIME, {', '.join(f'{n} INT' for n in names)}{more}, KEY (at)) "
        "ENGINE=MyISAM",
        f"INSERT INTO wide (id, at, c0, {names[-1]}) VALUES (1, '2023-12-31', 10, 20), (2, '2023-12-31', 30, NULL)",
    )


def verify(table: str) -> Verdict:
    catalog = Catalog.load()
    (verdict,) = compare_tables(catalog, [catalog.tables[table]])
    return verdict


def told(world: World, table: str, day: str = DAY) -> list[str]:
    """Return what a load, a plan and `doctor` say of a table that cannot be copied."""
    loaded = world.run(day, None, chain(table))
    assert not loaded.success
    assert day not in world.materialized_days(f"lake/{table}")
    planned = CliRunner().invoke(app, ["plan", table, "--day", day])
    assert planned.exit_code == 1
    attempts = Attempts()
    check(attempts, Catalog.load())
    (found,) = [c for c in attempts.checks if c.name == f"{TABLE}{table}"]
    assert found.state is State.FAILED
    return [loaded.failure, planned.stderr, f"{found.detail} -> {found.remedy}"]


@mariadb_in_soak
def test_m05_a_table_as_wide_as_redshift_takes_is_copied_and_compared(world: World) -> None:
    world.catalog("wide: {mode: full, key: id}")
    wide(world, 1_598)
    world.load(DAY, "wide")
    assert len(world.columns("wide")) == 1_598
    world.assert_equal("wide")
    world.ask_warehouse("UPDATE staging.wide SET c1595 = 21 WHERE id = 1")
    world.ask_warehouse("UPDATE staging.wide SET c0 = NULL WHERE id = 2")
    assert verify("wide").differences == (
        "columns that differ: c0, c1595",
        "id='1': c1595 is '20' in Aurora, '21' in Redshift",
        "id='2': c0 is '30' in Aurora, NULL in Redshift",
    )


@one_server
def test_m09_the_widest_table_of_an_upsert_is_loaded_and_one_column_more_is_refused_before_it_is_read(
    world: World,
) -> None:
    world.catalog("wide: {key: id, cursor: at, deletes: flag}")
    wide(world, 1_591, key="id VARCHAR(9)")
    world.load(DAY, "wide")
    world.at_source("UPDATE wide SET c0 = 11 WHERE id = 1")
    world.load(DAY, "wide")
    assert sorted(world.ask_warehouse("SELECT c0 FROM staging.wide")) == [(11,), (30,)]

    world.at_source("ALTER TABLE wide ADD one_more INT")
    for said in told(world, "wide", "2024-01-02"):
        assert "1,592 columns are to be copied, and Redshift has room for 1,591 of a table in mode incremental" in said
        assert "`exclude`" in said
    world.catalog("wide: {key: id, cursor: at, deletes: flag, exclude: one_more}")
    world.load("2024-01-02", "wide")


UNFIT = {
    LONG: "its name has 129 bytes, and Redshift cuts names at 127",
    "Oid": "Redshift has a column of its own by that name in every table",
    "_DWH_day": "names that begin with _dwh_ are aurora-dwh's own",
}


@one_server
def test_m09_a_name_that_redshift_does_not_take_is_told_before_anything_is_read_with_what_to_do(world: World) -> None:
    columns = ", ".join(f"`{name}` INT" for name in UNFIT)
    world.at_source(
        f"CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, {columns}, KEY (at))",
        "INSERT INTO t VALUES (1, '2023-12-31', 2, 3, 4)",
    )
    world.catalog("t: {key: id, cursor: at}")
    for said in told(world, "t"):
        for name, reason in UNFIT.items():
            assert f"column '{name}': {reason}; leave it out with `exclude: [{name}]`" in said
    world.catalog(f"t: {{key: id, cursor: at, exclude: [{', '.join(UNFIT)}]}}")
    world.load(DAY, "t")
    assert world.ask_warehouse("SELECT id FROM staging.t") == [(1,)]


@one_server
def test_c20_the_longest_name_of_a_table_and_a_column_that_is_too_long_in_whatever_is_done_with_it(
    world: World,
) -> None:
    target = "顧" * 42
    world.catalog(f"t: {{key: id, cursor: at, deletes: remove, target_table: {target}}}")
    world.at_source(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, KEY (at))",
        "INSERT INTO t VALUES (1, '2023-12-31'), (2, '2023-12-31')",
    )
    world.load(DAY, "t")
    for command in ("rebuild t", "rebuild t --from source", "verify t", "plan t"):
        done = run(command)
        assert done.exit_code == 0, done.text
    assert world.staged_rows("t", target) == world.source_rows("t")

    world.at_source(f"ALTER TABLE t ADD `{LONG}` INT", "DELETE FROM t WHERE id = 2")
    before = [(manifest.day, manifest.attempt) for manifest in open_lake().all("t")]
    for command in ("rebuild t --from source", "plan t --by-hand", "verify t"):
        done = run(command)
        assert done.exit_code == 1
        assert f"its name has 129 bytes, and Redshift cuts names at 127; leave it out with `exclude: [{LONG}]`" in (
            done.text
        )
    assert [(manifest.day, manifest.attempt) for manifest in open_lake().all("t")] == before
    assert run("rebuild t").exit_code == 0
    assert f"`exclude: [{LONG}]`" in prove(world, "t").failure
    world.catalog(f"t: {{key: id, cursor: at, target_table: {target}, deletes: remove, exclude: ['{LONG}']}}")
    assert prove(world, "t", max_share=1).success
    assert world.ask_warehouse(f'SELECT id FROM staging."{target}"') == [(1,)]
