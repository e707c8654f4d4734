"""What a staging table was loaded with: what contradicts it is refused, and the named command carries it over."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from aurora_dwh.core import retries
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh_tests.e2e.proofs import prove
from aurora_dwh_tests.e2e.remedies import Said, commands, follow, named_source, run
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.sampling import sample, soak
from aurora_dwh_tests.servers import Server

pytestmark = pytest.mark.timeout(600)

TABLE = (
    "CREATE TABLE orders (id INT, region INT NOT NULL, note VARCHAR(20), created_at DATETIME NOT NULL, "
    "changed_at DATETIME NOT NULL, PRIMARY KEY (id), KEY (created_at), KEY (changed_at))"
)
MODES = {
    "incremental": "{key: id, cursor: changed_at}",
    "append": "{mode: append, cursor: changed_at}",
    "full": "{mode: full}",
}
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


def filled(world: World, fields: str = MODES["incremental"], rows: int = 9, *, is_one_moved: bool = False) -> World:
    """Load three days of a table, each with a third of its rows; in between one moves to the third day where asked."""
    world.catalog(f"orders: {fields}")
    values = [f"({n}, {n % 2}, 'note {n}', '{DAYS[n % 3]} 10:00:00', '{DAYS[n % 3]} 10:00:00')" for n in range(rows)]
    world.at_source(TABLE, *([f"INSERT INTO orders VALUES {', '.join(values)}"] if values else []))
    if "append" in fields or not is_one_moved:
        world.load(DAYS[0], "orders", last=DAYS[2])
        return world
    world.load(DAYS[0], "orders", last=DAYS[1])
    world.at_source("UPDATE orders SET note = 'moved', changed_at = '2024-01-03 11:00:00' WHERE id = 0")
    world.load(DAYS[2], "orders")
    return world


def staged(world: World, target: str = "staging.orders") -> list[tuple[Any, ...]]:
    return world.ask_warehouse(f"SELECT * FROM {target} ORDER BY id, _dwh_day")


def columns(world: World, target: str = "orders", schema: str = "staging") -> list[tuple[Any, ...]]:
    return world.ask_warehouse(
        "SELECT column_name, data_type FROM svv_all_columns "
        f"WHERE schema_name = '{schema}' AND table_name = '{target}' ORDER BY ordinal_position"
    )


def refused(world: World, day: str = "2024-01-04", target: str = "staging.orders") -> str:
    """Run a day, expect it to fail, the table and its columns to be as before, and return what is said."""
    before = staged(world, target), columns(world)
    done = world.run(day, assets=chain("orders"))
    assert not done.success
    assert (staged(world, target), columns(world)) == before
    return done.failure


# A change of mode, key or cursor


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("append", "incremental"),
        ("incremental", "full"),
        ("full", "append"),
        soak("incremental", "append"),
        soak("append", "full"),
        soak("full", "incremental"),
    ],
)
def test_c22_a_changed_mode_is_refused_and_the_named_command_carries_the_table_over(
    world: World, old: str, new: str
) -> None:
    filled(world, MODES[old], is_one_moved=True)
    world.at_source("INSERT INTO orders VALUES (100, 1, 'new', '2024-01-04 09:00:00', '2024-01-04 09:00:00')")
    world.catalog(f"orders: {MODES[new]}")
    remedy = "rebuild orders"
    if (old, new) != ("append", "incremental"):  # what was read in another mode makes no table of this one
        before, remedy = staged(world), "rebuild orders --from source"
        done = run("rebuild orders")
        assert (done.exit_code, commands(done.text)[-1]) == (1, remedy)
        assert staged(world) == before
    said = refused(world)
    assert f"staging.orders was loaded in mode {old}, and the catalog says {new}; nothing was changed" in said
    assert follow(said) == remedy
    world.load("2024-01-04", "orders")
    world.load("2024-01-02", "orders")
    world.assert_equal("orders")


def test_c22_a_changed_key_is_refused_and_the_named_command_carries_the_table_over(world: World) -> None:
    filled(world, is_one_moved=True)
    world.at_source("ALTER TABLE orders DROP PRIMARY KEY, ADD PRIMARY KEY (region, id)")
    world.catalog("orders: {key: [region, id], cursor: changed_at}")
    said = refused(world)
    assert "staging.orders was loaded by the key id, and the catalog says id, region; nothing was changed" in said
    assert follow(said) == "rebuild orders"
    world.at_source("INSERT INTO orders VALUES (0, 1, 'twin', '2024-01-04 09:00:00', '2024-01-04 09:00:00')")
    world.load("2024-01-04", "orders")
    world.assert_equal("orders")


@pytest.mark.parametrize("mode", ["incremental", soak("append")])
def test_c22_a_changed_cursor_is_refused_and_the_named_command_carries_the_table_over(world: World, mode: str) -> None:
    filled(world, MODES[mode].replace("changed_at", "created_at"))
    world.catalog(f"orders: {MODES[mode]}")
    said = refused(world)
    assert "staging.orders was loaded by the cursor created_at, and the catalog says changed_at;" in said
    assert follow(said) == "rebuild orders --from source"
    world.load("2024-01-04", "orders")
    world.assert_equal("orders")


def test_c22_what_changes_nothing_is_no_change(world: World) -> None:
    filled(world, "{key: [id, region], cursor: changed_at}")
    world.catalog("orders: {key: [REGION, Id], cursor: CHANGED_AT, lookback: 1h, sort_key: id, description: orders}")
    world.load("2024-01-04", "orders")
    world.catalog("orders: {mode: full, key: id}")
    said = refused(world)
    assert "in mode incremental" in said
    follow(said)
    world.catalog("orders: {mode: full, key: [region, id]}")  # each load of such a table replaces all of it
    world.load("2024-01-05", "orders")
    world.assert_equal("orders")


def test_c22_a_catalog_that_is_set_back_goes_on(world: World) -> None:
    filled(world)
    world.catalog(f"orders: {MODES['append']}")
    refused(world)
    world.catalog(f"orders: {MODES['incremental']}")
    world.load("2024-01-04", "orders")
    world.assert_equal("orders")


# Two sources


def at(world: World, server: Server, monkeypatch: pytest.MonkeyPatch, database: str | None = None) -> World:
    """Return the world with another source, whose database has the same name unless another is given."""
    name = database or world.database
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
    for variable, value in {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_DATABASE": name,
        "AURORA_USER": server.user,
        "AURORA_PASSWORD": server.password,
    }.items():
        monkeypatch.setenv(variable, value)
    made = World(server, name, world.redshift, world.home, world.catalog_file, world.variables, world.instance)
    made.at_source("DROP TABLE IF EXISTS orders", TABLE)
    made.at_source(
        "INSERT INTO orders VALUES (1, 1, 'another shard', '2024-01-01 12:00:00', '2024-01-01 12:00:00'), "
        "(100, 1, 'another shard', '2024-01-04 12:00:00', '2024-01-04 12:00:00')"
    )
    return made


def in_lake(world: World) -> list[Any]:
    from aurora_dwh.lake.factory import open_lake

    return [(m.day, m.attempt) for m in open_lake().all("orders")]


@pytest.mark.parametrize(
    ("mode", "day"),
    [
        ("incremental", "2024-01-01"),
        soak("append", "2024-01-04"),
        soak("full", "2024-01-04"),
    ],
)
def test_c15_another_server_does_not_come_into_the_lake_or_the_staging_table_of_the_first(
    world: World, mariadb: Server, monkeypatch: pytest.MonkeyPatch, mode: str, day: str
) -> None:
    filled(world, MODES[mode])
    lake = in_lake(world)
    other = at(world, mariadb, monkeypatch)
    said = refused(other, day)
    assert said.startswith("lake/orders was loaded from table orders of ")
    assert f"{world.database}@127.0.0.1:{world.server.port}" in said
    assert f"{world.database}@127.0.0.1:{mariadb.port}" in said
    assert in_lake(world) == lake
    monkeypatch.setenv("LAKE_URI", world.variables["LAKE_URI"] + "-other")
    said = refused(other, day)
    assert said.startswith("staging/orders: staging.orders was loaded from table orders of ")
    assert "`target_table`" in said
    assert "REDSHIFT_STAGING_SCHEMA" in said
    monkeypatch.setenv("LAKE_URI", world.variables["LAKE_URI"])
    assert follow(refused(other)) == "rebuild orders --from source"  # and so it takes the place of the first
    other.load("2024-01-04", "orders")
    other.assert_equal("orders")


def test_c15_another_database_of_one_server_is_another_source_and_leaves_no_column(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    other = at(world, world.server, monkeypatch, world.database + "_2")
    more = ", ".join(f"ADD COLUMN other_{n} INT" for n in range(12))
    other.at_source(f"ALTER TABLE orders {more}, MODIFY COLUMN note VARCHAR(200)")
    said = refused(other)
    assert "staging.orders was loaded from table orders of " in said
    assert f"{world.database}@" in said
    assert f"{world.database}_2@" in said


def test_c15_a_proof_with_another_source_removes_nothing(
    world: World, mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world, "{key: id, cursor: changed_at, deletes: remove}")
    before = staged(world)
    done = prove(at(world, mariadb, monkeypatch), "orders", max_share=1)
    assert "staging.orders was loaded from table orders of " in done.failure
    assert staged(world) == before


def test_c15_another_source_gets_a_table_of_its_own(
    world: World, mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    before = staged(world)
    other = at(world, mariadb, monkeypatch)
    monkeypatch.setenv("LAKE_URI", world.variables["LAKE_URI"] + "-other")
    for target in ("staging.orders_2", "staging_2.orders"):
        schema, _, name = target.partition(".")
        world.catalog(f"orders: {{key: id, cursor: changed_at, target_table: {name}}}")
        monkeypatch.setenv("REDSHIFT_STAGING_SCHEMA", schema)
        other.load("2024-01-01", "orders", last="2024-01-04")
        assert [row[2] for row in staged(world, target)] == ["another shard"] * 2
        assert staged(world) == before


def test_c15_one_source_under_two_addresses_goes_on_by_the_name_that_is_told(
    world: World, mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore from a snapshot into a cluster of another name."""
    filled(world)
    other = at(world, mariadb, monkeypatch)
    other.at_source("DELETE FROM orders")
    for row in world.ask_source("SELECT id, region, note, created_at, changed_at FROM orders"):
        other.at_source("INSERT INTO orders VALUES (" + ", ".join(f"'{value}'" for value in row) + ")")
    monkeypatch.setenv("AURORA_SOURCE", named_source(refused(other)))
    other.load("2024-01-04", "orders")
    other.load("2024-01-01", "orders")
    other.assert_equal("orders")


def test_c15_a_name_of_one_s_own_goes_before_the_address(
    world: World, mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_SOURCE", "shop of the north")
    filled(world)
    at(world, mariadb, monkeypatch).load("2024-01-04", "orders")
    monkeypatch.setenv("AURORA_SOURCE", "shop of the south")
    assert "shop of the north" in refused(world)


def test_c15_a_day_of_another_source_in_the_lake_is_not_taken_for_one_of_the_table(
    world: World, mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two shards that never met in Redshift have one lake, as that of an older version may be."""
    filled(world)
    other = at(world, mariadb, monkeypatch)
    monkeypatch.setenv("LAKE_URI", world.variables["LAKE_URI"] + "-other")
    monkeypatch.setenv("REDSHIFT_STAGING_SCHEMA", "staging_2")
    other.load("2024-01-01", "orders", last="2024-01-04")
    before = staged(world, "staging_2.orders")
    monkeypatch.setenv("REDSHIFT_STAGING_SCHEMA", "staging")
    done = run("rebuild orders")
    assert done.exit_code == 1
    assert "orders of " in done.text
    assert staged(world, "staging_2.orders") == before
    assert len(staged(world)) == 9


# A table that is gone, emptied or another one

each_loss = pytest.mark.parametrize(
    ("mode", "what"),
    [("incremental", "TRUNCATE TABLE staging.orders"), ("append", "DROP TABLE staging.orders")],
)
"""A mode and a way to lose rows: they have nothing to do with one another."""


@each_loss
def test_c16_a_table_that_lost_its_rows_is_not_taken_for_a_new_one(world: World, mode: str, what: str) -> None:
    filled(world, MODES[mode], is_one_moved=True)
    world.ask_warehouse(what)
    done = world.run("2024-01-04", assets=chain("orders"))
    assert not done.success
    is_gone = what.startswith("DROP")
    assert done.failure.startswith(
        f"staging/orders: staging.orders is {'not there' if is_gone else 'empty'}, though it was loaded with 3 days "
        "(2024-01-01...2024-01-03); nothing was changed"
    )
    assert (columns(world) == []) is is_gone
    if not is_gone:
        assert staged(world) == []
    assert follow(done.failure) == "rebuild orders"
    world.load("2024-01-04", "orders")
    world.assert_equal("orders")


def test_c16_a_full_table_that_lost_its_rows_is_whole_after_any_load(world: World) -> None:
    filled(world, MODES["full"])
    for what in ("DROP TABLE staging.orders", "TRUNCATE TABLE staging.orders"):
        world.ask_warehouse(what)
        world.load("2024-01-02", "orders")
        world.assert_equal("orders")


@each_loss
def test_c16_a_range_of_all_days_that_were_loaded_makes_the_table_whole(world: World, mode: str, what: str) -> None:
    filled(world, MODES[mode])
    world.ask_warehouse(what)
    world.load("2024-01-01", "orders", last="2024-01-04")
    world.assert_equal("orders")


@pytest.mark.parametrize(("mode", "way"), [("incremental", "target_table"), ("append", "REDSHIFT_STAGING_SCHEMA")])
def test_c16_a_staging_table_of_another_name_has_all_days_or_none(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: str, way: str
) -> None:
    filled(world, MODES[mode])
    if way == "target_table":
        world.catalog(f"orders: {MODES[mode][:-1]}, target_table: orders_2}}")
    else:
        monkeypatch.setenv(way, "staging_2")
    target = "staging.orders_2" if way == "target_table" else "staging_2.orders"
    said = world.run("2024-01-04", assets=chain("orders")).failure
    assert f"staging.orders was loaded with 3 days (2024-01-01...2024-01-03) and {target} with none of them" in said
    assert columns(world, *reversed(target.split("."))) == []
    assert follow(said) == "rebuild orders"
    world.load("2024-01-04", "orders")
    assert [row[:3] for row in staged(world, target)] == world.ask_source("SELECT id, region, note FROM orders")


def test_c16_a_table_that_a_proof_emptied_is_loaded_on(world: World) -> None:
    filled(world, "{key: id, cursor: changed_at, deletes: remove}")
    world.at_source("DELETE FROM orders")
    assert prove(world, "orders", max_share=1).success
    assert staged(world) == []
    world.at_source("INSERT INTO orders VALUES (1, 1, 'new', '2024-01-04 12:00:00', '2024-01-04 12:00:00')")
    world.load("2024-01-04", "orders")
    world.assert_equal("orders")


def test_c16_days_without_rows_are_not_missed(world: World) -> None:
    filled(world, rows=0)
    world.ask_warehouse("DROP TABLE staging.orders")
    world.at_source("INSERT INTO orders VALUES (1, 1, 'new', '2024-01-04 12:00:00', '2024-01-04 12:00:00')")
    world.load("2024-01-04", "orders")
    world.assert_equal("orders")


# A load that fails


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a transaction tried again but once."""
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))


@pytest.mark.parametrize(
    "mode",
    sample(MODES, "incremental"),
)
@pytest.mark.usefixtures("impatient")
def test_c23_a_load_that_fails_leaves_no_column(world: World, mode: str) -> None:
    filled(world, MODES[mode])
    world.at_source("ALTER TABLE orders ADD COLUMN more INT", "UPDATE orders SET more = 7, changed_at = '2024-01-04'")
    world.redshift.faults.add(Fault('^INSERT INTO "staging"', "57014", times=100))
    refused(world)
    world.redshift.faults.clear()
    world.load("2024-01-04", "orders")
    assert ("more", "integer") in columns(world)


@pytest.mark.usefixtures("impatient")
def test_c23_a_first_load_that_fails_leaves_no_table(world: World) -> None:
    world.catalog(f"orders: {MODES['incremental']}")
    world.at_source(TABLE, "INSERT INTO orders VALUES (1, 1, 'a', '2024-01-01', '2024-01-01')")
    world.redshift.faults.add(Fault('^INSERT INTO "staging"', "57014", times=100))
    assert not world.run("2024-01-01", assets=chain("orders")).success
    assert columns(world) == []
    world.redshift.faults.clear()
    world.load("2024-01-01", "orders")
    world.assert_equal("orders")


# The record itself is gone


@pytest.mark.parametrize(
    ("mode", "gone"),
    [
        ("incremental", "DROP SCHEMA dwh CASCADE"),
        soak("append", "DROP TABLE dwh.load_history"),
        ("full", "DROP TABLE dwh.load_history"),
    ],
)
def test_o07_a_record_that_was_removed_is_made_again_and_what_it_lacks_is_told_with_the_command(
    world: World, mode: str, gone: str
) -> None:
    filled(world, MODES[mode])
    assert "redshift: record" not in run("doctor").text
    world.ask_warehouse(gone)
    of_days = "3 days (2024-01-01...2024-01-03)" if mode != "full" else "1 day (2024-01-03)"
    assert _record(run("doctor --json")) == ("failed", of_days)
    done = world.run("2024-01-04", assets=chain("orders"))
    assert done.success
    assert mode == "full" or f"the table had rows of {of_days}, of which dwh" in done.check("rules").description
    if mode == "full":  # the day took the place of all that was there
        assert done.check("rules").passed
        assert _record(run("doctor --json")) is None
        return
    assert _record(run("doctor --json")) == ("failed", of_days)
    assert follow(done.check("rules").description) == "rebuild orders"
    assert _record(run("doctor --json")) is None
    assert world.load("2024-01-05", "orders").check("rules").passed
    world.assert_equal("orders")
    assert prove(world, "orders").success


@pytest.mark.parametrize("mode", ["incremental", soak("full")])
def test_o07_a_table_without_a_record_is_not_made_anew_without_days_that_the_lake_lost(world: World, mode: str) -> None:
    filled(world, MODES[mode])
    before = staged(world)
    world.ask_warehouse("DROP TABLE dwh.load_history")
    assert run("purge orders --days 2024-01-03 --yes").exit_code == 0
    done = run("rebuild orders")
    assert done.exit_code == 1
    assert "the lake lacks what the table was loaded from (2024-01-03), so nothing was changed" in " ".join(
        done.text.split()
    )
    assert staged(world) == before
    assert follow(" ".join(done.text.split())) == "rebuild orders --from source"
    world.assert_equal("orders")
    assert _record(run("doctor --json")) is None


def _record(doctor: Said) -> tuple[str, str] | None:
    """Return the state of doctor's check of the record and the days that it names, None where it found nothing."""
    for check in json.loads(doctor.text[doctor.text.index("[") :]):
        if check["name"] == "redshift: record of staging.orders":
            assert "`aurora-dwh rebuild orders`" in check["remedy"]
            return check["state"], check["detail"].removeprefix("the table has rows of ").partition(", of which")[0]
    return None
