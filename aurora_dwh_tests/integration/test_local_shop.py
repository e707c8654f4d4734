"""The sample shop on real servers of the MySQL family: the same rows and types in each."""

from __future__ import annotations

from typing import Any

from aurora_dwh.local import shop
from aurora_dwh_tests.servers import Server

DAYS: dict[str, Any] = {"last": shop.last_day(4), "scale": 0.2}
ORDER = {**{table: ", ".join(key) for table, key in shop.KEYS.items()}, "page_view": "view_id"}


def contents(server: Server) -> dict[str, Any]:
    """Let the shop live, and return the wire's types and all rows of all tables, by PyMySQL's own conversion."""
    found: dict[str, Any] = {}
    with server.connect(server.database()) as connection, connection.cursor() as cursor:
        shop.create(connection)
        found["written"] = shop.live(connection, **DAYS)
        for table in shop.TABLES:
            cursor.execute(f"SELECT * FROM {table} ORDER BY {ORDER[table]}")
            types = [(field.name, field.type_code, field.scale) for field in cursor._result.fields]
            found[table] = (types, cursor.fetchall())
    return found


def test_the_shop_is_the_same_on_both_servers(mysql: Server, mariadb: Server) -> None:
    assert contents(mysql) == contents(mariadb)
