"""What watches a catalog's tables asks Dagster's database by pages of them, and not for each: counted in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.instance.days import PAGE, materialized_days
from aurora_dwh.orchestration.automation import freshness, gaps
from aurora_dwh_tests.instances import Storage, postgres_settings
from infra.watch import Watch

FEW, MANY = 3, 2_000
PAGES = MANY // PAGE
NOW = datetime(2024, 1, 20, 12, tzinfo=timezone.utc)
LOADED = [(date(2024, 1, 1) + timedelta(days=number)).isoformat() for number in range(18)]
"""Days of each table: yesterday is missing, and so late."""

CATALOG = "timezone: UTC\nstart_date: 2024-01-01\ndefaults: {{deadline: '06:00'}}\ntables:\n{0}"
EVENTS = """
INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, asset_key, partition)
SELECT '', '', 'ASSET_MATERIALIZATION', now(), '["' || layer || '", "' || 't' || n || '"]', '{day}'
FROM generate_series(0, {last}) n CROSS JOIN (VALUES ('lake'), ('staging')) AS of (layer)"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    made = Storage(tmp_path_factory.mktemp("storage"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def home(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an instance that has days of many tables: they are rows as Dagster writes them, without a text."""
    made = tmp_path_factory.mktemp("home")
    (made / "dagster.yaml").write_text(postgres_settings(storage))
    dg.DagsterInstance.from_config(str(made)).dispose()
    for day in LOADED:
        storage.query(EVENTS.format(day=day, last=MANY - 1))
    return made


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


@contextmanager
def counted() -> Iterator[list[str]]:
    """Give the statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def catalog(folder: Path, tables: int, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    file = folder / "catalog.yaml"
    file.write_text(CATALOG.format("".join(f"  t{n}: {{key: id, cursor: updated}}\n" for n in range(tables))))
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(file))
    return Catalog.load(file)


def watch(instance: dg.DagsterInstance, of: Catalog) -> None:
    assert Watch(instance, {None: of}, "06:00", []).days_late(NOW) == len(of.tables)


def tick(name: str) -> Callable[[dg.DagsterInstance, Catalog], None]:
    def evaluate(instance: dg.DagsterInstance, of: Catalog) -> None:
        found = load_definitions()
        assert isinstance(found, dg.Definitions)
        repository = found.get_repository_def()
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        result = repository.get_sensor_def(name).evaluate_tick(context)
        if name == "gaps":
            (request,) = result.run_requests or []
            assert request.partition_key == "2024-01-19"
            assert len(request.asset_selection or []) == 2 * len(of.tables)  # the lake's day is missing too
        else:
            assert len(result.asset_events) == len(of.tables)

    return evaluate


@pytest.mark.parametrize(
    ("look", "questions"), [(watch, 1), (tick("freshness"), 1), (tick("gaps"), 2)], ids=["watch", "freshness", "gaps"]
)
@pytest.mark.timeout(300)
def test_two_thousand_late_tables_are_asked_for_by_pages(
    look: Callable[[dg.DagsterInstance, Catalog], None],
    questions: int,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (freshness, gaps):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)
    sent = {}
    for tables in (FEW, MANY):
        with counted() as statements:
            look(instance, catalog(tmp_path, tables, monkeypatch))
        sent[tables] = len(statements)
    # For a page what was wiped is asked, and then the days; the connections' first use is in the smaller number.
    assert sent[MANY] - sent[FEW] <= 2 * questions * (PAGES - 1)
    assert sent[MANY] < 40


def test_days_are_those_that_dagster_tells_of_each_asset(instance: dg.DagsterInstance) -> None:
    assets = [dg.AssetKey(["staging", f"t{n}"]) for n in (0, 7, MANY - 1)]
    assets.append(dg.AssetKey(["staging", "never"]))
    for asset in assets[1:3]:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition="2024-01-18"))
    instance.report_runless_asset_event(dg.AssetObservation(assets[0], partition="2024-02-01"))
    instance.report_runless_asset_event(dg.AssetMaterialization(assets[0]))
    instance.wipe_assets([assets[2]])
    instance.report_runless_asset_event(dg.AssetMaterialization(assets[2], partition="2024-01-05"))
    found = materialized_days(instance, assets)
    assert found == {asset: instance.get_materialized_partitions(asset) for asset in assets}
    assert [len(found[asset]) for asset in assets] == [18, 18, 1, 0]
    some = materialized_days(instance, assets, ["2024-01-05", "2024-02-01"])
    assert some == {assets[0]: {"2024-01-05"}, assets[1]: {"2024-01-05"}, assets[2]: {"2024-01-05"}, assets[3]: set()}
