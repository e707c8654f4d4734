"""Where things lie in the lake."""

from __future__ import annotations

from datetime import date

import pytest

from aurora_dwh.lake.layout import Layout

LAYOUT = Layout("lake", "raw/v1", "shop")
DAY = date(2024, 1, 5)


def test_a_day_lies_under_prefix_database_table_and_hive_style_day() -> None:
    assert LAYOUT.table("orders") == "raw/v1/shop/orders"
    assert LAYOUT.day("orders", DAY) == "raw/v1/shop/orders/day=2024-01-05"
    assert LAYOUT.manifest("orders", DAY) == "raw/v1/shop/orders/day=2024-01-05/_manifest.json"
    assert LAYOUT.part("orders", DAY, "20240106T010000-ab", 7) == (
        "raw/v1/shop/orders/day=2024-01-05/part-20240106T010000-ab-00007.parquet"
    )
    assert LAYOUT.range_manifest("orders", "ab12") == "raw/v1/shop/orders/_loads/ab12.json"


def test_without_a_prefix_no_key_begins_with_a_slash() -> None:
    assert Layout("lake", "", "shop").day("orders", DAY) == "shop/orders/day=2024-01-05"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("order", "order"),
        ("table with space", "table%20with%20space"),
        ("a/b", "a%2Fb"),
        ("what?#", "what%3F%23"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("50%", "50%25"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("_arrivals", "%5F%61%72%72%69%76%61%6C%73"),
    ],
)
def test_a22_what_s3_or_a_url_would_misread_in_a_name_is_encoded(name: str, encoded: str) -> None:
    assert LAYOUT.table(name) == f"raw/v1/shop/{encoded}"
    assert Layout("lake", "", name).table("t") == f"{encoded}/t"


def test_no_table_lies_beneath_the_prefix_of_another() -> None:
    assert not LAYOUT.day("orders_old", DAY).startswith(LAYOUT.table("orders") + "/")


def test_an_address_and_its_key_belong_together() -> None:
    key = LAYOUT.manifest("a b", DAY)
    assert LAYOUT.url(key) == f"s3://lake/{key}"
    assert LAYOUT.key(LAYOUT.url(key)) == key


@pytest.mark.parametrize("url", ["s3://lake2/a", "s3://other/a", "http://lake/a", "lake/a"])
def test_an_address_in_another_bucket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not in bucket lake"):
        LAYOUT.key(url)
