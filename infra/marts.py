"""The marts' columns as QuickSight calls their types: a dataset has to name them, and a template asks no warehouse.

A mart of one's own gets an entry here. The topology test compares the entries with the tables that the marts become.
"""

STRING, INTEGER, DECIMAL, DATETIME = "STRING", "INTEGER", "DECIMAL", "DATETIME"

TYPES = {
    "smallint": INTEGER,
    "integer": INTEGER,
    "bigint": INTEGER,
    "numeric": DECIMAL,
    "real": DECIMAL,
    "double precision": DECIMAL,
    "character varying": STRING,
    "character": STRING,
    "date": DATETIME,
    "timestamp without time zone": DATETIME,
    "boolean": "BIT",
}
"""Redshift's type, as information_schema writes it -> QuickSight's."""

MARTS: dict[str, dict[str, str]] = {
    "daily_page_views": {"view_day": DATETIME, "path": STRING, "views": INTEGER, "visits": INTEGER},
    "daily_sales": {
        "order_day": DATETIME,
        "product_line": STRING,
        "orders": INTEGER,
        "units": INTEGER,
        "revenue": DECIMAL,
        "discount": DECIMAL,
    },
    "order_detail": {
        "order_id": DECIMAL,
        "order_date": DATETIME,
        "required_date": DATETIME,
        "shipped_date": DATETIME,
        "status": STRING,
        "comments": STRING,
        "product_id": STRING,
        "product_name": STRING,
        "product_line": STRING,
        "product_vendor": STRING,
        "quantity_ordered": INTEGER,
        "price_each": DECIMAL,
        "line_amount": DECIMAL,
        "order_updated_at": DATETIME,
    },
    "order_fulfilment": {
        "order_day": DATETIME,
        "status": STRING,
        "orders": INTEGER,
        "shipped": INTEGER,
        "shipped_late": INTEGER,
        "days_to_ship": INTEGER,
        "longest_days_to_ship": INTEGER,
    },
    "stock_cover": {
        "product_id": STRING,
        "product_name": STRING,
        "product_line": STRING,
        "quantity_stock": INTEGER,
        "stock_value": DECIMAL,
        "units_14_days": INTEGER,
        "cover_days": DECIMAL,
    },
}
