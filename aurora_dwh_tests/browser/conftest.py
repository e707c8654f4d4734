"""The servers that the tests look at, each for the tests of one file, and a Chromium to look with."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from aurora_dwh.catalog import PACKAGED_CATALOG, marts_folder
from aurora_dwh.local import shop, stack
from aurora_dwh_tests.browser.ui import UI
from aurora_dwh_tests.dagster_ui import ROOT, served

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 45_000
"""Milliseconds that anything on a page may take to appear."""

MANY_TABLES = 1_000

TICK_AHEAD = timedelta(seconds=150)
"""How far ahead of the UI's start the schedule has its tick: the daemon misses one that is over when it starts."""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UI]:
    """`dagster dev` on an embedded stack in which the shop has lived for five days; all of it ends with the module.

    The shop's catalog is the packaged one, but for the time of its schedule, which is a few minutes from now.
    """
    state = tmp_path_factory.mktemp("ui") / "state"
    stack.up(state)
    try:
        shop.reset(state)
        shop.live_embedded(state, first=shop.START, last=shop.START + timedelta(days=4), scale=0.2)
        variables = stack.environment(state)
        shutil.copy(ROOT / "dagster.yaml", variables["DAGSTER_HOME"])
        tick = (datetime.now(ZoneInfo(shop.TIMEZONE)) + TICK_AHEAD).replace(second=0, microsecond=0)
        catalog = state / "catalog.yaml"
        packaged = PACKAGED_CATALOG.read_text(encoding="utf-8")
        catalog.write_text(re.sub(r'(?m)^schedule: "01:00"', f'schedule: "{tick:%H:%M}"', packaged), encoding="utf-8")
        shutil.copytree(marts_folder(PACKAGED_CATALOG), state / "marts")
        environment = {**os.environ, **variables, "AURORA_DWH_CATALOG": str(catalog)}
        with served("dagster", ["dev"], environment, state / "dagster.log") as dagster:
            yield UI(dagster.url, variables, tick)
    finally:
        stack.down(state)


@pytest.fixture(scope="module")
def many_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a webserver whose catalog has 1,000 tables; nothing that is in the catalog is asked."""
    home = tmp_path_factory.mktemp("many")
    shutil.copy(ROOT / "dagster.yaml", home)
    catalog = home / "catalog.yaml"
    entries = "".join(f"  table_{number:04}: {{key: id, cursor: updated}}\n" for number in range(MANY_TABLES))
    catalog.write_text(f"timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n{entries}", encoding="utf-8")
    environment = {**os.environ, "DAGSTER_HOME": str(home), "AURORA_DWH_CATALOG": str(catalog)}
    location = ["-m", "aurora_dwh.definitions", "-d", str(ROOT)]
    with served("dagster-webserver", location, environment, home / "webserver.log") as webserver:
        yield webserver.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; its absence fails the test with what to do.

    Playwright keeps an event loop running in this thread, which tests of other modules may want for their own.
    """
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
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)  # a page on a busy machine takes longer than the 5 seconds of the default
    yield page
    context.close()
