"""Extracts of a table's days from a real server: which rows, how consistent, and what is said when it fails."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError, Extract, Window
from aurora_dwh.source import discovery
from aurora_dwh.source.connection import Connection, SourceError, connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh.source.wire import day_splitter
from aurora_dwh_tests.servers import Run, Server, by_turns, numbers, one_server

TOKYO = ZoneInfo("Asia/Tokyo")
START = date(2024, 1, 1)


@pytest.fixture
def run(server: Server, database: str) -> Iterator[Run]:
    """Runs a statement in the test's database, on a session in UTC."""
    with server.running(database) as run:
        yield run


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def source(server: Server, database: str, warnings: list[str]) -> Source:
    return Source(lambda: connect(**server.arguments(database)), database=database, zone=TOKYO, warn=warnings.append)


def table(**fields: Any) -> Table:
    return Table(**{"name": "orders", "key": ("id",), "cursor": "update_date", **fields})


def windows(*days: int, zone: ZoneInfo = TOKYO, lookback: timedelta = timedelta(0)) -> list[Window]:
    return [window(date(2024, 1, day), zone=zone, start_date=START, lookback=lookback) for day in days]


def ids(extract: Extract) -> list[int]:
    return sorted(value for batch in extract.batches for value in batch.column("id").to_pylist())


def orders(run: Run, cursor: str, *rows: tuple[int, str | None]) -> None:
    run(
        "CREATE TABLE orders (id int PRIMARY KEY, region varchar(10) DEFAULT 'eu', "
        f"update_date {cursor} NULL, INDEX (update_date))"
    )
    for number, at in rows:
        run("INSERT INTO orders (id, update_date) VALUES (%s, %s)", number, at)


@pytest.mark.parametrize(
    ("cursor", "hours"), [("datetime(6)", 0), ("timestamp(6)", 9)], ids=["wall clock in Tokyo", "instant in UTC"]
)
def test_a13_rows_at_the_border_of_two_days_are_read_once(run: Run, source: Source, cursor: str, hours: int) -> None:
    midnight = datetime(2024, 1, 3) - timedelta(hours=hours)
    tick = timedelta(microseconds=1)
    at = [
        midnight - tick,
        midnight,
        midnight,
        midnight + tick,
        midnight + timedelta(days=1) - tick,
        midnight + timedelta(days=1),
    ]
    orders(run, cursor, *[(n, f"{when}") for n, when in enumerate(at)])

    got = {extract.window.day.day: ids(extract) for extract in source.extract(table(), windows(2, 3, 4))}

    assert got == {2: [0], 3: [1, 2, 3, 4], 4: [5]}


def test_a14_the_union_of_all_days_is_the_whole_table(run: Run, source: Source) -> None:
    run("SET sql_mode = ''")
    orders(
        run, "datetime", (1, None), (2, "0000-00-00"), (3, "1999-01-01"), (4, "2024-01-01 23:59:59"), (5, "2024-01-02")
    )

    got = {extract.window.day.day: ids(extract) for extract in source.extract(table(), windows(1, 2))}

    assert got == {1: [1, 2, 3, 4], 2: [5]}


def test_a14_rows_without_a_cursor_are_counted_where_their_day_is_not_read(
    run: Run, source: Source, warnings: list[str]
) -> None:
    orders(run, "datetime", (1, None), (2, "2024-01-02"))
    assert [ids(e) for e in source.extract(table(), windows(1, 2))] == [[1], [2]]
    assert warnings == []

    assert [ids(e) for e in source.extract(table(), windows(2))] == [[2]]
    (warning,) = warnings
    assert warning == (
        "table orders: 1 rows have no 'update_date', which is NULL or zero, and come with the first day alone; "
        "materialize that day again when such rows were added or changed, or fill the column"
    )
    run("UPDATE orders SET update_date = '2024-01-01'")
    assert [ids(e) for e in source.extract(table(), windows(2))] == [[]]
    run("ALTER TABLE orders MODIFY update_date datetime NOT NULL")
    assert [ids(e) for e in source.extract(table(), windows(2))] == [[]]
    assert len(warnings) == 1


def test_a11_a_day_of_25_hours_is_read_in_full(run: Run, server: Server, database: str) -> None:
    chicago = ZoneInfo("America/Chicago")
    orders(run, "timestamp", *[(n, f"{datetime(2024, 11, 3, 4) + timedelta(hours=n)}") for n in range(28)])
    source = Source(lambda: connect(**server.arguments(database)), database=database, zone=chicago)

    (extract,) = [ids(e) for e in source.extract(table(), [window(date(2024, 11, 3), zone=chicago, start_date=START)])]

    assert extract == list(range(1, 26))


CLOCKS = ("+00:00", "+09:00", "-06:00", "+05:45")
PLACES = ("UTC", "Asia/Tokyo", "America/Chicago", "Pacific/Kiritimati")


@by_turns("catalog_zone", PLACES)
def test_a11_the_zones_of_server_session_and_worker_change_neither_a_row_s_day_nor_a_value(
    run: Run, server: Server, database: str, catalog_zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = ZoneInfo(catalog_zone)
    instants = [datetime(2024, 11, 2, 0, 30, 0, 123456) + timedelta(minutes=97 * n) for n in range(48)]
    run("CREATE TABLE orders (id INT PRIMARY KEY, update_date TIMESTAMP(6) NULL, dt DATETIME(6), d DATE)")
    for number, instant in enumerate(instants):
        run("INSERT INTO orders VALUES (%s, %s, %s, %s)", number, instant, instant, instant)
    days = [date(2024, 11, day) for day in range(1, 8)]
    asked = [window(day, zone=zone, start_date=days[0]) for day in days]
    expected = [
        (instant.replace(tzinfo=timezone.utc).astimezone(zone).date(), n, instant, instant, instant.date())
        for n, instant in enumerate(instants)
    ]
    try:
        for number, (clock, session) in enumerate(itertools.product(CLOCKS, CLOCKS)):
            worker = PLACES[(number + number // 4) % 4]
            run(f"SET GLOBAL time_zone = '{clock}'")
            monkeypatch.setenv("TZ", worker)
            time.tzset()
            arguments = {**server.arguments(database), "init_command": f"SET time_zone = '{session}'"}
            source = Source(lambda arguments=arguments: connect(**arguments), database=database, zone=zone)
            found = [
                (extract.window.day, *row.values())
                for extract in source.extract(table(), asked)
                for batch in extract.batches
                for row in batch.to_pylist()
            ]
            assert sorted(found, key=lambda row: row[1]) == expected, (clock, session, worker)
    finally:
        run("SET GLOBAL time_zone = 'SYSTEM'")
        monkeypatch.undo()
        time.tzset()


def test_a12_a_row_that_was_committed_late_is_found_by_the_lookback(run: Run, source: Source) -> None:
    orders(run, "datetime", (1, "2024-01-02 23:30:00"), (2, "2024-01-03 12:00:00"))

    (got,) = [ids(e) for e in source.extract(table(), windows(3, lookback=timedelta(hours=1)))]

    assert got == [1, 2]


def test_all_days_are_read_as_they_were_at_one_moment(run: Run, source: Source) -> None:
    orders(run, "datetime", (1, "2024-01-02"), (2, "2024-01-03"))
    extracts = source.extract(table(), windows(2, 3))

    first = next(extracts)
    run("UPDATE orders SET update_date = '2024-01-02' WHERE id = 2")
    run("INSERT INTO orders (id, update_date) VALUES (3, '2024-01-03')")
    got = [ids(first), ids(second := next(extracts))]

    assert got == [[1], [2]]
    assert first.snapshot_at == second.snapshot_at
    assert abs(first.snapshot_at - datetime.now(timezone.utc)) < timedelta(minutes=1)


def test_include_exclude_and_filter(run: Run, source: Source) -> None:
    orders(run, "datetime", (1, "2024-01-02"), (2, "2024-01-02"))
    run("UPDATE orders SET region = 'us' WHERE id = 2")

    chosen = table(exclude=("region",), filter="region = 'us' OR id > 5")
    (rows,) = [[r for b in e.batches for r in b.to_pylist()] for e in source.extract(chosen, windows(2))]

    assert rows == [{"id": 2, "update_date": datetime(2024, 1, 2)}]


def test_mode_full_reads_every_row(run: Run, source: Source, warnings: list[str]) -> None:
    run("CREATE TABLE orders (id int PRIMARY KEY)")
    run("INSERT INTO orders VALUES (1), (2)")

    (got,) = [ids(e) for e in source.extract(table(mode="full", cursor=None), windows(2))]

    assert (got, warnings) == ([1, 2], [])


def test_invisible_and_generated_columns_are_read(run: Run, source: Source) -> None:
    run(
        "CREATE TABLE orders (id int PRIMARY KEY, twice int AS (id * 2), kept int AS (id * 3) STORED, "
        "hidden int INVISIBLE DEFAULT 7)"
    )
    run("INSERT INTO orders (id) VALUES (1)")

    (extract,) = [list(e.batches) for e in source.extract(table(mode="full", cursor=None), windows(2))]

    assert [batch.to_pylist() for batch in extract] == [[{"id": 1, "twice": 2, "kept": 3, "hidden": 7}]]


def test_a22_odd_names(run: Run, source: Source) -> None:
    run(
        "CREATE TABLE `table_with_space and UPPERCase` (`Id` int PRIMARY KEY, `group` int, `na``me` int, `full 表` int)"
    )
    run("INSERT INTO `table_with_space and UPPERCase` VALUES (1, 2, 3, 4)")
    odd = table(name="table_with_space and UPPERCase", mode="full", cursor=None)

    (rows,) = [[r for b in e.batches for r in b.to_pylist()] for e in source.extract(odd, windows(2))]

    assert rows == [{"id": 1, "group": 2, "na`me": 3, "full 表": 4}]


def test_a19_the_condition_is_served_by_the_index(
    run: Run, source: Source, server: Server, database: str, warnings: list[str]
) -> None:
    orders(run, "datetime")
    run(f"INSERT INTO orders SELECT seq, 'eu', '2024-01-01' + INTERVAL seq MINUTE FROM {numbers(200_000)}")
    run("ANALYZE TABLE orders")
    schema = source.schema(table())

    for day in windows(2, 3):
        plan = server.plan(source.statement(table(), schema, day), database)
        assert (plan["type"], plan["key"]) == ("range", "update_date"), day
    assert warnings == []


def test_a19_a_cursor_without_an_index_is_warned_of(
    run: Run, source: Source, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)  # no table is too small for advice
    run("CREATE TABLE orders (id int PRIMARY KEY, region int, update_date datetime, INDEX (region, update_date))")

    assert [ids(e) for e in source.extract(table(), windows(2))] == [[]]
    (warning,) = warnings
    assert "table orders" in warning
    assert "'update_date'" in warning


@pytest.mark.parametrize(
    ("cursor", "mode"), [("datetime(6)", "incremental"), ("timestamp(6)", "append"), ("date", "incremental")]
)
def test_a19_a25_a_range_over_a_cursor_without_an_index_is_one_scan_and_the_days_are_those_of_many(
    run: Run, source: Source, cursor: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_splitter, "GATHERED_BYTES", 20_000)
    run("SET sql_mode = ''")
    run(f"CREATE TABLE orders (id int PRIMARY KEY, region varchar(10), other date, update_date {cursor} NULL)")
    run(
        "INSERT INTO orders SELECT seq, IF(seq % 7, 'eu', NULL), IF(seq % 5, '2024-01-01', '0000-00-00'), "
        "CASE seq % 100 WHEN 0 THEN NULL WHEN 1 THEN '0000-00-00' "
        f"ELSE DATE '2023-12-30' + INTERVAL seq * 41 SECOND + INTERVAL seq MICROSECOND END FROM {numbers(20_000)}"
    )
    chosen = table(mode=mode, filter="id <> 13")
    days = windows(1, 2, 3, 4, 5, lookback=timedelta(0) if mode == "append" else timedelta(hours=3))
    one_by_one = [read_whole(e) for day in days for e in source.extract(chosen, [day])]

    read_before = rows_read(run)
    at_once = [read_whole(e) for e in source.extract(chosen, days)]

    assert 40_000 <= rows_read(run) - read_before < 45_000, "one scan, and one that counts so few rows"
    assert at_once == one_by_one
    assert all(rows for _, rows, _ in at_once)


@one_server
def test_a19_the_rows_of_a_scan_that_wait_take_no_more_memory_than_is_set(
    run: Run, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_splitter, "GATHERED_BYTES", 16 << 20)
    run("CREATE TABLE orders (id int PRIMARY KEY, note varchar(1000), update_date datetime)")
    run(
        "INSERT INTO orders SELECT seq, REPEAT(CHAR(65 + seq % 26), 900), '2023-12-31' + INTERVAL seq % 400 DAY "
        f"FROM {numbers(60_000)}"
    )
    days = [window(date(2024, 1, 1) + timedelta(days=n), zone=TOKYO, start_date=START) for n in range(400)]
    extracts = source.extract(table(), days)
    before = pa.total_allocated_bytes()
    most, rows = 0, 0
    for extract in extracts:
        rows += len(ids(extract))
        most = max(most, pa.total_allocated_bytes() - before)

    assert rows == 60_000
    assert most < 2 * day_splitter.GATHERED_BYTES


def test_a25_in_mode_full_a_range_is_read_once(run: Run, source: Source) -> None:
    run("CREATE TABLE orders (id int PRIMARY KEY)")
    run("INSERT INTO orders VALUES (1), (2)")

    (extract,) = [e for e in source.extract(table(mode="full", cursor=None), windows(2, 3, 4)) if ids(e)]

    assert extract.window.day.day == 4
    assert [window.day.day for window in extract.also] == [2, 3]


def read_whole(extract: Extract) -> tuple[date, list[dict[str, Any]], dict[tuple[str, str], int]]:
    rows = [row for batch in extract.batches for row in batch.to_pylist()]
    return extract.window.day, sorted(rows, key=lambda row: row["id"]), dict(extract.converted)


def rows_read(run: Run) -> int:
    """Return how many rows the server has read in scans and along indexes, for all sessions."""
    return sum(int(count) for _, count in run("SHOW GLOBAL STATUS LIKE 'Handler_read%'"))


def test_days_must_be_read_to_their_end(run: Run, source: Source) -> None:
    orders(run, "datetime", (1, "2024-01-02"))

    with pytest.raises(RuntimeError, match="day 2024-01-02: the rows must all be read"):
        list(source.extract(table(), windows(2, 3)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "orderz"}, r"orderz is not there.*did you mean 'orders'\?"),
        ({"name": "ORDERS"}, r"ORDERS is not there.*did you mean 'orders'\?"),
        ({"cursor": "nowhere"}, "`cursor` names 'nowhere', which is no column of the table"),
        ({"cursor": "region"}, "cursor 'region' is of type varchar"),
        ({"exclude": ("nowhere",)}, "`exclude` names 'nowhere', which is no column of the table"),
        ({"filter": "nowhere = 1"}, "day 2024-01-02: table .*nowhere.*1054"),
        ({"filter": "1 = "}, "day 2024-01-02: table .*1064"),
    ],
)
def test_what_cannot_be_copied_is_a_data_error(run: Run, source: Source, fields: dict[str, Any], message: str) -> None:
    orders(run, "datetime")

    with pytest.raises(DataError, match=message):
        [ids(extract) for extract in source.extract(table(**fields), windows(2))]


def test_a01_zero_dates_fail_where_the_table_says_so(run: Run, source: Source) -> None:
    run("SET sql_mode = ''")
    orders(run, "datetime", (7, "0000-00-00"))

    with pytest.raises(DataError, match=r"day 2024-01-01: .*'update_date': zero date in the row id = 7"):
        [ids(extract) for extract in source.extract(table(zero_dates="fail"), windows(1))]


def test_a01_zero_dates_are_counted_in_the_extract(run: Run, source: Source) -> None:
    run("SET sql_mode = ''")
    orders(run, "datetime", (7, "0000-00-00"), (8, "2024-01-01"))

    (extract,) = [e for e in source.extract(table(), windows(1)) if ids(e)]

    assert extract.converted == {("update_date", "zero_date"): 1}


@one_server
def test_a18_a_day_is_read_in_memory_that_does_not_grow_with_its_rows(run: Run, source: Source) -> None:
    orders(run, "datetime")
    most: list[int] = []
    for count in (100_000, 400_000):
        run("TRUNCATE TABLE orders")
        run(f"INSERT INTO orders SELECT seq, 'eu', '2024-01-02' FROM {numbers(count)}")
        extract = next(extracts := source.extract(table(chunk_rows=count + 1), windows(2)))  # in one SELECT
        start, peak, rows = pa.total_allocated_bytes(), 0, 0
        tracemalloc.start()
        for batch in extract.batches:
            rows += batch.num_rows
            peak = max(peak, pa.total_allocated_bytes() - start + tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        extracts.close()
        assert rows == count
        most.append(peak)
    assert most[1] < 1.25 * most[0]


@one_server
def test_a18_a_lost_connection_says_day_and_rows_and_ends_nothing(run: Run, server: Server, database: str) -> None:
    opened: list[Connection] = []

    def opening() -> Connection:
        opened.append(connect(**server.arguments(database)))
        return opened[-1]

    orders(run, "datetime")
    run(f"INSERT INTO orders SELECT seq, 'eu', '2024-01-02' FROM {numbers(500_000)}")
    source = Source(opening, database=database, zone=TOKYO)
    extract = next(extracts := source.extract(table(), windows(2, 3)))
    first = next(extract.batches)
    run(f"KILL {opened[0].thread_id()}")

    with pytest.raises(SourceError, match=r"day 2024-01-02: table .*orders: .*; [\d,]+ rows had been read"):
        for _ in extract.batches:
            pass
    assert 0 < first.num_rows < 500_000
    with pytest.raises(SourceError):
        ids(next(extracts))


def test_a_source_out_of_reach_is_a_source_error(server: Server) -> None:
    arguments = {**server.arguments(), "port": 1}
    source = Source(lambda: connect(**arguments), database="shop", zone=TOKYO)

    with pytest.raises(SourceError, match="cannot connect to Aurora"):
        next(source.extract(table(), windows(2)))
