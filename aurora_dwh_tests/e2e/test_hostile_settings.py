"""A server whose administrator set it up against long and exact readings: what is copied is the same, row by row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pymysql
import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.source.factory import open_source, windows
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.sampling import sample

both_servers = pytest.mark.parametrize("aurora", KINDS, indirect=True)

DAY, NEXT = "2024-01-01", "2024-01-02"
MODES = {
    "grown": "{key: id, cursor: changed, filter: \"v LIKE '%row%' OR v IS NULL\"",
    "logged": "{mode: append, cursor: changed",
    "whole": "{mode: full, chunk_rows: 7",
}
_SEEN_DIFFERENTLY = (
    "PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,PIPES_AS_CONCAT,NO_UNSIGNED_SUBTRACTION,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT,"
    "IGNORE_SPACE,ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "STRICT_ALL_TABLES"
)
HOSTILE: dict[str, Any] = {
    "sql_select_limit": 3,
    "max_join_size": 1,
    "time_zone": "+09:00",
    "completion_type": "RELEASE",
    "autocommit": 0,
    "sql_auto_is_null": 1,
    "sql_safe_updates": 1,
    "sql_buffer_result": 1,
    "big_tables": 1,
    "max_sort_length": 64,
    "max_error_count": 0,
    "group_concat_max_len": 4,
    "div_precision_increment": 0,
    "default_week_format": 5,
    "lc_time_names": "ja_JP",
    "lock_wait_timeout": 1,
    "innodb_lock_wait_timeout": 1,
    "wait_timeout": 1,
    "interactive_timeout": 1,
    "net_read_timeout": 1,
    "net_write_timeout": 1,
    "sort_buffer_size": 32768,
    "tmp_table_size": 1024,
    "max_heap_table_size": 16384,
}
HOSTILE_OF = {
    "mysql": {
        "sql_mode": f"{_SEEN_DIFFERENTLY},TIME_TRUNCATE_FRACTIONAL",
        "max_execution_time": 1,
        "transaction_isolation": "READ-UNCOMMITTED",
        "show_gipk_in_create_table_and_information_schema": 0,
        "explain_format": "JSON",
        "end_markers_in_json": 1,
        "range_optimizer_max_mem_size": 1,
        "optimizer_switch": "mrr_cost_based=off,batched_key_access=on,derived_merge=off",
        "session_track_gtids": "ALL_GTIDS",
        "session_track_state_change": 1,
        "session_track_transaction_info": "CHARACTERISTICS",
    },
    "mariadb": {
        "sql_mode": f"{_SEEN_DIFFERENTLY},ORACLE,EMPTY_STRING_IS_NULL,TIME_ROUND_FRACTIONAL",
        "max_statement_time": 0.5,
        "tx_isolation": "READ-UNCOMMITTED",
        "system_versioning_asof": "2001-01-01",
        "old_mode": "ZERO_DATE_TIME_CAST,NO_DUP_KEY_WARNINGS_WITH_IGNORE,NO_PROGRESS_INFO",
        "idle_transaction_timeout": 1,
        "idle_readonly_transaction_timeout": 1,
        "max_session_mem_used": 400_000,
        "optimizer_switch": "mrr=on,mrr_sort_keys=on,derived_merge=off",
        "session_track_state_change": 1,
    },
}


@contextmanager
def hostile(aurora: EmbeddedAurora, settings: dict[str, Any]) -> Iterator[None]:
    """Set a server's global variables meanwhile."""
    with pymysql.connect(**aurora.arguments(), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wait_timeout = 3600")
        before = {}
        for name in settings:
            cursor.execute(f"SELECT @@GLOBAL.{name}")
            ((before[name],),) = cursor.fetchall()
        try:
            for name, value in settings.items():
                cursor.execute(f"SET GLOBAL {name} = %s", (value,))
            yield
        finally:
            cursor.execute("SET GLOBAL sql_mode = ''")
            for name, value in before.items():
                cursor.execute(
                    f"SET GLOBAL {name} = DEFAULT" if name == "system_versioning_asof" else f"SET GLOBAL {name} = %s",
                    () if name == "system_versioning_asof" else (value,),
                )


NAMES = ("grown_stream", "logged_outfile", "whole_stream", "whole_outfile")
"""Tables by their mode and `extract`."""


def fill(world: World, kind: str) -> None:
    """Make tables of each mode and `extract`: texts of fixed length, times, dates that are none, and no value."""
    versioned = " WITH SYSTEM VERSIONING" if kind == "mariadb" else ""
    hidden = "SET SESSION sql_generate_invisible_primary_key = 1" if kind == "mysql" else "SET @hidden = 0"
    for name in NAMES:
        key = "id INT PRIMARY KEY" if not name.startswith("whole") else "id INT"
        with world.source(sql_mode="") as connection, connection.cursor() as cursor:
            cursor.execute(hidden)
            cursor.execute(
                f"CREATE TABLE {name} ({key}, c CHAR(9), v VARCHAR(30), n INT UNSIGNED, f FLOAT, d DOUBLE, b BLOB, "
                f"seen TIMESTAMP(6) NULL, day DATE, t TIME(3), changed DATETIME(6), KEY (changed)){versioned}"
            )
            for n in range(60):
                cursor.execute(
                    f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        n,
                        f"c{n % 7} ",
                        None if n % 11 == 0 else f'a "row"\\{n}' if n % 5 else "row's ",
                        n,
                        n / 4,
                        n / 7,
                        bytes([n]),
                        f"2023-12-3{n % 2} 20:00:00.{n:06}",
                        ("2024-01-05", "0000-00-00", "2024-02-30")[n % 3] if name.startswith("w") else "2024-01-05",
                        "-12:34:56.789",
                        f"2023-12-31 1{n % 9}:00:00.{n:06}" if n % 2 else f"2024-01-01 1{n % 9}:00:00.{n:06}",
                    ),
                )


@both_servers
def test_c07_what_an_administrator_set_for_people_changes_no_value_and_no_row(aurora_world: World) -> None:
    world = aurora_world
    server: Any = world.server
    kind = "mariadb" if is_mariadb(world) else "mysql"
    fill(world, kind)
    world.catalog("\n".join(f"{name}: {MODES[name.split('_')[0]]}, extract: {name.split('_')[1]}}}" for name in NAMES))
    there = {name: world.source_rows(name) for name in NAMES}
    columns = {name: world.columns(name) for name in NAMES}
    with hostile(server, HOSTILE | HOSTILE_OF[kind]):
        for day in (DAY, NEXT):
            world.load(day, *NAMES)
        said = {command: run(command) for command in ("verify", "discover", "doctor", "plan whole_outfile --by-hand")}
    for name in NAMES:
        listed = ", ".join(f'"{column.lower()}"' for column in columns[name])
        here = world.ask_warehouse(f'SELECT {listed} FROM staging."{name}"')
        expected = [_as_copied(row) for row in there[name].elements()]
        assert sorted(map(repr, map(_as_copied, here))) == sorted(map(repr, expected)), name
        assert len(here) == 60
    assert said["verify"].exit_code == 0, said["verify"].text
    assert all(name in said["verify"].text for name in NAMES)
    assert said["discover"].exit_code == 0, said["discover"].text
    assert "[x]" not in said["doctor"].text
    assert "SET SESSION sql_select_limit = 18446744073709551615" in said["plan whole_outfile --by-hand"].text


@both_servers
def test_c07_a_session_outlives_what_an_administrator_grants_people_between_two_statements(aurora_world: World) -> None:
    world = aurora_world
    server: Any = world.server
    world.at_source("CREATE TABLE slow (id INT PRIMARY KEY)", "INSERT INTO slow VALUES (1), (2)")
    world.catalog("slow: {mode: full, chunk_rows: 1}")
    catalog = Catalog.load()
    table, rows = catalog.tables["slow"], []
    with hostile(server, HOSTILE | HOSTILE_OF["mariadb" if is_mariadb(world) else "mysql"]):
        day = windows(table, catalog, [date(2024, 1, 1)])
        for extract in open_source(catalog, pytest.fail).extract(table, day):
            for batch in extract.batches:
                rows += batch.column("id").to_pylist()
                time.sleep(1.5 if len(rows) == 1 else 0)  # the server ends a session that is idle for a second
    assert rows == [1, 2]


@pytest.mark.parametrize("aurora", sample(KINDS, "mysql"), indirect=True)
def test_c07_bytes_of_which_the_server_would_write_null_fail_the_day_and_name_what_helps(aurora_world: World) -> None:
    world = aurora_world
    world.at_source(
        "CREATE TABLE held (id INT PRIMARY KEY, b MEDIUMBLOB)",
        "INSERT INTO held VALUES (1, REPEAT('a', 20000)), (2, REPEAT('b', 40000))",
    )
    world.catalog("held: {mode: full, extract: outfile}")
    with hostile(world.server, {"max_allowed_packet": 65536}):
        failure = world.run(DAY, None, chain("held")).failure
        assert "column 'b': packet in the row id = 2" in failure
        assert "max_allowed_packet" in failure
        world.catalog("held: {mode: full, extract: stream}")  # one of the two remedies
        world.load(DAY, "held")
        world.catalog("held: {mode: full, extract: outfile}")
    world.load(DAY, "held")  # the other
    sizes = world.ask_warehouse("SELECT id, LENGTH(b) FROM staging.held ORDER BY id")
    assert sizes in ([(1, 20_000), (2, 40_000)], [(1, 40_000), (2, 80_000)]), sizes


def is_mariadb(world: World) -> bool:
    """Return whether the source's server is MariaDB."""
    return "MariaDB" in world.ask_source("SELECT VERSION()")[0][0]


def _as_copied(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row's values as both drivers would give them: texts, and dates that are none as NULL."""
    return tuple(_text(value) for value in row)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        sign, size = ("-", -value) if value < timedelta(0) else ("", value)
        return f"{sign}{size}"[: 12 + len(sign)]
    return None if value is None or value in ("0000-00-00", "2024-02-30") else str(value)
