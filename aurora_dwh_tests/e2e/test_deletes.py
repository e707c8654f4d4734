"""Rows that are deleted in the source, as a user meets them: the asset's run, its figures, its refusal, the proof."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import aurora_dwh.lake
from aurora_dwh.lake.factory import open_lake
from aurora_dwh_tests.e2e.proofs import figures, kinds, prove, verify
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak

TABLE = (
    "CREATE TABLE orders (shop VARCHAR(20) COLLATE utf8mb4_bin, id BIGINT UNSIGNED, note VARCHAR(20), state INT, "
    "changed_at DATETIME(6) NOT NULL, PRIMARY KEY (shop, id), KEY (changed_at))"
)
BASE = "key: [shop, id], cursor: changed_at"


def prepared(world: World, fields: str) -> World:
    """Load a table of forty rows."""
    world.catalog(f"orders: {{{BASE}, {fields}}}")
    rows = ", ".join(f"('shop {n % 2}', {n}, 'note', {n % 4}, '2024-01-01 10:00:00')" for n in range(40))
    world.at_source(TABLE, f"INSERT INTO orders VALUES {rows}")
    world.load("2024-01-01", "orders")
    return world


def in_lake(table: str, column: str) -> list[Any]:
    """Return the values of a column in the latest version of each row, as the lake has it without Redshift."""
    return sorted(aurora_dwh.lake.read(table, pa.Table)[column].to_pylist())


def test_a16_deleted_rows_are_removed_and_the_proof_holds_again(world: World) -> None:
    prepared(world, "deletes: remove")
    world.at_source("DELETE FROM orders WHERE id IN (3, 4)")
    assert not verify("orders").equal
    run = prove(world, "orders")
    assert run.success, run.failures
    world.assert_equal("orders")
    assert verify("orders").equal
    shown = figures(world, "orders")
    assert {k: shown[k] for k in ("source_rows", "staging_rows", "rows_removed", "share")} == {
        "source_rows": 38,
        "staging_rows": 40,
        "rows_removed": 2,
        "share": 1.0,
    }
    assert kinds(world, "orders") == {"extra": 2}
    assert in_lake("orders", "id") == [n for n in range(40) if n not in (3, 4)]
    assert run.check("equal").passed
    assert {"read_at", "seconds"} <= shown.keys()
    assert open_lake()._under(open_lake().layout.keys("orders")) == [], "the lake keeps nothing of the keys"


def test_a16_deleted_rows_are_flagged_unflagged_and_no_difference_to_the_proof(world: World) -> None:
    prepared(world, "deletes: flag")
    assert verify("orders").equal
    world.at_source("DELETE FROM orders WHERE id IN (3, 4)")
    assert prove(world, "orders").success
    flagged = "SELECT id FROM staging.orders WHERE _dwh_deleted ORDER BY id"
    assert world.ask_warehouse(flagged) == [(3,), (4,)]
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.orders") == [(40,)]
    assert verify("orders").equal
    assert in_lake("orders", "id") == [n for n in range(40) if n not in (3, 4)]

    world.at_source("INSERT INTO orders VALUES ('shop 1', 3, 'back', 1, '2024-01-02 10:00:00')")
    world.load("2024-01-02", "orders")
    assert world.ask_warehouse(flagged) == [(4,)]
    world.at_source("INSERT INTO orders VALUES ('shop 0', 4, 'note', 0, '2024-01-01 10:00:00')")
    assert prove(world, "orders").success
    assert world.ask_warehouse(flagged) == []
    assert in_lake("orders", "id") == [*range(40)]  # one came with a day, and one with what the proof read again
    assert kinds(world, "orders") == {"missing": 1}
    world.assert_equal("orders")


def test_a16_too_many_gone_fail_the_run_until_it_is_told_otherwise(world: World) -> None:
    prepared(world, "deletes: remove")
    world.at_source("DELETE FROM orders WHERE id >= 20")
    run = prove(world, "orders")
    assert not run.success
    assert run.failure.startswith("proof/orders: staging.orders: 20 of 40 rows (50.0%) are gone from the source")
    assert "max_share: 0.5" in run.failure
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.orders") == [(40,)]
    assert prove(world, "orders", max_share=0.5).success
    world.assert_equal("orders")

    world.at_source("TRUNCATE TABLE orders")
    assert "the source is empty" in prove(world, "orders", max_share=0.99).failure
    assert prove(world, "orders", max_share=1).success
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.orders") == [(0,)]


def test_a16_a28_masked_keys_are_compared_as_they_are_masked_and_a_row_that_leaves_the_filter_is_gone(
    world: World,
) -> None:
    prepared(world, "deletes: remove, mask: {shop: sha256, note: sha256}, filter: state < 4")
    world.at_source("DELETE FROM orders WHERE id = 7", "UPDATE orders SET state = 9 WHERE id = 8")
    assert prove(world, "orders").success
    assert figures(world, "orders")["rows_removed"] == 2
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.orders WHERE id IN (7, 8)") == [(0,)]
    assert verify("orders").equal
    assert in_lake("orders", "id") == [n for n in range(40) if n not in (7, 8)]
    assert "shop 1" not in str(world.ask_warehouse("SELECT shop FROM staging.orders"))


@pytest.mark.parametrize("deletes", [soak("flag"), "remove"])
def test_a16_a09_keys_of_many_types_read_from_the_source_match_what_was_staged(world: World, deletes: str) -> None:
    world.catalog(f"odd: {{key: [Uuid, price, at, name, part], cursor: changed_at, deletes: {deletes}}}")
    world.at_source(
        "CREATE TABLE odd (`Uuid` BINARY(4), price DECIMAL(12,3), at DATETIME(6), name VARCHAR(9) COLLATE utf8mb4_bin, "
        "part VARBINARY(4), changed_at TIMESTAMP NOT NULL, PRIMARY KEY (`Uuid`, price, at, name, part), "
        "KEY (changed_at))",
        "INSERT INTO odd VALUES "
        + ", ".join(
            f"(X'{n:02x}00FF20', {n}.500, '2024-01-01 00:00:00.00000{n}', 'é{n}  ', X'00{n:02x}2000', '2024-01-01')"
            for n in range(9)
        ),
    )
    world.load("2024-01-01", "odd")
    assert prove(world, "odd", max_share=0).success
    world.at_source("DELETE FROM odd WHERE price = 7.5")
    assert prove(world, "odd", max_share=0.2).success
    live = "NOT _dwh_deleted" if deletes == "flag" else "TRUE"
    left = world.ask_warehouse(f"SELECT price FROM staging.odd WHERE {live} ORDER BY 1")
    assert [float(price) for (price,) in left] == [n + 0.5 for n in range(9) if n != 7]
    assert in_lake("odd", "price") == [price for (price,) in left]


@pytest.mark.parametrize("deletes", ["flag", soak("remove")])
def test_a16_a_table_that_was_never_loaded_fails_and_says_so(world: World, deletes: str) -> None:
    world.catalog(f"orders: {{{BASE}, deletes: {deletes}}}")
    world.at_source(TABLE)
    run = prove(world, "orders")
    assert run.failure == (
        "proof/orders: staging.orders does not exist, so there is nothing to prove; load its days first"
    )
