"""What functions and views of Redshift answer, as statements of the product rely on it.

Sources: JSON_SERIALIZE, FROM_VARBYTE, SHA2, STRTOL, MOD, SVV_ALL_COLUMNS, SVV_USER_INFO and ALTER DATABASE of the
Developer Guide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial

from aurora_dwh.commands.doctor.contract.assumption import Assumption
from aurora_dwh.commands.doctor.contract.scratch import Scratch
from aurora_dwh.warehouse.load.schema_drift import live_columns
from aurora_dwh.warehouse.load.statements import Target

_PROOF = "proofs tell rows that are equal for different, or the other way round; do not repair by them"
_KINDS = (
    "SMALLINT", "INTEGER", "BIGINT", "DECIMAL(12,2)", "REAL", "DOUBLE PRECISION", "BOOLEAN", "DATE", "TIMESTAMP",
    "VARCHAR(40)", "SUPER",
)  # fmt: skip
_TEXT = "Zoë|東京"
_DIGEST = int(hashlib.sha256(_TEXT.encode()).hexdigest()[:15], 16)

_ANSWERS = (
    ("JSON_SERIALIZE of NULL is a text", "SELECT JSON_SERIALIZE(v) FROM {t}", "null", _PROOF),
    ("JSON's null is not NULL", "SELECT JSON_PARSE('null') IS NULL", "False", _PROOF),
    ("JSON keeps order, digits and characters", "SELECT JSON_SERIALIZE(JSON_PARSE('{{\"b\": 1.50, \"a\": \"é\"}}'))",
     '{"b":1.50,"a":"é"}', _PROOF),
    ("a digest is the source's", f"SELECT STRTOL(SUBSTRING(SHA2('{_TEXT}', 256), 1, 15), 16)", str(_DIGEST), _PROOF),
    ("MOD cuts towards zero", "SELECT MOD(CAST(-7 AS BIGINT), 5)", "-2", _PROOF),
    ("blanks at a text's end are nothing to =", "SELECT CAST('a' AS VARCHAR(9)) = CAST('a ' AS VARCHAR(9))", "True",
     "keys that differ in such blanks are two rows: the product compares lengths as well, and stays right"),
    ("the database has snapshot isolation",
     ("SELECT CASE WHEN database_isolation_level ILIKE '%snapshot%' THEN 'yes' ELSE database_isolation_level END "
     "FROM svv_redshift_databases WHERE database_name = current_database()"), "yes",
     ("loads beside one another are tried again more often; while nobody else is connected to it, have an "
     "administrator run ALTER DATABASE ... ISOLATION LEVEL SNAPSHOT")),
    ("the user sees the grants of others",
     ("SELECT CASE WHEN superuser OR syslog_access = 'UNRESTRICTED' THEN 'yes' ELSE 'no' END FROM svv_user_info "
     "WHERE user_name = current_user"), "yes",
     "grants are lost where a table is made anew; have an administrator run ALTER USER ... SYSLOG ACCESS UNRESTRICTED"),
)  # fmt: skip


def assumptions() -> Iterator[Assumption]:
    """Yield what is assumed of functions and views."""
    for name, query, expected, meaning in _ANSWERS:
        yield Assumption(f"SQL: {name}", expected, meaning, partial(_answer, query))
    yield Assumption(
        "SQL: a hexadecimal text that is too long",
        "refused",
        "nothing: the product writes long values in two pieces",
        _long_text,
    )
    yield Assumption(
        "SQL: svv_all_columns spells types as the product reads them",
        "as they were made",
        "columns are taken for changed ones; the next load fails with the check `schema` and changes nothing",
        _spellings,
    )
    yield Assumption(
        "SQL: a temporary table has the types of its query",
        "as they were made",
        "a mart whose columns did not change is made anew each time, and keeps its grants",
        _temporary,
    )


def _answer(query: str, scratch: Scratch) -> str:
    table = scratch.name()
    scratch.run(scratch.first, f"CREATE TABLE {table} (v SUPER)", f"INSERT INTO {table} VALUES (NULL)")
    ((value,),) = scratch.rows(query.format(t=table))
    return str(value)


def _long_text(scratch: Scratch) -> str:
    table = scratch.name()
    scratch.run(
        scratch.first,
        f"CREATE TABLE {table} (v VARBYTE(64000))",
        f"INSERT INTO {table} VALUES (TO_VARBYTE(REPEAT('ab', 30000), 'hex'))",
        f"UPDATE {table} SET v = v || SUBSTRING(v, 1, 10000)",
    )
    return scratch.told(scratch.first, f"SELECT OCTET_LENGTH(FROM_VARBYTE(v, 'hex')) FROM {table}").split()[0]


def _made(scratch: Scratch) -> tuple[str, list[str]]:
    table, names = scratch.name("types"), [f"c{place}" for place in range(len(_KINDS))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, _KINDS, strict=True))
    scratch.run(scratch.first, f"CREATE TABLE {table} ({columns})")
    return table, names


def _spellings(scratch: Scratch) -> str:
    table, names = _made(scratch)
    target = Target(scratch.schema, table.rpartition(".")[2].strip('"'))
    found = scratch.ask(scratch.first, lambda session: live_columns(session, target))
    wrong = [f"{kind} is {found[name]}" for name, kind in zip(names, _KINDS, strict=True) if found[name] != kind]
    return "; ".join(wrong) or "as they were made"


def _temporary(scratch: Scratch) -> str:
    table, names = _made(scratch)
    copy = f"contract_{scratch.schema}"
    scratch.run(scratch.first, f"CREATE TEMP TABLE {copy} AS SELECT * FROM {table}")
    answers = [scratch.run(scratch.first, f"SELECT * FROM {one} LIMIT 0") for one in (table, copy)]
    scratch.run(scratch.first, f"DROP TABLE {copy}")
    pairs = zip(names, *(zip(one.columns, one.modifiers, strict=True) for one in answers), strict=True)
    wrong = [name for name, one, other in pairs if one != other]
    return f"other: {', '.join(wrong)}" if wrong else "as they were made"
