"""What a newcomer does: a wheel in an environment of its own, `init` in an empty folder, and the first day there."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from aurora_dwh_tests.programs import run_program
from aurora_dwh_tests.servers import Server

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
TABLES = (
    """CREATE TABLE Visit (Id INT PRIMARY KEY AUTO_INCREMENT, Page VARCHAR(50), changed DATETIME NOT NULL
       DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (changed))""",
    "CREATE TABLE `my country` (code CHAR(2) PRIMARY KEY, name VARCHAR(50))",
    "INSERT INTO Visit (Page, changed) VALUES ('/', '2024-02-29 23:59:59'), ('/a', NOW() - INTERVAL 400 DAY)",
    "INSERT INTO `my country` VALUES ('jp', '日本'), ('nz', 'Aotearoa')",
)


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


class Newcomer:
    """A person in a shell, in whose environment nothing leads to anything."""

    def __init__(self, python: Path, folder: Path, password: str) -> None:
        self.python, self.folder = python, folder
        foreign = ("AURORA_", "REDSHIFT_", "AWS_", "LAKE_", "DAGSTER_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment = {**kept, "COLUMNS": "140"}
        self.password = {"AURORA_PASSWORD": password}

    def run(self, *command: str, exit_code: int = 0, **more: str) -> str:
        """Run one of the environment's commands, without a terminal, and return what it said."""
        program = [str(self.python), "-m"] if command[0] != "aurora-dwh" else [str(self.python.with_name(command[0]))]
        program += command if command[0] != "aurora-dwh" else command[1:]
        return run_program(program, self.folder, self.environment | more, exit_code=exit_code)


@pytest.fixture
def newcomer(python: Path, server: Server, tmp_path: Path) -> Iterator[Newcomer]:
    person = Newcomer(python, tmp_path, server.password)
    yield person
    for state in tmp_path.glob("*/.aurora-dwh"):
        person.run("aurora-dwh", "local", "down", "--state", str(state))


@pytest.fixture
def url(server: Server, database: str) -> str:
    with pymysql.connect(**server.arguments(database), autocommit=True) as connection, connection.cursor() as cursor:
        for statement in TABLES:
            cursor.execute(statement)
    return f"mysql://{server.user}@{server.host}:{server.port}/{database}"


def test_from_a_wheel_to_a_day_that_is_proven_and_a_mart_of_it(newcomer: Newcomer, url: str) -> None:
    options = ("--source", url, "--tls", "disabled", "--zone", "Asia/Tokyo")
    said = newcomer.run("aurora-dwh", "init", "my-shop", *options, **newcomer.password)
    assert newcomer.password["AURORA_PASSWORD"] not in said
    newcomer.folder /= "my-shop"
    project = newcomer.folder
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert "timezone: Asia/Tokyo" in (project / "catalog.yaml").read_text()
    assert (project / "marts" / "visit_by_day.sql").is_file()
    assert len((project / "my_shop" / "definitions.py").read_text().splitlines()) < 20

    readme = (project / "README.md").read_text().replace("\\\n", "")
    newcomer.run(*shlex.split(readme[readme.index("dagster asset") : readme.index("    aurora-dwh verify")]))
    location = ("-m", "my_shop.definitions")
    newcomer.run("dagster", "asset", "materialize", *location, "--select", 'key:"bi/visit_by_day"')
    said = newcomer.run("aurora-dwh", "verify", "Visit")
    assert "equal" in said
    assert "1 of 1 cases as expected" in newcomer.run("aurora-dwh", "mart", "test")
    newcomer.run("pytest", "-q", "-p", "no:cacheprovider")

    again = newcomer.run("aurora-dwh", "init", ".", *options, exit_code=2, **newcomer.password)
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
    newcomer: Newcomer, options: tuple[str, ...], told: str
) -> None:
    said = newcomer.run("aurora-dwh", "init", "p", *options, exit_code=2)
    assert told in " ".join(said.replace("│", " ").split())
    assert "secret@" not in said
    assert list(newcomer.folder.iterdir()) == []


def test_a_source_that_does_not_answer_leaves_nothing_behind(newcomer: Newcomer, url: str) -> None:
    said = newcomer.run(
        "aurora-dwh", "init", "p", "--source", url, "--tls", "disabled", exit_code=1, AURORA_PASSWORD="wrong"
    )
    assert "Access denied" in said
    assert list(newcomer.folder.iterdir()) == []
