"""The Dagster UI on the embedded stack with the sample shop, clicked through in a headless Chromium.

Each step leaves a picture in `screenshots/`, for people to look at. The tests share one stack and go through it in the
order of this file.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from aurora_dwh_tests.browser.ui import UI, choose_days, lineage, picture

CHAIN = 'key:"lake/orders_master" or key:"staging/orders_master"'
VIEWS = 'key:"lake/page_view" or key:"staging/page_view"'
DAY = "2024-01-05"
RANGE = ("2024-01-02", "2024-01-04")
BAD_DAY = "2024-01-03"

pytestmark = pytest.mark.timeout(420)


def test_the_lineage_page_shows_the_layers_from_aurora_to_the_marts(ui: UI, page: Page) -> None:
    page.set_viewport_size({"width": 2200, "height": 1400})  # what lies outside is not drawn
    page.goto(f"{ui.url}/asset-groups")
    for layer in ("aurora", "lake", "staging", "proof", "bi"):
        expect(page.get_by_text(layer, exact=True).first).to_be_visible()
    expect(page.get_by_text("Materialize all (20)")).to_be_visible()
    page.keyboard.press("Alt+e")  # expands the groups
    expect(page.get_by_text("page_view", exact=True).first).to_be_visible()
    page.mouse.move(1_300, 700)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 250)  # away from it, until all is in sight
    page.keyboard.up("Control")
    for asset in ("country", "page_view", "orders_master", "products_master"):
        expect(page.get_by_text(asset, exact=True)).to_have_count(4)  # in Aurora, the lake, staging, the proof
    for mart in ("daily_page_views", "daily_sales", "order_detail", "order_fulfilment", "stock_cover"):
        expect(page.get_by_text(mart, exact=True)).to_be_visible()
    picture(page, "01-lineage")


def test_the_lineage_of_a_mart_shows_all_that_it_is_made_of(ui: UI, page: Page) -> None:
    page.goto(f"{ui.url}/assets/bi/order_fulfilment?view=lineage&lineageScope=upstream&lineageDepth=3")
    expect(page.get_by_text("orders_master", exact=True)).to_have_count(3)
    for layer in ("aurora", "lake", "staging", "bi"):
        expect(page.get_by_text(layer, exact=True).first).to_be_visible()
    picture(page, "02-lineage-of-a-mart")


def test_a_day_that_is_materialized_in_the_browser_is_in_staging(ui: UI, page: Page) -> None:
    assert ui.staged("orders_master") == 0
    lineage(ui, page, CHAIN)
    dialog = choose_days(page, DAY)
    expect(dialog.get_by_text("materialize 2 assets")).to_be_visible()
    picture(page, "03-materialize-a-day")
    dialog.get_by_role("button", name="Launch 1 run").click()
    expect(dialog).to_be_hidden()

    page.goto(f"{ui.url}/runs/{ui.ended('SUCCESS', partition=DAY)}")
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible()
    expect(page.get_by_text(f"partition: {DAY}")).to_be_visible()
    picture(page, "04-run-of-a-day")

    rows = ui.staged("orders_master")
    # the day itself and the lookback of an hour that the catalog says
    changed = ui.at_source("SELECT COUNT(*) FROM orders_master WHERE update_date >= '2024-01-04 23:00:00'")
    assert rows == changed > 0
    page.goto(f"{ui.url}/assets/staging/orders_master?view=partitions&partition={DAY}")
    expect(page.locator("tr", has_text="dagster/partition_row_count")).to_contain_text(str(rows))
    picture(page, "05-partition")


def test_a_range_that_is_materialized_in_the_browser_is_one_run(ui: UI, page: Page) -> None:
    lineage(ui, page, VIEWS)
    dialog = choose_days(page, f"[{RANGE[0]}...{RANGE[1]}]")
    picture(page, "06-materialize-a-range")
    dialog.get_by_role("button", name=re.compile("^Launch")).click()
    expect(dialog).to_be_hidden()

    tags = {"asset_partition_range_start": RANGE[0], "asset_partition_range_end": RANGE[1]}
    ui.ended("SUCCESS", **tags)
    assert len(ui.runs(**tags)) == 1
    page.goto(f"{ui.url}/assets/staging/page_view?view=partitions&partition={RANGE[1]}")
    expect(page.locator("tr", has_text="dagster/partition_row_count")).to_be_visible()
    picture(page, "07-partitions-of-a-range")
    in_range = "viewed_at >= '2024-01-02' AND viewed_at < '2024-01-05'"
    assert ui.staged("page_view") == ui.at_source(f"SELECT COUNT(*) FROM page_view WHERE {in_range}") > 0
    page.goto(f"{ui.url}/runs")
    expect(page.get_by_text("3 partitions").first).to_be_visible()
    picture(page, "08-runs")


def test_the_page_of_a_staging_table_shows_rows_columns_checks_and_plots(ui: UI, page: Page) -> None:
    page.goto(f"{ui.url}/assets/staging/page_view?view=overview")
    for column in ("viewed_at", "session_id", "user_agent"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("varchar", re.IGNORECASE)).first).to_be_visible()
    picture(page, "09-staging-overview")
    page.goto(f"{ui.url}/assets/staging/page_view?view=checks")
    for check in ("cursor", "rows", "schema", "rules", "volume"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    page.get_by_text("rows", exact=True).first.click()
    expect(page.get_by_text("This is a blocking asset check")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()  # the check's figures, run by run
    picture(page, "10-staging-checks")


def test_a_proof_shows_what_differed_and_was_mended(ui: UI, page: Page) -> None:
    asset, table = "proof/orders_master", "staging.orders_master"
    (row,) = ui.in_warehouse(f"SELECT MIN(order_id) FROM {table}")
    ui.in_warehouse(f"UPDATE {table} SET comments = 'another one' WHERE order_id = {row[0]}")
    run = ui.materialize(page, asset)  # which loads the days that nobody loaded, too
    assert ui.staged("orders_master") == ui.at_source("SELECT COUNT(*) FROM orders_master")
    page.goto(f"{ui.url}/runs/{run}")
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible()
    picture(page, "14-proof-run")
    page.goto(f"{ui.url}/assets/{asset}?view=checks")
    expect(page.get_by_text("1 stale: mended").first).to_be_visible()
    picture(page, "15-proof-that-mended-a-row")
    page.goto(f"{ui.url}/assets/{asset}?view=overview")
    expect(page.locator("tr", has_text="rows_proven").first).to_be_visible()
    picture(page, "16-proof-overview")
    page.get_by_text("Plots", exact=True).click()
    expect(page.locator("canvas").first).to_be_visible()
    picture(page, "17-proof-plots")


def test_a_copy_that_fails_shows_file_line_column_and_reason(ui: UI, page: Page) -> None:
    part = ui.damage("page_view", BAD_DAY, column="path", row=3, value="/" + "x" * 1_100)
    lineage(ui, page, 'key:"staging/page_view"')
    choose_days(page, BAD_DAY).get_by_role("button", name="Launch 1 run").click()
    page.goto(f"{ui.url}/runs/{ui.ended('FAILURE', partition=BAD_DAY)}")
    expect(page.get_by_text("RUN_FAILURE")).to_be_visible()
    picture(page, "18-failed-copy")
    page.get_by_text("View full message").last.click()  # days beside it were loaded, and are told before
    shown = page.get_by_role("dialog")
    for told in (part.rpartition("/")[2], "line 3", "path", "longer than the length defined in the table"):
        expect(shown.get_by_text(told).first).to_be_visible()
    picture(page, "19-failed-copy-in-full")


def test_the_schedule_launches_the_run_of_yesterday(ui: UI, tick: datetime, page: Page) -> None:
    page.goto(f"{ui.url}/automation")
    page.get_by_text("daily_load").first.click()
    expect(page.get_by_text(f"at {tick:%H:%M} Asia/Tokyo")).to_be_visible()
    expect(page.get_by_role("checkbox").first).to_be_checked()
    yesterday = (tick.date() - timedelta(days=1)).isoformat()
    run_id = ui.ended("SUCCESS", seconds=400, partition=yesterday, schedule_name="daily_load")
    assert len(ui.runs(partition=yesterday, schedule_name="daily_load")) == 1
    page.reload()
    expect(page.get_by_text(run_id[:8]).first).to_be_visible()
    picture(page, "12-schedule")
    page.goto(f"{ui.url}/runs/{run_id}")
    expect(page.get_by_text(f"partition: {yesterday}")).to_be_visible()
    picture(page, "13-run-of-the-schedule")
