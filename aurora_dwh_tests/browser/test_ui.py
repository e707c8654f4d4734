"""The Dagster UI on the embedded stack with the sample shop, clicked through in a headless Chromium.

Each step leaves a picture in `screenshots/`, for people to look at.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pymysql
import pytest
import redshift_connector
from playwright.sync_api import Browser, Page, expect, sync_playwright

from aurora_dwh.local import shop, stack
from aurora_dwh.local.processes import free_ports

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "screenshots"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHAIN = 'key:"lake/orders_master" or key:"staging/orders_master"'
DAY = "2024-01-05"
UI_SECONDS = 90.0
RUN_MILLISECONDS = 120_000

pytestmark = [pytest.mark.xdist_group("ui"), pytest.mark.timeout(420)]


@dataclass(frozen=True)
class UI:
    """A running UI and the environment of its stack."""

    url: str
    variables: Mapping[str, str]

    def staged(self, table: str) -> int:
        """Return the rows of a staging table, 0 where it is not there."""
        with redshift_connector.connect(
            host=self.variables["REDSHIFT_HOST"],
            port=int(self.variables["REDSHIFT_PORT"]),
            database=self.variables["REDSHIFT_DATABASE"],
            user=self.variables["REDSHIFT_USER"],
            password=self.variables["REDSHIFT_PASSWORD"],
            ssl=False,
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(f"SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'staging' AND tablename = '{table}'")
            if not cursor.fetchone()[0]:
                return 0
            cursor.execute(f"SELECT COUNT(*) FROM staging.{table}")
            return int(cursor.fetchone()[0])

    def changed_on_day(self, table: str) -> int:
        """Return the rows of a source table that belong to the day: lookback included, as the catalog says."""
        connection = pymysql.connect(
            host=self.variables["AURORA_HOST"],
            port=int(self.variables["AURORA_PORT"]),
            database=self.variables["AURORA_DATABASE"],
            user=self.variables["AURORA_USER"],
            password=self.variables["AURORA_PASSWORD"],
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE update_date >= '2024-01-04 23:00:00'")
            return int(cursor.fetchone()[0])


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UI]:
    """`dagster dev` on an embedded stack in which the shop has lived for five days; all of it ends with the module."""
    state = tmp_path_factory.mktemp("ui") / "state"
    stack.up(state)
    try:
        shop.reset(state)
        shop.live_embedded(state, first=shop.START, last=shop.START + timedelta(days=4), scale=0.2)
        home = state / "dagster"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        variables = stack.environment(state)
        environment = {**os.environ, **variables, "DAGSTER_HOME": str(home)}
        environment.pop("AURORA_DWH_CATALOG", None)
        (port,) = free_ports(1)
        with (state / "dagster.log").open("wb") as log:
            server = subprocess.Popen(
                [Path(sys.executable).with_name("dagster"), "dev", "-h", "127.0.0.1", "-p", str(port)],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own, code servers included
                preexec_fn=_default_signals,
            )
        try:
            _await(f"http://127.0.0.1:{port}/server_info", server, state / "dagster.log")
            yield UI(f"http://127.0.0.1:{port}", variables)
        finally:
            _end_group(server)
    finally:
        stack.down(state)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; its absence fails the test with what to do."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("Chromium is missing, and this test clicks through the UI: `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, headless=True)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of a laptop's size."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def test_the_lineage_page_shows_the_layers_from_aurora_to_the_marts(ui: UI, page: Page) -> None:
    page.goto(f"{ui.url}/asset-groups")
    for layer in ("aurora", "lake", "staging", "bi"):
        expect(page.get_by_text(layer, exact=True).first).to_be_visible()
    expect(page.get_by_text("Materialize all (15)")).to_be_visible()
    page.keyboard.press("Alt+e")  # expands the groups
    for asset in ("country", "page_view", "orders_master", "products_master"):
        expect(page.get_by_text(asset, exact=True)).to_have_count(3)  # in Aurora, in the lake, in staging
    for mart in ("daily_page_views", "daily_sales", "order_detail", "order_fulfilment", "stock_cover"):
        expect(page.get_by_text(mart, exact=True)).to_be_visible()
    _picture(page, "1-lineage")


def test_a_day_that_is_materialized_in_the_browser_is_in_staging(ui: UI, page: Page) -> None:
    assert ui.staged("orders_master") == 0
    page.goto(f"{ui.url}/asset-groups")
    expect(page.get_by_text("Materialize all (15)")).to_be_visible()
    page.locator(".CodeMirror").last.click()
    page.keyboard.type(CHAIN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Materialize all (15)")).to_be_hidden()
    page.get_by_text(re.compile("^Materialize all")).click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("materialize 2 assets")).to_be_visible()
    dialog.get_by_text("Show all partitions").click()
    days = dialog.get_by_placeholder("ex: ")
    days.fill(DAY)
    days.press("Tab")
    _picture(page, "2-materialize")
    dialog.get_by_role("button", name="Launch 1 run").click()
    expect(dialog).to_be_hidden()

    page.goto(f"{ui.url}/runs")
    page.get_by_role("link", name="View", exact=True).click()
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible(timeout=RUN_MILLISECONDS)
    expect(page.get_by_text(f"partition: {DAY}")).to_be_visible()
    expect(page.get_by_text("2 assets")).to_be_visible()
    _picture(page, "3-run")

    rows = ui.staged("orders_master")
    assert rows == ui.changed_on_day("orders_master") > 0
    page.goto(f"{ui.url}/assets/staging/orders_master?view=partitions&partition={DAY}")
    count = page.locator("tr", has_text="dagster/partition_row_count")
    expect(count).to_contain_text(str(rows))
    _picture(page, "4-partition")
    page.goto(f"{ui.url}/assets/staging/orders_master?view=overview")
    expect(page.get_by_text("order_date").first).to_be_visible()
    _picture(page, "5-asset")


def test_the_schedule_of_the_daily_load_is_running(ui: UI, page: Page) -> None:
    page.goto(f"{ui.url}/automation")
    page.get_by_text("daily_load").first.click()
    expect(page.get_by_text("Loads yesterday at 01:00 Asia/Tokyo.")).to_be_visible()
    expect(page.get_by_text("Execution timezone")).to_be_visible()
    expect(page.get_by_role("checkbox").first).to_be_checked()
    _picture(page, "6-schedule")


def _picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.wait_for_timeout(1_000)  # fonts and the graph's layout come last
    page.screenshot(path=PICTURES / f"{name}.png")


def _default_signals() -> None:
    """Undo what a non-interactive shell does to its background processes: ignored signals would be inherited."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_DFL)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + UI_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"dagster dev does not answer:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.3)


def _end_group(server: subprocess.Popen[bytes]) -> None:
    """End the server and its children, which would otherwise wait for 45 seconds for a heartbeat."""
    os.killpg(server.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
