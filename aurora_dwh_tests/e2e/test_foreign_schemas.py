"""From nothing to proof on databases that nobody here designed, with no edit but the connection."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.foreign import create_wordpress, create_zabbix, fill_wordpress
from aurora_dwh_tests.servers import server  # noqa: F401 - both servers, unlike elsewhere in this folder

pytestmark = pytest.mark.timeout(900)


def command(*words: str) -> str:
    """Run a command in this process, expect success, and return what it printed."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.stdout


def discover_and_check() -> Catalog:
    """Write the catalog, expect `doctor` to find nothing that fails, and return the catalog."""
    command("discover")
    checks = json.loads(command("doctor", "--json"))
    assert [check for check in checks if check["state"] == "failed"] == []
    return Catalog.load()


def counted(world: World, catalog: Catalog) -> dict[str, tuple[int, int]]:
    """Return each table's rows in the source and in staging."""
    return {
        name: (
            world.ask_source(f"SELECT COUNT(*) FROM `{name}`")[0][0],
            world.ask_warehouse(f'SELECT COUNT(*) FROM staging."{table.target}"')[0][0],
        )
        for name, table in catalog.tables.items()
    }


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_wordpress_is_copied_day_by_day_and_equal(world: World) -> None:
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    start = yesterday.replace(day=1)
    days = sorted({start, yesterday})
    create_wordpress(world.server, world.database)
    fill_wordpress(world.server, world.database, days)
    catalog = discover_and_check()
    assert catalog.start_date == start
    assert catalog.tables["wp_posts"].mode == "incremental"
    assert len(catalog.tables) == 12

    for day in reversed(days):
        world.load(day.isoformat(), *catalog.tables)
    assert all(verdict["equal"] for verdict in json.loads(command("verify", "--json")))
    rows = counted(world, catalog)
    assert all(there == here > 0 for there, here in rows.values()), rows
    world.assert_equal("wp_postmeta", "wp_options", "wp_terms")


ZABBIX = (
    *("items", "hosts", "item_preproc", "widget_field"),
    *("images", "auditlog", "history", "history_uint"),
)
"""The tables that tests look into, and those of Zabbix' rarest types: LONGBLOB, LONGTEXT, DOUBLE, unsigned numbers."""


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)  # makes two hundred tables in half of MySQL's time
@pytest.mark.parametrize("tables", [ZABBIX, pytest.param((), marks=pytest.mark.soak)], ids=["part", "whole"])
def test_zabbix_is_copied_whole_and_equal(world: World, tables: tuple[str, ...]) -> None:
    create_zabbix(world.server, world.database, *tables)
    catalog = discover_and_check()
    assert len(catalog.tables) == len(tables) or len(catalog.tables) > 150
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    world.load(yesterday.isoformat(), *catalog.tables)
    verdicts = json.loads(command("verify", "--json"))
    assert [verdict for verdict in verdicts if not verdict["equal"]] == []
    rows = counted(world, catalog)
    assert Counter(there == here for there, here in rows.values()) == Counter({True: len(catalog.tables)})
    world.assert_equal("items", "hosts", "item_preproc", "widget_field")
