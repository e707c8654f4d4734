"""The first look: one sum of digests for each range of keys, which tell on either side what need not be looked at.

Where a table's primary key is one whole number, rows whose keys lie in one range of equal width are a bucket. The
source says how many rows a bucket has and what the sum of their digests is, in short statements, and Redshift
compares that with its own. Only the rows of buckets that differ are walked one by one. A small table, one without such
a key, and one with JSON documents are walked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

from aurora_dwh.handoff import Extract, Manifest, Window
from aurora_dwh.proof.digest import AURORA, REDSHIFT, comparable, documents
from aurora_dwh.proof.pace import Pace
from aurora_dwh.proof.subject import Subject
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.source.connection import execute
from aurora_dwh.source.keyset import primary_keyset
from aurora_dwh.source.plans import estimated_rows
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.source.statement import select
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.sql import identifier
from aurora_dwh.warehouse.stage import Lake, Stage
from aurora_dwh.warehouse.statements import STAGE

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.rules import Rules

FEW_ROWS = 20_000
"""Tables of about so many rows are walked at once, which takes less than two looks."""

BUCKET_ROWS = 1_000
"""About how many rows a bucket has: so many are read for one that differs, and so few numbers are compared."""

MOST_DIFFERING = 1_000
"""Where more buckets than these differ, all rows are walked: their conditions would be a statement too long."""

_LEAST_ROOM = 2**20
"""Bytes of a statement that the server takes at the least: those that name a thousand ranges fit well."""

_WIDER = 8
"""How many times as many keys the next piece may have, where keys are sparse."""

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_BUCKET, _ROWS, _SUM = "_dwh_bucket", "_dwh_rows", "_dwh_sum"


@dataclass(frozen=True)
class FirstLook:
    """What Redshift found.

    Attributes:
        staged_rows: The target's rows that count.
        differing: The buckets that differ, in order, each by its key that is nearest to zero; None where they are too
            many, or rows have no key.
    """

    staged_rows: int
    differing: tuple[int, ...] | None


@dataclass(frozen=True)
class Buckets:
    """A table's rows, cut by ranges of its key.

    Attributes:
        pace: How the source is gone through.
        subject: What is compared.
        first: The least key that the source has.
        last: The greatest.
        width: How many values of the key a bucket has.
    """

    pace: Pace
    subject: Subject
    first: int
    last: int
    width: int

    @property
    def _key(self) -> Column:
        return self.subject.key[0]

    def extract(self, at: datetime, rules: Rules | None) -> Extract:
        """Return the buckets on their way out of the source; one may come in several pieces.

        Args:
            at: The moment of the source that they show at the least, in UTC.
            rules: What shapes the table's rows now.
        """
        columns = (
            Column(_BUCKET, "decimal", "decimal(20,0)", nullable=False, precision=20, scale=0),
            Column(_ROWS, "bigint", "bigint", nullable=False),
            Column(_SUM, "decimal", "decimal(38,0)", nullable=True, precision=38, scale=0),
        )
        schema = replace(self.subject.schema, columns=columns, primary_key=())
        return Extract(schema, Window(at.date(), None, at), at, self._batches(schema), rules=rules)

    def _batches(self, schema: TableSchema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        given = schema.arrow_schema
        start, limit = None, self.pace.first
        span = max(1, limit * self.width // BUCKET_ROWS)
        while True:
            for _ in self.pace.rest():
                yield pa.RecordBatch.from_pylist([], schema=given)
            span = self._span(start, span, limit)
            end = self._behind(start, span)
            began = monotonic()
            found = execute(self.pace.connection, self._statement(start, end))
            rows = sum(int(count) for _, count, _ in found)
            self.pace.note(rows, took := monotonic() - began)
            self.pace.throttle.took(rows)
            columns = list(zip(*((Decimal(b), int(n), s and Decimal(s)) for b, n, s in found), strict=True))
            if columns:
                yield pa.RecordBatch.from_arrays(
                    [pa.array(values, field.type) for values, field in zip(columns, given, strict=True)], schema=given
                )
            if end is None:
                return
            if rows:  # of a piece that had fewer than it might have, what so many would have taken
                limit = self.pace.next(limit, took * limit / rows)
            start, span = end, max(1, min(_WIDER * span, span * limit // max(1, rows)))

    def _behind(self, start: int | None, span: int) -> int | None:
        """Return the first key behind a piece, None where the table ends within it."""
        end = (self.first if start is None else start) + span
        return end if end <= self.last else None

    def _span(self, start: int | None, span: int, rows: int) -> int:
        """Return how many keys a piece has, so that it has no more than about so many rows by the server's estimate."""
        key, schema = self._key, replace(self.subject.source, columns=(self._key,))
        while span > rows:  # no more keys than rows are wanted need no estimate
            where = _within(mysql_identifier(key.name), start, self._behind(start, span))
            if estimated_rows(self.pace.connection, select(schema, where=where), schema) <= 2 * rows:
                break
            span //= 2
        return span

    def _statement(self, start: int | None, end: int | None) -> str:
        """Return the SELECT of the buckets of a range of keys."""
        schema, key = self.subject.schema, mysql_identifier(self._key.name)
        where = [*self.subject.walked, *_within(key, start, end)]
        digest = f"CAST(CONV({AURORA.digest(comparable(schema))}, 16, 10) AS UNSIGNED)"
        lines = [
            f"SELECT {key} DIV {self.width} * {self.width} AS {_BUCKET}, COUNT(*), SUM({digest})",
            f"FROM {mysql_identifier(schema.database, schema.table)} FORCE INDEX (PRIMARY)",
            *(["WHERE " + " AND ".join(f"({one})" for one in where)] if where else []),
            f"GROUP BY {_BUCKET}",
        ]
        return "\n".join(lines)

    def compare(self, warehouse: Warehouse, lake: Lake, found: Manifest) -> FirstLook:
        """Compare the source's buckets with those of the target's rows.

        Args:
            warehouse: Redshift.
            lake: The lake that they lie in.
            found: What was read of the source, as `extract` gives it.

        Raises:
            RulesError: The table was loaded from another source than that which they say.
            WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
        """

        def work(session: Session) -> FirstLook:
            self.subject.check_source(session, found)
            Stage(warehouse, lake, self.subject.target.label).fill(session, [found])
            where = self.subject.gathered
            rows = session.execute(f"SELECT COUNT(*) FROM {self.subject.target.sql} WHERE {where}").rows[0][0]
            differing = [bucket for (bucket,) in session.execute(differing_buckets(self.subject, self.width)).rows]
            if len(differing) > MOST_DIFFERING or None in differing:
                return FirstLook(int(rows), None)
            return FirstLook(int(rows), tuple(sorted(map(int, differing))))

        return warehouse.persist(work)

    def within(self, differing: Sequence[int]) -> Subject:
        """Return what is compared, of the rows that lie in some buckets; without buckets, of all."""
        if not differing:
            return self.subject
        ranges = self._ranges(differing)
        there = " OR ".join(
            " AND ".join(_within(mysql_identifier(self._key.name), start, end)) for start, end in ranges
        )
        named = ", ".join(map(str, differing))
        edges = " AND ".join(_within(identifier(self._key.name), ranges[0][0], ranges[-1][1]))
        here = f"({self.subject.here}) AND {edges} AND {_bucket(self._key, self.width)} IN ({named})"
        return replace(self.subject, there=(*self.subject.there, there), here=here)

    def _ranges(self, differing: Sequence[int]) -> list[tuple[int, int]]:
        """Return buckets as half-open ranges of keys, neighbours as one."""
        ranges: list[tuple[int, int]] = []
        for bucket in differing:
            # Both sides cut towards zero: bucket 0 has keys of either sign, and one below it ends with its name.
            start = bucket if bucket > 0 else bucket - self.width + 1
            end = bucket + self.width if bucket >= 0 else bucket + 1
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((start, end))
        return ranges


def _within(name: str, start: int | None, end: int | None) -> list[str]:
    """Return the conditions of a half-open range of keys; without an end where it has none."""
    return [f"{name} {sign} {edge}" for sign, edge in ((">=", start), ("<", end)) if edge is not None]


def _bucket(key: Column, width: int) -> str:
    """Return Redshift's expression of a row's bucket.

    It goes another way than the source's `DIV`, as the quotient of decimals is rounded here: both cut towards zero.
    """
    name = identifier(key.name)
    return f"CAST({name} - MOD({name}, {width}) AS DECIMAL(20,0))"


def buckets_of(pace: Pace, subject: Subject) -> Buckets | None:
    """Return a table's buckets, None where its rows are to be walked at once."""
    keyset = primary_keyset(subject.source)
    if subject.day_there or documents(subject.schema) or keyset is None or len(keyset.columns) != 1:
        return None
    (key,) = keyset.columns
    if subject.key != (key,) or key.data_type not in _WHOLE:
        return None
    name = mysql_identifier(key.name)
    table = mysql_identifier(subject.schema.database, subject.schema.table)
    what = f"MIN({name}), MAX({name}), @@max_allowed_packet"
    ((first, last, room),) = execute(pace.connection, f"SELECT {what} FROM {table}")
    rows = estimated_rows(pace.connection, f"SELECT {name} FROM {table}", subject.source)
    if first is None or rows <= FEW_ROWS or int(room) < _LEAST_ROOM:
        return None
    width = (int(last) - int(first) + 1) * BUCKET_ROWS // rows
    return Buckets(pace, subject, int(first), int(last), max(1, width))


def differing_buckets(subject: Subject, width: int) -> str:
    """Return the query for the buckets that differ from the stage's, at the most one more than `MOST_DIFFERING`."""
    (key,) = subject.key
    total = f"SUM(CAST({REDSHIFT.digest(comparable(subject.schema))} AS DECIMAL(38,0)))"
    rows, digests = identifier(_ROWS), identifier(_SUM)
    return (
        f"SELECT {identifier(_BUCKET)}\n"
        f"FROM (\n"
        f"  SELECT {identifier(_BUCKET)}, {rows}, {digests} FROM {identifier(STAGE)}\n"
        f"  UNION ALL\n"
        f"  SELECT {_bucket(key, width)}, -COUNT(*), -{total}\n"
        f"  FROM {subject.target.sql}\n"
        f"  WHERE {subject.gathered}\n"
        f"  GROUP BY 1\n"
        f") b\n"
        f"GROUP BY 1\n"
        f"HAVING SUM({rows}) <> 0 OR SUM({digests}) <> 0\n"
        f"LIMIT {MOST_DIFFERING + 1}"
    )
