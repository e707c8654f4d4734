"""The five marts of the sample shop, built on staged rows, and what a second build does."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aurora_dwh.catalog.model import PACKAGED_CATALOG, Catalog, marts_folder
from aurora_dwh.core import retries
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.marts.build import Built, build
from aurora_dwh.warehouse.marts.model import Mart, MartError, MartHeader, check_inputs, read_marts
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.services import BORDERS, each_statement, query, together

MARTS = {mart.name: mart for mart in read_marts(marts_folder(PACKAGED_CATALOG))}
SCHEMAS = {"staging": "staging", "bi": "bi"}
DAY = date(2024, 1, 10)

STAGING = """
CREATE SCHEMA staging;
CREATE TABLE staging.products_master (product_id VARCHAR(60) NOT NULL, product_name VARCHAR(280),
  product_line VARCHAR(200), product_vendor VARCHAR(200), quantity_stock INTEGER, price DECIMAL(10,2),
  msrp DECIMAL(10,2), delete_date TIMESTAMP, update_date TIMESTAMP, _dwh_day DATE, _dwh_loaded_at TIMESTAMP);
CREATE TABLE staging.orders_master (order_id DECIMAL(20,0) NOT NULL, order_date TIMESTAMP, required_date DATE,
  shipped_date TIMESTAMP, status VARCHAR(60), comments VARCHAR(65535), delete_date TIMESTAMP, update_date TIMESTAMP,
  _dwh_day DATE, _dwh_loaded_at TIMESTAMP);
CREATE TABLE staging.order_details_master (order_id DECIMAL(20,0) NOT NULL, product_id VARCHAR(60) NOT NULL,
  quantity_ordered BIGINT, price_each DECIMAL(10,2), delete_date TIMESTAMP, update_date TIMESTAMP, _dwh_day DATE,
  _dwh_loaded_at TIMESTAMP);
CREATE TABLE staging.page_view (view_id BIGINT, session_id VARCHAR(60), path VARCHAR(400), viewed_at TIMESTAMP,
  _dwh_day DATE, _dwh_loaded_at TIMESTAMP);
INSERT INTO staging.products_master (product_id, product_name, product_line, product_vendor, quantity_stock, price,
  msrp, delete_date) VALUES
  (1, 'Car', 'Cars', 'V1', 70, 5.00, 12.50, NULL), (2, 'Ship', 'Ships', 'V2', 3, 7.25, 10.00, NULL),
  (3, 'Gone', 'Cars', 'V1', 9, 1.00, 2.00, '2024-01-02 00:00:00'), (4, 'Unsold', 'Ships', 'V2', 8, 2.00, 3.00, NULL);
INSERT INTO staging.orders_master (order_id, order_date, required_date, shipped_date, status, delete_date) VALUES
  (10, '2024-01-01 23:59:59', '2024-01-05 00:00:00', '2024-01-04 00:00:00', 'Shipped', NULL),
  (11, '2024-01-02 00:00:00', '2024-01-05 00:00:00', '2024-01-07 00:00:00', 'Shipped', NULL),
  (12, '2024-01-02 12:00:00', '2024-01-05 00:00:00', NULL, 'Cancelled', NULL),
  (13, '2024-01-02 12:00:00', '2024-01-05 00:00:00', NULL, 'Shipped', '2024-01-03 00:00:00'),
  (14, '2024-01-20 12:00:00', '2024-01-25 00:00:00', NULL, 'In Process', NULL);
INSERT INTO staging.order_details_master (order_id, product_id, quantity_ordered, price_each, delete_date) VALUES
  (10, 1, 2, 10.00, NULL), (10, 2, 1, 9.50, NULL), (11, 1, 4, 12.00, NULL), (11, 2, 5, 9.00, '2024-01-03 00:00:00'),
  (12, 1, 100, 1.00, NULL), (13, 1, 100, 1.00, NULL), (14, 1, 7, 12.50, NULL);
INSERT INTO staging.page_view (view_id, session_id, path, _dwh_day) VALUES
  (1, 's1', '/', '2024-01-10'), (2, 's1', '/', '2024-01-10'), (3, 's2', '/', '2024-01-10'),
  (4, 's2', '/a', '2024-01-10'), (5, 's1', '/', '2024-01-11');
"""

ROWS: dict[str, list[tuple[Any, ...]]] = {
    "daily_page_views": [
        (date(2024, 1, 10), "/", 3, 2),
        (date(2024, 1, 10), "/a", 1, 1),
        (date(2024, 1, 11), "/", 1, 1),
    ],
    "daily_sales": [
        (date(2024, 1, 1), "Cars", 1, 2, Decimal("20.00"), Decimal("5.00")),
        (date(2024, 1, 1), "Ships", 1, 1, Decimal("9.50"), Decimal("0.50")),
        (date(2024, 1, 2), "Cars", 1, 4, Decimal("48.00"), Decimal("2.00")),
        (date(2024, 1, 20), "Cars", 1, 7, Decimal("87.50"), Decimal("0.00")),
    ],
    "order_fulfilment": [
        (date(2024, 1, 1), "Shipped", 1, 1, 0, 3, 3),
        (date(2024, 1, 2), "Cancelled", 1, 0, 0, None, None),
        (date(2024, 1, 2), "Shipped", 1, 1, 1, 5, 5),
        (date(2024, 1, 20), "In Process", 1, 0, 0, None, None),
    ],
    "stock_cover": [  # the last order is of 20 January: 14 days begin on the 7th
        ("1", "Car", "Cars", 70, Decimal("350.00"), 7, Decimal("140.0")),
        ("2", "Ship", "Ships", 3, Decimal("21.75"), 0, None),
        ("4", "Unsold", "Ships", 8, Decimal("16.00"), 0, None),
    ],
}


@pytest.fixture
def shop(warehouse: Warehouse) -> Warehouse:
    """A warehouse with the shop's staging tables filled."""
    with warehouse.session() as session:
        for statement in STAGING.split(";\n"):
            if statement.strip():
                session.execute(statement)
    return warehouse


def run(warehouse: Warehouse, mart: Mart, *, days: int = 2, schemas: Mapping[str, str] = SCHEMAS) -> Built:
    incremental = mart.header.materialization == "incremental"
    return build(warehouse, mart, schemas=schemas, days=(DAY, DAY + timedelta(days=days)) if incremental else None)


def rows(warehouse: Warehouse, name: str) -> list[tuple[Any, ...]]:
    return query(warehouse, f"SELECT * FROM bi.{name} ORDER BY 1, 2")


PAGE = (Path(__file__).parents[2] / "docs" / "marts.md").read_text(encoding="utf-8")


def test_the_documented_mart_is_built_and_its_header_has_every_field(shop: Warehouse, tmp_path: Path) -> None:
    found = re.search(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    (tmp_path / "orders_by_status.sql").write_text(found[1], encoding="utf-8")
    (mart,) = read_marts(tmp_path)
    check_inputs([mart], Catalog.load(PACKAGED_CATALOG))
    query(shop, "UPDATE staging.orders_master SET _dwh_day = DATE '2024-01-10'")
    run(shop, mart)
    assert rows(shop, "orders_by_status") == [
        (DAY, "Cancelled", 1),
        (DAY, "In Process", 1),
        (DAY, "Shipped", 3),
    ]
    section = PAGE.partition("\n## The header\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(MartHeader.model_fields)


def table(name: str, sql: str, **header: Any) -> Mart:
    fields = {"materialization": "table", "description": "", "grain": ("a",), **header}
    return Mart(name, MartHeader(**fields), sql, ())


def test_the_rows_below_are_of_every_mart_but_the_view() -> None:
    assert {n for n, m in MARTS.items() if m.header.materialization != "view"} == set(ROWS)
    assert len(MARTS) == 5


@pytest.mark.parametrize("name", ROWS)
def test_a_mart_holds_what_its_description_says_after_the_first_build_and_the_second(
    shop: Warehouse, name: str
) -> None:
    for _ in range(2):
        done = run(shop, MARTS[name])
        assert rows(shop, name) == ROWS[name]
        assert done.figures.rows == len(ROWS[name])


@pytest.mark.parametrize("name", MARTS)
def test_the_grain_tells_the_rows_of_a_mart_apart(shop: Warehouse, name: str) -> None:
    run(shop, MARTS[name])
    grain = ", ".join(MARTS[name].header.grain)
    assert query(shop, f"SELECT {grain} FROM bi.{name} GROUP BY {grain} HAVING COUNT(*) > 1") == []
    assert rows(shop, name)


def test_the_view_shows_at_once_what_is_in_staging(shop: Warehouse) -> None:
    assert run(shop, MARTS["order_detail"]).figures.rows == 5
    select = "SELECT order_id, product_id, product_name, line_amount FROM bi.order_detail ORDER BY 1, 2"
    lines = query(shop, select)
    assert lines[0] == (10, "1", "Car", Decimal("20.00"))
    assert [(o, p) for o, p, *_ in lines] == [(10, "1"), (10, "2"), (11, "1"), (12, "1"), (14, "1")]
    with shop.session() as session:
        session.execute("UPDATE staging.products_master SET product_name = 'Auto' WHERE product_id = '1'")
    assert query(shop, select)[0][2] == "Auto"


def test_a21_the_view_survives_that_a_table_beneath_it_is_made_anew(shop: Warehouse) -> None:
    run(shop, MARTS["order_detail"])
    before = rows(shop, "order_detail")
    with shop.session() as session:
        session.execute("CREATE TABLE staging.new AS SELECT * FROM staging.orders_master")
        session.execute("DROP TABLE staging.orders_master")
        session.execute("ALTER TABLE staging.new RENAME TO orders_master")
    assert rows(shop, "order_detail") == before
    run(shop, MARTS["order_detail"])
    assert rows(shop, "order_detail") == before


def test_c20_a_mart_of_the_longest_name_is_built_again(shop: Warehouse) -> None:
    mart = replace(MARTS["daily_sales"], name="売" * 42)
    for _ in range(2):
        run(shop, mart)
    assert rows(shop, mart.name)


def test_an_incremental_mart_replaces_its_days_and_no_others(shop: Warehouse) -> None:
    mart = MARTS["daily_page_views"]
    run(shop, mart)
    with shop.session() as session:
        session.execute("UPDATE bi.daily_page_views SET views = -1")
        session.execute("INSERT INTO staging.page_view (session_id, path, _dwh_day) VALUES ('s9', '/b', '2024-01-10')")
    done = run(shop, mart, days=1)
    assert rows(shop, mart.name) == [
        (DAY, "/", 3, 2),
        (DAY, "/a", 1, 1),
        (DAY, "/b", 1, 1),
        (date(2024, 1, 11), "/", -1, 1),
    ]
    assert (done.figures.rows, done.days) == (3, {DAY: 3})


def test_a_day_that_became_empty_leaves_an_incremental_mart(shop: Warehouse) -> None:
    mart = MARTS["daily_page_views"]
    run(shop, mart)
    with shop.session() as session:
        session.execute("DELETE FROM staging.page_view WHERE _dwh_day = '2024-01-10'")
    run(shop, mart, days=1)
    assert rows(shop, mart.name) == [(date(2024, 1, 11), "/", 1, 1)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT 1 AS a", "SELECT 1 AS a, 2 AS b"),
        ("SELECT 1 AS a, 2 AS b", "SELECT 2 AS b, 1 AS a"),
        ("SELECT 1 AS a", "SELECT CAST(1 AS BIGINT) AS a"),
        ("SELECT CAST('x' AS VARCHAR(3)) AS a", "SELECT CAST('longer' AS VARCHAR(9)) AS a"),
        ("SELECT CAST(1 AS DECIMAL(10,2)) AS a", "SELECT CAST(1.2345 AS DECIMAL(10,4)) AS a"),
    ],
)
def test_a_table_whose_columns_changed_is_made_anew(warehouse: Warehouse, first: str, second: str) -> None:
    run(warehouse, table("m", first))
    run(warehouse, table("m", second))
    assert query(warehouse, "SELECT * FROM bi.m") == query(warehouse, second)


def test_days_of_an_incremental_mart_with_other_columns_are_not_mixed(shop: Warehouse) -> None:
    mart = MARTS["daily_page_views"]
    run(shop, mart)
    changed = replace(mart, query=mart.query.replace("COUNT(*) AS views", "COUNT(*) AS views, 1 AS more"))
    with pytest.raises(MartError, match=r'its columns changed; run DROP TABLE "bi"[.]"daily_page_views" and build'):
        run(shop, changed)
    assert rows(shop, mart.name) == ROWS[mart.name]


def test_a21_a_second_build_keeps_grants_and_a_bound_view(warehouse: Warehouse) -> None:
    run(warehouse, table("m", "SELECT 1 AS a"))
    with warehouse.session() as session:
        session.execute("GRANT SELECT ON bi.m TO PUBLIC")
        session.execute("CREATE VIEW bi.seen AS SELECT a FROM bi.m")
    run(warehouse, table("m", "SELECT 2 AS a"))
    assert query(warehouse, "SELECT a FROM bi.seen") == [(2,)]
    assert query(warehouse, "SELECT has_table_privilege('public', 'bi.m', 'select')") == [(True,)]


@pytest.mark.parametrize("materialization", ["table", "view"])
def test_a21_a_mart_with_other_columns_keeps_its_grants_and_what_is_bound_to_it(
    warehouse: Warehouse, materialization: Any
) -> None:
    def mart(query_: str) -> Mart:
        made = table("m", query_)
        return replace(made, header=made.header.model_copy(update={"materialization": materialization}))

    run(warehouse, mart("SELECT 1 AS a"))
    query(warehouse, "GRANT SELECT ON bi.m TO PUBLIC")
    if materialization == "table":
        query(warehouse, "CREATE VIEW bi.seen AS SELECT a FROM bi.m")
    run(warehouse, mart("SELECT 'more' AS b, 2 AS a"))
    assert query(warehouse, "SELECT * FROM bi.m") == [("more", 2)]
    if materialization == "table":
        assert query(warehouse, "SELECT a FROM bi.seen") == [(2,)]
    assert query(warehouse, "SELECT has_table_privilege('public', 'bi.m', 'select')") == [(True,)]


KINDS = ("view", "table", "incremental")


@pytest.mark.parametrize("kinds", [(one, other) for one in KINDS for other in KINDS if one != other])
def test_o09_a21_a_view_that_becomes_a_table_and_the_other_way_round_keeps_its_grants(
    warehouse: Warehouse, kinds: tuple[str, str]
) -> None:
    for number, kind in enumerate(kinds):
        mart = table("m", f"SELECT {number} AS a, DATE '2024-01-10' AS day", materialization="table")
        if number and kinds[0] != "view":
            query(warehouse, "CREATE VIEW bi.seen AS SELECT a FROM bi.m")
        update = {"materialization": kind, "day_column": "day" if kind == "incremental" else None}
        run(warehouse, replace(mart, header=mart.header.model_copy(update=update)))
        assert query(warehouse, "SELECT a FROM bi.m") == [(number,)]
        if not number:
            query(warehouse, "GRANT SELECT ON bi.m TO PUBLIC")
    if kinds[0] != "view":
        assert query(warehouse, "SELECT a FROM bi.seen") == [(1,)]
    assert query(warehouse, "SELECT has_table_privilege('public', 'bi.m', 'select')") == [(True,)]


def test_a21_readers_never_see_a_mart_half_built(warehouse: Warehouse, redshift: RedshiftStandIn) -> None:
    run(warehouse, table("m", "SELECT 1 AS a"))
    redshift.faults.add(Fault("^INSERT INTO .bi", "delay", seconds=0.5))
    builder = threading.Thread(target=lambda: run(warehouse, table("m", "SELECT 2 AS a")))
    builder.start()
    seen = set()
    while builder.is_alive():
        seen.add(tuple(rows_of_m(warehouse)))
    builder.join()
    assert seen <= {((1,),), ((2,),)}
    assert ((1,),) in seen
    assert rows_of_m(warehouse) == [(2,)]


def rows_of_m(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return query(warehouse, "SELECT a FROM bi.m")


@pytest.mark.parametrize("is_first", [True, False], ids=["first build", "later build"])
def test_a24_builds_of_one_mart_at_once_each_leave_it_whole(
    warehouse: Warehouse, redshift: RedshiftStandIn, is_first: bool
) -> None:
    mart = table("m", "SELECT 1 AS a")
    if not is_first:
        run(warehouse, mart)
    redshift.faults.add(Fault("^CREATE TEMP TABLE", "delay", times=3, seconds=0.3))
    done = together(*[lambda: run(warehouse, mart)] * 3)
    assert [one for one in done if not isinstance(one, Built)] == []
    assert rows_of_m(warehouse) == [(1,)]


def test_a24_marts_are_built_beside_one_another(warehouse: Warehouse, redshift: RedshiftStandIn) -> None:
    slow, fast = table("m", "SELECT 1 AS a"), table("n", "SELECT 1 AS a")
    for mart in (slow, fast):
        run(warehouse, mart)
    held = Fault("^CREATE TEMP TABLE", "delay", seconds=120)
    redshift.faults.add(held)
    redshift.statements.clear()
    building = threading.Thread(target=lambda: run(warehouse, slow))
    building.start()
    until(lambda: any(statement.startswith("CREATE TEMP TABLE") for statement in list(redshift.statements)))
    run(warehouse, fast)
    assert building.is_alive()
    held.until.set()
    building.join(30)


PATHS = {
    "table": ("table", ("SELECT 1 AS a", "SELECT 2 AS a")),
    "table of other columns": ("table", ("SELECT 1 AS a", "SELECT 'two' AS a")),
    "view": ("view", ("SELECT 1 AS a", "SELECT 2 AS a")),
    "view of other columns": ("view", ("SELECT 1 AS a", "SELECT 'two' AS a")),
}


@pytest.mark.parametrize(
    ("path", "action", "when", "of"),
    [
        ("table", "drop", "after", BORDERS),
        ("view", "drop", "after", BORDERS),
        ("table of other columns", "1023", "before", BORDERS),
        ("view of other columns", "1023", "before", ""),
        *(pytest.param(path, "1023", "before", "", marks=pytest.mark.soak) for path in PATHS),
        *(pytest.param(path, "drop", "after", BORDERS, marks=pytest.mark.soak) for path in PATHS),
    ],
)
def test_a15_a_crash_at_any_statement_while_a_mart_is_built_is_overcome(
    warehouse: Warehouse, redshift: RedshiftStandIn, path: str, action: Any, when: Any, of: str
) -> None:
    materialization, queries = PATHS[path]
    marts = [table("m", query_, materialization=materialization) for query_ in queries]
    run(warehouse, marts[0])
    query(warehouse, "GRANT SELECT ON bi.m TO PUBLIC")
    for failing in each_statement(redshift, action, when, of=of):
        mart = marts[1 - failing.turn % 2]
        with failing:
            run(warehouse, mart)
        assert query(warehouse, "SELECT * FROM bi.m") == query(warehouse, mart.query)
        assert query(warehouse, "SELECT has_table_privilege('public', 'bi.m', 'select')") == [(True,)]
        assert query(warehouse, "SELECT COUNT(*) FROM svv_all_tables WHERE schema_name = 'bi'") == [(1,)]


@pytest.mark.parametrize(
    ("path", "action", "of"),
    [
        ("table of other columns", "57014", BORDERS),
        ("view", "57014", BORDERS),
        *(pytest.param(path, "57014", BORDERS, marks=pytest.mark.soak) for path in PATHS),
        *(pytest.param(path, "drop", "", marks=pytest.mark.soak) for path in PATHS),
    ],
)
def test_a15_a_mart_whose_build_fails_for_good_is_as_before_or_there_and_a_re_run_builds_it(
    warehouse: Warehouse, redshift: RedshiftStandIn, monkeypatch: pytest.MonkeyPatch, path: str, action: Any, of: str
) -> None:
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=1))
    materialization, queries = PATHS[path]
    marts = [table("m", query_, materialization=materialization) for query_ in queries]
    run(warehouse, marts[0])

    for failing in each_statement(redshift, action, "before", of=of):
        old, new = marts[failing.turn % 2], marts[1 - failing.turn % 2]
        with suppress(PassingError), failing:
            run(warehouse, new)
        stands = query(warehouse, "SELECT * FROM bi.m")
        assert stands == query(warehouse, (old if failing.met else new).query)
        run(warehouse, new)
        assert query(warehouse, "SELECT * FROM bi.m") == query(warehouse, new.query)


def test_a_mart_that_cannot_be_built_stays_as_it_was(warehouse: Warehouse, redshift: RedshiftStandIn) -> None:
    run(warehouse, table("m", "SELECT 1 AS a"))
    with pytest.raises(WarehouseError, match="nonsense"):
        run(warehouse, table("m", "SELECT nonsense AS a"))
    assert rows_of_m(warehouse) == [(1,)]
    redshift.faults.add(Fault("^INSERT INTO .bi", "57014", times=1_000))
    with pytest.raises(PassingError):
        run(warehouse, table("m", "SELECT 2 AS a"))
    assert rows_of_m(warehouse) == [(1,)]


def test_schemas_of_other_names_are_used_throughout(shop: Warehouse) -> None:
    with shop.session() as session:
        session.execute("ALTER SCHEMA staging RENAME TO raw")
    schemas = {"staging": "raw", "bi": "reports"}
    for mart in MARTS.values():
        run(shop, mart, schemas=schemas)
    assert query(shop, "SELECT * FROM reports.daily_sales ORDER BY 1, 2") == ROWS["daily_sales"]
    assert query(shop, "SELECT COUNT(*) FROM reports.order_detail") == [(5,)]
    assert query(shop, "SELECT COUNT(*) FROM svv_all_columns WHERE schema_name = 'bi'") == [(0,)]


@pytest.mark.parametrize("materialization", ["table", "incremental"])
def test_o09_keys_that_its_header_names_anew_are_the_table_s_after_the_next_build(
    warehouse: Warehouse, materialization: Any
) -> None:
    day = "day" if materialization == "incremental" else None
    header = {"materialization": materialization, "day_column": day}

    def mart(number: int, **keys: Any) -> Mart:
        return table("m", f"SELECT {number} AS a, 2 AS b, DATE '2024-01-10' AS day", **header, **keys)

    def keys() -> list[tuple[Any, ...]]:
        return query(
            warehouse,
            "SELECT column_name, distkey, sortkey FROM svv_redshift_columns WHERE schema_name = 'bi' ORDER BY 1",
        )

    run(warehouse, mart(1))
    query(warehouse, "GRANT SELECT ON bi.m TO PUBLIC")
    query(warehouse, "CREATE VIEW bi.seen AS SELECT a FROM bi.m")
    query(warehouse, "INSERT INTO bi.m VALUES (9, 9, '2023-12-31')")
    done = run(warehouse, mart(2, dist_key="A", sort_key=("b", "a")))
    assert query(warehouse, "SELECT column_name FROM svv_redshift_columns WHERE table_name = 'm' AND distkey") == [
        ("a",)
    ]
    assert ("a", True, 2) in keys()
    assert ("b", False, 1) in keys()
    kept = [(2,), (9,)] if materialization == "incremental" else [(2,)]
    assert query(warehouse, "SELECT a FROM bi.seen ORDER BY 1") == kept
    assert any("RENAME TO" in statement for statement in done.statements)
    again = run(warehouse, mart(3, dist_key="a", sort_key=("b", "a")))
    assert not any("RENAME TO" in statement for statement in again.statements)
    run(warehouse, mart(4, dist_key="b"))
    run(warehouse, mart(5))  # which leaves it to Redshift: what is there is its choice
    assert ("b", True, 0) in keys()
    assert query(warehouse, "SELECT has_table_privilege('public', 'bi.m', 'select')") == [(True,)]


def test_a_table_has_the_keys_that_its_header_names(warehouse: Warehouse) -> None:
    done = run(warehouse, table("m", "SELECT 1 AS a, 2 AS b", dist_key="a", sort_key=("b", "a")))
    assert 'CREATE TABLE "bi"."m" DISTKEY ("a") SORTKEY ("b", "a") AS SELECT * FROM "dwh_mart"' in done.statements


def test_a_view_may_change_its_columns(warehouse: Warehouse) -> None:
    view = table("v", "SELECT 1 AS a, 3 AS c", materialization="view", grain=("c",))
    run(warehouse, view)
    run(warehouse, replace(view, query="SELECT 2 AS b, 3 AS c"))
    assert rows(warehouse, "v") == [(2, 3)]


def test_a_build_that_gives_another_type_than_its_header_declares_leaves_the_old_rows(shop: Warehouse) -> None:
    sql = "SELECT order_id AS a, COUNT(*) AS n FROM staging.order_details_master GROUP BY 1"
    run(shop, table("declared", sql, columns={"n": "INTEGER", "a": "DECIMAL"}))
    before = query(shop, "SELECT * FROM bi.declared ORDER BY 1")
    changed = sql.replace("order_id", "product_id")
    said = r"declared.sql: columns: a is declared DECIMAL and the query gives VARCHAR\(60\)"
    with pytest.raises(MartError, match=said):
        run(shop, table("declared", changed, columns={"n": "INTEGER", "a": "DECIMAL"}))
    with pytest.raises(MartError, match=r"declared.sql: columns: b: the query has no such column"):
        run(shop, table("declared", changed, columns={"b": "DATE"}))
    assert query(shop, "SELECT * FROM bi.declared ORDER BY 1") == before
