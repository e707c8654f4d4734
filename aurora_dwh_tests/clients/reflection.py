"""What sqlalchemy-redshift reads of a database's tables, printed as JSON. Runs in the clients' environment."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import sqlalchemy as sa


def reflect(driver: str, schema: str) -> dict[str, Any]:
    """Return all that the dialect tells of a schema, and what a query over its reflected tables gives."""
    url = sa.URL.create(
        f"redshift+{driver}",
        username=os.environ["REDSHIFT_USER"],
        password=os.environ["REDSHIFT_PASSWORD"],
        host=os.environ["REDSHIFT_HOST"],
        port=int(os.environ["REDSHIFT_PORT"]),
        database=os.environ["REDSHIFT_DATABASE"],
    )
    plain = {"sslmode": "disable"} if driver == "psycopg2" else {"ssl": False}
    engine = sa.create_engine(url, connect_args=plain)
    inspector = sa.inspect(engine)
    tables, views = inspector.get_table_names(schema), inspector.get_view_names(schema)
    said: dict[str, Any] = {"tables": sorted(tables), "views": sorted(views)}
    for name in (*tables, *views):
        said[name] = {
            "columns": [
                [c["name"], str(c["type"]), c["nullable"], c["default"], c.get("info", {}).get("encode"), c["comment"]]
                for c in inspector.get_columns(name, schema)
            ],
            "options": inspector.get_table_options(name, schema),
            "key": inspector.get_pk_constraint(name, schema),
            "unique": inspector.get_unique_constraints(name, schema),
            "foreign": inspector.get_foreign_keys(name, schema),
            "checks": inspector.get_check_constraints(name, schema),
            "comment": inspector.get_table_comment(name, schema)["text"],
            "exists": inspector.has_table(name, schema),
        }
        if name in views:
            said[name]["definition"] = inspector.get_view_definition(name, schema)
    metadata = sa.MetaData()
    with engine.begin() as connection:
        for name in said["tables"]:
            table = sa.Table(name, metadata, schema=schema, autoload_with=connection)
            said[name]["count"] = connection.scalar(sa.select(sa.func.count()).select_from(table))
            said[name]["made_by"] = str(sa.schema.CreateTable(table).compile(engine)).split()
    engine.dispose()
    return said


if __name__ == "__main__":
    json.dump({driver: reflect(driver, sys.argv[1]) for driver in sys.argv[2:]}, sys.stdout, default=str)
