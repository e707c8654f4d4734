"""Statements that write: INSERT, UPDATE, DELETE and DDL. Each is a function of the session and the statement's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlglot import exp

from aurora_dwh.local.aurora import ddl, insert
from aurora_dwh.local.aurora.alter import parse_alter_table
from aurora_dwh.local.aurora.errors import AuroraError, not_supported, syntax_error, unknown_column
from aurora_dwh.local.aurora.reader import Reader
from aurora_dwh.local.aurora.results import Done, Result
from aurora_dwh.local.aurora.session import Session
from aurora_dwh.local.aurora.tables import Column, Index, Table
from aurora_dwh.local.aurora.translate import parse, translate
from aurora_dwh.local.aurora.values import storer


def insert_rows(session: Session, text: str) -> Result:
    """INSERT and REPLACE."""
    statement = insert.read(text, session.schema, session.catalogue.table)
    with session.writing():
        if statement is None:
            statement = _computed_insert(session, text)
        done = insert.run(session.sqlite, statement, now=session.now, offset=session.variables.offset)
    affected, first = done
    if first:
        session.last_insert_id = first
    return Done(affected, first)


def _computed_insert(session: Session, text: str) -> insert.Insert:
    """INSERT of expressions or of a SELECT: computed by SQLite first."""
    replacing = re.match(r"(?i)REPLACE\b", text) is not None
    tree = parse(re.sub(r"(?i)\AREPLACE\b", "INSERT", text))
    if not isinstance(tree, exp.Insert) or tree.expression is None or tree.args.get("conflict"):
        raise not_supported("this form of INSERT")
    target = tree.this if isinstance(tree.this, exp.Schema) else exp.Schema(this=tree.this, expressions=[])
    table = session.catalogue.table(target.this.db or session.schema, target.this.name)
    names = [one.name for one in target.expressions] or [column.name for column in table.columns]
    source = tree.expression
    if isinstance(source, exp.Values):
        selects = [exp.select(*row.expressions) for row in source.expressions]
        source = selects[0]
        for other in selects[1:]:
            source = exp.union(source, other, distinct=False)
    rows = session.sqlite.execute(translate(source, session.context()).sql).fetchall()
    return insert.Insert(table, names, rows, replace=replacing, ignore=bool(tree.args.get("ignore")))


def update(session: Session, text: str) -> Result:
    """UPDATE of one table."""
    tree = parse(text)
    if not isinstance(tree, exp.Update) or tree.args.get("limit") or tree.args.get("order"):
        raise not_supported("this form of UPDATE")
    table = session.catalogue.table(tree.this.db or session.schema, tree.this.name)
    assigned: dict[str, exp.Expression] = {}
    for item in tree.expressions:
        column = table.column(item.this.name)
        if column is None:
            raise unknown_column(item.this.name)
        assigned[column.name] = _stored(session, column, item.expression)
    for column in table.columns:
        if column.on_update and column.name not in assigned:
            assigned[column.name] = _stored(session, column, exp.Literal.string(session.now(6)))
    tree.set(
        "expressions",
        [
            exp.EQ(this=exp.column(exp.to_identifier(name, quoted=True)), expression=value)
            for name, value in assigned.items()
        ],
    )
    return _write(session, tree)


def _stored(session: Session, column: Column, value: exp.Expression) -> exp.Expression:
    """An expression's value in the form that the column stores."""
    name = f"DWH_STORE_{column.name.encode().hex()}"
    session.sqlite.create_function(name, 1, storer(column, offset=session.variables.offset))
    return exp.Anonymous(this=name, expressions=[value])


def delete(session: Session, text: str) -> Result:
    """DELETE from one table."""
    tree = parse(text)
    if not isinstance(tree, exp.Delete) or any(tree.args.get(name) for name in ("tables", "limit", "order", "using")):
        raise not_supported("this form of DELETE")
    return _write(session, tree)


def _write(session: Session, tree: exp.Expression) -> Done:
    translated = translate(tree, session.context())
    with session.writing():
        return Done(session.sqlite.execute(translated.sql).rowcount)


def create_table(session: Session, text: str) -> Result:
    """CREATE TABLE."""
    like = re.match(r"(?is)\ACREATE\s+TABLE\s+(?P<new>.+?)\s+LIKE\s+(?P<old>.+)\Z", text)
    with session.defining():
        if like:
            original = session.catalogue.table(*Reader(like["old"]).table_name(session.schema))
            schema, name = Reader(like["new"]).table_name(session.schema)
            session.catalogue.create(replace(original, schema=schema, name=name))
            return Done()
        table, lenient = ddl.parse_create_table(text, session.schema)
        if not (lenient and session.catalogue.find(table.schema, table.name)):
            session.catalogue.create(table)
    return Done()


def create_index(session: Session, text: str) -> Result:
    """CREATE [UNIQUE] INDEX name ON table (columns)."""
    found = re.match(r"(?is)\ACREATE\s+(?P<kind>UNIQUE\s+)?INDEX\s+(?P<name>\S+)\s+ON\s+(?P<rest>.+)\Z", text)
    if found is None:
        raise syntax_error(text)
    table, _, columns = found["rest"].partition("(")
    return alter_table(
        session,
        f"ALTER TABLE {table} ADD {found['kind'] or ''} {'' if found['kind'] else 'KEY'} {found['name']} ({columns}",
    )


def create_view(session: Session, text: str) -> Result:
    """CREATE [OR REPLACE] VIEW name AS SELECT."""
    found = re.match(r"(?is)\ACREATE\s+(OR\s+REPLACE\s+)?.*?\bVIEW\s+(?P<name>\S+)\s+AS\s+(?P<query>.+)\Z", text)
    if found is None:
        raise syntax_error(text)
    schema, name = Reader(found["name"]).table_name(session.schema)
    with session.defining():
        existing = session.catalogue.find(schema, name)
        if existing is not None and found.group(1):
            session.catalogue.drop(existing)
        translated = translate(parse(found["query"]), session.context())
        columns = tuple(_view_column(title, translated.scope.values()) for title, _ in translated.fields)
        session.catalogue.create_view(Table(schema, name, columns, view=found["query"]), translated.sql)
    return Done()


def _view_column(title: str, tables: Any) -> Column:
    known = (table.column(title) for table in tables)
    found = next((column for column in known if column is not None), None)
    return found or Column(title, "longtext", character_set="utf8mb4", collation="utf8mb4_0900_ai_ci")


def alter_table(session: Session, text: str) -> Result:
    """ALTER TABLE."""
    renamed = re.match(r"(?is)\AALTER\s+TABLE\s+(?P<old>\S+)\s+RENAME\s+(?:TO\s+|AS\s+)?(?P<new>[^\s(]+)\Z", text)
    if renamed:
        return rename_table(session, f"RENAME TABLE {renamed['old']} TO {renamed['new']}")
    with session.defining():
        session.catalogue.alter(*parse_alter_table(text, session.schema, session.catalogue.table))
    return Done()


def rename_table(session: Session, text: str) -> Result:
    """RENAME TABLE a TO b [, ...]."""
    reader = Reader(text)
    reader.need("RENAME", "TABLE")
    with session.defining():
        while True:
            table = session.catalogue.table(*reader.table_name(session.schema))
            reader.need("TO")
            session.catalogue.rename(table, *reader.table_name(session.schema))
            if not reader.skip(","):
                break
    return Done()


def drop_table(session: Session, text: str) -> Result:
    """DROP TABLE and DROP VIEW."""
    reader = Reader(text)
    reader.need("DROP")
    reader.skip("TEMPORARY")
    reader.take()
    lenient = reader.skip("IF", "EXISTS")
    with session.defining():
        while True:
            schema, name = reader.table_name(session.schema)
            table = session.catalogue.find(schema, name)
            if table is not None:
                session.catalogue.drop(table)
            elif not lenient:
                raise AuroraError(1051, f"Unknown table '{schema}.{name}'")
            if not reader.skip(","):
                break
    return Done()


def drop_index(session: Session, text: str) -> Result:
    """DROP INDEX name ON table."""
    reader = Reader(text)
    reader.need("DROP", "INDEX")
    name = reader.name()
    reader.need("ON")
    table = session.catalogue.table(*reader.table_name(session.schema))
    kept: tuple[Index, ...] = tuple(index for index in table.indexes if index.name != name)
    if len(kept) == len(table.indexes):
        raise AuroraError(1091, f"Can't DROP '{name}'; check that column/key exists")
    with session.defining():
        columns = {column.name: column.name for column in table.columns}
        session.catalogue.alter(table, replace(table, indexes=kept), columns)
    return Done()


def truncate(session: Session, text: str) -> Result:
    """TRUNCATE TABLE."""
    reader = Reader(text)
    reader.need("TRUNCATE")
    reader.skip("TABLE")
    table = session.catalogue.table(*reader.table_name(session.schema))
    with session.defining():
        session.sqlite.execute(f'DELETE FROM "{table.stored_name}"')
    return Done()


def _schema_statement(verb: str, act: Callable[[Session, str, bool], None]) -> Callable[[Session, str], Result]:
    def run(session: Session, text: str) -> Result:
        reader = Reader(text)
        reader.need(verb)
        reader.take()
        lenient = reader.skip("IF", "NOT", "EXISTS") or reader.skip("IF", "EXISTS")
        with session.defining():
            act(session, reader.name(), lenient)
        return Done(1)

    return run


create_schema = _schema_statement(
    "CREATE", lambda session, name, lenient: session.catalogue.create_schema(name, lenient=lenient)
)
drop_schema = _schema_statement(
    "DROP", lambda session, name, lenient: session.catalogue.drop_schema(name, lenient=lenient)
)
