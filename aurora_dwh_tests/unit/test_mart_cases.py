"""A mart's test file: what it says, and how what is wrong with it is told; and what the commands of marts refuse."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.warehouse.marts.cases import CaseError, Cases, read_cases
from aurora_dwh.warehouse.marts.model import Mart, MartHeader

MART = Mart(
    "sales",
    MartHeader(materialization="table", description="", grain=("day", "line")),
    "",
    (("bi", "rates"), ("staging", "orders")),
)
DAYS = Mart(
    "sales",
    MartHeader(materialization="incremental", description="", grain=("day",), day_column="day"),
    "",
    (("bi", "rates"), ("staging", "orders")),
)
COLUMNS = "columns:\n  staging.orders: {Id: INTEGER, at: TIMESTAMP}\n  bi.rates: {rate: 'DECIMAL(38,20)', doc: SUPER}\n"
WANTED = "    expected: [{day: 2024-01-05, line: Cars}]\n"


def read(folder: Path, text: str, mart: Mart = MART) -> Cases:
    path = folder / "sales.test.yaml"
    path.write_text(text, encoding="utf-8")
    return read_cases(mart, path)


def test_a_file_is_columns_and_cases_whose_values_keep_every_digit(tmp_path: Path) -> None:
    text = COLUMNS + (
        "cases:\n"
        "  a sentence, of any kind:\n"
        "    inputs:\n"
        "      Staging.Orders: [{ID: 1, at: 2024-01-05 10:00:00}, {at: null}]\n"
        "      bi.rates: [{rate: 123456789012345678.12345678901234567890, doc: {a: [1, x]}}]\n"
        "    expected: [{Day: 2024-01-05, line: 'Cars', is_new: true, share: .5}]\n"
        "  another:\n"
        "    expected: []\n"
    )
    found = read(tmp_path, text)
    first, second = found.cases
    assert (found.file, first.name, first.days) == ("sales.test.yaml", "a sentence, of any kind", None)
    assert found.columns["staging.orders"] == {"id": "INTEGER", "at": "TIMESTAMP"}
    assert first.inputs == {
        "staging.orders": ({"id": 1, "at": datetime(2024, 1, 5, 10)}, {"at": None}),  # noqa: DTZ001 - as in YAML
        "bi.rates": ({"rate": Decimal("123456789012345678.12345678901234567890"), "doc": {"a": [1, "x"]}},),
    }
    assert first.expected == ({"day": date(2024, 1, 5), "line": "Cars", "is_new": True, "share": Decimal("0.5")},)
    assert (second.inputs, second.expected) == ({}, ())


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ("2024-01-05", (date(2024, 1, 5), date(2024, 1, 6))),
        ("'2024-01-05'", (date(2024, 1, 5), date(2024, 1, 6))),
        ("2024-01-30...2024-01-31", (date(2024, 1, 30), date(2024, 2, 1))),
    ],
)
def test_an_incremental_mart_is_built_for_a_day_or_a_range(tmp_path: Path, days: str, found: object) -> None:
    text = f"{COLUMNS}cases:\n  one:\n    days: {days}\n{WANTED}"
    assert read(tmp_path, text, DAYS).cases[0].days == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("columns: [", "is not YAML: "),
        ("a: 1\na: 2", "is not YAML: "),
        ("", "the file: None does not belong here: "),
        ("cases: {one: {expected: []}}", "columns: must be given"),
        (f"{COLUMNS}", "cases: must be given"),
        (f"{COLUMNS}cases: {{}}", "cases: {} does not belong here: "),
        (f"{COLUMNS}cases: {{one: {{}}}}", "cases: one: expected: must be given"),
        (f"{COLUMNS}case: {{}}\ncases: {{one: {{expected: []}}}}", "case: is none of columns, cases, did you mean `c"),
        (f"{COLUMNS}cases: {{one: {{expect: [], expected: []}}}}", "cases: one: expect: is none of days, inputs, exp"),
        (
            "columns: {staging.orders: {id: DATE, ID: DATE}, bi.rates: {rate: DATE}}\ncases: {one: {expected: []}}",
            "columns: staging.orders: id and ID are one name to Redshift; leave one out",
        ),
        (
            "columns: {staging.orders: {id: DATE}, bi.rates: {}, BI.Rates: {}}\ncases: {one: {expected: []}}",
            "columns: bi.rates and BI.Rates are one name to Redshift; leave one out",
        ),
        (
            f"{COLUMNS}cases:\n  one:\n    inputs: {{bi.rates: [{{rate: 1, RATE: 2}}], BI.Rates: []}}\n{WANTED}",
            "cases: one: inputs: bi.rates and BI.Rates are one name to Redshift; leave one out",
        ),
        (
            f"{COLUMNS}cases:\n  one:\n    inputs: {{bi.rates: [{{rate: 1, RATE: 2}}]}}\n{WANTED}",
            "cases: one: inputs: bi.rates: row 1: rate and RATE are one name to Redshift; leave one out",
        ),
        (
            f"{COLUMNS}cases: {{one: {{expected: [{{day: 1, line: 2, Day: 3}}]}}}}",
            "cases: one: expected: row 1: day and Day are one name to Redshift; leave one out",
        ),
        (
            f"{COLUMNS}cases: {{one: {{expected: [1]}}}}",
            "cases: one: expected: row 1: 1 does not belong here: Input should be a valid dictionary",
        ),
        (
            "columns:\n  staging.orders: {id: DECIMAL(10,2)}\ncases: {one: {expected: []}}",
            "columns: staging.orders: 2): None is no type; one with a comma stands in quotes, or on its own line",
        ),
        (
            "columns: {staging.orders: {id: INTEGER}}\ncases: {one: {expected: []}}",
            "columns: sales reads bi.rates; write its columns as `bi.rates: {<column>: <type>}`",
        ),
        (
            f"{COLUMNS}  staging.order: {{id: INTEGER}}\ncases: {{one: {{expected: []}}}}",
            "columns: staging.order: sales does not read it, did you mean `staging.orders`?",
        ),
        (
            f"{COLUMNS}  xyz: {{id: INTEGER}}\ncases: {{one: {{expected: []}}}}",
            "columns: xyz: sales does not read it; it reads bi.rates, staging.orders",
        ),
        (
            "columns: {staging.orders: {}, bi.rates: {rate: INTEGER}}\ncases: {one: {expected: []}}",
            "columns: staging.orders: has none; write those that sales reads, as `<column>: <type>`",
        ),
        (
            f"{COLUMNS}cases: {{one: {{inputs: {{staging.order: []}}, expected: []}}}}",
            "cases: one: inputs: staging.order: sales does not read it, did you mean `staging.orders`?",
        ),
        (
            f"{COLUMNS}cases: {{one: {{inputs: {{bi.rates: [{{}}, {{rat: 1}}]}}, expected: []}}}}",
            "cases: one: inputs: bi.rates: row 2: `columns` does not declare rat, did you mean `rate`?",
        ),
        (
            f"{COLUMNS}cases: {{one: {{inputs: {{bi.rates: [{{xyz: 1}}]}}, expected: []}}}}",
            "cases: one: inputs: bi.rates: row 1: `columns` does not declare xyz; add it there, or write one of rate, ",
        ),
        (
            f"{COLUMNS}cases: {{one: {{expected: [{{day: 2024-01-05}}]}}}}",
            "cases: one: expected: row 1: has no line, which tells the mart's rows apart",
        ),
        (
            f"{COLUMNS}cases:\n  one:\n    days: 2024-01-05\n{WANTED}",
            "cases: one: days: sales is a table, which is not built by days; leave it out",
        ),
    ],
)
def test_what_is_wrong_is_told_by_file_case_table_row_and_column(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(CaseError) as caught:
        read(tmp_path, text)
    assert f"sales.test.yaml: {complaint}" in str(caught.value)


@pytest.mark.parametrize(
    ("days", "complaint"),
    [
        ("", "days: say which are built, as `2024-01-05` or `2024-01-05...2024-01-07`"),
        ("    days: soon\n", "days: 'soon' is no day and no range; say which"),
        ("    days: 2024-01-05...2024-01-04\n", "days: '2024-01-05...2024-01-04' is no day and no range; say which"),
        ("    days: 2024-01-05 10:00:00\n", "days: '2024-01-05 10:00:00' is no day and no range; say which"),
    ],
)
def test_an_incremental_mart_needs_days_in_each_case(tmp_path: Path, days: str, complaint: str) -> None:
    with pytest.raises(CaseError) as caught:
        read(tmp_path, f"{COLUMNS}cases:\n  one:\n{days}{WANTED}", DAYS)
    assert str(caught.value).startswith(f"sales.test.yaml: cases: one: {complaint}")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        read(tmp_path, f"{COLUMNS}cases: {{one: {{expected: [{{day: 1}}]}}, two: {{days: 1, expected: []}}}}")
    assert [line[:28] for line in str(caught.value).splitlines()] == [
        "sales.test.yaml: cases: one:",
        "sales.test.yaml: cases: two:",
    ]


HEAD = "description: What\ngrain: [a]\n"


@pytest.fixture
def marts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of two marts without a test, which the environment leads to, and to no server."""
    for name in ("DAGSTER_HOME", "REDSHIFT_HOST", "REDSHIFT_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AURORA_DWH_CATALOG", "catalog.yaml")
    monkeypatch.setenv("COLUMNS", "200")
    table = "tables: {orders: {mode: full, key: a}}\n"
    Path("catalog.yaml").write_text(f"timezone: UTC\nstart_date: 2024-01-01\n{table}", encoding="utf-8")
    folder = Path("marts")
    folder.mkdir()
    (folder / "sales.sql").write_text(f"/*\nmaterialization: table\n{HEAD}*/\nSELECT a FROM staging.orders")
    query = "SELECT a FROM staging.orders WHERE a >= :first_day AND a < :end_day"
    (folder / "visits.sql").write_text(f"/*\nmaterialization: incremental\nday_column: a\n{HEAD}*/\n{query}")
    return folder


@pytest.mark.parametrize(
    ("command", "exit_code", "told"),
    [
        ("test", 1, "no mart in marts has a test; write NAME.test.yaml beside NAME.sql, as docs/marts.md shows"),
        ("test sales visits", 1, "sales, visits: no test; write marts/sales.test.yaml, as docs/marts.md shows"),
        ("test sale", 2, "'sale' is no mart; did you mean sales?"),
        ("run sale", 2, "'sale' is no mart; did you mean sales?"),
        ("run visits", 2, "visits is built by days; name one, or a range as 2024-01-05...2024-01-07"),
        ("run sales --day 2024-01-05", 2, "sales is a table, of which no day is built alone; leave it out"),
        ("run visits --day 2023-12-31", 2, "2023-12-31 lies before the catalog's start_date 2024-01-01"),
        ("run visits --day 2024-01-05", 2, "DAGSTER_HOME is not set"),
    ],
)
def test_what_a_command_refuses_is_told_with_what_to_do(marts: Path, command: str, exit_code: int, told: str) -> None:
    result = CliRunner().invoke(app, ["mart", *command.split()])
    assert result.exit_code == exit_code
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_a_test_file_that_is_no_marts_is_told(marts: Path) -> None:
    (marts / "salse.test.yaml").touch()
    result = CliRunner().invoke(app, ["mart", "test"])
    assert result.exit_code == 1
    assert (
        result.stderr == "error: salse.test.yaml: beside it is no mart of that name, did you mean `sales.test.yaml`?\n"
    )
