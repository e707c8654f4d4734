"""Proofs as a user starts them: the job `proof` for one table, and what it said of it."""

from __future__ import annotations

from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.orchestration.assets.names import asset_name
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh.proof.verdict import Verdict
from aurora_dwh_tests.e2e.world import QUIET, Run, World


def prove(world: World, *tables: str, max_share: float | None = None) -> Run:
    """Run the proof of tables."""
    names = [asset_name(table) for table in tables]
    share = {} if max_share is None else {"config": {"max_share": max_share}}
    config = {"ops": {f"proof__{name}": share for name in names}}
    job = world.definitions().resolve_job_def("proof")
    result = job.execute_in_process(
        run_config=QUIET | config,
        instance=world.instance,
        asset_selection=[dg.AssetKey(["proof", name]) for name in names],
        raise_on_error=False,
    )
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    said = tuple(str(f.user_failure_data.description) if f.user_failure_data else str(f.error) for f in failures)
    return Run(result.run_id, result.success, said, tuple(result.all_events))


def figures(world: World, table: str) -> dict[str, Any]:
    """Return what the UI shows of a table's last proof."""
    event = world.instance.get_latest_materialization_event(dg.AssetKey(["proof", asset_name(table)]))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def kinds(world: World, table: str) -> dict[str, int]:
    """Return how many rows of each kind a table's last proof found, and how many differ now."""
    shown = figures(world, table)
    names = ("missing", "extra", "stale", "duplicate", "late", "gone", "differing")
    return {name: shown[name] for name in names if shown[name]}


def verify(table: str) -> Verdict:
    """Return what `aurora-dwh verify` finds."""
    catalog = Catalog.load()
    (verdict,) = compare_tables(catalog, [catalog.tables[table]])
    return verdict
