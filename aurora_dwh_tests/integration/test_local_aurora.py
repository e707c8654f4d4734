"""The embedded Aurora, as clients of MySQL see it."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.cursors import SSCursor

from aurora_dwh import fingerprint
from aurora_dwh.local import shop
from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh.local.processes import wait_until
from aurora_dwh.source import connection as source_connection
from aurora_dwh.source.discovery import read_schema

Connect = Callable[..., "pymysql.Connection[Any]"]

EVERYTHING = """CREATE TABLE `everything` (
  `id` BIGINT UNSIGNED NOT NULL COMMENT 'It''s the key',
  `name` VARCHAR(20) NULL,
  `code` CHAR(3) CHARACTER SET ascii,
  `price` DECIMAL(10,2) NOT NULL DEFAULT '0.00',
  `huge` DECIMAL(65,30),
  `count` INT,
  `tiny` TINYINT(1),
  `tiny_u` TINYINT UNSIGNED,
  `ratio` DOUBLE,
  `state` ENUM('a','b,c') NOT NULL DEFAULT 'a',
  `tags` SET('x','y','z'),
  `body` TEXT,
  `raw` BINARY(4),
  `day` DATE,
  `span` TIME(3),
  `moment` TIMESTAMP(6) NULL,
  `plain` DATETIME,
  `doc` JSON,
  `update_date` DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6) COMMENT 'cursor',
  PRIMARY KEY (`id`),
  UNIQUE KEY `ux_code` (`code`),
  KEY `ix_update` (`update_date`, `id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='One of each'"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAurora]:
    aurora = EmbeddedAurora(tmp_path_factory.mktemp("aurora"), user="reader", password="open sesame")
    aurora.start()
    yield aurora
    aurora.stop()


@pytest.fixture
def connect(server: EmbeddedAurora) -> Iterator[Connect]:
    opened: list[pymysql.Connection[Any]] = []

    def connection(**options: Any) -> pymysql.Connection[Any]:
        chosen = {"user": "reader", "password": "open sesame", "database": "shop", **options}
        one = pymysql.connect(host=server.host, port=server.port, **chosen)
        opened.append(one)
        return one

    yield connection
    for one in opened:
        if one.open:
            one.close()


@pytest.fixture
def table(connect: Connect) -> Iterator[Any]:
    """A cursor, with the table `everything` made anew."""
    connection = connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS everything")
        cursor.execute(EVERYTHING)
        yield cursor


def ask(cursor: Any, sql: str, arguments: Any = None) -> list[tuple[Any, ...]]:
    cursor.execute(sql, arguments)
    return list(cursor.fetchall())


def fill(cursor: Any, count: int) -> None:
    values = ",".join(f"({n},'name {n}',{n}.5,'2024-01-{n % 28 + 1:02} 00:00:00.{n:06}')" for n in range(1, count + 1))
    cursor.execute(f"INSERT INTO everything (id, name, price, update_date) VALUES {values}")


def wall(text: str) -> dt.datetime:
    """A wall clock's time, which has no zone."""
    return dt.datetime.fromisoformat(text)


def error_of(cursor: Any, sql: str) -> int:
    with pytest.raises(pymysql.MySQLError) as caught:
        cursor.execute(sql)
    return int(caught.value.args[0])


# --- login ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code"),
    [({"password": "wrong"}, 1045), ({"password": ""}, 1045), ({"user": "other"}, 1045), ({"database": "nope"}, 1049)],
)
def test_login_is_refused(connect: Connect, options: dict[str, str], code: int) -> None:
    with pytest.raises(pymysql.OperationalError) as caught:
        connect(**options)
    assert caught.value.args[0] == code
    assert "open sesame" not in str(caught.value)


def test_a_refused_client_gets_no_second_chance(server: EmbeddedAurora) -> None:
    client: Any = pymysql.connect(
        host=server.host,
        port=server.port,
        user="reader",
        password="wrong",
        defer_connect=True,
        client_flag=CLIENT.LONG_FLAG,
    )
    with pytest.raises(pymysql.OperationalError):
        client.connect()
    with pytest.raises((pymysql.MySQLError, AttributeError, OSError)):
        client.query("SELECT 1")


# --- what an extractor asks first -------------------------------------------------------------------------------------


def test_session_statements_are_accepted(connect: Connect) -> None:
    cursor = connect().cursor()
    for statement in (
        "SET SESSION time_zone = '+00:00'",
        "SET NAMES utf8mb4 COLLATE utf8mb4_0900_ai_ci",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET SESSION net_write_timeout = 600, SESSION wait_timeout = 28800",
        "SET @mine = 1, @@session.max_execution_time = 0",
        "COMMIT",
        "ROLLBACK",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        "COMMIT",
        "/* a comment */ SELECT 1",
        "FLUSH TABLES",
    ):
        cursor.execute(statement)


def test_variables(connect: Connect) -> None:
    cursor = connect().cursor()
    cursor.execute("SET SESSION time_zone='+00:00'")
    ((version, aurora, read_only, innodb_read_only, zone, mode),) = ask(
        cursor, "SELECT @@version, @@aurora_version, @@read_only, @@innodb_read_only, @@session.time_zone, @@sql_mode"
    )
    assert version.startswith("8.0")
    assert aurora.startswith("3.")
    assert (read_only, innodb_read_only, zone) == (0, 0, "+00:00")
    assert "STRICT_TRANS_TABLES" in mode
    assert ask(cursor, "SHOW VARIABLES LIKE 'time\\_zone'") == [("time_zone", "+00:00")]
    assert ask(cursor, "SHOW VARIABLES WHERE Variable_name IN ('version')") == [("version", version)]
    assert error_of(cursor, "SELECT @@no_such_variable") == 1193


def test_the_clock_follows_the_session_zone(connect: Connect) -> None:
    cursor = connect().cursor()
    cursor.execute("SET time_zone = '+09:00'")
    ((local, utc),) = ask(cursor, "SELECT NOW(6), UTC_TIMESTAMP(6)")
    assert local - utc == dt.timedelta(hours=9)
    assert abs(utc - dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)) < dt.timedelta(seconds=10)


def test_show(table: Any) -> None:
    assert ("everything",) in ask(table, "SHOW TABLES")
    assert ("everything", "BASE TABLE") in ask(table, "SHOW FULL TABLES FROM shop")
    ((name, ddl),) = ask(table, "SHOW CREATE TABLE `shop`.`everything`")
    assert name == "everything"
    assert "`price` decimal(10,2) NOT NULL DEFAULT '0.00'" in ddl
    assert "`state` enum('a','b,c') NOT NULL DEFAULT 'a'" in ddl
    assert "KEY `ix_update` (`update_date`,`id`)" in ddl
    table.execute("DROP TABLE everything")
    table.execute(ddl)  # what it prints, it understands
    assert ask(table, "SHOW CREATE TABLE everything") == [(name, ddl)]
    assert any("SELECT" in grant for (grant,) in ask(table, "SHOW GRANTS"))


# --- values -----------------------------------------------------------------------------------------------------------


def test_values_come_back_as_they_were_stored(table: Any) -> None:
    given = {
        "id": 2**64 - 1,
        "name": "a'b\\c\n\t日本😀",
        "code": "ABC",
        "price": Decimal("12.35"),
        "huge": Decimal("12345678901234567890123456789012345.000000000000000000000000000001"),
        "count": -(2**31),
        "tiny": 127,
        "tiny_u": 255,
        "ratio": 1e20,
        "state": "b,c",
        "tags": "x,z",
        "body": "",
        "raw": b"\x00\xff\x89P",
        "day": dt.date(9999, 12, 31),
        "span": dt.timedelta(days=-1, hours=-2, milliseconds=-7),
        "moment": wall("2024-01-01 00:00:00.123456"),
        "plain": wall("0600-12-02 01:02:03"),
        "doc": '{"a": [1, null]}',
        "update_date": wall("2024-01-01 23:59:59.999999"),
    }
    names, marks = ", ".join(f"`{name}`" for name in given), ", ".join(["%s"] * len(given))
    table.execute(f"INSERT INTO everything ({names}) VALUES ({marks})", list(given.values()))
    assert table.rowcount == 1
    (row,) = ask(table, "SELECT * FROM everything")
    assert dict(zip(given, row, strict=True)) == given


def test_null_empty_and_the_words_for_null_stay_apart(table: Any) -> None:
    given = [None, "", " ", "NULL", "null", "\\N", '""', "x "]
    table.executemany("INSERT INTO everything (id, name) VALUES (%s, %s)", list(enumerate(given)))
    assert [name for (name,) in ask(table, "SELECT name FROM everything ORDER BY id")] == given


def test_columns_are_described_with_mysql_types(table: Any) -> None:
    table.execute(
        "SELECT id, price, ratio, state, body, raw, day, moment, update_date, COUNT(*), SUM(price) FROM everything"
    )
    described = {column[0]: column for column in table.description}
    assert described["id"][1] == FIELD_TYPE.LONGLONG
    assert described["price"][1] == FIELD_TYPE.NEWDECIMAL
    assert described["price"][5] == 2  # decimals
    assert described["raw"][1] == FIELD_TYPE.STRING
    assert described["body"][1] == FIELD_TYPE.BLOB
    assert described["day"][1] == FIELD_TYPE.DATE
    assert described["moment"][1] == FIELD_TYPE.TIMESTAMP
    assert described["update_date"][1] == FIELD_TYPE.DATETIME
    assert described["COUNT(*)"][1] == FIELD_TYPE.LONGLONG
    flags = {field.name: field.flags for field in table._result.fields}
    assert flags["id"] & 1  # NOT NULL
    assert flags["id"] & 32  # UNSIGNED
    assert not flags["moment"] & 1


def test_timestamps_move_with_the_session_zone_and_datetimes_do_not(table: Any) -> None:
    table.execute("SET time_zone = '+09:00'")
    moment = "2024-01-01 09:00:00"
    table.execute(f"INSERT INTO everything (id, moment, plain) VALUES (1, '{moment}', '{moment}')")
    query = "SELECT moment, plain FROM everything WHERE moment = %s"
    at_nine = wall("2024-01-01 09:00:00")
    assert ask(table, query, ("2024-01-01 09:00:00",)) == [(at_nine, at_nine)]
    table.execute("SET time_zone = '+00:00'")
    assert ask(table, query, ("2024-01-01 00:00:00",)) == [(wall("2024-01-01 00:00:00"), at_nine)]


def test_a_row_of_more_than_sixteen_megabytes(connect: Connect) -> None:
    cursor = connect(max_allowed_packet=64 * 1024 * 1024).cursor()
    cursor.execute("CREATE TABLE wide (id INT PRIMARY KEY, body LONGTEXT)")
    text = "0123456789abcdef" * (18 * 65_536)
    cursor.execute("INSERT INTO wide VALUES (1, %s)", (text,))
    assert ask(cursor, "SELECT body FROM wide") == [(text,)]
    cursor.execute("DROP TABLE wide")


# --- queries ----------------------------------------------------------------------------------------------------------


def test_half_open_windows_meet_whatever_the_literal_looks_like(table: Any) -> None:
    table.execute(
        "INSERT INTO everything (id, update_date, plain) VALUES (1, '2024-01-01', '2024-01-01'),"
        "(2, '2024-01-01 23:59:59.999999', '2024-01-01 23:59:59'), (3, '2024-01-02 00:00:00.000000', '2024-01-02')"
    )
    for start, end in (
        ("2024-01-01", "2024-01-02"),
        ("2024-01-01 00:00:00", "2024-01-02 00:00:00"),
        ("2024-01-01 00:00:00.000000", "2024-01-02 00:00:00.000000"),
    ):
        for column in ("update_date", "plain"):
            found = ask(
                table,
                f"SELECT id FROM `shop`.`everything` WHERE `{column}` >= %s AND `{column}` < %s ORDER BY id",
                (start, end),
            )
            assert found == [(1,), (2,)], (column, start)
    assert ask(table, "SELECT id FROM everything WHERE plain = '2024-01-02 00:00:00.000000'") == [(3,)]
    assert ask(table, "SELECT id FROM everything WHERE plain < '2024-01-01 23:59:59.500000' ORDER BY id DESC") == [
        (2,),
        (1,),
    ]


def test_keyset_pages_cover_the_table(table: Any) -> None:
    fill(table, 250)
    seen: list[tuple[Any, ...]] = []
    page = ask(table, "SELECT update_date, id FROM everything ORDER BY update_date, id LIMIT 40")
    while page:
        seen += page
        page = ask(
            table,
            "SELECT update_date, id FROM everything WHERE (update_date, id) > (%s, %s)"
            " ORDER BY update_date, id LIMIT 40",
            seen[-1],
        )
    assert seen == sorted(seen)
    assert len(seen) == 250


def test_aggregates_are_exact(table: Any) -> None:
    fill(table, 100)
    assert ask(
        table, "SELECT COUNT(*), MIN(id), MAX(update_date), SUM(price), SUM(id), AVG(price) FROM everything"
    ) == [(100, 1, wall("2024-01-28 00:00:00.000083"), Decimal("5100.00"), Decimal(5050), Decimal("51.000000"))]
    assert ask(table, "SELECT SUM(price * 3) FROM everything WHERE price > 99.5") == [(Decimal("301.50"),)]
    assert ask(table, "SELECT id % 2 AS odd, SUM(price) AS total FROM everything GROUP BY odd ORDER BY total DESC") == [
        (0, Decimal("2575.00")),
        (1, Decimal("2525.00")),
    ]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("CRC32('MySQL')", 3259397556),
        ("MD5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("SHA2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("CONCAT_WS('#', 1, NULL, 'b')", "1#b"),
        ("CONCAT('a', NULL)", None),
        ("HEX('aé')", "61C3A9"),
        ("HEX(255)", "FF"),
        ("IFNULL(NULL, 'x')", "x"),
        ("COALESCE(NULL, NULL, 3)", 3),
        ("CAST('12' AS SIGNED)", 12),
        ("CAST(1.005 AS DECIMAL(10,2))", Decimal("1.01")),
        ("CAST(7 AS CHAR)", "7"),
        ("7 / 2", Decimal("3.5000")),
        ("7 DIV 2", 3),
        ("LENGTH('日本')", 6),
        ("CHAR_LENGTH('日本')", 2),
        ("DATE('2024-01-31 10:00:00')", dt.date(2024, 1, 31)),
        ("DATE_ADD('2024-01-31', INTERVAL 1 DAY)", "2024-02-01 00:00:00"),
        ("IF(1 > 2, 'a', 'b')", "b"),
        ("CASE WHEN 1 THEN 2.5 ELSE 0 END", Decimal("2.5")),
        ("TIMESTAMPDIFF(HOUR, '2024-01-01', '2024-01-02 01:30:00')", 25),
        ("17 % 5", 2),
        ("-7.5 % 2", Decimal("-1.5")),
        ("0x4142", b"AB"),
        ("DATE_FORMAT('2024-01-05 07:08:09', '%Y/%m/%d %H:%i:%s')", "2024/01/05 07:08:09"),
        ("NULL <=> NULL", 1),
        ("DATABASE()", "shop"),
    ],
)
def test_functions(connect: Connect, expression: str, value: Any) -> None:
    ((found,),) = ask(connect().cursor(), f"SELECT {expression}")
    assert (str(found) if isinstance(found, dt.datetime) else found) == value


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM everything e, (SELECT 1 AS n UNION ALL SELECT 2) d WHERE e.id = d.n AND e.id IN (1, 2)", 2),
        ("WITH w AS (SELECT id, name FROM everything) SELECT * FROM w ORDER BY id LIMIT 2", 2),
        ("SELECT * FROM everything WHERE id IN (SELECT id FROM other WHERE id > 2)", 1),
        ("SELECT e.*, o.id FROM everything e JOIN other o USING (id)", 3),
        ("SELECT 1 FROM DUAL", 1),
        ("SELECT SQL_NO_CACHE id FROM everything FORCE INDEX (`ix_update`)", 3),
        ("SELECT /*+ MAX_EXECUTION_TIME(1000) */ id FROM everything FOR UPDATE", 3),
        ("SELECT id FROM everything WHERE name LIKE 'NAME%' AND name REGEXP '[12]$'", 2),
        ("SELECT id FROM everything LIMIT 1, 5", 2),
        ("SHOW MASTER STATUS", 0),
        ("SHOW FULL PROCESSLIST", 1),
        ("SHOW WARNINGS", 0),
    ],
)
def test_shapes_of_queries(table: Any, sql: str, rows: int) -> None:
    fill(table, 3)
    table.execute("CREATE TABLE IF NOT EXISTS other (id INT PRIMARY KEY)")
    table.execute("REPLACE INTO other VALUES (1), (2), (3)")
    found = ask(table, sql)
    assert len(found) == rows
    assert all(len(row) == len(table.description) for row in found)


def test_explain_tells_a_range_from_a_full_scan(table: Any) -> None:
    fill(table, 50)

    def plan(condition: str) -> tuple[Any, Any]:
        table.execute(f"EXPLAIN SELECT * FROM everything WHERE {condition}")
        row = dict(zip([column[0] for column in table.description], table.fetchone(), strict=True))
        return row["type"], row["key"]

    assert plan("update_date >= '2024-01-01' AND update_date < '2024-01-02'") == ("range", "ix_update")
    assert plan("name = 'x'") == ("ALL", None)
    assert plan("id = 1") == ("const", "PRIMARY")
    assert plan("id > 1") == ("range", "PRIMARY")


# --- information_schema -----------------------------------------------------------------------------------------------


def test_information_schema_columns(table: Any) -> None:
    table.execute(
        "SELECT column_name, COLUMN_TYPE, data_type, CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH,"
        " NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, IS_NULLABLE, COLUMN_DEFAULT,"
        " COLUMN_KEY, EXTRA,"
        " COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND table_name = %s"
        " ORDER BY ORDINAL_POSITION",
        ("everything",),
    )
    assert table.description[0][0] == "COLUMN_NAME"  # MySQL 8 answers in its own spelling
    found = {row[0]: row[1:] for row in table.fetchall()}
    on_update = "DEFAULT_GENERATED on update CURRENT_TIMESTAMP(6)"
    now = "CURRENT_TIMESTAMP(6)"
    assert list(found)[:3] == ["id", "name", "code"]
    nothing = (None,) * 2
    assert found["id"] == (
        "bigint unsigned",
        "bigint",
        *nothing,
        20,
        0,
        *nothing,
        "NO",
        None,
        "PRI",
        "",
        "It's the key",
    )
    assert found["name"] == ("varchar(20)", "varchar", 20, 80, None, None, None, "utf8mb4", "YES", None, "", "", "")
    assert found["code"][:4] == ("char(3)", "char", 3, 3)
    assert found["code"][10] == "UNI"
    assert found["price"] == ("decimal(10,2)", "decimal", *nothing, 10, 2, *nothing, "NO", "0.00", "", "", "")
    assert found["tiny"][:2] == ("tinyint(1)", "tinyint")
    assert found["tiny_u"][0] == "tinyint unsigned"
    assert found["state"][:4] == ("enum('a','b,c')", "enum", 3, 12)
    assert found["body"][2:4] == (65535, 65535)
    assert found["update_date"][6:] == (6, None, "NO", now, "MUL", on_update, "cursor")


def test_information_schema_keys_and_tables(table: Any) -> None:
    fill(table, 3)
    assert ask(
        table,
        "SELECT INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'everything' ORDER BY INDEX_NAME, SEQ_IN_INDEX",
    ) == [
        ("ix_update", 1, 1, "update_date"),
        ("ix_update", 1, 2, "id"),
        ("PRIMARY", 0, 1, "id"),
        ("ux_code", 0, 1, "code"),
    ]
    assert ask(
        table,
        "SELECT k.COLUMN_NAME, c.DATA_TYPE FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.COLUMNS c"
        " ON c.TABLE_SCHEMA = k.TABLE_SCHEMA AND c.TABLE_NAME = k.TABLE_NAME AND c.COLUMN_NAME = k.COLUMN_NAME"
        " WHERE k.TABLE_NAME = 'everything' AND k.CONSTRAINT_NAME = 'PRIMARY'",
    ) == [("id", "bigint")]
    table.execute("CREATE OR REPLACE VIEW cheap AS SELECT id, price FROM everything WHERE price < 2")
    assert ask(
        table,
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, TABLE_COMMENT FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME IN ('everything', 'cheap') ORDER BY TABLE_NAME",
    ) == [("cheap", "VIEW", None, None, "VIEW"), ("everything", "BASE TABLE", "InnoDB", 3, "One of each")]
    assert ask(table, "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop'") == [("cheap",)]
    assert ask(table, "SELECT id FROM cheap") == [(1,)]
    assert ("shop",) in ask(table, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
    table.execute("DROP VIEW cheap")


# --- transactions -----------------------------------------------------------------------------------------------------


def test_a_snapshot_does_not_see_later_commits(table: Any, connect: Connect) -> None:
    fill(table, 10)
    reader = connect(autocommit=True).cursor()
    reader.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    table.execute("DELETE FROM everything WHERE id > 5")
    table.execute("UPDATE everything SET price = 0 WHERE id = 1")
    table.execute("ALTER TABLE everything ADD COLUMN later INT")
    assert ask(reader, "SELECT COUNT(*), MIN(price) FROM everything") == [(10, Decimal("1.50"))]
    assert ask(reader, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE COLUMN_NAME = 'later'") == [(0,)]
    assert error_of(reader, "DELETE FROM everything") == 1792
    reader.execute("COMMIT")
    assert ask(reader, "SELECT COUNT(*), MIN(price) FROM everything") == [(5, Decimal("0.00"))]


def test_uncommitted_rows_are_seen_by_their_writer_only(table: Any, connect: Connect) -> None:
    writer = connect()
    cursor = writer.cursor()
    fill(cursor, 2)
    assert ask(cursor, "SELECT COUNT(*) FROM everything") == [(2,)]
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(0,)]
    writer.rollback()
    assert ask(cursor, "SELECT COUNT(*) FROM everything") == [(0,)]
    fill(cursor, 3)
    writer.commit()
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(3,)]


def test_a_failed_statement_leaves_nothing_of_itself(connect: Connect, table: Any) -> None:
    writer = connect()
    cursor = writer.cursor()
    fill(cursor, 1)
    assert error_of(cursor, "INSERT INTO everything (id) VALUES (2), (3), (1)") == 1062
    writer.commit()
    assert ask(table, "SELECT id FROM everything") == [(1,)]


# --- writes -----------------------------------------------------------------------------------------------------------


def test_updates_stamp_the_row_and_count_rows(table: Any) -> None:
    fill(table, 4)
    table.execute("UPDATE everything SET price = price + 1.10, name = CONCAT(name, '!') WHERE id <= 2")
    assert table.rowcount == 2
    ((price, name, stamped),) = ask(table, "SELECT price, name, update_date FROM everything WHERE id = 2")
    assert (price, name) == (Decimal("3.60"), "name 2!")
    assert abs(stamped - dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)) < dt.timedelta(seconds=10)
    table.execute("DELETE FROM everything WHERE id IN (1, 2, 99)")
    assert table.rowcount == 2
    table.execute("REPLACE INTO everything (id, name) VALUES (3, 'new')")
    table.execute("INSERT INTO everything (id, name) VALUES (4, 'up') ON DUPLICATE KEY UPDATE name = VALUES(name)")
    table.execute("INSERT IGNORE INTO everything (id, name) VALUES (4, 'ignored')")
    table.execute("INSERT INTO everything (id, name) SELECT id + 100, UPPER(name) FROM everything WHERE id = 4")
    assert ask(table, "SELECT id, name FROM everything ORDER BY id") == [(3, "new"), (4, "up"), (104, "UP")]
    table.execute("TRUNCATE TABLE everything")
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(0,)]


def test_auto_increment(connect: Connect) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute("CREATE TABLE numbered (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(5))")
    cursor.execute("INSERT INTO numbered (name) VALUES ('a'), ('b')")
    assert cursor.lastrowid == 1
    assert ask(cursor, "SELECT LAST_INSERT_ID(), MAX(id) FROM numbered") == [(1, 2)]
    cursor.execute("DROP TABLE numbered")


def test_alter_table_keeps_the_rows(table: Any) -> None:
    fill(table, 3)
    table.execute(
        "ALTER TABLE everything ADD COLUMN first_one INT NOT NULL DEFAULT 5 FIRST, DROP COLUMN body,"
        " MODIFY COLUMN name VARCHAR(50), RENAME COLUMN `count` TO counted, ADD KEY ix_name (name)"
    )
    assert ask(table, "SELECT first_one, id, name, counted FROM everything WHERE id = 3") == [(5, 3, "name 3", None)]
    names = [row[0] for row in ask(table, "DESCRIBE everything")]
    assert names[:3] == ["first_one", "id", "name"]
    assert "body" not in names
    table.execute("CREATE INDEX ix_day ON everything (day)")
    table.execute("DROP INDEX ix_name ON everything")
    keys = {row[2] for row in ask(table, "SHOW INDEX FROM everything")}
    assert keys == {"PRIMARY", "ux_code", "ix_update", "ix_day"}
    assert error_of(table, "ALTER TABLE everything MODIFY name VARCHAR(3)") == 1406
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(3,)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", 1064),
        ("SELECT FROM WHERE", 1064),
        ("", 1065),
        ("SELECT * FROM no_such_table", 1146),
        ("SELECT * FROM information_schema.no_such_table", 1146),
        ("SELECT no_such_column FROM everything", 1054),
        ("SELECT id FROM everything WHERE no_such_column = 1", 1054),
        ("INSERT INTO everything (no_such_column) VALUES (1)", 1054),
        ("INSERT INTO everything (id) VALUES (1, 2)", 1136),
        ("INSERT INTO everything (id, price) VALUES (1, NULL)", 1048),
        ("INSERT INTO everything (name) VALUES ('x')", 1364),
        ("INSERT INTO everything (id, name) VALUES (1, 'more than twenty letters')", 1406),
        ("INSERT INTO everything (id, tiny) VALUES (1, 128)", 1264),
        ("INSERT INTO everything (id, price) VALUES (1, 100000000)", 1264),
        ("INSERT INTO everything (id, day) VALUES (1, '2024-13-01')", 1292),
        ("INSERT INTO everything (id, `count`) VALUES (1, 'many')", 1366),
        ("INSERT INTO everything (id, state) VALUES (1, 'd')", 1265),
        ("INSERT INTO everything (id, doc) VALUES (1, '{')", 3140),
        ("CREATE TABLE everything (id INT)", 1050),
        ("CREATE TABLE twice (a INT, A INT)", 1060),
        ("DROP TABLE no_such_table", 1051),
        ("USE no_such_schema", 1049),
        ("SET time_zone = 'Mars/Olympus'", 1298),
        ("SET max_execution_time = 'soon'", 1231),
        ("KILL 999999", 1094),
        ("SELECT NO_SUCH_FUNCTION(1)", 1305),
    ],
)
def test_errors_are_mysqls(table: Any, sql: str, code: int) -> None:
    assert error_of(table, sql) == code
    assert ask(table, "SELECT 1") == [(1,)]  # the connection goes on


# --- many clients -----------------------------------------------------------------------------------------------------


def test_a_slow_reader_holds_up_nobody_and_buffers_little(table: Any, connect: Connect) -> None:
    for start in range(0, 200_000, 5_000):
        values = ",".join(f"({n},'{'x' * 20}')" for n in range(start, start + 5_000))
        table.execute(f"INSERT INTO everything (id, name) VALUES {values}")
    slow: Any = connect().cursor(SSCursor)
    slow.execute("SELECT id, name, update_date FROM everything ORDER BY id")
    first = [slow.fetchone() for _ in range(10)]
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(200_000,)]
    table.execute("DELETE FROM everything WHERE id < 100000")
    rest = slow.fetchall()
    assert len(first) + len(rest) == 200_000
    assert [row[0] for row in [*first, *rest]] == list(range(200_000))


def test_a_client_that_leaves_in_the_middle_leaves_the_server_well(table: Any, connect: Connect) -> None:
    fill(table, 5_000)
    leaving = connect()
    cursor: Any = leaving.cursor(SSCursor)
    cursor.execute("SELECT a.id, b.id FROM everything a, everything b")
    cursor.fetchone()
    leaving._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
    cursor._result.unbuffered_active = False  # or the driver would try to read the rest when it is collected
    table.execute("DELETE FROM everything")  # the cut reader's snapshot keeps nobody from writing
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(0,)]


def test_kill_ends_another_connection(table: Any, connect: Connect) -> None:
    victim = connect()
    number = victim.thread_id()  # type: ignore[no-untyped-call]
    table.execute(f"KILL {number}")

    def is_gone() -> bool:
        try:
            victim.query("SELECT 1")
        except pymysql.MySQLError:
            return True
        return False

    assert wait_until(is_gone, 5)


def test_statements_end_at_max_execution_time(table: Any) -> None:
    fill(table, 3_000)
    table.execute("SET SESSION max_execution_time = 200")
    assert error_of(table, "SELECT SUM(a.id * b.id) FROM everything a, everything b, everything c") == 3024
    table.execute("SET SESSION max_execution_time = 0")
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(3_000,)]


def test_writers_wait_for_one_another(table: Any, connect: Connect) -> None:
    def write(start: int) -> None:
        cursor = connect(autocommit=True).cursor()
        for number in range(start, start + 50):
            cursor.execute("INSERT INTO everything (id) VALUES (%s)", (number,))

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 1_000, 2_000, 3_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(table, "SELECT COUNT(*) FROM everything") == [(200,)]


# --- life of the server -----------------------------------------------------------------------------------------------


def test_data_survives_a_restart(tmp_path: Path) -> None:
    for expected in (0, 1):
        aurora = EmbeddedAurora(tmp_path, user="u", password="p")
        aurora.start()
        connection = pymysql.connect(
            host=aurora.host, port=aurora.port, user="u", password="p", database="shop", autocommit=True
        )
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (id INT PRIMARY KEY)")
        assert ask(cursor, "SELECT COUNT(*) FROM kept") == [(expected,)]
        cursor.execute("INSERT INTO kept VALUES (%s)", (expected,))
        aurora.stop()  # with a client still there
        assert not aurora.is_alive()
        connection.close()


def test_a_taken_port_is_an_error(server: EmbeddedAurora, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="address already in use"):
        EmbeddedAurora(tmp_path, user="u", password="p", port=server.port).start()


def test_the_shop_lives_in_it_and_twice_is_once(connect: Connect) -> None:
    connection = connect()
    cursor = connection.cursor()

    def picture() -> list[Any]:
        return [ask(cursor, f"SELECT COUNT(*), MAX({column}) FROM {table}") for table, column in (
            ("products_master", "update_date"), ("orders_master", "update_date"), ("page_view", "viewed_at"),
            ("order_details_master", "update_date"), ("country", "country_code"),
        )]  # fmt: skip

    shop.create(connection)
    first = shop.live(connection, last=shop.last_day(3), scale=0.2)
    assert first["orders_master"] > 50
    before = picture()
    shop.create(connection)
    shop.live(connection, last=shop.last_day(3), scale=0.2)
    assert picture() == before
    expected = list(shop.days(shop.START, shop.last_day(3), scale=0.2))
    assert ask(cursor, "SELECT COUNT(*) FROM page_view") == [(sum(len(day.views) for day in expected),)]
    comments = {row[5] for day in expected for row in day.changed["orders_master"]}
    assert {comment for (comment,) in ask(cursor, "SELECT DISTINCT BINARY comments FROM orders_master")} <= {
        None if comment is None else comment.encode() for comment in comments
    }


def test_a_wide_table_of_doubles_is_fingerprinted(server: EmbeddedAurora, connect: Connect) -> None:
    names = [f"c{number}" for number in range(60)]
    with connect(autocommit=True) as writer, writer.cursor() as cursor:
        cursor.execute(f"CREATE TABLE wide (id INT PRIMARY KEY, {', '.join(f'{name} DOUBLE' for name in names)})")
        cursor.execute(f"INSERT INTO wide VALUES (1, {', '.join('0.1' for _ in names)})")
    reader = source_connection.connect(
        host=server.host, port=server.port, user="reader", password="open sesame", database="shop"
    )
    schema = read_schema(reader, "shop", "wide")
    ((rows, *_digests),) = source_connection.execute(
        reader, fingerprint.sums(fingerprint.AURORA, schema.columns, ["id"], "`wide`", "TRUE")
    )
    reader.close()
    assert int(rows) == 1
