"""The sample shop on a real server of the MySQL family: the same rows and types as in the embedded Aurora."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pymysql

from aurora_dwh.local import shop
from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh_tests.servers import Server

DAYS: dict[str, Any] = {"last": shop.last_day(4), "scale": 0.2}
ORDER = {**{table: ", ".join(key) for table, key in shop.KEYS.items()}, "page_view": "view_id"}


def contents(connection: Any) -> dict[str, Any]:
    """The wire's types and all rows of all tables, read with PyMySQL's own conversion."""
    found = {}
    with connection.cursor() as cursor:
        for table in shop.TABLES:
            cursor.execute(f"SELECT * FROM {table} ORDER BY {ORDER[table]}")
            types = [(field.name, field.type_code, field.scale) for field in cursor._result.fields]
            found[table] = (types, cursor.fetchall())
    return found


def test_the_shop_is_the_same_on_both_servers(server: Server, database: str, tmp_path: Path) -> None:
    real = server.connect(database)
    shop.create(real)
    written = shop.live(real, **DAYS)
    embedded = EmbeddedAurora(tmp_path, user="u", password="p")
    embedded.start()
    copy = pymysql.connect(host=embedded.host, port=embedded.port, user="u", password="p", database="shop")
    shop.create(copy)
    assert shop.live(copy, **DAYS) == written
    assert contents(copy) == contents(real)
    for connection in (real, copy):
        connection.close()
    embedded.stop()
