"""What an older version has left, that knew no rules: its manifests in the lake and its tables in the warehouse."""

from __future__ import annotations

import itertools
import json

from aurora_dwh_tests.e2e.world import World

OLDER_COLUMNS = ("key_columns", "cursor_column", "rules")


def forget_rules(world: World, *tables: str) -> None:
    """Make the lake and the warehouse what an older version would have made of tables."""
    from aurora_dwh.lake.factory import open_lake

    lake = open_lake()
    for manifest in itertools.chain.from_iterable(map(lake.all, tables)):
        place = {"Bucket": lake.layout.bucket, "Key": lake.layout.key(manifest.url)}
        body = json.loads(lake.client.get_object(**place)["Body"].read())
        del body["aurora_dwh"]["rules"]
        lake.client.put_object(**place, Body=json.dumps(body).encode())
    for column in OLDER_COLUMNS:
        world.ask_warehouse(f"ALTER TABLE dwh.load_history DROP COLUMN {column}")
