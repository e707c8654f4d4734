"""Columns that the catalog names and a table does not have: every command says which field of which table is wrong."""

from __future__ import annotations

import pytest

from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import World, chain

pytestmark = pytest.mark.timeout(300)

GOOD = {"key": "id", "cursor": "changed_at"}
FIELDS = {
    "key": "[id, nope]",
    "cursor": "nope",
    "soft_delete": "nope",
    "include": "[id, changed_at, nope]",
    "exclude": "nope",
    "mask": "{nope: sha256}",
    "dist_key": "nope",
    "sort_key": "[changed_at, nope]",
}


EACH = ("plan item --day 2024-01-01", "verify item", "verify item --day 2024-01-01", "doctor")
NO_COLUMN = "names 'nope', which is no column of the table"


def write(world: World, fields: dict[str, str]) -> None:
    world.catalog(f"item: {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}")


def test_c24_a_column_that_is_not_there_is_named_with_its_field_by_each_command(world: World) -> None:
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, note VARCHAR(9), changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES (1, 'a', '2024-01-01')",
    )
    write(world, GOOD)
    world.load("2024-01-01", "item")
    assert run("verify item").exit_code == 0
    entries = [(field, {**GOOD, field: value}) for field, value in FIELDS.items()]
    entries.append(("key", {"mode": "full", "key": FIELDS["key"]}))
    for field, entry in entries:
        write(world, entry)
        told = [run(command) for command in (EACH if field == "key" else EACH[:1])]
        assert [done.exit_code for done in told] == [1] * len(told), entry
        for done in told:
            assert f"table item: `{field}` {NO_COLUMN}" in " ".join(done.text.replace("│", " ").split()), entry
    assert f"table item: `key` {NO_COLUMN}" in world.run("2024-01-01", assets=chain("item")).failure
    write(world, {**GOOD, "key": "[id, nope]", "soft_delete": "gone", "exclude": "no_note"})
    said = run("verify item").text
    assert all(f"names {name!r}" in said for name in ("nope", "gone", "no_note")), said


def test_c24_a_table_is_not_made_from_the_lake_with_a_column_that_its_days_lack(world: World) -> None:
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES (1, '2024-01-01')",
    )
    write(world, GOOD)
    world.load("2024-01-01", "item")
    for field in ("key", "dist_key", "sort_key"):
        write(world, {**GOOD, field: FIELDS[field]})
        done = run("rebuild item")
        assert done.exit_code == 1
        said = " ".join(done.text.split())
        assert f"table item: `{field}` names 'nope', which is no column of its days in the lake" in said
        world.assert_equal("item")
    world.ask_warehouse("DROP TABLE staging.item")
    again = world.run("2024-01-01", assets=chain("item")[1:])
    assert "`sort_key` names 'nope', which is no column of its days in the lake" in again.failure
    world.at_source("ALTER TABLE item ADD nope INT NOT NULL DEFAULT 7")
    follow(again.failure)
    world.assert_equal("item")
