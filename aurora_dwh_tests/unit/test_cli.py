"""The command line as a whole: what it offers, how quick it starts, how it speaks of errors."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.cli import app
from aurora_dwh.commands.arguments import find_tables
from aurora_dwh.commands.console import speak_plainly
from aurora_dwh.source.connection import SourceError

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AURORA_HOST", "AURORA_DATABASE", "AURORA_USER", "AURORA_PASSWORD", "AURORA_DWH_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_help_lists_the_commands() -> None:
    shown = RUNNER.invoke(app, ["--help"]).output
    for command in ("init", "discover", "doctor", "plan", "rebuild", "verify", "local"):
        assert f" {command} " in shown


def test_the_version_is_that_of_what_is_installed() -> None:
    assert RUNNER.invoke(app, ["--version"]).output == f"aurora-dwh {version('aurora-dwh')}\n"


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; import aurora_dwh.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"dagster", "pyarrow", "numpy", "boto3", "pymysql", "pydantic", "redshift_connector", "sqlglot"}
    assert not heavy & set(loaded)


def commands() -> list[str]:
    group = typer.main.get_command(app)
    groups = {name: command for name, command in group.commands.items() if hasattr(command, "commands")}
    nested = [f"{name} {inner}" for name, command in groups.items() for inner in command.commands]
    return [name for name in group.commands if name not in groups] + nested


@pytest.mark.parametrize("command", commands())
def test_help_of_every_command_has_examples_and_exit_codes(command: str) -> None:
    shown = RUNNER.invoke(app, [*command.split(), "--help"]).output
    assert "Examples:" in shown
    assert f"aurora-dwh {command}" in shown.partition("Examples:")[2]
    assert "Exit codes: 0 " in shown


@pytest.mark.parametrize("command", ["plan", "verify", "rebuild"])
def test_a_shell_completes_tables_of_the_catalog(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"aurora-dwh {command} order"
    asked = {"_AURORA_DWH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "2"}
    executable = Path(sys.executable).with_name("aurora-dwh")
    done = subprocess.run([executable], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["order_details_master", "orders_master"]
    monkeypatch.setenv("AURORA_DWH_CATALOG", "none.yaml")
    done = subprocess.run([executable], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_pattern_is_all_tables_of_such_names_and_a_name_of_none_is_told_with_those_that_are_near() -> None:
    tables = {name: Table(name=name, mode="full") for name in ("sales_a", "sales_b", "sales_*", "other")}
    catalog = Catalog(timezone="UTC", start_date="2024-01-01", tables=tables)

    def found(name: str | None) -> list[str]:
        return [table.name for table in find_tables(catalog, name)]

    assert found("sales_?") == ["sales_a", "sales_b", "sales_*"]
    assert found("sales_*") == ["sales_*"]  # a table's own name goes before the pattern that it looks like
    assert found("sales_[ab]") == ["sales_a", "sales_b"]
    assert found("other") == ["other"]
    assert len(found(None)) == 4
    with pytest.raises(typer.BadParameter, match=r"'sale_\*' is not in the catalog; did you mean sales_\*"):
        found("sale_*")
    result = RUNNER.invoke(app, ["proof", "order_master"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "did you mean orders_master" in " ".join(result.stderr.replace("│", " ").split())


def test_p20_a_dotenv_file_is_read_and_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("AURORA_HOST=h\nAURORA_DATABASE='d'\nAURORA_USER=u\nAURORA_IAM_AUTH=\n", encoding="utf-8")
    for name in ("AURORA_HOST", "AURORA_DATABASE", "AURORA_USER"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AURORA_IAM_AUTH", "1")
    result = RUNNER.invoke(app, ["discover"])
    assert result.stderr.splitlines() == [
        "error: none of AURORA_PASSWORD, AURORA_SECRET_ID, AURORA_IAM_AUTH is set: set one of them"
    ]


def test_p20_a_target_has_a_file_of_its_own_and_no_other_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORA_DWH_CATALOG", "environment.yaml")
    for target in ("dev", "prod"):
        Path(f".env.{target}").write_text(f"AURORA_DWH_CATALOG={target}.yaml\n", encoding="utf-8")

    def told(*arguments: str) -> str:
        done = RUNNER.invoke(app, [*arguments, "plan", "orders"])
        assert done.exit_code == 2
        return done.stderr

    assert told().startswith("error: environment.yaml: cannot be read")
    assert told("--target", "dev").startswith("error: dev.yaml: cannot be read")
    assert told("--target", "prod").startswith("error: prod.yaml: cannot be read")
    missing = "error: .env.{}: the target {} has no such file in the working directory"
    assert told("--target", "prd") == missing.format("prd", "prd") + ", did you mean `prod`?\n"
    assert told("--target", "x") == missing.format("x", "x") + "; write it, or name one of: dev, prod\n"
    Path(".env").write_text("AURORA_DWH_CATALOG=plain.yaml\n", encoding="utf-8")
    assert told().startswith("error: plain.yaml: cannot be read")
    assert told("--target", "prod") == (
        "error: .env.prod and .env are both there, and Dagster reads .env whatever the target; "
        "rename .env to .env.NAME\n"
    )


@pytest.mark.parametrize(
    ("day", "complaint"),
    [
        ("2024-13-01", "'2024-13-01' is not a day; write it as YYYY-MM-DD"),
        ("2024-01-05...", "'' is not a day; write it as YYYY-MM-DD"),
        ("2024-01-05...2024-01-04", "'2024-01-05...2024-01-04' ends before it begins"),
        ("2023-12-31", "2023-12-31 lies before the catalog's start_date 2024-01-01"),
    ],
)
def test_a_day_that_is_none_is_wrong_usage(day: str, complaint: str) -> None:
    result = RUNNER.invoke(app, ["verify", "orders_master", "--day", day], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())


def test_missing_settings_are_said_in_lines_and_end_with_2() -> None:
    result = RUNNER.invoke(app, ["discover"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error: none of AURORA_PASSWORD, AURORA_SECRET_ID, AURORA_IAM_AUTH is set: set one of them",
        "error: AURORA_HOST is not set: the host to read from, the cluster's reader endpoint by preference",
        "error: AURORA_USER is not set: the user to read with",
        "error: AURORA_DATABASE is not set: the database whose tables are copied",
    ]


def test_a_wrong_catalog_is_said_in_lines_and_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("catalog.yaml").write_text("timezone: UTC\nstart_date: 2024-01-01\ntables: {t: {}}\n", encoding="utf-8")
    monkeypatch.setenv("AURORA_DWH_CATALOG", "catalog.yaml")
    result = RUNNER.invoke(app, ["plan", "t"])
    assert result.exit_code == 2
    assert [line[:33] for line in result.stderr.splitlines()] == [
        "error: catalog.yaml:3: table t: k",
        "error: catalog.yaml:3: table t: c",
    ]


def test_wrong_usage_ends_with_2() -> None:
    assert RUNNER.invoke(app, ["no-such-command"]).exit_code == 2
    assert RUNNER.invoke(app, ["discover", "--no-such-option"]).exit_code == 2


def test_a_source_out_of_reach_is_one_line_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "HOST": "127.0.0.1",
        "PORT": "1",
        "DATABASE": "d",
        "USER": "u",
        "PASSWORD": "hidden-word",
        "TLS": "disabled",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"AURORA_{name}", value)
    result = RUNNER.invoke(app, ["discover"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: cannot connect to Aurora: ")
    assert len(result.stderr.splitlines()) == 1
    assert "hidden-word" not in result.output + result.stderr


def test_errors_of_the_program_itself_keep_their_traceback() -> None:
    @speak_plainly
    def broken() -> None:
        raise ZeroDivisionError

    @speak_plainly
    def unlucky() -> None:
        raise SourceError("no")

    with pytest.raises(ZeroDivisionError):
        broken()
    with pytest.raises(typer.Exit) as caught:
        unlucky()
    assert caught.value.exit_code == 1


def test_a_table_that_the_catalog_lacks_is_wrong_usage() -> None:
    result = RUNNER.invoke(app, ["plan", "orders"])
    assert result.exit_code == 2
    assert "orders_master" in result.stderr
