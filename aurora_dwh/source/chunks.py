"""A large read in pieces: ranges of an index one after the other, each a SELECT of its own and soon over.

Where the last row of one piece lies tells where the next begins, so nothing is counted or skipped, and every piece is a
range of the index whatever it is made of. Each piece begins with the last row of the one before, which is not yielded
again: so it is the server that says that nothing lies between them. All pieces are read in one snapshot, on one
connection: a reader of Aurora gives no second connection the same snapshot (there is no lock that holds its changes
back).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema, fold
from aurora_dwh.source.discovery import PRIMARY, Index
from aurora_dwh.source.limits import named_key
from aurora_dwh.source.quoting import characters, identifier, literal
from aurora_dwh.source.statement import select

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 1_000_000
"""Rows of a piece where the catalog does not say: each takes a second or two, and all together a few percent more."""

_WORDS = frozenset({"char", "varchar"})
_ORDERED = _WORDS | frozenset(
    {
        *("tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"),
        *("binary", "varbinary", "date", "datetime", "timestamp"),
    }
)
"""Types whose literals compare with a column as its index is ordered. An ENUM's index is not in the order of its texts,
and the text of a FLOAT is not its value."""

_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8"})
"""Character sets whose texts arrive as the bytes that the column holds."""

Position = tuple[Any, ...]
"""Where in an index a row lies: the exact values of the index's columns."""


class Read(Protocol):
    """Reads the rows of a SELECT of a schema's columns, as `reader.read` does."""

    def __call__(
        self, statement: str, *, schema: TableSchema, is_first_known: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""


@dataclass(frozen=True)
class Keyset:
    """An index that rows are read along, and the columns that tell where in it a row lies."""

    index: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    @property
    def named(self) -> str:
        """The index and its columns, for messages."""
        return f"{self.index} ({', '.join(self.names)})"

    @property
    def exact(self) -> tuple[Column, ...]:
        """What is read for the exact values of the columns, in which no two keys are one.

        A text's bytes, where those are not UTF-8: several characters of cp932, for one, are the same in Unicode.
        """
        return tuple(_as_bytes(column) if _is_converted(column) else column for column in self.columns)

    @property
    def extra(self) -> tuple[Column, ...]:
        """What is read beside the table's columns, for `exact`."""
        return tuple(column for column in self.exact if column not in self.columns)

    def position(self, batch: pa.RecordBatch) -> Position:
        """Return where the last row of a batch lies."""
        return tuple(batch.column(column.target_name)[-1].as_py() for column in self.exact)

    def from_(self, position: Position) -> str:
        """Return the condition of the row at a position, and of those behind it."""
        return _from(self.names, self._literals(position), ">=")

    def behind(self, position: Position) -> str:
        """Return the condition of the rows behind a position."""
        return _from(self.names, self._literals(position), ">")

    def shown(self, position: Position) -> str:
        """Return a position as messages name it."""
        return named_key(dict(zip(self.names, position, strict=True)))

    def _literals(self, position: Position) -> list[str]:
        return [_literal(column, value) for column, value in zip(self.columns, position, strict=True)]


def primary_keyset(schema: TableSchema) -> Keyset | None:
    """Return the primary key as a way through the table, None where the rows that are read do not tell where to go on.

    That is so without a primary key, where a column of it is not copied or masked, and for types that no literal
    stands for in the index's order.
    """
    return _keyset(schema, PRIMARY, schema.primary_key)


def index_keyset(schema: TableSchema, index: Index) -> Keyset | None:
    """Return an index as a way through a range of its first column; each of its entries ends with the primary key.

    None as for `primary_keyset`, and where a column behind the first may be NULL. The first must not be NULL in the
    range.
    """
    names = {fold(name): name for name in (*index.columns, *schema.primary_key)}
    nullable = {column.target_name for column in schema.columns if column.nullable}
    if not schema.primary_key or nullable & {fold(name) for name in index.columns[1:]}:
        return None
    return _keyset(schema, index.name, tuple(names.values()))


def first_chunk(schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int) -> str:
    """Return the SELECT of the first piece."""
    return _select(_located(schema, keyset), where, keyset, rows)


def read_in_chunks(
    read: Read,
    schema: TableSchema,
    where: Sequence[str],
    keyset: Keyset,
    rows: int,
    between: Callable[[], Iterator[pa.RecordBatch]],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, piece by piece in the order of an index.

    Args:
        read: Reads the rows of a SELECT.
        schema: The columns.
        where: Conditions that the rows meet.
        keyset: What `primary_keyset` or `index_keyset` gives.
        rows: The most rows of a piece.
        between: Called between two pieces; what it yields is yielded too.

    Raises:
        DataError: The last row of a piece does not tell where it lies, or is not where the next piece begins.
    """
    located = _located(schema, keyset)
    names = schema.arrow_schema.names
    batches = read(_select(located, where, keyset, rows), schema=located)
    while True:
        taken, last = 0, None
        for batch in batches:
            taken += batch.num_rows
            last = keyset.position(batch)
            yield batch.select(names)
        if last is None or taken < rows:
            return
        begin = keyset.from_(_dated(schema, keyset, last))
        yield from between()
        batches = read(_select(located, [*where, begin], keyset, rows + 1), schema=located, is_first_known=True)
        known = next(batches, None)
        if known is None or keyset.position(known) != last:
            raise _unsteady(
                schema,
                f"the piece behind {keyset.shown(last)} did not begin there",
                "a `chunk_rows` of more rows than it has",
            )


def piece_conditions(
    read: Read, schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int, pieces: int
) -> list[str]:
    """Return conditions that part rows into so many ranges of a key, of even size; the key is walked once.

    Args:
        read: Reads the rows of a SELECT.
        schema: The columns.
        where: Conditions that the rows meet.
        keyset: The key.
        rows: How many rows meet them.
        pieces: How many ranges there are to be.

    Raises:
        DataError: The last row of a piece does not tell where it lies, or there are fewer rows than that.
    """
    keys = replace(schema, columns=keyset.exact)
    each = -(-rows // pieces)
    found: list[str] = []
    behind: list[str] = []
    for _ in range(-(-rows // each) - 1):
        statement = select(
            keys, where=[*where, *behind], order_by=keyset.names, limit=1, offset=each - 1, index=keyset.index
        )
        ends = [keyset.position(batch) for batch in read(statement, schema=keys)]
        if not ends:
            raise _unsteady(schema, f"{keyset.named} had fewer rows than were counted", "`extract: stream`")
        after = keyset.behind(_dated(schema, keyset, ends[0]))
        found.append(" AND ".join([*behind, f"NOT ({after})"]))
        behind = [f"({after})"]
    return [*found, " AND ".join(behind) or "TRUE"]


def _keyset(schema: TableSchema, index: str, names: Sequence[str]) -> Keyset | None:
    by_name = {column.target_name: column for column in schema.columns}
    columns = tuple(by_name[fold(name)] for name in names if fold(name) in by_name)
    usable = all(column.data_type in _ORDERED and column.read_as == "{0}" for column in columns)
    return Keyset(index, columns) if columns and usable and len(columns) == len(names) else None


def _located(schema: TableSchema, keyset: Keyset) -> TableSchema:
    """Return the schema with what is read beside the table's columns to tell where a row lies."""
    return replace(schema, columns=(*schema.columns, *keyset.extra))


def _select(schema: TableSchema, where: Sequence[str], keyset: Keyset, rows: int) -> str:
    return select(schema, where=where, order_by=keyset.names, limit=rows, index=keyset.index)


def _is_converted(column: Column) -> bool:
    """Return whether a column's values arrive as other bytes than it holds."""
    return column.data_type in _WORDS and column.charset not in _UTF8


def _as_bytes(column: Column) -> Column:
    source = identifier(column.name).replace("{", "{{").replace("}", "}}")
    name, read_as = f"_dwh_bytes_{column.target_name}", f"CAST({source} AS BINARY)"
    return Column(name, "varbinary", "varbinary", nullable=False, read_as=read_as)


def _literal(column: Column, value: Any) -> str:
    """Return a key's value as a literal that is that value exactly, and of the column's own type or character set."""
    if column.data_type in _WORDS:
        is_utf8 = column.charset in _UTF8
        return characters(value.encode() if is_utf8 else value, "utf8mb4" if is_utf8 else column.charset)
    return literal(Decimal(value) if column.data_type == "decimal" else value)  # one of many digits arrives as text


def _from(names: Sequence[str], values: Sequence[str], last: str) -> str:
    """Return the condition of the rows behind a key, in the form that MySQL serves by a range of the index.

    It does not so for `(a, b) > (x, y)` (MySQL 8.0 manual, "Range Optimization of Row Constructor Expressions").

    Args:
        names: The key's columns.
        values: Its values, as literals.
        last: How the last column compares: `>=` takes the row of the key itself, too.
    """
    name, value = identifier(names[0]), values[0]
    if len(names) == 1:
        return f"{name} {last} {value}"
    return f"{name} >= {value} AND ({name} > {value} OR ({_from(names[1:], values[1:], last)}))"


def _dated(schema: TableSchema, keyset: Keyset, position: Position) -> Position:
    """Return a position; refuse one that is none, as a date of it is not in the calendar."""
    if None in position:
        raise DataError(
            f"table {schema.database}.{schema.table}: a row whose {', '.join(keyset.names)} holds a date that the "
            "calendar does not have ends a piece of the table, so that the next cannot be found; mend such rows, or "
            "set `zero_dates: text` where the date is in the key, or a larger `chunk_rows`"
        )
    return position


def _unsteady(schema: TableSchema, what: str, remedy: str) -> DataError:
    return DataError(
        f"table {schema.database}.{schema.table}: it is read in pieces along its key, and {what}; a `filter` must "
        f"select the same rows each time that the server is asked (no RAND(), no NOW()); mend it, or set {remedy}"
    )
