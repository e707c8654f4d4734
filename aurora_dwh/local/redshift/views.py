"""Views, of both kinds.

A plain view is PostgreSQL's own: bound to its tables, in the way of their DROP. A late-binding view is kept as text:
a placeholder view of the same columns holds its name, grants and comment, depends on nothing, and every query that
names the view gets the text in its place (``rewrite``). So it survives a DROP or a rename of its tables, and fails
when it is used while one is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aurora_dwh.local.redshift.create_table import Table, read_attributes
from aurora_dwh.local.redshift.errors import RedshiftError, UpstreamError, syntax_error
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.plans import Context, Plan, Relay, Script
from aurora_dwh.local.redshift.rewrite import LateQuery, ViewKey
from aurora_dwh.local.redshift.sqltext import Name, Sql, join_names, name_list, quote, read_name
from aurora_dwh.local.redshift.upstream import literal

_LIST = (
    "SELECT n.nspname, c.relname, v.query, pg_table_is_visible(c.oid), r.rolname = current_user,"
    " has_table_privilege(c.oid, 'SELECT'),"
    " (SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)"
    " FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)"
    " FROM pg_standin.late_view v JOIN pg_class c ON c.oid = v.relid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_roles r ON r.oid = c.relowner"
)
_BARRED = "SELECT nspname FROM pg_namespace WHERE NOT has_schema_privilege(oid, 'USAGE')"


def late_views(session: Context) -> dict[ViewKey, LateQuery]:
    """Returns the late-binding views a statement of this session may name."""
    if session.upstream.status == "E":
        return {}
    found: dict[ViewKey, LateQuery] = {}
    barred: frozenset[str] | None = None
    for schema, name, query, visible, is_own, is_granted, columns in session.upstream.query(_LIST):
        late = LateQuery(str(query))
        if is_own != "t":
            if barred is None:
                barred = frozenset(str(row[0]) for row in session.upstream.query(_BARRED))
            late = LateQuery(str(query), str(columns), is_granted == "t", barred)
        found[(str(schema), str(name))] = late
        if visible == "t":
            found[(None, str(name))] = late
    return found


def create_view(sql: Sql, session: Context, rewrite: Callable[[str], str]) -> Plan:
    """Returns the plan of a CREATE VIEW.

    Raises:
        RedshiftError: a late-binding view names a table without its schema.
    """
    replace = sql.at(1, "OR")
    read = read_name(sql, 4 if replace else 2)
    name = Name(tuple(physical(p) for p in read.parts), read.end)
    columns: list[str] = []
    index = name.end
    if sql[index].text == "(":
        columns = [physical(n) for n in name_list(sql, index)]
        index = sql.close(index) + 1
    if not sql.at(index, "AS"):
        raise syntax_error(sql[index].text)
    late = sql.at(len(sql) - 4, "WITH", "NO", "SCHEMA", "BINDING")
    query = sql.slice(index + 1, len(sql) - 4 if late else len(sql))
    if late:
        if columns:
            query = f"SELECT * FROM ({query}) AS late ({join_names(columns)})"
        _check_schemas(_check_qualified(Sql(query)), session)
        return LateView(name, query, rewrite, replace)
    head = "CREATE OR REPLACE VIEW" if replace else "CREATE VIEW"
    listed = f" ({join_names(columns)})" if columns else ""
    return Relay(f"{head} {name.sql}{listed} AS {rewrite(query)}")


def materialized_view(sql: Sql, rewrite: Callable[[str], str]) -> Script:
    """Returns the plan of a CREATE MATERIALIZED VIEW.

    Raises:
        RedshiftError: its query sorts or ends early ("CREATE MATERIALIZED VIEW" of the guide).
    """
    if sql.at(3, "IF"):
        raise syntax_error(sql[4].text)
    read = read_name(sql, 3)
    table = Table(Name(tuple(physical(p) for p in read.parts), read.end), temporary=False, if_not_exists=False)
    index = read_attributes(sql, read.end, table)
    if sql.at(index, "AUTO", "REFRESH") and sql.upper(index + 2) in ("YES", "NO"):
        table.attributes["autorefresh"] = sql.at(index + 2, "YES")
        index = read_attributes(sql, index + 3, table)
    if not sql.at(index, "AS"):
        raise syntax_error(sql[index].text)
    for word in ("ORDER", "LIMIT", "OFFSET"):
        if any(not _within(sql, index, at) for at in sql.all(word)):
            raise RedshiftError(
                "0A000", f"{'ORDER BY' if word == 'ORDER' else word} is not supported in a materialized view"
            )
    query = rewrite(sql.rest(index + 1))
    return Script((f"CREATE MATERIALIZED VIEW {table.target} AS {query}", table.record()), "CREATE MATERIALIZED VIEW")


def _within(sql: Sql, start: int, index: int) -> bool:
    """Whether a token lies in parentheses that open behind ``start``."""
    return any(start < opening < index < close for opening, close in sql.closing.items())


def _check_schemas(schemas: set[str], session: Context) -> None:
    """The tables of a late-binding view may be missing, but not their schemas."""
    listed = ", ".join(literal(schema) for schema in sorted(schemas))
    if listed:
        known = session.upstream.query(f"SELECT nspname FROM pg_namespace WHERE nspname IN ({listed})")
        for schema in sorted(schemas - {str(row[0]) for row in known}):
            raise RedshiftError("3F000", f'schema "{schema}" does not exist')


def _check_qualified(sql: Sql) -> set[str]:
    """Every table in a late-binding view needs its schema; names of the query's own WITH clause do not.

    Returns the schemas.
    """
    schemas: set[str] = set()
    own = {
        sql[i].name
        for i in range(len(sql))
        if sql.at(i + 1, "AS", "(") and sql.upper(i - 1) in ("WITH", ",", "RECURSIVE")
    }
    for index in range(1, len(sql)):
        if sql.upper(index - 1) not in ("FROM", "JOIN") or not sql[index].is_name:
            continue
        name = read_name(sql, index)
        in_extract = sql.at(index - 1, "FROM") and _in_function(sql, index)
        if name.schema is not None and not in_extract:
            schemas.add(physical(name.schema))
        if name.schema is None and name.table not in own and sql[name.end].text != "(" and not in_extract:
            raise RedshiftError(
                "42P01", "All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING."
            )
    return schemas


def _in_function(sql: Sql, index: int) -> bool:
    """Whether the FROM before ``index`` is that of EXTRACT, TRIM or SUBSTRING."""
    for opening, close in sql.closing.items():
        if opening < index < close and sql.upper(opening - 1) in ("EXTRACT", "TRIM", "SUBSTRING", "OVERLAY"):
            return not any(sql.at(i, "SELECT") for i in range(opening, index))
    return False


@dataclass(frozen=True)
class LateView:
    """CREATE VIEW ... WITH NO SCHEMA BINDING.

    Args:
        name: the view.
        query: its text, Redshift SQL.
        resolve: returns the same for PostgreSQL, as it stands now.
        replace: whether it takes the place of a view of that name.
    """

    name: Name
    query: str
    resolve: Callable[[str], str]
    replace: bool

    def run(self, session: Context) -> str:
        """Makes the placeholder and notes the text; in place of another view, its columns must be the same."""
        upstream, target = session.upstream, self.name.sql
        verb = "CREATE OR REPLACE VIEW" if self.replace else "CREATE VIEW"
        with session.atomic():
            upstream.query(f"{verb} {target} AS {self._placeholder(session)}")
            upstream.query(
                f"INSERT INTO pg_standin.late_view VALUES ({literal(target)}::regclass, {literal(self.query)})"
                " ON CONFLICT (relid) DO UPDATE SET query = excluded.query"
            )
        return "CREATE VIEW"

    def _placeholder(self, session: Context) -> str:
        """A query of the view's columns over no table; of one column when the view cannot be resolved yet."""
        upstream = session.upstream
        upstream.query("SAVEPOINT standin_view")
        try:
            upstream.query(f"CREATE TEMP VIEW standin_columns AS {self.resolve(self.query)}")
            columns = upstream.query(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = 'standin_columns'::regclass AND attnum > 0 ORDER BY attnum"
            )
        except UpstreamError as error:
            if error.sqlstate not in ("42P01", "3F000", "42703"):
                raise
            columns = [("unresolved", "varchar")]
        upstream.query("ROLLBACK TO SAVEPOINT standin_view")
        listed = ", ".join(f"NULL::{kind} AS {quote(str(name))}" for name, kind in columns)
        return f"SELECT {listed} WHERE false"
