"""The lake read as tables, without Redshift: the latest version of each row, or what some days brought.

DuckDB reads the parts by range, only the columns that are asked for, and spills what memory does not hold. Of versions
of a row the latest is the one that `warehouse.statements.pick_newest` says: of the later reading, then of the greater
cursor, then of the later day.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aurora_dwh.core.models import DataError, Manifest, wall_clock
from aurora_dwh.core.schema import fold

if TYPE_CHECKING:
    from aurora_dwh.lake.gone import Gone
    from aurora_dwh.lake.store import Lake

T = TypeVar("T")
Days = date | str | tuple[date | str, date | str]
"""A day, or the first and the last day of a range; as text `2024-01-05`, or `2024-01-01...2024-01-31`."""

LAKE, LATEST = "lake", "latest"
"""What SQL calls the rows that some days brought, and the latest version of each row that there is. The latter has no
days: where days are read late, a row that was written again since lies in a later day than they."""

_RANGE = "..."


class QueryError(DataError):
    """SQL that cannot be run on the lake."""


@overload
def read(table: str, *, as_of: date | datetime | None = ..., days: Days | None = ..., folder: str = ...) -> Any: ...


@overload
def read(
    table: str, kind: type[T], *, as_of: date | datetime | None = ..., days: Days | None = ..., folder: str = ...
) -> T: ...


def read(
    table: str, kind: Any = None, *, as_of: date | datetime | None = None, days: Days | None = None, folder: str = ""
) -> Any:
    """Return the latest version of each row of a table, from the lake that the environment names.

    Rows that a proof read again are among them, and rows that it found to be gone from the source are not. A table that
    is copied whole is as its last reading saw it; one of mode append has the rows of all its days.

    Args:
        table: The table's name in the lake: that of the source's table, or of an asset.
        kind: What the rows are wanted as: `duckdb.DuckDBPyRelation`, `pyarrow.Table`, `pandas.DataFrame`,
            `polars.DataFrame` or `polars.LazyFrame`; without it a `pyarrow.RecordBatchReader`, read a batch at a time.
        as_of: A day, at whose end the table is wanted; or an aware moment, after which no reading counts. Days that
            were read later, or again, are as they were read then: a row that was written since lies in a later day.
        days: Only rows that these days brought, both ends of a range included.
        folder: The folder in the lake; without it the one named as the source's database.

    Raises:
        MissingDayError: The lake has nothing of the table, or not of that time.
        ConfigError: Variables are missing or wrong.
        FrameError: DuckDB is not installed, or rows cannot be given as that kind.
    """
    import pyarrow as pa

    from aurora_dwh.core.frames import frame, name_of
    from aurora_dwh.lake.factory import open_lake

    found = Query(open_lake(folder=folder)).table(table, as_of=as_of, days=days)
    if name_of(kind) == "duckdb.DuckDBPyRelation":
        return found
    rows = pa.RecordBatchReader.from_stream(found)
    return rows if kind is None else frame(rows, kind)


def span(days: Days) -> tuple[date, date]:
    """Return the first and the last of some days; raises QueryError where they are none."""
    if isinstance(days, str) and _RANGE in days:
        first, _, last = days.partition(_RANGE)
        days = (first, last)
    ends = days if isinstance(days, tuple) else (days, days)
    try:
        start, end = (one if isinstance(one, date) else date.fromisoformat(one) for one in ends)
    except ValueError:
        raise QueryError(f"{days!r} is not days; write YYYY-MM-DD, or A...B for a range") from None
    if end < start:
        raise QueryError(f"{days!r} ends before it begins")
    return start, end


@dataclass
class Query:
    """A DuckDB in which tables of the lake can be asked for."""

    lake: Lake
    connection: Any = field(init=False)  # DuckDB's
    _sizes: dict[str, int] = field(init=False, default_factory=dict)
    _numbers: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        from aurora_dwh.core.frames import duckdb_connection
        from aurora_dwh.lake.remote import file_system

        self.connection = duckdb_connection()
        self.connection.register_filesystem(file_system(self.lake.client, self.lake.layout.bucket, self._sizes))

    def table(self, table: str, *, as_of: date | datetime | None = None, days: Days | None = None) -> Any:
        """Return the latest version of each row as a relation, as `read` has it."""
        return self.connection.sql(self.select(table, as_of=as_of, days=days))

    def select(self, table: str, *, as_of: date | datetime | None = None, days: Days | None = None) -> str:
        """Return the SELECT of the latest version of each row; raises MissingDayError where the lake has none."""
        from aurora_dwh.lake.store import MissingDayError

        if isinstance(as_of, datetime) and as_of.tzinfo is None:
            raise QueryError(f"as_of={as_of} has no time zone; give a day, or an aware moment")
        first, last = (date.min, date.max) if days is None else span(days)
        if as_of is not None and not isinstance(as_of, datetime):
            last = min(last, as_of)
        known = [m for m in self.lake.all(table, first, last) if _is_read_by(m.snapshot_at, as_of)]
        if not known:
            where = self.lake.layout.url(self.lake.layout.table(table))
            told = "" if days is None and as_of is None else f" of {days if days is not None else f'as of {as_of}'}"
            gone = self.lake.told_pruned(table, [day for day in self.lake.pruned(table) if first <= day <= last])
            raise MissingDayError(f"lake/{table}: nothing{told} is under {where}{gone}; materialize it first")
        return self._latest(table, known, as_of, is_part=days is not None)

    def sql(self, query: str, *, days: Days | None = None) -> Any:
        """Return the rows of a SELECT on the lake as a relation.

        Args:
            query: SQL of DuckDB. `lake.<table>` are the latest versions of the rows that the days brought, and
                `latest.<table>` those of all rows that there are.
            days: The days; without them all.

        Raises:
            QueryError: The SQL cannot be read or run.
            MissingDayError: The lake has nothing of a table, or not of these days.
        """
        for schema, table in inputs(query):
            found = self.select(table, days=days if schema == LAKE else None)
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            self.connection.execute(f"CREATE OR REPLACE VIEW {schema}.{_quoted(table)} AS {found}")
        with spoken():
            return self.connection.sql(query)

    def _latest(self, table: str, known: Sequence[Manifest], as_of: date | datetime | None, *, is_part: bool) -> str:
        last = max(known, key=lambda m: (m.snapshot_at, m.day))
        mode, _, _ = _shape(last)
        if mode == "full":
            return self._rows([last], last)
        rows = f"({self._rows(known, last)})"
        if mode == "incremental":
            rows = self._newest(table, rows, last, as_of, is_part=is_part)
        gone: dict[tuple[str, ...], list[Gone]] = {}
        for one in self.lake.gone(table):
            if _is_read_by(one.at, as_of):
                gone.setdefault(tuple(one.columns), []).append(one)
        for columns, records in gone.items():
            same = " AND ".join(f"g.{name} = r.{name}" for name in map(_quoted, columns))
            at = 'r."_dwh_loaded_at" <= g."_dwh_loaded_at"'
            rows = f"(FROM {rows} r ANTI JOIN {self._gone(columns, records, last)} g ON {same} AND {at})"
        return f"FROM {rows}"

    def _newest(self, table: str, rows: str, last: Manifest, as_of: date | datetime | None, *, is_part: bool) -> str:
        """Return the latest version of each of the rows of some days, in brackets; repairs are among the versions."""
        _, key, cursor = _shape(last)
        names = ", ".join(map(_quoted, key))
        if repairs := [m for m in self.lake.repairs(table) if _is_read_by(m.snapshot_at, as_of)]:
            again = f"({self._rows(repairs, last)})"
            if is_part or (as_of is not None and not isinstance(as_of, datetime)):  # of no other rows than the days'
                again = f"(FROM {again} r SEMI JOIN {rows} d USING ({names}))"
            rows = f"(FROM {rows} UNION ALL BY NAME FROM {again})"
        by_cursor = f"{_quoted(cursor)} DESC NULLS LAST, " if cursor else ""
        newest = f'"_dwh_loaded_at" DESC, {by_cursor}"_dwh_day" DESC'
        return f"(FROM {rows} QUALIFY ROW_NUMBER() OVER (PARTITION BY {names} ORDER BY {newest}) = 1)"

    def _rows(self, manifests: Sequence[Manifest], last: Manifest) -> str:
        """Return the SELECT of all rows of some days, with the columns of all of them, also where there are no rows."""
        from aurora_dwh.lake.contents import merged
        from aurora_dwh.lake.parquet import own_columns
        from aurora_dwh.lake.remote import addresses

        whole = merged([own_columns(m.schema.arrow_schema) for m in (last, *manifests)])
        selects = [f"FROM {self._copied(whole.empty_table())}"]
        own: list[str] = []
        for manifest in manifests:
            keys = [self.lake.layout.key(part.url) for part in manifest.parts]
            if manifest.files == "csv":
                if keys:
                    selects.append(f"FROM {self._copied(self.lake.reader([manifest]))}")
                continue
            self._sizes.update(zip(keys, (part.size for part in manifest.parts), strict=True))
            if manifest.written_day == manifest.day:
                own += addresses(keys)
            elif keys:
                selects.append(f"SELECT * REPLACE (DATE '{manifest.day}' AS _dwh_day) {_parquet(addresses(keys))}")
        if own:
            selects.append(_parquet(own))
        return " UNION ALL BY NAME ".join(selects)

    def _copied(self, rows: Any) -> str:
        """Return the name of a table in DuckDB with rows that can be read once."""
        name = f"given_{next(self._numbers)}"
        self.connection.register(f"{name}_rows", rows)
        self.connection.execute(f"CREATE TEMP TABLE {name} AS FROM {name}_rows")
        self.connection.unregister(f"{name}_rows")
        return name

    def _gone(self, columns: Sequence[str], records: Sequence[Gone], last: Manifest) -> str:
        """Return the name of a table with the keys of rows that are gone, as values of their columns."""
        import pyarrow as pa

        texts = [(*key, wall_clock(one.at)) for one in records for key in one.keys]
        kinds = [*[pa.string()] * len(columns), pa.timestamp("us")]
        given = self._copied(
            pa.table(
                [pa.array(values, kind) for values, kind in zip(zip(*texts, strict=True), kinds, strict=True)],
                names=[*columns, "_dwh_loaded_at"],
            )
        )
        of_lake = self._copied(last.schema.arrow_schema.empty_table())
        binary = [c.target_name for c in last.schema.columns if pa.types.is_binary(c.arrow_type)]
        values = [f"from_hex({_quoted(name)})" if name in binary else _quoted(name) for name in columns]
        names, at = ", ".join(map(_quoted, columns)), '"_dwh_loaded_at"'
        name = f"gone_{next(self._numbers)}"
        self.connection.execute(f"CREATE TEMP TABLE {name} AS SELECT {names}, TIMESTAMP 'epoch' AS {at} FROM {of_lake}")
        self.connection.execute(f"INSERT INTO {name} SELECT {', '.join(values)}, max({at}) FROM {given} GROUP BY ALL")
        return name


@contextmanager
def spoken() -> Iterator[None]:
    """Turn DuckDB's errors, which refused SQL or could not run it, into a QueryError."""
    from aurora_dwh.core.frames import required

    try:
        yield
    except required("duckdb").Error as error:
        raise QueryError(str(error)) from error


def inputs(query: str) -> list[tuple[str, str]]:
    """Return the tables of the lake that a SELECT reads, by schema and name; raises QueryError where it is none."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError

    try:
        tree = sqlglot.parse_one(query, read="duckdb")
    except ParseError as error:
        where = error.errors[0]
        raise QueryError(
            f"the SQL cannot be read: {where['description']} (line {where['line']}, column {where['col']})"
        ) from error
    found = {(table.db, table.name) for table in tree.find_all(exp.Table)}
    return sorted((schema, table) for schema, table in found if schema in (LAKE, LATEST))


def _shape(manifest: Manifest) -> tuple[str, list[str], str | None]:
    """Return a table's mode, key and cursor, as its latest reading has them."""
    rules = manifest.rules
    if rules is None:  # an earlier version wrote it
        key = [fold(name) for name in manifest.schema.primary_key]
        return ("incremental" if key else "append"), key, None
    return rules.mode, [*rules.key], rules.cursor


def _is_read_by(at: datetime, as_of: date | datetime | None) -> bool:
    return not isinstance(as_of, datetime) or at <= as_of


def _parquet(files: Sequence[str]) -> str:
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return f"FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
