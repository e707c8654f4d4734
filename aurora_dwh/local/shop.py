"""The sample shop: its tables, and carrying its life into any MySQL database.

The shop sells scale models from Tokyo. Its application keeps wall clock time of Asia/Tokyo in DATETIME columns, stamps
every change in `update_date`, deletes orders and products softly (`delete_date`), and appends page views to a table
without a key. What happens on which day is `shop_life`; words and countries are `shop_data`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pymysql

from aurora_dwh.local import stack
from aurora_dwh.local.shop_data import COUNTRIES
from aurora_dwh.local.shop_life import DAYS, SEED, START, Day, days

__all__ = [
    "DAYS", "DDL", "SEED", "START", "TABLES", "TIMEZONE", "Day", "create", "days", "last_day", "live", "live_embedded",
    "lived_until", "reset",
]  # fmt: skip

TIMEZONE: Final = "Asia/Tokyo"
_BATCH: Final = 1_000

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "products_master": (
        "product_id", "product_name", "product_line", "product_scale", "product_vendor", "product_description",
        "quantity_stock", "price", "MSRP", "create_date", "update_date", "delete_date",
    ),
    "orders_master": (
        "order_id", "order_date", "required_date", "shipped_date", "status", "comments", "create_date", "update_date",
        "delete_date",
    ),
    "order_details_master": (
        "order_id", "product_id", "quantity_ordered", "price_each", "create_date", "update_date", "delete_date",
    ),
    "page_view": ("view_id", "viewed_at", "path", "referrer", "product_id", "session_id", "user_agent"),
    "country": (
        "country_code", "name", "local_name", "region", "currency", "population", "tax_rate", "ships_to",
    ),
}  # fmt: skip
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "products_master": ("product_id",),
    "orders_master": ("order_id",),
    "order_details_master": ("order_id", "product_id"),
    "country": ("country_code",),
}
TABLES: Final = tuple(COLUMNS)

_DATES: Final = """
  `create_date` DATETIME(6) NOT NULL COMMENT 'When the row was made, Asia/Tokyo',
  `update_date` DATETIME(6) NOT NULL COMMENT 'When the row was last changed, Asia/Tokyo',
  `delete_date` DATETIME(6) NULL COMMENT 'When the row was deleted; NULL while it lives',"""

DDL: Final[dict[str, str]] = {
    "products_master": f"""CREATE TABLE IF NOT EXISTS `products_master` (
  `product_id` VARCHAR(15) NOT NULL COMMENT 'Stock number: line, scale, serial',
  `product_name` VARCHAR(70) NOT NULL COMMENT 'Name on the shelf',
  `product_line` VARCHAR(50) NOT NULL COMMENT 'Family of models',
  `product_scale` VARCHAR(10) NOT NULL COMMENT 'Model to original, 1:18',
  `product_vendor` VARCHAR(50) NOT NULL COMMENT 'Maker of the model',
  `product_description` TEXT NOT NULL COMMENT 'Text of the product page',
  `quantity_stock` INT NOT NULL COMMENT 'Pieces in the warehouse',
  `price` DECIMAL(10,2) NOT NULL COMMENT 'What the shop pays, USD',
  `MSRP` DECIMAL(10,2) NOT NULL COMMENT 'Suggested retail price, USD',{_DATES}
  PRIMARY KEY (`product_id`),
  KEY `ix_products_update_date` (`update_date`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='Scale models on sale'""",
    "orders_master": f"""CREATE TABLE IF NOT EXISTS `orders_master` (
  `order_id` BIGINT UNSIGNED NOT NULL COMMENT 'Number of the order',
  `order_date` DATETIME NOT NULL COMMENT 'When the customer ordered, Asia/Tokyo',
  `required_date` DATE NOT NULL COMMENT 'Promised day of delivery',
  `shipped_date` DATETIME NULL COMMENT 'When the parcel left, Asia/Tokyo',
  `status` ENUM('In Process','On Hold','Shipped','Disputed','Resolved','Cancelled') NOT NULL
    COMMENT 'Where the order stands',
  `comments` TEXT NULL COMMENT 'What the customer wrote',{_DATES}
  PRIMARY KEY (`order_id`),
  KEY `ix_orders_update_date` (`update_date`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='Orders of customers'""",
    "order_details_master": f"""CREATE TABLE IF NOT EXISTS `order_details_master` (
  `order_id` BIGINT UNSIGNED NOT NULL COMMENT 'Number of the order',
  `product_id` VARCHAR(15) NOT NULL COMMENT 'Stock number',
  `quantity_ordered` INT UNSIGNED NOT NULL COMMENT 'Pieces',
  `price_each` DECIMAL(10,2) NOT NULL COMMENT 'Price of one piece on that day, USD',{_DATES}
  PRIMARY KEY (`order_id`, `product_id`),
  KEY `ix_order_details_update_date` (`update_date`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='Lines of orders'""",
    "page_view": """CREATE TABLE IF NOT EXISTS `page_view` (
  `view_id` BIGINT UNSIGNED NOT NULL COMMENT 'Number of the view; not enforced',
  `viewed_at` DATETIME(6) NOT NULL COMMENT 'When the page was seen, Asia/Tokyo',
  `path` VARCHAR(255) NOT NULL COMMENT 'Page',
  `referrer` VARCHAR(255) NULL COMMENT 'Where the visitor came from; NULL when unknown',
  `product_id` VARCHAR(15) NULL COMMENT 'Product of the page, if it shows one',
  `session_id` CHAR(32) NOT NULL COMMENT 'Visit',
  `user_agent` VARCHAR(255) NOT NULL COMMENT 'Browser',
  KEY `ix_page_view_viewed_at` (`viewed_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='Page views, appended only'""",
    "country": """CREATE TABLE IF NOT EXISTS `country` (
  `country_code` CHAR(2) NOT NULL COMMENT 'ISO 3166-1 alpha-2',
  `name` VARCHAR(60) NOT NULL COMMENT 'English name',
  `local_name` VARCHAR(60) NOT NULL COMMENT 'Name in the language of the country',
  `region` VARCHAR(20) NOT NULL COMMENT 'Sales region',
  `currency` CHAR(3) NOT NULL COMMENT 'ISO 4217',
  `population` BIGINT UNSIGNED NULL COMMENT 'People',
  `tax_rate` DECIMAL(5,4) NULL COMMENT 'Standard value added tax; NULL when there is none',
  `ships_to` TINYINT(1) NOT NULL COMMENT '1 when the shop ships there',
  PRIMARY KEY (`country_code`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='Countries, without a date of change'""",
}


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    def execute(self, query: str, /, args: Any = None) -> Any: ...

    def executemany(self, query: str, /, args: Any) -> Any: ...

    def close(self) -> Any: ...


class Connection(Protocol):
    """A DB-API connection to MySQL or MariaDB, whose driver takes %s parameters."""

    def cursor(self) -> Any: ...

    def commit(self) -> Any: ...


def last_day(count: int = DAYS, *, start: dt.date = START) -> dt.date:
    """The last of the first `count` days of a shop that opened on `start`."""
    return start + dt.timedelta(days=count - 1)


def create(connection: Connection) -> None:
    """Make the shop's tables where they are missing, and fill `country`."""
    cursor = connection.cursor()
    for statement in DDL.values():
        cursor.execute(statement)
    _upsert(cursor, "country", COUNTRIES)
    cursor.close()
    connection.commit()


def live(
    connection: Connection,
    *,
    first: dt.date | None = None,
    last: dt.date | None = None,
    start: dt.date = START,
    seed: int = SEED,
    scale: float = 1.0,
) -> dict[str, int]:
    """Carry the shop through the days `first` to `last`, one transaction a day.

    The same days with the same seed and scale always end in the same rows, whether they are lived at once or in several
    calls, as long as they come in order. Living a day twice changes nothing.

    Args:
        connection: A MySQL that `create` has seen. Its autocommit should be off.
        first: First day; by default the shop's first.
        last: Last day, included; by default the last of `DAYS`.
        start: The day on which the shop opened.
        seed: Another seed is another shop.
        scale: Orders and views, as a multiple of the usual.

    Returns:
        Rows written, by table.
    """
    written = dict.fromkeys(TABLES, 0)
    cursor = connection.cursor()
    for day in days(first or start, last or last_day(start=start), start=start, seed=seed, scale=scale):
        for table, rows in day.changed.items():
            _upsert(cursor, table, rows)
            written[table] += len(rows)
        midnight = day.date + dt.timedelta(days=1)
        cursor.execute(f"DELETE FROM `page_view` WHERE `viewed_at` >= '{day.date}' AND `viewed_at` < '{midnight}'")
        for batch in _batches(day.views):
            cursor.executemany(_insert("page_view"), batch)
        written["page_view"] += len(day.views)
        connection.commit()
    cursor.close()
    return written


def lived_until(state: Path) -> dt.date | None:
    """The last day of the shop in the running embedded Aurora of that state folder; None where it never opened."""
    with _embedded(state) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE 'page_view'")
        if not cursor.fetchone():
            return None
        cursor.execute("SELECT DATE(MAX(viewed_at)) FROM page_view")
        day: dt.date | None = cursor.fetchone()[0]
        return day


def reset(state: Path) -> None:
    """Bring the shop in the running embedded Aurora back to before its first day: empty tables, but for `country`."""
    with _embedded(state) as connection:
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"DROP TABLE IF EXISTS `{table}`")
        create(connection)


def live_embedded(state: Path, **options: Any) -> dict[str, int]:
    """`live`, with its options, in the running embedded Aurora of a state folder."""
    with _embedded(state) as connection:
        return live(connection, **options)


@contextmanager
def _embedded(state: Path) -> Iterator[pymysql.Connection[Any]]:
    variables = stack.environment(state)
    if "AURORA_HOST" not in variables:
        raise stack.StackError("the stack runs without its Aurora; start it with: aurora-dwh local up")
    connection = pymysql.connect(
        host=variables["AURORA_HOST"],
        port=int(variables["AURORA_PORT"]),
        user=variables["AURORA_USER"],
        password=variables["AURORA_PASSWORD"],
        database=variables["AURORA_DATABASE"],
    )
    try:
        yield connection
    finally:
        connection.close()


def _upsert(cursor: Cursor, table: str, rows: Sequence[Sequence[Any]]) -> None:
    values = ", ".join(f"`{name}` = VALUES(`{name}`)" for name in COLUMNS[table] if name not in KEYS[table])
    for batch in _batches(rows):
        cursor.executemany(f"{_insert(table)} ON DUPLICATE KEY UPDATE {values}", batch)


def _insert(table: str) -> str:
    names = ", ".join(f"`{name}`" for name in COLUMNS[table])
    marks = ", ".join(["%s"] * len(COLUMNS[table]))
    return f"INSERT INTO `{table}` ({names}) VALUES ({marks})"


def _batches(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]
