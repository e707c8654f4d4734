"""Results on their way to the client: column headings, Redshift's type numbers, VARBYTE as hexadecimal text.

Belongs here: what the front changes in PostgreSQL's row descriptions and rows, and what it learns from command tags.
Does not belong here: the order of messages.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from aurora_dwh.local.redshift import wire
from aurora_dwh.local.redshift.names import LongNames
from aurora_dwh.local.redshift.plans import Plan, Relay
from aurora_dwh.local.redshift.upstream import Upstream

SUPER_OID = 4000
VARCHAR_OID = 1043
"""VARBYTE is announced as VARCHAR: over the protocol the stand-in speaks, the driver would decode the hexadecimal text
of a VARBYTE, which it hands out as it is over Redshift's own."""

GROWTH_ROWS = 1_000
"""Rows of an INSERT after which statistics of the table are worth their time."""

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_TARGET = re.compile(rf"\s*INSERT\s+INTO\s+({_NAME}(?:\s*\.\s*{_NAME})?)", re.IGNORECASE)


@dataclass
class Statement:
    """A prepared statement: the text as received, its plan, the parameter types of its Parse."""

    text: str
    plan: Plan
    types: bytes
    bytes_columns: list[int] = field(default_factory=list)
    binary_results: list[bool] = field(default_factory=list)

    def shows_binary(self, column: int) -> bool:
        """Whether the client asked for this column of the result in binary form."""
        formats = self.binary_results
        return bool(formats) and formats[column if len(formats) > 1 else 0]


class Results:
    """Gives row descriptions of one session Redshift's look."""

    def __init__(self, upstream: Upstream, names: LongNames) -> None:
        self._names = names
        self._types = {
            str(name): int(oid or 0)
            for name, oid in upstream.query(
                "SELECT typname, oid FROM pg_catalog.pg_type WHERE typname IN ('super', 'varbyte', 'bytea')"
                " AND typnamespace = 'pg_catalog'::regnamespace"
            )
        }

    def describe(self, payload: bytes, statement: Statement) -> bytes:
        """Returns a RowDescription with full names and Redshift's types, and notes its VARBYTE columns."""
        columns = wire.parse_columns(payload)
        binary = {self._types["bytea"], self._types["varbyte"]}
        statement.bytes_columns = [i for i, column in enumerate(columns) if column.type_oid in binary]
        oids = dict.fromkeys(binary, VARCHAR_OID) | {self._types["super"]: SUPER_OID}
        return wire.row_description(
            c._replace(name=self._names.full(c.name), type_oid=oids.get(c.type_oid, c.type_oid)) for c in columns
        )


def grown_table(payload: bytes, statement: Statement) -> str | None:
    """Returns the table into which a statement put many rows, by its command tag; None otherwise."""
    command, _, rows = payload.rstrip(b"\0").rpartition(b" ")
    if command != b"INSERT 0" or int(rows) < GROWTH_ROWS or not isinstance(statement.plan, Relay):
        return None
    found = _TARGET.match(statement.plan.sql)
    return found[1] if found else None


def binary_results(payload: bytes) -> list[bool]:
    """Returns the result formats of a Bind message: one for all columns, or one a column."""
    _, offset = wire.split_cstring(payload)
    _, offset = wire.split_cstring(payload, offset)
    (count,) = struct.unpack_from("!h", payload, offset)
    offset += 2 + 2 * count
    (count,) = struct.unpack_from("!h", payload, offset)
    offset += 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", payload, offset)
        offset += 4 + max(size, 0)
    (count,) = struct.unpack_from("!h", payload, offset)
    return [bool(code) for code in struct.unpack_from(f"!{count}h", payload, offset + 2)]


def plain_hex(payload: bytes, statement: Statement) -> bytes:
    r"""Returns a DataRow whose binary columns read ``0aff`` as Redshift prints them, not ``\x0aff`` or raw bytes."""
    values = wire.parse_row(payload)
    for index in statement.bytes_columns:
        value = values[index]
        if value is not None:
            values[index] = value.hex().encode() if statement.shows_binary(index) else value.removeprefix(b"\\x")
    return wire.data_row(values)
