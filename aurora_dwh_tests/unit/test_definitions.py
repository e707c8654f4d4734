"""The code location as a whole: it loads without a server, in seconds, whatever the number of tables."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from aurora_dwh.definitions import defs as load_definitions
from aurora_dwh.instance.executor import stoppable_in_process_executor
from aurora_dwh.orchestration.assets.names import asset_name

LAYERS = {
    "aurora": {"products_master", "orders_master", "order_details_master", "country", "page_view"},
    "lake": {"products_master", "orders_master", "order_details_master", "country", "page_view"},
    "staging": {"products_master", "orders_master", "order_details_master", "country", "page_view"},
    "bi": {"daily_page_views", "daily_sales", "order_detail", "order_fulfilment", "stock_cover"},
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("AURORA_", "REDSHIFT_", "LAKE_", "AWS_")):
            monkeypatch.delenv(variable)


@pytest.fixture
def defs() -> dg.Definitions:
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    return found


def test_the_location_is_loadable_without_any_environment(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_has_four_layers(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    layers: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        layer, name = key.path
        layers.setdefault(layer, set()).add(name)
        assert graph.get(key).group_name == layer
    assert {layer: layers[layer] for layer in LAYERS} == LAYERS


def test_every_asset_hangs_on_the_sources_alone(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    roots = {key for key in graph.get_all_asset_keys() if not graph.get(key).parent_keys}
    assert {key.path[0] for key in roots} == {"aurora"}
    assert not graph.get(dg.AssetKey(["aurora", "orders_master"])).is_materializable


@pytest.mark.parametrize(("job", "layers"), [("daily_load", ("lake", "staging")), ("marts", ("bi",))])
def test_the_daily_job_has_every_table_and_the_marts_have_their_own(
    defs: dg.Definitions, job: str, layers: tuple[str, ...]
) -> None:
    selected = {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}
    assert selected == {f"{layer}/{name}" for layer in layers for name in LAYERS[layer]}


def test_a11_the_schedule_asks_for_yesterday_at_the_catalogs_hour_in_its_zone(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("daily_load")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 1 * * *", "Asia/Tokyo")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    tick = datetime(2024, 1, 6, 1, tzinfo=ZoneInfo("Asia/Tokyo"))
    context = dg.build_schedule_context(
        scheduled_execution_time=tick.astimezone(timezone.utc), repository_def=defs.get_repository_def()
    )
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == ["2024-01-05"]


def test_a_schedule_at_half_past_is_at_half_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, 'schedule: "23:30"\ntables: {a: {mode: full}}')
    schedule = loaded().resolve_schedule_def("daily_load")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 23 * * *", "America/Chicago")


def test_each_table_is_proven_as_often_as_the_catalog_says_behind_the_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = "a b: {key: id, cursor: u}, c: {mode: full, proof: daily}, d: {mode: full, proof: monthly}"
    tables += ", e: {mode: full, proof: never}"
    write(tmp_path, monkeypatch, f'schedule: "22:30"\ntables: {{{tables}}}')
    found = loaded()
    schedule = found.resolve_schedule_def("proof")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * *", "America/Chicago")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING

    def proven(day: int) -> set[str]:
        tick = datetime(2024, 9, day, 2, 30, tzinfo=ZoneInfo("America/Chicago"))
        context = dg.build_schedule_context(scheduled_execution_time=tick, repository_def=found.get_repository_def())
        asked = schedule.evaluate_tick(context).run_requests or ()
        return {key.path[-1] for request in asked for key in request.asset_selection or ()}

    assert proven(1) == {asset_name("a b"), "c", "d"}  # a Sunday, and the first of a month
    assert proven(2) == {"c"}
    assert proven(8) == {asset_name("a b"), "c"}
    keys = found.resolve_job_def("proof").asset_layer.executable_asset_keys
    assert keys == {dg.AssetKey(["proof", name]) for name in (asset_name("a b"), "c", "d", "e")}
    asset = found.get_assets_def(dg.AssetKey(["proof", "c"]))
    assert asset.partitions_def is None
    assert asset.op.pool == "aurora"
    assert {spec.name for spec in asset.check_specs} == {"equal"}
    daily = found.resolve_job_def("daily_load").asset_layer.executable_asset_keys
    assert not keys & daily


def test_steps_run_in_the_runs_own_process(defs: dg.Definitions) -> None:
    assert defs.executor is stoppable_in_process_executor


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = folder / "catalog.yaml"
    path.write_text(f"timezone: America/Chicago\nstart_date: 2024-01-01\n{text}\n", encoding="utf-8")
    monkeypatch.setenv("AURORA_DWH_CATALOG", str(path))


def loaded() -> dg.Definitions:
    found = load_definitions()
    assert isinstance(found, dg.Definitions)
    return found


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.soak)])
def test_many_tables_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    tables = "\n".join(f"  table_{n:04d}: {{key: id, cursor: updated}}" for n in range(count))
    write(tmp_path, monkeypatch, f"tables:\n{tables}")
    found = loaded()
    dg.Definitions.validate_loadable(found)
    assert len(found.resolve_asset_graph().get_all_asset_keys()) >= 3 * count


def test_importing_the_location_loads_no_clients_library_and_opens_nothing() -> None:
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise AssertionError('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        "import aurora_dwh.definitions as d\n"
        "import dagster as dg\n"
        "dg.Definitions.validate_loadable(d.defs())\n"
        "print([m for m in ('boto3', 'redshift_connector') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
