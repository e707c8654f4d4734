"""How a daily run and the UI's pages slow down with the days behind them: a year of events beside a single day.

The same run, by turns, in four instances: SQLite as dagster.yaml has it and PostgreSQL as production has, each with the
events of one day and with those of a year. Then the pages of an asset and of the runs, in a browser.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import dagster as dg
from playwright.sync_api import Page, expect, sync_playwright

from aurora_dwh_tests.chromium import FLAGS, PATIENCE
from aurora_dwh_tests.dagster_ui import served
from aurora_dwh_tests.instances import Storage, postgres_settings
from benchmarks import harness, small_tables, year
from benchmarks.harness import interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

TABLES = 50
KINDS = ("SQLite", "PostgreSQL")
MUST, AIM = 1.3, 1.1
PAGES = {"asset": "/assets/staging/t0?view=partitions&partition={day}", "runs": "/runs"}
VIEWS = 5
"""How often each page is opened at the most; the first time is left out, as the server then loads what it needs."""


def measure(rig: Rig, size: Size) -> Findings:
    """Return the run in a year's instance by that in a day's, and the pages' times."""
    tables = min(TABLES, size.tables)
    rounds = size.fewer_rounds
    runs = 2 * len(KINDS) * rounds
    first = size.days - 2  # nothing is loaded of the days before: there are only the events of it
    variables = small_tables.make(rig, "history", tables, range(first, first + 2 + runs))
    days = (FIRST_DAY + timedelta(days=number) for number in count(first))
    rig.run("bare_day", next(days), variables=variables)  # makes the staging tables
    with _instances(rig, variables, next(days), size.days) as homes:
        settings = {name: {**variables, "DAGSTER_HOME": str(home)} for name, home in homes.items()}
        programs = {
            name: partial(lambda of: rig.run("dagster_day", next(days), variables=of), of)
            for name, of in settings.items()
        }
        took = interleaved(programs, rounds)
        pages = _views(rig, settings, min(size.rounds + 1, VIEWS))
    what = f"{tables} tables, {small_tables.ROWS_A_DAY} rows a table and day."
    found = Findings("History", lines=[f"{what} The page of runs shows as many as there are, 25 at the most."])
    for kind in KINDS:
        value = ratio(took[_name(kind, size.days)], took[_name(kind, 1)])
        name = f"daily run of {tables} tables, {kind} with {size.days} days of events / with one"
        found.measures.append(Measure(name, value, MUST, AIM))
        for page in PAGES:
            value = pages[_name(kind, size.days)][page] / pages[_name(kind, 1)][page]
            limits = (MUST, AIM) if page == "asset" else (None, None)  # that of runs has more to show after a year
            found.measures.append(Measure(f"the UI's page of {page}, likewise, {kind}", value, *limits))
    rows = [
        [
            name,
            f"{middle(of, lambda run: run.seconds):.2f}",
            f"{middle(of, lambda run: run.said['cpu']):.2f}",
            *(f"{pages[name][page] * 1000:.0f}" for page in PAGES),
        ]
        for name, of in took.items()
    ]
    found.lines += table(["instance", "run s", "its CPU s", *(f"page of {page} ms" for page in PAGES)], rows)
    return found


def _name(kind: str, days: int) -> str:
    return f"{kind}, {days} days" if days > 1 else f"{kind}, 1 day"


@contextmanager
def _instances(rig: Rig, variables: Mapping[str, str], day: date, days: int) -> Iterator[dict[str, Path]]:
    """Give the homes of four instances: for both kinds one with a day's events, and one with those of many days."""
    storage = Storage(rig.home / "history-postgres")
    try:
        homes: dict[str, Path] = {}
        for kind in KINDS:
            home = rig.home / f"history-{kind}"
            home.mkdir()
            is_file = kind == KINDS[0]
            settings = (harness.ROOT / "dagster.yaml").read_text() if is_file else postgres_settings(storage)
            (home / "dagster.yaml").write_text(settings)
            rig.run("dagster_day", day, variables={**variables, "DAGSTER_HOME": str(home)})
            grown = shutil.copytree(home, rig.home / f"history-{kind}-year")
            if is_file:
                folder = grown / "history"
                urls = [f"sqlite:///{folder / 'runs.db'}", f"sqlite:///{folder / 'runs' / 'index.db'}"]
                (run,) = (log.stem for log in (folder / "runs").glob("*-*.db"))
                year.copy_logs(folder / "runs", run, days)
            else:
                ((run,),) = storage.query("SELECT run_id FROM runs")
                storage.query("CREATE DATABASE year TEMPLATE dagster", "postgres")
                (grown / "dagster.yaml").write_text(postgres_settings(storage, database="year"))
                urls = [storage.url("year")]
                storage.query("ANALYZE")  # as a server that is not new has done
            for url in urls:
                year.write(url, run, day, days)
            homes |= {_name(kind, 1): home, _name(kind, days): grown}
        yield homes
    finally:
        storage.close()


def _views(rig: Rig, settings: Mapping[str, Mapping[str, str]], times: int) -> dict[str, dict[str, float]]:
    """Return how many seconds each page takes to show the newest day, by instance."""
    found = {}
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, headless=True)
        for name, variables in settings.items():
            with dg.DagsterInstance.from_config(variables["DAGSTER_HOME"]) as instance:
                newest = instance.get_runs(limit=1)[0]
            environment = harness.clean_environment(variables)
            arguments = ["-m", "aurora_dwh.definitions"]
            with served("dagster-webserver", arguments, environment, rig.home / "history-ui.log") as ui:
                window = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                shown = {"asset": "dagster/partition_row_count", "runs": newest.run_id[:8]}
                day = newest.tags["dagster/partition"]
                found[name] = {
                    page: _view(window, f"{ui.url}{path.format(day=day)}", shown[page], times)
                    for page, path in PAGES.items()
                }
        browser.close()
    return found


def _view(window: Page, url: str, shown: str, times: int) -> float:
    """Return the median of the seconds from asking for a page to seeing a text on it."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        window.goto(url)
        expect(window.get_by_text(shown).first).to_be_visible(timeout=PATIENCE)
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
