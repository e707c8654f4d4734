"""What does not fit Redshift, or must not leave Aurora: each policy, what it counts, and that the proof expects it."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq
import pytest

from aurora_dwh.lake.factory import open_lake
from aurora_dwh.settings.config import LakeSettings
from aurora_dwh_tests.e2e.test_types import verify
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.sampling import sample
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers, unlike elsewhere in this folder
    mariadb_in_soak,
    one_server,
    server,
)

DAY = "2024-01-01"
NOON = "'2023-12-31 12:00:00'"


def converted(world: World, table: str, day: str = DAY) -> dict[str, dict[str, int]]:
    """Return what a day's load changed, which the manifest, Dagster and the warehouse must all say."""
    (manifest,) = open_lake().read(table, [date.fromisoformat(day)])
    shown = world.day_metadata(f"lake/{table}", day)
    (text,) = world.ask_warehouse(
        f"SELECT converted FROM dwh.load_history WHERE table_name = 'staging.{table}' AND day = '{day}' "
        "ORDER BY loaded_at DESC LIMIT 1"
    )[0]
    assert json.loads(text) == manifest.converted
    assert shown.get("converted", {}) == manifest.converted
    assert shown["converted_values"] == sum(sum(reasons.values()) for reasons in manifest.converted.values())
    return manifest.converted


def staged(world: World, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return columns of the staging table, in the order of its key."""
    return world.ask_warehouse(f"SELECT {columns} FROM staging.{table} ORDER BY id")


def refused(world: World, table: str) -> str:
    """Return why a load failed, with nothing of it in the lake or in staging."""
    run = world.run(DAY, None, chain(table))
    assert not run.success
    assert not world.materialized_days(f"lake/{table}")
    return run.failure


# A01: dates that are none.

ODD = (
    "CREATE TABLE odd (id INT PRIMARY KEY, at DATETIME NOT NULL, d DATE NOT NULL, dt DATETIME(6) NOT NULL, "
    "ts TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01', KEY (at))"
)
ODD_ROWS = (
    "INSERT INTO odd VALUES "
    f"(1, {NOON}, '2024-02-29', '9999-12-31 23:59:59.999999', '2024-01-05 00:00:00.123'), "
    f"(2, {NOON}, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00'), "
    f"(3, {NOON}, '2021-00-00', '2021-02-00 01:02:03.5', '2024-01-05 00:00:00'), "
    f"(4, {NOON}, '2021-02-31', '2021-06-31 23:59:59', '2024-01-05 00:00:00'), "
    f"(5, {NOON}, '0600-12-02', '0600-12-02 00:00:00', '2024-01-05 00:00:00')"
)


def odd_dates(world: World, policy: str) -> None:
    world.catalog(f"odd: {{key: id, cursor: at, zero_dates: {policy}}}")
    with world.source(sql_mode="ALLOW_INVALID_DATES") as connection, connection.cursor() as cursor:
        cursor.execute(ODD)
        cursor.execute(ODD_ROWS)


def test_a01_zero_dates_become_null_and_are_counted_though_the_columns_are_not_null(world: World) -> None:
    odd_dates(world, "null")
    world.load(DAY, "odd")
    assert [[None if v is None else str(v) for v in row] for row in staged(world, "odd", "d, dt, ts")] == [
        ["2024-02-29", "9999-12-31 23:59:59.999999", "2024-01-05 00:00:00.123000"],
        [None, None, None],
        [None, None, "2024-01-05 00:00:00"],
        [None, None, "2024-01-05 00:00:00"],
        ["0600-12-02", "0600-12-02 00:00:00", "2024-01-05 00:00:00"],
    ]
    assert converted(world, "odd") == {
        "d": {"zero_date": 2, "invalid_date": 1},
        "dt": {"zero_date": 2, "invalid_date": 1},
        "ts": {"zero_date": 1},
    }
    assert verify("odd").equal, verify("odd").differences


@mariadb_in_soak
def test_a01_zero_dates_fail_where_asked_and_name_table_column_key_and_value(world: World) -> None:
    odd_dates(world, "fail")
    world.at_source("DELETE FROM odd WHERE id = 2")
    failure = refused(world, "odd")
    for part in ("odd, column 'd'", "zero date", "id = 3", "'2021-00-00'", "`zero_dates: null`"):
        assert part in failure


@mariadb_in_soak
def test_a01_zero_dates_stay_as_text_where_asked(world: World) -> None:
    odd_dates(world, "text")
    world.load(DAY, "odd")
    assert staged(world, "odd", "d, dt, ts")[1:3] == [
        ("0000-00-00", "0000-00-00 00:00:00.000000", "0000-00-00 00:00:00.000"),
        ("2021-00-00", "2021-02-00 01:02:03.500000", "2024-01-05 00:00:00.000"),
    ]
    assert staged(world, "odd", "at")[0][0].isoformat() == "2023-12-31T12:00:00"  # a cursor stays what it is
    assert converted(world, "odd") == {}
    assert verify("odd").equal, verify("odd").differences


# A06: values of more bytes than Redshift holds.

LONG = {
    "a text": ("longtext", "REPEAT('🍣', 16384)", 65_536, "🍣" * 16_383),
    "a text cut within its last character": ("text", "CONCAT('abc', REPEAT('é', 32766))", 65_535, None),
    "two bytes too many": ("mediumtext", "CONCAT('abcd', REPEAT('寿', 21844))", 65_536, "abcd" + "寿" * 21_843),
    "a text of another character set": (
        "text character set latin1",
        "REPEAT(_latin1 x'ff', 40000)",
        80_000,
        "ÿ" * 32_767,
    ),
    "bytes": ("blob", "REPEAT(x'80ff', 32001)", 64_002, "80ff" * 32_000),
    "the most bytes": ("blob", "REPEAT(x'00', 64000)", 64_000, None),
}


@one_server
@pytest.mark.parametrize("policy", ["truncate", "null"])
def test_a06_values_that_are_too_long_are_changed_and_counted(world: World, policy: str) -> None:
    world.catalog(f"big: {{key: id, cursor: at, oversize: {policy}}}")
    columns = ", ".join(f"c{number} {kind}" for number, (kind, *_) in enumerate(LONG.values()))
    values = ", ".join(value for _, value, *_ in LONG.values())
    world.at_source(
        f"CREATE TABLE big (id INT PRIMARY KEY, at DATETIME, {columns}, KEY (at))",
        f"INSERT INTO big VALUES (1, {NOON}, {values}), (2, {NOON}{', NULL' * len(LONG)})",
        f"INSERT INTO big (id, at, c0, c4) VALUES (3, {NOON}, REPEAT('a', 65535), x'00')",
    )
    world.load(DAY, "big")
    long, empty, _ = staged(world, "big", ", ".join(f"c{number}" for number in range(len(LONG))))
    assert set(empty) == {None}
    for number, (found, (kind, _, size, cut)) in enumerate(zip(long, LONG.values(), strict=True)):
        if cut is None:
            assert len(bytes.fromhex(found) if "blob" in kind else found.encode()) == size
        else:
            assert found == (cut if policy == "truncate" else None), number
    assert converted(world, "big") == {f"c{n}": {"oversize": 1} for n, (*_, cut) in enumerate(LONG.values()) if cut}
    assert verify("big").equal, verify("big").differences
    world.ask_warehouse("UPDATE staging.big SET c0 = 'other', c4 = TO_VARBYTE('00', 'hex') WHERE id = 1")
    assert verify("big").differences[0] == "columns that differ: c0, c4"


@one_server
@pytest.mark.parametrize("number", sample([0, 3, 4], 3))
def test_a06_a_value_that_is_too_long_fails_by_default_and_is_named(world: World, number: int) -> None:
    world.catalog("big: {key: id, cursor: at}")
    kind, value, size, _ = list(LONG.values())[number]
    world.at_source(
        f"CREATE TABLE big (id INT PRIMARY KEY, at DATETIME, `Long` {kind}, KEY (at))",
        f"INSERT INTO big VALUES (41, {NOON}, 'x'), (42, {NOON}, {value})",
    )
    failure = refused(world, "big")
    for part in ("table big, column 'Long'", "id = 42", f"{size:,} bytes", "`oversize: truncate`", "the value "):
        assert part in failure
    assert len(failure) < 1_000


@one_server
def test_a06_the_key_is_named_though_it_is_not_copied(world: World) -> None:
    world.catalog("big: {mode: full, exclude: id}")
    world.at_source(
        "CREATE TABLE big (id INT PRIMARY KEY, t LONGTEXT)", "INSERT INTO big VALUES (1, REPEAT('x', 70000))"
    )
    assert "column 't': in a row without a primary key the value 'xxx" in refused(world, "big")


# A08: NUL bytes.


@mariadb_in_soak
def test_a08_nul_bytes_fail_by_default_and_are_named(world: World) -> None:
    world.catalog("nul: {key: id, cursor: at}")
    world.at_source(
        "CREATE TABLE nul (id INT PRIMARY KEY, at DATETIME, t TEXT, KEY (at))",
        f"INSERT INTO nul VALUES (6, {NOON}, 'fine'), (7, {NOON}, 'a\\0b')",
    )
    failure = refused(world, "nul")
    for part in ("table nul, column 't'", "id = 7", r"'a\x00b'", "`nul_bytes: remove`"):
        assert part in failure


@mariadb_in_soak
def test_a08_nul_bytes_are_removed_and_counted_where_asked(world: World) -> None:
    world.catalog("nul: {key: id, cursor: at, nul_bytes: remove, oversize: truncate}")
    world.at_source(
        "CREATE TABLE nul (id INT PRIMARY KEY, at DATETIME, t LONGTEXT, u VARCHAR(20) CHARACTER SET ucs2, "
        "l VARCHAR(20) CHARACTER SET latin1, b VARBINARY(9), KEY (at))",
        f"INSERT INTO nul VALUES (1, {NOON}, 'a\\0b\\0', '寿\\0司', 'é\\0', x'0001'), "
        f"(2, {NOON}, '\\0', '', 'a', x'00'), (3, {NOON}, NULL, NULL, NULL, NULL), "
        f"(4, {NOON}, CONCAT(REPEAT('é', 32767), '\\0\\0'), 'x', 'x', ''), "
        f"(5, {NOON}, CONCAT('\\0', REPEAT('é', 32768)), 'x', 'x', '')",
    )
    world.load(DAY, "nul")
    rows = staged(world, "nul", "t, u, l, b")
    assert rows[:3] == [("ab", "寿司", "é", "0001"), ("", "", "a", "00"), (None,) * 4]
    assert [row[0] for row in rows[3:]] == ["é" * 32_767] * 2
    assert converted(world, "nul") == {
        "t": {"nul_bytes": 4, "oversize": 1},
        "u": {"nul_bytes": 1},
        "l": {"nul_bytes": 1},
    }
    assert verify("nul").equal, verify("nul").differences


# Masks.

SECRETS = ("alice@example.com", "4111222233334444", "Näkymätön-寿司", "1987-06-05", "87654.25")


@one_server
@pytest.mark.usefixtures("kept")
def test_masked_values_are_in_no_place_but_the_source(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.catalog(
        "people: {key: Email, cursor: at, mask: {email: sha256, card: {keep_last: 4}, Name: null, "
        'born: {value: "it\'s \\\\ {0} 100%"}, salary: sha256, pin: sha256, '
        "code: {keep_last: 2}, rate: null, kana: sha256}}"
    )
    email, card, name, born, salary = SECRETS
    world.at_source(
        "SET SESSION sql_mode = ''",
        "CREATE TABLE people (email VARCHAR(60) CHARACTER SET latin1 PRIMARY KEY, at DATETIME, card CHAR(16), "
        "name VARCHAR(40), born DATE, salary DECIMAL(10,2), pin BIT(9), code VARCHAR(9) CHARACTER SET ucs2, "
        "rate FLOAT, kana VARCHAR(9) CHARACTER SET cp932, KEY (at))",
        f"INSERT INTO people VALUES ('{email}', {NOON}, '{card}', '{name}', '{born}', {salary}, b'1', '寿司x', 1.5, "
        "'ｶﾅ'), "
        f"('short', {NOON}, '1234', '', NULL, NULL, NULL, NULL, NULL, NULL), "
        f"('é', {NOON}, '', NULL, '0000-00-00', 0, 0, 'x', 0, '')",
    )
    run = world.load(DAY, "people")
    hashed = {email: hashlib.sha256(text.encode()).hexdigest() for email, text in ((email, email), ("é", "é"))}
    constant = "it's \\ {0} 100%"
    rows = {
        row[0]: row[1:] for row in world.ask_warehouse("SELECT email, card, name, born, code, rate FROM staging.people")
    }
    assert rows[hashed[email]] == ("************4444", None, constant, "*司x", None)
    assert rows[hashed["é"]] == ("", None, constant, "*", None)
    assert rows[hashlib.sha256(b"short").hexdigest()] == ("****", None, None, None, None)
    (salaries,) = world.ask_warehouse(f"SELECT salary, kana FROM staging.people WHERE email = '{hashed[email]}'")
    assert salaries == (hashlib.sha256(salary.encode()).hexdigest(), hashlib.sha256("ｶﾅ".encode()).hexdigest())
    assert verify("people").equal, verify("people").differences

    world.at_source(f"UPDATE people SET card = '9999', at = '2024-01-02 05:00:00' WHERE email = '{email}'")
    world.load("2024-01-02", "people")
    (again,) = world.ask_warehouse(f"SELECT COUNT(*), MAX(card) FROM staging.people WHERE email = '{hashed[email]}'")
    assert again == (1, "****"), "a key that is masked still tells rows apart"
    assert verify("people").equal

    written = capfd.readouterr()
    seen = [written.out, written.err, *(str(event) for event in run.events), *_lake_values(world)]
    seen += [str(row) for row in world.ask_warehouse("SELECT * FROM staging.people")]
    seen += [file.read_bytes().decode(errors="replace") for file in world.home.rglob("*") if file.is_file()]
    assert len(seen) > 20
    for secret in SECRETS:
        assert not [text[:200] for text in seen if secret in text], f"{secret} is seen"


def _lake_values(world: World) -> list[str]:
    """Return every value of every file in the lake, and the manifests."""
    client = LakeSettings.from_env().client()
    found = []
    for manifest in open_lake().read("people", [date(2024, 1, 1), date(2024, 1, 2)]):
        found.append(json.dumps(manifest.schema.to_json()))
        for part in manifest.parts:
            bucket, _, key = part.url.removeprefix("s3://").partition("/")
            body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            found += [str(pq.read_table(BytesIO(body)).to_pylist()), body.decode(errors="replace")]
    return found


UNFIT = {
    "key": ("{id: {keep_last: 2}}", "'id' finds and orders rows"),
    "cursor": ("{at: sha256}", "'at' finds and orders rows"),
    "kind": ("{n: {keep_last: 2}}", "keep_last masks texts, and 'n' is int"),
    "name": ("{nothing: sha256}", "`mask` names 'nothing', which is no column of the table"),
}


@one_server
def test_a_mask_that_does_not_fit_is_refused_before_anything_is_read(world: World) -> None:
    world.catalog("\n".join(f"of_{name}: {{key: id, cursor: at, mask: {mask}}}" for name, (mask, _) in UNFIT.items()))
    tables = [f"of_{name}" for name in UNFIT]
    world.at_source(*(f"CREATE TABLE {t} (id VARCHAR(9) PRIMARY KEY, at DATETIME, n INT, KEY (at))" for t in tables))
    run = world.run(DAY, None, chain(*tables))
    for table, (_, message) in zip(tables, UNFIT.values(), strict=True):
        assert message in run.failure_of(table)
        assert not world.materialized_days(f"lake/{table}")
