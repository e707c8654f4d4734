"""Chooses the plan for a statement.

Belongs here: which verb goes where, what little needs no module of its own (transactions, TRUNCATE, VACUUM, SET, LOCK).
Does not belong here: expressions (``rewrite``), refusals (``refuse``), tables, views, MERGE, COPY and UNLOAD.
"""

from __future__ import annotations

from collections.abc import Callable

from aurora_dwh.local.redshift import parameters, refuse
from aurora_dwh.local.redshift.aliases import expand_aliases
from aurora_dwh.local.redshift.alter_table import alter_table
from aurora_dwh.local.redshift.copy import copy
from aurora_dwh.local.redshift.create_table import Table, as_select, create_table
from aurora_dwh.local.redshift.errors import UpstreamError, syntax_error
from aurora_dwh.local.redshift.merge import merge
from aurora_dwh.local.redshift.names import physical, shortened
from aurora_dwh.local.redshift.plans import Context, Local, Plan, Relay, Script
from aurora_dwh.local.redshift.rewrite import LateQuery, Rewriter, ViewKey
from aurora_dwh.local.redshift.sqltext import Name, Sql, quote, read_name
from aurora_dwh.local.redshift.system_tables import system_tables
from aurora_dwh.local.redshift.unload import unload
from aurora_dwh.local.redshift.users import user
from aurora_dwh.local.redshift.views import create_view, late_views, materialized_view

Rewrite = Callable[[str], str]


def translate(text: str, session: Context) -> Plan:
    """Returns the plan for ``text``, one statement of Redshift SQL.

    Raises:
        RedshiftError: Redshift would refuse it.
    """
    sql = Sql(text)
    if not len(sql):
        return Relay("")
    refuse.check(sql)
    if long := shortened(token.name for token in sql.tokens if token.is_name):
        session.learn_names(long)
    translator = _Translator(sql, session)
    handler = getattr(translator, f"_on_{sql.upper(0).lower()}", translator.query)
    plan: Plan = handler()
    return plan


def changed_table(text: str) -> str:
    """Returns the table that an UPDATE, DELETE or MERGE changes, for PostgreSQL; empty for any other statement."""
    sql = Sql(text)
    if sql.upper(0) not in ("UPDATE", "DELETE", "MERGE"):
        return ""
    name = read_name(sql, 2 if sql.upper(1) in ("FROM", "INTO") else 1)
    return ".".join(quote(physical(part)) for part in name.parts)


def named_tables(text: str) -> list[str]:
    """Returns the tables that a statement may read or write, for PostgreSQL."""
    sql = Sql(text)
    names = []
    for word in ("FROM", "JOIN", "INTO", "UPDATE", "USING"):
        for index in sql.all(word):
            if sql[index + 1].is_name:
                names.append(".".join(quote(physical(part)) for part in read_name(sql, index + 1).parts))
    return names


class _Translator:
    def __init__(self, sql: Sql, session: Context) -> None:
        self.sql = sql
        self.session = session
        self.volatile = False
        self.views: dict[ViewKey, LateQuery] | None = None

    def rewrite(self, text: str) -> str:
        """Returns a query or expression as PostgreSQL's."""
        sql = Sql(text)
        refuse.check_query(sql)
        return self._rewritten(sql)

    def _rewritten(self, sql: Sql) -> str:
        if self.views is None:
            reads = sql.words & {"FROM", "JOIN", "USING"}
            self.views = system_tables(sql, self.session.history) | late_views(self.session) if reads else {}
        rewriter = Rewriter(sql, self.session.loads, self.views, self._columns_of, self._expand)
        text = rewriter.text()
        self.volatile = self.volatile or rewriter.volatile
        return text

    def _expand(self, sql: Sql) -> Sql:
        return expand_aliases(sql, self._has_column)

    def _has_column(self, name: str, source: str) -> bool:
        query = Rewriter(Sql(f"SELECT {quote(name)} {source}"), self.session.loads, self.views or {}).text()
        with self.session.atomic():
            return resolves(self.session, query)

    def _columns_of(self, query: str) -> list[str]:
        return headings(self.session, query)

    def query(self) -> Plan:
        """SELECT, INSERT, UPDATE, DELETE and everything PostgreSQL does as Redshift does."""
        if self.sql.starts("SELECT") and (into := self._into()) > 0:
            return self._select_into(into)
        text = self._rewritten(self.sql)
        return Relay(text, volatile=self.volatile)

    def _into(self) -> int:
        index = 1
        while index < len(self.sql) and not self.sql.at(index, "FROM"):
            if self.sql.at(index, "INTO"):
                return index
            index = self.sql.close(index) + 1 if self.sql[index].text == "(" else index + 1
        return -1

    def _select_into(self, into: int) -> Plan:
        sql, index, temporary = self.sql, into + 1, False
        if sql.upper(index) in ("TEMP", "TEMPORARY"):
            index, temporary = index + 1, True
        if sql.at(index, "TABLE"):
            index += 1
        name = read_name(sql, index)
        table = Table(
            Name(tuple(physical(p) for p in name.parts), name.end), temporary or name.table.startswith("#"), False
        )
        query = Sql(f"{sql.slice(0, into)} {sql.rest(name.end)}")
        return as_select(table, self._rewritten(query))

    # -- verbs ---------------------------------------------------------------------------------------------------

    def _on_create(self) -> Plan:
        sql = self.sql
        if sql.upper(1) in ("TABLE", "TEMP", "TEMPORARY", "LOCAL"):
            return create_table(sql, self.rewrite)
        if sql.at(1, "VIEW") or sql.at(1, "OR", "REPLACE", "VIEW"):
            return create_view(sql, self.session, self.rewrite)
        if sql.at(1, "MATERIALIZED", "VIEW"):
            return materialized_view(sql, self.rewrite)
        if sql.at(1, "DATABASE"):
            return Script((self._rewritten(sql),), "CREATE DATABASE", alone="CREATE DATABASE")
        if sql.at(1, "USER"):
            return user(sql)
        return Relay(self._rewritten(sql))

    def _on_alter(self) -> Plan:
        if self.sql.at(1, "TABLE"):
            return alter_table(self.sql, self.rewrite)
        if self.sql.at(1, "USER"):
            return user(self.sql)
        return Relay(self._rewritten(self.sql))

    def _on_drop(self) -> Plan:
        if self.sql.at(1, "DATABASE"):
            return Script((self._rewritten(self.sql),), "DROP DATABASE", alone="DROP DATABASE")
        return Relay(self._rewritten(self.sql))

    def _on_truncate(self) -> Plan:
        index = 2 if self.sql.at(1, "TABLE") else 1
        name = read_name(self.sql, index)
        if name.end < len(self.sql):
            raise syntax_error(self.sql[name.end].text)
        target = ".".join(quote(physical(part)) for part in name.parts)
        return Script((f"TRUNCATE TABLE {target}",), "TRUNCATE", commits=True)

    def _on_vacuum(self) -> Plan:
        return Script(
            self._existing(skip={"FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER"}), "VACUUM", alone="VACUUM"
        )

    def _on_analyze(self) -> Plan:
        if self.sql.at(1, "COMPRESSION"):
            return Script((), "ANALYZE COMPRESSION", alone="ANALYZE COMPRESSION")
        return Script(self._existing(skip={"VERBOSE"}, statement="ANALYZE"), "ANALYZE")

    def _existing(self, *, skip: set[str], statement: str | None = None) -> tuple[str, ...]:
        """A script that does nothing but fail when the named table is missing, or runs ``statement`` on it."""
        index = 1
        while self.sql.upper(index) in skip:
            index += 1
        if not self.sql[index].is_name:
            return (statement,) if statement else ()
        name = read_name(self.sql, index)
        target = ".".join(quote(physical(part)) for part in name.parts)
        return (f"{statement} {target}" if statement else f"SELECT 1 FROM {target} LIMIT 0",)

    def _on_lock(self) -> Plan:
        index = 2 if self.sql.at(1, "TABLE") else 1
        if any(self.sql.upper(i) == "IN" for i in range(index, len(self.sql))):
            raise syntax_error("IN")
        return Relay(f"LOCK TABLE {self.sql.rest(index)} IN ACCESS EXCLUSIVE MODE")

    def _on_begin(self) -> Plan:
        """Isolation levels are parsed and change nothing, as in Redshift."""
        return Relay("BEGIN READ ONLY" if self.sql.find("ONLY") > 0 else "BEGIN")

    _on_start = _on_begin

    def _on_set(self) -> Plan:
        """PostgreSQL's own settings are set; Redshift's are kept, what neither has is forgotten."""
        index = 2 if self.sql.upper(1) in ("SESSION", "LOCAL") else 1
        if self.sql[index].name in parameters.DEFAULTS:
            return parameters.set_parameter(self.sql, index)
        if self.sql[index].name in _PASSED_ON:
            return Relay(self.sql.text)
        if self.sql.upper(index) == "AUTHORIZATION":
            return Relay(self.sql.text)
        return Script((), "SET")

    def _on_show(self) -> Plan:
        known = len(self.sql) == 2 and self.sql[1].name in parameters.DEFAULTS
        return parameters.show_parameter(self.sql) if known else Relay(self._rewritten(self.sql))

    def _on_reset(self) -> Plan:
        if self.sql[1].name in parameters.DEFAULTS:
            return parameters.reset_parameter(self.sql)
        return Relay(self.sql.text) if self.sql[1].name in _PASSED_ON else Script((), "RESET")

    def _on_merge(self) -> Plan:
        return merge(self.sql, self.rewrite)

    def _on_copy(self) -> Local:
        return copy(self.sql)

    def _on_unload(self) -> Local:
        return unload(self.sql, self.rewrite)

    def _on_grant(self) -> Plan:
        """PostgreSQL grants to roles, and of roles, without the word ROLE."""
        for index in self.sql.all("ROLE"):
            if self.sql.upper(index - 1) in ("GRANT", "REVOKE", "TO", "FROM", ","):
                self.sql.replace(index, index + 1, "")
        return Relay(self._rewritten(Sql(self.sql.render())))

    _on_revoke = _on_grant


_PASSED_ON = frozenset(
    {"search_path", "timezone", "time", "datestyle", "statement_timeout", "application_name", "extra_float_digits"}
)


def resolves(session: Context, query: str) -> bool:
    """Returns whether the columns that a PostgreSQL query names exist; it is prepared but not run."""
    upstream = session.upstream
    upstream.query("SAVEPOINT standin_probe")
    try:
        upstream.query(f"PREPARE standin_probe AS {query}; DEALLOCATE standin_probe")
    except UpstreamError as error:
        upstream.query("ROLLBACK TO SAVEPOINT standin_probe")
        return error.sqlstate != "42703"
    return True


def headings(session: Context, query: str) -> list[str]:
    """Returns the column names of a PostgreSQL query, which is prepared but not run."""
    upstream = session.upstream
    upstream.query(f"CREATE TEMP VIEW standin_headings AS {query}")
    rows = upstream.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'standin_headings'::regclass AND attnum > 0 ORDER BY attnum"
    )
    upstream.query("DROP VIEW standin_headings")
    return [str(row[0]) for row in rows]
