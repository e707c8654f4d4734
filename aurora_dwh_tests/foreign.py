"""Schemas that nobody here designed, from packages of Debian: WordPress and Zabbix, on MySQL or MariaDB.

The packages are not installed: `make test` downloads them and unpacks them into the virtual environment. Their files
are under the GPL and stay there. Zabbix brings rows of its own; WordPress' tables are filled here.
"""

from __future__ import annotations

import gzip
import random
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from aurora_dwh_tests.servers import Server

FOLDER = Path(sys.prefix) / "share" / "schemas"
WORDPRESS = "usr/share/wordpress/wp-admin/includes/schema.php"
ZABBIX = "usr/share/zabbix-server-mysql/{}.sql.gz"
NO_DATE = "0000-00-00 00:00:00"
Row = tuple[Any, ...]


def create_zabbix(server: Server, database: str, *tables: str) -> None:
    """Create and fill Zabbix' tables as its installation does, or some of them, without their foreign keys."""
    sql = "".join(gzip.decompress(_file(ZABBIX.format(name))).decode() for name in _ZABBIX_FILES)
    if tables:
        about = "|".join(tables)
        begun = rf"(?:CREATE TABLE|CREATE (?:UNIQUE )?INDEX `\w+` ON|INSERT INTO) `(?:{about})` "
        sql = "".join(re.findall(rf"^{begun}.*?;\n", sql, re.MULTILINE | re.DOTALL))
    server.script(sql, database)


def create_wordpress(server: Server, database: str) -> None:
    """Create WordPress' tables, for a single site."""
    php = _file(WORDPRESS).decode().partition("function populate_options")[0]
    tables: dict[str, str] = {}
    for statement in re.findall(r"CREATE TABLE [^;]*;", php):  # those of several sites come later, and are left out
        name = re.search(r"\$wpdb->(\w+)", statement)
        assert name
        tables.setdefault(name[1], statement)
    text = "".join(sql for name, sql in tables.items() if name not in _SEVERAL_SITES)
    for php_name, value in {"$charset_collate": "", "$max_index_length": "191", "$wpdb->": "wp_"}.items():
        text = text.replace(php_name, value)
    server.script(_LENIENT + text, database)


def fill_wordpress(server: Server, database: str, days: Sequence[date], *, seed: int = 1) -> None:
    """Write a blog's life: posts and comments of the days, with users, terms, options and their metas.

    Args:
        server: The server.
        database: The database.
        days: The days on which posts were last modified; the first one's may be older.
        seed: What the rows are drawn from.
    """
    draw = random.Random(seed)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        for table, rows in _blog(draw, days):
            marks = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


_LENIENT = "SET sql_mode = '';"
"""WordPress' defaults are dates that the calendar does not have."""

_SEVERAL_SITES = frozenset({"blogs", "blogmeta", "registration_log", "site", "sitemeta", "signups"})
_ZABBIX_FILES = ("schema", "images", "data")
_TEXTS = (
    "",
    "Hello world!",
    "<p>日本語の記事</p>\n<!-- more -->",
    'a "quoted" \\ backslash',
    "emoji 🎉",
    "tab\tand\r\nline",
)


def _file(path: str) -> bytes:
    try:
        return (FOLDER / path).read_bytes()
    except FileNotFoundError:
        remedy = "`make test` downloads and unpacks Debian's packages wordpress and zabbix-server-mysql there"
        raise FileNotFoundError(f"{FOLDER / path} is missing; {remedy}") from None


def _blog(draw: random.Random, days: Sequence[date]) -> Iterator[tuple[str, list[Row]]]:
    def text() -> str:
        return draw.choice(_TEXTS) * draw.randint(1, 3)

    def moment() -> datetime:
        return datetime.combine(draw.choice(days), time()) + timedelta(seconds=draw.randrange(86_400))

    def posts() -> Iterator[Row]:
        for number in range(1, 301):
            written = moment()
            if written.date() == days[0] and number % 3 == 0:
                written -= timedelta(days=draw.randint(1, 2_000))
            draft = NO_DATE if number % 17 == 0 else written
            kind = draw.choice(["post", "page", "attachment", "revision"])
            yield (
                *(number, draw.randint(1, 9), draft, draft, text(), text(), text(), "publish", "open", "open", ""),
                *(f"post-{number}", "", "", written + timedelta(hours=9), written, text(), 0, f"https://x/?p={number}"),
                *(draw.randint(0, 99), kind, "", draw.randint(0, 5)),
            )

    def metas(first: int, count: int) -> list[Row]:
        return [
            (n, draw.randint(1, 300), draw.choice(["_edit", None, "k"]), text()) for n in range(first, first + count)
        ]

    yield (
        "wp_users",
        [(n, f"u{n}", "$P$x", f"u{n}", f"u{n}@example.com", "", moment(), "", 0, f"U {n}") for n in range(1, 10)],
    )
    yield "wp_usermeta", metas(1, 60)
    yield "wp_posts", list(posts())
    yield "wp_postmeta", metas(1, 500)
    yield (
        "wp_comments",
        [
            (n, draw.randint(1, 300), f"a{n}", "", "", "::1", moment(), moment(), text(), 0, "1", "", "comment", 0, 0)
            for n in range(1, 401)
        ],
    )
    yield "wp_commentmeta", metas(1, 40)
    yield "wp_terms", [(n, text(), f"t{n}", 0) for n in range(1, 31)]
    yield "wp_term_taxonomy", [(n, n, "category", text(), 0, 0) for n in range(1, 31)]
    yield "wp_term_relationships", [(post, 1 + post % 30, 0) for post in range(1, 301)]
    yield "wp_termmeta", metas(1, 20)
    yield "wp_options", [(n, f"option_{n}", text(), draw.choice(["yes", "no"])) for n in range(1, 200)]
    yield (
        "wp_links",
        [
            (n, f"https://x/{n}", text(), "", "", "", "Y", 1, 0, draw.choice([NO_DATE, moment()]), "", "", "")
            for n in range(1, 21)
        ],
    )
