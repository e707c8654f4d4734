"""The Dagster UI of a catalog of 1,000 tables, which are 3,000 assets: its lineage opens, and leads to one table's."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from aurora_dwh_tests.browser.ui import picture

pytestmark = pytest.mark.timeout(420)


def test_the_lineage_of_a_thousand_tables_opens(many_tables: str, page: Page) -> None:
    page.goto(f"{many_tables}/asset-groups")
    for layer in ("aurora", "lake", "staging"):
        expect(page.get_by_text(layer, exact=True).first).to_be_visible()
    expect(page.get_by_text("Materialize all (3,000)")).to_be_visible()
    picture(page, "16-lineage-of-1000-tables")


def test_the_lineage_of_one_of_them_shows_its_chain(many_tables: str, page: Page) -> None:
    page.goto(f"{many_tables}/assets/staging/table_0500?view=lineage&lineageScope=upstream&lineageDepth=3")
    named = page.get_by_text("table_0500", exact=True)
    expect(named).to_have_count(5)  # above, twice, and in Aurora, in the lake, in staging
    picture(page, "17-lineage-of-one-of-1000")
