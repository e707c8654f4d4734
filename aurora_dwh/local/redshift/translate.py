"""Chooses the plan for a statement.

Belongs here: which verb goes where, what little needs no module of its own (transactions, TRUNCATE, VACUUM, SET, LOCK).
Does not belong here: expressions (``rewrite``), refusals (``refuse``), tables, views, MERGE, COPY and UNLOAD.
"""

from __future__ import annotations

import re
from functools import lru_cache

from aurora_dwh.local.redshift import parameters, refuse, refuse_tree
from aurora_dwh.local.redshift.alter_table import alter_table
from aurora_dwh.local.redshift.copy import copy
from aurora_dwh.local.redshift.create_table import Table, as_select, create_table
from aurora_dwh.local.redshift.decimals import computed
from aurora_dwh.local.redshift.errors import UpstreamError, syntax_error
from aurora_dwh.local.redshift.merge import merge
from aurora_dwh.local.redshift.names import physical, shortened
from aurora_dwh.local.redshift.parse_tree import read, understand
from aurora_dwh.local.redshift.plans import Context, Local, Plan, Relay, Script
from aurora_dwh.local.redshift.rewrite import LateQuery, Rewriter, ViewKey
from aurora_dwh.local.redshift.show import show
from aurora_dwh.local.redshift.sqltext import Name, Sql, quote, read_name
from aurora_dwh.local.redshift.super_strings import marked
from aurora_dwh.local.redshift.system_tables import system_tables
from aurora_dwh.local.redshift.unload import unload
from aurora_dwh.local.redshift.users import user
from aurora_dwh.local.redshift.views import create_view, late_views, materialized_view

MOST_LEVELS = 8
LONGEST = 20_000  # characters of a statement whose tree is read: longer ones are written by programs, and take seconds
NO_TYPES = b"\0\0"
_QUERIES = frozenset({"SELECT", "WITH", "(", "UPDATE", "DELETE", "MERGE"})


def translate(sql: Sql, session: Context, types: bytes = NO_TYPES) -> Plan:
    """Returns the plan for ``sql``, one statement of Redshift SQL.

    Args:
        sql: the statement; a plan may edit it.
        session: whose statement it is.
        types: the parameters' types, in the form of a Parse message.

    Raises:
        RedshiftError: Redshift would refuse it.
    """
    if not len(sql):
        return Relay("")
    refuse.check(sql)
    if long := shortened(token.name for token in sql.tokens if token.is_name):
        session.learn_names(long)
    translator = _Translator(sql, session, types)
    handler = getattr(translator, f"_on_{sql.upper(0).lower()}", translator.query)
    plan: Plan = handler()
    return plan


def changed_table(sql: Sql) -> str:
    """Returns the table that an UPDATE, DELETE or MERGE changes, for PostgreSQL; empty for any other statement."""
    if sql.upper(0) not in ("UPDATE", "DELETE", "MERGE"):
        return ""
    name = read_name(sql, 2 if sql.upper(1) in ("FROM", "INTO") else 1)
    return ".".join(quote(physical(part)) for part in name.parts)


def named_tables(sql: Sql) -> list[str]:
    """Returns the tables that a statement may read or write, for PostgreSQL."""
    names = []
    for word in ("FROM", "JOIN", "INTO", "UPDATE", "USING"):
        for index in sql.all(word):
            if sql[index + 1].is_name and len(parts := read_name(sql, index + 1).parts) < 3:  # else a path into SUPER
                names.append(".".join(quote(physical(part)) for part in parts))
    return names


class _Translator:
    def __init__(self, sql: Sql, session: Context, types: bytes) -> None:
        self.sql = sql
        self.session = session
        self.types = types
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
        rewriter = Rewriter(sql, self.session.loads, self.views, self.session.upstream.describe, self._computed)
        text = rewriter.text()
        self.volatile = self.volatile or rewriter.volatile
        return understood(text, self.session, self.types) if _computes(sql) else text

    def _computed(self, query: str) -> str:
        return understood(query, self.session, NO_TYPES)

    def query(self) -> Plan:
        """SELECT, INSERT, UPDATE, DELETE and everything PostgreSQL does as Redshift does."""
        if self.sql.starts("SELECT") and (into := self._into()) > 0:
            return self._select_into(into)
        text = self._rewritten(marked(self.sql, self.session))
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
        if self.sql.at(1, "DATABASE") and self.sql.at(3, "ISOLATION", "LEVEL"):
            if self.sql.upper(5) not in ("SNAPSHOT", "SERIALIZABLE") or len(self.sql) > 6:
                raise syntax_error(self.sql[5].text)
            return Script((), "ALTER DATABASE")  # every database here has snapshot isolation
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
        name = self.sql[index].name
        if name in parameters.DEFAULTS:
            value = self.sql[index + 2]
            return parameters.Setting(name, value.string if value.kind == "string" else value.text, "SET")
        if name in _PASSED_ON:
            return Relay(self.sql.text)
        if self.sql.upper(index) == "AUTHORIZATION":
            return Relay(self.sql.text)
        return Script((), "SET")

    def _on_reset(self) -> Plan:
        if self.sql[1].name in parameters.DEFAULTS:
            return parameters.Setting(self.sql[1].name, "default", "RESET")
        return Relay(self.sql.text) if self.sql[1].name in _PASSED_ON else Script((), "RESET")

    def _on_show(self) -> Plan:
        return show(self.sql, self.session.database)

    def _on_delete(self) -> Plan:
        if not self.sql.at(1, "FROM"):
            return Relay(self._rewritten(Sql(f"DELETE FROM {self.sql.rest(1)}")), volatile=self.volatile)
        return self.query()

    def _on_merge(self) -> Plan:
        return merge(self.sql, self.rewrite)

    def _on_copy(self) -> Local:
        return copy(self.sql)

    def _on_unload(self) -> Local:
        return unload(self.sql, self.rewrite)

    def _on_grant(self) -> Plan:
        """PostgreSQL grants to roles, and of roles, without the word ROLE, and has no role with a colon unquoted."""
        self.sql = Sql(re.sub(r"(?i)\bROLE\s+(sys:\w+)", r'ROLE "\1"', self.sql.text))
        for index in self.sql.all("ROLE"):
            if self.sql.upper(index - 1) in ("GRANT", "REVOKE", "TO", "FROM", ","):
                self.sql.replace(index, index + 1, "")
        return Relay(self._rewritten(Sql(self.sql.render())))

    _on_revoke = _on_grant


def understood(text: str, session: Context, types: bytes) -> str:
    """Returns a query as it is to run, its decimals as Redshift computes them.

    Raises:
        RedshiftError: Redshift would refuse what it means.
        UpstreamError: PostgreSQL refuses it.
    """
    upstream = session.upstream
    if len(text) > LONGEST or upstream.status == "E":
        return text
    with_casts = _with_casts(text, understand(upstream, text, types))
    for _ in range(MOST_LEVELS):  # what lies within another query has its type only after that query has its casts
        if with_casts == text or not (tree := _if_understood(with_casts, session, types)):
            return text
        text, with_casts = with_casts, _with_casts(with_casts, tree)
    return text


@lru_cache(maxsize=2_000)
def _with_casts(text: str, tree: str) -> str:
    """Returns a query with the casts of its decimals: remembered, for reading a tree takes longer than the query.

    Raises:
        RedshiftError: Redshift would refuse what it means.
    """
    if (root := read(tree)) is None:
        return text
    refuse_tree.check(root)
    return computed(text, root)


def _if_understood(text: str, session: Context, types: bytes) -> str:
    """Returns the tree of a query that was understood without its casts; empty where PostgreSQL objects to them."""
    upstream = session.upstream
    within = upstream.status == "T"
    if within:
        upstream.query("SAVEPOINT standin_casts")
    try:
        return understand(upstream, text, types)
    except UpstreamError:
        if within:
            upstream.query("ROLLBACK TO SAVEPOINT standin_casts")
        return ""
    finally:
        if within:
            upstream.query("RELEASE SAVEPOINT standin_casts")


def _computes(sql: Sql) -> bool:
    """Whether a text is a statement that reads or computes: not an expression, nor rows of literals alone."""
    verb = sql.upper(0)
    return verb in _QUERIES or (verb == "INSERT" and not sql.words.isdisjoint(_QUERIES))


_PASSED_ON = frozenset(
    {"search_path", "timezone", "time", "datestyle", "statement_timeout", "application_name", "extra_float_digits"}
)
