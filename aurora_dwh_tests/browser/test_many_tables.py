"""The Dagster UI of many tables, of three assets each: its lineage opens, and leads to one table's.

`make soak` has a thousand tables.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from aurora_dwh_tests.browser.ui import picture

pytestmark = pytest.mark.timeout(420)


def test_the_lineage_of_many_tables_opens(many_tables: str, tables: int, page: Page) -> None:
    page.goto(f"{many_tables}/asset-groups")
    for layer in ("aurora", "lake", "staging"):
        expect(page.get_by_text(layer, exact=True).first).to_be_visible()
    expect(page.get_by_text(f"Materialize all ({3 * tables:,})")).to_be_visible()
    picture(page, "16-lineage-of-many-tables")


def test_the_lineage_of_one_of_them_shows_its_chain(many_tables: str, page: Page) -> None:
    page.goto(f"{many_tables}/assets/staging/table_0100?view=lineage&lineageScope=upstream&lineageDepth=3")
    named = page.get_by_text("table_0100", exact=True)
    expect(named).to_have_count(5)  # above, twice, and in Aurora, in the lake, in staging
    picture(page, "17-lineage-of-one-of-many")
