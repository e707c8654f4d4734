"""Why a COPY failed: what Redshift wrote down about it, with the value that the lake has in that place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, sleep

from aurora_dwh.core.models import DataError
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.sql import literal

_SHOWN = 5
"""Rows of a COPY that are named; a Parquet COPY ends at its first, a text COPY may have many."""

_VALUE_LENGTH = 200

_POINTER = "load_error"
"""What COPY's error has in it where `sys_load_error_detail`, or `stl_load_errors`, has the rows: Redshift writes them
down after it has answered."""

_MOST_SECONDS, _LOOK_SECONDS = 10, 0.5
"""How long the rows are waited for, and each question may take; and how often they are asked for."""


FindValue = Callable[[str, int, str], "str | None"]
"""Gives a value of a part as text by the part's address, the row and the column; None where it cannot be read."""


@dataclass(frozen=True)
class BadValue:
    """A row of sys_load_error_detail, and the value itself where the lake still has it."""

    file: str  # address of the part
    line: int  # line of a text file, row of a columnar one, from 1; 0 where the whole file is meant
    column: str  # the column, empty where the whole file is meant
    type: str  # the column's type and length in the table
    code: int  # Redshift's error code
    reason: str  # Redshift's message
    value: str | None  # the value in the file

    def __str__(self) -> str:
        """Return one sentence."""
        column = f"column {self.column}" + (f" ({self.type})" if self.type else "")
        value = "" if self.value is None else f", value {self.value!r}"
        return f"File {self.file}, line {self.line}, {column}{value}: {self.reason} (code {self.code})."


class CopyError(DataError):
    """A COPY that Redshift refused; nothing was changed."""

    def __init__(self, message: str, *, bad: Sequence[BadValue], statement: str) -> None:
        super().__init__(message)
        self.bad = tuple(bad)  # what Redshift wrote down, none where it wrote nothing
        self.statement = statement

    @property
    def markdown(self) -> str:
        """A table of the bad values for people, empty where there are none."""
        if not self.bad:
            return ""
        head = "| file | line | column | type | value | reason | code |\n|---|---|---|---|---|---|---|\n"
        rows = [(b.file, b.line, b.column, b.type, b.value, b.reason, b.code) for b in self.bad]
        return head + "\n".join("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)


def bad_values(
    session: Session, find: FindValue, error: WarehouseError, *, pid: int, since: datetime
) -> list[BadValue]:
    """Return what Redshift wrote down about the last COPY of a session that failed.

    Args:
        session: Another session, as the failed one has no transaction to ask in.
        error: What COPY said: where it points to the rows that it could not load, they are waited for.
        since: When that session began by the warehouse's clock: process ids come again.
    """
    own = f"session_id = {pid:d} AND start_time >= {literal(since)}"
    query = (
        "SELECT file_name, line_number, column_name, column_type, column_length, error_code, error_message "
        f"FROM sys_load_error_detail WHERE {own} "
        f"AND query_id = (SELECT MAX(query_id) FROM sys_load_error_detail WHERE {own}) "
        f"ORDER BY file_name, line_number LIMIT {_SHOWN}"
    )
    session.execute(f"SET statement_timeout TO {_MOST_SECONDS * 1_000}")
    rows = session.execute(query).rows
    waited = monotonic()
    while not rows and _POINTER in str(error) and monotonic() - waited < _MOST_SECONDS:
        sleep(_LOOK_SECONDS)
        rows = session.execute(query).rows
    found = []
    for file, line, column, kind, length, code, reason in rows:
        file, column, kind, length = (str(value or "").strip() for value in (file, column, kind, length))
        line, code = int(line or 0), int(code or 0)
        value = find(file, line, column) if column and line else None
        type_ = f"{kind}({length})" if kind and length and length != "0" and "(" not in kind else kind
        found.append(BadValue(file, line, column, type_, code, str(reason or "").strip(), _shortened(value)))
    return found


def _shortened(value: str | None) -> str | None:
    return value if value is None or len(value) <= _VALUE_LENGTH else value[:_VALUE_LENGTH] + "..."


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
