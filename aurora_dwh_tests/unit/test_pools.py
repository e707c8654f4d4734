"""The limits of the pools come from the catalog, on a real instance."""

from __future__ import annotations

from datetime import date

import dagster as dg

from aurora_dwh.catalog.fields import Pools
from aurora_dwh.catalog.model import Catalog
from aurora_dwh.definitions import defs
from aurora_dwh.orchestration.automation.pools import build_pool_sensor


def tick(instance: dg.DagsterInstance, **pools: int) -> str:
    catalog = Catalog(timezone="UTC", start_date=date(2024, 1, 1), tables={}, pools=Pools(**pools))
    with dg.build_sensor_context(instance) as context:
        result = build_pool_sensor(catalog=catalog)(context)
    assert isinstance(result, dg.SkipReason)
    return str(result.skip_message)


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}


def test_the_limits_of_an_instance_follow_the_catalog(instance: dg.DagsterInstance) -> None:
    assert limits(instance) == {}
    assert tick(instance, aurora=2) == "set aurora to 2, redshift to 4"
    assert limits(instance) == {"aurora": 2, "redshift": 4}
    assert tick(instance, aurora=2) == "the limits are the catalog's"
    assert tick(instance, aurora=1, redshift=8) == "set aurora to 1, redshift to 8"
    assert limits(instance) == {"aurora": 1, "redshift": 8}


def test_a_limit_that_is_an_instances_default_is_set_all_the_same(instance: dg.DagsterInstance) -> None:
    """A pool that was used before the first tick has the default's number, and would follow the default."""
    instance.event_log_storage.initialize_concurrency_limit_to_default("redshift")
    assert limits(instance) == {"redshift": 4}
    assert tick(instance) == "set aurora to 4, redshift to 4"
    assert [limit.from_default for limit in instance.event_log_storage.get_pool_limits()] == [False, False]


def test_no_more_steps_hold_a_pool_at_once_than_the_catalog_says(instance: dg.DagsterInstance) -> None:
    tick(instance, aurora=2)
    storage = instance.event_log_storage
    claims = [storage.claim_concurrency_slot("aurora", "run", f"step {n}") for n in range(3)]
    assert [claim.is_claimed for claim in claims] == [True, True, False]


def test_the_pools_of_the_catalog_are_those_of_the_assets() -> None:
    definitions = defs()
    made = [a for a in definitions.assets or () if isinstance(a, dg.AssetsDefinition) and a.is_executable]
    pools = {pool for asset in made for pool in asset.op.pools}
    assert pools == set(Pools.model_fields)
    assert "pools" in {sensor.name for sensor in definitions.sensors or ()}
