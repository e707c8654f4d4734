"""What is told of a COPY that failed, whatever Redshift wrote down of it and however late."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from aurora_dwh.warehouse.connection import Answer
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.load import copy_errors
from aurora_dwh.warehouse.load.copy_errors import BadValue, bad_values

SINCE = datetime(2024, 1, 1)  # noqa: DTZ001 - the warehouse's clock
POINTS = WarehouseError("Load into table 't' failed. Check 'sys_load_error_detail' system table for details.")
ROW = ("s3://b/part.csv ", 3, "note ", "varchar ", "40 ", 1204, " too long ")


class Session:
    """Answers questions about the errors by turns with what it was given; the last answer stays."""

    def __init__(self, *answers: list[tuple[Any, ...]]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def execute(self, statement: str) -> Answer:
        self.asked.append(statement)
        if statement.startswith("SET"):
            return Answer([], -1)
        return Answer(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], -1)


def found(session: Any, error: WarehouseError = POINTS) -> list[BadValue]:
    return bad_values(session, lambda file, line, column: f"{file}/{line}/{column}", error, pid=7, since=SINCE)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes no time."""
    monkeypatch.setattr(copy_errors, "_LOOK_SECONDS", 0.001)


def test_rows_that_come_late_are_waited_for() -> None:
    session = Session([], [], [ROW])
    assert found(session) == [
        BadValue("s3://b/part.csv", 3, "note", "varchar(40)", 1204, "too long", "s3://b/part.csv/3/note")
    ]
    assert session.asked[0] == "SET statement_timeout TO 10000"


def test_rows_that_never_come_are_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_errors, "_MOST_SECONDS", 0.05)
    assert found(Session([])) == []


def test_an_error_that_points_to_no_rows_has_none_that_are_waited_for() -> None:
    session = Session([])
    assert found(session, WarehouseError("The S3 bucket does not exist")) == []
    assert len(session.asked) == 2


def test_what_is_null_is_left_out() -> None:
    nulls = [("s3://b/part.parquet", None, None, None, None, None, None)]
    assert found(Session(nulls)) == [BadValue("s3://b/part.parquet", 0, "", "", 0, "", None)]
