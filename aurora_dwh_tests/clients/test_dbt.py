"""dbt-redshift: a project is built, its source changes, it is built again, and its documentation is made."""
# ruff: noqa: DTZ001 - a TIMESTAMP has no zone

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aurora_dwh_tests.clients.conftest import HERE, Warehouse

FIRST = (1, "jp", Decimal("10.50"), "new", datetime(2024, 1, 1))
SECOND = (2, "jp", Decimal("20.00"), "new", datetime(2024, 1, 2))
DELETED = (3, "is", None, "paid", datetime(2024, 1, 3))
PAID = (1, "jp", Decimal("11.00"), "paid", datetime(2024, 1, 5))
FOURTH = (4, "is", Decimal("7.00"), "new", datetime(2024, 1, 6))


@pytest.fixture(scope="module")
def catalog(warehouse: Warehouse, run: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The documentation's tables, of a project that was built twice."""
    folder = tmp_path_factory.mktemp("dbt")
    settings = {"DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}

    def dbt(*command: str) -> None:
        places = (f"--project-dir={HERE / 'dbt'}", f"--profiles-dir={HERE / 'dbt'}")
        run("dbt", "--no-send-anonymous-usage-stats", *command, *places, **settings)

    warehouse.sql(
        "CREATE USER dbt_reader PASSWORD 'Reader11'",
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders "
        "(order_id bigint NOT NULL, code varchar(2), amount numeric(10, 2), status varchar(20), updated_at timestamp)",
        "INSERT INTO shop.orders VALUES (1, 'jp', 10.5, 'new', '2024-01-01'), (2, 'jp', 20, 'new', '2024-01-02'), "
        "(3, 'is', NULL, 'paid', '2024-01-03')",
    )
    dbt("build")
    assert warehouse.sql("SELECT * FROM bi.orders_merged ORDER BY 1") == [FIRST, SECOND, DELETED]
    assert warehouse.sql("SELECT * FROM bi.by_country ORDER BY 1") == [("is", 1, None), ("jp", 2, Decimal("30.50"))]
    warehouse.sql(
        "UPDATE shop.orders SET status = 'paid', amount = 11, updated_at = '2024-01-05' WHERE order_id = 1",
        "INSERT INTO shop.orders VALUES (4, 'is', 7, 'new', '2024-01-06')",
        "DELETE FROM shop.orders WHERE order_id = 3",
        "ALTER TABLE shop.orders ADD COLUMN note varchar(10)",
    )
    dbt("build")
    dbt("docs", "generate")
    made: dict[str, Any] = json.loads(Path(folder / "target" / "catalog.json").read_text())
    assert made["errors"] is None
    return {name.rpartition(".")[2]: table for name, table in made["nodes"].items()}


@pytest.fixture(scope="module", autouse=True)
def built(catalog: dict[str, Any]) -> None:
    """Every test here is about the project that was built."""


def test_no_statement_was_refused(warehouse: Warehouse) -> None:
    here = f"database_name = '{warehouse.database}'"  # other tests have databases of their own on the same server
    refused = f"SELECT query_text, error_message FROM sys_query_history WHERE status <> 'success' AND {here}"
    assert warehouse.sql(refused) == []
    assert warehouse.sql(f"SELECT COUNT(*) > 50 FROM sys_query_history WHERE {here}") == [(True,)]


def test_a_seed_is_loaded_again(warehouse: Warehouse) -> None:
    assert warehouse.postgres("SELECT code, name, population FROM bi.country ORDER BY 1") == [
        ("is", "Ísland", None),
        ("jp", "日本", "123000000"),
    ]


@pytest.mark.parametrize("view", ["orders", "orders_late"])
def test_views_show_the_source_as_it_is(warehouse: Warehouse, view: str) -> None:
    rows = [(*PAID, None), (*SECOND, None), (*FOURTH, None)]
    assert warehouse.sql(f"SELECT * FROM bi.{view} ORDER BY 1") == rows


def test_a_late_binding_view_holds_no_table(warehouse: Warehouse) -> None:
    assert warehouse.postgres(
        "SELECT DISTINCT v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid "
        "JOIN pg_class v ON v.oid = r.ev_class WHERE d.refobjid = 'shop.orders'::regclass"
    ) == [("orders",)]


def test_a_table_is_replaced_with_its_keys_and_grants(warehouse: Warehouse) -> None:
    assert warehouse.sql("SELECT * FROM bi.by_country ORDER BY 1") == [
        ("is", 1, Decimal("7.00")),
        ("jp", 2, Decimal("31.00")),
    ]
    style = "SELECT diststyle, sortkey1, sortkey_num FROM svv_table_info"
    assert warehouse.sql(f"{style} WHERE \"table\" = 'by_country'") == [("KEY(code)", "code", 2)]
    assert warehouse.sql("SELECT conname, contype FROM pg_constraint") == [("by_country__dbt_tmp_pkey", "p")]
    assert warehouse.postgres("SELECT has_table_privilege('dbt_reader', 'bi.by_country', 'SELECT')") == [("t",)]
    assert warehouse.postgres("SELECT relname FROM pg_class WHERE relname ~ '__dbt_(tmp|backup)'") == []


def test_a_merge_updates_inserts_and_follows_new_columns(warehouse: Warehouse) -> None:
    rows = [(*PAID, None), (*SECOND, None), (*DELETED, None), (*FOURTH, None)]
    assert warehouse.sql("SELECT * FROM bi.orders_merged ORDER BY 1") == rows
    assert any("merge into" in statement for statement in warehouse.redshift.statements)


def test_delete_and_insert_replaces_rows_by_key(warehouse: Warehouse) -> None:
    assert warehouse.sql("SELECT order_id, amount, status FROM bi.orders_replaced ORDER BY 1") == [
        (1, Decimal("11.00"), "paid"),
        (2, Decimal("20.00"), "new"),
        (3, None, "paid"),
        (4, Decimal("7.00"), "new"),
    ]
    assert any("delete from" in statement for statement in warehouse.redshift.statements)


@pytest.mark.parametrize(
    ("snapshot", "ended"),
    [("orders_by_time", [(1, "new"), (3, "paid")]), ("orders_by_value", [(1, "new")])],
)
def test_snapshots_keep_what_was(warehouse: Warehouse, snapshot: str, ended: list[tuple[int, str]]) -> None:
    past = warehouse.sql(f"SELECT order_id, status FROM bi.{snapshot} WHERE dbt_valid_to IS NOT NULL ORDER BY 1")
    assert past == ended
    now = warehouse.sql(f"SELECT order_id, status FROM bi.{snapshot} WHERE dbt_valid_to IS NULL ORDER BY 1")
    assert now == [row for row in [(1, "paid"), (2, "new"), (3, "paid"), (4, "new")] if row not in ended]


def test_descriptions_are_comments(warehouse: Warehouse) -> None:
    assert warehouse.postgres(
        "SELECT c.relname, d.objsubid, d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid "
        "WHERE d.classoid = 'pg_class'::regclass AND c.relnamespace = 'bi'::regnamespace ORDER BY 1, 2"
    ) == [
        ("by_country", "0", "Sales by country."),
        ("by_country", "3", "Yen."),
        ("orders", "0", "The orders' \"last\" state, as the shop's staff call it."),
        ("orders", "1", "It's the key."),
        ("orders", "3", "税抜き"),
        ("orders_late", "0", "The same, bound to no schema."),
        ("orders_merged", "1", "Merged by it."),
    ]


def test_the_documentation_knows_each_relation(catalog: dict[str, Any]) -> None:
    assert {name: table["metadata"]["type"] for name, table in catalog.items()} == {
        "country": "BASE TABLE",
        "orders": "VIEW",
        "orders_late": "LATE BINDING VIEW",
        "by_country": "BASE TABLE",
        "orders_merged": "BASE TABLE",
        "orders_replaced": "BASE TABLE",
        "orders_by_time": "BASE TABLE",
        "orders_by_value": "BASE TABLE",
    }
    columns = {"order_id": "bigint", "code": "character varying(2)", "amount": "numeric(10,2)"}
    columns |= {"status": "character varying(20)", "updated_at": "timestamp without time zone"}
    columns |= {"note": "character varying(10)"}
    for name in ("orders", "orders_late", "orders_merged"):
        found = {column["name"]: column["type"] for column in catalog[name]["columns"].values()}
        assert found == columns, name
    assert catalog["by_country"]["metadata"]["comment"] == "Sales by country."
    assert catalog["by_country"]["columns"]["amount"]["comment"] == "Yen."
    stats = catalog["country"]["stats"]
    assert (stats["diststyle"]["value"], stats["rows"]["value"], stats["max_varchar"]["value"]) == ("ALL", 2, 7)
