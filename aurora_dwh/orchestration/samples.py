"""A few rows of a day as Dagster shows them on an asset's page: from the lake, where values are masked already."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import dagster as dg

from aurora_dwh.instance import SAMPLE
from aurora_dwh.lake.contents import head
from aurora_dwh.lake.parquet import own_columns

if TYPE_CHECKING:
    from aurora_dwh.core.models import Manifest
    from aurora_dwh.lake.store import Lake

_COLUMNS = 30
_CHARACTERS = 40
"""How many columns are shown of a wide table, and how much of a long value."""

_log = logging.getLogger(__name__)


def sample(lake: Lake, manifest: Manifest, rows: int) -> dict[str, Any]:
    """Return a day's first rows as metadata; none where they cannot be read, as of a day that was written anew."""
    import pyarrow as pa
    from botocore.exceptions import BotoCoreError, ClientError

    names = own_columns(manifest.schema.arrow_schema).names[:_COLUMNS]
    try:
        found = head(lake.client, lake.layout, manifest, names, rows)
    except (BotoCoreError, ClientError, pa.ArrowException, OSError, ValueError, KeyError) as error:
        _log.warning(f"{manifest.table} {manifest.day}: no rows of it are shown, as they cannot be read: {error}")
        return {}
    records = [dg.TableRecord({name: _shown(one) for name, one in zip(names, row, strict=True)}) for row in found]
    columns = dg.TableSchema([dg.TableColumn(name) for name in names])
    return {SAMPLE: dg.MetadataValue.table(records, columns)} if records else {}


def _shown(value: Any) -> str:
    """Return a value in few characters; NULL is told from the text by its sign."""
    if value is None:
        return "∅"
    text = f"0x{value[:_CHARACTERS].hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"
