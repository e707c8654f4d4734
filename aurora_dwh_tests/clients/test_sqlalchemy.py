"""sqlalchemy-redshift: what its reflection says of tables, keys and views, with either driver."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aurora_dwh_tests.clients.conftest import Warehouse

DRIVERS = ("redshift_connector", "psycopg2")


@pytest.fixture(scope="module")
def reflected(warehouse: Warehouse, run: Callable[..., str]) -> dict[str, Any]:
    """What either driver's dialect says, by relation."""
    warehouse.sql(
        "CREATE SCHEMA r",
        "CREATE TABLE r.customer (id int NOT NULL ENCODE raw, name varchar(30) ENCODE zstd DEFAULT 'x', born date, "
        "UNIQUE (name), CONSTRAINT customer_key PRIMARY KEY (id)) DISTSTYLE ALL",
        "CREATE TABLE r.sale (id bigint IDENTITY(1, 1), customer int NOT NULL REFERENCES r.customer, at timestamp, "
        "amount decimal(12, 2), data super, PRIMARY KEY (id, customer)) "
        "DISTKEY (customer) INTERLEAVED SORTKEY (customer, at)",
        "CREATE TABLE r.plain (a int) DISTSTYLE EVEN SORTKEY (a)",
        "INSERT INTO r.plain VALUES (1), (2)",
        "CREATE VIEW r.seen AS SELECT id, name FROM r.customer",
        "CREATE VIEW r.late AS SELECT id, amount FROM r.sale WITH NO SCHEMA BINDING",
        "COMMENT ON TABLE r.sale IS 'it''s'",
        "COMMENT ON COLUMN r.sale.at IS 'when'",
        "ALTER TABLE r.sale RENAME COLUMN customer TO customer_id",
    )
    said: dict[str, Any] = json.loads(run("python", "reflection.py", "r", *DRIVERS))
    assert said[DRIVERS[0]] == said[DRIVERS[1]]
    found: dict[str, Any] = said[DRIVERS[0]]
    return found


def test_tables_and_views_are_told_apart(reflected: dict[str, Any]) -> None:
    assert (reflected["tables"], reflected["views"]) == (["customer", "plain", "sale"], ["late", "seen"])
    assert all(reflected[name]["exists"] for name in ("customer", "plain", "sale", "late", "seen"))


def test_columns_have_types_encodings_defaults_and_comments(reflected: dict[str, Any]) -> None:
    assert reflected["customer"]["columns"] == [
        ["id", "INTEGER", False, None, None, None],
        ["name", "VARCHAR(30)", True, "'x'::character varying", "zstd", None],
        ["born", "DATE", True, None, "az64", None],
    ]
    assert reflected["sale"]["columns"] == [
        ["id", "BIGINT", False, None, "az64", None],
        ["customer_id", "INTEGER", False, None, None, None],
        ["at", "TIMESTAMP", True, None, None, "when"],
        ["amount", "NUMERIC(12, 2)", True, None, "az64", None],
        ["data", "SUPER", True, None, "zstd", None],
    ]
    assert reflected["sale"]["comment"] == "it's"


@pytest.mark.parametrize(
    ("table", "style", "distkey", "sortkey", "interleaved"),
    [
        ("customer", "ALL", None, [], None),
        ("sale", "KEY", "customer_id", None, ["customer_id", "at"]),
        ("plain", "EVEN", None, ["a"], None),
    ],
)
def test_distribution_and_sort_keys(
    reflected: dict[str, Any], table: str, style: str, distkey: str, sortkey: list[str], interleaved: list[str]
) -> None:
    assert reflected[table]["options"] == {
        "redshift_diststyle": style,
        "redshift_distkey": distkey,
        "redshift_sortkey": sortkey,
        "redshift_interleaved_sortkey": interleaved,
    }


def test_keys_are_those_that_were_declared(reflected: dict[str, Any]) -> None:
    customer, sale = reflected["customer"], reflected["sale"]
    assert customer["key"] == {"constrained_columns": ["id"], "name": "customer_key"}
    assert customer["unique"] == [{"name": "customer_name_key", "column_names": ["name"]}]
    assert sale["key"] == {"constrained_columns": ["id", "customer_id"], "name": "sale_pkey"}
    assert sale["foreign"] == [
        {
            "name": "sale_customer_fkey",
            "constrained_columns": ["customer_id"],
            "referred_schema": "r",
            "referred_table": "customer",
            "referred_columns": ["id"],
        }
    ]
    assert customer["checks"] == sale["checks"] == []


def test_views_have_columns_and_definitions(reflected: dict[str, Any]) -> None:
    assert [column[:2] for column in reflected["seen"]["columns"]] == [["id", "INTEGER"], ["name", "VARCHAR(30)"]]
    late = sorted(column[:2] for column in reflected["late"]["columns"])
    assert late == [["amount", "NUMERIC(12, 2)"], ["id", "BIGINT"]]
    assert (
        reflected["late"]["definition"] == "create view r.late as SELECT id, amount FROM r.sale with no schema binding"
    )
    assert reflected["seen"]["definition"].split() == ["SELECT", "id,", "name", "FROM", "r.customer"]


def test_reflected_tables_are_asked_and_made_again(reflected: dict[str, Any], warehouse: Warehouse) -> None:
    assert reflected["plain"]["count"] == 2
    again = " ".join(reflected["sale"]["made_by"]).replace("r.sale", "r.again")
    warehouse.sql(again)
    keys = "SELECT \"column\", distkey, sortkey FROM pg_table_def WHERE tablename = '{}' ORDER BY 1"
    made, original = (warehouse.sql("SET search_path TO r", keys.format(name)) for name in ("again", "sale"))
    assert made == original
