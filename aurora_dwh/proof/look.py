"""The second look: rows that differ at first sight are read by their key on both sides, and named by kind.

Rows are told apart here by the canonical texts of their keys, byte by byte: not as a collation of MySQL would, nor as
Redshift, to which blanks at the end of a text are nothing. A row that the source has written since the staging table
was last read is late; so is one that the source changed between the two looks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

from aurora_dwh.core.documents import canonical_text
from aurora_dwh.core.models import wall_clock
from aurora_dwh.core.schema import Column
from aurora_dwh.proof.compare import Candidate
from aurora_dwh.proof.digest import (
    AURORA,
    DIGEST_DIGITS,
    REDSHIFT,
    Dialect,
    comparable,
    family,
    float_of,
    is_document,
    staged_text,
)
from aurora_dwh.proof.subject import Subject
from aurora_dwh.proof.verdict import DUPLICATE, EXTRA, LATE, MISSING, STALE, Found, Key, brief
from aurora_dwh.settings.mask_key import MaskKey
from aurora_dwh.source.connection import Connection, execute, mask_key_of
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.source.quoting import literal as mysql_literal
from aurora_dwh.source.quoting import relation as mysql_relation
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load.statements import DAY, LOADED_AT
from aurora_dwh.warehouse.sql import identifier, literal

KEYS_AT_ONCE = 500
"""Keys that one statement asks for."""

DIGESTS_AT_ONCE = 5_000
"""Digests, where rows have no key: each statement goes through the whole table."""

KEY_BYTES_AT_ONCE = 100_000
"""Characters of keys that a statement names at the most, which any server's `max_allowed_packet` has room for."""

BYTES_AT_ONCE = 4_000_000
"""The most bytes that the rows of one statement may have, by the widths of their columns."""

KEPT_CHARACTERS, LABEL_CHARACTERS = 100, 1_000
"""Characters that are kept of a value that differs, and of what tells its row."""

_SINGLE = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii", "latin1", ""})
"""Character sets in which no two texts become one in Unicode, so that a literal finds the one that is meant."""


@dataclass(frozen=True)
class _Row:
    """A row of one side: its values as canonical texts, what identifies it, and what else its side knows of it."""

    values: Key
    key: Key
    digest: int = 0
    day: date | None = None
    read_at: datetime | None = None


_Both = tuple[list[_Row], list[_Row]]
"""The rows that have one key, of the source and of Redshift."""


class Look:
    """Reads rows again.

    Args:
        at: The moment of the source that it shows at the least, in UTC; rows that were read later are late. None takes
            all rows as they are.
    """

    def __init__(
        self, connection: Connection, warehouse: Warehouse, subject: Subject, at: datetime | None = None
    ) -> None:
        self._connection, self._warehouse, self._subject = connection, warehouse, subject
        self._at = wall_clock(at) if at else datetime.max  # noqa: DTZ901
        self._columns = subject.schema.columns
        self._places = [subject.schema.columns.index(column) for column in subject.key]

    def found(
        self, candidates: Sequence[Candidate], rest: Callable[[], Iterable[None]] = lambda: ()
    ) -> Iterator[Found]:
        """Yield what each of the rows is; rows that are equal by now are nothing.

        Args:
            rest: Gives what to wait for between two statements on the source.

        Raises:
            WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
            pymysql.err.Error: The source did.
        """
        at_once, left = self._keys_at_once(), list(candidates)
        while left:
            batch = next(_batches(left, at_once))
            left = left[len(batch) :]
            for _ in rest():
                pass
            keys = [candidate.key for candidate in batch]
            both: defaultdict[Key, _Both] = defaultdict(lambda: ([], []))
            for row in self._staged(keys):
                both[row.key][1].append(row)
            for row in self._at_source(keys):
                both[row.key][0].append(row)
            at_once = self._next_keys(both.values())
            known = {candidate.key: candidate for candidate in batch} if self._subject.key else {}
            for key, (there, here) in both.items():
                if not self._subject.key or key in known:
                    yield from self._judged(key, there, here, known.get(key))

    def _keys_at_once(self) -> int:
        widths = [
            int(c.redshift_type.partition("(")[2].rstrip(")") or 0) if family(c) == "text" else 64
            for c in self._columns
        ]
        widths += [65_535 for c in self._columns if family(c) in ("document", "binary")]
        return max(1, min(self._most, BYTES_AT_ONCE // max(1, sum(widths))))

    @property
    def _most(self) -> int:
        return KEYS_AT_ONCE if self._subject.key else DIGESTS_AT_ONCE

    def _next_keys(self, both: Iterable[_Both]) -> int:
        """Return for how many keys to ask next, by the rows that came last: few fill their columns to the width."""
        sizes = [sum(len(v or "") for v in row.values) for sides in both for rows in sides for row in rows]
        return max(1, min(self._most, BYTES_AT_ONCE // (4 * max(sizes, default=1) + 1)))

    def _judged(self, key: Key, there: list[_Row], here: list[_Row], candidate: Candidate | None) -> Iterator[Found]:
        if Counter(row.values for row in there) == Counter(row.values for row in here):
            return
        kind = self._kind(there, here, candidate)
        yield Found(
            kind,
            key,
            self._label((there or here)[0]),
            tuple(self._differing(there, here)) if kind == STALE else (),
            (len(there), len(here)),
            frozenset(row.day for row in here if row.day),
            self._written(there[0]) if there else None,
        )

    def _kind(self, there: list[_Row], here: list[_Row], candidate: Candidate | None) -> str:
        if any(row.read_at > self._at for row in here if row.read_at):
            return LATE  # a server that is behind does not have what was loaded, or it was loaded meanwhile
        if there and (self._is_late(there) or self._has_changed(there, candidate)):
            return LATE
        if len(there) > len(here):
            return MISSING
        if len(there) < len(here):
            return DUPLICATE if there else EXTRA
        return STALE

    def _is_late(self, rows: Sequence[_Row]) -> bool:
        """Return whether one of the source's rows was written since the table was last read, by its cursor."""
        if self._subject.late is None:
            return False
        start, end = (_moment(bound) for bound in self._subject.late)
        return any(start <= (self._written(row) or "") < end for row in rows)

    def _has_changed(self, rows: Sequence[_Row], candidate: Candidate | None) -> bool:
        """Return whether the source has other rows of a key than at the first look."""
        if candidate is None or (self._subject.day_there and not candidate.there):  # it may have been in another day
            return False
        return (len(rows), sum(row.digest for row in rows)) != (candidate.there, candidate.seen)

    def _written(self, row: _Row) -> str | None:
        cursor = self._subject.cursor
        return None if cursor is None else row.values[self._subject.schema.columns.index(cursor)]

    def _differing(self, *sides: list[_Row]) -> Iterator[tuple[str, str | None, str | None]]:
        """Yield the columns in which a row differs, with both values."""
        there, here = (min((row.values for row in rows), key=repr) for rows in sides)
        for column, one, other in zip(self._columns, there, here, strict=True):
            if one != other:
                yield column.name, one and one[:KEPT_CHARACTERS], other and other[:KEPT_CHARACTERS]

    def _label(self, row: _Row) -> str:
        shown = self._places or range(len(self._columns))
        label = ", ".join(f"{self._columns[place].name}={brief(row.values[place])}" for place in shown)
        return label[:LABEL_CHARACTERS]

    def source_conditions(self, candidates: Sequence[Candidate]) -> list[str]:
        """Return conditions in MySQL's SQL that select the rows of some keys, each of few enough for one statement."""
        tests = [self._source_test(column) for column in self._subject.key]
        return [_any_of([one.key for one in batch], tests) for batch in _batches(candidates, KEYS_AT_ONCE)]

    def staged_conditions(self, candidates: Sequence[Candidate]) -> list[str]:
        """Return the same in Redshift's SQL, of keys that are just those."""
        tests = [_staged_test(column) for column in self._subject.key]

        def exactly(key: Key) -> str:
            sizes = (
                f"OCTET_LENGTH({identifier(column.target_name)}) = {len((text or '').encode())}"
                for column, text in zip(self._subject.key, key, strict=True)
                if column.redshift_type.startswith("VARCHAR")
            )
            return " AND ".join([_any_of([key], tests), *sizes])

        return [" OR ".join(f"({exactly(one.key)})" for one in batch) for batch in _batches(candidates, KEYS_AT_ONCE)]

    def _at_source(self, keys: Sequence[Key]) -> Iterator[_Row]:
        """Yield the source's rows of some keys, as they were at one moment."""
        compared, schema = comparable(self._subject.schema), self._subject.schema
        digest = AURORA.digest(compared)
        mask_key = mask_key_of(self._connection) if any(column.keyed for column in self._columns) else None
        if self._subject.key:
            wanted = _any_of(keys, [self._source_test(column) for column in self._subject.key])
        else:
            digits = (
                mysql_literal(f"{int(key[0] or 0):0{DIGEST_DIGITS}x}") for key in keys
            )  # as the source writes them
            wanted = f"{digest} IN ({', '.join(digits)})"
        where = " AND ".join(f"({one})" for one in (*self._subject.there, wanted))
        rows = mysql_relation(schema.database, schema.table, schema.query)
        for row in execute(self._connection, f"SELECT {digest}, {self._texts(AURORA)} FROM {rows} WHERE {where}"):
            yield self._row(row[1:], digest=int(row[0], 16), mask_key=mask_key)

    def _staged(self, keys: Sequence[Key]) -> list[_Row]:
        if self._subject.key:
            wanted = _any_of(keys, [_staged_test(column) for column in self._subject.key])
        else:
            digest = REDSHIFT.digest(comparable(self._subject.schema))
            wanted = f"{digest} IN ({', '.join(str(key[0]) for key in keys)})"
        own = f"{identifier(DAY)}, {identifier(LOADED_AT)}" if self._subject.has_days else "NULL, NULL"
        statement = (
            f"SELECT {own}, {self._texts(REDSHIFT)} FROM {self._subject.target.sql} "
            f"WHERE ({wanted}) AND ({self._subject.here})"
        )
        rows = self._warehouse.persist(lambda session: session.execute(statement).rows)
        return [self._row(row[2:], day=row[0], read_at=row[1]) for row in rows]

    def _texts(self, dialect: Dialect) -> str:
        return ", ".join(text for column in self._columns for text in dialect.texts(column))

    def _row(
        self,
        fields: Sequence[object],
        *,
        digest: int = 0,
        day: date | None = None,
        read_at: datetime | None = None,
        mask_key: MaskKey | None = None,
    ) -> _Row:
        """Return a row whose values came as the texts of `_texts`; with a key, as those that it is to hash."""
        texts = iter(fields)
        values = tuple(
            _value(column, [next(texts) for _ in AURORA.texts(column)], mask_key) for column in self._columns
        )
        return _Row(values, tuple(values[place] for place in self._places) or values, digest, day, read_at)

    def _source_test(self, column: Column) -> _Test:
        own = self._subject.source.column(column.name)  # which an index serves where it is read as it is
        name = own.read_as.format(mysql_identifier(own.name))
        if family(column) == "text" and own.charset not in _SINGLE:
            name = f"CONVERT({name} USING utf8mb4)"
        if family(column) == "float":
            name = f"{name} * 1e0"
        return _Test(name, partial(_source_literal, column))


@dataclass(frozen=True)
class _Test:
    """How a column is compared with a value: what stands on the left, and how the value's canonical text is written."""

    left: str
    written: Callable[[str], str]

    def of(self, text: str | None) -> str:
        return f"{self.left} IS NULL" if text is None else f"{self.left} = {self.written(text)}"

    def of_any(self, texts: Sequence[str | None]) -> str:
        values = [self.written(text) for text in texts if text is not None]
        tests = [f"{self.left} IN ({', '.join(values)})"] if values else []
        return " OR ".join([*tests, *([self.of(None)] if None in texts else [])])


def _batches(candidates: Sequence[Candidate], most: int) -> Iterator[list[Candidate]]:
    group: list[Candidate] = []
    size = 0
    for candidate in candidates:
        more = sum(len(text or "") for text in candidate.key)
        if group and (len(group) == most or size + more > KEY_BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(candidate)
        size += more
    if group:
        yield group


def _any_of(keys: Sequence[Key], tests: Sequence[_Test]) -> str:
    """Return the condition that a row has one of some keys: of one column a list, in which servers look up at once."""
    if len(tests) == 1:
        return tests[0].of_any([text for (text,) in keys])
    alternatives = (" AND ".join(test.of(text) for test, text in zip(tests, key, strict=True)) for key in keys)
    return " OR ".join(f"({one})" for one in alternatives)


def _source_literal(column: Column, text: str) -> str:
    match family(column):
        case "number" | "boolean":
            return text
        case "float":
            value = repr(float_of(text))
            return value if "e" in value else f"{value}e0"
        case "binary":
            return mysql_literal(bytes.fromhex(text))
    return mysql_literal(text)


def _staged_test(column: Column) -> _Test:
    name = identifier(column.target_name)
    match family(column):
        case "number":
            return _Test(name, str)
        case "text" | "date" | "moment":
            return _Test(name, literal)
    return _Test(staged_text(column), literal)


def _value(column: Column, pieces: Sequence[object], mask_key: MaskKey | None) -> str | None:
    if pieces[0] is None:
        return None
    if column.keyed and mask_key:
        return mask_key.hashed(pieces[0] if isinstance(pieces[0], bytes) else str(pieces[0]).encode())
    there = [piece for piece in pieces if piece is not None]
    text = "".join(piece.decode() if isinstance(piece, bytes) else str(piece) for piece in there)
    return canonical_text(text) if is_document(column) else text


def _moment(bound: date) -> str:
    return bound.isoformat(sep=" ", timespec="microseconds") if isinstance(bound, datetime) else bound.isoformat()
