"""The text of SELECT ... INTO OUTFILE S3: rows as CSV that COPY reads exactly, whatever Aurora makes of type or NULL.

Every field is brought to plain text in the SELECT list. NULL becomes a mark, as Aurora's documentation does not say how
it is written; bytes become hexadecimal, a BIT its number, a FLOAT all its digits, a date that is none NULL; texts are
UTF-8, cut or cleaned as the table's policies say. Files have no header: the day's manifest names their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from aurora_dwh.core.schema import CSV_BYTES_LEAD, CSV_NULL, DATED, TEXT_TYPES, TEXTUAL_LENGTHS, Column, TableSchema
from aurora_dwh.source.quoting import identifier, literal
from aurora_dwh.source.statement import rows_of
from aurora_dwh.source.value_checks import NO_DATE
from aurora_dwh.source.value_policies import expected
from aurora_dwh.source.variables import ROWS, setting

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

NOW = "UTC_TIMESTAMP(6)"
"""When a statement of its own reads the rows, in UTC."""


def select_csv(schema: TableSchema, table: Table, *, where: Sequence[str], day: date, read_at: str) -> str:
    """Return the SELECT of a day's rows as fields of CSV files: the columns, then the product's own.

    Args:
        schema: The selected columns, as they are read.
        where: Conditions that the rows meet.
        read_at: SQL of the moment in UTC when the rows were as they are.
    """
    fields = [f"{_field(column)} AS {identifier(column.name)}" for column in expected(schema, table).columns]
    fields += [f"{literal(day)} AS `_dwh_day`", f"{read_at} AS `_dwh_loaded_at`"]
    listed = ",\n       ".join(fields)
    return f"SELECT {listed}\n{rows_of(schema, where)}"


def into_s3(select: str, prefix: str) -> str:
    """Return the statement that writes a SELECT's rows to S3.

    Args:
        select: What `select_csv` gives.
        prefix: The address that the files begin with, `s3://bucket/key`: `.part_00000` and so on, then `.manifest`.
    """
    return f"{select}\nINTO OUTFILE S3 {literal(prefix)}\nCHARACTER SET utf8mb4\nFORMAT CSV\nMANIFEST ON\nOVERWRITE OFF"


def by_hand(count: str, rows: str, prefix: str) -> list[str]:
    """Return the statements by which a person exports a day: its rows, then what is counted of them, in one snapshot.

    Args:
        rows: What `select_csv` gives.
        prefix: The address that the files begin with.
    """
    return [
        "SET ROLE ALL",
        setting(ROWS),
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        into_s3(rows, prefix),
        into_s3(count, f"{prefix}-count"),
        "COMMIT",
    ]


def _field(column: Column) -> str:
    """Return the expression of a column's field."""
    value = column.read_as.format(identifier(column.name))
    if column.read_as == "NULL":
        return literal(CSV_NULL)
    return f"COALESCE({_text(column).format(value)}, {literal(CSV_NULL)})"


def _text(column: Column) -> str:
    """Return the expression, around `{0}`, of a value as text that COPY reads as the same value."""
    if column.redshift_type == "VARBYTE":
        return f"CONCAT('{CSV_BYTES_LEAD}', HEX({{0}}))"
    if column.data_type in DATED:
        return f"IF({NO_DATE}, NULL, {{0}})"
    if column.data_type == "double":
        return _double(column)
    if column.data_type in _EXACT:
        return _EXACT[column.data_type]
    if column.data_type in _WORDS:
        return "CONVERT({0} USING utf8mb4)"
    # Zeros in front of a number go, but a DECIMAL that is a text in Redshift keeps its text.
    is_padded = "zerofill" in column.column_type and column.redshift_type.partition("(")[0] in _WITHOUT_ZEROS
    return "{0} + 0" if is_padded else "{0}"


def _double(column: Column) -> str:
    """Return the expression of a DOUBLE as text: the column, as what is computed from it may end before its last digit.

    What a DOUBLE(m,d) shows is rounded, and may be a neighbour of its value. That has no exponent below -30, so its 17
    digits fit into an expression's text where the sign is written apart.
    """
    if "(" in column.column_type:
        return "CONCAT(IF(LEFT({0} * 1e0, 1) = '-', '-', ''), ABS({0} * 1e0))"
    return "IF({0} = 0, {0} * 1e0, {0})" if "zerofill" in column.column_type else "{0}"  # -0 is padded to 000-0


_WITHOUT_ZEROS = ("SMALLINT", "INTEGER", "BIGINT", "DECIMAL")

_WORDS = (*TEXT_TYPES, *TEXTUAL_LENGTHS, "enum", "set", "json")


_EXACT = {
    # The text of a FLOAT has six digits, of a DOUBLE all: of a column, that is. Of an expression it ends at 22
    # characters on MySQL (MAX_DOUBLE_STR_LENGTH), enough for a FLOAT's nine digits and not for a DOUBLE's seventeen.
    "float": "{0} * 1e0",
    "bit": "{0} + 0",
    "time": "CAST({0} AS CHAR)",
}
"""DATA_TYPE -> the expression whose text has the whole value."""
