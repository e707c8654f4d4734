"""What the catalog does to columns before they are read: masks, and dates that are kept as text.

Both are computed by the source, in the SELECT: a masked value never reaches this process, and a date that is none
arrives as the text that MySQL shows. Of `mask: hmac` alone the bytes arrive, and `reader` hashes them (`mask_key` says
why). Here a table's schema is rewritten to what will arrive; nothing is connected to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_dwh.catalog.fields import ConstantMask, KeepLastMask
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import BINARY_TYPES, DATED, GEOMETRY_TYPES, TEXT_TYPES, Column, TableSchema, fold
from aurora_dwh.source.quoting import literal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

_DATE_TEXT = 26
"""Characters of the longest date as text: 9999-12-31 23:59:59.999999."""

_WORDS = (*TEXT_TYPES, "enum", "set")

_BYTES = (*BINARY_TYPES, *GEOMETRY_TYPES, "bit", "vector")

_SHA256 = 64
"""Hexadecimal digits of a SHA-256, and of an HMAC of it."""


def treat(schema: TableSchema, table: Table) -> TableSchema:
    """Return the schema of the rows that the table's SELECT brings.

    Args:
        schema: The selected columns as they are in the source.
        table: The table as in the catalog; a mask of another column is none.

    Raises:
        DataError: A mask does not fit its column, or would hide a key or the cursor.
    """
    masks = {fold(name): mask for name, mask in table.mask.items()}
    columns = tuple(_treated(column, masks.get(column.source_name), table) for column in schema.columns)
    return replace(schema, columns=columns)


def require_exportable(table: Table) -> None:
    """Refuse to have Aurora itself, or a person, export a table whose columns this process has to hash.

    Raises:
        DataError: The table has such columns, whose values would be in the files in the clear.
    """
    if table.keyed:
        raise DataError(
            f"table {table.name}: {', '.join(map(repr, table.keyed))} would be exported in the clear: `mask: hmac` is "
            "made by the worker, which alone has the key; have the day read as any other"
        )


def _treated(column: Column, mask: object, table: Table) -> Column:
    if mask is not None:
        return _masked(column, mask, table)
    if table.zero_dates == "text" and column.data_type in DATED and column.source_name != fold(table.cursor or ""):
        return _text(column, "CAST({0} AS CHAR)", _DATE_TEXT)
    return column


def _masked(column: Column, mask: object, table: Table) -> Column:
    name = column.source_name
    if name == fold(table.cursor or "") or (name in {fold(key) for key in table.key} and mask != "sha256"):
        raise DataError(
            f"table {table.name}: {column.name!r} finds and orders rows, and this mask would hide that; "
            "a key can be masked with sha256, the cursor not at all"
        )
    if mask == "hmac":
        # What `sha256` hashes: a text's bytes in UTF-8, bytes as they are, and of everything else the text of it.
        other = "CAST({0} AS BINARY)" if column.data_type in _BYTES else "CAST({0} AS CHAR)"
        read_as = "CONVERT({0} USING utf8mb4)" if column.data_type in _WORDS else other
        return replace(_text(column, read_as, _SHA256), keyed=True)
    if mask == "sha256":
        # The hash is of UTF-8, so that equal texts in columns of different character sets stay equal.
        text = "CONVERT({0} USING utf8mb4)" if column.data_type in _WORDS else "{0}"
        return _text(column, f"SHA2({text}, 256)", _SHA256)
    if mask == "null":
        return replace(column, read_as="NULL", nullable=True)
    if isinstance(mask, ConstantMask):
        # A column without a value stays without one: whether there is a value is not what is hidden.
        constant = _braces(literal(str(mask.value)))
        return _text(column, f"IF({{0}} IS NULL, NULL, {constant})", len(str(mask.value)))
    if isinstance(mask, KeepLastMask):
        if column.data_type not in TEXT_TYPES:
            raise DataError(f"table {table.name}: keep_last masks texts, and {column.name!r} is {column.column_type}")
        return _text(column, _KEEP_LAST.format(keep=mask.keep_last), column.length or 1)
    raise AssertionError(mask)  # the catalog knows no other


_KEEP_LAST = (
    "CONCAT(REPEAT('*', CHAR_LENGTH({{0}}) - IF(CHAR_LENGTH({{0}}) > {keep}, {keep}, 0)), "
    "RIGHT({{0}}, IF(CHAR_LENGTH({{0}}) > {keep}, {keep}, 0)))"
)
"""Stars for all but the last characters; a text that has no more than those is hidden as a whole."""


def _text(column: Column, read_as: str, length: int) -> Column:
    return replace(
        column,
        data_type="varchar",
        column_type=f"varchar({length})",
        length=max(length, 1),
        precision=None,
        scale=None,
        read_as=read_as,
    )


def _braces(text: str) -> str:
    """Return text that `str.format` leaves as it is."""
    return text.replace("{", "{{").replace("}", "}}")
