"""The border between the product's errors and Dagster's: what trying again cannot mend is not tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from aurora_dwh.handoff import DataError
from aurora_dwh.warehouse.errors import PassingError, WarehouseError

RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For steps that talk to a server: a lost connection or a lost race is worth another attempt."""


@contextmanager
def permanent_failures(asset: dg.AssetKey) -> Iterator[None]:
    """Turn errors that would come again into a Dagster failure without retries, named by asset."""
    try:
        yield
    except PassingError:
        raise
    except (DataError, WarehouseError) as error:
        metadata: dict[str, dg.MetadataValue] = {"asset": dg.MetadataValue.asset(asset)}
        if isinstance(error, WarehouseError) and error.statement:
            metadata["statement"] = dg.MetadataValue.md(f"```sql\n{error.statement}\n```")
        raise dg.Failure(f"{asset.to_user_string()}: {error}", metadata=metadata, allow_retries=False) from error
