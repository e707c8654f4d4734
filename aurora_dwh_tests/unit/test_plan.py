"""`aurora-dwh plan` of marts and transforms, for which no server is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aurora_dwh.cli import app

CATALOG = "timezone: UTC\nstart_date: 2024-01-01\ntables:\n  orders: {key: id, cursor: at}\n"
TABLE = """/*
materialization: table
description: Orders by state.
grain: [state]
sort_key: [state]
sums: {amount: staging.orders.amount}
*/
SELECT state, SUM(amount) AS amount FROM staging.orders GROUP BY 1
"""
DAYS = """/*
materialization: incremental
description: Orders by day.
grain: [day]
day_column: day
*/
SELECT _dwh_day AS day, COUNT(*) AS n FROM staging.orders
WHERE _dwh_day >= :first_day AND _dwh_day < :end_day GROUP BY 1
"""
VIEW = "/*\nmaterialization: view\ndescription: Orders.\ngrain: [id]\n*/\nSELECT id FROM staging.orders\n"
TRANSFORM = """/*
description: What a day's orders are.
key: [id]
staging: true
*/
SELECT id, :day AS day FROM lake.orders JOIN latest.rates USING (rate)
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    for folder, files in {
        "marts": {"by_state": TABLE, "by_day": DAYS, "seen": VIEW},
        "transforms": {"plain": TRANSFORM},
    }.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / f"{name}.sql").write_text(text)
    variables = {"HOST": "127.0.0.1", "PORT": "1", "DATABASE": "d", "USER": "u", "PASSWORD": "p"}
    for name, value in {**variables, "STAGING_SCHEMA": "stg", "BI_SCHEMA": "marts"}.items():
        monkeypatch.setenv(f"REDSHIFT_{name}", value)
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(tmp_path / "catalog.yaml"))


def planned(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["plan", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def test_a_mart_has_the_statements_of_its_first_build_and_of_each_after_it() -> None:
    first, after = planned("by_state")["steps"]
    assert (first["heading"], after["heading"]) == (
        "Redshift: the first build of marts.by_state",
        "Redshift: each build after it of marts.by_state",
    )
    computed = 'CREATE TEMP TABLE "dwh_mart" AS\nSELECT state, SUM(amount) AS amount FROM "stg".orders GROUP BY 1'
    keys = '(SELECT COUNT(*) FROM (SELECT DISTINCT "state" FROM "dwh_mart") k)'
    checks = [
        f'SELECT COUNT(*), {keys}, SUM("amount") FROM "dwh_mart"',
        'SELECT (SELECT SUM(amount) FROM "stg".orders)',
    ]
    assert first["statements"] == [
        "BEGIN",
        computed,
        *checks,
        'CREATE TABLE "marts"."by_state" SORTKEY ("state") AS SELECT * FROM "dwh_mart"',
        "COMMIT",
    ]
    assert [one for one in after["statements"] if not one.startswith("SELECT * FROM")] == [
        "BEGIN",
        'DELETE FROM "marts"."by_state" WHERE 1 = 0',
        computed,
        *checks,
        'DELETE FROM "marts"."by_state"',
        'INSERT INTO "marts"."by_state" SELECT * FROM "dwh_mart"',
        "COMMIT",
    ]


def test_an_incremental_mart_is_planned_for_its_day() -> None:
    _, after = planned("by_day", "--day", "2024-01-05")["steps"]
    days = "\"day\" >= '2024-01-05' AND \"day\" < '2024-01-06'"
    assert f'DELETE FROM "marts"."by_day" WHERE {days}' in after["statements"]
    assert any("_dwh_day >= DATE '2024-01-05' AND _dwh_day < DATE '2024-01-06'" in one for one in after["statements"])


def test_a_view_is_made_in_one_statement_and_looked_at() -> None:
    (build,) = planned("seen")["steps"]
    made = 'CREATE OR REPLACE VIEW "marts"."seen" AS\nSELECT id FROM "stg".orders\nWITH NO SCHEMA BINDING'
    assert build["statements"][:2] == ["BEGIN", made]


def test_a_transform_says_what_it_reads_and_writes() -> None:
    made = planned("plain", "--day", "2024-01-05")
    (step,) = made["steps"]
    sql = "SELECT id, DATE '2024-01-05' AS day FROM lake.orders JOIN latest.rates USING (rate)"
    assert (step["heading"], step["statements"]) == ("DuckDB: compute plain 2024-01-05", [sql])
    read = "reads lake.orders, latest.rates, writes 2024-01-05 of lake/plain, and loads it into staging.plain"
    assert made["notes"] == [f"{read} (mode incremental)"]
