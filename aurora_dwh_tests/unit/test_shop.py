"""The sample shop's life: the same every time, however its days are cut, and like a shop's."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter, defaultdict
from typing import Any

import pytest

from aurora_dwh.local import shop
from aurora_dwh.local.shop_data import COUNTRIES

DAYS = list(shop.days(shop.START, shop.last_day()))
COLUMNS = shop.COLUMNS


def rows_of(days: list[shop.Day], table: str) -> dict[Any, dict[str, Any]]:
    """The rows of a table after these days, by key."""
    found: dict[Any, dict[str, Any]] = {}
    for day in days:
        for values in day.changed[table]:
            row = dict(zip(COLUMNS[table], values, strict=True))
            found[tuple(row[name] for name in shop.KEYS[table])] = row
    return found


def test_days_lived_in_parts_are_the_days_lived_at_once() -> None:
    middle = shop.START + dt.timedelta(days=10)
    parts = [
        *shop.days(shop.START, middle - dt.timedelta(days=1)),
        *shop.days(middle, middle),
        *shop.days(middle + dt.timedelta(days=1), shop.last_day()),
    ]
    assert parts == DAYS


def test_another_seed_is_another_shop() -> None:
    assert next(shop.days(shop.START, shop.START, seed=1)) != DAYS[0]


def test_scale_multiplies_orders_and_views() -> None:
    small, large = (list(shop.days(shop.START, shop.last_day(7), scale=scale)) for scale in (0.5, 2.0))
    views = [sum(len(day.views) for day in days) for days in (small, large)]
    orders = [len(rows_of(days, "orders_master")) for days in (small, large)]
    assert 3.5 < views[1] / views[0] < 4.5
    assert 3.5 < orders[1] / orders[0] < 4.5


@pytest.mark.parametrize(
    ("first", "last"),
    [(shop.START - dt.timedelta(days=1), shop.START), (shop.last_day(), shop.START)],
)
def test_days_that_the_shop_does_not_have_are_refused(first: dt.date, last: dt.date) -> None:
    with pytest.raises(ValueError, match="the shop lives from 2024-01-01"):
        list(shop.days(first, last))


def test_the_usual_size_is_about_fifty_thousand_rows() -> None:
    counts = {table: len(rows_of(DAYS, table)) for table in DAYS[0].changed}
    counts["page_view"] = sum(len(day.views) for day in DAYS)
    assert 5_000 < counts["orders_master"] < 7_500
    assert 17_000 < counts["order_details_master"] < 26_000
    assert 18_000 < counts["page_view"] < 26_000
    assert 105 < counts["products_master"] < 140
    assert 45_000 < sum(counts.values()) < 60_000


def test_every_change_is_stamped_with_its_day() -> None:
    for day in DAYS[1:]:
        for table, values in day.changed.items():
            at = COLUMNS[table].index("update_date")
            assert {row[at][:10] for row in values} <= {day.date.isoformat()}, table
        assert {row[1][:10] for row in day.views} == {day.date.isoformat()}


def test_orders_move_to_later_days_when_they_change() -> None:
    orders = rows_of(DAYS, "orders_master").values()
    moved = [row for row in orders if row["update_date"][:10] > row["create_date"][:10]]
    assert len(moved) > 0.8 * len(orders)
    assert all(row["update_date"] >= row["create_date"] for row in orders)
    seen: dict[int, set[str]] = defaultdict(set)
    for day in DAYS:
        for row in day.changed["orders_master"]:
            seen[row[0]].add(row[COLUMNS["orders_master"].index("status")])
    assert {"In Process", "Shipped"} in seen.values()
    assert {"In Process", "Shipped", "Disputed", "Resolved"} in seen.values()


def test_some_orders_and_products_are_deleted_softly() -> None:
    orders = rows_of(DAYS, "orders_master")
    deleted = {key for key, row in orders.items() if row["delete_date"]}
    assert 50 < len(deleted) < 400
    assert all(orders[key]["delete_date"] == orders[key]["update_date"] for key in deleted)
    lines = rows_of(DAYS, "order_details_master").values()
    assert all(bool(line["delete_date"]) == ((line["order_id"],) in deleted) for line in lines)
    assert any(row["delete_date"] for row in rows_of(DAYS, "products_master").values())


def test_lines_belong_to_orders_and_products() -> None:
    orders, products = rows_of(DAYS, "orders_master"), rows_of(DAYS, "products_master")
    for line in rows_of(DAYS, "order_details_master").values():
        assert (line["order_id"],) in orders
        assert (line["product_id"],) in products
        assert line["quantity_ordered"] > 0


def test_weekends_are_busier_and_some_products_sell_best() -> None:
    views: dict[bool, list[int]] = {True: [], False: []}
    for day in DAYS:
        views[day.date.weekday() >= 5].append(len(day.views))
    average = {weekend: sum(counts) / len(counts) for weekend, counts in views.items()}
    assert average[True] > 1.2 * average[False]
    sold = Counter(line["product_id"] for line in rows_of(DAYS, "order_details_master").values())
    top = sum(count for _, count in sold.most_common(len(sold) // 10))
    assert top > 0.25 * sum(sold.values())


def test_prices_and_stock_change() -> None:
    history: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for day in DAYS:
        for row in day.changed["products_master"]:
            history[row[0]].append(row)
    prices = [len({row[COLUMNS["products_master"].index("MSRP")] for row in rows}) for rows in history.values()]
    stocks = [
        len({row[COLUMNS["products_master"].index("quantity_stock")] for row in rows}) for rows in history.values()
    ]
    assert sum(count > 1 for count in prices) > 20
    assert sum(count > 1 for count in stocks) > 100


def test_comments_hold_what_breaks_careless_loaders() -> None:
    comments = [row["comments"] for row in rows_of(DAYS, "orders_master").values()]
    assert None in comments
    assert {"", " ", "NULL", "\\N"} <= set(comments)
    text = "".join(filter(None, comments))
    assert all(mark in text for mark in (",", "'", '"', "\n", "\r\n", "\t", "\\", "|", "領収書", "🎁"))


def test_views_have_ascending_numbers_and_many_visits() -> None:
    views = list(itertools.chain.from_iterable(day.views for day in DAYS))
    assert [view[0] for view in views] == list(range(1, len(views) + 1))
    assert [view[1] for view in views] == sorted(view[1] for view in views)
    assert len({view[5] for view in views}) > 5_000
    assert {view[3] for view in views} >= {None, ""}


def test_values_fit_their_columns() -> None:
    widths = {"product_id": 15, "product_name": 70, "product_line": 50, "product_scale": 10, "product_vendor": 50}
    for row in rows_of(DAYS, "products_master").values():
        assert all(len(row[name]) <= width for name, width in widths.items())
        assert row["quantity_stock"] >= 0
    assert len({row[0] for row in COUNTRIES}) == len(COUNTRIES) >= 60
