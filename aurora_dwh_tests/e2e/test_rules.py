"""Days that were read under an older catalog entry: they are not loaded again, named, and removed for good if asked."""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from aurora_dwh.settings.config import LakeSettings
from aurora_dwh_tests.e2e.older import OLDER_COLUMNS, forget_rules
from aurora_dwh_tests.e2e.proofs import prove, verify
from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import World, chain

pytestmark = pytest.mark.timeout(600)

BASE = "key: id, cursor: changed_at"
COLUMNS = (
    "(id INT PRIMARY KEY, email VARCHAR(40), secret VARCHAR(20), country CHAR(2), born DATE, "
    "changed_at DATETIME NOT NULL, KEY (changed_at))"
)
CHANGES = {
    "mask": ("mask: {email: sha256}", "mask of email"),
    "exclude": ("exclude: secret", "exclude of secret"),
    "include": ("include: [id, country, changed_at]", "include of changed_at, country, id"),
    "filter": ("filter: country = 'jp'", "filter"),
}
MODES = {"incremental": BASE, "append": "mode: append, cursor: changed_at"}


def staging(tables: Iterable[str] = ("person",)) -> list[dg.AssetKey]:
    return [dg.AssetKey(["staging", table]) for table in tables]


def catalog(world: World, entries: Mapping[str, str]) -> None:
    """Write the catalog: the fields of each table."""
    world.catalog("\n".join(f"{table}: {{{fields}}}" for table, fields in entries.items()))


def make(world: World, entries: Mapping[str, str]) -> None:
    """Make tables with three days of rows, of each day one of each of two countries, and their catalog."""
    catalog(world, entries)
    rows = ", ".join(
        f"({n}, 'p{n}@example.com', 'secret {n}', '{('jp', 'at')[n % 2]}', '2000-01-01', '2024-01-0{1 + n // 2} 10:00')"
        for n in range(6)
    )
    for table in entries:
        world.at_source(f"CREATE TABLE {table} {COLUMNS}", f"INSERT INTO {table} VALUES {rows}")


def fill(world: World, entries: Mapping[str, str]) -> None:
    """Make tables, and load their three days."""
    make(world, entries)
    world.load("2024-01-01", *entries, last="2024-01-03")


def filled(world: World, fields: str = "", mode: str = BASE) -> World:
    """Load three days of the table `person`."""
    fill(world, {"person": f"{mode}{', ' if fields else ''}{fields}"})
    return world


def staged(world: World, table: str = "person") -> list[tuple[Any, ...]]:
    return world.ask_warehouse(f"SELECT * FROM staging.{table} ORDER BY id")


def in_lake() -> str:
    """Return all that lies in the lake, manifests and rows, as text."""
    settings = LakeSettings.from_env()
    client, where = settings.client(), {"Bucket": settings.bucket}
    listed = client.list_objects_v2(**where, Prefix=settings.prefix)["Contents"]
    files = {item["Key"]: client.get_object(**where, Key=item["Key"])["Body"].read() for item in listed}
    rows = (str(pq.read_table(BytesIO(body)).to_pylist()) for key, body in files.items() if key.endswith(".parquet"))
    return "".join([*rows, *(body.decode("latin1") for body in files.values())])


def leaks(world: World, table: str = "person") -> dict[str, int]:
    """Return how many clear addresses, secrets and foreign rows are in staging."""
    text = str(staged(world, table))
    return {"mask": text.count("@example"), "exclude": text.count("secret "), "filter": text.count("'at'")}


def test_c11_days_of_an_older_entry_are_not_loaded_again_and_the_named_command_reads_them_anew(world: World) -> None:
    cases = {f"of_{change}": (mode, change) for change, mode in zip(CHANGES, itertools.cycle(MODES))}
    fill(world, {table: MODES[mode] for table, (mode, _) in cases.items()})
    catalog(world, {table: f"{MODES[mode]}, {CHANGES[change][0]}" for table, (mode, change) in cases.items()})
    before = {table: staged(world, table) for table in cases}
    commands = {table: run(f"rebuild {table}") for table in cases}
    again = world.run("2024-01-02", assets=staging(cases))
    assert {table: staged(world, table) for table in cases} == before
    for table, (_, change) in cases.items():
        told = CHANGES[change][1]
        assert commands[table].exit_code == 1
        said = " ".join(commands[table].text.split())
        other = "was read by other rules than the catalog has now"
        assert f"lake/{table} {other} ({told}) on 3 days (2024-01-01...2024-01-03)" in said
        failure = again.failure_of(table)
        assert f"rules than the catalog has now ({told}) on 1 day (2024-01-02); nothing was changed" in failure
        assert f"Materialize lake/{table} for these days again" in failure

        assert follow(commands[table].text) == f"rebuild {table} --from source"
        assert leaks(world, table)[{"include": "mask"}.get(change, change)] == 0
    assert world.run("2024-01-02", assets=staging(cases)).success
    done = world.load("2024-01-04", *cases)
    for table in cases:
        found = done.check("rules", table)
        assert found.passed
        assert "no day" in str(found.description)


def test_another_key_is_another_mask_and_without_one_nothing_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashes(key: str) -> list[tuple[str]]:
        return [(hmac.new(key.encode(), f"p{n}@example.com".encode(), "sha256").hexdigest(),) for n in range(6)]

    def staged_hashes() -> list[tuple[Any, ...]]:
        return world.ask_warehouse("SELECT email FROM staging.person ORDER BY id")

    first, second = "the first key of thirty-two characters", "the second key of thirty-two characters"
    fields = "mask: {email: hmac}"
    with pytest.raises(AssertionError, match="table person, mask of email: there is no key for `mask: hmac`; set AUR"):
        filled(world, fields)
    assert "there is no key for `mask: hmac`; set AURORA_MASK_KEY" in run("doctor --json").text

    monkeypatch.setenv("AURORA_MASK_KEY", first)
    world.load("2024-01-01", "person", last="2024-01-03")
    assert staged_hashes() == hashes(first)
    assert verify("person").equal
    assert "'email' would be exported in the clear" in " ".join(run("plan person --by-hand").text.split())

    monkeypatch.setenv("AURORA_MASK_KEY", second)
    again = world.run("2024-01-02", assets=staging())
    assert "other rules than the catalog has now (mask of email by another key) on 1 day" in again.failure
    assert verify("person").columns == {"email": 6}
    done = run("rebuild person")
    assert follow(done.text) == "rebuild person --from source"
    assert staged_hashes() == hashes(second)
    assert verify("person").equal
    kept = in_lake()
    assert hashes(second)[0][0] in kept
    assert not [secret for secret in ("@example", first, second) if secret in kept + done.text + again.failure]


def test_c11_a_day_that_is_read_again_is_loaded_and_the_others_are_named_by_the_check(world: World) -> None:
    tables = {f"of_{change}": change for change in CHANGES}
    fill(world, dict.fromkeys(tables, BASE))
    catalog(world, {table: f"{BASE}, {CHANGES[change][0]}" for table, change in tables.items()})
    done = world.load("2024-01-02", *tables)
    for table, change in tables.items():
        found = done.check("rules", table)
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert str(found.description) == (
            "the table was read by older rules than the catalog has now on 2 days (2024-01-01, 2024-01-03) "
            f"(2024-01-01, 2024-01-03: {CHANGES[change][1]}); to read all of it again, run "
            f"`aurora-dwh rebuild {table} --from source`"
        )
        assert found.metadata["days_of_older_rules"].value == 2
    follow(str(found.description))
    assert world.load("2024-01-04", table).check("rules").passed


RULES = [
    ("zero_dates: 'null'", "zero_dates: fail", "zero_dates null, now fail"),
    ("oversize: fail", "oversize: truncate", "oversize fail, now truncate"),
    ("nul_bytes: fail", "nul_bytes: remove", "nul_bytes fail, now remove"),
    ("cursor_timezone: UTC", "cursor_timezone: Asia/Tokyo", "cursor_timezone UTC, now Asia/Tokyo"),
    ("mask: {email: sha256}", "mask: {email: {keep_last: 4}}", "mask of email"),
    ("mask: {email: {value: x}}", "mask: {email: {value: y}}", "mask of email"),
    ("exclude: [secret, email]", "exclude: secret", "exclude of email"),
]
"""A field of the catalog -> the same with another value -> what is told of it."""


def test_c11_each_rule_that_shapes_rows_is_told(world: World) -> None:
    cases = {f"rule_{number}": case for number, case in enumerate(RULES)}
    fill(world, {table: f"{BASE}, {before}" for table, (before, *_) in cases.items()})
    catalog(world, {table: f"{BASE}, {after}" for table, (_, after, _) in cases.items()})
    done = world.load("2024-01-04", *cases)
    for table, (*_, told) in cases.items():
        assert f"(2024-01-01...2024-01-03: {told})" in str(done.check("rules", table).description)


def test_c11_what_shapes_nothing_is_no_other_rule(world: World) -> None:
    filled(world, "exclude: [secret, born], mask: {email: 'null'}, filter: id >= 0")
    world.catalog(
        f"person: {{{BASE}, exclude: [BORN, Secret], mask: {{EMAIL: null}}, filter: ' id >= 0 ', lookback: 1h, "
        "description: people, tags: {a: b}, max_rows_per_second: 1000}"
    )
    assert world.load("2024-01-04", "person").check("rules").passed
    assert run("rebuild person").exit_code == 0


def test_c11_a_full_table_stands_by_its_last_reading_alone(world: World) -> None:
    filled(world, mode="mode: full")
    world.catalog("person: {mode: full, mask: {email: sha256}}")
    assert run("rebuild person").exit_code == 1
    assert world.load("2024-01-04", "person").check("rules").passed
    assert leaks(world)["mask"] == 0
    assert run("rebuild person").exit_code == 0
    assert leaks(world)["mask"] == 0


def test_c11_of_days_of_an_older_version_the_columns_tell(world: World) -> None:
    tables = {f"of_{change}": change for change in ("mask", "include")}
    fill(world, dict.fromkeys(tables, BASE))
    forget_rules(world, *tables)
    catalog(world, {table: f"{BASE}, {CHANGES[change][0]}" for table, change in tables.items()})
    for table, change in tables.items():
        before = staged(world, table)
        done = run(f"rebuild {table}")
        assert done.exit_code == 1
        assert staged(world, table) == before
        follow(done.text)
        assert leaks(world, table)[{"include": "mask"}.get(change, change)] == 0


def test_c11_days_of_an_older_version_are_taken_as_they_are_otherwise(world: World) -> None:
    filled(world, "mask: {email: sha256}")
    forget_rules(world, "person")
    world.catalog(f"person: {{{BASE}, mask: {{email: sha256}}, filter: id >= 0}}")
    assert world.run("2024-01-02", assets=staging()).success
    names = {name for (name,) in world.ask_warehouse(
        "SELECT column_name FROM svv_all_columns WHERE schema_name = 'dwh' AND table_name = 'load_history'"
    )}  # fmt: skip
    assert names >= set(OLDER_COLUMNS), "the first load brings what an older version did not make"
    assert world.load("2024-01-04", "person").check("rules").passed
    assert run("rebuild person").exit_code == 0
    assert len(staged(world)) == 6


def test_c22_what_an_older_version_loaded_is_known_by_its_mode(world: World) -> None:
    cases = {
        "full_append": ("mode: full", "mode: append, cursor: changed_at"),
        "incremental_full": (BASE, "mode: full"),
    }
    fill(world, {table: mode for table, (mode, _) in cases.items()})
    forget_rules(world, *cases)
    catalog(world, {table: new for table, (_, new) in cases.items()})
    before = {table: staged(world, table) for table in cases}
    assert [run(f"rebuild {table}").exit_code for table in cases] == [1, 1]
    done = world.run("2024-01-04", assets=chain(*cases))
    assert {table: staged(world, table) for table in cases} == before
    for table in cases:
        assert "was loaded in mode" in done.failure_of(table)
        follow(done.failure_of(table))
    world.load("2024-01-04", *cases)
    world.assert_equal(*cases)


def test_c15_what_an_older_version_loaded_is_known_by_its_folder_in_the_lake(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    forget_rules(world, "person")
    world.at_source(f"CREATE DATABASE {world.database}_2", f"CREATE TABLE {world.database}_2.person LIKE person")
    monkeypatch.setenv("AURORA_DATABASE", f"{world.database}_2")
    done = world.run("2024-01-04", assets=chain("person"))
    told = f"staging.person was loaded from {world.database}.person, and this is {world.database}_2.person"
    assert told in done.failure
    assert len(staged(world)) == 6


def test_c16_what_an_older_version_loaded_is_missed_too(world: World) -> None:
    filled(world)
    forget_rules(world, "person")
    world.ask_warehouse("TRUNCATE TABLE staging.person")
    done = world.run("2024-01-04", assets=chain("person"))
    assert "is empty, though it was loaded with 3 days (2024-01-01...2024-01-03)" in done.failure
    follow(done.failure)
    world.load("2024-01-04", "person")
    world.assert_equal("person")


def test_c15_a_table_that_an_older_version_loaded_is_proven(world: World) -> None:
    filled(world, mode=f"{BASE}, deletes: remove")
    forget_rules(world, "person")
    world.at_source("DELETE FROM person WHERE id = 5")
    done = prove(world, "person", max_share=0.5)
    assert done.success, done.failures
    assert len(staged(world)) == 5
