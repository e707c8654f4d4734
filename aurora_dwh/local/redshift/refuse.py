"""What Redshift refuses and PostgreSQL would take.

Belongs here: checks of a whole statement that need nothing but its tokens. Does not belong here: what the plans find
out when they read their own statement (``create_table``, ``copy_options``, ...), what depends on data.
"""

from __future__ import annotations

from collections.abc import Callable

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.names import RESERVED
from aurora_dwh.local.redshift.refuse_queries import NESTED_CHECKS
from aurora_dwh.local.redshift.sqltext import Sql, Token, read_name
from aurora_dwh.local.redshift.types import UNSUPPORTED, read_type

ABSENT_FUNCTIONS = frozenset({
    "AGE", "ARRAY_AGG", "ARRAY_APPEND", "ARRAY_LENGTH", "ARRAY_TO_STRING", "BIT_LENGTH", "CARDINALITY",
    "CLOCK_TIMESTAMP", "CONCAT_WS", "CONVERT_FROM", "CONVERT_TO", "CORR", "COVAR_POP", "COVAR_SAMP",
    "CURRENT_QUERY", "CURRVAL", "DATE_BIN", "DIV", "ENCODE", "EVERY", "FORMAT", "GENERATE_SUBSCRIPTS",
    "GEN_RANDOM_UUID", "JSONB_AGG", "JSONB_BUILD_ARRAY", "JSONB_BUILD_OBJECT", "JSONB_OBJECT_AGG", "JSONB_SET",
    "JSON_AGG", "JSON_BUILD_ARRAY", "JSON_BUILD_OBJECT", "JSON_OBJECT_AGG", "JUSTIFY_DAYS", "JUSTIFY_HOURS",
    "JUSTIFY_INTERVAL", "LASTVAL", "MAKE_DATE", "MAKE_INTERVAL", "MAKE_TIMESTAMP", "MODE", "NEXTVAL",
    "NUM_NONNULLS", "NUM_NULLS", "OVERLAY", "PG_ADVISORY_LOCK", "PG_ADVISORY_UNLOCK", "PG_ADVISORY_XACT_LOCK",
    "PG_SLEEP", "PG_TRY_ADVISORY_LOCK", "PG_TRY_ADVISORY_XACT_LOCK", "QUOTE_NULLABLE", "REGEXP_LIKE",
    "REGEXP_MATCHES", "REGEXP_SPLIT_TO_ARRAY", "REGEXP_SPLIT_TO_TABLE", "REGR_AVGX", "REGR_AVGY", "REGR_COUNT",
    "REGR_INTERCEPT", "REGR_R2", "REGR_SLOPE", "REGR_SXX", "REGR_SXY", "REGR_SYY", "ROW", "ROW_TO_JSON", "SCALE",
    "SETSEED", "SETVAL", "STARTS_WITH", "STRING_AGG", "STRING_TO_ARRAY", "TO_JSON", "TO_JSONB",
    "TRANSACTION_TIMESTAMP", "TRIM_SCALE", "UUID_GENERATE_V4", "WIDTH_BUCKET", "XMLAGG",
})  # fmt: skip
LEADER_ONLY = frozenset({
    "NOW", "GENERATE_SERIES", "VERSION", "CURRENT_SCHEMA", "CURRENT_SCHEMAS", "HAS_TABLE_PRIVILEGE",
    "HAS_SCHEMA_PRIVILEGE", "HAS_DATABASE_PRIVILEGE",
})  # fmt: skip
CREATABLE = frozenset({
    "TABLE", "VIEW", "SCHEMA", "DATABASE", "USER", "GROUP", "ROLE", "MATERIALIZED", "TEMP", "TEMPORARY", "LOCAL",
    "OR", "FUNCTION", "PROCEDURE",
})  # fmt: skip
MAX_STATEMENT = 16 * 1024 * 1024
VERBS = frozenset({
    "SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "COPY",
    "UNLOAD", "VACUUM", "ANALYZE", "ANALYSE", "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SET",
    "RESET", "SHOW", "GRANT", "REVOKE", "COMMENT", "LOCK", "EXPLAIN", "REFRESH", "CALL", "DECLARE", "FETCH",
    "CLOSE", "PREPARE", "EXECUTE", "DEALLOCATE", "CANCEL", "USE",
})  # fmt: skip


def check(sql: Sql) -> None:
    """Refuses ``sql`` if Redshift would, by its text alone.

    Raises:
        RedshiftError: with Redshift's SQLSTATE and manner.
    """
    if any(token.text == ";" for token in sql.tokens):
        raise RedshiftError("42601", "cannot insert multiple commands into a prepared statement")
    if (size := len(sql.text.encode())) > MAX_STATEMENT:
        raise RedshiftError(
            "54000",
            f"Statement is too large. Statement Size: {size} bytes. Maximum Allowed: {MAX_STATEMENT} bytes",
        )
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


_CLAUSES = (
    ("ON", "CONFLICT"), ("ON", "COMMIT"), ("DISTINCT", "ON"), ("FOR", "UPDATE"), ("FOR", "SHARE"), ("FROM", "ONLY"),
    ("AS", "VALUES"), ("AS", "MATERIALIZED"), ("NOT", "MATERIALIZED"), ("WITH", "TIES"), ("NO", "DATA"),
)  # fmt: skip


def _clauses(sql: Sql) -> None:
    for words in _CLAUSES:
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
    if sql.starts("VALUES") or any(sql.all("(", "VALUES")):
        raise syntax_error("VALUES")
    for index in sql.all("AS", "("):
        if sql.upper(index + 2) in ("INSERT", "UPDATE", "DELETE") and "WITH" in sql.words:
            raise syntax_error(sql[index + 2].text)


def _functions(sql: Sql) -> None:
    for index, token in enumerate(sql.tokens):
        if token.kind != "word" or sql[index + 1].text != "(" or sql[index - 1].text == ".":
            continue
        if token.upper in ABSENT_FUNCTIONS and not (token.upper == "ROW" and sql.at(index - 1, "FOR")):
            raise RedshiftError("42883", f"function {token.name}() does not exist")
    if _runs_on_nodes(sql):
        _leader_functions(sql)


def _leader_functions(sql: Sql) -> None:
    for index, token in enumerate(sql.tokens):
        if token.upper in LEADER_ONLY and sql[index + 1].text == "(" and token.kind == "word":
            raise RedshiftError(
                "0A000", "Specified types or functions (one per INFO message) not supported on Redshift tables."
            )


def _runs_on_nodes(sql: Sql) -> bool:
    """Whether a statement fills a table, or a FROM names one that is neither a catalog's nor the statement's own."""
    if sql.starts("INSERT") and "SELECT" in sql.words:
        return True
    own = {sql[i].name for i in range(1, len(sql)) if sql.at(i + 1, "AS", "(") and sql.upper(i - 1) in _BEFORE_CTE}
    catalogs = ("pg_", "svv_", "sys_", "stv_", "svl_", "stl_", "information_schema")
    for index, token in enumerate(sql.tokens):
        if token.upper in ("FROM", "JOIN") and sql[index + 1].is_name and sql[index + 2].text != "(":
            name = read_name(sql, index + 1)
            known = name.parts[0] in own or any(part.startswith(catalogs) for part in name.parts)
            if sql[name.end].text != "(" and not known:
                return True
    return False


_BEFORE_CTE = {"WITH", ",", "RECURSIVE"}


def _reads_catalog(sql: Sql) -> bool:
    """Whether a query runs on the leader node, where arrays are known: it reads tables of the catalog and no other."""
    return not sql.words.isdisjoint({"FROM", "JOIN"}) and not _runs_on_nodes(sql)


def _arrays_and_casts(sql: Sql) -> None:
    for index, token in enumerate(sql.tokens):
        if token.upper == "ARRAY" and sql[index + 1].text == "[" and not _reads_catalog(sql):
            raise syntax_error("[")
        cast = token.text == "::" or (token.upper == "AS" and _within_cast(sql, index))
        if cast and sql.upper(index + 1) in ABSENT_TYPES:
            raise RedshiftError("42704", f'type "{sql[index + 1].name}" does not exist')
        if cast and sql[index + 2].text == "[":
            raise syntax_error("[")
        if cast and sql.upper(index + 1) in ("DECIMAL", "NUMERIC", "VARCHAR", "CHAR"):
            read_type(sql, index + 1, in_memory=True)
            value = sql[index - 1]
            if (
                sql.upper(index + 1) in ("DECIMAL", "NUMERIC")
                and value.kind == "string"
                and value.string.lower() == "nan"
            ):
                raise RedshiftError("22P02", f"invalid input syntax for type numeric: {value.text}")


ABSENT_TYPES = UNSUPPORTED - {"DATETIME", "NAME"}


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
    "UNNEST": lambda token: token.text == "(",
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
    index = 2 if sql.at(1, "FROM") else 1
    name = read_name(sql, index)
    if sql.at(name.end, "USING") and index == 1:
        raise syntax_error("USING")
    if sql[name.end].text and sql.upper(name.end) not in ("USING", "WHERE"):
        raise syntax_error(sql[name.end].text)


def _insert(sql: Sql) -> None:
    for index in sql.all("OVERRIDING"):
        raise syntax_error(sql[index].text)
    if sql.at(1, "INTO") and sql.at(read_name(sql, 2).end, "AS"):
        raise syntax_error("AS")


def _with(sql: Sql) -> None:
    """WITH stands before no MERGE: r_WITH_clause."""
    for index in sql.all("MERGE", "INTO"):
        raise syntax_error(sql[index].text)


def _refresh(sql: Sql) -> None:
    if not sql.starts("REFRESH", "MATERIALIZED", "VIEW") or sql.at(3, "CONCURRENTLY"):
        raise syntax_error(sql[3].text)


def _transaction(sql: Sql) -> None:
    if sql.starts("ROLLBACK", "TO") or sql.starts("ROLLBACK", "WORK", "TO"):
        raise syntax_error("TO")


def _create(sql: Sql) -> None:
    if sql.upper(1) not in CREATABLE:
        raise syntax_error(sql[1].text)
    if sql.upper(1) in ("TEMP", "TEMPORARY") and not sql.at(2, "TABLE"):
        raise syntax_error(sql[2].text)
    if sql.upper(1) in ("TABLE", "TEMP", "TEMPORARY", "LOCAL"):
        _leader_functions(sql)
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
    *NESTED_CHECKS,
)
CHECKS_BY_VERB: dict[str, tuple[Callable[[Sql], None], ...]] = {
    "DELETE": (_no_target_alias,),
    "INSERT": (_insert,),
    "WITH": (_with,),
    "REFRESH": (_refresh,),
    "ROLLBACK": (_transaction,),
    "CREATE": (_create,),
}
