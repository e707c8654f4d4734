"""Each way in which staging may differ from its source: found, named by its kind, mended, and then equal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aurora_dwh.proof import compare
from aurora_dwh_tests.e2e import remedies
from aurora_dwh_tests.e2e.nights import Nights
from aurora_dwh_tests.e2e.proofs import figures, kinds, prove, verify
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    KINDS,
    one_server,
    server,
)

MODES = {
    "incremental": "{key: id, cursor: changed_at}",
    "append": "{mode: append, key: id, cursor: changed_at}",
    "full": "{mode: full, key: id}",
}
DAYS = [f"2024-01-0{day}" for day in range(1, 7)]

WAYS = {
    "a row lost by hand": ("DELETE FROM {t} WHERE id = 11", "missing", 1, "only in Aurora: id='11'"),
    "a value changed by hand": (
        "UPDATE {t} SET note = 'other' WHERE id IN (21, 22)",
        "stale",
        2,
        "id='21': note is 'note 1' in Aurora, 'other' in Redshift",
    ),
    "a number that became NULL": (
        "UPDATE {t} SET price = NULL WHERE id = 31",
        "stale",
        1,
        "id='31': price is '1.25' in Aurora, NULL in Redshift",
    ),
    "a duplicate": (
        "INSERT INTO {t} SELECT * FROM {t} WHERE id = 42",
        "duplicate",
        1,
        "id='42': 1 times in Aurora, 2 times in Redshift",
    ),
    "a day missing": ("DELETE FROM {t} WHERE id BETWEEN 50 AND 59", "missing", 10, "only in Aurora: id='50'"),
    "a row too many": (
        "INSERT INTO {t} SELECT 77, note, price, changed_at, _dwh_day, _dwh_loaded_at FROM {t} WHERE id = 62",
        "extra",
        1,
        "only in Redshift: id='77'",
    ),
}
"""What somebody does to the staging table, to each day something else -> the kind, its rows, and what is said first."""

REPAIRS = {
    "incremental": ["removed", "read again", "made anew from the lake"],
    "append": ["removed", "days read again", "made anew from the lake"],
    "full": [],
}
"""What is recorded of the repair of all of these, and then of an emptied table."""


def entry(mode: str, more: str = "") -> str:
    """Return the table `item` as a catalog has it."""
    return "item: " + MODES[mode].rstrip("}") + (f", {more}" if more else "") + "}"


def filled(world: World, mode: str, more: str = "") -> None:
    """Load six days of ten rows each."""
    world.catalog(entry(mode, more))
    rows = ", ".join(
        f"({10 * day + n}, 'note {n}', {n}.25, '2024-01-0{day} 10:00:0{n}')" for day in range(1, 7) for n in range(10)
    )
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, note VARCHAR(20), price DECIMAL(9,2), changed_at DATETIME NOT NULL, "
        "KEY (changed_at))",
        f"INSERT INTO item VALUES {rows}",
    )
    load(world, mode)


def load(world: World, mode: str) -> None:
    """Load all days, of a table that is copied whole the last."""
    world.load(DAYS[-1], "item") if mode == "full" else world.load(DAYS[0], "item", last=DAYS[-1])


@one_server
@pytest.mark.parametrize("mode", MODES)
def test_what_happens_to_staging_is_found_named_and_mended(world: World, mode: str) -> None:
    filled(world, mode, "" if mode == "full" else "deletes: remove")
    run = prove(world, "item")
    assert run.success
    assert run.check("equal").passed
    assert (kinds(world, "item"), figures(world, "item")["rows_proven"]) == ({}, 60)

    found: Counter[str] = Counter()
    for statement, kind, rows, _ in WAYS.values():
        world.ask_warehouse(statement.format(t="staging.item"))
        found[kind] += rows
    find_and_mend(world, mode, found)
    differences = figures(world, "item")["differences"]
    assert [way for way, (*_, said) in WAYS.items() if said not in differences] == []

    world.ask_warehouse("DELETE FROM staging.item")
    find_and_mend(world, mode, {"missing": 60})

    history = world.ask_warehouse("SELECT table_name, differing, repairs FROM dwh.proof_history ORDER BY proven_at")
    assert {name for name, *_ in history} == {"staging.item"}
    assert [differing for _, differing, _ in history] == ([0, found.total(), 60] if mode == "full" else [0, 0, 0])
    repairs = [what for *_, repairs in history for what in json.loads(repairs)]
    assert [what["what"] for what in repairs] == REPAIRS[mode]
    if mode == "incremental":
        assert repairs[1]["why"] == ["duplicate", "missing", "stale"]
        assert sorted(repairs[1]["keys"])[0] == "id='11'"
        assert "/repair=repair-" in repairs[1]["manifest"]
    if mode == "append":
        assert repairs[1]["days"] == DAYS[:5]


def find_and_mend(world: World, mode: str, found: Mapping[str, int]) -> None:
    """Expect a proof to find that, and both sides to be equal then; where a table is copied whole, by its next load."""
    run = prove(world, "item")
    assert run.success, run.failures
    left = {"differing": sum(found.values())} if mode == "full" else {}
    assert kinds(world, "item") == dict(found) | left
    check = run.check("equal")
    assert (check.passed, check.severity.value) == (False, "ERROR" if mode == "full" else "WARN")
    if mode == "full":
        load(world, mode)
    world.assert_equal("item")
    assert verify("item").kinds == {}


@one_server
@pytest.mark.parametrize("mode", ["incremental", soak("append")])
def test_extra_rows_follow_the_policy(world: World, mode: str) -> None:
    filled(world, mode, "deletes: remove")
    world.at_source("DELETE FROM item WHERE id = 12")
    run = prove(world, "item")
    assert run.success, run.failures
    assert kinds(world, "item") == {"extra": 1}
    world.assert_equal("item")

    world.catalog(entry(mode))
    world.at_source("DELETE FROM item WHERE id = 13")
    assert prove(world, "item").check("equal").passed
    assert kinds(world, "item") == {"gone": 1}
    assert verify("item").equal
    world.catalog(entry(mode, "repair: all"))
    prove(world, "item")
    assert kinds(world, "item") == {"extra": 1}
    world.assert_equal("item")


@one_server
def test_c21_what_a_proof_cannot_mend_row_by_row_is_mended_by_the_named_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world, "incremental")
    monkeypatch.setattr(compare, "CANDIDATES", 3)
    monkeypatch.setattr(compare, "SHOWN_CANDIDATES", 2)
    world.ask_warehouse("UPDATE staging.item SET note = 'other' WHERE id < 20")
    failure = prove(world, "item").failure
    assert "staging.item: 10 rows differ, too many to mend one by one" in failure
    assert figures(world, "item")["differing"] == 10
    assert remedies.run(remedies.commands(failure)[0]).exit_code == 0
    world.assert_equal("item")

    world.catalog("item: {key: id, cursor: changed_at, exclude: price}")
    world.ask_warehouse("DELETE FROM staging.item")
    run = prove(world, "item")
    assert not run.check("equal").passed
    assert remedies.follow(run.failure) == "rebuild item --from source"
    assert verify("item").equal


UNSEEN = (
    "UPDATE category SET name = 'renamed'",  # which the foreign key of `row6` follows
    "UPDATE item SET price = 99 WHERE id = 'row2'",
    "ALTER TABLE item DROP COLUMN shown",
    "ALTER TABLE item ADD shown VARCHAR(40) GENERATED ALWAYS AS (CONCAT(note, IF(price = 3, '?', '!'))) STORED",
    "UPDATE item SET id = 'ROW5' WHERE id = 'row5'",
    "INSERT INTO item (id, note, price, changed_at) VALUES ('import', 'new', 1, '2024-01-04 11:00:00')",
    "INSERT INTO item (id, note, price, changed_at) VALUES ('zero', 'new', 1, '0000-00-00')",
    "INSERT INTO item (id, note, price, changed_at) VALUES ('future', 'new', 1, '2999-01-01')",
)
"""What happens in the source and no cursor shows, to each day something else."""

SEEN = {
    "incremental": {"missing": 4, "extra": 1, "stale": 3},
    "append": {"missing": 4, "extra": 1, "stale": 3, "differing": 1},  # no day has the future row yet
    "full": {"late": 8},  # staging is as it was read
}
"""What a proof finds of it."""


@pytest.mark.parametrize(
    ("server", "mode"),
    [("mysql", "incremental"), ("mariadb", "append"), soak("mysql", "full")],
    indirect=["server"],
)
def test_what_no_cursor_shows_is_found_and_a_repair_outlives_its_day(world: World, mode: str) -> None:
    """A cascade, an UPDATE that leaves the cursor alone, cursors at zero and in the future, rows of an import.

    A generated column with a new expression, and a key renamed within its collation.
    """
    world.catalog(entry(mode, "" if mode == "full" else "deletes: remove"))
    rows = (f"('row{n}', 'note', {n}, '2024-01-0{n} 10:00:00', IF({n} = 6, 'books', NULL))" for n in range(1, 7))
    world.at_source(
        "CREATE TABLE category (name VARCHAR(20) PRIMARY KEY)",
        "INSERT INTO category VALUES ('books')",
        "CREATE TABLE item (id VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, note VARCHAR(20), "
        "price DECIMAL(9,2), changed_at DATETIME NOT NULL, category VARCHAR(20), "
        "shown VARCHAR(40) GENERATED ALWAYS AS (CONCAT(note, '!')) STORED, KEY (changed_at), "
        "FOREIGN KEY (category) REFERENCES category (name) ON UPDATE CASCADE)",
        f"INSERT INTO item (id, note, price, changed_at, category) VALUES {', '.join(rows)}",
    )
    load(world, mode)
    world.at_source("SET sql_mode = ''", *UNSEEN)
    run = prove(world, "item", max_share=0.2)
    assert run.success, run.failures
    assert kinds(world, "item") == SEEN[mode]
    assert run.check("equal").passed == (mode == "full")
    if mode == "full":
        load(world, mode)
        assert_dates_of_no_calendar_are_null_and_all_else_equal(world)
        return

    assert figures(world, "item")["stale_columns"] == {"price": 1, "category": 1, "shown": 1}
    if mode == "append":
        world.at_source("UPDATE item SET changed_at = '2024-01-04 11:00:00' WHERE id = 'future'")
        prove(world, "item")
        assert kinds(world, "item") == {"missing": 1}
    assert_dates_of_no_calendar_are_null_and_all_else_equal(world)
    again = remedies.run("rebuild item")  # from the lake, whose days do not have what was mended
    assert again.exit_code == 0, again.text
    back = {"extra": 1} if mode == "incremental" else {}  # but have what was removed, until the next proof
    assert verify("item").kinds == back
    world.load(DAYS[0], "item")  # nor does a day that is read again lose it
    assert prove(world, "item", max_share=0.2).success
    assert kinds(world, "item") == back
    assert_dates_of_no_calendar_are_null_and_all_else_equal(world)
    assert remedies.run("purge item --days 2024-01-02 --yes").exit_code == 0
    from aurora_dwh.lake.factory import open_lake

    assert open_lake().repairs("item") == []


def assert_dates_of_no_calendar_are_null_and_all_else_equal(world: World) -> None:
    """Compare every value of the rows of both sides, and expect a proof to find nothing."""
    at = "CASE WHEN YEAR(changed_at) > 0 THEN changed_at END"
    there = world.ask_source(f"SELECT id, note, price, {at}, category, shown FROM item")
    here = world.ask_warehouse("SELECT id, note, price, changed_at, category, shown FROM staging.item")
    assert Counter(there) == Counter(here)
    assert verify("item").kinds == {}


KEYS = {
    "composite": ("a INT, b CHAR(3) COLLATE utf8mb4_bin", ["a", "b"], "({n}, 'k{n}')"),
    "words": ("k VARCHAR(9) COLLATE utf8mb4_general_ci", ["k"], "('key{n}')"),
    "cp932": ("k VARCHAR(9) CHARACTER SET cp932", ["k"], "('日本{n}')"),
    "bytes": ("k BINARY(4)", ["k"], "(x'00ff270{n}')"),
    "decimal": ("k DECIMAL(20,7)", ["k"], "(-0.000000{n})"),
    "moment": ("k DATETIME(6)", ["k"], "('2024-01-01 00:00:00.00000{n}')"),
}


@pytest.mark.parametrize(
    ("server", "kinds_of_key", "mode"),
    [
        ("mysql", ("composite", "words", "decimal"), "incremental"),
        ("mariadb", ("cp932", "bytes", "moment"), "incremental"),
        *(soak(kind, tuple(KEYS), mode) for kind in KINDS for mode in MODES),
    ],
    indirect=["server"],
)
def test_rows_of_every_kind_of_key_are_found_and_mended(world: World, kinds_of_key: tuple[str, ...], mode: str) -> None:
    tables, entries = [f"t_{kind}" for kind in kinds_of_key], []
    for table, (ddl, key, value) in zip(tables, (KEYS[kind] for kind in kinds_of_key), strict=True):
        by_mode = {"full": "mode: full"}.get(mode, f"mode: {mode}, cursor: at, deletes: remove")
        entries.append(f"{table}: {{key: [{', '.join(key)}], {by_mode}}}")
        rows = ", ".join(value.format(n=n).rstrip(")") + f", 'v{n}', '2024-01-01 10:00:00')" for n in range(1, 10))
        world.at_source(
            f"CREATE TABLE {table} ({ddl}, v VARCHAR(9), at DATETIME, PRIMARY KEY ({', '.join(key)}), KEY (at))",
            f"INSERT INTO {table} VALUES {rows}",
        )
    world.catalog("\n".join(entries))
    world.load("2024-01-01", *tables)
    for table in tables:
        for statement in (
            "UPDATE staging.{t} SET v = 'x' WHERE v = 'v1'",
            "DELETE FROM staging.{t} WHERE v = 'v2'",
            "INSERT INTO staging.{t} SELECT * FROM staging.{t} WHERE v = 'v3'",
        ):
            world.ask_warehouse(statement.format(t=table))
        if mode != "full":  # where the source has changed since, rows are late
            world.at_source(f"DELETE FROM {table} WHERE v = 'v4'")
    assert prove(world, *tables, max_share=0.2).success
    found = {"missing": 1, "extra": 1, "stale": 1, "duplicate": 1}
    if mode == "full":
        found = {"missing": 1, "stale": 1, "duplicate": 1, "differing": 3}
    assert {table: kinds(world, table) for table in tables} == dict.fromkeys(tables, found)
    if mode == "full":
        world.load("2024-01-01", *tables)
    world.assert_equal(*(table for table in tables if table != "t_bytes"))
    if "t_bytes" in tables:
        there = world.ask_source("SELECT HEX(k), v, at FROM t_bytes ORDER BY 1")
        here = world.ask_warehouse("SELECT UPPER(FROM_VARBYTE(k, 'hex')), v, at FROM staging.t_bytes ORDER BY 1")
        assert there == here
    if mode == "incremental" and "t_words" in tables:  # a key renamed within its collation
        world.at_source("UPDATE t_words SET k = 'KEY5', at = '2024-01-02 10:00:00' WHERE k = 'key5'")
        world.load("2024-01-02", "t_words")
        assert prove(world, "t_words", max_share=0.2).success
        assert kinds(world, "t_words") == {"extra": 1}
        world.assert_equal("t_words")


@one_server
def test_a_table_without_a_key_is_compared_by_its_rows(world: World) -> None:
    world.catalog("log: {mode: append, cursor: at}\nlisted: {mode: full}")
    world.at_source(
        "CREATE TABLE log (v VARCHAR(9), at DATETIME, KEY (at))",
        "INSERT INTO log VALUES ('a', '2024-01-01 10:00:00'), ('a', '2024-01-01 10:00:00')",
        "INSERT INTO log VALUES ('b', '2024-01-02 10:00:00')",
        "CREATE TABLE listed LIKE log",
        "INSERT INTO listed SELECT * FROM log",
    )
    world.load(DAYS[0], "log", "listed", last=DAYS[1])
    assert verify("log").kinds == verify("listed").kinds == {}
    for table in ("log", "listed"):
        world.ask_warehouse(f"UPDATE staging.{table} SET v = 'c' WHERE v = 'b'")
    world.at_source("UPDATE listed SET v = 'd' WHERE v = 'a' LIMIT 1")
    run = prove(world, "log", "listed")
    assert run.success, run.failures
    assert kinds(world, "log") == {"missing": 1, "gone": 1}
    assert kinds(world, "listed") == {"missing": 1, "extra": 1, "late": 2, "differing": 2}
    world.load(DAYS[1], "listed")
    world.assert_equal("log", "listed")


@one_server
@pytest.mark.parametrize("mode", ["incremental", "append"])
def test_what_was_written_since_the_last_load_is_late_and_no_difference(nights: Nights, mode: str) -> None:
    world = nights.world
    nights.catalog(f"event: {MODES[mode]}")
    nights.table("DATETIME")
    nights.write("DATETIME", {n: nights.at(1, "12:00:00") for n in range(1, 6)})
    world.load(nights.day(1), "event")
    now = datetime.now(ZoneInfo(nights.zone)).replace(tzinfo=None)
    nights.write("DATETIME", {3: now, 7: now}, value=5)
    nights.write("DATETIME", {8: now + timedelta(days=1)}, value=5)  # still to come: no day brings it
    run = prove(world, "event")
    assert kinds(world, "event").pop("late") == 2
    assert figures(world, "event")["missing"] == 1
    assert figures(world, "event")["rows_proven"] == (5 if mode == "incremental" else 4)
    assert run.check("equal").severity.value == ("WARN" if mode == "incremental" else "ERROR")


@one_server
def test_a_whole_table_that_the_source_changed_since_is_late_and_what_staging_changed_is_not(world: World) -> None:
    filled(world, "full")
    world.at_source(
        "UPDATE item SET price = 5 WHERE id = 11",
        "DELETE FROM item WHERE id = 12",
        "INSERT INTO item VALUES (99, 'new', 1, '2024-01-03 12:00:00')",
    )
    run = prove(world, "item")
    assert run.check("equal").passed
    assert kinds(world, "item") == {"late": 3}
    world.ask_warehouse("UPDATE staging.item SET note = 'other' WHERE id = 13")
    assert not prove(world, "item").check("equal").passed
    assert kinds(world, "item") == {"stale": 1, "late": 3, "differing": 1}


@one_server
def test_the_command_says_what_was_proven_and_when(world: World) -> None:
    filled(world, "incremental", "repair: report")
    said = remedies.run("proof")
    assert (said.exit_code, "not proven" in said.text) == (0, True)
    world.ask_warehouse("UPDATE staging.item SET note = 'other' WHERE id = 11")
    prove(world, "item")
    said = remedies.run("proof --json")
    (row,) = json.loads(said.text)
    assert said.exit_code == 1
    assert (row["table"], row["equal"], row["stale"], row["differing"], row["equal_at"]) == ("item", False, 1, 1, None)
    world.catalog(f"item: {MODES['incremental']}")
    prove(world, "item")
    (row,) = json.loads(remedies.run("proof item --json").text)
    assert (row["equal"], row["stale"], row["repaired"], row["rows_proven"]) == (True, 1, 1, 60)
    assert row["equal_at"] == row["read_at"]
    assert "1 stale" in remedies.run("proof").text


@one_server
def test_a_row_that_staging_has_in_another_day_is_stale_in_either_day(world: World) -> None:
    filled(world, "incremental")
    world.ask_warehouse("UPDATE staging.item SET changed_at = '2024-01-02 10:00:01' WHERE id = 11")
    said = remedies.run("verify item --day 2024-01-01...2024-01-03 --json")
    assert [(day["day"], day["kinds"]) for day in json.loads(said.text)] == [
        ("2024-01-01", {"stale": 1}),
        ("2024-01-02", {"stale": 1}),
        ("2024-01-03", {}),
    ]
    assert json.loads(said.text)[1]["differences"][-1].startswith("id='11': changed_at is '2024-01-01 10:00:01")
