"""What a newcomer does: a wheel in an environment of its own, `init` in an empty folder, and the first day there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from dotenv import dotenv_values
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh_tests.browser.ui import ENDED, RUN_SECONDS, UI, choose_days, lineage, picture
from aurora_dwh_tests.dagster_ui import served
from aurora_dwh_tests.foreign import create_wordpress, create_zabbix, fill_wordpress
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.programs import run_program
from aurora_dwh_tests.servers import Server

pytestmark = pytest.mark.timeout(1500)

ROOT = Path(__file__).parents[2]
FOREIGN = ("AURORA_", "REDSHIFT_", "AWS_", "LAKE_", "DAGSTER_")
"""How variables begin that lead somewhere."""
MART = """/*
materialization: table
description: Posts by what they are.
grain: [post_type]
*/
SELECT post_type, COUNT(*) AS posts
FROM staging.wp_posts
GROUP BY 1
"""
TRANSFORM = """/*
description: Who wrote what on which day, without the texts.
key: [post_id]
staging: true
*/
SELECT :day AS day, p."ID" AS post_id, sha256(u.user_email) AS author
FROM lake.wp_posts p
JOIN latest.wp_users u ON u."ID" = p.post_author
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment into which a wheel of this repository was installed, and nothing else of it."""
    folder = tmp_path_factory.mktemp("installed")
    tree = folder / "tree"  # building leaves files behind
    shutil.copytree(ROOT / "aurora_dwh", tree / "aurora_dwh", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheels = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(tree)]
    subprocess.run([*pip, *wheels], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    made = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    install = ["--python", str(made), "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run([*pip, *install], check=True)
    # What the wheel depends on is that of this environment: the folder alone, without what .pth files lead to.
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def launch(ui: UI, page: Page, day: date, *tables: str) -> None:
    """Materialize a day of tables, wait until they are staged, and expect every run so far to have succeeded."""
    lineage(ui, page, " or ".join(f'key:"lake/{name}" or key:"staging/{name}"' for name in tables))
    dialog = choose_days(page, day.isoformat())
    dialog.get_by_role("button", name=re.compile("^Launch")).click()
    expect(dialog).to_be_hidden()
    until(lambda: all(map(ui.staged, tables)), RUN_SECONDS, lambda: [ui.told(run) for run in ui.runs()])
    until(lambda: all(run["status"] in ENDED for run in ui.runs()), RUN_SECONDS, ui.runs)
    assert {ui.told(run) for run in ui.runs()} == {"SUCCESS []"}


class Newcomer:
    """A person in a shell, in whose environment nothing leads to anything."""

    def __init__(self, python: Path, folder: Path, password: str) -> None:
        self.python, self.folder = python, folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith((*FOREIGN, "PYTHON"))}
        self.environment = {**kept, "COLUMNS": "140"}
        self.password = {"AURORA_PASSWORD": password}

    def run(self, *command: str, exit_code: int = 0, **more: str) -> str:
        """Run one of the environment's commands, without a terminal, and return what it said."""
        program = [str(self.python), "-m"] if command[0] != "aurora-dwh" else [str(self.python.with_name(command[0]))]
        program += command if command[0] != "aurora-dwh" else command[1:]
        return run_program(program, self.folder, self.environment | more, exit_code=exit_code)

    @contextmanager
    def dagster_dev(self) -> Iterator[UI]:
        """Run `dagster dev` in the project's folder."""
        program, log = ["-m", "dagster", "dev"], self.folder / "dagster.log"
        with served(str(self.python), program, self.environment, log, self.folder) as dagster:
            variables = {name: value or "" for name, value in dotenv_values(self.folder / ".env").items()}
            yield UI(dagster.url, variables)


@pytest.fixture
def newcomer(python: Path, server: Server, tmp_path: Path) -> Iterator[Newcomer]:
    person = Newcomer(python, tmp_path, server.password)
    yield person
    for state in tmp_path.glob("*/.aurora-dwh"):
        person.run("aurora-dwh", "local", "down", "--state", str(state))


@pytest.fixture
def day() -> date:
    """The first day of the catalog that is written."""
    return (datetime.now(timezone.utc) - timedelta(days=1)).date().replace(day=1)


@pytest.fixture
def url(server: Server, database: str, day: date) -> str:
    """A database that nobody here designed: a blog, and beside it some of the tables that watch its machines."""
    create_wordpress(server, database)
    fill_wordpress(server, database, [day])
    create_zabbix(server, database, "hosts", "hstgrp", "hosts_groups")
    return f"mysql://{server.user}@{server.host}:{server.port}/{database}"


def test_from_a_wheel_to_a_proof_in_the_browser(newcomer: Newcomer, url: str, day: date, page: Page) -> None:
    options = ("--source", url, "--tls", "disabled", "--zone", "Atlantic/Reykjavik", "--tables")
    said = newcomer.run("aurora-dwh", "init", "my-blog", *options, "wpposts*", exit_code=2, **newcomer.password)
    assert "'wpposts*' is no table of the database; did you mean wp_posts" in " ".join(said.replace("│", " ").split())
    assert not (newcomer.folder / "my-blog" / "catalog.yaml").exists()
    said = newcomer.run("aurora-dwh", "init", "my-blog", *options, "wp_*", **newcomer.password)
    assert newcomer.password["AURORA_PASSWORD"] not in said
    newcomer.folder /= "my-blog"
    project = newcomer.folder
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert "timezone: Atlantic/Reykjavik" in (project / "catalog.yaml").read_text()
    assert {name.partition("_")[0] for name in Catalog.load(project / "catalog.yaml").tables} == {"wp"}
    assert len((project / "my_blog" / "definitions.py").read_text().splitlines()) < 20
    (project / "transforms" / "authors.sql").write_text(TRANSFORM)

    with newcomer.dagster_dev() as ui:
        page.goto(f"{ui.url}/asset-groups")
        known = page.get_by_text(re.compile("^Materialize all")).inner_text()
        (project / "marts" / "posts_by_type.sql").write_text(MART)
        page.get_by_text("Reload definitions").click()
        expect(page.get_by_text(known)).to_be_hidden()

        tables = ("wp_posts", "wp_users")
        launch(ui, page, day, *tables)
        for name in tables:
            assert ui.staged(name) == ui.at_source(f"SELECT COUNT(*) FROM {name}") > 0
        page.goto(f"{ui.url}/assets/staging/wp_posts?view=partitions&partition={day}")
        expect(page.locator("tr", has_text="dagster/partition_row_count")).to_contain_text("300")
        picture(page, "21-newcomer-day")

        until(lambda: ui.staged("authors") == 300, RUN_SECONDS, ui.runs)  # by itself, once what it reads was there
        ui.materialize(page, "bi/posts_by_type")
        assert ui.in_warehouse("SELECT SUM(posts) FROM bi.posts_by_type") == [(300,)]
        picture(page, "22-newcomer-mart")
        ui.materialize(page, "proof/wp_posts")
        page.goto(f"{ui.url}/assets/proof/wp_posts?view=overview")
        expect(page.locator("tr", has_text="rows_proven").first).to_be_visible()
        picture(page, "23-newcomer-proof")
    assert "SensorExecutionError" not in (project / "dagster.log").read_text()

    readme = (project / "README.md").read_text().replace("\\\n", "")
    newcomer.run(*shlex.split(readme[readme.index("dagster asset") : readme.index("    aurora-dwh verify")]))
    assert "equal" in newcomer.run("aurora-dwh", "verify", "wp_posts")
    newcomer.run("pytest", "-q", "-p", "no:cacheprovider")

    again = newcomer.run("aurora-dwh", "init", ".", *options, "wp_*", exit_code=2, **newcomer.password)
    assert "has catalog.yaml, .env, pyproject.toml, workspace.yaml, dagster.yaml already" in again
    newcomer.folder = project.parent


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "name the database"),
        (("--source", "mysql://u:secret@h/d"), "leave the password out"),
        (("--source", "postgres://u@h/d"), "write mysql://user@host:port/database"),
        (("--source", "mysql://u@h"), "write mysql://user@host:port/database"),
        (("--source", "mysql://u@h/d"), "set one of AURORA_PASSWORD, AURORA_SECRET_ID, AURORA_IAM_AUTH"),
        (("--source", "mysql://u@h/d", "--zone", "Asia/Tokio"), "'Asia/Tokio' is not a time zone"),
    ],
)
def test_without_a_terminal_nothing_is_asked_and_what_lacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "p", *options], env={"COLUMNS": "140"})
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())
    assert "secret@" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_does_not_answer_leaves_nothing_behind(newcomer: Newcomer, url: str) -> None:
    said = newcomer.run(
        "aurora-dwh", "init", "p", "--source", url, "--tls", "disabled", exit_code=1, AURORA_PASSWORD="wrong"
    )
    assert "Access denied" in said
    assert list(newcomer.folder.iterdir()) == []
