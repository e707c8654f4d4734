"""Keys as literals: whatever a key is made of, its table comes in pieces that hold every row once, on either server."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pymysql.connections import Connection as Client
from pymysql.cursors import Cursor, DictCursor

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError, Window
from aurora_dwh.source import keyset
from aurora_dwh.source.chunks import behind_rows, piece_conditions
from aurora_dwh.source.connection import Connection, connect, execute
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.extract import Source
from aurora_dwh.source.keyset import primary_keyset
from aurora_dwh.source.quoting import literal
from aurora_dwh.source.reader import read
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Server
from aurora_dwh_tests.statements import selects

UTC = ZoneInfo("UTC")
DAY, SECOND_DAY = (window(date(2024, 1, n), zone=UTC, start_date=date(2024, 1, 1)) for n in (1, 2))


def whole(low: int, high: int) -> SearchStrategy[str]:
    """Numbers, those at the ends of their range among them."""
    return (st.integers(low, high) | st.sampled_from([low, low + 1, high - 1, high])).map(str)


def decimals(precision: int, scale: int) -> SearchStrategy[str]:
    """Numbers of any size that fits: small ones have an exponent where Python writes them."""
    most = 10**precision - 1
    sizes = st.integers(1, precision).flatmap(lambda digits: st.integers(-(10**digits) + 1, 10**digits - 1))
    units = sizes | st.integers(-9, 9) | st.sampled_from([most, -most, 123, -123, most - 1])
    return units.map(lambda n: f"{Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -scale)):f}")


def moments(first: datetime, last: datetime, digits: int) -> SearchStrategy[str]:
    grain = timedelta(microseconds=10 ** (6 - digits))
    any_ = st.datetimes(first, last) | st.sampled_from([first, last, datetime(2024, 1, 1), datetime(2000, 2, 29, 12)])
    return any_.map(lambda at: f"'{first + (at - first) // grain * grain}'")


def blobs(most: int) -> SearchStrategy[str]:
    odd = st.sampled_from([b"", b"\0", b"'", b"\\", b"\x1a", b"\0\0", b"a\0", b"%s", b"\xff", b" ", b"a "])
    return (st.binary(max_size=most) | odd | st.text(alphabet="\0'\\a", max_size=most).map(str.encode)).map(
        lambda value: f"x'{value.hex()}'"
    )


ODD = (
    "",
    "'",
    "''",
    "\\",
    "\\'",
    "a\\",
    '"',
    "\0",
    "a\0",
    "\x1a",
    "%",
    "%s",
    "?",
    "{0}",
    "`",
    " ",
    "a ",
    "a",
    "A",
    "ä",
)


TWICE = "¢£¬‖−〜¥‾\u3164"
"""Characters that a codec of Python's encodes to what it decodes to another one."""

NO_CODES = "\x80\uf8f0\uf8f1\uf8f2\uf8f3"
"""Characters that Python's cp932 encodes to bytes which no character has in the servers'."""


def texts(charset: str, codec: str, alphabet: str = "", most: int = 0x10FFFF) -> SearchStrategy[str]:
    """Texts of a character set, as bytes: they go into the column without a conversion."""
    known = st.deferred(lambda: _characters(codec, most)) | st.sampled_from(alphabet or "ab")
    odd = [text for text in ODD if _encodes(text, codec)]
    values = st.text(known, max_size=6) | st.sampled_from(odd) | st.text(alphabet or "aA' \\", max_size=4)
    return values.map(lambda text: f"_{charset} x'{text.encode(codec).hex()}'")


def _characters(codec: str, most: int) -> SearchStrategy[str]:
    """Characters of a codec; what is none of Unicode has no more than 65,536, and is not looked for beyond."""
    excluded = TWICE + NO_CODES
    if codec.startswith("utf"):
        return st.characters(max_codepoint=most, exclude_categories=["Cs"], exclude_characters=excluded)
    found = "".join(chr(code) for code in range(0x10000))
    return st.sampled_from([one for one in found if one not in excluded and _encodes(one, codec)])


def _encodes(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def codes(charset: str, *pairs: int) -> SearchStrategy[str]:
    """Texts of characters that have several codes each, and of their neighbours."""
    character = st.sampled_from(pairs) | st.sampled_from([0x41, 0x61, 0x5C])
    spelled = character.map(lambda code: f"{code:04x}" if code > 0xFF else f"{code:02x}")
    return st.lists(spelled, max_size=3).map(lambda text: f"_{charset} x'{''.join(text)}'")


NEC = (0x8754, 0xFA4A, 0x878A, 0xFA58, 0x81CA, 0xEEF9, 0xFA54, 0xED40, 0xFA5C, 0x81E6, 0xFA5B, 0x879A)
"""Characters of NEC's and IBM's rows in cp932: one in Unicode for two or three here."""

KEYS: dict[str, tuple[str, SearchStrategy[str]]] = {
    "tinyint": ("TINYINT", whole(-128, 127)),
    "tinyint unsigned": ("TINYINT UNSIGNED", whole(0, 255)),
    "int": ("INT", whole(-(2**31), 2**31 - 1)),
    "zerofill": ("INT(10) ZEROFILL", whole(0, 2**32 - 1)),
    "bigint": ("BIGINT", whole(-(2**63), 2**63 - 1)),
    "bigint unsigned": ("BIGINT UNSIGNED", whole(0, 2**64 - 1)),
    "year": ("YEAR", st.sampled_from([0, *range(1901, 1912), *range(1969, 1973), *range(2150, 2156)]).map(str)),
    "decimal(9,2)": ("DECIMAL(9,2)", decimals(9, 2)),
    "decimal(18,18)": ("DECIMAL(18,18)", decimals(18, 18)),
    "decimal(38,30)": ("DECIMAL(38,30)", decimals(38, 30)),
    "decimal(38,0)": ("DECIMAL(38,0)", decimals(38, 0)),
    "decimal(65,30)": ("DECIMAL(65,30)", decimals(65, 30)),
    "date": ("DATE", st.dates(date(1, 1, 1)).map(lambda day: f"'{day.isoformat()}'")),
    "datetime": ("DATETIME", moments(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), 0)),
    "datetime(3)": ("DATETIME(3)", moments(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999000), 3)),
    "datetime(6)": ("DATETIME(6)", moments(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), 6)),
    "timestamp": ("TIMESTAMP", moments(datetime(1970, 1, 1, 0, 0, 1), datetime(2038, 1, 19, 3, 14, 7), 0)),
    "timestamp(6)": (
        "TIMESTAMP(6)",
        moments(datetime(1970, 1, 1, 0, 0, 1), datetime(2038, 1, 19, 3, 14, 7, 999999), 6),
    ),
    "varbinary": ("VARBINARY(8)", blobs(8)),
    "binary": ("BINARY(4)", blobs(4)),
    "utf8mb4": ("VARCHAR(8) CHARACTER SET utf8mb4", texts("utf8mb4", "utf-8", "aAäÄß寿🍣")),
    "utf8mb4 by bytes": ("VARCHAR(8) COLLATE utf8mb4_bin", texts("utf8mb4", "utf-8", "aA寿🍣")),
    "char": ("CHAR(8) CHARACTER SET utf8mb4", texts("utf8mb4", "utf-8", "aA\x01\x1f ")),
    "utf8mb4 char": ("CHAR(8) COLLATE utf8mb4_unicode_ci", texts("utf8mb4", "utf-8", "aAäÄß寿🍣")),
    "utf8mb3": ("VARCHAR(8) CHARACTER SET utf8mb3", texts("utf8mb4", "utf-8", "aAäÄß寿")),
    "ascii": ("VARCHAR(8) CHARACTER SET ascii", texts("ascii", "ascii")),
    "latin1": ("VARCHAR(8) CHARACTER SET latin1", texts("latin1", "latin-1", "aAäÄß\x80\x81\x8d")),
    "latin1, german": ("CHAR(8) COLLATE latin1_german2_ci", texts("latin1", "latin-1", "aAäÄßs")),
    "latin2, czech": ("VARCHAR(8) COLLATE latin2_czech_cs", texts("latin2", "iso8859-2", "cChHčČ")),
    "cp1251": ("VARCHAR(8) CHARACTER SET cp1251", texts("cp1251", "cp1251", "яЯ")),
    "tis620": ("VARCHAR(8) CHARACTER SET tis620", texts("tis620", "ascii")),
    "cp932": ("VARCHAR(8) CHARACTER SET cp932", texts("cp932", "cp932", "ア表ソ①")),
    "cp932, codes": ("VARCHAR(8) CHARACTER SET cp932", codes("cp932", *NEC)),
    "cp932, codes by bytes": ("VARCHAR(8) COLLATE cp932_bin", codes("cp932", *NEC)),
    "sjis": ("VARCHAR(8) CHARACTER SET sjis", texts("sjis", "shift_jis", "ア表ソ")),
    "sjis, codes": ("VARCHAR(8) COLLATE sjis_bin", codes("sjis", 0x815F, 0x8160, 0x8161, 0x817C, 0x8191, 0x81CA)),
    "ujis": ("VARCHAR(8) CHARACTER SET ujis", texts("ujis", "euc_jp", "ア表ソ")),
    "eucjpms, codes": ("VARCHAR(8) COLLATE eucjpms_bin", codes("eucjpms", 0xADA1, 0xADB5, 0xA2CC, 0xADFC, 0xA2E8)),
    "gbk": ("VARCHAR(8) CHARACTER SET gbk", texts("gbk", "gb2312", "表文")),
    "big5, codes": ("VARCHAR(8) COLLATE big5_bin", codes("big5", 0xA15A, 0xA1C3, 0xA1C5, 0xA2CC, 0xA451, 0xA4CA)),
    "euckr": ("VARCHAR(8) CHARACTER SET euckr", texts("euckr", "euc_kr", "가나")),
    "ucs2": ("VARCHAR(8) CHARACTER SET ucs2", texts("ucs2", "utf-16-be", "aAäÄ寿", most=0xFFFF)),
    "utf16": ("VARCHAR(8) CHARACTER SET utf16", texts("utf16", "utf-16-be", "aAäÄ寿🍣")),
    "utf16le": ("VARCHAR(8) CHARACTER SET utf16le", texts("utf16le", "utf-16-le", "aAäÄ寿🍣")),
    "utf32": ("VARCHAR(8) COLLATE utf32_unicode_ci", texts("utf32", "utf-32-be", "aAäÄ寿🍣")),
    "odd name": ("VARCHAR(8) CHARACTER SET cp932", codes("cp932", *NEC)),
}
"""What a key is called here -> its column's type, and its values as MySQL's literals."""

NAMES = {"odd name": "k`{0}\" '"}


@pytest.fixture
def client(server: Server, database: str) -> Iterator[Client[Cursor]]:
    """A plain client, whose session lets any value in that the column can hold."""
    with server.connect(database) as connection:
        execute(connection, "SET sql_mode = '', time_zone = '+00:00'")
        yield connection


@pytest.fixture
def session(server: Server, database: str) -> Iterator[Connection]:
    """The product's session."""
    connection = connect(**server.arguments(database))
    yield connection
    connection.close()


@pytest.fixture
def source(server: Server, database: str) -> Source:
    return Source(lambda: connect(**server.arguments(database)), database=database, zone=UTC)


def create(client: Client[Cursor], kind: str, *, more: str = "PRIMARY KEY (k)") -> None:
    name = NAMES.get(kind, "k").replace("`", "``")
    execute(client, f"CREATE TABLE t (n INT, `{name}` {KEYS[kind][0]}, {more.replace('(k)', f'(`{name}`)')})")


def fill(client: Client[Cursor], values: list[str]) -> list[int]:
    """Put rows into the table, each with its number; return the numbers of those whose keys are one of a kind."""
    execute(client, "DELETE FROM t")
    if values:
        rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values))
        execute(client, f"INSERT IGNORE INTO t VALUES {rows}")
    return sorted(n for (n,) in execute(client, "SELECT n FROM t"))


def pieces(source: Source, of: Window = DAY, **fields: Any) -> list[int]:
    """Return the numbers of the rows that are read of the table."""
    chosen = Table(**{"name": "t", "mode": "full", "nul_bytes": "remove", **fields})
    return sorted(n for e in source.extract(chosen, [of]) for b in e.batches for n in b.column("n").to_pylist())


def plan(client: Client[Cursor], statement: str) -> tuple[str, str, str]:
    """Return how the server reads a table, along which index, and what else it does."""
    with client.cursor(DictCursor) as cursor:
        cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {statement}")
        (row,) = cursor.fetchall()
    return row["type"], row["key"], row["Extra"] or ""


@pytest.mark.parametrize(
    ("least", "examples"), [(6, 3), pytest.param(0, 50, marks=pytest.mark.soak)], ids=["few", "many"]
)
@pytest.mark.parametrize("kind", KEYS)
def test_m02_a_table_in_pieces_is_every_row_once_whatever_its_key_is_made_of(
    client: Client[Cursor], source: Source, session: Connection, database: str, kind: str, least: int, examples: int
) -> None:
    create(client, kind)
    schema = read_schema(session, database, "t")
    keyset = primary_keyset(schema)
    assert keyset
    read_one = partial(read, session)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(values=st.lists(KEYS[kind][1], min_size=least, max_size=16, unique=True), chunk=st.integers(1, 3))
    def holds(values: list[str], chunk: int) -> None:
        there = fill(client, values)
        assert pieces(source, chunk_rows=chunk) == there
        if there:
            parts = piece_conditions(read_one, schema, [], keyset, len(there), -(-len(there) // chunk))
            taken = [n for part in parts for (n,) in execute(session, f"SELECT n FROM t WHERE {part}")]
            assert sorted(taken) == there
            fill(client, values[::2])  # the ranges of several connections: found while other rows are there
            after = behind_rows(read_one, schema, [], keyset, chunk)
            assert fill(client, values) == there
            parts = ["TRUE"] if after is None else [after, f"NOT {after}"]
            taken = [n for part in parts for (n,) in execute(session, f"SELECT n FROM t WHERE {part}")]
            assert sorted(taken) == there
        if (
            len(there) >= 5
        ):  # what lies behind the middle is found by the index: its literal is of the column's own kind
            low, _ = piece_conditions(read_one, schema, [], keyset, len(there), 2)
            kind_of_read, index, extra = plan(client, f"SELECT * FROM t FORCE INDEX (`PRIMARY`) WHERE {low}")
            assert (kind_of_read, index, "filesort" in extra) == ("range", "PRIMARY", False)

    holds()


COMPOSITE = {
    "cp932 and decimals": ("a VARCHAR(4) COLLATE cp932_bin, b DECIMAL(38,30)", ["cp932, codes", "decimal(38,30)"]),
    "bytes and moments": ("a VARBINARY(8), b DATETIME(6)", ["varbinary", "datetime(6)"]),
    "numbers and texts": ("a BIGINT UNSIGNED, b VARCHAR(8) CHARACTER SET utf8mb4", ["bigint unsigned", "utf8mb4"]),
}


@pytest.mark.parametrize("kind", COMPOSITE)
def test_m02_a_key_of_several_columns(client: Client[Cursor], source: Source, kind: str) -> None:
    columns, kinds = COMPOSITE[kind]
    execute(client, f"CREATE TABLE t (n INT, {columns}, PRIMARY KEY (a, b))")
    first, second = (st.lists(KEYS[one][1], min_size=1, max_size=4, unique=True) for one in kinds)

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(firsts=first, seconds=second, chunk=st.integers(1, 3))
    def holds(firsts: list[str], seconds: list[str], chunk: int) -> None:
        there = fill(client, [f"{a}, {b}" for a in firsts for b in seconds])
        assert pieces(source, chunk_rows=chunk) == there

    holds()


@pytest.mark.parametrize("kind", ["decimal(38,30)", "cp932, codes", "latin1, german", "varbinary", "utf8mb4"])
def test_m02_a_day_in_pieces_along_the_index_of_its_cursor(
    client: Client[Cursor], server: Server, source: Source, database: str, kind: str
) -> None:
    execute(
        client, f"CREATE TABLE t (n INT PRIMARY KEY, k {KEYS[kind][0]} NOT NULL, at DATETIME(6) NOT NULL, KEY (at, k))"
    )
    others = ", ".join(f"({number}, '1', '2024-01-01')" for number in range(100, 3_100))
    execute(client, f"INSERT INTO t VALUES {others}")
    execute(client, "ANALYZE TABLE t")
    spared = {"mode": "incremental", "key": ("n",), "cursor": "at", "max_rows_per_second": 1_000_000, "chunk_rows": 2}

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(values=st.lists(KEYS[kind][1], min_size=4, max_size=9))
    def holds(values: list[str]) -> None:
        execute(client, "DELETE FROM t WHERE n < 100")
        rows = ", ".join(f"({n}, {value}, '2024-01-02 00:00:0{n % 2}')" for n, value in enumerate(values))
        execute(client, f"INSERT INTO t VALUES {rows}")
        with selects(server, database) as asked:
            assert pieces(source, SECOND_DAY, **spared) == list(range(len(values)))
            assert len(asked()) == len(values) // 2 + 1

    holds()


@pytest.mark.parametrize("kind", ["cp932, codes", "varbinary", "utf8mb4", "char", "latin1, german", "decimal(38,30)"])
def test_m02_a_sql_mode_changes_no_literal(server: Server, database: str, kind: str) -> None:
    """What a literal means can depend on the mode that a server is set to."""
    modes = ["ANSI,NO_BACKSLASH_ESCAPES", "TRADITIONAL,PAD_CHAR_TO_FULL_LENGTH", "HIGH_NOT_PRECEDENCE"]
    modes += ["ORACLE,EMPTY_STRING_IS_NULL", "EMPTY_STRING_IS_NULL"] if server.is_mariadb else []
    with server.connect(database) as client:
        create(client, kind)

        @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
        @given(values=st.lists(KEYS[kind][1], max_size=9, unique=True), mode=st.sampled_from(modes))
        def holds(values: list[str], mode: str) -> None:
            there = fill(client, values)
            arguments = {**server.arguments(database), "init_command": f"SET SESSION sql_mode = '{mode}'"}
            source = Source(lambda: connect(**arguments), database=database, zone=UTC)
            assert pieces(source, chunk_rows=1) == there

        holds()


def test_c08_a_padded_text_is_no_other_key(client: Client[Cursor], server: Server, database: str) -> None:
    create(client, "char")
    there = fill(client, ["''", "' \x1f'", "'a'", "'a\x01'", "'b'"])
    padded = {**server.arguments(database), "init_command": "SET SESSION sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'"}
    assert pieces(Source(lambda: connect(**padded), database=database, zone=UTC), chunk_rows=1) == there


LITERALS = (
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'\\\"\0\x1a%?"), max_size=9)
    | st.binary(max_size=9)
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-(10**65) + 1, 10**65 - 1).map(lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -30)))
    | st.dates()
    | st.datetimes()
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(LITERALS, min_size=1, max_size=5), mode=st.sampled_from(["", "ANSI,NO_BACKSLASH_ESCAPES"]))
def test_m02_a_literal_is_read_back_as_the_value(session: Connection, values: list[Any], mode: str) -> None:
    execute(session, f"SET SESSION sql_mode = '{mode}'")
    (row,) = execute(session, f"SELECT {', '.join(map(literal, values))}")
    for value, found in zip(values, row, strict=True):
        assert found == (str(value) if isinstance(value, date) else value)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("k TIME(6) PRIMARY KEY", ["'-838:59:59'", "'-00:00:00.000001'", "'00:00:01'", "'838:59:59'"]),
        ("k BIT(64) PRIMARY KEY", ["0", "1", "b'1'", "18446744073709551615"]),
        ("k ENUM('b', 'a', '') PRIMARY KEY", ["'a'", "'b'", "''"]),
        ("k SET('b', 'a') PRIMARY KEY", ["'a'", "'b'", "''", "'a,b'"]),
        ("k DOUBLE PRIMARY KEY", ["1e-300", "0.1", "-3.4404713459689835e-27"]),
        ("k FLOAT PRIMARY KEY", ["1e-30", "0.1", "16777217"]),
        ("k VARCHAR(9), PRIMARY KEY (k(2))", ["'ab'", "'bb'", "'c'"]),
    ],
    ids=["time", "bit", "enum", "set", "double", "float", "beginning of a text"],
)
def test_m02_a_key_without_literals_in_its_order_is_not_walked_along(
    client: Client[Cursor], server: Server, source: Source, database: str, column: str, values: list[str]
) -> None:
    execute(client, f"CREATE TABLE t (n INT, {column})")
    there = fill(client, values)
    assert there
    with selects(server, database) as asked:
        assert pieces(source, chunk_rows=1) == there
        assert len(asked()) == 1


def test_c08_descending_keys_are_walked_along_where_one_index_has_their_order(
    client: Client[Cursor], server: Server, source: Source, database: str
) -> None:
    execute(client, "CREATE TABLE t (n INT, k INT, PRIMARY KEY (n, k DESC))")
    there = fill(client, ["1", "2", "3"])
    with selects(server, database) as asked:
        assert pieces(source, chunk_rows=1) == there
        assert len(asked()) == 1


RANDOM = "RAND() < 0.5"


def test_c08_a_walk_that_does_not_go_on_where_it_ended_is_an_error(client: Client[Cursor], source: Source) -> None:
    """A `filter` that selects others each time stands for whatever could make a walk lose rows or its way."""
    create(client, "int")
    fill(client, [str(number) for number in range(200)])
    with pytest.raises(DataError) as refused:
        pieces(source, chunk_rows=1, filter=RANDOM)
    assert re.match(
        r"day 2024-01-01: table \w+\.t: it is read in pieces along its key, and the piece behind k = \d+ did not "
        r"begin there; a `filter` must select the same rows each time .*; mend it, or set a `chunk_rows` of more rows "
        "than it has$",
        str(refused.value),
    )
    assert pieces(source, chunk_rows=201, filter=RANDOM)


def test_m02_parts_of_an_export_that_do_not_hold_what_was_counted_are_an_error(
    client: Client[Cursor], session: Connection, database: str
) -> None:
    create(client, "int")
    fill(client, [str(number) for number in range(20)])
    schema = read_schema(session, database, "t")
    keyset = primary_keyset(schema)
    assert keyset
    with pytest.raises(
        DataError, match=r"along its key, and PRIMARY \(k\) had fewer rows than were counted; .*stream`$"
    ):
        piece_conditions(partial(read, session), schema, [], keyset, 100, 4)


@pytest.mark.parametrize("wrong", [lambda value: f"{float(value)!r}", lambda _: "-1e9", lambda _: "1e9"])
def test_c08_a_literal_that_is_another_value_is_found_by_the_server(
    client: Client[Cursor], source: Source, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Any], str]
) -> None:
    create(client, "decimal(38,30)")
    fill(client, ["1.000000000000000000000000000001", "1.000000000000000000000000000002", "1.1"])
    monkeypatch.setattr(keyset, "literal", wrong)
    with pytest.raises(DataError, match="did not begin there"):
        pieces(source, chunk_rows=1)
