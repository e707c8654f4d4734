"""Statements that read: SELECT, EXPLAIN, SHOW, DESCRIBE. Each is a function of the session and the statement's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from aurora_dwh.local.aurora import information_schema
from aurora_dwh.local.aurora.errors import not_supported, syntax_error
from aurora_dwh.local.aurora.fields import Field
from aurora_dwh.local.aurora.outfile import ROLE, split_outfile, write
from aurora_dwh.local.aurora.reader import Reader
from aurora_dwh.local.aurora.results import Done, Result, Rows, field_of_value, listed
from aurora_dwh.local.aurora.session import Session
from aurora_dwh.local.aurora.tables import Table, show_create
from aurora_dwh.local.aurora.translate import Translated, parse, translate

_LIKE: Final = re.compile(r"LIKE\s+'((?:[^'\\]|''|\\.)*)'", re.IGNORECASE)
_OF: Final = re.compile(r"\b(?:FROM|IN)\s+(`[^`]+`|[\w$]+)(?:\s+(?:FROM|IN)\s+|\.)?(`[^`]+`|[\w$]+)?", re.IGNORECASE)
_USED_INDEX: Final = re.compile(
    r"(?P<verb>SEARCH|SCAN) (?P<alias>\S+)(?: USING (?:COVERING )?(?:INDEX (?P<index>\S+)|(?P<primary>PRIMARY KEY)))?"
    r"(?: \((?P<terms>.*)\))?"
)
_BATCH: Final = 1_000
_EXPLAIN_TITLES: Final = (
    "id", "select_type", "table", "partitions", "type", "possible_keys", "key", "key_len", "ref", "rows", "filtered",
    "Extra",
)  # fmt: skip


def select(session: Session, text: str) -> Result:
    """SELECT, on tables or on information_schema; INTO OUTFILE S3 writes the rows to S3."""
    parted = split_outfile(text)
    if parted is None:
        fields, fetch = _opened(session, text)
        return Rows(fields, lambda count: session.guarded(lambda: fetch(count)))
    query, clause = parted
    fields, fetch = _opened(session, query)
    titles = [field.name for field in fields]
    rows = (row for batch in iter(lambda: fetch(_BATCH), []) for row in batch)
    return Done(affected=write(session.exports, clause, titles, rows, allowed=session.may_export))


def _opened(session: Session, text: str) -> tuple[list[Field], Callable[[int], list[Any]]]:
    """Begin a query; return its columns, and what gives its next rows, none at the end."""
    tree = parse(text)
    if tree.args.get("into"):
        raise not_supported("SELECT ... INTO")
    translated = translate(tree, session.context())
    if translated.schema_tables:
        source = information_schema.build(
            translated.schema_tables,
            session.catalogue.tables(),
            session.catalogue.schemas(),
            lambda table: count_rows(session, table),
        )
    else:
        session.reading()
        source = session.sqlite
    cursor = source.execute(translated.sql)
    named = translated.fields or tuple((column[0], None) for column in cursor.description)
    untyped = any(field is None for _, field in named)
    ahead: list[Any] = cursor.fetchmany(1) if untyped else []
    first = ahead[0] if ahead else [None] * len(named)
    fields = [field or field_of_value(title, value) for (title, field), value in zip(named, first, strict=True)]

    def fetch(count: int) -> list[Any]:
        rows = [*ahead, *cursor.fetchmany(count)]
        ahead.clear()
        return rows

    return fields, fetch


def count_rows(session: Session, table: Table) -> int:
    """The number of rows of a table."""
    if table.view:
        return 0
    return int(session.sqlite.execute(f'SELECT COUNT(*) FROM "{table.stored_name}"').fetchone()[0])


def explain(session: Session, text: str) -> Result:
    """EXPLAIN of a query in MySQL's shape; of a table, its columns."""
    inner = re.sub(r"(?is)\A(?:EXPLAIN|DESCRIBE|DESC)\s+(?:FORMAT\s*=\s*TRADITIONAL\s+)?", "", text)
    if re.match(r"(?i)FORMAT\b|ANALYZE\b", inner):
        raise not_supported("EXPLAIN in another format")
    if not re.match(r"(?i)\(*\s*(?:SELECT|WITH)\b", inner):
        reader = Reader(inner)
        return _columns(session.catalogue.table(*reader.table_name(session.schema)))
    translated = translate(parse(inner), session.context())
    if translated.schema_tables:
        return listed(_EXPLAIN_TITLES, [])
    return listed(_EXPLAIN_TITLES, _plan(session, translated))


def _plan(session: Session, translated: Translated) -> list[tuple[Any, ...]]:
    steps = session.sqlite.execute(f"EXPLAIN QUERY PLAN {translated.sql}").fetchall()
    notes = [str(step[3]) for step in steps]
    sorts = any("USE TEMP B-TREE FOR ORDER BY" in note for note in notes)
    rows = []
    for note in notes:
        found = _USED_INDEX.match(note)
        if found:
            rows.append(_plan_row(session, translated, found, sorts=sorts))
    return rows or [(1, "SIMPLE", *(None,) * 9, "No tables used")]


def _plan_row(session: Session, translated: Translated, found: re.Match[str], *, sorts: bool) -> tuple[Any, ...]:
    alias = found["alias"].strip("\"`'")
    table = next((one for name, one in translated.scope.items() if name == alias.lower()), None)
    key, columns = None, []
    if table is not None and found["primary"]:
        key, columns = "PRIMARY", list(table.primary_key)
    elif table is not None and found["index"]:
        for index in table.indexes:
            if found["index"].endswith(f".{index.name}") or (index.primary and "autoindex" in found["index"]):
                key, columns = index.name, list(index.columns)
    terms = found["terms"] or ""
    searched = found["verb"] == "SEARCH" and key is not None
    only_equal = searched and not re.search(r"[<>]", terms)
    whole_key = only_equal and table is not None and key == "PRIMARY" and terms.count("=") == len(columns)
    kind = (
        "ALL"
        if key is None
        else "index"
        if not searched
        else "const"
        if whole_key
        else "ref"
        if only_equal
        else "range"
    )
    count = count_rows(session, table) if table is not None else 0
    extra = [*(["Using index condition"] if searched else ["Using where"]), *(["Using filesort"] if sorts else [])]
    rows = 1 if whole_key else count if not searched else max(1, count // 3)
    return (
        1, "SIMPLE", alias, None, kind, key if searched else None, key, str(8 * len(columns)) if key else None,
        "const" if only_equal else None, rows, 100.0, "; ".join(extra),
    )  # fmt: skip


def _columns(table: Table) -> Rows:
    titles = ["Field", "Type", "Null", "Key", "Default", "Extra"]
    return listed(
        titles,
        [
            (one.name, one.column_type, "YES" if one.nullable else "NO", table.key_of(one), one.default, one.extra)
            for one in table.columns
        ],
    )


def show_databases(session: Session, text: str) -> Result:
    """SHOW DATABASES."""
    names = sorted({*session.catalogue.schemas(), information_schema.NAME, "mysql", "performance_schema", "sys"})
    return listed(["Database"], [(name,) for name in names if _matches(text, name)])


def show_tables(session: Session, text: str) -> Result:
    """SHOW [FULL] TABLES [FROM schema] [LIKE pattern]."""
    found = _OF.search(text)
    schema = found.group(1).strip("`") if found else session.schema
    tables = [one for one in session.catalogue.tables() if one.schema == schema and _matches(text, one.name)]
    if re.match(r"(?i)SHOW\s+FULL", text):
        kinds = [(one.name, "VIEW" if one.view else "BASE TABLE") for one in tables]
        return listed([f"Tables_in_{schema}", "Table_type"], kinds)
    return listed([f"Tables_in_{schema}"], [(one.name,) for one in tables])


def show_columns(session: Session, text: str) -> Result:
    """SHOW [FULL] COLUMNS FROM table."""
    return _columns(_table_of(session, text))


def show_index(session: Session, text: str) -> Result:
    """SHOW INDEX FROM table."""
    table = _table_of(session, text)
    titles = ["Table", "Non_unique", "Key_name", "Seq_in_index", "Column_name", "Collation", "Null", "Index_type"]
    rows = [
        (table.name, 0 if index.unique else 1, index.name, position, name, "A", "", "BTREE")
        for index in table.indexes
        for position, name in enumerate(index.columns, start=1)
    ]
    return listed(titles, rows)


def _table_of(session: Session, text: str) -> Table:
    found = _OF.search(text)
    if found is None:
        raise syntax_error(text)
    first, second = (part.strip("`") if part else None for part in found.groups())
    if second is None:
        return session.catalogue.table(session.schema, str(first))
    dotted = "." in text[found.start(1) : found.end(2)].replace("`.`", ".")
    schema, name = (first, second) if dotted else (second, first)
    return session.catalogue.table(str(schema), str(name))


def show_create_table(session: Session, text: str) -> Result:
    """SHOW CREATE TABLE."""
    reader = Reader(text)
    reader.need("SHOW", "CREATE")
    reader.take()
    table = session.catalogue.table(*reader.table_name(session.schema))
    title = "View" if table.view else "Table"
    return listed([title, f"Create {title}"], [(table.name, show_create(table))])


def show_grants(session: Session, text: str) -> Result:
    """SHOW GRANTS."""
    account = f"`{session.user}`@`%`"
    grants = [
        f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, CREATE VIEW, SHOW VIEW ON *.* TO {account}",
        *([f"GRANT `{ROLE}`@`%` TO {account}"] if session.exports.granted else []),
    ]
    return listed([f"Grants for {session.user}@%"], [(grant,) for grant in grants])


def show_variables(session: Session, text: str) -> Result:
    """SHOW [SESSION|GLOBAL] VARIABLES [LIKE pattern] [WHERE Variable_name = name | IN (...)]."""
    names = set(re.findall(r"'([^']*)'", text.partition("WHERE")[2])) if "WHERE" in text.upper() else None
    rows = [
        (name, value)
        for name, value in session.variables.listing()
        if (name in names if names is not None else _matches(text, name))
    ]
    return listed(["Variable_name", "Value"], rows)


def show_status(session: Session, text: str) -> Result:
    """SHOW STATUS: the few counters that clients look for."""
    rows = [("Ssl_cipher", ""), ("Threads_connected", "1"), ("Threads_running", "1"), ("Uptime", "1")]
    return listed(["Variable_name", "Value"], [row for row in rows if _matches(text, row[0])])


def show_nothing(session: Session, text: str) -> Result:
    """SHOW WARNINGS, SHOW ERRORS: none."""
    return listed(["Level", "Code", "Message"], [])


def show_no_binary_log(session: Session, text: str) -> Result:
    """SHOW MASTER STATUS, SHOW REPLICA STATUS: there is no binary log, and no replica."""
    return listed(["File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"], [])


def show_processes(session: Session, text: str) -> Result:
    """SHOW PROCESSLIST: as one who may see only its own."""
    titles = ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"]
    return listed(titles, [(session.connection_id, session.user, "localhost", session.schema, "Query", 0, "", text)])


def _matches(text: str, name: str) -> bool:
    found = _LIKE.search(text)
    if found is None:
        return True
    pattern = re.sub(r"\\([_%])|([_%])|([^_%\\]+)", _as_regex, found.group(1))
    return re.fullmatch(pattern, name, re.IGNORECASE) is not None


def _as_regex(part: re.Match[str]) -> str:
    escaped, wild, plain = part.groups()
    return {"_": ".", "%": ".*"}[wild] if wild else re.escape(escaped or plain)
