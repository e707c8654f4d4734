"""The text of every statement of a load and of a removal, one function for each; nothing is executed here.

Each is valid on Amazon Redshift: no alias on the target of a DELETE, no ON CONFLICT, COPY of Parquet with none of the
options that it refuses, and a column list, because COPY maps a file's columns by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from aurora_dwh.core.rules import rebuild_anew
from aurora_dwh.core.schema import CSV_NULL, Column, FileFormat, TableSchema
from aurora_dwh.warehouse.sql import beside, identifier, identifiers, literal, qualified, role

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

STAGE = "dwh_stage"
FRESH = "dwh_fresh"
"""Temporary tables: what COPY loaded, and the rows of it that are newest and newer than the target's."""

DAY = "_dwh_day"
LOADED_AT = "_dwh_loaded_at"
OWN_COLUMNS = ((DAY, "DATE"), (LOADED_AT, "TIMESTAMP"))
"""The product's own columns behind the source's: the day that brought the row, and when (UTC, by the source's clock)
the row was read from the source."""

DELETED = "_dwh_deleted"
DELETED_TYPE = "BOOLEAN DEFAULT FALSE NOT NULL"
"""Where deletes are flagged, the column that says that a row is gone from the source; what a load inserts is FALSE."""

_IS_NEW = "_dwh_is_new"
_IS_ALIKE = "_dwh_is_alike"
_OLD = "_dwh_old"
_COPIES = "_dwh_copies"
_RANK = "_dwh_rank"
_LENGTH = "_dwh_length"
_NO_CURSOR = "'0001-01-01 00:00:00'"


@dataclass(frozen=True)
class Target:
    """A staging table and what the load must know of it."""

    schema_name: str  # Redshift schema
    name: str  # table name in Redshift
    key: tuple[str, ...] = ()  # key columns; empty where the table has none
    cursor: str | None = None  # cursor column, None where the table has none
    dist_key: str | None = None  # distribution key, None leaves the choice to Redshift
    sort_key: tuple[str, ...] = ()  # sort key columns, empty leaves the choice to Redshift
    frozen: bool = False  # whether the columns stay as they are, whatever the source's become
    flags_deletes: bool = False  # whether rows that are gone from the source stay and are flagged
    is_computed: bool = False  # whether an asset of Dagster computes the rows, so that Aurora has none of them

    @property
    def own_columns(self) -> tuple[tuple[str, str], ...]:
        """The product's own columns of this table, with their types as DDL writes them."""
        return (*OWN_COLUMNS, (DELETED, DELETED_TYPE)) if self.flags_deletes else OWN_COLUMNS

    @property
    def bound(self) -> str:
        """The column whose range bounds what Redshift reads to find rows: the cursor where rows are sorted by it.

        Else the day that brought a row, since rows lie in the order in which they were loaded.
        """
        is_sorted = self.cursor is not None and self.sort_key[:1] == (self.cursor,)
        return self.cursor if self.cursor is not None and is_sorted else DAY

    @property
    def twin(self) -> Target:
        """The table that a rebuild makes beside this one and puts in its place."""
        return replace(self, name=beside(self.name, "__rebuild"))

    def rebuild_anew(self, table: str) -> str:
        """Return the command that makes the table of rows that are read, or computed, again."""
        return rebuild_anew(table, is_computed=self.is_computed)

    def filter_rows(self, condition: str = "") -> str:
        """Return what leaves rows out that cannot be loaded, by a condition that is true of the others, if one is."""
        if self.is_computed:
            return "leave such rows out where they are computed"
        return f"leave such rows out with `filter: {condition}`" if condition else "leave rows out with `filter`"

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema_name, self.name)

    @property
    def label(self) -> str:
        """The name as people write it, which is also its name in the audit tables."""
        return f"{self.schema_name}.{self.name}"


def staging_target(table: Table, schema: str) -> Target:
    """Return a catalog table's staging table."""
    return Target(
        schema_name=schema,
        name=table.target,
        key=tuple(map(table.copied, table.key)),
        cursor=table.cursor and table.copied(table.cursor),
        dist_key=table.dist_key and table.copied(table.dist_key),
        sort_key=tuple(map(table.copied, table.effective_sort_key)),
        frozen=table.on_drift == "freeze",
        flags_deletes=table.deletes == "flag",
        is_computed=table.is_computed,
    )


def texts_of(target: Target, schema: TableSchema) -> list[str]:
    """Return the key columns that are a VARCHAR, in which blanks at the end may matter."""
    return [name for name in target.key if schema.column(name).stage_type.startswith("VARCHAR")]


def create_table(target: Target, schema: TableSchema) -> str:
    """Return the staging table's DDL. Only key columns are NOT NULL: a policy may turn a zero date into NULL."""
    keys = {identifier(name) for name in target.key}
    columns = [
        f"{identifier(c.target_name)} {c.redshift_type}{' NOT NULL' if identifier(c.target_name) in keys else ''}"
        for c in schema.columns
    ]
    columns += [f"{identifier(name)} {kind}" for name, kind in target.own_columns]
    dist = f"DISTSTYLE KEY DISTKEY ({identifier(target.dist_key)})" if target.dist_key else "DISTSTYLE AUTO"
    sort = f"COMPOUND SORTKEY ({identifiers(target.sort_key)})" if target.sort_key else "SORTKEY AUTO"
    body = ",\n  ".join(columns)
    return f"CREATE TABLE {target.sql} (\n  {body}\n)\n{dist}\n{sort}"


def add_column(target: Target, column: Column) -> str:
    """Return the statement that adds a column; Redshift puts it last."""
    return f"ALTER TABLE {target.sql} ADD COLUMN {identifier(column.target_name)} {column.redshift_type}"


def add_deleted(target: Target) -> str:
    """Return the statement that adds the flag of deleted rows, FALSE in every row that is there."""
    return f"ALTER TABLE {target.sql} ADD COLUMN {identifier(DELETED)} {DELETED_TYPE}"


def widen_column(target: Target, column: Column) -> str:
    """Return the statement that widens a VARCHAR; it must run outside a transaction."""
    return f"ALTER TABLE {target.sql} ALTER COLUMN {identifier(column.target_name)} TYPE {column.redshift_type}"


def create_stage(schema: TableSchema, files: FileFormat = "parquet") -> str:
    """Return the DDL of the temporary table, with the types that COPY loads the files' columns into."""
    columns = [f"{identifier(c.target_name)} {c.stage_type_of(files)}" for c in schema.columns]
    columns += [f"{identifier(name)} {kind}" for name, kind in OWN_COLUMNS]
    return f"CREATE TEMP TABLE {identifier(STAGE)} ({', '.join(columns)})"


def copy(schema: TableSchema, manifest_url: str, iam_role: str, files: FileFormat = "parquet") -> str:
    """Return the COPY of a manifest's files into the stage, by the role `default` or an ARN."""
    names = identifiers([*(c.target_name for c in schema.columns), *(name for name, _ in OWN_COLUMNS)])
    kind = "PARQUET" if files == "parquet" else f"CSV NULL AS {literal(CSV_NULL)}"
    source = f"{literal(manifest_url)} IAM_ROLE {role(iam_role)}"
    return f"COPY {identifier(STAGE)} ({names}) FROM {source} FORMAT AS {kind} MANIFEST"


def staged(schema: TableSchema, files: FileFormat = "parquet") -> str:
    """Return what stands behind FROM for the rows on the stage; it needs an alias."""
    values = {identifier(c.target_name): c.staged_value(identifier(c.target_name), files) for c in schema.columns}
    if all(name == value for name, value in values.items()):
        return identifier(STAGE)
    listed = [name if name == value else f"{value} AS {name}" for name, value in values.items()]
    own = identifiers(name for name, _ in OWN_COLUMNS)
    return f"(SELECT {', '.join(listed)}, {own} FROM {identifier(STAGE)})"


COPY_COUNT = "SELECT pg_last_copy_count()"


def set_day(day: date) -> str:
    """Return the UPDATE that makes the rows on the stage those of a day, where another one of their reading is."""
    return f"UPDATE {identifier(STAGE)} SET {identifier(DAY)} = {literal(day.isoformat())}"


def pick_newest(target: Target, texts: Sequence[str] = (), source: str = f'"{STAGE}"') -> str:
    """Return the statement that keeps, of `staged` rows, one a key: the newest, unless the target's is newer still.

    Newer is the later reading, since each is of one moment of the source; of a row that one reading brings in several
    days, the greater cursor (NULL is the least), then the later day. So the order of loads does not matter, nor does it
    that a cursor may go back: clocks are set back, a row is restored, an UPDATE waited for a lock with its time already
    taken. A row flagged as deleted yields to any reading later than the one that missed it, and to no other.
    Two rows of one day with one key are two rows of the source, which the key does not tell apart: they are kept, with
    their number. Keys that are alike but for blanks at the end of `texts` are one to Redshift and not to MySQL: a mark
    says so. The target is read once, and by an inner join: the few keys go to where its rows lie, and its rows to
    nowhere.
    """
    read, day = identifier(LOADED_AT), identifier(DAY)
    newest, as_new = f"s.{day} DESC", f"s.{day} >= t.{day}"
    if target.cursor is not None:
        cursor = identifier(target.cursor)
        newest = f"s.{cursor} DESC NULLS LAST, {newest}"
        old, new = f"COALESCE(t.{cursor}, {_NO_CURSOR})", f"COALESCE(s.{cursor}, {_NO_CURSOR})"
        as_new = f"({new} > {old} OR ({new} = {old} AND {as_new}))"
    newest = f"s.{read} DESC, {newest}"
    not_older = f"s.{read} > t.{read} OR (s.{read} = t.{read} AND {as_new})"
    if target.flags_deletes:
        not_older = f"CASE WHEN t.{identifier(DELETED)} THEN s.{read} > t.{read} ELSE {not_older} END"
    first, key, alike = identifier(target.key[0]), identifiers(target.key, of="s"), _alike(texts)
    is_kept = f"s.{identifier(_RANK)} = 1 AND (t.{first} IS NULL OR {not_older}{f' OR {alike}' if texts else ''})"
    return (
        f"CREATE TEMP TABLE {identifier(FRESH)} AS\n"
        f"SELECT s.*, t.{first} IS NULL AS {identifier(_IS_NEW)}, "
        f"t.{identifier(target.bound)} AS {identifier(_OLD)}, "
        f"{alike} AS {identifier(_IS_ALIKE)}\n"
        f"FROM (\n"
        f"  SELECT s.*, ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {newest}) AS {identifier(_RANK)},\n"
        f"    COUNT(*) OVER (PARTITION BY {key}, s.{day}) AS {identifier(_COPIES)}"
        f"{_lengths(key, texts)}\n"
        f"  FROM {source} s\n"
        f") s\n"
        f"LEFT JOIN (\n"
        f"  SELECT {_compared(target)}\n"
        f"  FROM {target.sql} t\n"
        f"  JOIN {distinct_keys(target.key, source)} k ON {same_key(target.key, 't', 'k')}\n"
        f") t ON {same_key(target.key, 's', 't')}\n"
        f"WHERE {is_kept} OR s.{identifier(_COPIES)} > 1"
    )


def _compared(target: Target) -> str:
    """Return the columns of the target by which one of its rows is found and weighed against a staged one."""
    weighed = [LOADED_AT, DAY, *([target.cursor] if target.cursor else []), *([DELETED] * target.flags_deletes)]
    return ", ".join(dict.fromkeys(f"t.{identifier(name)}" for name in (*target.key, *weighed)))


def distinct_keys(key: Sequence[str], source: str) -> str:
    """Return the subquery of the keys of staged rows, each once; it needs an alias. For `source` see `staged`."""
    return f"(SELECT DISTINCT {identifiers(key)} FROM {source} r)"


def count_fresh(target: Target) -> str:
    """Return the query for a day's rows that the load will insert, will update, and that cannot be in the table.

    The latter are, in this order, those that lack a part of their key, those whose key another one resembles but for
    blanks at the end, and those that have their key in common. Behind them is the range of `Target.bound` in the rows
    of the target that are replaced; NULL where one of them has no value.
    """
    day, new, old = identifier(DAY), identifier(_IS_NEW), identifier(_OLD)
    counts = [f"SUM(CASE WHEN {one} THEN 1 ELSE 0 END)" for one in (new, f"NOT {new}", *_unfit(target))]
    ends = [f"CASE WHEN COUNT({old}) = {counts[1]} THEN {end}({old}) END" for end in ("MIN", "MAX")]
    return f"SELECT {day}, {', '.join([*counts, *ends])} FROM {identifier(FRESH)} GROUP BY {day}"


def unfit_rows(target: Target, number: int, shown: Sequence[str]) -> str:
    """Return the query for a few rows that cannot be in the table, by the number of `count_fresh`'s reason."""
    names = identifiers(shown)
    return f"SELECT DISTINCT {names} FROM {identifier(FRESH)} WHERE {_unfit(target)[number]} ORDER BY {names} LIMIT 3"


def _unfit(target: Target) -> tuple[str, str, str]:
    return lacks_key(target.key), identifier(_IS_ALIKE), f"{identifier(_COPIES)} > 1"


def lacks_key(key: Sequence[str]) -> str:
    """Return the condition that a row lacks a part of its key."""
    return " OR ".join(f"{identifier(name)} IS NULL" for name in key)


def rows_without_key(key: Sequence[str], shown: Sequence[str], source: str) -> str:
    """Return the query for a few of the rows of `staged` that lack a part of their key."""
    names = identifiers(shown)
    return f"SELECT {names} FROM {source} s WHERE {lacks_key(key)} ORDER BY {names} LIMIT 3"


def delete_replaced(target: Target, span: tuple[date, date] | None) -> str:
    """Return the DELETE of the target's rows that newer ones replace, whose `Target.bound` lies in a span that is told.

    Redshift knows of each block the least and the greatest value of a column (its zone maps), so that it then reads few
    blocks for rows that changed lately.
    """
    fresh, column = identifier(FRESH), f"{target.sql}.{identifier(target.bound)}"
    within = f" AND {column} BETWEEN {literal(span[0])} AND {literal(span[1])}" if span else ""
    return f"DELETE FROM {target.sql} USING {fresh} WHERE {same_key(target.key, target.sql, fresh)}{within}"


def count_lost(target: Target, columns: Sequence[str], replaced: str = "") -> str:
    """Return the query for how many values of columns go with replaced rows, which SQL behind the name selects."""
    counts = ", ".join(f"COUNT({target.sql}.{identifier(name)})" for name in columns)
    return f"SELECT {counts} FROM {target.sql}{replaced and f' {replaced}'}"


def replaced_by_fresh(target: Target) -> str:
    """Return the JOIN that leaves the target's rows which `delete_replaced` deletes."""
    fresh = identifier(FRESH)
    return f"JOIN {fresh} ON {same_key(target.key, target.sql, fresh)}"


def delete_days(target: Target, days: Iterable[str]) -> str:
    """Return the DELETE of whole days, which an append table replaces as units."""
    return f"DELETE FROM {target.sql} {of_days(days)}"


def delete_all(target: Target) -> str:
    """Return the DELETE of every row; TRUNCATE would commit the transaction."""
    return f"DELETE FROM {target.sql}"


def insert(target: Target, schema: TableSchema, source: str, files: FileFormat = "parquet") -> str:
    """Return the INSERT from `STAGE` or `FRESH`, each column turned from its stage type into its own."""
    own = [name for name, _ in OWN_COLUMNS]
    names = identifiers([*(c.target_name for c in schema.columns), *own])
    rows = staged(schema, files) if source == STAGE else identifier(source)
    values = [c.rule.load.format(identifier(c.target_name)) for c in schema.columns] + [
        identifier(name) for name in own
    ]
    return f"INSERT INTO {target.sql} ({names}) SELECT {', '.join(values)} FROM {rows} s"


def of_days(days: Iterable[str]) -> str:
    """Return the condition that a row is of one of the days."""
    return f"WHERE {identifier(DAY)} IN ({', '.join(literal(day) for day in days)})"


def delete_rows(target: Target, condition: str, at: datetime) -> str:
    """Return the DELETE of rows that were gone from the source at a moment; those that were read later stay."""
    return f"DELETE FROM {target.sql} WHERE ({condition}) AND {_read_by(at)}"


def flag_rows(target: Target, condition: str, at: datetime) -> str:
    """Return the UPDATE that flags such rows; they then count as read when their absence was."""
    return (
        f"UPDATE {target.sql} SET {identifier(DELETED)} = TRUE, {identifier(LOADED_AT)} = {literal(at)} "
        f"WHERE ({condition}) AND {_read_by(at)} AND NOT {identifier(DELETED)}"
    )


def _read_by(at: datetime) -> str:
    return f"{identifier(LOADED_AT)} <= {literal(at)}"


def exact_key(key: Sequence[str], texts: Sequence[str], left: str, right: str) -> str:
    """Return the condition that two rows have one key in MySQL's sense, to which blanks at the end may matter."""
    sizes = (
        f" AND OCTET_LENGTH({left}.{identifier(name)}) = OCTET_LENGTH({right}.{identifier(name)})" for name in texts
    )
    return same_key(key, left, right) + "".join(sizes)


def same_key(key: Sequence[str], left: str, right: str) -> str:
    """Return the condition that two rows have one key in Redshift's sense."""
    return " AND ".join(f"{left}.{identifier(name)} = {right}.{identifier(name)}" for name in key)


def _lengths(key: str, texts: Sequence[str]) -> str:
    """Return columns with the shortest and longest form in which the stage has each text of a key."""
    return "".join(
        f",\n    {of}(OCTET_LENGTH(s.{identifier(name)})) OVER (PARTITION BY {key}) AS {_length(of, number)}"
        for number, name in enumerate(texts)
        for of in ("MIN", "MAX")
    )


def _alike(texts: Sequence[str]) -> str:
    """Return the condition that a key's text has another length in another row of the stage, or in the target."""
    tests = [
        f"s.{_length('MIN', number)} <> s.{_length('MAX', number)}"
        f" OR COALESCE(OCTET_LENGTH(s.{identifier(name)}) <> OCTET_LENGTH(t.{identifier(name)}), FALSE)"
        for number, name in enumerate(texts)
    ]
    return "(" + " OR ".join(tests) + ")" if tests else "FALSE"


def _length(of: str, number: int) -> str:
    return identifier(f"{_LENGTH}_{of.lower()}_{number}")
