"""The servers that the tests look at, each for the tests of one file."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aurora_dwh.catalog.model import PACKAGED_CATALOG, marts_folder
from aurora_dwh.local import shop, stack
from aurora_dwh_tests.browser.ui import UI
from aurora_dwh_tests.dagster_ui import ROOT, Api, served

TICK_AHEAD = timedelta(seconds=150)
"""How far ahead of the UI's start the schedule has its tick: the daemon misses one that is over when it starts."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an embedded stack in which the shop has lived for five days; it ends with the module."""
    state = tmp_path_factory.mktemp("ui") / "state"
    stack.up(state)
    try:
        shop.reset(state)
        shop.live_embedded(state, first=shop.START, last=shop.START + timedelta(days=4), scale=0.2)
        yield state
    finally:
        stack.down(state)


@pytest.fixture(scope="module")
def tick(lived: Path) -> datetime:
    """When the daily schedule has its tick, in the shop's zone: soon after all else is there."""
    return (datetime.now(ZoneInfo(shop.TIMEZONE)) + TICK_AHEAD).replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def ui(lived: Path, tick: datetime) -> Iterator[UI]:
    """`dagster dev` on that stack, with the packaged catalog, but for the time of its schedule."""
    variables = stack.environment(lived)
    shutil.copy(ROOT / "dagster.yaml", variables["DAGSTER_HOME"])
    catalog = lived / "catalog.yaml"
    packaged = PACKAGED_CATALOG.read_text(encoding="utf-8")
    catalog.write_text(re.sub(r'(?m)^schedule: "01:00"', f'schedule: "{tick:%H:%M}"', packaged), encoding="utf-8")
    shutil.copytree(marts_folder(PACKAGED_CATALOG), lived / "marts")
    environment = {**os.environ, **variables, "AURORA_DWH_CATALOG": str(catalog)}
    with served("dagster", ["dev"], environment, lived / "dagster.log") as dagster:
        Api(dagster.url).stop_sensor("marts")  # whose runs would go on between those that the tests start
        yield UI(dagster.url, variables)


@pytest.fixture(scope="module", params=[200, pytest.param(1_000, marks=pytest.mark.soak)])
def tables(request: pytest.FixtureRequest) -> int:
    """How many tables there are."""
    return int(request.param)


@pytest.fixture(scope="module")
def many_tables(tables: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a webserver whose catalog has many tables; nothing that is in the catalog is asked."""
    home = tmp_path_factory.mktemp("many")
    shutil.copy(ROOT / "dagster.yaml", home)
    catalog = home / "catalog.yaml"
    entries = "".join(f"  table_{number:04}: {{key: id, cursor: updated}}\n" for number in range(tables))
    catalog.write_text(f"timezone: Asia/Tokyo\nstart_date: 2024-01-01\ntables:\n{entries}", encoding="utf-8")
    environment = {**os.environ, "DAGSTER_HOME": str(home), "AURORA_DWH_CATALOG": str(catalog)}
    location = ["-m", "aurora_dwh.definitions", "-d", str(ROOT)]
    with served("dagster-webserver", location, environment, home / "webserver.log") as webserver:
        yield webserver.url
