"""Views as tables of the catalog: they are offered, copied in every mode, compared and rebuilt."""

from __future__ import annotations

import json

import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
)

pytestmark = pytest.mark.timeout(300)

DAYS = ("2024-01-01", "2024-01-02")


def make(world: World) -> None:
    """Make a table and a view of it, and one that is broken."""
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, note VARCHAR(9), changed_at DATETIME NOT NULL, KEY (changed_at))",
        "INSERT INTO item VALUES (1, 'a', '2024-01-01 10:00'), (2, 'b', '2024-01-02 10:00')",
        "CREATE VIEW `the view` AS SELECT id, note AS text, changed_at FROM item WHERE id > 0",
        "CREATE TABLE gone (id INT PRIMARY KEY)",
        "CREATE VIEW broken AS SELECT id FROM gone",
        "DROP TABLE gone",
    )


def discovered(world: World) -> dict[str, object]:
    done = run(f"discover --output {world.catalog_file} --json")
    assert done.exit_code == 0, done.text
    found: dict[str, object] = json.loads(done.text)
    return found


@mariadb_in_soak
def test_c21_views_are_offered_and_one_that_is_taken_is_copied(world: World) -> None:
    make(world)
    world.catalog("")
    assert discovered(world)["views"] == ["the view"]
    assert list(Catalog.load().tables) == ["item"]
    before = world.catalog_file.read_text(encoding="utf-8")
    assert "  # broken is not copied: " in before
    discovered(world)
    assert sorted(world.catalog_file.read_text(encoding="utf-8").splitlines()) == sorted(before.splitlines())

    taken = before.replace("  # the view:", "  the view:")
    assert taken != before
    world.catalog_file.write_text(taken, encoding="utf-8")
    assert Catalog.load().tables["the view"].mode == "full"
    found = discovered(world)
    assert (found["views"], found["not_in_database"], found["added"]) == ([], [], [])
    world.load(DAYS[0], "the view")
    world.assert_equal("the view")
    for command in ("verify 'the view'", "plan 'the view'", "rebuild 'the view'", "rebuild 'the view' --from source"):
        done = run(command)
        assert done.exit_code == 0, (command, done.text)
    world.assert_equal("the view")


@pytest.mark.parametrize(
    ("server", "mode"), [soak("mysql", "key: id"), ("mariadb", "mode: append")], indirect=["server"]
)
def test_c21_a_view_with_a_cursor_is_copied_by_day_and_no_index_on_it_is_advised(world: World, mode: str) -> None:
    make(world)
    world.catalog(f"the view: {{{mode}, cursor: changed_at}}")
    for day in DAYS:
        world.load(day, "the view")
    world.assert_equal("the view")
    said = run("doctor --json").text
    (check,) = [check for check in json.loads(said) if check["name"] == "aurora: table the view"]
    assert check["state"] == "warning"
    assert "INDEX" not in check["remedy"]
    assert check["remedy"] == "add such an index to that table if there is none; a view can have none itself"
    for command in ("verify 'the view'", "rebuild 'the view'", "rebuild 'the view' --from source"):
        done = run(command)
        assert done.exit_code == 0, (command, done.text)
    world.assert_equal("the view")
    world.at_source("ALTER VIEW `the view` AS SELECT id, id AS text, changed_at FROM item")
    done = world.run(DAYS[1], assets=None)
    assert follow(done.failure) == "rebuild 'the view' --from source"
    world.assert_equal("the view")
