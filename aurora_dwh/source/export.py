"""Aurora writes a day to S3 by itself: what it needs for that, what is counted beforehand, and the statements it runs.

No row passes through this process. The text of the statements is `outfile`'s and `value_checks`'.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any

import pymysql

from aurora_dwh.core.models import DataError, Export, Window, as_instant
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.source.chunks import piece_conditions
from aurora_dwh.source.connection import Connection, execute, explain, failure
from aurora_dwh.source.discovery import table_fact
from aurora_dwh.source.keyset import primary_keyset
from aurora_dwh.source.outfile import into_s3, select_csv
from aurora_dwh.source.privileges import account
from aurora_dwh.source.quoting import literal
from aurora_dwh.source.refusals import code_of
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.value_checks import Misfit, count_rows, first_row, helps, key_columns, misfits
from aurora_dwh.source.value_policies import named_key, refusal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

EXPORT_BYTES = 25 * 1024**3
"""Rows of more bytes are written by several statements, one after the other (Amazon Aurora User Guide, "Saving data ...
into text files in an Amazon S3 bucket", Considerations)."""

ROLE = "AWS_SELECT_S3_ACCESS"

_log = logging.getLogger(__name__)


def require_export(connection: Connection) -> None:
    """Check that a session, all of whose roles are active, may write to S3.

    Raises:
        DataError: Something is missing; the message says which statement or setting gives it.
        pymysql.err.Error: The server or the connection failed.
    """
    try:
        ((user, role, active),) = execute(connection, "SELECT CURRENT_USER(), @@aws_default_s3_role, CURRENT_ROLE()")
    except pymysql.err.Error as error:
        if code_of(error) in _NOT_AURORA:
            raise DataError(
                f"`extract: outfile` needs Aurora MySQL version 3, and this server is none ({explain(error)}); "
                "use `extract: stream`"
            ) from error
        raise
    if f"`{ROLE}`" not in str(active).replace('"', "`"):  # as it is quoted under ANSI_QUOTES
        raise DataError(
            f"{user} may not write to S3, as `extract: outfile` wants it; run on the writer: "
            f"GRANT {ROLE} TO {account(partial(execute, connection))}"
        )
    if not role:
        raise DataError(
            "the cluster has no role to write to S3 with; add an IAM role to it (aws rds add-role-to-db-cluster) that "
            "may s3:ListBucket on the lake's bucket and s3:PutObject, s3:GetObject, s3:DeleteObject, "
            "s3:AbortMultipartUpload and s3:ListMultipartUploadParts in it, and set the cluster parameter "
            "aws_default_s3_role to its ARN"
        )


_NOT_AURORA = frozenset({1193, 1305})
"""A variable or a function that the server does not know."""


def export(
    connection: Connection,
    table: Table,
    schema: TableSchema,
    where: Sequence[str],
    window: Window,
    taken_at: datetime,
    throttle: Throttle,
    *,
    cursor: str | None,
    cursor_zone: tzinfo,
    ends_before: date | None,
) -> Export:
    """Count a day's rows and what is to be changed in them, and return them for Aurora to write.

    Args:
        connection: A connection with a snapshot, which may write to S3.
        where: Conditions that the day's rows meet.
        throttle: Waits before each statement while the source is busy.
        cursor: The column that says when a row was written; None where there is none.
        ends_before: Of an open window, the first value of the cursor that is behind the day.

    Raises:
        DataError: A value does not fit and its policy is to fail.
        GaveWay: The source is busy; what `write` gives may raise it, too.
        pymysql.err.Error: The server or the connection failed.
    """
    kinds, named = misfits(schema, table), f"table {table.name}, day {window.day}"
    waited = throttle.begin()
    _wait(throttle)
    counting = count_rows(schema, kinds, where, newest=cursor, ends_before=ends_before)
    ((rows, newest, *counts),) = execute(connection, counting)
    behind = 0 if ends_before is None else int(counts.pop())
    for kind, count in zip(kinds, counts, strict=True):
        if count and kind.is_refused:
            raise _refused(connection, table, schema, kind, where, window, int(count))
    converted = {(k.column.target_name, k.reason): int(n) for k, n in zip(kinds, counts, strict=True) if n}
    make = partial(select_csv, schema, table, day=window.day, read_at=literal(taken_at.replace(tzinfo=None)))
    write = partial(_write, connection, schema, where, make, int(rows), named, throttle)
    newest_at = as_instant(newest, cursor_zone) if isinstance(newest, date) else None  # else it is no date
    statement = make(where=where)
    return Export(
        schema, window, taken_at, int(rows), newest_at, converted, statement, write, waited, rows_behind=behind
    )


def _write(
    connection: Connection,
    schema: TableSchema,
    where: Sequence[str],
    make: Any,
    rows: int,
    named: str,
    throttle: Throttle,
    prefix: str,
) -> list[str]:
    """Have Aurora write the rows to files that begin with `prefix`; return the addresses of its manifests."""
    try:
        pieces = _pieces(connection, schema, where, rows, named)
        written = [f"{prefix}{number:03d}" for number in range(len(pieces))]
        for piece, address in zip(pieces, written, strict=True):
            _wait(throttle)
            execute(connection, into_s3(make(where=[*where, *piece]), address))
    except pymysql.err.Error as error:
        raise failure(f"{named}: Aurora did not write the rows to {prefix}", error) from error
    return [f"{address}.manifest" for address in written]


def _wait(throttle: Throttle) -> None:
    """Wait while the source is busier than the catalog allows."""
    for _ in throttle.rest(is_between_selects=True):
        pass


def _pieces(
    connection: Connection, schema: TableSchema, where: Sequence[str], rows: int, named: str
) -> list[list[str]]:
    """Return the conditions, besides `where`, of each statement that the rows are written by."""
    from aurora_dwh.source.reader import read

    size = rows * _row_bytes(connection, schema)
    if size <= EXPORT_BYTES:
        return [[]]
    keyset = primary_keyset(schema)
    if keyset is None:
        _log.warning(
            f"{named}: about {size / 1024**3:.0f} GB are written by one statement, as the copied columns hold no "
            "primary key to part them by; Aurora needs as much local storage while it does so"
        )
        return [[]]
    pieces = -(-size // EXPORT_BYTES)
    conditions = piece_conditions(partial(read, connection), schema, where, keyset, rows, pieces)
    return [[condition] for condition in conditions]


def _row_bytes(connection: Connection, schema: TableSchema) -> int:
    """Return a row's bytes as the server estimates them."""
    return int(table_fact(connection, schema.database, schema.table, "AVG_ROW_LENGTH") or 0)


def _refused(
    connection: Connection,
    table: Table,
    schema: TableSchema,
    kind: Misfit,
    where: Sequence[str],
    window: Window,
    count: int,
) -> DataError:
    """Return what to raise for values that fail the day: the first of them, and how many there are."""
    *key, value, size = execute(connection, first_row(schema, kind, where))[0]
    names = (column.target_name for column in key_columns(schema))
    row = named_key(dict(zip(names, key, strict=True)))
    if kind.reason in ("nul_bytes", "oversize"):
        problem = str(refusal(schema, kind.column, row, value, int(size), kind.reason, table))
    else:
        which = f" in the row {row}" if row else ""
        where_ = f"{schema.named}, column {kind.column.target_name!r}"
        shown = "NULL" if value is None else repr(value)
        problem = f"{where_}: {kind.reason.replace('_', ' ')}{which}: {shown}; {helps(kind, schema, table)}"
    return DataError(f"day {window.day}: {problem}" + (f" ({count:,} such values)" if count > 1 else ""))
