"""Days that were read under an older catalog entry: they are not loaded again, named, and removed for good if asked."""

from __future__ import annotations

import hmac
from io import BytesIO
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from aurora_dwh.settings.config import LakeSettings
from aurora_dwh_tests.e2e.older import OLDER_COLUMNS, forget_rules
from aurora_dwh_tests.e2e.proofs import prove, verify
from aurora_dwh_tests.e2e.remedies import follow, run
from aurora_dwh_tests.e2e.world import Run, World, chain

pytestmark = pytest.mark.timeout(600)

BASE = "key: id, cursor: changed_at"
TABLE = (
    "CREATE TABLE person (id INT PRIMARY KEY, email VARCHAR(40), secret VARCHAR(20), country CHAR(2), born DATE, "
    "changed_at DATETIME NOT NULL, KEY (changed_at))"
)
CHANGES = {
    "mask": ("mask: {email: sha256}", "mask of email"),
    "exclude": ("exclude: secret", "exclude of secret"),
    "include": ("include: [id, country, changed_at]", "include of changed_at, country, id"),
    "filter": ("filter: country = 'jp'", "filter"),
}
STAGING = [dg.AssetKey(["staging", "person"])]


def filled(world: World, fields: str = "", mode: str = BASE) -> World:
    """Load three days of a table, a row each of two countries."""
    world.catalog(f"person: {{{mode}{', ' if fields else ''}{fields}}}")
    rows = ", ".join(
        f"({n}, 'p{n}@example.com', 'secret {n}', '{('jp', 'at')[n % 2]}', '2000-01-01', '2024-01-0{1 + n // 2} 10:00')"
        for n in range(6)
    )
    world.at_source(TABLE, f"INSERT INTO person VALUES {rows}")
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        world.load(day, "person")
    return world


def staged(world: World) -> list[tuple[Any, ...]]:
    return world.ask_warehouse("SELECT * FROM staging.person ORDER BY id")


def in_lake() -> str:
    """Return all that lies in the lake, manifests and rows, as text."""
    settings = LakeSettings.from_env()
    client, where = settings.client(), {"Bucket": settings.bucket}
    listed = client.list_objects_v2(**where, Prefix=settings.prefix)["Contents"]
    files = {item["Key"]: client.get_object(**where, Key=item["Key"])["Body"].read() for item in listed}
    rows = (str(pq.read_table(BytesIO(body)).to_pylist()) for key, body in files.items() if key.endswith(".parquet"))
    return "".join([*rows, *(body.decode("latin1") for body in files.values())])


def check(done: Run, name: str = "rules") -> Any:
    (found,) = [
        event.asset_check_evaluation_data
        for event in done.events
        if event.event_type_value == "ASSET_CHECK_EVALUATION" and event.asset_check_evaluation_data.check_name == name
    ]
    return found


def leaks(world: World) -> dict[str, int]:
    """Return how many clear addresses, secrets and foreign rows are in staging."""
    text = str(staged(world))
    return {"mask": text.count("@example"), "exclude": text.count("secret "), "filter": text.count("'at'")}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", [BASE, "mode: append, cursor: changed_at"], ids=["incremental", "append"])
def test_c11_days_of_an_older_entry_are_not_loaded_again_and_the_named_command_reads_them_anew(
    world: World, change: str, mode: str
) -> None:
    filled(world, mode=mode)
    fields, told = CHANGES[change]
    world.catalog(f"person: {{{mode}, {fields}}}")
    before = staged(world)
    done = run("rebuild person")
    assert done.exit_code == 1
    said = " ".join(done.text.split())
    assert (
        f"lake/person was read by other rules than the catalog has now ({told}) on 3 days (2024-01-01...2024-01-03)"
        in said
    )
    again = world.run("2024-01-02", assets=STAGING)
    assert not again.success
    assert (
        f"by other rules than the catalog has now ({told}) on 1 day (2024-01-02); nothing was changed" in again.failure
    )
    assert "Materialize lake/person for these days again" in again.failure
    assert staged(world) == before

    assert follow(done.text) == "rebuild person --from source"
    assert leaks(world)[{"include": "mask"}.get(change, change)] == 0
    assert world.run("2024-01-02", assets=STAGING).success
    found = check(world.load("2024-01-04", "person"))
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
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        world.load(day, "person")
    assert staged_hashes() == hashes(first)
    assert verify("person").equal
    assert "'email' would be exported in the clear" in " ".join(run("plan person --by-hand").text.split())

    monkeypatch.setenv("AURORA_MASK_KEY", second)
    again = world.run("2024-01-02", assets=STAGING)
    assert "other rules than the catalog has now (mask of email by another key) on 1 day" in again.failure
    assert verify("person").columns == {"email": 6}
    done = run("rebuild person")
    assert follow(done.text) == "rebuild person --from source"
    assert staged_hashes() == hashes(second)
    assert verify("person").equal
    kept = in_lake()
    assert hashes(second)[0][0] in kept
    assert not [secret for secret in ("@example", first, second) if secret in kept + done.text + again.failure]


@pytest.mark.parametrize("change", CHANGES)
def test_c11_a_day_that_is_read_again_is_loaded_and_the_others_are_named_by_the_check(
    world: World, change: str
) -> None:
    filled(world)
    fields, told = CHANGES[change]
    world.catalog(f"person: {{{BASE}, {fields}}}")
    found = check(world.load("2024-01-02", "person"))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(found.description) == (
        "the table was read by older rules than the catalog has now on 2 days (2024-01-01, 2024-01-03) "
        f"(2024-01-01, 2024-01-03: {told}); to read all of it again, run "
        "`aurora-dwh rebuild person --from source`"
    )
    assert found.metadata["days_of_older_rules"].value == 2
    follow(str(found.description))
    assert check(world.load("2024-01-04", "person")).passed


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("zero_dates: 'null'", "zero_dates: fail", "zero_dates null, now fail"),
        ("oversize: fail", "oversize: truncate", "oversize fail, now truncate"),
        ("nul_bytes: fail", "nul_bytes: remove", "nul_bytes fail, now remove"),
        ("cursor_timezone: UTC", "cursor_timezone: Asia/Tokyo", "cursor_timezone UTC, now Asia/Tokyo"),
        ("mask: {email: sha256}", "mask: {email: {keep_last: 4}}", "mask of email"),
        ("mask: {email: {value: x}}", "mask: {email: {value: y}}", "mask of email"),
        ("exclude: [secret, email]", "exclude: secret", "exclude of email"),
    ],
)
def test_c11_each_rule_that_shapes_rows_is_told(world: World, before: str, after: str, told: str) -> None:
    filled(world, before)
    world.catalog(f"person: {{{BASE}, {after}}}")
    found = check(world.load("2024-01-04", "person"))
    assert f"(2024-01-01...2024-01-03: {told})" in str(found.description)


def test_c11_what_shapes_nothing_is_no_other_rule(world: World) -> None:
    filled(world, "exclude: [secret, born], mask: {email: 'null'}, filter: id >= 0")
    world.catalog(
        f"person: {{{BASE}, exclude: [BORN, Secret], mask: {{EMAIL: null}}, filter: ' id >= 0 ', lookback: 1h, "
        "description: people, tags: {a: b}, max_rows_per_second: 1000}"
    )
    assert check(world.load("2024-01-04", "person")).passed
    assert run("rebuild person").exit_code == 0


def test_c11_a_full_table_stands_by_its_last_reading_alone(world: World) -> None:
    filled(world, mode="mode: full")
    world.catalog("person: {mode: full, mask: {email: sha256}}")
    assert run("rebuild person").exit_code == 1
    assert check(world.load("2024-01-04", "person")).passed
    assert leaks(world)["mask"] == 0
    assert run("rebuild person").exit_code == 0
    assert leaks(world)["mask"] == 0


@pytest.mark.parametrize("change", ["mask", "exclude", "include"])
def test_c11_of_days_of_an_older_version_the_columns_tell(world: World, change: str) -> None:
    filled(world)
    forget_rules(world, "person")
    world.catalog(f"person: {{{BASE}, {CHANGES[change][0]}}}")
    before = staged(world)
    done = run("rebuild person")
    assert done.exit_code == 1
    assert staged(world) == before
    follow(done.text)
    assert leaks(world)[{"include": "mask"}.get(change, change)] == 0


def test_c11_days_of_an_older_version_are_taken_as_they_are_otherwise(world: World) -> None:
    filled(world, "mask: {email: sha256}")
    forget_rules(world, "person")
    world.catalog(f"person: {{{BASE}, mask: {{email: sha256}}, filter: id >= 0}}")
    assert world.run("2024-01-02", assets=STAGING).success
    names = {name for (name,) in world.ask_warehouse(
        "SELECT column_name FROM svv_all_columns WHERE schema_name = 'dwh' AND table_name = 'load_history'"
    )}  # fmt: skip
    assert names >= set(OLDER_COLUMNS), "the first load brings what an older version did not make"
    assert check(world.load("2024-01-04", "person")).passed
    assert run("rebuild person").exit_code == 0
    assert len(staged(world)) == 6


@pytest.mark.parametrize(("mode", "new"), [("mode: full", "append"), (BASE, "append"), (BASE, "full")])
def test_c22_what_an_older_version_loaded_is_known_by_its_mode(world: World, mode: str, new: str) -> None:
    filled(world, mode=mode)
    forget_rules(world, "person")
    world.catalog(f"person: {{mode: {new}{', cursor: changed_at' if new == 'append' else ''}}}")
    before = staged(world)
    assert run("rebuild person").exit_code == 1
    done = world.run("2024-01-04", assets=chain("person"))
    assert "was loaded in mode" in done.failure
    assert staged(world) == before
    follow(done.failure)
    world.load("2024-01-04", "person")
    world.assert_equal("person")


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
