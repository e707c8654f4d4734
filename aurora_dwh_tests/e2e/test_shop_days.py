"""The sample shop on a real MySQL: its days loaded in any order and any number of times, while life goes on."""

from __future__ import annotations

import random
import shutil
from datetime import date
from decimal import Decimal

import dagster as dg
import pytest

from aurora_dwh.catalog import model as catalog_module
from aurora_dwh.catalog.model import Catalog
from aurora_dwh.local import shop
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh_tests.e2e.world import LOAD, MARTS, World, chain, days

SCALE = 0.05
"""A small shop: what happens is the same, and each run is quick."""


@pytest.fixture
def shop_world(world: World) -> World:
    """The world with the shop's catalog, and the shop before its first day."""
    shop_folder = catalog_module.PACKAGED_CATALOG.parent
    shutil.copytree(shop_folder, world.catalog_file.parent, dirs_exist_ok=True)
    with world.source(autocommit=False) as connection:
        shop.create(connection)
    return world


def live(world: World, first: str, last: str) -> None:
    """Carry the shop through some of its days."""
    with world.source(autocommit=False) as connection:
        shop.live(connection, first=date.fromisoformat(first), last=date.fromisoformat(last), scale=SCALE)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", [2, pytest.param(4, marks=pytest.mark.soak)])
def test_days_in_shuffled_order_twice_while_the_shop_lives_on_end_in_the_sources_rows(
    shop_world: World, half: int
) -> None:
    world, order = shop_world, random.Random(20240101)
    first, second = days(1, half), days(half + 1, 2 * half)
    live(world, first[0], first[-1])
    world.load(first[0], *shop.TABLES, last=first[-1])
    world.assert_equal(*shop.TABLES)

    live(world, second[0], second[-1])
    _load_each_twice(world, order, second)
    for key in order.sample(first, half // 2):
        world.load(key, *shop.TABLES)
    world.assert_equal(*shop.TABLES)
    _assert_proof_agrees(world)


def _load_each_twice(world: World, order: random.Random, keys: list[str]) -> None:
    """Load days in shuffled order: each once alone, and once together with a neighbour as one run."""
    calls: list[tuple[str, str | None]] = [(key, None) for key in keys]
    calls += zip(keys[::2], keys[1::2], strict=True)
    order.shuffle(calls)
    for first, last in calls:
        world.load(first, *shop.TABLES, last=last)


def _assert_proof_agrees(world: World) -> None:
    catalog = Catalog.load(world.catalog_file)
    for verdict in compare_tables(catalog, catalog.tables.values()):
        assert verdict.equal, verdict
        ((rows,),) = world.ask_source(f"SELECT COUNT(*) FROM {verdict.table}")
        assert verdict.source_rows == verdict.staged_rows == rows


def test_marts_sums_are_the_sums_that_the_source_computes(shop_world: World) -> None:
    world = shop_world
    live(world, "2024-01-01", "2024-01-12")
    assert world.run("2024-01-01", "2024-01-11", chain(*shop.TABLES)).success
    for job in (LOAD, MARTS):
        run = world.run("2024-01-12", job=job)
        assert run.success, run.failures

    sales = world.ask_source(
        "SELECT DATE(o.order_date), p.product_line, COUNT(DISTINCT o.order_id), SUM(d.quantity_ordered), "
        "SUM(d.quantity_ordered * d.price_each), SUM(d.quantity_ordered * (p.MSRP - d.price_each)) "
        "FROM orders_master o JOIN order_details_master d USING (order_id) JOIN products_master p USING (product_id) "
        "WHERE o.delete_date IS NULL AND d.delete_date IS NULL AND o.status <> 'Cancelled' GROUP BY 1, 2"
    )
    mart = world.ask_warehouse("SELECT order_day, product_line, orders, units, revenue, discount FROM bi.daily_sales")
    assert len(sales) > 20
    assert sorted(mart) == sorted(sales)

    ((orders, shipped),) = world.ask_source(
        "SELECT COUNT(*), COUNT(shipped_date) FROM orders_master WHERE delete_date IS NULL"
    )
    assert world.ask_warehouse("SELECT SUM(orders), SUM(shipped) FROM bi.order_fulfilment") == [(orders, shipped)]

    ((value,),) = world.ask_source("SELECT SUM(quantity_stock * price) FROM products_master WHERE delete_date IS NULL")
    assert world.ask_warehouse("SELECT SUM(stock_value) FROM bi.stock_cover") == [(value,)]

    ((amount, lines),) = world.ask_source(
        "SELECT SUM(d.quantity_ordered * d.price_each), COUNT(*) FROM order_details_master d "
        "JOIN orders_master o USING (order_id) WHERE d.delete_date IS NULL AND o.delete_date IS NULL"
    )
    assert world.ask_warehouse("SELECT SUM(line_amount), COUNT(*) FROM bi.order_detail") == [(amount, lines)]
    assert isinstance(amount, Decimal)


def test_a_mart_by_day_has_the_days_of_its_runs_and_no_others(shop_world: World) -> None:
    world = shop_world
    live(world, "2024-01-01", "2024-01-04")
    views = dg.AssetKey(["bi", "daily_page_views"])
    for first, last in (("2024-01-01", "2024-01-03"), ("2024-01-02", None)):
        assert world.run(first, last, chain("page_view")).success
        assert world.run(first, last, [views], job=MARTS).success
    by_day = "SELECT view_day, SUM(views) FROM bi.daily_page_views GROUP BY 1 ORDER BY 1"
    at_source = "SELECT DATE(viewed_at), COUNT(*) FROM page_view WHERE viewed_at < '2024-01-04' GROUP BY 1 ORDER BY 1"
    assert world.ask_warehouse(by_day) == world.ask_source(at_source)
