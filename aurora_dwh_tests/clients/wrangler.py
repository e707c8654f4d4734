"""What a user of awswrangler does with Redshift; prints what it read back as JSON. Runs in the clients' environment."""

from __future__ import annotations

import json
import os
import sys
from datetime import date, datetime
from decimal import Decimal

import awswrangler as wr
import pandas as pd
import redshift_connector

ROLE = "arn:aws:iam::123456789012:role/loader"
FIRST = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ["日本", "o'clock \\ back", None],
        "price": [Decimal("10.50"), None, Decimal("-0.01")],
        "share": [0.25, 1e300, None],
        "sold": [date(2024, 1, 1), None, date(9999, 12, 31)],
        "changed": [datetime(2024, 1, 1, 12, 30, 0, 123456), datetime(2024, 1, 2), None],  # noqa: DTZ001
        "paid": pd.array([True, False, None], dtype="boolean"),
    }
)
SECOND = FIRST.iloc[[1, 0]].assign(id=[2, 4], name=["later", "new"], price=[Decimal("20.00"), None])


def main(path: str) -> None:
    """Load two frames in each way, unload them and read them again."""
    with redshift_connector.connect(
        host=os.environ["REDSHIFT_HOST"],
        port=int(os.environ["REDSHIFT_PORT"]),
        user=os.environ["REDSHIFT_USER"],
        password=os.environ["REDSHIFT_PASSWORD"],
        database=os.environ["REDSHIFT_DATABASE"],
        ssl=False,
    ) as connection:
        place = {"con": connection, "schema": "bi"}
        wr.redshift.copy(
            FIRST,
            f"{path}/copied/",
            table="copied",
            mode="overwrite",
            diststyle="KEY",
            distkey="id",
            sortkey=["sold", "id"],
            primary_keys=["id"],
            varchar_lengths={"name": 40},
            **place,
        )
        # The key of the upsert is the table's own, which is read from the catalog.
        wr.redshift.copy(SECOND, f"{path}/copied/", table="copied", mode="upsert", iam_role=ROLE, lock=True, **place)
        wr.redshift.to_sql(FIRST, table="inserted", primary_keys=["id"], **place)
        wr.redshift.to_sql(SECOND, table="inserted", mode="upsert", primary_keys=["id"], **place)
        wider = SECOND.assign(note="x")
        wr.redshift.to_sql(wider, table="inserted", add_new_columns=True, use_column_names=True, **place)
        wr.redshift.to_sql(FIRST, table="emptied", **place)
        wr.redshift.to_sql(SECOND, table="emptied", mode="overwrite", overwrite_method="truncate", **place)
        query = "SELECT * FROM bi.copied WHERE name IS NULL OR name <> 'it''s' ORDER BY id"
        unloaded = wr.redshift.unload(query, f"{path}/unloaded/", con=connection, iam_role=ROLE, keep_files=True)
        wr.redshift.unload_to_files(
            "SELECT id, name FROM bi.copied",
            f"{path}/text/",
            con=connection,
            iam_role=ROLE,
            unload_format="CSV",
            parallel=False,
            max_file_size=5.0,
            region="us-east-1",
            manifest=True,
            cleanpath=True,
        )
        read = wr.redshift.read_sql_query("SELECT * FROM bi.copied ORDER BY id", con=connection)
        inserted = wr.redshift.read_sql_table("inserted", **place).sort_values(["id", "note"], na_position="first")
        emptied = wr.redshift.read_sql_query("SELECT id FROM bi.emptied ORDER BY id", con=connection)
    frames = {"unloaded": unloaded, "read": read, "inserted": inserted, "emptied": emptied}
    plain = {name: frame.astype(object).where(frame.notna(), None) for name, frame in frames.items()}
    json.dump({name: frame.values.tolist() for name, frame in plain.items()}, sys.stdout, default=str)


if __name__ == "__main__":
    main(sys.argv[1])
