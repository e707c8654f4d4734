"""The factory of `quicksight/<dataset>` assets: one for each SPICE dataset of the catalog, downstream of its marts.

A refresh's id is made of the marts' latest build, so that the run after one that crashed, or that was ended while it
waited, picks the refresh up. How a refresh is run is `quicksight`.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from aurora_dwh.catalog.file import shown_path
from aurora_dwh.catalog.model import Catalog, CatalogError, Problem, catalog_path
from aurora_dwh.catalog.quicksight import QuickSight, QuickSightDataset
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.assets.step import build_step
from aurora_dwh.orchestration.failures import attempts_left, named_failures
from aurora_dwh.settings.aws import quicksight_client
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.warehouse.quicksight import Refreshed, SpiceDataset

DROPPED = "no_rows_dropped"

_REBUILT = dg.AutomationCondition.any_deps_updated()

MARTS_REBUILT = (
    _REBUILT.since(dg.AutomationCondition.newly_requested() & ~_REBUILT)
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("a mart was rebuilt, and none is being built")
"""When a dataset is refreshed. A mart that is rebuilt while a refresh runs leads to another one: only a request counts
as an answer to it, and not the end of the refresh, which may have read the mart's old rows."""


def build_quicksight_assets(
    *,
    catalog: Catalog,
    marts: Collection[str],
    names: Names = PLAIN,
    servers: Servers = ENVIRONMENT,
    file: Path | None = None,
) -> list[dg.AssetsDefinition]:
    """Return the assets of the catalog's SPICE datasets, none where it has no section `quicksight`.

    Args:
        file: The catalog's file, for errors.

    Raises:
        CatalogError: A dataset reads a mart that there is not.
    """
    section = catalog.quicksight
    if section is None:
        return []
    problems = [
        Problem(
            shown_path(file or catalog_path()),
            None,
            None,
            f"quicksight.datasets.{name}.marts",
            f"there is no mart {mart!r}; the marts are {', '.join(sorted(marts)) or 'none'}",
        )
        for name, dataset in section.datasets.items()
        for mart in dataset.marts
        if mart not in marts
    ]
    if problems:
        raise CatalogError(problems)
    return [_refresh(name, dataset, section, names, servers) for name, dataset in section.datasets.items()]


def _refresh(
    name: str, dataset: QuickSightDataset, section: QuickSight, names: Names, servers: Servers
) -> dg.AssetsDefinition:
    key = names.key("quicksight", name)
    marts = [names.key("bi", mart) for mart in dataset.marts]

    def refresh(context: dg.AssetExecutionContext, _inputs: Mapping[str, Any]) -> Iterator[Any]:
        with named_failures(key, attempts_left=attempts_left(context)):
            client = quicksight_client(section.region or servers.region())
            spice = SpiceDataset(client, section.account_id, dataset.dataset_id)
            state = _latest_build(context.instance, marts)
            done = spice.refresh(state, dataset.refresh, dataset.timeout, context.log.info)
        yield dg.MaterializeResult(metadata=_metadata(done))
        yield _check(done)

    spec = dg.AssetSpec(
        key,
        deps=marts,
        group_name=names.group("quicksight"),
        kinds={"quicksight"},
        description=(
            f"The SPICE dataset `{dataset.dataset_id}` of QuickSight, refreshed after its marts.\n\n"
            f"A {dataset.refresh} refresh is started and followed to its end, for {dataset.timeout} at most."
        ),
        metadata={"dataset_id": dataset.dataset_id, "account_id": section.account_id},
        automation_condition=MARTS_REBUILT,
    )
    return build_step(
        refresh,
        spec=spec,
        out=dg.Out(dg.Nothing),
        checks=[dg.AssetCheckSpec(DROPPED, asset=key, description="QuickSight took every row of the marts.")],
        resources=set(),
        pool=names.of_project("quicksight"),
    )


def _latest_build(instance: dg.DagsterInstance, marts: Collection[dg.AssetKey]) -> str:
    """Return what stands for the marts as they are: the number of their latest build in Dagster's storage."""
    found = [record.storage_id for mart in marts for record in instance.fetch_materializations(mart, limit=1).records]
    return f"build-{max(found, default=0)}"


def _metadata(done: Refreshed) -> dict[str, Any]:
    total = {} if done.total is None else {"dagster/row_count": done.total}
    return {
        **total,
        "rows_ingested": done.rows,
        "rows_dropped": done.dropped,
        "bytes": done.size,
        "seconds": done.seconds,
        "ingestion_id": done.ingestion_id,
    }


def _check(done: Refreshed) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=done.dropped == 0,
        check_name=DROPPED,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{done.dropped} of {done.rows + done.dropped} rows were dropped",
        metadata={"rows_dropped": done.dropped},
    )
