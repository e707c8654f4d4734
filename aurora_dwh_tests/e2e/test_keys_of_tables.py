"""Keys that do not tell rows apart: nothing is loaded by them, the rows are named, and the remedy told works."""

from __future__ import annotations

import json
import re
from typing import Any

import dagster as dg
import pytest

from aurora_dwh_tests.e2e.proofs import prove
from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.sampling import sample, soak

pytestmark = pytest.mark.timeout(600)

MODES = ("incremental", "append", "full")


def catalog(world: World, mode: str, fields: str, cursor: str = "changed_at") -> None:
    by = "" if mode == "full" else f", cursor: {cursor}"
    world.catalog(f"item: {{mode: {mode}{by}, {fields}}}")


def refused(world: World, first: str, last: str | None = None) -> str:
    """Run days, expect them to fail with the table as it was, and return what is said."""
    before = staged(world)
    done = world.run(first, last, chain("item"))
    assert not done.success
    assert staged(world) == before
    return done.failure


def staged(world: World) -> list[tuple[Any, ...]]:
    there = "SELECT COUNT(*) FROM svv_all_tables WHERE schema_name = 'staging' AND table_name = 'item'"
    if world.ask_warehouse(there) == [(0,)]:
        return []
    return world.ask_warehouse("SELECT * FROM staging.item ORDER BY 1, 2")


# A key that several rows have


@pytest.mark.parametrize("mode", sample(MODES, "incremental"))
def test_c13_rows_that_have_their_key_in_common_are_an_error_and_the_source_s_own_key_mends_it(
    world: World, mode: str
) -> None:
    catalog(world, mode, "key: id")
    world.at_source(
        "CREATE TABLE item (id INT, region INT, note VARCHAR(9), changed_at DATETIME NOT NULL, PRIMARY KEY (id), "
        "KEY (changed_at))",
        "INSERT INTO item VALUES (1, 1, 'a', '2024-01-01'), (2, 1, 'b', '2024-01-01'), (3, 1, 'c', '2024-01-01')",
    )
    world.load("2024-01-01", "item")
    world.at_source(
        "ALTER TABLE item DROP PRIMARY KEY, ADD PRIMARY KEY (region, id)",
        "INSERT INTO item VALUES (4, 1, 'd', '2024-01-02'), (4, 2, 'e', '2024-01-02'), (4, 3, 'f', '2024-01-02')",
    )
    said = refused(world, "2024-01-02")
    assert "staging.item" in said
    assert "(id)" in said
    assert "such as 4" in said or "such as id=4" in said
    assert "`key`, such as the source's primary key (region, id)" in said
    catalog(world, mode, "key: [region, id]")
    if mode == "incremental":
        assert follow(said) == "rebuild item"
    done = world.load("2024-01-02", "item")
    world.assert_equal("item")
    rows = 6 if mode == "full" else 3
    assert f": {rows} rows have, within their day, each a key (region, id) of its own" in str(
        done.check("keys").description
    )


def test_c13_an_older_reading_with_such_rows_is_refused_too(world: World) -> None:
    catalog(world, "incremental", "key: id")
    world.at_source(
        "CREATE TABLE item (id INT, region INT, changed_at DATETIME NOT NULL, PRIMARY KEY (region, id), "
        "KEY (changed_at))",
        "INSERT INTO item VALUES (1, 1, '2024-01-01'), (1, 2, '2024-01-01')",
    )
    assert "2 rows of one reading have their key (id) in common, such as id=1" in refused(world, "2024-01-01")
    world.at_source("DELETE FROM item WHERE region = 2", "UPDATE item SET changed_at = '2024-01-02'")
    world.load("2024-01-02", "item")
    done = world.run("2024-01-01", assets=[dg.AssetKey(["staging", "item"])])
    assert "in common" in done.failure


def test_c13_texts_that_are_several_in_the_source_and_one_in_utf_8_are_not_lost(world: World) -> None:
    """cp932 has two codes for some characters, such as the Roman numerals of NEC and IBM."""
    catalog(world, "incremental", "key: code")
    world.at_source(
        "CREATE TABLE item (code VARCHAR(4) CHARACTER SET cp932 COLLATE cp932_bin PRIMARY KEY, "
        "changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES (X'8754', '2024-01-01'), (X'FA4A', '2024-01-01'), ('b', '2024-01-01')",
    )
    said = refused(world, "2024-01-01")
    assert "2 rows of one reading have their key (code) in common, such as code='Ⅰ'" in said
    catalog(world, "incremental", "key: code, filter: \"code <> X'FA4A'\"")
    world.load("2024-01-01", "item")
    assert [row[0] for row in staged(world)] == ["b", "Ⅰ"]


def test_c13_the_check_says_what_it_proved_of_days_that_were_not_copied(world: World) -> None:
    catalog(world, "append", "key: id")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES (1, '2024-01-01'), (2, '2024-01-01')",
    )
    world.load("2024-01-01", "item")
    world.ask_warehouse("UPDATE dwh.load_history SET snapshot_at = '2100-01-01', loaded_at = '2100-01-01'")
    done = world.load("2024-01-01", "item")
    overtaken = "; not so of 1 day (2024-01-01), which a later reading overtook"
    assert str(done.check("rows").description).endswith(
        f": 0 rows read from the source, which counted as many, in the manifest and copied{overtaken}"
    )
    assert str(done.check("keys").description).endswith(
        f": 0 rows have, within their day, each a key (id) of its own{overtaken}"
    )
    assert done.check("rows").metadata["copied_rows"].value == 0


# A key that another one resembles, or that has no value


def test_c17_a_key_that_was_renamed_by_blanks_at_its_end_is_mended_by_the_named_command(world: World) -> None:
    catalog(world, "incremental", "key: code")
    world.at_source(
        "CREATE TABLE item (code VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, note INT, "
        "changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES ('a', 1, '2024-01-01'), ('b', 1, '2024-01-01')",
    )
    world.load("2024-01-01", "item")
    world.at_source("UPDATE item SET code = 'a ', changed_at = '2024-01-02' WHERE code = 'a'")
    said = refused(world, "2024-01-02")
    assert "rows differ only in blanks at the end of their key, such as code='a '" in said
    assert follow(said) == "rebuild item --from source"
    world.load("2024-01-02", "item")
    world.assert_equal("item")


RETYPED = [
    ("INT", "VARCHAR(20)", "rebuild {} --from source"),
    ("INT", "BIGINT", "rebuild {}"),
    ("DECIMAL(10,2)", "DECIMAL(20,4)", "rebuild {}"),
    ("VARCHAR(20)", "INT", "rebuild {} --from source"),
    ("DATETIME", "VARCHAR(30)", "rebuild {} --from source"),
    ("DATE", "DATETIME", "rebuild {}"),
]
"""A column's type -> its new one -> the command that mends the table."""


@pytest.mark.parametrize("retyped", [RETYPED[::2], soak(RETYPED)], ids=["some", "all"])
def test_c17_a_column_of_another_type_is_mended_by_the_named_command(
    world: World, retyped: list[tuple[str, str, str]]
) -> None:
    """Of either mode in turn: the columns are compared in one place."""
    cases = {f"item_{number}": case for number, case in enumerate(retyped)}
    entries = ("{key: id, cursor: changed_at}", "{mode: append, key: id, cursor: changed_at}")
    world.catalog("\n".join(f"{table}: {entries[number % 2]}" for number, table in enumerate(cases)))
    values = {table: "'2024-02-03'" if before.startswith("DATE") else "'7'" for table, (before, *_) in cases.items()}
    for table, (before, *_) in cases.items():
        world.at_source(
            f"CREATE TABLE {table} (id INT PRIMARY KEY, v {before}, changed_at DATETIME NOT NULL, KEY (changed_at))",
            f"INSERT INTO {table} VALUES (1, {values[table]}, '2024-01-01')",
        )
    world.load("2024-01-01", *cases)
    for table, (_, after, _) in cases.items():
        world.at_source(
            f"ALTER TABLE {table} MODIFY COLUMN v {after}",
            f"INSERT INTO {table} VALUES (2, {values[table]}, '2024-01-02')",
        )
    done = world.run("2024-01-02", assets=chain(*cases))
    for table, (*_, command) in cases.items():
        assert "column 'v' is" in done.failure_of(table)
        assert follow(done.failure_of(table)) == command.format(table)
    world.load("2024-01-02", *cases)
    world.assert_equal(*cases)


@pytest.mark.parametrize(
    "change",
    ["ADD COLUMN more INT", soak("DROP COLUMN v"), soak("MODIFY COLUMN v VARCHAR(40)"), "MODIFY COLUMN v INT"],
)
def test_c17_a_frozen_table_is_mended_by_the_named_command(world: World, change: str) -> None:
    catalog(world, "incremental", "key: id, on_drift: freeze")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, v VARCHAR(20), changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item (id, v, changed_at) VALUES (1, '7', '2024-01-01')",
    )
    world.load("2024-01-01", "item")
    world.at_source(f"ALTER TABLE item {change}", "INSERT INTO item (id, changed_at) VALUES (2, '2024-01-02')")
    done = world.run("2024-01-02", assets=chain("item"))
    assert "is frozen" in done.failure
    assert follow(done.failure) == "rebuild item --from source"
    world.load("2024-01-02", "item")
    world.assert_equal("item")


def test_c17_rows_that_somebody_else_wrote_are_mended_by_the_named_command(world: World) -> None:
    catalog(world, "incremental", "key: id")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES (1, '2024-01-01'), (2, '2024-01-01')",
    )
    world.load("2024-01-01", "item")
    world.ask_warehouse("INSERT INTO staging.item SELECT * FROM staging.item WHERE id = 2")
    world.ask_warehouse("UPDATE staging.item SET _dwh_loaded_at = '2100-01-01'")
    said = refused(world, "2024-01-01")
    assert "are there more than once, such as 2" in said
    assert follow(said) == "rebuild item"
    world.load("2024-01-01", "item")
    world.assert_equal("item")


@pytest.mark.parametrize("mode", sample(MODES, "incremental"))
def test_c18_a_key_without_a_value_names_the_row_and_what_helps(world: World, mode: str) -> None:
    catalog(world, mode, "key: code")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE, changed_at DATETIME NOT NULL, "
        "KEY (changed_at))",
        "INSERT INTO item VALUES (1, 'a', '2024-01-01'), (77, NULL, '2024-01-01'), (78, NULL, '2024-01-01')",
    )
    said = refused(world, "2024-01-01")
    assert "column 'code': no key in the row id = 77: NULL" in said
    assert "name the source's primary key (id) in `key`" in said
    advice = re.search(r"`(filter: \".*?\")`", said)
    assert advice
    catalog(world, mode, f"key: code, {advice[1]}")
    world.load("2024-01-01", "item")
    assert [row[:2] for row in staged(world)] == [(1, "a")]


@pytest.mark.parametrize("mode", sample(MODES, "append"))
def test_c18_the_source_s_own_key_helps_as_well(world: World, mode: str) -> None:
    catalog(world, mode, "key: [code, part]")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, code VARCHAR(9), part INT, changed_at DATETIME NOT NULL, "
        "UNIQUE (code, part), KEY (changed_at))",
        "INSERT INTO item VALUES (1, 'a', 1, '2024-01-01'), (77, 'a', NULL, '2024-01-01'), "
        "(78, 'a', NULL, '2024-01-01')",
    )
    said = refused(world, "2024-01-01")
    assert "column 'part': no key in the row id = 77: NULL" in said
    catalog(world, mode, "key: id")
    world.load("2024-01-01", "item")
    world.assert_equal("item")


def test_c18_a_key_without_a_value_in_days_of_the_lake_is_named_by_a_rebuild(world: World) -> None:
    catalog(world, "incremental", "key: id")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE, changed_at DATETIME NOT NULL, "
        "KEY (changed_at))",
        "INSERT INTO item VALUES (1, 'a', '2024-01-01'), (77, NULL, '2024-01-01')",
    )
    world.load("2024-01-01", "item")
    before = staged(world)
    catalog(world, "incremental", "key: code")
    said = run("rebuild item")
    assert said.exit_code == 1
    assert "rows have NULL in their key (code), such as code=None, id=77" in said.text
    assert staged(world) == before
    catalog(world, "incremental", "key: id")
    assert run("rebuild item").exit_code == 0
    world.assert_equal("item")


# A key that is another one in Redshift alone


@pytest.mark.parametrize(("before", "after"), [soak("ABC", "abc"), ("resume", "résumé")])
def test_c14_a_key_that_changed_in_case_or_accents_alone_is_warned_of_named_and_removed_by_the_policy(
    world: World, before: str, after: str
) -> None:
    world.at_source(
        "CREATE TABLE item (code VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, "
        "exact VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE, "
        "updated_at DATETIME NOT NULL DEFAULT '2024-01-01' ON UPDATE NOW(), KEY (updated_at))",
        f"INSERT INTO item (code, exact) VALUES ('{before}', 'x'), ('b', 'y')",
    )
    world.catalog("")
    (found,) = json.loads(run(f"discover --output {world.catalog_file} --json").text)["added"]
    (warning,) = [text for text in found["warnings"] if text.startswith("key ")]
    assert warning == (
        "key code is compared by utf8mb4_unicode_ci, which takes no notice of case or accents, and byte by byte in "
        "Redshift: a key that is changed in these alone leaves its old row there; use deletes: remove"
    )
    world.catalog("item: {key: code, cursor: updated_at, deletes: remove}")
    world.load("2024-01-01", "item")
    world.at_source(f"UPDATE item SET code = '{after}', updated_at = '2024-01-02' WHERE code = '{after}'")
    world.load("2024-01-02", "item")
    assert {row[0] for row in staged(world)} == {before, after, "b"}
    assert f"only in Redshift: code='{before}'" in run("verify item").text
    assert prove(world, "item", max_share=0.5).success
    world.assert_equal("item")
