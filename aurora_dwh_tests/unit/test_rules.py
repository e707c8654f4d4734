"""What shapes rows, as a value: what of the catalog is in it, how it is written, and when two of them agree."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import pytest

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Manifest, Window
from aurora_dwh.core.rules import CONTENTS, SHAPE, Rules, RulesError, check_days, is_other_source, other_source
from aurora_dwh.core.schema import Column, TableSchema

DAY = date(2024, 1, 5)


def rules(source: str | None = "shop@db", **fields: Any) -> Rules:
    table = Table(**{"name": "Orders", "key": ("Id",), "cursor": "At", **fields})
    return Rules.of(table, Catalog(timezone="Asia/Tokyo", start_date=DAY, tables={}), source=source)


def manifest(of: Rules | None, *columns: Column) -> Manifest:
    schema = TableSchema("shop", "Orders", columns or (Column("Id", "int", "int"),))
    moment = datetime(2024, 1, 6, tzinfo=timezone.utc)
    return Manifest("Orders", "s3://b/m", "a", schema, Window(DAY, None, moment), moment, 0, (), {}, rules=of)


def test_what_the_catalog_says_is_told_in_one_form() -> None:
    written = rules(key=("Line", "ID"), exclude=("Zip", "Area"), filter=" x > 1\n", mask={"EMail": {"keep_last": 2}})
    assert written.to_json() == {
        "source": "shop@db",
        "table": "Orders",
        "mode": "incremental",
        "key": ["id", "line"],
        "cursor": "at",
        "cursor_timezone": "Asia/Tokyo",
        "timezone": "Asia/Tokyo",
        "start_date": "2024-01-05",
        "include": [],
        "exclude": ["area", "zip"],
        "filter": "x > 1",
        "mask": {"email": {"keep_last": 2}},
        "zero_dates": "null",
        "oversize": "fail",
        "nul_bytes": "fail",
    }


def test_they_come_back_as_they_were_also_with_what_a_later_version_adds() -> None:
    written = rules(mask={"a": "sha256", "b": {"value": "x"}}, filter="name = 'é\\\\'")
    assert Rules.from_json(json.loads(written.to_text())) == written
    assert Rules.from_json({**written.to_json(), "later": 1}) == written
    assert Rules.from_json(written.to_json()).to_text() == written.to_text()


def test_a_query_is_a_rule_and_none_is_as_it_was_before_there_were_queries() -> None:
    one, other, none = (rules(query=query) for query in ("SELECT 1 AS id", "SELECT 2 AS id", None))
    assert "query" not in none.to_json()
    assert Rules.from_json(json.loads(one.to_text())) == one
    assert one.differences(other, CONTENTS) == none.differences(one, CONTENTS) == ["query"]
    with pytest.raises(RulesError, match=r"read by other rules than the catalog has now \(query\)"):
        check_days(one, [manifest(none)], remedy="Read it again")


def test_the_masks_key_is_in_them_by_its_fingerprint_and_another_key_is_another_mask() -> None:
    table = Table(name="Orders", mode="full", mask={"EMail": "hmac", "zip": "sha256"})
    catalog = Catalog(timezone="UTC", start_date=DAY, tables={})
    one, other = (Rules.of(table, catalog, source=None, mask_key=key) for key in ("f00d", "beef"))
    assert one.mask == {"email": {"hmac": "f00d"}, "zip": "sha256"}
    assert Rules.from_json(json.loads(one.to_text())) == one
    with pytest.raises(RulesError, match=r"other rules than the catalog has now \(mask of email by another key\)"):
        check_days(other, [manifest(one)], remedy="Read them again")
    check_days(one, [manifest(one)], remedy="")
    unkeyed = rules(mode="full", key=(), cursor=None, mask={"email": "sha256", "zip": "sha256"})
    assert unkeyed.differences(one, ["mask"]) == ["mask of email"]


def test_columns_of_other_names_are_told_and_what_knew_no_other_names_has_none() -> None:
    one = rules(rename={"Id": "Order_ID", "x": "y"}, exclude=("z",))
    assert (one.key, one.cursor, one.rename) == (["order_id"], "at", {"id": "order_id", "x": "y"})
    before = {name: value for name, value in rules(exclude=("z",)).to_json().items() if name != "rename"}
    assert Rules.from_json(before).differences(one, CONTENTS) == ["rename of id, x"]
    with pytest.raises(RulesError, match=r"rename of id\)"):
        check_days(one, [manifest(None)], remedy="")
    with pytest.raises(KeyError):
        Rules.from_json({})


def test_equal_catalogs_have_equal_texts_and_others_have_not() -> None:
    assert rules(exclude=("a", "B")).to_text() == rules(exclude=("b", "A")).to_text()
    assert rules(filter="a  > 1").to_text() != rules(filter="a > 1").to_text()


def test_what_is_very_long_is_known_again_by_a_digest() -> None:
    long = rules(include=("id", "at", *(f"column_{n}" for n in range(1_500))), filter=" OR ".join(["a = 1"] * 10_000))
    assert len(long.to_text()) < 2_000
    assert long == rules(include=("AT", *(f"column_{n}" for n in range(1_500)), "id"), filter=long_filter())
    assert long.differences(rules(), CONTENTS) == ["include", "filter"]


def long_filter() -> str:
    return " OR ".join(["a = 1"] * 10_000)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, {}, []),
        ({"lookback": "1h"}, {"lookback": "2h", "sort_key": "id", "dist_key": "id"}, []),
        ({"mask": {"a": "sha256", "b": "null"}}, {"mask": {"b": "sha256", "c": "null"}}, ["mask of a, b, c"]),
        ({"exclude": ("a", "b")}, {"exclude": ("b", "c")}, ["exclude of a, c"]),
        ({"include": ("id", "at")}, {}, ["include of at, id"]),
        ({"filter": "a"}, {"filter": "b"}, ["filter"]),
        ({}, {"zero_dates": "fail"}, ["zero_dates null, now fail"]),
        ({}, {"cursor_timezone": "UTC"}, ["cursor_timezone Asia/Tokyo, now UTC"]),
    ],
)
def test_what_differs_is_told_in_words(before: dict[str, Any], now: dict[str, Any], told: list[str]) -> None:
    assert rules(**before).differences(rules(**now), SHAPE) == told


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (rules(), rules(), ""),
        (rules(key=("Id", "line")), rules(), ""),
        (rules(zero_dates="fail"), rules(), ""),
        (rules("another"), rules(), ""),
        (rules(mode="append"), rules(), ""),
        (rules(), rules(mode="append"), "mode incremental, now append"),
        (rules(), rules(mode="full", cursor=None), "mode incremental, now full"),
        (rules(cursor="x"), rules(), "cursor x, now at"),
        (rules(mode="full", cursor=None, key=()), rules(), "cursor none, now at, mode full, now incremental"),
        (rules(filter="a"), rules(), "filter"),
    ],
)
def test_c11_days_go_with_rules_or_are_refused(before: Rules, now: Rules, told: str) -> None:
    if not told:
        check_days(now, [manifest(before)], remedy="Do something")
        return
    with pytest.raises(RulesError) as caught:
        check_days(now, [manifest(now), manifest(before)], remedy="Do something")
    assert str(caught.value) == (
        f"lake/Orders was read by other rules than the catalog has now ({told}) on 1 day (2024-01-05); nothing was "
        "changed. Do something"
    )


CLEAR, HIDDEN = Column("Mail", "varchar", "varchar(9)", length=9), Column("mail", "varchar", "v", read_as="SHA2({0})")


@pytest.mark.parametrize(
    ("columns", "now", "told"),
    [
        ((CLEAR,), rules(), ""),
        ((CLEAR,), rules(filter="a"), ""),
        ((CLEAR,), rules(mask={"mail": "sha256"}), "mask of mail"),
        ((HIDDEN,), rules(mask={"mail": "sha256"}), ""),
        ((CLEAR,), rules(exclude=("MAIL",)), "include or exclude of mail"),
        ((CLEAR,), rules(include=("Id", "at")), "include or exclude of mail"),
        ((CLEAR,), rules(include=("id", "at", "mail")), ""),
    ],
)
def test_c11_of_days_without_rules_their_columns_tell(columns: tuple[Column, ...], now: Rules, told: str) -> None:
    if not told:
        check_days(now, [manifest(None, *columns)], remedy="")
        return
    with pytest.raises(RulesError, match=f"[(]{told}[)]"):
        check_days(now, [manifest(None, *columns)], remedy="")


def test_c15_sources_are_told_apart_by_name_and_table() -> None:
    assert not is_other_source(rules("a"), rules("a", key=("x",)))
    assert is_other_source(rules("a"), rules("b"))
    assert is_other_source(rules("a"), replace(rules("a"), table="other"))
    assert not is_other_source(None, rules("a"))
    assert not is_other_source(rules("a"), None)
    said = str(other_source("staging.orders was", rules("it's north"), replace(rules("south"), table="Order Lines")))
    assert "AURORA_SOURCE='it'\"'\"'s north' and go on" in said
    assert "`aurora-dwh rebuild 'Order Lines' --from source`" in said
