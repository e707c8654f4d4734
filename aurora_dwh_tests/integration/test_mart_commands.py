"""`aurora-dwh mart test` on a warehouse of its own, and `aurora-dwh mart run` on the one that the environment names."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from aurora_dwh.catalog.model import PACKAGED_CATALOG
from aurora_dwh.cli import app
from aurora_dwh.commands.scaffold import Project
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.services import query

PAGE = (Path(__file__).parents[2] / "docs" / "marts.md").read_text(encoding="utf-8")

TYPES = """/*
materialization: view
description: Each type of a column as it is.
grain: [id]
*/
SELECT t.*, r.rate FROM staging.types AS t LEFT JOIN bi.rates AS r ON r.id = t.id
"""
TYPES_TEST = """
columns:
  staging.types:
    id: BIGINT
    d: DATE
    ts: TIMESTAMP
    tz: TIMESTAMPTZ
    tm: TIME
    dec: DECIMAL(38,20)
    dbl: DOUBLE PRECISION
    ok: BOOLEAN
    txt: VARCHAR(20)
    doc: SUPER
  bi.rates: {id: BIGINT, rate: REAL}
cases:
  every type, and a mart that is read:
    inputs:
      staging.types:
        - {id: 1, d: 2024-01-05, ts: 2024-01-05 10:00:00.5, tz: 2024-01-05T10:00:00Z, tm: 10:00:00,
           dec: 123456789012345678.12345678901234567890, dbl: 0.1, ok: true, txt: "it's \\\\ '007'",
           doc: {b: [1, x], a: 1.5}}
        - {id: 2, txt: '007', dbl: .nan}
        - {id: 3, ts: 2024-01-05}
      bi.rates: [{id: 1, rate: 0.25}]
    expected:
      - {id: 1, d: 2024-01-05, ts: 2024-01-05 10:00:00.5, tz: 2024-01-05 10:00:00, tm: 10:00:00, rate: 0.25,
         dec: 123456789012345678.12345678901234567890, dbl: 0.1, ok: true, txt: "it's \\\\ '007'",
         doc: {a: 1.5, b: [1, x]}}
      - {id: 2, d: null, ts: null, tz: null, tm: null, dec: null, dbl: .nan, ok: null, txt: '007', doc: null}
      - {id: 3, d: null, ts: '2024-01-05', txt: null}
  nothing: {expected: []}
  each type differs:
    inputs:
      staging.types:
        - {id: 1, d: 2024-01-05, ts: 2024-01-05 10:00:00, dec: 0.3, dbl: 0.3, ok: true, txt: '007', doc: [1]}
    expected:
      - {id: 1, d: 2024-01-06, ts: 2024-01-05, dec: 0.30000000000000000001, dbl: 0.30001, ok: 1, txt: 7, doc: [2]}
  a value of another type:
    inputs: {staging.types: [{id: 1}, {id: 2, d: 2024-01-05, txt: a text of more than 20 bytes}]}
    expected: []
  a column that the mart has not:
    expected: [{id: 1, rates: 0.25}]
  a row twice:
    expected: [{id: 1}, {id: 1}]
  a grain that is not one:
    inputs: {staging.types: [{id: 1}, {id: 1}]}
    expected: [{id: 1}]
"""
EACH = {"d": "2024-01-05", "ts": "2024-01-05 10:00:00", "dec": "0.30000000000000000000", "dbl": 0.3}
"""What is found of the types that differ, as JSON has it."""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["mart", *arguments])


def tried() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what `mart test` says of each case, by mart and case; the exit code is 1."""
    result = invoke("test", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    return {(one["mart"], one["case"]): one for one in json.loads(result.stdout)}


@pytest.fixture
def marts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of marts, whose catalog the environment names; no server is."""
    for name in ("REDSHIFT_HOST", "REDSHIFT_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))
    folder = tmp_path / "marts"
    folder.mkdir()
    return folder


def fence(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_good_and_bad_cases_are_told_apart_by_row_and_column(marts: Path) -> None:
    (marts / "orders_by_status.sql").write_text(fence("sql"), encoding="utf-8")
    page = fence("yaml")
    bad = page.replace("status: Shipped, orders: 2", "status: Shipped, orders: 3")
    bad = bad[bad.index("cases:\n") + 7 :].replace("status: Cancelled, orders", "status: Shipped, orders")
    (marts / "orders_by_status.test.yaml").write_text(page + bad.replace(" are ", " are not "), encoding="utf-8")
    (marts / "types.sql").write_text(TYPES, encoding="utf-8")
    (marts / "types.test.yaml").write_text(TYPES_TEST, encoding="utf-8")
    (marts / "wrong.sql").write_text(TYPES.replace("r.rate FROM", "r.rat FROM"), encoding="utf-8")
    (marts / "wrong.test.yaml").write_text(TYPES_TEST.partition("  each type differs")[0], encoding="utf-8")
    (marts / "kinds.sql").write_text(TYPES, encoding="utf-8")
    kinds = TYPES_TEST.replace("txt: VARCHAR(20)", "txt: UUID").partition("  every type")[0]
    (marts / "kinds.test.yaml").write_text(f"{kinds}  one: {{expected: []}}\n", encoding="utf-8")

    found = tried()
    assert [name for name, one in found.items() if one["passed"]] == [
        ("orders_by_status", "orders are counted by day and status"),
        ("orders_by_status", "other days are left alone"),
        ("orders_by_status", "other days are not left alone"),
        ("types", "every type, and a mart that is read"),
        ("types", "nothing"),
    ]
    of_days = found["orders_by_status", "orders are not counted by day and status"]
    assert of_days["differences"] == [
        {
            "kind": "value",
            "row": {"order_day": "2024-01-05", "status": "Shipped"},
            "column": "orders",
            "expected": 3,
            "found": 2,
        },
        {"kind": "missing", "row": {"order_day": "2024-01-06", "status": "Shipped"}},
        {"kind": "extra", "row": {"order_day": "2024-01-06", "status": "Cancelled", "orders": 1}},
    ]
    differing = {one["column"]: one["found"] for one in found["types", "each type differs"]["differences"]}
    assert differing == {**EACH, "ok": True, "txt": "007", "doc": "[1]"}

    errors = {case: one["error"] for (mart, case), one in found.items() if mart == "types" and one["error"]}
    assert list(errors) == [
        "a value of another type",
        "a column that the mart has not",
        "a row twice",
        "a grain that is not one",
    ]
    place = "inputs: staging.types: row 2: column txt (VARCHAR(20)): 'a text of more than 20 bytes' is none of its val"
    assert errors["a value of another type"].startswith(place)
    assert errors["a column that the mart has not"] == (
        "expected: row 1: types has no column rates, did you mean `rate`?"
    )
    assert errors["a row twice"] == "expected: row 2 has the id of row 1; leave one out"
    assert errors["a grain that is not one"].startswith("bi.types: 2 rows have 1 different (id)")
    kind = 'columns: staging.types: Redshift 0A000: Column "txt" has unsupported type'
    assert found["kinds", "one"]["error"].startswith(kind)
    told = "; if the mart is right, declare the column in wrong.test.yaml, under `columns`"
    assert [one["error"].endswith(told) for (mart, _), one in found.items() if mart == "wrong"] == [True, True]


def test_what_differs_is_said_in_lines_and_ends_with_1(marts: Path) -> None:
    (marts / "types.sql").write_text(TYPES, encoding="utf-8")
    kept = TYPES_TEST.partition("cases:\n")[0]
    cases = "cases: {one: {inputs: {staging.types: [{id: 1, txt: '7'}]}, expected: [{id: 1, txt: 7}, {id: 2}]}}\n"
    (marts / "types.test.yaml").write_text(kept + cases, encoding="utf-8")
    result = invoke("test", "types")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "types.test.yaml: one: id 1: txt is '7', expected is 7; write a text in quotes",
        "types.test.yaml: one: missing row: id 2",
        "0 of 1 cases as expected",
    ]


def test_the_marts_of_the_shop_and_of_a_new_project_are_as_their_tests_have_it(
    marts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(
        folder=marts.parent,
        database="shop",
        table="Visit ünd",
        target='visit "ünd"',
        asset="visit",
        start=date(2024, 1, 1),
        variables={},
        embedded=(),
    )
    for path, text in project.files().items():
        if path.startswith("marts/"):
            (marts.parent / path).write_text(text, encoding="utf-8")
    assert invoke("test").stdout.splitlines()[-1] == "1 of 1 cases as expected"
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(PACKAGED_CATALOG))
    result = invoke("test", "daily_sales")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 of 2 cases as expected")


@pytest.fixture
def built(
    marts: Path, connected: None, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[tuple[Any, ...]]]:
    """A project with two marts over staged rows, in an instance of its own; a call returns a mart's rows."""
    table = "tables: {orders: {mode: full, key: a}}\n"
    (marts.parent / "catalog.yaml").write_text(f"timezone: UTC\nstart_date: 2024-01-01\n{table}", encoding="utf-8")
    head = "description: What\ngrain: [a]\n"
    sums = "sums: {n: SELECT 0 + COUNT(*) FROM staging.orders}\n"
    select = "SELECT a, COUNT(*) AS n FROM staging.orders"
    (marts / "sales.sql").write_text(f"/*\nmaterialization: table\n{head}{sums}*/\n{select} GROUP BY 1")
    by_day = f"{select} WHERE a >= :first_day AND a < :end_day GROUP BY 1"
    (marts / "visits.sql").write_text(f"/*\nmaterialization: incremental\nday_column: a\n{head}*/\n{by_day}")
    (marts.parent / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(marts.parent))
    for statement in (
        "CREATE SCHEMA staging",
        "CREATE TABLE staging.orders (a DATE)",
        "INSERT INTO staging.orders VALUES ('2024-01-05'), ('2024-01-06'), ('2024-01-06'), ('2024-01-08')",
    ):
        query(warehouse, statement)
    return lambda name: query(warehouse, f"SELECT * FROM bi.{name} ORDER BY 1")


def test_a_mart_is_built_as_its_asset_and_dagster_knows_it(built: Callable[[str], list[tuple[Any, ...]]]) -> None:
    result = invoke("run", "sales")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "bi/sales: not_empty: 3 rows",
        "bi/sales: unique_grain: 3 rows, each with its own (a)",
        "bi/sales: sums: n is 4 in both",
    ]
    assert built("sales") == [(date(2024, 1, 5), 1), (date(2024, 1, 6), 2), (date(2024, 1, 8), 1)]

    result = invoke("run", "visits", "--day", "2024-01-05...2024-01-07", "--json")
    said = json.loads(result.stdout)
    assert (said["mart"], said["days"]) == ("visits", ["2024-01-05", "2024-01-06", "2024-01-07"])
    assert [(one["name"], one["passed"]) for one in said["checks"]] == [("not_empty", True), ("unique_grain", True)]
    assert [one["figures"] for one in said["checks"]] == [{"rows": 2}, {"rows": 2}]
    assert invoke("run", "visits", "--day", "2024-01-08").exit_code == 0
    assert built("visits") == built("sales")

    with dg.DagsterInstance.get() as instance:
        days = instance.get_materialized_partitions(dg.AssetKey(["bi", "visits"]))
        assert days == {"2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08"}
        last = instance.get_latest_materialization_event(dg.AssetKey(["bi", "sales"]))
        assert last is not None
        assert last.asset_materialization is not None
        assert last.asset_materialization.partition is None
        run = instance.get_run_by_id(said["run"])
        assert run is not None
        assert run.is_success


def test_a_build_that_is_stopped_ends_with_130(
    built: Callable[[str], list[tuple[Any, ...]]], warehouse: Warehouse, redshift: RedshiftStandIn
) -> None:
    with warehouse.session() as session, redshift.admin(warehouse.settings.database) as admin:
        session.execute("BEGIN")
        session.execute("LOCK staging.orders")
        command = [str(Path(sys.executable).with_name("aurora-dwh")), "mart", "run", "sales"]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            try:
                until(lambda: bool(admin.query("SELECT 1 FROM pg_locks WHERE NOT granted")), 120)
                running.send_signal(signal.SIGINT)
                said = running.communicate(timeout=60)
            finally:
                running.kill()
    assert (running.returncode, *said) == (130, "", "error: stopped before its end; it may be run again\n")


def test_a_mart_with_a_failed_check_is_not_built_and_the_reason_is_told(
    built: Callable[[str], list[tuple[Any, ...]]], marts: Path
) -> None:
    file = marts / "sales.sql"
    file.write_text(file.read_text().replace("0 + COUNT", "1 + COUNT"))
    result = invoke("run", "sales")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: bi/sales: bi.sales: sums are not those of staging: n is 4 and should be 5;")
    with dg.DagsterInstance.get() as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey(["bi", "sales"])) is None
