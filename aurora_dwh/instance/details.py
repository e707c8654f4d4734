"""What of a materialization is long, or is not kept for years: columns, statements that a run ran, a few rows.

Dagster keeps whatever a materialization says with every day. The columns are the same for years, and an asset's page
shows those of its last materialization; so that one has them, and of those before it only the last before a change.
Dagster has no call for taking something back out of an event, so it is done here in the storage, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

import dagster as dg
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import Connection, select, update

from aurora_dwh.instance import COLUMNS, SAMPLE

DETAILS: Final = (COLUMNS, "statement", "statements", SAMPLE)
"""The names of all of it, as metadata."""

EVENTS: Final = SqlEventLogStorageTable.c


def drop_repeated_columns(instance: dg.DagsterInstance, asset: dg.AssetKey) -> None:
    """Take the columns out of the materialization before an asset's last one that has any, where they are the same.

    Args:
        instance: Whose events; those of an instance that keeps them outside of SQL stay as they are.
        asset: An asset that was materialized just now.
    """
    log = instance.event_log_storage
    if not isinstance(log, SqlEventLogStorage):
        return
    materialized = EVENTS.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value
    query = (
        select(EVENTS.id, EVENTS.event)
        .where(EVENTS.asset_key == asset.to_string(), materialized, EVENTS.event.contains(f'"{COLUMNS}"'))
        .order_by(EVENTS.id.desc())
        .limit(2)
    )
    with log.index_connection() as connection:
        found = connection.execute(query).all()
        if len(found) == 2 and _columns(found[0].event) == _columns(found[1].event):
            shorten(connection, found[1].id, found[1].event, (COLUMNS,))


def shorten(connection: Connection, event_id: int, event: str, details: Collection[str]) -> None:
    """Store a materialization without some of its details.

    Args:
        connection: To the table of events.
        details: The names of what is left out.
    """
    body = json.loads(event)
    told = _metadata(body)
    told[:] = [entry for entry in told if entry["label"] not in details]
    changed = update(SqlEventLogStorageTable).where(EVENTS.id == event_id).values(event=json.dumps(body))
    connection.execute(changed)


def _columns(event: str) -> list[Any]:
    return [entry["entry_data"] for entry in _metadata(json.loads(event)) if entry["label"] == COLUMNS]


def _metadata(body: Any) -> list[Any]:
    entries: list[Any] = body["dagster_event"]["event_specific_data"]["materialization"]["metadata_entries"]
    return entries
