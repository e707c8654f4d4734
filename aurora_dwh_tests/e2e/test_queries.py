"""Queries as tables of the catalog: the page's own example, loaded, planned, proven, mended and changed."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh_tests.e2e.proofs import kinds, prove, verify
from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
)

pytestmark = pytest.mark.timeout(300)

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"
DAYS = ("2024-01-01", "2024-01-02")
TABLES = ("order_items", "sales_by_product")
EXPECTED = {
    "order_items": (
        (
            "SELECT o.order_id, i.number, SHA2(o.customer, 256), i.product, i.quantity * i.price, "
            "IF(o.updated_at > i.updated_at, o.updated_at, i.updated_at) FROM orders o, items i "
            "WHERE i.order_id = o.order_id"
        ),
        "SELECT order_id, number, customer, product, amount, updated_at FROM staging.order_items",
    ),
    "sales_by_product": (
        "SELECT product, COUNT(*), SUM(quantity * price) FROM items GROUP BY product",
        "SELECT product, sold, amount FROM staging.sales_by_product",
    ),
}
"""What the page's queries give, asked in other words of the source, and what is staged."""


def made(world: World, heading: str = "A query as a table") -> World:
    """Make the tables of the page's examples and the catalog of a section, and load two days."""
    world.at_source(
        "CREATE TABLE orders (order_id INT PRIMARY KEY, customer VARCHAR(20), updated_at DATETIME(6) NOT NULL, "
        "KEY (updated_at))",
        "CREATE TABLE items (order_id INT, number INT, product ENUM('cup', 'pot'), quantity INT UNSIGNED, "
        "price DECIMAL(12,4), updated_at DATETIME(6) NOT NULL, PRIMARY KEY (order_id, number))",
        "INSERT INTO orders VALUES (1, 'Ada', '2024-01-01 10:00'), (2, 'Bob', '2024-01-02 10:00:00.5'), "
        "(3, NULL, '2024-01-01 10:00')",
        "INSERT INTO items VALUES (1, 1, 'cup', 2, 0.3333, '2024-01-01 09:00'), "
        "(1, 2, 'pot', 1, 99999999.9999, '2024-01-02 09:00'), (2, 1, 'cup', 4294967295, 1, '2024-01-01 09:00'), "
        "(3, 1, NULL, NULL, 1, '2024-01-01 09:00')",
    )
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    example = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert example is not None
    world.catalog_file.write_text(example[1], encoding="utf-8")
    world.load(DAYS[0], *Catalog.load().tables, last=DAYS[1])
    return world


def assert_equal(world: World, *tables: str) -> None:
    """Compare every value of what the tables' queries give with what is staged."""
    for table in tables:
        there, here = EXPECTED[table]
        assert (wanted := Counter(world.ask_source(there)))
        assert Counter(world.ask_warehouse(here)) == wanted


@mariadb_in_soak
def test_the_pages_queries_are_loaded_planned_proven_and_mended(world: World) -> None:
    made(world)
    assert_equal(world, *TABLES)
    assert world.day_metadata("lake/sales_by_product", DAYS[1])["rows_counted_by_source"] == 3
    for command in ("verify", "plan order_items --day 2024-01-02", "rebuild order_items --from source"):
        done = run(command)
        assert done.exit_code == 0, (command, done.text)
    planned = run("plan order_items --day 2024-01-02").text
    assert "SHA2(CONVERT(`customer` USING utf8mb4), 256) AS `customer`" in planned
    assert "JOIN items i USING (order_id)\n) AS `order_items`\nWHERE (`updated_at` >= '2024-01-02 00:00:00'" in planned
    by_hand = run("plan order_items --by-hand")
    assert by_hand.exit_code == 2
    assert "has a `query`" in by_hand.text
    checked = {check["name"]: check for check in json.loads(run("doctor --json").text)}
    assert checked["aurora: table sales_by_product"]["state"] == "ok"
    assert "it is a query's" in checked["aurora: table order_items"]["detail"]
    found = run(f"discover --output {world.catalog_file} --json")
    assert json.loads(found.text)["not_in_database"] == []

    world.ask_warehouse("DELETE FROM staging.order_items WHERE order_id = 2")
    world.ask_warehouse("UPDATE staging.order_items SET amount = amount + 1 WHERE number = 2")
    world.ask_warehouse("UPDATE staging.sales_by_product SET sold = 9 WHERE product = 'cup'")
    assert verify("order_items").kinds == {"missing": 1, "stale": 1}
    assert verify("sales_by_product").kinds == {"missing": 1, "extra": 1}
    assert prove(world, "order_items").success
    assert kinds(world, "order_items") == {"missing": 1, "stale": 1}
    assert_equal(world, "order_items")
    assert verify("order_items").kinds == {}


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_a_query_that_is_changed_or_loses_a_column_is_told(world: World) -> None:
    made(world)
    text = world.catalog_file.read_text(encoding="utf-8")
    world.catalog_file.write_text(text.replace("i.quantity * i.price AS", "i.price AS"), encoding="utf-8")
    refused = run("rebuild order_items")
    assert refused.exit_code == 1
    assert "was read by other rules than the catalog has now (query) on 2 days" in " ".join(refused.text.split())
    assert follow(refused.text) == "rebuild order_items --from source"
    staged = Counter(world.ask_warehouse("SELECT order_id, number, amount FROM staging.order_items"))
    assert staged == Counter(world.ask_source("SELECT order_id, number, price FROM items"))

    world.at_source("ALTER TABLE items DROP COLUMN price")
    done = world.run(DAYS[1])
    assert len(done.failures) == 2
    for failure in done.failures:
        assert "the server refuses its `query`: Unknown column" in failure
        assert "mend the query in the catalog" in failure
    assert Catalog.load().tables["order_items"].query


@pytest.mark.parametrize("server", [soak("mysql"), "mariadb"], indirect=True)
def test_a_cast_is_the_type_of_the_lake_and_redshift_and_a_filter_is_a_part_that_is_equal(world: World) -> None:
    made(world, "Another type, or a part for a trial")
    types = world.ask_warehouse(
        "SELECT column_name, data_type, numeric_precision, numeric_scale, character_maximum_length FROM "
        "svv_all_columns WHERE table_name = 'prices' AND column_name IN ('price', 'reference') ORDER BY 1"
    )
    assert types == [("price", "numeric", 10, 1, None), ("reference", "character varying", None, None, 48)]
    staged = world.ask_warehouse("SELECT order_id, number, price, reference FROM staging.prices ORDER BY 1, 2")
    assert staged == [
        *world.ask_source("SELECT order_id, number, ROUND(price, 1), CONCAT(order_id) FROM items ORDER BY 1, 2")
    ]
    assert world.ask_warehouse("SELECT order_id, number FROM staging.items") == [(2, 1)]
    assert all(verdict["equal"] for verdict in json.loads(run("verify --json").text))
    world.catalog_file.write_text(
        world.catalog_file.read_text(encoding="utf-8").replace(", filter: order_id % 2 = 0", ""), encoding="utf-8"
    )
    assert follow(run("rebuild items").text) == "rebuild items --from source"
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.items") == [(4,)]
