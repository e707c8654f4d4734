"""The first look: one sum of digests for each range of keys, which tell on either side what need not be looked at.

Where a table's primary key is one whole number, rows whose keys lie in one range of equal width are a bucket. The
source gives keys and digests as for a walk, and we count and sum them by bucket: to sum them itself would cost it more
than to send them. Redshift compares that with its own sums, and only the rows of buckets that differ are walked one by
one. A small table, one without such a key, and one with values that are carried (`digest`)
are walked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.models import Extract, Manifest, Window
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.proof.compare import count_rows
from aurora_dwh.proof.digest import DIGEST_DIGITS, QUICK, REDSHIFT, carried, comparable
from aurora_dwh.proof.pace import Pace
from aurora_dwh.proof.subject import Subject
from aurora_dwh.proof.walk import DIGEST, Walk
from aurora_dwh.source.connection import execute
from aurora_dwh.source.keyset import primary_keyset
from aurora_dwh.source.plans import estimated_rows
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.load.stage import Lake, Stage
from aurora_dwh.warehouse.load.statements import STAGE
from aurora_dwh.warehouse.sql import identifier

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from aurora_dwh.core.rules import Rules

FEW_ROWS = 20_000
"""Tables of about so many rows are walked at once, which takes less than two looks."""

BUCKET_ROWS = 1_000
"""About how many rows a bucket has: so many are read for one that differs, and so few numbers are compared."""

MOST_DIFFERING = 1_000
"""Where more buckets than these differ, all rows are walked: their conditions would be a statement too long."""

_GATHERED = 1_000
"""Buckets that are given at once: a block of rows has one or two, and a batch as small takes more memory than they."""

_LEAST_ROOM = 2**20
"""Bytes of a statement that the server takes at the least: those that name a thousand ranges fit well."""

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_HALF = 2 * DIGEST_DIGITS
"""Bits of half a digest."""

_BUCKET, _ROWS, _SUM = "_dwh_bucket", "_dwh_rows", "_dwh_sum"


@dataclass(frozen=True)
class FirstLook:
    """What Redshift found."""

    staged_rows: int  # the target's rows that count
    # the buckets that differ, in order, each by its key that is nearest to zero; None where they are too many, or rows
    # have no key
    differing: tuple[int, ...] | None


@dataclass(frozen=True)
class Buckets:
    """A table's rows, cut by ranges of its key."""

    pace: Pace  # how the source is gone through
    subject: Subject  # what is compared
    width: int  # how many values of the key a bucket has

    def extract(self, at: datetime, rules: Rules | None) -> Extract:
        """Return the buckets, in pieces, on their way out of the source, which they show at `at` (UTC) at the least."""
        columns = (
            Column(_BUCKET, "decimal", "decimal(20,0)", nullable=False, precision=20, scale=0),
            Column(_ROWS, "bigint", "bigint", nullable=False),
            Column(_SUM, "decimal", "decimal(38,0)", nullable=False, precision=38, scale=0),
        )
        schema = replace(self.subject.schema, columns=columns, primary_key=())
        return Extract(schema, Window(at.date(), None, at), at, self._batches(schema), rules=rules)

    def _batches(self, schema: TableSchema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        given = schema.arrow_schema
        summed: list[tuple[Decimal, int, Decimal]] = []

        def batch() -> pa.RecordBatch:
            columns = list(zip(*summed, strict=True)) or [()] * len(given)
            summed.clear()
            return pa.RecordBatch.from_arrays(
                [pa.array(values, field.type) for values, field in zip(columns, given, strict=True)], schema=given
            )

        for rows in Walk(self.pace, replace(self.subject, cursor=None), QUICK).batches():
            keys, digests = _whole(rows.column(self.subject.key[0].target_name)), rows.column(DIGEST).to_numpy()
            summed += _summed(keys, digests, self.width)
            if not rows.num_rows or len(summed) >= _GATHERED:  # a wait, which whoever reads is to hear of
                yield batch()
        yield batch()

    def compare(self, warehouse: Warehouse, lake: Lake, found: Manifest) -> FirstLook:
        """Compare the source's buckets, as `extract` gives them, with those of the target's rows.

        Raises:
            RulesError: The table was loaded from another source than that which they say.
            WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
        """

        def work(session: Session) -> FirstLook:
            self.subject.check_source(session, found)
            Stage(warehouse, lake, self.subject.target.label).fill(session, [found])
            rows = session.execute(count_rows(self.subject)).rows[0][0]
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
        there = " OR ".join(_within(mysql_identifier(self.subject.key[0].name), start, end) for start, end in ranges)
        named = ", ".join(map(str, differing))
        name, (start, end) = identifier(self.subject.key[0].target_name), (ranges[0][0], ranges[-1][1])
        # Where they fit, as whole numbers, of which a remainder is found sooner; CASE says first which rows have such.
        value = f"CAST({name} AS BIGINT)" if start >= -(2**63) and end < 2**63 else name
        bucket = f"CASE WHEN {_within(name, start, end)} THEN {value} - MOD({value}, {self.width}) END"
        here = f"({self.subject.here}) AND {bucket} IN ({named})"
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


def _whole(keys: pa.Array) -> NDArray[Any]:
    """Return keys as whole numbers of 64 bits; an unsigned BIGINT comes as a decimal of 128, the lower half first."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_decimal(keys.type):
        return np.frombuffer(keys.buffers()[1], np.uint64)[2 * keys.offset :][: 2 * len(keys) : 2]
    return np.asarray(keys, np.int64)


def _summed(keys: NDArray[Any], digests: NDArray[Any], width: int) -> Iterator[tuple[Decimal, int, Decimal]]:
    """Yield the buckets of rows in the order of the key, each with its rows and the sum of their digests."""
    import numpy as np

    buckets = keys - np.fmod(keys, keys.dtype.type(width))  # cut towards zero, as `_bucket` does
    starts = np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]][: len(buckets)])
    # By halves: a few digests together are more than 64 bits.
    high, low = (np.add.reduceat(half, starts) for half in (digests >> _HALF, digests & (2**_HALF - 1)))
    counts = np.diff(np.r_[starts, len(buckets)])
    for bucket, rows, upper, lower in zip(buckets[starts], counts, high, low, strict=True):
        yield Decimal(int(bucket)), int(rows), Decimal((int(upper) << _HALF) + int(lower))


def _within(name: str, start: int, end: int) -> str:
    return f"{name} >= {start} AND {name} < {end}"


def _bucket(key: Column, width: int) -> str:
    """Return Redshift's expression of a row's bucket; it has no division, as Redshift rounds a quotient of decimals."""
    name = identifier(key.target_name)
    return f"CAST({name} - MOD({name}, {width}) AS DECIMAL(20,0))"


def buckets_of(pace: Pace, subject: Subject) -> Buckets | None:
    """Return a table's buckets, None where its rows are to be walked at once."""
    keyset = primary_keyset(subject.source)
    if subject.day_there or carried(subject.schema) or keyset is None or len(keyset.columns) != 1:
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
    return Buckets(pace, subject, max(1, width))


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
