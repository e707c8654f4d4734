"""What the checks of a staging table say of a run's days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.rules import Rules
from aurora_dwh.orchestration.assets.checks import is_unusual, staging_check_results, staging_check_specs
from aurora_dwh.warehouse.load.transaction import DayLoad, Loaded

FRIDAY = date(2024, 1, 5)
ORDERS = Table(name="orders", key=("id", "line"), cursor="updated")
COUNTRY = Table(name="country", mode="full")
KEY = dg.AssetKey(["staging", "orders"])


RULES = Rules.of(ORDERS, Catalog(timezone="UTC", start_date=FRIDAY, tables={}), source=None)


def results(
    *days: DayLoad, changes: Sequence[str] = (), table: Table = ORDERS, others: dict[date, Rules] | None = None
) -> dict[str, Any]:
    loads = [Loaded("id", (day,), (), tuple(changes), others or {}) for day in days]
    return {str(found.check_name): found for found in staging_check_results(table, RULES, loads)}


def test_only_the_rules_the_cursor_and_the_volume_do_not_block() -> None:
    specs = staging_check_specs(KEY, ORDERS)
    assert [(spec.name, spec.blocking) for spec in specs] == [
        ("rows", True),
        ("keys", True),
        ("schema", True),
        ("rules", False),
        ("cursor", False),
        ("volume", False),
    ]
    assert all(spec.description for spec in specs)
    warning = {spec.name for spec in specs if "warns, and stops nothing" in (spec.description or "")}
    assert warning == {spec.name for spec in specs if not spec.blocking}


def test_a_table_without_a_key_has_no_check_of_keys() -> None:
    assert [spec.name for spec in staging_check_specs(KEY, COUNTRY)] == ["rows", "schema", "rules", "volume"]
    assert list(results(DayLoad(FRIDAY, 1, 1, 0), table=COUNTRY)) == ["rows", "schema", "rules", "volume"]


def test_each_result_names_the_day_and_its_numbers() -> None:
    found = results(DayLoad(FRIDAY, 1300, 1200, 100, usual_rows=1400.0))
    assert all(result.passed for result in found.values())
    assert [result.description for result in found.values()] == [
        "2024-01-05: 1,300 rows read from the source, which did not count them, in the manifest and copied",
        (
            "2024-01-05: 1,300 rows have, within their day, each a key (id, line) of its own, and the table has each "
            "key once"
        ),
        "2024-01-05: the source's columns fit the table's",
        "2024-01-05: no day in the table is known to stand under older rules",
        "2024-01-05: not counted, as no index begins with 'updated'",
        "2024-01-05: 1,300 rows, and 1,400 are usual on a Friday",
    ]
    assert found["rows"].metadata["copied_rows"].value == 1300
    assert found["keys"].metadata["rows_updated"].value == 100
    assert (found["volume"].metadata["rows"].value, found["volume"].metadata["usual_rows"].value) == (1300, 1400.0)


def test_a_range_is_summed_up_and_its_odd_days_are_named() -> None:
    days = [DayLoad(FRIDAY + timedelta(days=n), 10 + n, 10 + n, 0, usual_rows=11.0, is_counted=n < 2) for n in range(3)]
    found = results(*days)
    assert found["rows"].description == (
        "2024-01-05...2024-01-07: 33 rows read from the source, which counted as many on 2 of 3 days, in the manifest "
        "and copied"
    )
    assert found["volume"].description == "3 days have about their usual rows"
    odd = results(*days, DayLoad(date(2024, 1, 8), 0, 0, 0, usual_rows=11.0))["volume"]
    assert (odd.passed, odd.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert odd.description == "2024-01-08: 0 rows, and 11 are usual on a Monday"


def test_columns_that_changed_are_a_warning_with_the_statements() -> None:
    found = results(DayLoad(FRIDAY, 1, 1, 0), changes=["ALTER TABLE t ADD COLUMN c DATE"])["schema"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "ALTER TABLE t ADD COLUMN c DATE;" in found.metadata["statements"].value


def test_c13_what_was_not_copied_is_not_said_to_be_proven() -> None:
    days = [DayLoad(FRIDAY, 7, 0, 0, is_copied=False), DayLoad(FRIDAY + timedelta(days=1), 5, 5, 0)]
    found = results(*days, table=ORDERS.model_copy(update={"mode": "append"}))
    but = "; not so of 1 day (2024-01-05), which a later reading overtook"
    span = "2024-01-05...2024-01-06"
    there = "which did not count them, in the manifest and copied"
    assert found["rows"].description == f"{span}: 5 rows read from the source, {there}{but}"
    assert found["keys"].description == f"{span}: 5 rows have, within their day, each a key (id, line) of its own{but}"
    assert (found["rows"].metadata["source_rows"].value, found["rows"].metadata["copied_rows"].value) == (12, 5)


def test_c11_days_of_older_rules_are_named_by_what_differs() -> None:
    older = {
        date(2024, 1, 1): replace(RULES, mask={"email": "null"}),
        date(2024, 1, 2): replace(RULES, mask={"email": "null"}, filter="id > 0"),
        date(2024, 1, 4): replace(RULES, mode="append", start_date="2023-01-01", source="another"),
    }
    found = results(DayLoad(FRIDAY, 1, 1, 0), others=older)["rules"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == (
        "the table was read by older rules than the catalog has now on 2 days (2024-01-01...2024-01-02) "
        "(2024-01-01...2024-01-02: mask of email; 2024-01-02: filter); to read all of it again, run "
        "`aurora-dwh rebuild orders --from source`"
    )


def test_a_day_without_weeks_before_it_is_not_judged() -> None:
    found = results(DayLoad(FRIDAY, 1, 1, 0))["volume"]
    assert found.passed
    assert "fewer than three" in found.description


@pytest.mark.parametrize(
    ("rows", "usual", "unusual"),
    [
        (1000, 1000, False),
        (500, 1000, False),
        (499, 1000, True),
        (2000, 1000, False),
        (2001, 1000, True),
        (20, 100, False),  # less than a fifth, and only 80 rows
        (0, 100, True),
        (0, 1, True),
        (0, 0, False),
        (99, 0, False),
        (100, 0, True),
    ],
)
def test_unusual_is_less_than_half_or_more_than_twice_and_not_just_a_few_rows(
    rows: int, usual: float, unusual: bool
) -> None:
    assert is_unusual(rows, usual) is unusual
