"""What the tables of what Redshift refuses and answers have in common: their one database, and the spelling of types.

A source is a page of the Amazon Redshift Developer Guide (``r_SUM``), an issue (``repository#number``), or a
measurement on a workgroup (SDB: felipenoris/serialize-db; TRINO: trinodb/trino, plugin/trino-redshift).
"""

from __future__ import annotations

from collections.abc import Iterator

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.integration.standin.conftest import NUMBERS, Session
from aurora_dwh_tests.services import empty_database

SETUP = (
    "CREATE TABLE t (id int NOT NULL, a varchar(10), b int DEFAULT 1) DISTKEY(id) SORTKEY(b)",
    "CREATE TABLE s (id int, a varchar(10))",
    (
        "CREATE TABLE n (i smallint, j int, k bigint, d decimal(8,2), e decimal(8,2), w decimal(38,20), r real,"
        " f double precision, day date, ts timestamp, tz timestamptz, flag boolean, c char(10), v varchar(40))"
    ),
    (
        "INSERT INTO n VALUES (1, 2, 3, 10.00, 3.00, 1.5, 0.5, 1.5, '2024-02-15', '2024-02-15 10:20:30.5',"
        " '2024-02-15 10:20:30+00', true, 'abc', 'abc  '), (2, 3, 4, 20.00, 3.00, 10, 0.25, 'NaN', '2024-03-31',"
        " '2024-03-31 23:00:00', '2024-03-31 23:00:00+00', false, 'x', NULL)"
    ),
    "CREATE TABLE doc (id int, j super)",
    "CREATE TABLE wide (h decimal(19,0), g decimal(19,4))",
    "CREATE SCHEMA bi",
    "CREATE TABLE bi.u (id int, a varchar(10))",
)
"""Two rows of ``n`` differ in each column; ``t`` and ``s`` are empty."""

_NAMES = {
    16: "boolean", 20: "bigint", 21: "smallint", 23: "integer", 25: "text", 700: "real", 701: "double precision",
    1042: "char", 1043: "varchar", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1186: "interval",
    1266: "timetz", 1700: "numeric", 4000: "super",
}  # fmt: skip


def battery(standin: RedshiftStandIn) -> Iterator[Session]:
    """Yields a session of a database with the tables of a battery, which all rows of a module share."""
    with empty_database(standin, f"t{next(NUMBERS)}") as name:
        session = Session(standin, name)
        for statement in SETUP:
            session.sql(statement)
        yield session
        session.close()


def types(db: Session) -> list[str]:
    """Returns the types of the last result's columns, a decimal's with precision and scale."""
    found = []
    for column in db.cursor.ps["row_desc"]:
        name, modifier = _NAMES[column["type_oid"]], column["type_modifier"] - 4
        found.append(f"numeric({modifier >> 16},{modifier & 0xFFFF})" if name == "numeric" and modifier >= 0 else name)
    return found
