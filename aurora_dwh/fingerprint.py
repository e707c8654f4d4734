"""The SQL that turns a value into one text on either side, so that equal values, and only they, have equal texts.

Two expressions belong to each family of types: MySQL's over the source column, Redshift's over the staging column.
The texts are hashed and summed where the rows are, so a comparison moves a few numbers instead of the table. What SQL
cannot bring to one text, JSON documents, is compared by `proof` itself. A zero's sign is not compared: to either side's
SQL, 0 and -0 are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.warehouse.sql import identifier

DIGEST_DIGITS = 15
"""Hexadecimal digits that are kept of a SHA-256, the one hash that every version of MySQL, MariaDB and Redshift has:
60 bits, the most that fits a signed 64-bit integer on both sides."""

BUCKET_DIGITS = 2
"""Hexadecimal digits of a row's key digest that name its bucket when differing rows are looked for."""

COLUMNS_AT_ONCE = 400
"""Columns that one query gives a sum of: Redshift takes 1,664 expressions in a SELECT list, and compiles each."""

PAGE_ROWS = 20_000
"""Rows that are read at a time where an answer is in memory as a whole."""

_MANTISSA = 2**52


@dataclass(frozen=True)
class Dialect:
    """One side's SQL.

    Attributes:
        name: `Aurora` or `Redshift`, for people.
        quote: Quotes a column's name.
        text: Column -> expression of its canonical text, NULL for NULL.
        number: Expression of a hexadecimal text -> expression of its value as an exact number.
    """

    name: str
    quote: Callable[[str], str]
    text: Callable[[Column], str]
    number: Callable[[str], str]


def comparable(schema: TableSchema) -> list[Column]:
    """Return the columns that SQL can compare: all but JSON documents."""
    return [column for column in schema.columns if not is_document(column)]


def is_document(column: Column) -> bool:
    """Return whether a column holds JSON documents, whose texts differ where their contents do not."""
    return column.redshift_type == "SUPER"


def row_sums(dialect: Dialect, columns: Sequence[Column], key: Sequence[str], table: str, where: str) -> str:
    """Return the query of a table's fingerprint, one row: its rows, their digests summed, and those of their keys.

    A row's digest is of every value in it, so that a value which moves to another row changes the sum, too. Each value
    is hashed once, and the answer is three numbers whatever the number of columns, two where there is no key.

    Args:
        dialect: Whose SQL.
        columns: The columns to compare.
        key: The names of key columns; without any, a row is its own key.
        table: The table, quoted.
        where: A condition in the dialect's SQL.
    """
    digests = {"h_row": _digest_of(dialect, columns)} | ({"h_key": _key_digest(dialect, columns, key)} if key else {})
    summed = ", ".join(_sum(dialect, name) for name in digests)
    each = ",\n    ".join(f"{digest} AS {name}" for name, digest in digests.items())
    return f"SELECT COUNT(*), {summed}\nFROM (\n  SELECT {each}\n  FROM {table} WHERE {where}\n) r"


def column_sums(dialect: Dialect, columns: Sequence[Column], table: str, where: str) -> list[str]:
    """Return the queries, of one row each, that give the summed digests of each column's values, in their order."""
    return [
        "SELECT "
        + ",\n       ".join(
            f"{_sum(dialect, _digest(dialect.text(column)))}" for column in columns[start:][:COLUMNS_AT_ONCE]
        )
        + f"\nFROM {table} WHERE {where}"
        for start in range(0, len(columns), COLUMNS_AT_ONCE)
    ]


def bucket_sums(dialect: Dialect, columns: Sequence[Column], key: Sequence[str], table: str, where: str) -> str:
    """Return the query of the rows and the row digests of each bucket of keys."""
    bucket = f"SUBSTRING(h_key, 1, {BUCKET_DIGITS})"
    row, own = _digest_of(dialect, columns), _key_digest(dialect, columns, key)
    inner = f"  SELECT {row} AS h_row,\n    {own} AS h_key\n  FROM {table} WHERE {where}"
    return f"SELECT {bucket}, COUNT(*), {_sum(dialect, 'h_row')}\nFROM (\n{inner}\n) r GROUP BY {bucket}"


def rows_of_buckets(
    dialect: Dialect, columns: Sequence[Column], key: Sequence[str], table: str, where: str, buckets: Sequence[str]
) -> str:
    """Return the query of the canonical texts of the rows whose keys are in the buckets."""
    texts = ", ".join(dialect.text(column) for column in columns)
    named = ", ".join(f"'{bucket}'" for bucket in buckets)
    in_buckets = f"SUBSTRING({_key_digest(dialect, columns, key)}, 1, {BUCKET_DIGITS}) IN ({named})"
    return f"SELECT {texts} FROM {table} WHERE ({where}) AND {in_buckets}"


def pages(dialect: Dialect, columns: Sequence[Column], key: Sequence[str], rows: int) -> list[str]:
    """Return conditions that part a table's rows into pages of about `PAGE_ROWS`, by the digest of their keys."""
    digits = 0
    while rows > PAGE_ROWS * 16**digits:
        digits += 1
    if not digits:
        return ["TRUE"]
    digest = f"SUBSTRING({_key_digest(dialect, columns, key)}, 1, {digits})"
    return [f"{digest} = '{page:0{digits}x}'" for page in range(16**digits)]


def _key_digest(dialect: Dialect, columns: Sequence[Column], key: Sequence[str]) -> str:
    names = {name.lower() for name in key}
    return _digest_of(dialect, [column for column in columns if column.target_name in names] or columns)


def _digest_of(dialect: Dialect, columns: Sequence[Column]) -> str:
    """Return the digest of several values; their digests are joined, not their texts: no separator can be mistaken."""
    joined = [f"COALESCE({_digest(dialect.text(column))}, '-')" for column in columns] or ["''"]
    while len(joined) > 1:  # in pairs, as Redshift's CONCAT takes two: a wide table's would else be nested too deep
        pairs = zip(joined[::2], joined[1::2], strict=False)
        joined = [f"CONCAT({one}, {other})" for one, other in pairs] + joined[len(joined) // 2 * 2 :]
    return _digest(joined[0])


def _digest(text: str) -> str:
    """Return the expression of a text's digest, NULL for NULL."""
    return f"SUBSTRING(SHA2({text}, 256), 1, {DIGEST_DIGITS})"


def _sum(dialect: Dialect, digest: str) -> str:
    return f"COALESCE(SUM({dialect.number(digest)}), 0)"


def _mysql_text(column: Column) -> str:
    name = column.read_as.format(mysql_identifier(column.name))
    family = _family(column)
    if family in ("moment", "date"):
        pattern = "%Y-%m-%d %H:%i:%s.%f" if family == "moment" else "%Y-%m-%d"
        return f"CASE WHEN {_mysql_no_date(name)} THEN NULL ELSE DATE_FORMAT({name}, '{pattern}') END"
    if family == "float":
        return _float_text(
            f"({name} * 1e0)", floor_log2=f"FLOOR(LOG2(ABS({name} * 1e0)))", integer="SIGNED", text="CHAR"
        )
    if family == "binary":
        return f"HEX({name})"
    if family not in ("number", "boolean"):
        return f"CONVERT(CAST({name} AS CHAR) USING utf8mb4)"
    # Adding 0 takes the leading zeros off a ZEROFILL column and a YEAR, and makes a number of a BIT.
    is_padded = column.data_type in ("bit", "year") or "zerofill" in column.column_type
    return f"CAST({name} + 0 AS CHAR)" if is_padded else f"CAST({name} AS CHAR)"


def _mysql_no_date(name: str) -> str:
    """Return the condition that a value is not in the calendar, which the default policy copies as NULL."""
    month_end = f"DAY(LAST_DAY(DATE_FORMAT({name}, '%Y-%m-01')))"
    return f"YEAR({name}) = 0 OR MONTH({name}) = 0 OR DAY({name}) = 0 OR DAY({name}) > {month_end}"


def _redshift_text(column: Column) -> str:
    name = identifier(column.name)
    family = _family(column)
    if family == "moment":
        return f"TO_CHAR({name}, 'YYYY-MM-DD HH24:MI:SS.US')"
    if family == "date":
        return f"TO_CHAR({name}, 'YYYY-MM-DD')"
    if family == "float":
        value = f"CAST({name} AS DOUBLE PRECISION)"
        magnitude = f"CASE WHEN {name} = 0 THEN NULL ELSE ABS({value}) END"
        return _float_text(value, floor_log2=f"FLOOR(LN({magnitude}) / LN(2.0))", integer="BIGINT", text="VARCHAR(64)")
    if family == "binary":
        return f"UPPER(FROM_VARBYTE({name}, 'hex'))"
    if family == "document":
        return f"JSON_SERIALIZE({name})"
    if family == "boolean":
        return f"CASE WHEN {name} THEN '1' WHEN NOT {name} THEN '0' END"
    return f"CAST({name} AS VARCHAR(64))" if family == "number" else name


def _float_text(value: str, *, floor_log2: str, integer: str, text: str) -> str:
    """Return sign, mantissa and exponent of a double as text: neither side prints all of a double's digits.

    Dividing by a power of two is exact. The logarithm may be off by one next to a power of two, so the quotient is
    brought back to [1, 2) before it becomes the 53-bit integer that it stands for.
    """
    exponent = f"GREATEST(LEAST({floor_log2}, 1023), -1022)"
    quotient = f"(ABS({value}) / POWER(2e0, {exponent}))"
    mantissa = (
        f"CASE WHEN {quotient} >= 2 THEN {quotient} * {_MANTISSA // 2} WHEN {quotient} < 1 AND {exponent} > -1022 "
        f"THEN {quotient} * {_MANTISSA * 2} ELSE {quotient} * {_MANTISSA} END"
    )
    shift = (
        f"CASE WHEN {quotient} >= 2 THEN {exponent} + 1 WHEN {quotient} < 1 AND {exponent} > -1022 "
        f"THEN {exponent} - 1 ELSE {exponent} END"
    )
    parts = (f"CAST(CAST({mantissa} AS {integer}) AS {text})", f"CAST(CAST({shift} AS {integer}) AS {text})")
    sign = f"CASE WHEN {value} < 0 THEN '-' ELSE '' END"
    # NULL is said first: GREATEST and LEAST pass over it in Redshift.
    joined = f"CONCAT(CONCAT(CONCAT({sign}, {parts[0]}), 'p'), {parts[1]})"
    return f"CASE WHEN {value} IS NULL THEN NULL WHEN {value} = 0 THEN '0' ELSE {joined} END"


def _family(column: Column) -> str:
    return _FAMILIES.get(column.redshift_type.partition("(")[0], "text")


_FAMILIES = {
    "SMALLINT": "number",
    "INTEGER": "number",
    "BIGINT": "number",
    "DECIMAL": "number",
    "BOOLEAN": "boolean",
    "REAL": "float",
    "DOUBLE PRECISION": "float",
    "DATE": "date",
    "TIMESTAMP": "moment",
    "VARBYTE": "binary",
    "SUPER": "document",
}
"""Redshift type -> the family of expressions; every other type is text."""

AURORA = Dialect("Aurora", mysql_identifier, _mysql_text, lambda digits: f"CAST(CONV({digits}, 16, 10) AS UNSIGNED)")
REDSHIFT = Dialect(
    "Redshift", identifier, _redshift_text, lambda digits: f"CAST(STRTOL({digits}, 16) AS DECIMAL(38,0))"
)
