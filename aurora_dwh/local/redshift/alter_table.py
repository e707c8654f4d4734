"""ALTER TABLE, one action a statement, as PostgreSQL statements.

Belongs here: Redshift's grammar of ALTER TABLE and its limits. Does not belong here: CREATE TABLE.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from aurora_dwh.local.redshift.create_table import DISTSTYLES, ENCODINGS, read_constraint
from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error, unsupported
from aurora_dwh.local.redshift.names import RESERVED, physical
from aurora_dwh.local.redshift.plans import Script
from aurora_dwh.local.redshift.sqltext import Name, Sql, name_list, quote, read_name
from aurora_dwh.local.redshift.types import byte_check, read_type
from aurora_dwh.local.redshift.upstream import literal

TAG = "ALTER TABLE"


def alter_table(sql: Sql, rewrite: Callable[[str], str]) -> Script:
    """Returns the plan of an ALTER TABLE.

    Raises:
        RedshiftError: Redshift would refuse the statement.
    """
    if sql.at(2, "IF"):
        raise syntax_error("IF")
    read = read_name(sql, 2)
    name = Name(tuple(physical(p) for p in read.parts), read.end)
    index = name.end
    if len(sql.split(index, len(sql))) > 1 and not sql.at(index, "ALTER"):
        raise syntax_error(",")
    word = sql.upper(index)
    if word == "ADD":
        return _add(sql, index + 1, name, rewrite)
    if word == "DROP":
        return _drop(sql, index + 1, name)
    if word == "RENAME":
        return _rename(sql, index + 1, name)
    if word == "ALTER":
        return _alter(sql, index + 1, name)
    if word == "APPEND":
        raise unsupported("ALTER TABLE APPEND in the local stand-in")
    if word == "OWNER":
        return Script((sql.text,), TAG)
    raise syntax_error(sql[index].text)


def _record(name: Name, attributes: dict[str, object]) -> str:
    noted = literal(json.dumps(attributes))
    return f"SELECT pg_standin.record({literal(name.sql)}::regclass, {noted}::jsonb)"


def _add(sql: Sql, index: int, name: Name, rewrite: Callable[[str], str]) -> Script:
    if sql.upper(index) in ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
        return _add_constraint(sql, index, name)
    if sql.at(index, "COLUMN"):
        index += 1
    if sql.at(index, "IF"):
        raise syntax_error("NOT")
    if sql[index].kind == "word" and sql[index].upper in RESERVED:
        raise syntax_error(sql[index].text)
    column = physical(read_name(sql, index).table)
    kind = read_type(sql, index + 1)
    added = _Added()
    index = kind.end
    while index < len(sql):
        index = _added_option(sql, index, added, rewrite)
    if added.not_null and added.default.upper() in ("", "NULL"):
        raise RedshiftError(
            "42601", "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression"
        )
    parts = [quote(column), kind.sql]
    parts += ["NOT NULL"] if added.not_null else []
    parts += [f"DEFAULT {added.default}"] if added.default else []
    parts += [byte_check(column, kind.varchar_bytes)] if kind.varchar_bytes else []
    add = f"ALTER TABLE {name.sql} ADD COLUMN {' '.join(parts)}"
    noted = (_record(name, {"encodings": {column: added.encoding}}),) if added.encoding else ()
    return Script((add, *noted), TAG)


@dataclass
class _Added:
    """What follows the type of an added column."""

    default: str = ""
    not_null: bool = False
    encoding: str = ""


def _added_option(sql: Sql, index: int, added: _Added, rewrite: Callable[[str], str]) -> int:
    """Reads one attribute of an added column and returns the index behind it."""
    if sql.at(index, "NOT", "NULL"):
        added.not_null = True
        return index + 2
    if sql.at(index, "NULL"):
        return index + 1
    if sql.at(index, "DEFAULT"):
        stop = index + 2
        while stop < len(sql) and sql.upper(stop) not in ("ENCODE", "NOT", "NULL", "COLLATE"):
            stop = sql.close(stop) + 1 if sql[stop].text == "(" else stop + 1
        added.default = rewrite(sql.slice(index + 1, stop))
        return stop
    if sql.at(index, "ENCODE") and sql.upper(index + 1) in ENCODINGS:
        added.encoding = sql.upper(index + 1)
        return index + 2
    if sql.at(index, "COLLATE"):
        return index + 2
    if sql.upper(index) in ("PRIMARY", "UNIQUE", "REFERENCES", "IDENTITY", "GENERATED", "DISTKEY", "SORTKEY"):
        raise unsupported(f"ALTER TABLE ADD COLUMN with {sql.upper(index)}")
    raise syntax_error(sql[index].text)


def _add_constraint(sql: Sql, index: int, name: Name) -> Script:
    constraint = read_constraint(sql, index)
    checks: tuple[str, ...] = ()
    if constraint["kind"] == "PRIMARY":
        listed = ", ".join(literal(c) for c in constraint["columns"])
        checks = (f"SELECT pg_standin.check_not_null({literal(name.sql)}::regclass, ARRAY[{listed}])",)
    return Script((*checks, _record(name, {"declared": [constraint]})), TAG)


def _drop(sql: Sql, index: int, name: Name) -> Script:
    if sql.at(index, "CONSTRAINT"):
        constraint = literal(physical(read_name(sql, index + 1).table))
        return Script((f"SELECT pg_standin.drop_constraint({literal(name.sql)}::regclass, {constraint})",), TAG)
    if sql.at(index, "COLUMN"):
        index += 1
    if sql.at(index, "IF"):
        raise syntax_error("EXISTS")
    column = read_name(sql, index)
    tail = sql.upper(column.end)
    if tail not in ("", "CASCADE", "RESTRICT"):
        raise syntax_error(sql[column.end].text)
    dropped = physical(column.table)
    return Script(
        (
            f"SELECT pg_standin.check_droppable({literal(name.sql)}::regclass, {literal(dropped)})",
            f"ALTER TABLE {name.sql} DROP COLUMN {quote(dropped)} {tail}",
        ),
        TAG,
    )


def _rename(sql: Sql, index: int, name: Name) -> Script:
    if sql.at(index, "TO"):
        new = read_name(sql, index + 1)
        if new.schema:
            raise syntax_error(".")
        return Script((f"ALTER TABLE {name.sql} RENAME TO {quote(physical(new.table))}",), TAG)
    if sql.at(index, "COLUMN"):
        index += 1
    old = read_name(sql, index)
    if not sql.at(old.end, "TO"):
        raise syntax_error(sql[old.end].text)
    new = read_name(sql, old.end + 1)
    change = f"RENAME COLUMN {quote(physical(old.table))} TO {quote(physical(new.table))}"
    return Script((f"ALTER TABLE {name.sql} {change}",), TAG)


def _alter(sql: Sql, index: int, name: Name) -> Script:
    word = sql.upper(index)
    if word == "DISTSTYLE" and sql.upper(index + 1) in DISTSTYLES:
        noted: dict[str, object] = {"diststyle": sql.upper(index + 1)}
        if sql.at(index + 1, "KEY") and sql.at(index + 2, "DISTKEY"):
            noted["distkey"] = physical(_key(sql, index + 3))
        return Script((_record(name, noted),), TAG)
    if word == "DISTKEY":
        return Script((_record(name, {"diststyle": "KEY", "distkey": physical(_key(sql, index + 1))}),), TAG)
    if word in ("SORTKEY", "COMPOUND"):
        if sql.upper(index + 1) in ("AUTO", "NONE"):
            return Script((_record(name, {"sortkey": [], "sortstyle": "AUTO"}),), TAG)
        names = [physical(n) for n in name_list(sql, sql.find("(", index))]
        return Script((_record(name, {"sortkey": names, "sortstyle": "COMPOUND"}),), TAG)
    if word == "ENCODE" and sql.at(index + 1, "AUTO"):
        return Script((_record(name, {}),), TAG)
    if word == "COLUMN":
        return _alter_column(sql, index, name)
    raise syntax_error(sql[index].text)


def _alter_column(sql: Sql, index: int, name: Name) -> Script:
    column = read_name(sql, index + 1)
    target = physical(column.table)
    if sql.at(column.end, "ENCODE") and sql.upper(column.end + 1) in ENCODINGS:
        return Script((_record(name, {"encodings": {target: sql.upper(column.end + 1)}}),), TAG)
    if not sql.at(column.end, "TYPE"):
        raise syntax_error(sql[column.end].text)  # SET NOT NULL, DROP DEFAULT ...: not in Redshift
    kind = read_type(sql, column.end + 1)
    if kind.end < len(sql):
        raise syntax_error(sql[kind.end].text)
    if not kind.sql.startswith("varchar"):
        raise unsupported("ALTER COLUMN TYPE to a type other than VARCHAR")
    relation = f"{literal(name.sql)}::regclass"
    return Script(
        (
            f"SELECT pg_standin.check_resizable({relation}, {literal(target)})",
            f"ALTER TABLE {name.sql} ALTER COLUMN {quote(target)} TYPE {kind.sql}",
            f"SELECT pg_standin.resize_check({relation}, {literal(target)}, {kind.varchar_bytes})",
        ),
        TAG,
        alone="ALTER TABLE ALTER COLUMN",
    )


def _key(sql: Sql, index: int) -> str:
    return name_list(sql, index)[0] if sql[index].text == "(" else read_name(sql, index).table
