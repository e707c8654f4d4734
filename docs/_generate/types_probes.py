"""What MySQL and MariaDB make of the same column and value: docs/types.md shows it, and the tests ask both servers.

A probe is one question and each server's answer. Where the answers are the same it shows that nothing is to be told.
How a type travels is `schema`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aurora_dwh.core.schema import TYPE_RULES

Answer = str | int
"""What is read, or the number of the error by which a server refuses the column or the value."""


@dataclass(frozen=True)
class Probe:
    """A column, a value written into it under the sql_mode that a server comes with, and what comes of it.

    Attributes:
        column: The column's definition, without its name.
        value: The value in SQL; empty where the column's COLUMN_TYPE in information_schema is asked for.
        mysql: MySQL's answer, of 8.0 and later.
        mariadb: MariaDB's, of 10.6 and later.
        read: What is read, in SQL; `c` is the column.
    """

    column: str
    value: str
    mysql: Answer
    mariadb: Answer
    read: str = "c"


@dataclass(frozen=True)
class Since:
    """A type that not every server has.

    Attributes:
        column: The column's definition, without its name.
        mysql: MySQL's first version that has it, None where none does.
        mariadb: MariaDB's, likewise.
    """

    column: str
    mysql: tuple[int, int] | None
    mariadb: tuple[int, int] | None


def _called(column: str, mysql: Answer, mariadb: Answer) -> Probe:
    return Probe(column, "", mysql, mariadb)


_ZERO: Final = "'0000-00-00 00:00:00'"
_POINT: Final = "ST_GeomFromText('POINT(1 2)', {})"
_1, _2 = "000000000000F03F", "0000000000000040"

PROBES: Final[dict[str, tuple[Probe | Since, ...]]] = {
    "TINYINT [UNSIGNED], BOOL": (
        _called("TINYINT", "tinyint", "tinyint(4)"),
        _called("BOOL", "tinyint(1)", "tinyint(1)"),
        Probe("TINYINT", "300", 1264, 1264),
    ),
    "SMALLINT": (_called("SMALLINT", "smallint", "smallint(6)"),),
    "SMALLINT UNSIGNED": (_called("SMALLINT UNSIGNED", "smallint unsigned", "smallint(5) unsigned"),),
    "MEDIUMINT [UNSIGNED]": (_called("MEDIUMINT", "mediumint", "mediumint(9)"),),
    "INT": (_called("INT", "int", "int(11)"),),
    "INT UNSIGNED": (
        _called("INT UNSIGNED", "int unsigned", "int(10) unsigned"),
        _called("INT(5) ZEROFILL", "int(5) unsigned zerofill", "int(5) unsigned zerofill"),
    ),
    "BIGINT": (_called("BIGINT", "bigint", "bigint(20)"),),
    "BIGINT UNSIGNED, SERIAL": (_called("BIGINT UNSIGNED", "bigint unsigned", "bigint(20) unsigned"),),
    "DECIMAL(p,s), p > 38": (_called("DECIMAL(65,38)", 1425, "decimal(65,38)"),),
    "DECIMAL(p,s)": (
        _called("DECIMAL(38,31)", 1425, "decimal(38,31)"),
        Probe("DECIMAL(5,2)", "1.005", "1.01", "1.01"),
    ),
    "FLOAT": (
        Probe("FLOAT", "1.1", "1.1", "1.1"),
        Probe("FLOAT", "16777216", "16777200", "16777200"),
        Probe("FLOAT", "1.1", "1.100000023841858", "1.100000023841858", read="c * 1e0"),
    ),
    "DOUBLE, REAL": (
        Probe("DOUBLE", "-3.4404713459689835e-27", "-3.4404713459689835e-27", "-3.4404713459689835e-27"),
        Probe(
            *("DOUBLE", "-3.4404713459689835e-27", "-3.440471345968984e-27", "-3.4404713459689835e-27"),
            read="CONCAT(c * 1e0)",
        ),
        Probe("DOUBLE", "-0e0", "-0", "0"),
    ),
    "BIT(1)": (Probe("BIT(1)", "b'1'", "1", "1", read="c + 0"),),
    "BIT(2..63)": (
        Probe("BIT(8)", "b'101'", "5", "5", read="c + 0"),
        Probe("BIT(4)", "255", 1406, 1406, read="c + 0"),
    ),
    "BIT(64)": (Probe("BIT(64)", "x'ffffffffffffffff'", "18446744073709551615", "18446744073709551615", read="c + 0"),),
    "YEAR": (
        _called("YEAR", "year", "year(4)"),
        Probe("YEAR(2)", "2024", 1818, "24"),
        Probe("YEAR", "'0'", "2000", "2000"),
    ),
    "DATE": (Probe("DATE", "'0000-00-00'", 1292, "0000-00-00"), Probe("DATE", "'2021-00-00'", 1292, "2021-00-00")),
    "DATETIME(0..6)": (
        Probe("DATETIME", _ZERO, 1292, "0000-00-00 00:00:00"),
        Probe("DATETIME", "'2024-01-05 23:59:59.6'", "2024-01-06 00:00:00", "2024-01-05 23:59:59"),
        Probe("DATETIME", "'2024-01-05 10:00:00+09:00'", "2024-01-05 01:00:00", 1292),
    ),
    "TIMESTAMP(0..6)": (
        Probe("TIMESTAMP", _ZERO, 1292, "0000-00-00 00:00:00"),
        Probe("TIMESTAMP", "'2024-01-05 23:59:59.6'", "2024-01-06 00:00:00", "2024-01-05 23:59:59"),
    ),
    "TIME(0..6)": (
        Probe("TIME(6)", "'838:59:59.999999'", 1292, "838:59:59.999999"),
        Probe("TIME", "'25:30:00.6'", "25:30:01", "25:30:00"),
        Probe("TIME", "'-838:59:59'", "-838:59:59", "-838:59:59"),
    ),
    "CHAR, VARCHAR, TEXT family": (
        Probe("VARCHAR(3)", "'a'", "0", "1", read="c = 'a '"),
        Probe("VARCHAR(3)", "'ABC'", "1", "1", read="c = 'abc'"),
        Probe("VARCHAR(3)", "'é'", "1", "1", read="c = 'e'"),
        Probe("VARCHAR(3) COLLATE utf8mb4_bin", "'ABC'", "0", "0", read="c = 'abc'"),
        Probe("VARCHAR(3) COLLATE utf8mb4_bin", "'a'", "1", "1", read="c = 'a '"),
        Probe("VARCHAR(3)", "'a  '", "a  ", "a  "),
        Probe("CHAR(3)", "'a  '", "a", "a"),
        _called("VARCHAR(9) COMPRESSED", 1064, "varchar(9) /*M!100301 COMPRESSED*/"),
    ),
    "ENUM, SET": (
        Probe("ENUM('a','b')", "'B'", "b", "b"),
        Probe("ENUM('a','b')", "'c'", 1265, 1265),
        Probe("SET('a','b')", "'b,a'", "a,b", "a,b"),
    ),
    "UUID, INET4, INET6": (
        Since("UUID", None, (10, 7)),
        Since("INET4", None, (10, 10)),
        Since("INET6", None, (10, 5)),
    ),
    "JSON": (
        _called("JSON", "json", "longtext"),
        Probe("JSON", """'{"b":1, "a":1.0, "b":2}'""", '{"a": 1.0, "b": 2}', '{"b":1, "a":1.0, "b":2}'),
        Probe("JSON", "'1e2'", "100.0", "1e2"),
        Probe("JSON", "'12345678901234567890123'", "1.2345678901234568e22", "12345678901234567890123"),
        Probe("JSON", "'{'", 3140, 4025),
    ),
    "BINARY, VARBINARY, BLOB family": (
        Probe("BINARY(4)", "x'00FF'", "00FF0000", "00FF0000", read="HEX(c)"),
        Probe("VARBINARY(4)", "x'00FF00'", "00FF00", "00FF00", read="HEX(c)"),
    ),
    "VECTOR": (Since("VECTOR(3)", (9, 0), (11, 7)),),
    "GEOMETRY family": (
        Probe("POINT", _POINT.format(0), f"000000000101000000{_1}{_2}", f"000000000101000000{_1}{_2}", read="HEX(c)"),
        Probe(
            *("POINT", _POINT.format(4326)),
            *(f"E61000000101000000{_2}{_1}", f"E61000000101000000{_1}{_2}"),
            read="HEX(c)",
        ),
        Probe("POINT", _POINT.format(99), 3548, f"630000000101000000{_1}{_2}", read="HEX(c)"),
        _called("GEOMETRYCOLLECTION", "geomcollection", "geometrycollection"),
        _called("POINT SRID 4326", "point", 1064),
    ),
}
"""The row of the map of types -> what was asked about it."""

_INTRODUCTION = """## Where MySQL and MariaDB differ

What is copied is what the server shows, so one and the same statement may leave other rows in Redshift. Each line was
asked of both servers, MySQL of 8.0 and later and MariaDB of 10.6 and later, each with the sql_mode that it comes with;
the tests ask them again. "Refused" has the number of the error.
"""

_NOTES = """\
The name of a type is what `COLUMN_TYPE` says; a display width, as in int(11), changes nothing in Redshift. MySQL's JSON
becomes SUPER; MariaDB's, a LONGTEXT with a check, VARCHAR. MySQL takes zero dates, too, where sql_mode has no
NO_ZERO_DATE. Two keys that differ in trailing blanks are two rows in MySQL's own collations and one in MariaDB's. The
text of an expression is what a `filter` sees; columns are read exactly. MySQL writes the latitude first into the bytes
of SRID 4326.
"""


def section() -> str:
    """Return the section of the page that says for each type where the servers differ."""
    rows: list[tuple[str, ...]] = [("type", "column", "what is asked", "MySQL", "MariaDB"), ("---",) * 5]
    for rule in TYPE_RULES:
        differing = [probe for probe in PROBES[rule.mysql] if probe.mysql != probe.mariadb]
        rows += [(rule.mysql, *_cells(probe)) for probe in differing] or [(rule.mysql, "", _NO_DIFFERENCE, "", "")]
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join([_INTRODUCTION, *lines, "", _NOTES])


_NO_DIFFERENCE: Final = "no difference is known"


def _cells(probe: Probe | Since) -> tuple[str, ...]:
    if isinstance(probe, Since):
        return f"`{probe.column}`", "whether there is such a type", _since(probe.mysql), _since(probe.mariadb)
    question = f"`{probe.value}`" if probe.value else "its type's name"
    if probe.read != "c":
        question += f", `{probe.read}`"
    return f"`{probe.column}`", question, _told(probe.mysql), _told(probe.mariadb)


def _since(version: tuple[int, int] | None) -> str:
    return "no" if version is None else "since {}.{}".format(*version)


def _told(answer: Answer) -> str:
    return f"refused ({answer})" if isinstance(answer, int) else f"`{answer}`"
