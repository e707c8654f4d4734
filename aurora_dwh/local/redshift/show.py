"""SHOW of tables, columns and schemas: questions about the catalogue that Redshift has as statements.

Belongs here: turning them into queries of the system views, and SHOW of one of Redshift's own parameters; that of any
other is PostgreSQL's. Sources:
r_SHOW_TABLE.md, r_SHOW_COLUMNS.md, r_SHOW_TABLES.md and r_SHOW_SCHEMAS.md of the guide.
"""

from __future__ import annotations

from aurora_dwh.local.redshift import parameters
from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.plans import Relay
from aurora_dwh.local.redshift.sqltext import Name, Sql, quote, read_name
from aurora_dwh.local.redshift.upstream import literal

_COLUMNS = (
    "database_name, schema_name, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,"
    " character_maximum_length, numeric_precision, numeric_scale, remarks"
)


def show(sql: Sql, database: str) -> Relay:
    """Returns the plan of a SHOW.

    Raises:
        RedshiftError: for another database than ``database``, the session's own.
    """
    if sql.at(1, "TABLE") and sql[2].is_name:
        name = read_name(sql, 2)
        target = ".".join(quote(physical(part)) for part in name.parts)
        return Relay(f'SELECT pg_standin.definition({literal(target)}::regclass) AS "Show Table DDL statement"')
    if sql.at(1, "COLUMNS", "FROM", "TABLE"):
        schema, table, end = _parts(read_name(sql, 4), database, ("database", "schema", "table"))
        where = f"schema_name = {literal(schema)} AND table_name = {literal(table)}"
        return _listed(sql, end, _COLUMNS, "svv_all_columns", where, "column_name", "ordinal_position")
    if sql.at(1, "TABLES", "FROM", "SCHEMA"):
        _, schema, end = _parts(read_name(sql, 4), database, ("database", "schema"))
        columns = "database_name, schema_name, table_name, table_type, table_acl, remarks"
        return _listed(
            sql, end, columns, "svv_all_tables", f"schema_name = {literal(schema)}", "table_name", "table_name"
        )
    if sql.at(1, "SCHEMAS", "FROM", "DATABASE"):
        name = read_name(sql, 4)
        _check_database(name.table, database)
        columns = "database_name, schema_name, schema_owner, schema_type, schema_acl, source_database, schema_option"
        return _listed(sql, name.end, columns, "svv_all_schemas", "true", "schema_name", "schema_name")
    if (setting := sql[1].name) in parameters.DEFAULTS and len(sql) == 2:
        return Relay(f"SELECT {literal(parameters.value(setting))}::varchar AS {quote(setting)}", volatile=True)
    return Relay(sql.text)


def _parts(name: Name, database: str, levels: tuple[str, ...]) -> tuple[str, str, int]:
    if len(name.parts) == len(levels):
        _check_database(name.parts[0], database)
    elif len(name.parts) != len(levels) - 1:
        raise syntax_error(name.table)
    return (name.schema or "", name.table, name.end)


def _check_database(named: str, database: str) -> None:
    if named != database:
        raise RedshiftError("0A000", f'the local stand-in shows the session\'s own database only, not "{named}"')


def _listed(sql: Sql, end: int, columns: str, view: str, where: str, filtered: str, order: str) -> Relay:
    limit = ""
    if sql.at(end, "LIKE") and sql[end + 1].kind == "string":
        where, end = f"{where} AND {filtered} LIKE {literal(sql[end + 1].string)}", end + 2
    if sql.at(end, "LIMIT") and sql[end + 1].kind == "number":
        limit, end = f" LIMIT {sql[end + 1].text}", end + 2
    if end < len(sql):
        raise syntax_error(sql[end].text)
    return Relay(f"SELECT {columns} FROM pg_catalog.{view} WHERE {where} ORDER BY {order}{limit}")
