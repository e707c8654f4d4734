"""The generated tables, made by the server itself from its sequence tables.

`mixed` is the table that the targets speak of: 14 columns and about 1 GB of text in 5,000,000 rows. `narrow` and `wide`
are there because the two protocols of MySQL differ most on them.
"""

from __future__ import annotations

from datetime import date, timedelta

FIRST_DAY = date(2021, 1, 1)
SECONDS_BETWEEN_ROWS = 17

_WORDS = "'Osaka', '東京', 'São Paulo', 'Zürich', 'Kraków', 'Nový Jičín', 'Ålesund'"
_AT = (
    f"TIMESTAMP '{FIRST_DAY} 00:00:00' + INTERVAL seq * {SECONDS_BETWEEN_ROWS} SECOND "
    "+ INTERVAL seq % 999983 MICROSECOND"
)

MIXED = {
    "id": ("bigint unsigned NOT NULL PRIMARY KEY", "seq + 4000000000000"),
    "customer_id": ("int unsigned NOT NULL", "seq * 7919 % 4000000000"),
    "quantity": ("smallint NOT NULL", "seq % 1000"),
    "status": ("tinyint NOT NULL", "seq % 7"),
    "amount": ("decimal(12,2) NOT NULL", "seq * 31 % 1000000000 / 100"),
    "tax": ("decimal(12,2)", "NULLIF(seq % 5, 0) * 1.08"),
    "sku": ("varchar(40) NOT NULL", "CONCAT('SKU-', LPAD(seq % 99991, 8, '0'))"),
    "city": ("varchar(60) NOT NULL", f"ELT(1 + seq % 7, {_WORDS})"),
    "customer": ("varchar(80) NOT NULL", "CONCAT('Zoë Müller-', seq * 7919 % 1000003)"),
    "shipped_on": ("date", f"IF(seq % 3, DATE '{FIRST_DAY}' + INTERVAL seq % 365 DAY, NULL)"),
    "note": (
        "text",
        "IF(seq % 10, CONCAT('first line, \"quoted\"\\nsecond line 😀 ', REPEAT('so ', seq % 7)), NULL)",
    ),
    "attributes": ("json", 'IF(seq % 4, NULL, CONCAT(\'{"gift": true, "tags": ["a", "é"], "n": \', seq % 977, \'}\'))'),
    "created_at": ("datetime(6) NOT NULL", f"{_AT} - INTERVAL seq % 86400 SECOND"),
    "updated_at": ("datetime(6) NOT NULL, KEY (updated_at)", _AT),
}
NARROW = {
    "id": ("bigint NOT NULL PRIMARY KEY", "seq"),
    "sensor": ("int NOT NULL", "seq * 7919 % 2000000000"),
    "reading": ("double NOT NULL", "seq / 7"),
    "error": ("float", "NULLIF(seq % 11, 0) / 3"),
    "level": ("smallint NOT NULL", "seq % 30000"),
    "updated_at": ("datetime(6) NOT NULL", _AT),
}
WIDE = {
    "id": ("bigint NOT NULL PRIMARY KEY", "seq"),
    **{f"n{i}": ("int", f"NULLIF(seq * {7919 + i} % 1000000, 0)") for i in range(25)},
    **{f"d{i}": ("decimal(12,2)", f"seq * {31 + i} % 100000000 / 100") for i in range(15)},
    **{f"v{i}": ("varchar(40)", f"CONCAT('wörd ', seq * {101 + i} % 9973)") for i in range(30)},
    **{f"t{i}": ("datetime", f"TIMESTAMP '2021-01-01 00:00:00' + INTERVAL seq * {i + 1} SECOND") for i in range(9)},
}


def create(table: str, columns: dict[str, tuple[str, str]], *, engine: str = "InnoDB") -> str:
    """Return the DDL of a table."""
    return (
        f"CREATE TABLE {table} ({', '.join(f'{name} {ddl}' for name, (ddl, _) in columns.items())}) ENGINE = {engine}"
    )


def fill(table: str, columns: dict[str, tuple[str, str]], rows: int) -> str:
    """Return the INSERT that makes the rows."""
    return f"INSERT INTO {table} SELECT {', '.join(value for _, value in columns.values())} FROM seq_1_to_{rows}"


def last_whole_day(rows: int) -> date:
    """Return the last day of `mixed` on which every second has its row."""
    return FIRST_DAY + timedelta(days=rows * SECONDS_BETWEEN_ROWS // 86_400 - 1)
