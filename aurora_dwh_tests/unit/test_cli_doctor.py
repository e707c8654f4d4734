"""`aurora-dwh doctor` without any server: what it says of settings, and how the outcome is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Table
from aurora_dwh.cli import app
from aurora_dwh.commands import doctor
from aurora_dwh.commands.doctor.check import Check, State
from aurora_dwh.commands.doctor.source import check_table
from aurora_dwh.commands.schema_facts import Size
from aurora_dwh.source import discovery
from aurora_dwh.source.connection import connect
from aurora_dwh_tests.servers import Server

RUNNER = CliRunner()


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AURORA_HOST", "AURORA_DATABASE", "LAKE_URI", "REDSHIFT_HOST", "AURORA_DWH_CATALOG", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def table(**fields: Any) -> Table:
    return Table.model_validate({"name": "t", "key": "id", "cursor": "u"} | fields)


GRANT = "have an administrator run GRANT SELECT ON `{db}`.`t` TO 'root'@'localhost'"


@pytest.mark.parametrize(
    ("entry", "state", "detail", "remedy"),
    [
        (table(), State.OK, "about 0 rows", ""),
        (
            table(cursor="slow"),
            State.WARNING,
            "cursor slow has no index: each day scans the table",
            "ALTER TABLE `{db}`.`t` ADD INDEX (`slow`)",
        ),
        (
            table(cursor="gone"),
            State.FAILED,
            "table t: `cursor` names 'gone', which is no column of the table, or none that this user may read",
            f"{GRANT}, or mend the table's entry in the catalog",
        ),
        (table(mode="full", cursor=None, key=(), exclude="slow"), State.OK, "about 0 rows", ""),
    ],
)
def test_a19_a_table_is_checked_on_a_real_server(
    server: Server,
    database: str,
    entry: Table,
    state: State,
    detail: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)
    with server.connect(database) as setup, setup.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, u DATETIME, slow DATETIME, INDEX (u))")
    connection = connect(**server.arguments(database))
    expected = Check("aurora: table t", state, detail.format(db=database), remedy.format(db=database))
    assert check_table(connection, database, entry, Size(rows=0)) == expected
    connection.close()


def test_p20_an_index_is_asked_for_where_a_scan_costs_something(server: Server, database: str) -> None:
    with server.connect(database) as setup, setup.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, slow DATETIME)")
        cursor.execute("INSERT INTO t (slow) VALUES (NOW()), (NOW()), (NOW()), (NOW()), (NOW()), (NOW())")
        cursor.execute("ANALYZE TABLE t")
        connection = connect(**server.arguments(database))
        assert check_table(connection, database, table(cursor="slow"), Size(rows=6)).state is State.OK
        for _ in range(12):
            cursor.execute("INSERT INTO t (slow) SELECT slow FROM t")
        setup.commit()
        cursor.execute("ANALYZE TABLE t")
        connection.close()
    connection = connect(**server.arguments(database))
    assert check_table(connection, database, table(cursor="slow"), Size(rows=24_576)).state is State.WARNING
    connection.close()


def test_nothing_set_up_fails_with_a_remedy_for_each(nothing_set: None) -> None:
    del nothing_set
    result = RUNNER.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert {name: check["state"] for name, check in found.items()} == {
        "catalog": "ok",
        "marts": "ok",
        "aurora: settings": "failed",
        "lake: settings": "failed",
        "redshift: settings": "failed",
        "worker: disk": "ok",
        "dagster: instance": "warning",
    }
    assert found["lake: settings"]["detail"] == "LAKE_URI is not set: where the lake lies, such as s3://my-bucket/lake"
    assert found["lake: settings"]["remedy"] == "set the variables, see .env.example"


@pytest.mark.parametrize(("state", "code"), [(State.OK, 0), (State.WARNING, 0), (State.FAILED, 1)])
def test_only_a_failure_ends_with_1(monkeypatch: pytest.MonkeyPatch, state: State, code: int) -> None:
    monkeypatch.setattr(doctor, "run_checks", lambda _: [Check("[a] check", state, "found", "do this")])
    result = RUNNER.invoke(app, ["doctor"])
    assert result.exit_code == code
    shown = " ".join(result.stdout.replace("│", " ").split())
    assert f"[a] check {state.value} found -> do this" in shown.replace(" found  ", " found ")
    assert shown.endswith(f"1 {state.value}")


def test_tables_that_are_well_take_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Check(f"aurora: table t{n}", State.OK if n % 3 else State.WARNING, "seen") for n in range(9)]
    monkeypatch.setattr(doctor, "run_checks", lambda _: found)
    shown = RUNNER.invoke(app, ["doctor"]).stdout
    assert "6 of 9 can be read as the catalog says" in shown
    assert [name for name in range(9) if f"table t{name}" in shown] == [0, 3, 6]
