"""Columns that have other names in the copy: read, loaded, proven and mended by the names that each side has."""

from __future__ import annotations

import pytest

from aurora_dwh_tests.e2e.proofs import prove, verify
from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import World

pytestmark = pytest.mark.timeout(600)

FIELDS = "key: Nr, cursor: upd, mask: {mail: sha256}, deletes: remove, chunk_rows: 2, sort_key: [upd, Nr], dist_key: Nr"
NAMES = "rename: {nr: Order_ID, UPD: updated_at, mail: customer}"


def test_columns_of_other_names_are_copied_proven_and_mended_and_days_of_older_names_are_refused(world: World) -> None:
    world.at_source(
        "CREATE TABLE ord (Nr INT PRIMARY KEY, mail VARCHAR(40), price DECIMAL(9,2), upd DATETIME NOT NULL, KEY (upd))",
        "INSERT INTO ord SELECT n, CONCAT('m', n), n / 4, DATE_ADD('2024-01-01', INTERVAL n * 6 HOUR) FROM "
        "(SELECT 1 n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7) t",
    )
    world.catalog(f"ord: {{{FIELDS}, {NAMES}}}")
    there = "SELECT Nr, SHA2(mail, 256), price, upd FROM ord ORDER BY 1"
    here = "SELECT order_id, customer, price, updated_at FROM staging.ord ORDER BY 1"
    world.load("2024-01-01", "ord")
    world.load("2024-01-02", "ord", last="2024-01-03")
    assert world.ask_warehouse(here) == world.ask_source(there)
    assert verify("ord").equal

    world.ask_warehouse("UPDATE staging.ord SET customer = 'x' WHERE order_id = 2")
    world.ask_warehouse("DELETE FROM staging.ord WHERE order_id = 5")
    world.at_source("DELETE FROM ord WHERE Nr = 7")
    found = verify("ord")
    assert found.columns == {"mail": 1}
    assert "Nr=" in str(found.shown)
    assert prove(world, "ord", max_share=0.9).success
    assert world.ask_warehouse(here) == world.ask_source(there)
    planned = run("plan ord --day 2024-01-02").text
    assert "`upd` AS `updated_at`" in planned
    assert "`upd` >= '2024-01-02" in planned
    assert "`updated_at` >= " not in planned

    world.catalog(f"ord: {{{FIELDS}}}")
    refused = run("rebuild ord")
    told = "other rules than the catalog has now (rename of mail, nr, upd, cursor updated_at, now upd)"
    assert told in " ".join(refused.text.split())
    assert follow(refused.text) == "rebuild ord --from source"
    assert world.ask_warehouse("SELECT nr, mail, price, upd FROM staging.ord ORDER BY 1") == world.ask_source(there)

    world.catalog(f"ord: {{{FIELDS}, rename: {{mail: PRICE}}}}")
    assert "`rename` gives 'mail' the name 'PRICE', which the column 'price' has" in run("doctor --json").text
