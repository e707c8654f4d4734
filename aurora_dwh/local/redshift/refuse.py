"""What Redshift refuses and PostgreSQL would take.

Belongs here: checks of a whole statement that need nothing but its tokens. Does not belong here: what the plans find
out when they read their own statement (``create_table``, ``copy_options``, ...), what depends on data.
"""

from __future__ import annotations

from collections.abc import Callable

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error, unsupported
from aurora_dwh.local.redshift.names import RESERVED
from aurora_dwh.local.redshift.sqltext import Sql, Token, read_name

ABSENT_FUNCTIONS = frozenset(
    [
        "STRING_AGG",
        "ARRAY_AGG",
        "JSON_AGG",
        "JSONB_AGG",
        "JSON_OBJECT_AGG",
        "JSONB_OBJECT_AGG",
        "TO_JSON",
        "TO_JSONB",
        "ROW_TO_JSON",
        "JSON_BUILD_OBJECT",
        "JSONB_BUILD_OBJECT",
        "JSON_BUILD_ARRAY",
        "JSONB_BUILD_ARRAY",
        "JSONB_SET",
        "ARRAY_LENGTH",
        "ARRAY_APPEND",
        "ARRAY_TO_STRING",
        "STRING_TO_ARRAY",
        "CARDINALITY",
        "REGEXP_MATCHES",
        "REGEXP_SPLIT_TO_TABLE",
        "REGEXP_SPLIT_TO_ARRAY",
        "CONCAT_WS",
        "FORMAT",
        "PG_SLEEP",
        "EVERY",
        "CORR",
        "COVAR_POP",
        "COVAR_SAMP",
        "REGR_SLOPE",
        "GEN_RANDOM_UUID",
        "UUID_GENERATE_V4",
        "MAKE_DATE",
        "MAKE_TIMESTAMP",
        "MAKE_INTERVAL",
        "CLOCK_TIMESTAMP",
        "AGE",
        "PG_ADVISORY_LOCK",
        "PG_ADVISORY_XACT_LOCK",
        "PG_TRY_ADVISORY_LOCK",
        "PG_TRY_ADVISORY_XACT_LOCK",
        "PG_ADVISORY_UNLOCK",
        "SETVAL",
        "NEXTVAL",
        "CURRVAL",
        "LASTVAL",
        "ENCODE",
        "XMLAGG",
        "NUM_NONNULLS",
        "NUM_NULLS",
        "STARTS_WITH",
        "DATE_BIN",
        "SCALE",
        "TRIM_SCALE",
        "MODE",
        "ROW",
    ]
)
LEADER_ONLY = frozenset({"NOW", "GENERATE_SERIES", "CURRENT_SCHEMAS", "HAS_TABLE_PRIVILEGE", "HAS_SCHEMA_PRIVILEGE"})
CREATABLE = frozenset(
    [
        "TABLE",
        "VIEW",
        "SCHEMA",
        "DATABASE",
        "USER",
        "GROUP",
        "ROLE",
        "MATERIALIZED",
        "TEMP",
        "TEMPORARY",
        "LOCAL",
        "OR",
        "FUNCTION",
        "PROCEDURE",
    ]
)
VERBS = frozenset(
    [
        "SELECT",
        "WITH",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "COPY",
        "UNLOAD",
        "VACUUM",
        "ANALYZE",
        "ANALYSE",
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SET",
        "RESET",
        "SHOW",
        "GRANT",
        "REVOKE",
        "COMMENT",
        "LOCK",
        "EXPLAIN",
        "REFRESH",
        "CALL",
        "DECLARE",
        "FETCH",
        "CLOSE",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "CANCEL",
        "USE",
    ]
)


def check(sql: Sql) -> None:
    """Refuses ``sql`` if Redshift would, by its text alone.

    Raises:
        RedshiftError: with Redshift's SQLSTATE and manner.
    """
    if any(token.text == ";" for token in sql.tokens):
        raise RedshiftError("42601", "cannot insert multiple commands into a prepared statement")
    verb = sql.upper(0)
    if verb not in VERBS and verb != "(":
        raise syntax_error(sql[0].text)
    if verb in ("COPY", "UNLOAD", "GRANT", "REVOKE", "SET", "SHOW", "VACUUM", "COMMENT", "CREATE", "ALTER"):
        checks = CHECKS_BY_VERB.get(verb, ())
    else:
        checks = (*CHECKS_BY_VERB.get(verb, ()), *QUERY_CHECKS)
    for one in checks:
        one(sql)


def check_query(sql: Sql) -> None:
    """Refuses what no query or expression may hold."""
    for one in QUERY_CHECKS:
        one(sql)


def _clauses(sql: Sql) -> None:
    for words in (("ON", "CONFLICT"), ("ON", "COMMIT"), ("DISTINCT", "ON"), ("FOR", "UPDATE"), ("FOR", "SHARE")):
        for index in sql.all(*words):
            raise syntax_error(sql[index + 1].text)
    for word in sql.words & {"LATERAL", "RETURNING", "TABLESAMPLE"}:
        index = sql.find(word)
        if sql[index - 1].text != "." and not sql.at(index - 1, "AS"):
            raise syntax_error(sql[index].text)


def _predicates(sql: Sql) -> None:
    for index in sql.all("FILTER", "("):
        if sql[index - 1].text == ")":
            raise syntax_error("(")
    for index in sql.all("DISTINCT", "FROM"):
        if sql.at(index - 1, "IS") or sql.at(index - 2, "IS", "NOT"):
            raise syntax_error("DISTINCT")


def _derived_tables(sql: Sql) -> None:
    for word in ("FROM", "JOIN", ","):
        for index in sql.all(word, "(", "VALUES"):
            if word != "," or _in_from(sql, index):
                raise syntax_error("VALUES")
    for index in sql.all("AS", "("):
        if sql.upper(index + 2) in ("INSERT", "UPDATE", "DELETE") and "WITH" in sql.words:
            raise syntax_error(sql[index + 2].text)


def _in_from(sql: Sql, index: int) -> bool:
    for back in range(index, -1, -1):
        if sql.upper(back) in ("SELECT", "WHERE", "VALUES", "GROUP", "ORDER", "SET"):
            return False
        if sql.upper(back) == "FROM":
            return True
    return False


def _functions(sql: Sql) -> None:
    for index, token in enumerate(sql.tokens):
        if token.kind != "word" or sql[index + 1].text != "(" or sql[index - 1].text == ".":
            continue
        if token.upper in ABSENT_FUNCTIONS and not (token.upper == "ROW" and sql.at(index - 1, "FOR")):
            raise RedshiftError("42883", f"function {token.name}() does not exist")
        if token.upper in ("PIVOT", "UNPIVOT") and sql[index - 1].text not in ("SELECT", ","):
            raise unsupported(f"{token.upper} in the local stand-in")
        if token.upper in LEADER_ONLY and _reads_tables(sql):
            raise RedshiftError(
                "0A000", "Specified types or functions (one per INFO message) not supported on Redshift tables."
            )


def _reads_tables(sql: Sql) -> bool:
    """Whether a FROM names a table that is not a catalog's."""
    catalogs = ("pg_", "svv_", "sys_", "stv_", "svl_", "stl_", "information_schema")
    for index, token in enumerate(sql.tokens):
        if token.upper in ("FROM", "JOIN") and sql[index + 1].is_name and sql[index + 2].text != "(":
            name = read_name(sql, index + 1)
            if sql[name.end].text != "(" and not any(part.startswith(catalogs) for part in name.parts):
                return True
    return False


def _reads_catalog(sql: Sql) -> bool:
    """Whether a query runs on the leader node, where arrays are known: it reads tables of the catalog and no other."""
    return bool(sql.words & {"FROM", "JOIN"}) and not _reads_tables(sql)


def _arrays_and_casts(sql: Sql) -> None:
    for index, token in enumerate(sql.tokens):
        if token.upper == "ARRAY" and sql[index + 1].text == "[" and not _reads_catalog(sql):
            raise syntax_error("[")
        cast = token.text == "::" or (token.upper == "AS" and _within_cast(sql, index))
        if cast and sql.upper(index + 1) in ABSENT_TYPES:
            raise RedshiftError("42704", f'type "{sql[index + 1].name}" does not exist')
        if cast and sql[index + 2].text == "[":
            raise syntax_error("[")


ABSENT_TYPES = frozenset({"JSONB", "JSON", "UUID", "BYTEA", "MONEY", "INET", "XML", "BIT", "TINYINT"})


def _within_cast(sql: Sql, index: int) -> bool:
    return any(sql.at(back, "CAST", "(") and sql.close(back + 1) > index for back in range(max(0, index - 60), index))


_NAME_PRECEDES = frozenset(
    {"SELECT", ",", "(", "BY", "FROM", "JOIN", "INTO", "WHERE", "AND", "OR", "ON", "SET", "DISTINCT", "="}
)
_HARMLESS = {"SYSDATE", "CURRENT_USER_ID"}
_FOLLOWED_BY: dict[str, Callable[[Token], bool]] = {
    "TOP": lambda token: token.kind == "number" or token.text == "(",
    "PARTITION": lambda token: token.upper == "BY",
    "TIMESTAMP": lambda token: token.kind == "string" or token.upper in ("WITH", "WITHOUT", "("),
    "BINARY": lambda token: token.upper == "VARYING",
    "MINUS": lambda token: token.upper in ("SELECT", "(", "ALL"),
    "PIVOT": lambda token: token.text == "(",
    "UNPIVOT": lambda token: True,
    "UNNEST": lambda token: False,
}


def _reserved_words(sql: Sql) -> None:
    """A reserved word where a column or table is named must be quoted."""
    for word in sql.words & RESERVED - _HARMLESS:
        for index in sql.all(word):
            if sql.upper(index - 1) not in _NAME_PRECEDES or sql.at(index - 2, "CONVERT", "("):
                continue
            allowed = _FOLLOWED_BY.get(word)
            if allowed is None or not allowed(sql[index + 1]):
                raise syntax_error(sql[index].text)


def _no_target_alias(sql: Sql) -> None:
    verb = sql.upper(0)
    if verb == "DELETE":
        index = 2 if sql.at(1, "FROM") else 1
        name = read_name(sql, index)
        if sql.at(name.end, "USING") and index == 1:
            raise syntax_error("USING")
        if sql[name.end].text and sql.upper(name.end) not in ("USING", "WHERE"):
            raise syntax_error(sql[name.end].text)
    elif verb == "UPDATE":
        name = read_name(sql, 1)
        if not sql.at(name.end, "SET"):
            raise syntax_error(sql[name.end].text)


def _insert(sql: Sql) -> None:
    for index in sql.all("OVERRIDING"):
        raise syntax_error(sql[index].text)
    if sql.at(1, "INTO") and sql.at(read_name(sql, 2).end, "AS"):
        raise syntax_error("AS")


def _transaction(sql: Sql) -> None:
    if sql.starts("ROLLBACK", "TO") or sql.starts("ROLLBACK", "WORK", "TO"):
        raise syntax_error("TO")


def _create(sql: Sql) -> None:
    if sql.upper(1) not in CREATABLE:
        raise syntax_error(sql[1].text)
    if sql.at(1, "OR", "REPLACE") and sql.upper(3) not in ("VIEW", "FUNCTION", "PROCEDURE"):
        raise syntax_error(sql[3].text)
    for index in sql.all("ON", "COMMIT"):
        raise syntax_error(sql[index].text)


QUERY_CHECKS: tuple[Callable[[Sql], None], ...] = (
    _clauses,
    _predicates,
    _derived_tables,
    _functions,
    _arrays_and_casts,
    _reserved_words,
)
CHECKS_BY_VERB: dict[str, tuple[Callable[[Sql], None], ...]] = {
    "DELETE": (_no_target_alias,),
    "UPDATE": (_no_target_alias,),
    "INSERT": (_insert,),
    "ROLLBACK": (_transaction,),
    "CREATE": (_create,),
}
