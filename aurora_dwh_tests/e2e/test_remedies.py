"""Commands that messages advise, each run in the situation that it is advised in.

Where a test of that situation is elsewhere, `unit/test_promises.py` names it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.lake.factory import open_lake
from aurora_dwh_tests.e2e.remedies import commands, follow, run
from aurora_dwh_tests.e2e.world import World

TABLE = (
    "CREATE TABLE item (id INT PRIMARY KEY, v VARCHAR(9), updated_at DATETIME NOT NULL DEFAULT '2024-01-01' "
    "ON UPDATE NOW(), KEY (updated_at))"
)
ENTRY = "item: {key: id, cursor: updated_at}"


def test_c21_a_catalog_that_lacks_what_discover_finds_is_mended_by_the_named_command(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world.at_source(TABLE, "INSERT INTO item (id, v) VALUES (1, 'a')")
    said = run("doctor").text  # no file
    assert "error" not in said
    assert commands(" ".join(said.replace("│", " ").split())) == ["discover --output FILE"]
    assert run(f"discover --output {world.catalog_file}").exit_code == 0
    assert list(Catalog.load().tables) == ["item"]

    for without in ("", "tables:\n", "tables: {}\n"):
        world.catalog_file.write_text(f"timezone: UTC\nstart_date: 2024-01-01\n{without}", encoding="utf-8")
        said = run("verify")
        assert said.exit_code == 2
        assert follow(said.text) == "discover"
        assert list(Catalog.load().tables) == ["item"]

    world.catalog("item: {cursor: updated_at}")
    said = run("verify")
    assert "mode incremental upserts rows by their key" in said.text
    assert follow(" ".join(said.text.split())) == "discover --output suggested.yaml"
    assert Catalog.load(tmp_path / "suggested.yaml").tables["item"].key == ("id",)


def test_o09_keys_that_the_catalog_names_anew_are_had_by_the_named_command(world: World) -> None:
    world.catalog(ENTRY)
    world.at_source(TABLE, "INSERT INTO item (id, v) VALUES (1, 'a')")
    world.load("2024-01-01", "item")

    def told() -> list[str]:
        found = run("doctor --json").text
        checks = {check["name"]: check for check in json.loads(found[found.index("[") :])}
        check = checks.get("redshift: keys of staging.item")
        return [check["detail"], check["remedy"]] if check else []

    assert told() == []
    world.catalog("item: {key: id, cursor: updated_at, dist_key: id, sort_key: [v, id]}")
    said = told()
    assert said[0] == "its dist_key is none, and id is asked for; its sort_key is updated_at, and v, id is asked for"
    assert follow(said[1]) == "rebuild item"
    assert told() == []
    world.assert_equal("item")


def test_c21_a_lake_that_lacks_days_is_filled_by_the_named_command(world: World) -> None:
    world.catalog("item: {key: id, cursor: updated_at, target_table: things}")
    world.at_source(TABLE, "INSERT INTO item (id, v) VALUES (1, 'a')")
    world.load("2024-01-01", "item", last="2024-01-03")
    world.at_source("INSERT INTO item VALUES (2, 'b', '2024-01-03')")
    world.load("2024-01-03", "item")
    for days in ("2024-01-03", "all"):
        assert run(f"purge item --days {days} --yes").exit_code == 0
        done = run("rebuild item")
        assert done.exit_code == 1
        assert "the lake lacks what the table was loaded from" in done.text
        assert follow(done.text) == "rebuild item --from source"
        assert world.staged_rows("item", "things") == world.source_rows("item")
        assert len(open_lake().all("item")) == 3


def test_c21_days_of_types_that_go_into_no_one_table_are_read_again_by_the_named_command(world: World) -> None:
    world.catalog(ENTRY)
    world.at_source(TABLE, "INSERT INTO item (id, v) VALUES (1, '7')")
    world.load("2024-01-01", "item")
    world.at_source("ALTER TABLE item MODIFY v INT", "INSERT INTO item VALUES (2, 8, '2024-01-02')")
    assert not world.run("2024-01-02", assets=None).success
    done = run("rebuild item")
    assert "days in the lake have columns of types that go into no one table" in done.text
    assert follow(done.text) == "rebuild item --from source"
    world.assert_equal("item")
