"""The sample shop: the same rows and types on MySQL and on MariaDB."""

from __future__ import annotations

from typing import Any

from aurora_dwh.local import shop
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


def test_the_shop_is_the_same_on_both_servers(mysql: Server, mariadb: Server) -> None:
    found = []
    for server in (mysql, mariadb):
        with server.connect(server.database()) as connection:
            shop.create(connection)
            written = shop.live(connection, **DAYS)
            found.append((written, contents(connection)))
    assert found[0] == found[1]
    assert found[0][0]["orders_master"]
