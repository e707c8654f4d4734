"""CREATE TABLE in all its forms, as PostgreSQL statements.

Belongs here: column definitions, keys and table attributes, LIKE, CREATE TABLE AS. Constraints that Redshift does not
enforce are taken out and recorded; what it does not know is refused. Does not belong here: ALTER TABLE, the query of a
CREATE TABLE AS.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error, unsupported
from aurora_dwh.local.redshift.names import FORBIDDEN_COLUMNS, RESERVED, physical
from aurora_dwh.local.redshift.plans import Script
from aurora_dwh.local.redshift.sqltext import Name, Sql, name_list, quote, read_name
from aurora_dwh.local.redshift.types import byte_check, read_type
from aurora_dwh.local.redshift.upstream import literal

ENCODINGS = frozenset(
    [
        "AUTO",
        "AZ64",
        "BYTEDICT",
        "DELTA",
        "DELTA32K",
        "LZO",
        "MOSTLY8",
        "MOSTLY16",
        "MOSTLY32",
        "RAW",
        "RUNLENGTH",
        "TEXT255",
        "TEXT32K",
        "ZSTD",
    ]
)
MAX_INTERLEAVED = 8
DISTSTYLES = frozenset({"AUTO", "EVEN", "KEY", "ALL"})


@dataclass
class Table:
    """A CREATE TABLE as it is read."""

    name: Name
    temporary: bool
    if_not_exists: bool
    columns: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The quoted name of the table."""
        return self.name.sql

    def declare(self, constraint: dict[str, Any]) -> None:
        """Notes a constraint that Redshift accepts and does not enforce."""
        self.attributes.setdefault("declared", []).append(constraint)

    def record(self) -> str:
        """The statement that notes the table's attributes."""
        noted = json.dumps({"keep" if self.if_not_exists else "new": True, **self.attributes})
        parent = f"to_regclass({literal(self.attributes.get('like'))})"
        return f"SELECT pg_standin.record(to_regclass({literal(self.target)}), {literal(noted)}::jsonb, {parent})"


def create_table(sql: Sql, rewrite: Callable[[str], str]) -> Script:
    """Returns the plan of a CREATE TABLE; ``rewrite`` turns a query or an expression into PostgreSQL's.

    Raises:
        RedshiftError: Redshift would refuse the statement.
    """
    table, index = _head(sql)
    if sql[index].text == "(" and not _is_query(sql, index):
        close = sql.close(index)
        for start, end in sql.split(index + 1, close):
            _definition(sql, start, end, table, rewrite)
        tail = read_attributes(sql, close + 1, table)
        if sql.at(tail, "AS"):
            raise syntax_error("AS")
        _end(sql, tail)
        return _plain(table)
    columns = ""
    if sql[index].text == "(":
        columns = f" ({', '.join(quote(physical(n)) for n in name_list(sql, index))})"
        index = sql.close(index) + 1
    index = read_attributes(sql, index, table)
    if not sql.at(index, "AS"):
        raise syntax_error(sql[index].text)
    if table.if_not_exists:
        raise syntax_error("NOT")
    return as_select(table, rewrite(sql.rest(index + 1)), columns)


def as_select(table: Table, query: str, columns: str = "") -> Script:
    """Returns the plan of a CREATE TABLE AS or SELECT INTO whose query is PostgreSQL's already."""
    kind = "TEMP TABLE" if table.temporary else "TABLE"
    return Script(
        (
            f"CREATE {kind} {table.target}{columns} AS {query}",
            f"SELECT pg_standin.finish_table({literal(table.target)}::regclass)",
            table.record(),
        ),
        "SELECT",
    )


def _plain(table: Table) -> Script:
    kind = "TEMP TABLE" if table.temporary else "TABLE"
    exists = "IF NOT EXISTS " if table.if_not_exists else ""
    create = f"CREATE {kind} {exists}{table.target} ({', '.join(table.columns)})"
    return Script((create, table.record()), "CREATE TABLE")


def _head(sql: Sql) -> tuple[Table, int]:
    index, temporary = 1, False
    if sql.at(index, "OR"):
        raise syntax_error("TABLE")
    if sql.at(index, "LOCAL"):
        index += 1
    if sql.upper(index) in ("TEMP", "TEMPORARY"):
        temporary, index = True, index + 1
    index += 1  # TABLE
    exists = sql.at(index, "IF", "NOT", "EXISTS")
    name = read_name(sql, index + 3 if exists else index)
    temporary = temporary or name.table.startswith("#")
    if temporary and name.schema:
        raise RedshiftError("42P16", "temporary tables may not specify a schema name")
    return Table(Name(tuple(physical(p) for p in name.parts), name.end), temporary, exists), name.end


def _is_query(sql: Sql, index: int) -> bool:
    """Whether the parenthesis at ``index`` is the column list of a CREATE TABLE AS, not definitions."""
    after = sql.close(index) + 1
    listed = all(end - start == 1 for start, end in sql.split(index + 1, sql.close(index)))
    return listed and any(sql.at(i, "AS") for i in range(after, len(sql)))


def _definition(sql: Sql, start: int, end: int, table: Table, rewrite: Callable[[str], str]) -> None:
    if start == end:
        raise syntax_error(",")
    word = sql.upper(start)
    if word == "LIKE":
        _like(sql, start, end, table)
    elif word in ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE"):
        _table_constraint(sql, start, table)
    else:
        _column(sql, start, end, table, rewrite)


def _like(sql: Sql, start: int, end: int, table: Table) -> None:
    parent = read_name(sql, start + 1)
    source = Name(tuple(physical(p) for p in parent.parts), parent.end)
    clause = f"LIKE {source.sql} INCLUDING CONSTRAINTS"
    if parent.end < end:
        if not (sql.upper(parent.end) in ("INCLUDING", "EXCLUDING") and sql.at(parent.end + 1, "DEFAULTS")):
            raise syntax_error(sql[parent.end].text)
        clause += f" {sql.upper(parent.end)} DEFAULTS"
    table.columns.append(clause)
    table.attributes["like"] = source.sql


def read_constraint(sql: Sql, index: int) -> dict[str, Any]:
    """Reads the table constraint that starts at ``index``: its kind, columns, name and what it refers to.

    Raises:
        RedshiftError: Redshift does not have such a constraint.
    """
    named = sql.at(index, "CONSTRAINT")
    name = physical(read_name(sql, index + 1).table) if named else None
    index += 2 if named else 0
    kind = sql.upper(index)
    if kind in ("CHECK", "EXCLUDE"):
        raise unsupported(f"{kind} constraint")
    opening = sql.find("(", index)
    columns = [physical(column) for column in name_list(sql, opening)]
    after = sql.close(opening) + 1
    return {"kind": kind, "name": name, "columns": columns, **(_reference(sql, after)[0] if kind == "FOREIGN" else {})}


def _reference(sql: Sql, index: int) -> tuple[dict[str, Any], int]:
    """Reads ``REFERENCES table [(columns)]``; returns the table, its columns, and the index behind."""
    if not sql.at(index, "REFERENCES"):
        raise syntax_error(sql[index].text)
    read = read_name(sql, index + 1)
    target = Name(tuple(physical(p) for p in read.parts), read.end)
    if sql[read.end].text != "(":
        return {"refers": target.sql}, read.end
    columns = [physical(column) for column in name_list(sql, read.end)]
    return {"refers": target.sql, "referred": columns}, sql.close(read.end) + 1


def _table_constraint(sql: Sql, index: int, table: Table) -> None:
    constraint = read_constraint(sql, index)
    if constraint["kind"] == "PRIMARY":
        if any(d["kind"] == "PRIMARY" for d in table.attributes.get("declared", [])):
            raise RedshiftError("42P16", f'multiple primary keys for table "{table.name.table}" are not allowed')
        for column in constraint["columns"]:
            if column not in table.names:
                raise RedshiftError("42703", f'column "{column}" named in key does not exist')
            place = table.names.index(column)
            if " NOT NULL" not in table.columns[place]:
                table.columns[place] += " NOT NULL"
    table.declare(constraint)


def _column(sql: Sql, start: int, end: int, table: Table, rewrite: Callable[[str], str]) -> None:
    token = sql[start]
    if token.kind == "word" and token.upper in RESERVED:
        raise syntax_error(token.text)
    name = physical(read_name(sql, start).table)
    if name in FORBIDDEN_COLUMNS:
        raise RedshiftError("42701", f'column name "{name}" conflicts with a system column name')
    kind = read_type(sql, start + 1)
    parts = [quote(name), kind.sql]
    if kind.varchar_bytes:
        parts.append(byte_check(name, kind.varchar_bytes))
    index = kind.end
    while index < end:
        index = _column_attribute(sql, index, end, name, parts, table, rewrite)
    table.names.append(name)
    table.columns.append(" ".join(parts))


def _column_attribute(
    sql: Sql, index: int, end: int, name: str, parts: list[str], table: Table, rewrite: Callable[[str], str]
) -> int:
    """Reads one attribute of a column and returns the index behind it."""
    word = sql.upper(index)
    if word == "NOT" and sql.at(index + 1, "NULL"):
        if "NOT NULL" not in parts:
            parts.append("NOT NULL")
        return index + 2
    if word == "NULL":
        return index + 1
    if word == "DEFAULT":
        stop = _expression_end(sql, index + 1, end)
        parts.append(f"DEFAULT {rewrite(sql.slice(index + 1, stop))}")
        return stop
    if word == "IDENTITY":
        return _identity(sql, index, parts, "ALWAYS")
    if word == "GENERATED":
        if not sql.at(index, "GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"):
            raise syntax_error("GENERATED")
        return _identity(sql, index + 4, parts, "BY DEFAULT")
    if word == "ENCODE":
        table.attributes.setdefault("encodings", {})[name] = _encoding(sql, index + 1, parts[1])
        return index + 2
    if word == "COLLATE":
        return index + 2
    return _column_key(sql, index, name, parts, table)


def _column_key(sql: Sql, index: int, name: str, parts: list[str], table: Table) -> int:
    """Reads a key or constraint of one column and returns the index behind it."""
    word = sql.upper(index)
    if word == "DISTKEY":
        table.attributes |= {"distkey": name, "diststyle": "KEY"}
        return index + 1
    if word == "SORTKEY":
        table.attributes |= {"sortkey": [name], "sortstyle": "COMPOUND"}
        return index + 1
    if word in ("UNIQUE", "PRIMARY"):
        table.declare({"kind": word, "columns": [name]})
        if word == "PRIMARY" and "NOT NULL" not in parts:
            parts.append("NOT NULL")
        return index + (2 if word == "PRIMARY" else 1)
    if word == "REFERENCES":
        reference, after = _reference(sql, index)
        table.declare({"kind": "FOREIGN", "columns": [name], **reference})
        return after
    if word == "CHECK":
        raise unsupported("CHECK constraint")
    raise syntax_error(sql[index].text)


def _expression_end(sql: Sql, index: int, end: int) -> int:
    """Where a DEFAULT expression ends: at the next attribute."""
    stops = {
        "NOT",
        "ENCODE",
        "DISTKEY",
        "SORTKEY",
        "UNIQUE",
        "PRIMARY",
        "REFERENCES",
        "COLLATE",
        "CHECK",
        "GENERATED",
        "IDENTITY",
    }
    index += 1
    while index < end and not (sql.upper(index) in stops or (sql.at(index, "NULL") and sql[index - 1].kind != "op")):
        index = sql.close(index) + 1 if sql[index].text == "(" else index + 1
    return index


def _identity(sql: Sql, index: int, parts: list[str], mode: str) -> int:
    if parts[1] not in ("integer", "bigint"):
        raise RedshiftError("0A000", "identity column type must be INT or BIGINT")
    if sql[index + 1].text != "(":
        raise syntax_error(sql[index + 1].text)
    close = sql.close(index + 1)
    seed, step = (sql.slice(a, b) for a, b in sql.split(index + 2, close))
    bounds = f"MINVALUE {min(int(seed), -9_223_372_036_854_775_808 if int(step) < 0 else int(seed))}"
    parts.append(f"GENERATED {mode} AS IDENTITY (START WITH {seed} INCREMENT BY {step} {bounds})")
    return close + 1


def _encoding(sql: Sql, index: int, column_type: str) -> str:
    encoding = sql.upper(index)
    if encoding not in ENCODINGS:
        raise RedshiftError("42601", f'invalid encoding type "{sql[index].text}"')
    if encoding == "AZ64" and column_type.startswith(
        ("varchar", "char", "varbyte", "super", "boolean", "real", "double")
    ):
        raise RedshiftError(
            "0A000", f"invalid encoding type specified for column: az64 does not apply to {column_type}"
        )
    return encoding


def read_attributes(sql: Sql, index: int, table: Table) -> int:
    """Reads BACKUP, DISTSTYLE, DISTKEY, SORTKEY and ENCODE AUTO in any order; returns the index behind them."""
    noted = table.attributes
    while index < len(sql) and sql.upper(index) not in ("AS", "AUTO"):
        word = sql.upper(index)
        if word in ("DISTSTYLE", "DISTKEY", "SORTKEY", "COMPOUND", "INTERLEAVED") and "like" in noted:
            raise RedshiftError("0A000", "DISTSTYLE, DISTKEY and SORTKEY cannot be combined with LIKE")
        if word == "BACKUP" and sql.upper(index + 1) in ("YES", "NO"):
            index += 2
        elif word == "DISTSTYLE" and sql.upper(index + 1) in DISTSTYLES:
            noted["diststyle"] = sql.upper(index + 1)
            index += 2
        elif word == "DISTKEY":
            noted |= {"distkey": _dist_key(sql, index + 1, table), "diststyle": noted.get("diststyle", "KEY")}
            index = sql.close(index + 1) + 1
        elif word == "SORTKEY" and sql.at(index + 1, "AUTO"):
            index += 2
        elif word in ("SORTKEY", "COMPOUND", "INTERLEAVED"):
            opening = index + (1 if word == "SORTKEY" else 2)
            names = [physical(n) for n in name_list(sql, opening)]
            _known(table, names)
            noted |= {"sortkey": names, "sortstyle": "COMPOUND" if word == "SORTKEY" else word}
            index = sql.close(opening) + 1
        elif word == "ENCODE" and sql.at(index + 1, "AUTO"):
            index += 2
        else:
            raise syntax_error(sql[index].text)
    _check_keys(noted)
    return index


def _check_keys(noted: dict[str, Any]) -> None:
    if (noted.get("diststyle") == "KEY") != ("distkey" in noted):
        raise RedshiftError("42601", "DISTSTYLE KEY requires a DISTKEY column, and DISTKEY no other DISTSTYLE")
    if noted.get("sortstyle") == "INTERLEAVED" and len(noted["sortkey"]) > MAX_INTERLEAVED:
        raise RedshiftError("54000", f"an interleaved sort key has {MAX_INTERLEAVED} columns at most")


def _dist_key(sql: Sql, opening: int, table: Table) -> str:
    names = [physical(n) for n in name_list(sql, opening)]
    _known(table, names)
    if len(names) > 1:
        raise syntax_error(",")
    return names[0]


def _known(table: Table, names: list[str]) -> None:
    for name in names:
        if table.names and name not in table.names:
            raise RedshiftError("42703", f'column "{name}" named in key does not exist')


def _end(sql: Sql, index: int) -> None:
    if index < len(sql):
        raise syntax_error(sql[index].text)
