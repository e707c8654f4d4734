"""What Dagster keeps of a day, measured in its real files, and what a range of a whole table costs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest

from aurora_dwh.core.models import Manifest
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.automation import gaps
from aurora_dwh_tests.e2e.proofs import prove
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World, days

pytestmark = pytest.mark.timeout(600)

ASSETS, COLUMNS = ("aurora/orders", "lake/orders", "staging/orders"), "dagster/column_schema"

TABLES, YEAR, LOGS = 50, 365, 30
"""Tables, days, and for how many of them the runs' logs are there."""


@pytest.fixture
def orders(world: World) -> Iterator[World]:
    """A table of 30 columns with comments and nine days of rows, whose runs are kept in files."""
    world.catalog("orders: {key: id, cursor: changed_at}")
    columns = ", ".join(f"attribute_{n:02} VARCHAR(40) COMMENT 'What attribute {n} says'" for n in range(28))
    rows = ", ".join(f"({n}, '2024-01-{1 + n % 9:02} 10:00:00')" for n in range(90))
    world.at_source(
        f"CREATE TABLE orders (id INT PRIMARY KEY, changed_at DATETIME NOT NULL, {columns}, KEY (changed_at))",
        f"INSERT INTO orders (id, changed_at) VALUES {rows}",
    )
    with dg.DagsterInstance.get() as world.instance:
        yield world


def events(world: World, asset: str) -> list[Any]:
    """Return what Dagster keeps of an asset as materializations or, of a source, observations: oldest first."""
    key = dg.AssetKey(asset.split("/"))
    fetch = world.instance.fetch_observations if asset.startswith("aurora/") else world.instance.fetch_materializations
    return [r.asset_observation or r.asset_materialization for r in fetch(key, limit=1000, ascending=True).records]


def stored(world: World) -> int:
    """Return the bytes of the instance's files, once nobody has them open."""
    world.instance.dispose()
    world.instance = dg.DagsterInstance.get()
    return sum(file.stat().st_size for file in world.home.rglob("*") if file.is_file())


def test_o12_what_a_range_ran_is_kept_once(orders: World) -> None:
    orders.load("2024-01-01", "orders", last="2024-01-08")
    # A day in the lake is told as soon as it stands, and again with the step; in Redshift they stand all at once.
    for asset, times in (("lake/orders", 16), ("staging/orders", 8)):
        told = Counter(name for event in events(orders, asset) for name in event.metadata)
        assert told["dagster/partition_row_count"] == times
        assert told["statements"] == (1 if asset == "staging/orders" else 0)
        assert told[COLUMNS] == 1
    last = orders.day_metadata("staging/orders", "2024-01-08")
    assert "COPY" in last["statements"]
    assert {orders.day_metadata("staging/orders", day)["load_id"] for day in days(1, 8)} == {last["load_id"]}


def test_o12_an_event_of_a_range_is_as_long_as_that_of_a_day(orders: World) -> None:
    def longest(run_id: str) -> int:
        with closing(sqlite3.connect(orders.home / "history" / "runs" / f"{run_id}.db")) as log:
            ((size,),) = log.execute("SELECT SUM(LENGTH(event)) FROM event_logs")
        return int(size)

    one = orders.load("2024-01-01", "orders")
    two, eight = (orders.load("2024-01-01", "orders", last=day) for day in ("2024-01-02", "2024-01-08"))
    more = (longest(eight.run_id) - longest(two.run_id)) / 6
    assert more < longest(one.run_id) / 4, "a further day of a range brings the statements or the columns again"


def test_o13_columns_are_kept_when_they_change_and_are_on_the_page_of_each_asset(orders: World) -> None:
    for day in days(1, 3):
        orders.load(day, "orders")
    for asset in ASSETS:
        assert [COLUMNS in event.metadata for event in events(orders, asset)][::-1][:2] in ([True], [True, False])
        assert sum(COLUMNS in event.metadata for event in events(orders, asset)) == 1
    orders.at_source("ALTER TABLE orders ADD COLUMN more INT")
    for day in days(4, 5):
        orders.load(day, "orders")
    for asset in ASSETS:
        told = [event.metadata[COLUMNS].value for event in events(orders, asset) if COLUMNS in event.metadata]
        assert ["more" in [column.name for column in schema.columns] for schema in told] == [False, True]
        assert COLUMNS in events(orders, asset)[-1].metadata


def test_o13_fifty_tables_take_less_than_600_mb_a_year(orders: World) -> None:
    """What a day takes while its run is kept, and what is left of it then; a run has three tables, and 25 elsewhere."""
    names = ("orders", "order_lines", "payments")
    orders.catalog("\n".join(f"{name}: {{key: id, cursor: changed_at}}" for name in names))
    orders.at_source(*(f"CREATE TABLE {name} AS SELECT * FROM orders" for name in names[1:]))
    orders.at_source(*(f"ALTER TABLE {name} ADD PRIMARY KEY (id), ADD KEY (changed_at)" for name in names[1:]))
    sizes = []
    for span in (days(1, 1), days(2, 3), days(4, 5)):
        for day in span:
            orders.load(day, *names)
        whole = stored(orders)
        assert run(f"prune --before {tomorrow()}").exit_code == 0
        sizes.append((whole, stored(orders)))
    (_, first), (whole, second), (_, third) = sizes
    kept = (whole - first) / 2 / len(names)
    left = (third - second) / 2 / len(names)
    assert orders.materialized_days("staging/orders") == set(days(1, 5))
    assert TABLES * (LOGS * kept + (YEAR - LOGS) * left) < 600_000_000
    assert kept < 250_000
    assert left < 13_000


def tomorrow() -> date:
    return datetime.now(timezone.utc).date() + timedelta(days=1)


def test_o13_a_pruned_instance_wants_nothing_and_shows_the_same_days(
    orders: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.load("2024-01-01", "orders", last="2024-01-04")
    orders.load("2024-01-03", "orders")
    orders.load("2024-01-05", "orders")
    shown = {a: orders.materialized_days(a) for a in ("lake/orders", "staging/orders")}
    monkeypatch.setattr(gaps, "utc_now", lambda: datetime(2024, 1, 6, 12, tzinfo=timezone.utc))
    wanted = tick(orders)
    assert wanted == "nothing of the last 14 days is missing"
    dry, wet = (run(f"prune --before {tomorrow()}{more}") for more in (" --dry-run", ""))
    assert wet.exit_code == dry.exit_code == 0, wet.text
    assert wet.text.removeprefix("Removed ") == dry.text.removeprefix("Would remove ")
    assert "2 runs" in wet.text
    assert len(orders.instance.get_runs()) == 1
    assert {a: orders.materialized_days(a) for a in shown} == shown
    assert tick(orders) == wanted
    assert run("prune --before 2024-01-01").text.startswith("Removed 0 runs, 0 events")
    orders.load("2024-01-06", "orders")


def tick(world: World) -> str:
    repository = world.definitions().get_repository_def()
    context = dg.build_sensor_context(instance=world.instance, repository_def=repository)
    found = repository.get_sensor_def("gaps").evaluate_tick(context)
    assert not found.run_requests
    return found.skip_message or ""


# A table that is copied whole


@pytest.fixture
def country(world: World) -> World:
    world.catalog("country: {mode: full}")
    world.at_source(
        "CREATE TABLE country (id INT PRIMARY KEY, name VARCHAR(40))",
        "INSERT INTO country VALUES (1, 'Japan'), (2, 'Peru'), (3, 'Malta')",
    )
    return world


def parts(world: World) -> set[str]:
    """Return the addresses of all parts that are in the lake."""
    lake = open_lake()
    return {lake.layout.url(key) for key in lake._under(lake.layout.days("country")) if "/part-" in key}


def named(world: World) -> set[str]:
    return {part.url for manifest in open_lake().all("country") for part in manifest.parts}


def test_o14_a_range_of_a_whole_table_is_one_copy_and_the_snapshot_ends_when_it_is_read(
    country: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_transactions: list[int] = []
    share = Lake.share

    def watched(self: Lake, *args: Any, **more: Any) -> Manifest:
        ((count,),) = country.ask_source("SELECT COUNT(*) FROM information_schema.innodb_trx")
        open_transactions.append(count)
        return share(self, *args, **more)

    monkeypatch.setattr(Lake, "share", watched)
    last = (date(2024, 1, 1) + timedelta(days=39)).isoformat()
    country.load("2024-01-01", "country", last=last)
    assert open_transactions == [0] * 39
    assert len(parts(country)) == 1
    manifests = open_lake().all("country")
    assert [manifest.rows for manifest in manifests] == [3] * 40
    assert {manifest.snapshot_at for manifest in manifests} == {manifests[0].snapshot_at}
    assert len(country.materialized_days("lake/country")) == 40
    country.assert_equal("country")


def test_o14_days_that_share_their_rows_are_loaded_rebuilt_proven_and_given_as_their_own(country: World) -> None:
    country.load("2024-01-01", "country", last="2024-01-04")
    staging = dg.AssetKey(["staging", "country"])
    assert country.run("2024-01-02", assets=[staging]).success
    assert country.ask_warehouse("SELECT DISTINCT _dwh_day FROM staging.country") == [(date(2024, 1, 2),)]
    country.assert_equal("country")
    (second,) = open_lake().read("country", [date(2024, 1, 2)])
    assert open_lake().reader([second]).read_all().select(["id", "_dwh_day"]).to_pylist() == [
        {"id": number, "_dwh_day": date(2024, 1, 2)} for number in (1, 2, 3)
    ]
    for command in ("rebuild country", "verify country"):
        done = run(command)
        assert done.exit_code == 0, done.text
    assert prove(country, "country", max_share=1).success
    country.assert_equal("country")


def test_o14_parts_stay_as_long_as_a_day_names_them(country: World) -> None:
    country.load("2024-01-01", "country", last="2024-01-03")
    (shared,) = parts(country)
    for day, is_there in (("2024-01-03", True), ("2024-01-01", True), ("2024-01-02", False)):
        country.load(day, "country")
        assert (shared in parts(country)) is is_there
        assert parts(country) == named(country)
    country.assert_equal("country")


def test_o14_a_purged_day_leaves_the_rows_that_other_days_name(country: World) -> None:
    country.load("2024-01-01", "country", last="2024-01-03")
    (shared,) = parts(country)
    said = run("purge country --days 2024-01-03 --yes")
    assert said.exit_code == 0, said.text
    assert "1 files stay, as days that are not removed are of the same reading" in said.text
    assert [manifest.day.day for manifest in open_lake().all("country")] == [1, 2]
    assert parts(country) == {shared}
    assert country.run("2024-01-02", assets=[dg.AssetKey(["staging", "country"])]).success
    assert run("purge country --days 2024-01-01...2024-01-02 --yes").exit_code == 0
    assert parts(country) == set()
