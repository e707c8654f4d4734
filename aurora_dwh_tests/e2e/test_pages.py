"""The commands of the pages, run as they stand there, in order, in a shell that has nothing of the machine's settings.

What is indented, or fenced as `sh`, is commands; so is what stands in the text as `aurora-dwh ...` or `dagster ...`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.local import shop

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
FIRST = ("README.md", "README.ja.md", "docs/lake.md", "docs/operation.md")
LAST = "docs/cli.md"
"""The order in which pages are followed: what `docs/operation.md` purges for good, `docs/lake.md` reads.

The last one has each command with all that may be said to it.
"""

AWS = "asks AWS, which no test reaches"
EXISTING = "asks AWS; infra/test_existing.py runs it with what AWS would answer"
INFRA = "deploys to AWS; `infra/` has tests that make and check its templates"
MAKE = "`make` first makes a virtual environment"
SERVER = "goes on until it is stopped; test_production_topology.py runs it as the image does"
OWN = "names servers of the reader's own; test_init.py runs it with a test's"
DBT = "needs dbt, of another environment; clients/test_dagster_dbt.py runs it"
NAME = "names a command, without what it is to be run with"
NOT_RUN = {
    "make demo": f"{MAKE}; the fixture runs what it then runs",
    "make test": f"{MAKE}; it runs this very test",
    "make dev": f"{MAKE}; the UI's tests run what it then runs",
    "make infra": f"{MAKE}; it then runs tests that `make test` runs, too",
    "npx aws-cdk bootstrap aws://123456789012/ap-northeast-1": INFRA,
    "npx aws-cdk deploy aurora-dwh-platform": INFRA,
    "python -m infra.existing": EXISTING,
    "python -m infra.existing --database production --region ap-northeast-1": EXISTING,
    "docker buildx imagetools inspect python:3.12-slim-bookworm": "asks a registry of images",
    "curl -s https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem | sha256sum": AWS,
    **{
        f"aws ecs update-service --cluster aurora-dwh --service {name} --force-new-deployment": AWS
        for name in ("code", "webserver", "daemon")
    },
    "aws ecs wait tasks-stopped --cluster aurora-dwh --tasks <id>": AWS,
    "aws ecs describe-tasks --cluster aurora-dwh --tasks <id> --query 'tasks[].containers[].exitCode'": AWS,
    "aws logs filter-log-events --log-group-name /aurora-dwh/run --log-stream-names run/run/<id> "
    "--query 'events[].[message]' --output text": AWS,
    """aws logs tail /aurora-dwh/daemon --since 2h --filter-pattern '"BackfillDaemon"'""": AWS,
    "npx aws-cdk deploy aurora-dwh-platform --context first=true": INFRA,
    "python -m infra.open": AWS,
    "aws rds modify-db-cluster --db-cluster-identifier aurora-dwh-dagster --no-deletion-protection": AWS,
    "aws rds modify-db-cluster --db-cluster-identifier aurora-dwh-source --no-deletion-protection": AWS,
    "aws cloudformation update-termination-protection --no-enable-termination-protection "
    "--stack-name aurora-dwh-platform": AWS,
    "aws cloudformation delete-stack --stack-name aurora-dwh-platform": AWS,
    "cd infra && npx aws-cdk deploy aurora-dwh-bi": INFRA,
    "cd .. && python -m infra.grants": AWS,
    "aws quicksight create-account-subscription --aws-account-id 123456789012 --edition ENTERPRISE "
    "--authentication-method IAM_AND_QUICKSIGHT --account-name <a name> --notification-email <address>": AWS,
    "aws quicksight list-users --aws-account-id 123456789012 --namespace default --region <identity Region> "
    "--query 'UserList[].Arn'": AWS,
    "aurora-dwh doctor --contract contract.json": "tries locks for minutes; test_contract.py runs it",
    "aurora-dwh --install-completion": "writes into the files of whatever shell it is called by",
    "aurora-dwh COMMAND --help": NAME,
    "aurora-dwh init shop --source mysql://reader@127.0.0.1:3306/shop --lake embedded --warehouse embedded": OWN,
    "aurora-dwh init shop --lake s3://my-bucket/lake --warehouse redshift-serverless://my-workgroup/dev": OWN,
    "aurora-dwh init shop --tables 'sales_*'": OWN,
    "aurora-dwh dagster": NAME,
    "aurora-dwh init": NAME,
    "aurora-dwh lake show": NAME,
    "aurora-dwh lake sql": NAME,
    "aurora-dwh mart run": NAME,
    "aurora-dwh plan": NAME,
    "aurora-dwh plan order_items": "is of a catalog in the page; test_queries.py runs it with that catalog",
    "aurora-dwh prune": NAME,
    "aurora-dwh purge": NAME,
    "aurora-dwh rebuild": NAME,
    "aurora-dwh plan <table> --day <first day>": NAME,
    "dagster asset materialize -f definitions.py --partition 2024-01-05 "
    """--select 'key:"lake/orders_master" or key:"staging/orders_master"'""": DBT,
    """dagster asset materialize -f definitions.py --select 'key:"orders_by_status"'""": DBT,
    "dagster asset materialize": NAME,
    "dagster asset materialize --partition-range": NAME,
    "aurora-dwh dagster dev": "as `dagster dev`",
    "aurora-dwh --target prod dagster dev --port 3001": "there is one target",
    "dagster dev": "goes on until it is stopped; the UI's tests run it",
    "dagster api grpc -h 0.0.0.0 -p 4000 -m aurora_dwh.definitions": SERVER,
}
"""Commands that cannot be run here, as they stand in a page, and why."""

NOTEBOOK = "docs/lake.ipynb"

EMBEDDING = ("docs/project.md", "docs/dbt.md")
"""Pages whose programs are for other projects: unit/test_project.py and clients/test_dagster_dbt.py have those."""


def pages() -> list[str]:
    """Return every page that a user reads, in the order in which they are followed."""
    there = (str(page.relative_to(ROOT)) for page in [*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md")])
    return [*FIRST, *sorted(set(there) - {*FIRST, LAST}), LAST]


def blocks(page: Path) -> Iterator[list[str]]:
    """Yield the commands of each block of a page, and each that stands in its text as a block of its own."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "code_block" or (token.type == "fence" and token.info == "sh"):
            lines = re.sub(r"\\\n\s*", "", token.content).splitlines()
            yield [command for line in lines if (command := re.sub(r"\s+#.*", "", line).strip())]
        for inner in token.children or ():
            if inner.type == "code_inline" and re.match(r"(aurora-dwh|dagster) [\w-]", inner.content):
                yield [inner.content.replace("TABLE", "orders_master")]


def test_o15_each_command_of_the_pages_is_run_or_listed_and_what_is_listed_stands_in_a_page() -> None:
    found = {ROOT / page: {one for block in blocks(ROOT / page) for one in block} for page in pages()}
    assert all(found[ROOT / page] for page in (*FIRST, LAST))
    assert set(NOT_RUN) <= set.union(*found.values())
    unclear = re.compile(r"<[a-z ]+>|\b[A-Z]{4,}\b")  # what a reader is to put in
    assert not [one for commands in found.values() for one in commands - NOT_RUN.keys() if unclear.search(one)]


@pytest.mark.parametrize("page", pages())
def test_o15_each_command_of_a_page_has_the_options_that_stand_there(page: str) -> None:
    """Without running it: what `docs/cli.md` has beside the other pages is run by `make soak`."""
    commands = {one for block in blocks(ROOT / page) for one in block if one.startswith("aurora-dwh ")}
    for command in commands - NOT_RUN.keys():
        words = shlex.split(command.partition(" >")[0])[1:]
        done = CliRunner().invoke(app, [*words, "--help"])
        assert done.exit_code == 0, f"{command}: {done.output}"


def fences(page: Path, language: str) -> list[str]:
    """Return what is fenced in a page as of a language."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info == language]


TODAY = shop.last_day() + timedelta(days=1)


class Reader:
    """Somebody who follows the pages in a fresh clone, with nothing in the environment but a PATH and a home."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "aurora-dwh"
        passed = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "node_modules", "cdk.out", "screenshots")
        shutil.copytree(ROOT, self.clone, ignore=passed)
        (self.clone / ".venv").symlink_to(sys.prefix)  # as `make demo` makes it
        # Pages name days of January 2024: for whoever types `date`, the shop's last day was yesterday.
        own = folder / "bin" / "date"
        own.parent.mkdir()
        own.write_text(f'#!/bin/sh\nexec {shutil.which("date")} -d "{TODAY} $2" "$3"\n', encoding="utf-8")
        own.chmod(0o755)
        self.variables = {
            "PATH": f"{own.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
        }
        if "PYTHONPATH" in os.environ:  # where the package that is tested is not the one that is installed
            self.variables["PYTHONPATH"] = os.environ["PYTHONPATH"]
        self.entered: dict[str, str] = {}
        self.done: set[str] = set()

    def enter(self) -> None:
        """Start the stack, and take its variables over once for all shells, as the pages say to do in each."""
        self.type(*ACTIVATED, "aurora-dwh local up", "aurora-dwh local env > variables.sh")
        told = self.type(*ENTERED, "env -0").split("\0")
        self.entered = dict(one.split("=", 1) for one in told if "=" in one)

    def type(self, *commands: str, answer: str = "") -> str:
        """Type commands into a new shell on a terminal, expect each to succeed, and return what they print."""
        ours, theirs = pty.openpty()
        os.write(ours, answer.encode())
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands)],
            cwd=self.clone,
            env=self.variables,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        os.close(theirs)
        os.close(ours)
        assert done.returncode == 0, f"{commands}: exit code {done.returncode}\n{done.stdout[-5000:]}"
        return done.stdout

    def ask(self, command: str) -> None:
        """Run a command that needs no shell in this process, which has imported all of it already."""
        with mock.patch.dict(os.environ, self.entered, clear=True), contextlib.chdir(self.clone):
            done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}: {done.exception!r}\n{done.output[-5000:]}"

    def follow(self, commands: list[str]) -> None:
        """Run a block of a page, but for what cannot be run here and what was run before."""
        left = [one for one in commands if one not in NOT_RUN and (one not in self.done or one.startswith(STEPS))]
        if self.done.issuperset(left):
            return
        self.done.update(left)
        if all(SHELL_LESS.fullmatch(command) for command in left):
            for command in left:
                self.ask(command)
            return
        begins_itself = any(command.startswith("source ") for command in left)
        here = () if begins_itself else ENTERED
        self.type(*here, *left, answer="y\n" * len(left))
        if any(one.startswith(("aurora-dwh local up", "aurora-dwh local down")) for one in left):
            self.enter()  # it may have ended, or have left a part out


ACTIVATED = ("source .venv/bin/activate",)
ENTERED = (*ACTIVATED, "source variables.sh")

SHELL_LESS = re.compile(r"aurora-dwh (verify|doctor|plan|proof|discover|rebuild|lake|mart) ?[^$<>|;&`]*")
"""Commands that ask nothing: `purge`, `prune`, `init`, `local` and `dagster` are typed, into a shell on a terminal."""

STEPS = ("source ", "eval ", "cd ")
"""How commands begin that are for those behind them."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has run the demo, of a small shop."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    try:
        said = reader.type(*ACTIVATED, f"python -m aurora_dwh.local.demo --scale 0.05 --start {shop.START}")
        assert "bi.daily_sales" in said
        reader.enter()
        yield reader
    finally:
        for option in ("", " --state another"):
            reader.type(*ACTIVATED, f"aurora-dwh local down{option}")


@pytest.mark.parametrize("page", [page for page in pages() if page not in EMBEDDING and fences(ROOT / page, "python")])
def test_o15_the_programs_of_a_page_run_as_they_stand_there_each_behind_the_one_before(
    reader: Reader, page: str
) -> None:
    (reader.clone / "program.py").write_text("\n\n".join(fences(ROOT / page, "python")), encoding="utf-8")
    reader.type(*ENTERED, "python program.py")


def test_o15_the_transforms_of_the_page_run_as_they_stand_there(reader: Reader) -> None:
    page, project = ROOT / "docs" / "lake.md", reader.clone / "project"
    (project / "transforms").mkdir(parents=True)
    shutil.copy(reader.clone / "aurora_dwh" / "sample_shop" / "catalog.yaml", project)
    (sold,) = [one for one in fences(page, "sql") if one.startswith("/*")]
    (project / "transforms" / "sold.sql").write_text(sold, encoding="utf-8")
    (functions,) = [one for one in fences(page, "python") if "import transform" in one]
    (project / "transforms" / "more.py").write_text(functions, encoding="utf-8")
    names = ("lake/sold", "staging/sold", "lake/baskets", "staging/baskets", "lake/paths")
    selected = " or ".join(f'key:"{name}"' for name in names)
    said = reader.type(
        *ENTERED,
        "export AURORA_DWH_CATALOG=project/catalog.yaml",
        f"dagster asset materialize -m aurora_dwh.definitions --select '{selected}' "
        "--partition-range 2024-01-04...2024-01-05",
        "aurora-dwh lake ls --json",
    )
    listed = {one["table"]: one["days"] for one in json.loads(said[said.rindex("\n[") :])}
    assert {name: listed[name] for name in ("sold", "baskets", "paths")} == {"sold": 2, "baskets": 2, "paths": 2}
    found = "select count(*) > 0 as found from lake.sold, lake.baskets, lake.paths"
    assert '"found": true' in reader.type(*ENTERED, f"aurora-dwh lake sql '{found}' --json")


def test_the_notebook_runs_in_jupyter_and_its_copy_here_was_run(reader: Reader) -> None:
    notebook = reader.clone / NOTEBOOK
    before = json.loads(notebook.read_text(encoding="utf-8"))
    reader.type(*ENTERED, f"cd {Path(NOTEBOOK).parent}", "jupyter execute --inplace *.ipynb")
    after = json.loads(notebook.read_text(encoding="utf-8"))
    assert _printed(before) == _printed(after)
    assert (notebook.parent / "forecast.parquet").exists()


def _printed(notebook: dict[str, Any]) -> list[list[str]]:
    """Return of which kinds each cell's outputs are: their figures are those of a shop of another size."""
    return [[one["output_type"] for one in cell.get("outputs", ())] for cell in notebook["cells"]]


@pytest.mark.parametrize("page", [*pages()[:-1], pytest.param(LAST, marks=pytest.mark.soak)])
def test_o15_the_commands_of_a_page_succeed_as_they_stand_there(reader: Reader, page: str) -> None:
    for block in blocks(ROOT / page):
        reader.follow(block)
