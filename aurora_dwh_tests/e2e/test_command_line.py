"""The product as a user has it: the embedded stack, `dagster` and `aurora-dwh` as commands in a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pymysql
import pytest
import redshift_connector
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.local import shop
from aurora_dwh_tests.programs import run_program

pytestmark = pytest.mark.timeout(420)

BIN = Path(sys.executable).parent
S3_ARGUMENTS = {
    "endpoint_url": "AWS_ENDPOINT_URL_S3",
    "region_name": "AWS_REGION",
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
}
CHAIN = 'key:"lake/orders_master" or key:"staging/orders_master"'


class Shell:
    """A user's shell, in which `eval "$(aurora-dwh local env)"` was said.

    Args:
        folder: Where it stands; the stack's state lies beneath it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        (folder / "home").mkdir(exist_ok=True)
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AURORA_", "REDSHIFT_", "AWS_", "LAKE_"))}
        self.variables = {**kept, "DAGSTER_HOME": str(folder / "home"), "COLUMNS": "140"}

    def run(self, *command: str, exit_code: int = 0) -> str:
        """Run a command, expect its exit code, and return what it printed."""
        return run_program([str(BIN / command[0]), *command[1:]], self.folder, self.variables, exit_code=exit_code)

    def ask(self, *command: str, exit_code: int = 0) -> str:
        """Do the same in this process, where that the command can be started in a shell is shown by another."""
        done = CliRunner().invoke(app, command, env=self.variables)
        assert done.exit_code == exit_code, done.output[-6000:]
        return done.output

    def up(self, *options: str) -> None:
        """Start the stack and take its variables over, by a real shell's `eval`."""
        self.run("aurora-dwh", "local", "up", "--state", str(self.state), *options)
        script = f'eval "$({BIN / "aurora-dwh"} local env --state {self.state})"; env -0'
        told = subprocess.run(["/bin/sh", "-c", script], env=self.variables, capture_output=True, text=True, check=True)
        self.variables |= dict(line.split("=", 1) for line in told.stdout.split("\0") if "=" in line)

    def down(self) -> None:
        """Stop the stack."""
        self.run("aurora-dwh", "local", "down", "--state", str(self.state))

    def materialize(self, *options: str, select: str = CHAIN) -> str:
        """Run `dagster asset materialize`."""
        return self.run("dagster", "asset", "materialize", "-m", "aurora_dwh.definitions", "--select", select, *options)

    def source(self) -> pymysql.connections.Connection[Any]:
        """Return a connection to the source that the variables name."""
        return pymysql.connect(
            host=self.variables["AURORA_HOST"],
            port=int(self.variables["AURORA_PORT"]),
            user=self.variables["AURORA_USER"],
            password=self.variables["AURORA_PASSWORD"],
            database=self.variables["AURORA_DATABASE"],
        )

    def warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the warehouse, committed."""
        with redshift_connector.connect(**_login(self.variables), ssl=False) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


def _login(variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        "host": variables["REDSHIFT_HOST"],
        "port": int(variables["REDSHIFT_PORT"]),
        "database": variables["REDSHIFT_DATABASE"],
        "user": variables["REDSHIFT_USER"],
        "password": variables["REDSHIFT_PASSWORD"],
    }


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell with the embedded stack up and five days of a small shop in it."""
    shell = Shell(tmp_path_factory.mktemp("user"))
    try:
        shell.up()
        with shell.source() as connection:
            shop.create(connection)
            shop.live(connection, last=date(2024, 1, 5), scale=0.05)
        yield shell
    finally:
        shell.down()


def test_a_day_a_range_and_the_rest_end_in_equality_and_a_changed_row_is_found(shell: Shell) -> None:
    shell.materialize("--partition", "2024-01-05", select=f'{CHAIN} or key:"lake/order_details_master"')
    shell.materialize("--partition-range", "2024-01-01...2024-01-04")
    said = shell.run("aurora-dwh", "verify", "orders_master")
    assert "equal" in said
    shell.ask("verify", "orders_master", "--day", "2024-01-05")

    ((victim,),) = shell.warehouse("SELECT MAX(order_id) FROM staging.orders_master")
    shell.warehouse(f"UPDATE staging.orders_master SET comments = 'tampered' WHERE order_id = {victim}")
    said = shell.ask("verify", "orders_master", exit_code=1)
    assert "comments" in said
    assert str(victim) in said
    assert "tampered" in said
    said = shell.ask("verify", "orders_master", "--day", "2024-01-04...2024-01-05", "--json", exit_code=1)
    equal, different = json.loads(said)
    assert (equal["day"], equal["equal"], equal["differences"]) == ("2024-01-04", True, [])
    assert equal["aurora"] == equal["redshift"]
    assert equal["aurora"]["rows"] > 0
    assert (different["table"], different["day"], different["equal"]) == ("orders_master", "2024-01-05", False)
    assert different["aurora"]["rows"] == different["redshift"]["rows"]
    assert different["kinds"] == {"stale": 1}
    assert different["differences"][0] == "columns that differ: comments"
    assert "in Aurora, 'tampered' in Redshift" in different["differences"][1]
    shell.ask("verify", "orders_master", "--day", "2024-01-01")


def test_a20_a_table_is_rebuilt_from_the_lake_and_from_aurora_and_is_equal(shell: Shell) -> None:
    shell.warehouse("UPDATE staging.orders_master SET comments = 'tampered'")
    shell.ask("verify", "orders_master", exit_code=1)
    done = json.loads(shell.run("aurora-dwh", "rebuild", "orders_master", "--json"))
    assert (done["table"], len(done["days"]), done["advice"]) == ("staging.orders_master", 5, None)
    assert f"{done['rows']:,} rows from 5 days" in shell.ask("rebuild", "orders_master")
    shell.ask("verify", "orders_master")

    shell.warehouse("DELETE FROM staging.orders_master")
    bucket, prefix = shell.variables["LAKE_URI"].removeprefix("s3://").split("/", 1)
    s3 = boto3.client("s3", **{name: shell.variables[variable] for name, variable in S3_ARGUMENTS.items()})
    s3.delete_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/shop/orders_master/day=2024-01-02/_manifest.json")
    said = shell.ask("rebuild", "orders_master", exit_code=1)
    assert "--from source" in said
    shell.ask("rebuild", "orders_master", "--from", "source")
    shell.ask("verify", "orders_master")


def test_a_table_that_was_never_loaded_says_so_in_a_line_and_the_others_are_compared(shell: Shell) -> None:
    found = {verdict["table"]: verdict for verdict in json.loads(shell.ask("verify", "--json", exit_code=1))}
    assert found["orders_master"]["equal"]
    assert not found["products_master"]["equal"]
    assert found["products_master"]["error"] == "staging.products_master is not there: load a day of the table first"
    assert "products_master: staging.products_master is not" in shell.ask("verify", exit_code=1)


def test_the_plan_is_what_a_day_runs_and_changes_nothing(shell: Shell) -> None:
    said = shell.run("aurora-dwh", "plan", "page_view", "--day", "2024-01-02")
    for piece in ("FROM `shop`.`page_view`", "2024-01-02", "2024-01-03", "COPY", "MANIFEST", "COMMIT"):
        assert piece in said, said
    assert "-- 1. Aurora: read page_view 2024-01-02\n" in said
    made = json.loads(shell.ask("plan", "page_view", "--day", "2024-01-02", "--json"))
    assert (made["table"], made["day"]) == ("page_view", "2024-01-02")
    assert "".join(f"{statement};\n" for statement in made["steps"][0]["statements"]) in said
    tables = shell.warehouse("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'page_view'")
    assert tables == [(0,)]


def test_a_failed_run_says_why_in_the_shell_and_ends_with_an_error(shell: Shell) -> None:
    done = subprocess.run(
        [
            *(BIN / "dagster", "asset", "materialize", "-m", "aurora_dwh.definitions"),
            *("--select", 'key:"staging/country"', "--partition", "2024-01-03"),
        ],
        cwd=shell.folder,
        env=shell.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "lake/country: no manifest for 2024-01-03" in done.stdout + done.stderr


def test_a_day_that_was_extracted_before_a_restart_is_loaded_after_it(shell: Shell) -> None:
    """The first test has extracted it."""
    ports = shell.variables["REDSHIFT_PORT"], shell.variables["AWS_ENDPOINT_URL_S3"]
    shell.down()
    shell.run("aurora-dwh", "local", "env", "--state", str(shell.state), exit_code=1)
    shell.up()
    assert (shell.variables["REDSHIFT_PORT"], shell.variables["AWS_ENDPOINT_URL_S3"]) == ports
    shell.materialize("--partition", "2024-01-05", select='key:"staging/order_details_master"')
    with shell.source() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM order_details_master "
            "WHERE update_date >= '2024-01-04 23:00:00' AND update_date < '2024-01-06'"
        )
        rows = cursor.fetchone()
    assert rows is not None
    assert rows[0] > 0
    assert shell.warehouse("SELECT COUNT(*) FROM staging.order_details_master") == [rows]


def test_p20_what_the_files_of_variables_say_is_the_same_for_both_command_lines(tmp_path: Path) -> None:
    """Each reads the catalog that its environment names, and there is none: which one it was is in its error."""
    validate = ("definitions", "validate", "-m", "aurora_dwh.definitions")

    def read(*command: str, exit_code: int) -> str:
        """Return the name of the catalog that a command missed."""
        variables = {**os.environ, "AURORA_DWH_CATALOG": "environment.yaml", "DAGSTER_DISABLE_TELEMETRY": "yes"}
        said = run_program([str(BIN / command[0]), *command[1:]], tmp_path, variables, exit_code=exit_code)
        assert ("SupersessionWarning" in said) == (command[0] == "dagster")
        (catalog,) = set(re.findall(r"(\w+\.yaml): cannot be read", said))
        return str(catalog)

    for target in ("dev", "prod"):
        (tmp_path / f".env.{target}").write_text(f"AURORA_DWH_CATALOG={target}.yaml\n", encoding="utf-8")
    chosen = ("aurora-dwh", "--target", "prod")
    assert read(*chosen, "plan", "orders", exit_code=2) == "prod.yaml"
    assert read(*chosen, "dagster", *validate, exit_code=1) == "prod.yaml"
    (tmp_path / ".env").write_text("AURORA_DWH_CATALOG=plain.yaml\n", encoding="utf-8")
    assert read("aurora-dwh", "plan", "orders", exit_code=2) == "plain.yaml"
    assert read("dagster", *validate, exit_code=1) == "plain.yaml"
