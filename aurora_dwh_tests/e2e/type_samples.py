"""A column of every type of the map, with values at the edges of each and random ones between them.

Values are written by plain PyMySQL and read back on both sides by plain drivers; `plain` says what each side's value
is, with none of the product's code.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pymysql.connections import Connection

Make = Callable[[random.Random], Any]


@dataclass(frozen=True)
class Sample:
    """A column and what may stand in it.

    Attributes:
        ddl: The type in MySQL's DDL.
        make: Makes a random value.
        edges: Values that every table of enough rows holds.
        marker: SQL of the value in an INSERT.
        read: SQL that reads the value, where the driver's own reading is not exact.
        plain: Makes the values of either side equal where they are.
        stored: False for a column that the server computes.
    """

    ddl: str
    make: Make
    edges: tuple[Any, ...] = ()
    marker: str = "%s"
    read: str = "{}"
    plain: Callable[[Any], Any] = lambda value: value
    stored: bool = True


def _whole(ddl: str, low: int, high: int) -> Sample:
    return Sample(ddl, lambda r: r.randint(low, high), tuple({low, high, 0, 1, min(high, 127), max(low, -1)}))


def _decimal(precision: int, scale: int, ddl: str = "", low: int = -1) -> Sample:
    top = 10**precision - 1

    def exact(number: int) -> Decimal:
        return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))

    def make(r: random.Random) -> Decimal:
        return exact(r.randint(low, 1) * r.randint(0, 10 ** r.randint(1, precision) - 1))

    edges = (exact(top), exact(top * low), exact(1), exact(low), exact(0), exact(top - 1))
    return Sample(ddl or f"decimal({precision},{scale})", make, edges, plain=_number_text)


def _number_text(value: Any) -> str:
    return f"{Decimal(value):f}"


def _bits(width: int) -> Sample:
    top = 2**width - 1
    return Sample(
        f"bit({width})", lambda r: r.randint(0, top), (0, 1, top, top // 2), read="CAST({} + 0 AS CHAR)", plain=_integer
    )


def _integer(value: Any) -> int:
    return int(value)


def _float(ddl: str, layout: str, bits: int, *edges: float) -> Sample:
    def make(r: random.Random) -> float:
        while True:
            (value,) = struct.unpack(layout, r.getrandbits(bits).to_bytes(bits // 8, "little"))
            if value - value == 0:  # neither infinite nor no number, which MySQL has not
                return float(value) + 0.0

    return Sample(ddl, make, (0.0, 1.0, -1.0, 0.1, *edges), read="CAST({} AS DOUBLE)", plain=_hex)


def _hex(value: Any) -> str:
    return (float(value) + 0.0).hex()


def _moment(ddl: str, first: datetime, last: datetime, digits: int) -> Sample:
    grain = 10 ** (6 - digits)
    span = (last - first) // timedelta(microseconds=1)

    def make(r: random.Random) -> datetime:
        return first + timedelta(microseconds=r.randint(0, span) // grain * grain)

    return Sample(ddl, make, (first, last, datetime(2024, 2, 29, 23, 59, 59)))  # noqa: DTZ001 - a wall clock


def _time(ddl: str, digits: int, *edges: str) -> Sample:
    def make(r: random.Random) -> str:
        fraction = f".{r.randint(0, 10**digits - 1):0{digits}}" if digits else ""
        return f"{r.choice(('', '-'))}{r.randint(0, 837):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}{fraction}"

    return Sample(ddl, make, ("-838:59:59", "838:59:59", "-00:00:01", "25:30:00", "00:00:00", *edges), read=_AS_TEXT)


_AS_TEXT = "CAST({} AS CHAR)"
_ODD = (
    "",
    " ",
    "  a  ",
    "NULL",
    "null",
    "\\N",
    "\\\\N",
    '""',
    "'",
    "a\tb",
    "a\r\nb",
    "a,b|c",
    "\\",
    '"',
    "\x01\x1a\x7f",
    "%s",
)
_LETTERS = {
    "utf8mb4": "aé寿司🍣👩‍👩‍👧ไทย\u200b\ufeff\U0010ffff",
    "utf8mb3": "aé寿司ไทย한\ufffd\uffff",
    "latin1": "aéÿ€ŽŒ\xa0",
    "cp932": "a表ソ①髙ﾊﾟ～ー㈱",
    "sjis": "a表ソ漢ｶﾅあ",
    "ujis": "a漢字ｱあ丂",
    "ucs2": "aé寿司ไ\ufeff",
    "ascii": "aZ~ ",
}


def _text(ddl: str, charset: str, *edges: str, longest: int = 10) -> Sample:
    letters = _LETTERS[charset] + "xyz \t\n\\'\","

    def make(r: random.Random) -> str:
        return "".join(r.choices(letters, k=r.randint(0, longest)))

    every = (*_ODD, _LETTERS[charset][:10], _LETTERS[charset][-1] * longest, *edges)
    return Sample(f"{ddl} character set {charset}", make, every)


def _bytes(ddl: str, longest: int, *edges: bytes, fixed: bool = False) -> Sample:
    def make(r: random.Random) -> bytes:
        return r.randbytes(longest if fixed else r.randint(0, longest))

    every = (b"", b"\0", b"\0\xff\0", b"\x89PNG\r\n\x1a\n", bytes(range(256))[-longest:], *edges)
    return Sample(ddl, make, every, plain=_as_bytes)


def _as_bytes(value: Any) -> bytes:
    """Return bytes; the warehouse's driver gives a VARBYTE as hexadecimal text."""
    return value if isinstance(value, bytes) else bytes.fromhex(value)


def _document(value: str) -> str:
    """MySQL and the warehouse keep what a document means, and write it in ways of their own."""
    return json.dumps(json.loads(value), sort_keys=True)


def _shape(ddl: str, *texts: str) -> Sample:
    return Sample(ddl, lambda r: r.choice(texts), texts, marker="ST_GeomFromText(%s)", plain=_as_bytes)


_DAY = datetime(2024, 1, 1, 3)  # noqa: DTZ001 - a wall clock
_TINY = float.fromhex("0x1p-149")
_WORDS = ("a,b", "x'y", "寿司", "zerofill", "")

SAMPLES: dict[str, Sample] = {
    "t1": _whole("tinyint", -128, 127),
    "t1_bool": _whole("tinyint(1)", -128, 127),
    "t1_u": _whole("tinyint unsigned", 0, 255),
    "t2": _whole("smallint", -(2**15), 2**15 - 1),
    "t2_u": _whole("smallint unsigned", 0, 2**16 - 1),
    "t3": _whole("mediumint", -(2**23), 2**23 - 1),
    "t3_u": _whole("mediumint unsigned", 0, 2**24 - 1),
    "t4": _whole("int", -(2**31), 2**31 - 1),
    "t4_u": _whole("int unsigned", 0, 2**32 - 1),
    "t4_z": _whole("int(10) zerofill", 0, 2**32 - 1),
    "t8": _whole("bigint", -(2**63), 2**63 - 1),
    "t8_u": _whole("bigint unsigned", 0, 2**64 - 1),
    "t8_z": _whole("bigint(20) unsigned zerofill", 0, 2**64 - 1),
    "d10": _decimal(10, 2),
    "d10_z": _decimal(10, 2, "decimal(10,2) zerofill", low=0),
    "d19": _decimal(19, 0),
    "d19_19": _decimal(19, 19),
    "d38": _decimal(38, 10),
    "d65": _decimal(65, 30),
    "d60": _decimal(60, 4),
    "d60_z": _decimal(60, 4, "decimal(60,4) zerofill", low=0),
    "f4": _float("float", "<f", 32, _TINY, 3.4028234663852886e38, 16777216.0, 1.17549435e-38),
    "f8": _float("double", "<d", 64, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 2**53 + 2.0, 1 / 3),
    "b1": _bits(1),
    "b8": _bits(8),
    "b63": _bits(63),
    "b64": _bits(64),
    "y": Sample("year", lambda r: r.randint(1901, 2155), (0, 1901, 2155, 2000)),
    "d": Sample(
        "date",
        lambda r: date.fromordinal(r.randint(1, date.max.toordinal())),
        (date(600, 12, 2), date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)),
    ),
    "dt0": _moment("datetime", datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), 0),  # noqa: DTZ001
    "dt3": _moment("datetime(3)", datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999000), 3),  # noqa: DTZ001
    "dt6": _moment("datetime(6)", datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), 6),  # noqa: DTZ001
    "ts6": _moment(
        "timestamp(6) null",
        datetime(1970, 1, 1, 0, 0, 1),  # noqa: DTZ001
        datetime(2038, 1, 19, 3, 14, 7, 999999),  # noqa: DTZ001
        6,
    ),
    "tm0": _time("time", 0),
    "tm6": _time("time(6)", 6, "-838:59:59.999999", "838:59:59.999999", "-00:00:00.000001"),
    "c": _text("char(16)", "utf8mb4", longest=16),
    "v": _text("varchar(50)", "utf8mb4", "🍣" * 50),
    "v_mb3": _text("varchar(20)", "utf8mb3"),
    "v_latin1": _text("varchar(20)", "latin1"),
    "v_cp932": _text("varchar(20)", "cp932"),
    "v_sjis": _text("varchar(20)", "sjis"),
    "v_ujis": _text("varchar(20)", "ujis"),
    "v_ucs2": _text("varchar(20)", "ucs2"),
    "v_ascii": _text("varchar(20)", "ascii"),
    "v_binary": _bytes("varchar(20) character set binary", 20),
    "x1": _text("tinytext", "utf8mb4"),
    "x2": _text("text", "utf8mb4", "ä" * 32_767),
    "x2_latin1": _text("text", "latin1", "ÿ" * 32_767),
    "x3": _text("mediumtext", "sjis", "漢" * 21_845),
    "x4": _text("longtext", "utf8mb4", "🍣" * 16_383),
    "e": Sample("enum('a,b','x''y','寿司','zerofill','')", lambda r: r.choice(_WORDS), (*_WORDS, 0)),
    "e_latin1": Sample("enum('é','ß') character set latin1", lambda r: r.choice("éß"), (0,)),
    "s": Sample("set('a','b c','寿司')", lambda r: r.randint(0, 7), (0, 7)),
    "bin16": _bytes("binary(16)", 16, bytes(16), b"\x01" + bytes(15), fixed=True),
    "vbin": _bytes("varbinary(40)", 40),
    "l1": _bytes("tinyblob", 20, bytes(range(255))),
    "l2": _bytes("blob", 20, bytes(range(256)) * 250),
    "l3": _bytes("mediumblob", 20),
    "l4": _bytes("longblob", 20),
    "j": Sample(
        "json",
        lambda r: f'{{"a": [{r.random()}, null, "寿司\\n"]}}',
        ("null", '""', "[]", '{"b": 1, "a": {}}'),
        plain=_document,
    ),
    "p": _shape("point", "POINT(1 2)", "POINT(-0.1 1e300)"),
    "g": _shape("geometry", "POLYGON((0 0,10 0,10 10,0 10,0 0))", "LINESTRING(0 0,1 1)", "GEOMETRYCOLLECTION EMPTY"),
    "made": Sample("bigint as (t4 * 2 + 1)", lambda _: None, stored=False),
    "kept": Sample("varchar(60) as (concat(v_latin1, '?')) stored", lambda _: None, stored=False),
    "hidden": Sample("int invisible", lambda r: r.randint(0, 9), (1,)),
}
"""Column -> sample; all of them may be NULL."""


def create(table: str, names: Sequence[str] = tuple(SAMPLES)) -> str:
    """Return the DDL of a table of samples, with `id` as its key and `changed` as its cursor."""
    columns = ", ".join(f"{name} {SAMPLES[name].ddl}" for name in names)
    return f"CREATE TABLE {table} (id int NOT NULL PRIMARY KEY, changed datetime NOT NULL, {columns}, KEY (changed))"


def write(connection: Connection[Any], table: str, rows: list[tuple[Any, ...]], names: Sequence[str]) -> None:
    """Insert rows as `rows` makes them, many with each statement."""
    stored = [name for name in names if SAMPLES[name].stored]
    markers = ", ".join(["%s", "%s", *(SAMPLES[name].marker for name in stored)])
    with connection.cursor() as cursor:
        for start in range(0, len(rows), 1_000):
            values = ", ".join(cursor.mogrify(f"({markers})", row) for row in rows[start : start + 1_000])
            cursor.execute(f"INSERT INTO {table} (id, changed, {', '.join(stored)}) VALUES {values}")


def rows(count: int, seed: int, names: Sequence[str] = tuple(SAMPLES)) -> list[tuple[Any, ...]]:
    """Return rows: every column's edges first, one after the other, then random values, some of them NULL."""
    r = random.Random(seed)
    columns = [_values(SAMPLES[name], count, r) for name in names if SAMPLES[name].stored]
    return [(number, _DAY, *values) for number, values in enumerate(zip(*columns, strict=True))]


def _values(sample: Sample, count: int, r: random.Random) -> list[Any]:
    made = [None, *sample.edges][:count]
    return made + [None if r.random() < 0.05 else sample.make(r) for _ in range(count - len(made))]


def plain(name: str, value: Any) -> Any:
    """Return a value of either side in the form that both have in common."""
    return None if value is None else SAMPLES[name].plain(value)
