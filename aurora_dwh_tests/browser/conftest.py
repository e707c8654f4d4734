"""One embedded stack, one `dagster dev` and one Chromium for all tests of the folder."""

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
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from aurora_dwh.catalog import PACKAGED_CATALOG
from aurora_dwh.local import shop, stack
from aurora_dwh.local.processes import free_ports
from aurora_dwh_tests.browser.ui import UI

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
UI_SECONDS = 120.0
PATIENCE = 45_000
"""Milliseconds that anything on a page may take to appear."""

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
        home = state / "dagster"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        variables = stack.environment(state)
        tick = (datetime.now(ZoneInfo(shop.TIMEZONE)) + TICK_AHEAD).replace(second=0, microsecond=0)
        catalog = state / "catalog.yaml"
        packaged = PACKAGED_CATALOG.read_text(encoding="utf-8")
        catalog.write_text(re.sub(r'(?m)^schedule: "01:00"', f'schedule: "{tick:%H:%M}"', packaged), encoding="utf-8")
        environment = {**os.environ, **variables, "DAGSTER_HOME": str(home), "AURORA_DWH_CATALOG": str(catalog)}
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
            yield UI(f"http://127.0.0.1:{port}", variables, tick)
        finally:
            _end_group(server)
    finally:
        stack.down(state)


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
