# ruff: noqa: E501 - one row a case reads best
"""`aurora-dwh discover`: what is suggested for a table, how the catalog is added to, and the two on a real server."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import PACKAGED_CATALOG, Catalog, CatalogError
from aurora_dwh.cli import app
from aurora_dwh.commands.catalog_edit import CatalogFile
from aurora_dwh.commands.suggest import Index, Suggestion, TableFacts, suggest
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh_tests.servers import Server

ID = Column("id", "bigint", "bigint", nullable=False)
CODE = Column("Code", "char", "char(2)", nullable=False, length=2)
OPTIONAL = Column("alias", "char", "char(2)", length=2)
UPDATED = Column("updated_at", "datetime", "datetime", nullable=False)
MODIFIED = Column("modified", "timestamp", "timestamp", nullable=False)
CREATED = Column("created_at", "datetime", "datetime")
TOUCHED = Column("seen", "timestamp", "timestamp")
STRANGE = Column("strange", "strange", "strange(3)", nullable=False)


def facts(
    *columns: Column,
    table: str = "t",
    primary: tuple[str, ...] = ("id",),
    indexes: tuple[Index, ...] = (),
    touched: str = "",
    filled: str = "",
    rows: int | None = None,
    engine: str = "InnoDB",
    dated: dict[str, str] | None = None,
) -> TableFacts:
    schema = TableSchema("d", table, columns, primary)
    return TableFacts(schema, indexes, frozenset(touched.split()), frozenset(filled.split()), rows, engine, dated or {})


def on(*columns: str, unique: bool = False) -> Index:
    return Index(columns, unique)


def moment(name: str, kind: str = "datetime", *, nullable: bool = False) -> Column:
    return Column(name, kind, kind, nullable=nullable)


BY_CHANGE = {"mode": "incremental", "key": ("id",), "cursor": "updated_at"}
WHOLE = {"mode": "full", "key": ("id",)}


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        (facts(ID, UPDATED), BY_CHANGE),
        (facts(ID, UPDATED, MODIFIED, indexes=(on("modified"),)), {"mode": "incremental", "key": ("id",), "cursor": "modified"}),
        (facts(ID, UPDATED, TOUCHED, touched="seen"), {"mode": "incremental", "key": ("id",), "cursor": "seen"}),
        (facts(ID, UPDATED, primary=()), {"mode": "full"}),
        (facts(ID, CREATED), WHOLE),
        (facts(ID, CREATED, indexes=(on("created_at"),)), WHOLE),
        (facts(ID, CREATED, table="page_view", indexes=(on("created_at"),)), {"mode": "append", "cursor": "created_at", "key": ("id",)}),
        (facts(ID, CREATED, table="page_view", primary=(), indexes=(on("created_at"),)), {"mode": "append", "cursor": "created_at"}),
        (facts(ID, CREATED, table="page_view", indexes=(on("id", "created_at"),)), WHOLE),
        (facts(ID, UPDATED, CREATED, table="log", indexes=(on("created_at"),)), BY_CHANGE),
        (
            facts(ID, CODE, primary=(), indexes=(on("id", "Code", unique=True), on("Code", unique=True))),
            {"mode": "full", "key": ("Code",)},
        ),
        (facts(ID, OPTIONAL, primary=(), indexes=(on("alias", unique=True), on("id"))), {"mode": "full"}),
        (facts(ID, UPDATED, STRANGE), BY_CHANGE | {"exclude": ("strange",)}),
        (facts(STRANGE, UPDATED, primary=("strange",)), {"mode": "full", "exclude": ("strange",)}),
        (
            facts(STRANGE, CODE, UPDATED, primary=("strange",), indexes=(on("Code", unique=True),)),
            BY_CHANGE | {"key": ("Code",), "exclude": ("strange",)},
        ),
        (facts(ID, UPDATED, primary=("secret", "id"), indexes=(on("secret", unique=True),)), {"mode": "full"}),
        (facts(ID, Column(f"updated_at{'é' * 64}", "datetime", "datetime"), UPDATED, touched=f"updated_at{'é' * 64}"), BY_CHANGE | {"exclude": (f"updated_at{'é' * 64}",)}),
        (facts(ID, UPDATED, Column("Ctid", "int", "int"), Column("_dwh_day", "date", "date")), BY_CHANGE | {"exclude": ("Ctid", "_dwh_day")}),
        (facts(ID, moment("post_author"), moment("post_modified"), moment("post_modified_gmt"), table="wp_posts"),
            {"mode": "incremental", "key": ("id",), "cursor": "post_modified_gmt", "cursor_timezone": "UTC"}),
        (facts(ID, moment("LastUpdate")), BY_CHANGE | {"cursor": "LastUpdate"}),
        (facts(ID, moment("order_updated_on"), table="orders"), BY_CHANGE | {"cursor": "order_updated_on"}),
        (facts(ID, moment("update_date", "date")), BY_CHANGE | {"cursor": "update_date"}),
        (facts(ID, moment("update_date", "date"), UPDATED, indexes=(on("update_date"),)), BY_CHANGE),
        (facts(ID, moment("password_changed_at"), moment("price_update_time")), WHOLE),
        (facts(ID, UPDATED, moment("deleted_at")), BY_CHANGE | {"soft_delete": "deleted_at"}),
        (facts(ID, UPDATED, Column("is_deleted", "tinyint", "tinyint(1)")), BY_CHANGE | {"soft_delete": "is_deleted"}),
        (facts(ID, UPDATED, Column("deleted_by", "int", "int"), Column("deleted", "text", "text")), BY_CHANGE),
        (facts(ID, moment("deleted_at"), moment("expires_at"), table="log", indexes=(on("deleted_at"), on("expires_at"))), WHOLE | {"soft_delete": "deleted_at"}),
    ],
)  # fmt: skip
def test_what_is_suggested(table: TableFacts, fields: dict[str, object]) -> None:
    assert suggest(table).fields == fields


INDEXED = (on("updated_at"),)
MAINTAINED = "updated_at created_at"
NO_INDEX = "cursor updated_at has no index: each day scans the whole table; add an index"
MAY_BE_NULL = "cursor {} may be NULL, and such rows come with the first day only: make it NOT NULL, or use mode full where new rows begin without it"
LEFT_OUT = "cursor {} is not set by MySQL itself: a row that is written without it is not seen; add {} CURRENT_TIMESTAMP where an application may leave it out"
SAME = "cursor updated_at is {} in rows that do not set it, and such rows come with the first day only: use mode full where there are any"
NEVER_CHANGE = "taken for rows that never change after created_at; use mode full where they do"
MADE = moment("created_at")


@pytest.mark.parametrize(
    ("table", "warnings"),
    [
        (facts(ID, UPDATED, indexes=INDEXED, touched=MAINTAINED), ()),
        (facts(ID, UPDATED, touched=MAINTAINED), (NO_INDEX,)),
        (facts(ID, UPDATED, touched=MAINTAINED, rows=10_001), (NO_INDEX,)),
        (facts(ID, UPDATED, touched=MAINTAINED, rows=6), ()),
        (facts(ID, moment("updated_at", nullable=True), indexes=INDEXED, touched=MAINTAINED, filled=MAINTAINED), (MAY_BE_NULL.format("updated_at"),)),
        (facts(ID, UPDATED, indexes=INDEXED), (LEFT_OUT.format("updated_at", "ON UPDATE"),)),
        (facts(ID, UPDATED, indexes=INDEXED, filled=MAINTAINED), (LEFT_OUT.format("updated_at", "ON UPDATE"),)),
        (facts(ID, UPDATED, indexes=INDEXED, touched=MAINTAINED, dated={"Updated_At": "0000-00-00 00:00:00"}), (SAME.format("0000-00-00 00:00:00"),)),
        (facts(ID, UPDATED, indexes=INDEXED, touched=MAINTAINED, dated={"other": "2000-01-01"}), ()),
        (
            facts(ID, moment("updated_at", nullable=True), dated={"updated_at": "2000-01-01 00:00:00"}),
            (NO_INDEX, MAY_BE_NULL.format("updated_at"), SAME.format("2000-01-01 00:00:00"), LEFT_OUT.format("updated_at", "ON UPDATE")),
        ),
        (facts(ID, MADE, table="log", indexes=(on("created_at"),), filled=MAINTAINED), (NEVER_CHANGE,)),
        (
            facts(ID, CREATED, table="log", indexes=(on("created_at"),)),
            (NEVER_CHANGE, MAY_BE_NULL.format("created_at"), LEFT_OUT.format("created_at", "DEFAULT")),
        ),
        (
            facts(ID, UPDATED, STRANGE, indexes=INDEXED, touched=MAINTAINED),
            ("column strange is left out: its type strange(3) is not known",),
        ),
        (facts(ID, rows=9_999_999), ()),
        (
            facts(ID, rows=50_000_000),
            ("about 50 million rows are read every day; add an indexed column that changes on update as its cursor",),
        ),
        (
            facts(ID, engine="MyISAM"),
            ("engine MyISAM keeps no snapshot: rows written while the table is read may be missed",),
        ),
    ],
)  # fmt: skip
def test_c02_what_is_warned_of(table: TableFacts, warnings: tuple[str, ...]) -> None:
    assert suggest(table).warnings == warnings


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (facts(ID, UPDATED), ""),
        (facts(ID), "copied whole: no column says when a row was last written"),
        (facts(ID, rows=10_001), "about 10,001 rows, copied whole: no column says when a row was last written"),
        (
            facts(ID, UPDATED, primary=()),
            "copied whole: updated_at says when a row was last written, but no key says which row it is",
        ),
        (
            facts(ID, CREATED, indexes=(on("created_at"),)),
            "copied whole: where rows never change, use mode append with cursor created_at",
        ),
        (
            facts(ID, Column("rev_timestamp", "binary", "binary(14)", length=14), Column("clock", "int", "int(11)")),
            "copied whole: a cursor must be a TIMESTAMP, DATETIME or DATE, unlike rev_timestamp (binary(14)), clock (int(11))",
        ),
    ],
)
def test_why_a_table_is_copied_whole(table: TableFacts, reason: str) -> None:
    assert suggest(table).reason == reason


ADDED = "  # first\n  # second\n  events:\n    mode: append\n    cursor: made_at\n  shops:\n    key: [area, id]\n"
HEAD = "timezone: UTC\nstart_date: 2024-01-01\n"


def add_two(path: Path) -> str:
    file = CatalogFile(path, start=date(2026, 1, 1))
    file.add(
        [
            Suggestion("events", {"mode": "append", "cursor": "made_at"}, ("first", "second")),
            Suggestion("shops", {"mode": "incremental", "key": ("area", "id"), "cursor": "update_date"}),
        ]
    )
    file.save()
    assert list(Catalog.load(path).tables)[-2:] == ["events", "shops"]
    assert file.tables[-2:] == ("events", "shops")
    return path.read_bytes().decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PACKAGED_CATALOG.read_text(encoding="utf-8"), ""),
        (PACKAGED_CATALOG.read_text(encoding="utf-8") + "    # chunk_rows: 9\n", "\n# the end\n"),
        (HEAD + "tables:\n  t:   {mode:  full}   # by hand\n", "\n\ndefaults: {cursor: update_date}\n"),
        (HEAD + "tables: # all of them\n", "defaults: {cursor: update_date}\n"),
    ],
)
def test_comments_and_edits_stay_as_they_are(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_text(before + after, encoding="utf-8")
    assert add_two(path) == before + ADDED + after


@pytest.mark.parametrize("tables", ["", "tables: {}\n", "tables: null\n", "tables:"])
def test_the_first_tables_of_a_file(tmp_path: Path, tables: str) -> None:
    path = tmp_path / "catalog.yaml"
    head = HEAD + "defaults: {cursor: update_date}\n"
    path.write_text(head + tables, encoding="utf-8")
    assert add_two(path) == head + "tables:\n" + ADDED


def test_indentation_and_line_ends_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    before = (HEAD + "defaults: {cursor: update_date}\ntables:\n    t:\n        mode: full").replace("\n", "\r\n")
    path.write_bytes(before.encode())
    added = "".join(f"  {line}\r\n" for line in ADDED.splitlines())
    assert add_two(path).replace("full\n", "full\r\n") == before + "\r\n" + added


def test_m13_a_file_that_cannot_be_added_to_is_not_touched_and_says_how_it_can(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    for text in (HEAD + "tables:\n  {}\n", HEAD + "tables:\n  ~\n"):
        path.write_text(text, encoding="utf-8")
        file = CatalogFile(path, start=date(2026, 1, 1))
        with pytest.raises(CatalogError, match="write `tables:` with a line for each table below it, or nothing"):
            file.add([Suggestion("t", {"mode": "full"})])
        assert path.read_text(encoding="utf-8") == text


def test_a_file_that_is_no_catalog_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    for text in ("- a\n", "tables: [a]\n", "a: [\n", "tables: {a: {mode: full}}\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CatalogError):
            CatalogFile(path, start=date(2026, 1, 1))
        assert path.read_text(encoding="utf-8") == text


@pytest.fixture
def shop(server: Server, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    values = {
        "HOST": server.host,
        "PORT": str(server.port),
        "USER": server.user,
        "PASSWORD": server.password,
        "TLS": "disabled",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"AURORA_{name}", value)
    monkeypatch.delenv("AURORA_DATABASE", raising=False)
    monkeypatch.delenv("AURORA_DWH_CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, "
            "changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, INDEX (changed)) "
            "COMMENT 'Orders'"
        )
        cursor.execute("CREATE TABLE `lines` (o INT, p INT, update_date DATETIME, PRIMARY KEY (o, p))")
        cursor.execute(
            "CREATE TABLE views (at_page INT, viewed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, INDEX (viewed_at))"
        )
        cursor.execute("SET sql_mode = ''")
        cursor.execute(
            "CREATE TABLE visits (id INT PRIMARY KEY, updated_at DATETIME NOT NULL DEFAULT '0000-00-00', "
            "INDEX (updated_at))"
        )
        cursor.execute("CREATE TABLE `my country` (code CHAR(2) NOT NULL, name TEXT, UNIQUE (code))")
        cursor.execute("CREATE VIEW a_view AS SELECT id FROM orders")
    return database


def test_c02_a_new_catalog_of_a_real_database(shop: str) -> None:
    result = CliRunner().invoke(app, ["discover", "--database", shop])
    assert result.exit_code == 0, result.stderr
    text = Path("catalog.yaml").read_text(encoding="utf-8")
    assert text.partition("\ntables:\n")[2] == (
        "  # a_view: {mode: full} # a view: take the # away to copy it, all of it each day\n"
        f"  # {MAY_BE_NULL.format('update_date')}\n"
        f"  # {LEFT_OUT.format('update_date', 'ON UPDATE')}\n"
        "  lines:\n    key: [o, p]\n    cursor: update_date\n"
        "  # copied whole: no column says when a row was last written\n"
        "  my country:\n    mode: full\n    key: code\n"
        "  orders:\n    key: id\n    cursor: changed\n    description: Orders\n"
        "  # taken for rows that never change after viewed_at; use mode full where they do\n"
        "  views:\n    mode: append\n    cursor: viewed_at\n"
        f"  # {SAME.format('0000-00-00 00:00:00')}\n"
        f"  # {LEFT_OUT.format('updated_at', 'ON UPDATE')}\n"
        "  visits:\n    key: id\n    cursor: updated_at\n"
    )
    assert result.stdout.splitlines()[-3:] == [
        "Views are offered as comments: a_view",
        "catalog.yaml: 5 added (3 incremental, 1 full, 1 append), 5 in all",
        "The catalog in use is the packaged one until you set AURORA_DWH_CATALOG=catalog.yaml",
    ]
    assert set(Catalog.load(Path("catalog.yaml")).tables) == {"lines", "my country", "orders", "views", "visits"}


def test_a_second_run_adds_only_what_is_new_and_tells_what_is_gone(shop: str, server: Server) -> None:
    CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"])
    before = Path("c.yaml").read_text(encoding="utf-8")
    edited = before.replace("key: id", "key: id # checked")
    Path("c.yaml").write_text(edited, encoding="utf-8")
    with server.connect(shop) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE views")
        cursor.execute("CREATE TABLE extra (id INT PRIMARY KEY)")
    result = CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml", "--json"])
    assert result.exit_code == 0, result.stderr
    reason = "copied whole: no column says when a row was last written"
    assert json.loads(result.stdout) == {
        "catalog": "c.yaml",
        "added": [
            {"table": "extra", "fields": {"mode": "full", "key": ["id"]}, "reason": reason, "warnings": []},
        ],
        "refused": {},
        "views": ["a_view"],
        "not_in_database": ["views"],
        "ignored": [],
        "tables": ["lines", "my country", "orders", "views", "visits", "extra"],
    }
    assert Path("c.yaml").read_text(encoding="utf-8").startswith(edited)


def test_what_the_file_ignores_is_not_added_again_and_is_counted(shop: str, server: Server) -> None:
    head = "timezone: UTC\nstart_date: 2024-01-01\n"
    Path("c.yaml").write_text(f"{head}ignore: [vi*, a_view]\ntables: {{}}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"])
    assert result.exit_code == 0, result.stderr
    assert "c.yaml: 3 added (2 incremental, 1 full), 3 ignored, 3 in all" in result.stdout
    assert "a_view" not in Path("c.yaml").read_text(encoding="utf-8").partition("tables:")[2]
    assert set(Catalog.load(Path("c.yaml")).tables) == {"lines", "my country", "orders"}
    found = json.loads(CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml", "--json"]).stdout)
    assert (found["added"], found["views"], found["ignored"]) == ([], [], ["views", "visits", "a_view"])
    with server.connect(shop) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE views")
    Path("c.yaml").write_text(f"{head}ignore: orders\ntables: {{}}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"])
    assert ", 1 ignored, " in result.stdout
    assert "orders" not in Catalog.load(Path("c.yaml")).tables


def test_only_tables_of_a_pattern_are_added_and_one_of_no_table_names_those_that_are_near(shop: str) -> None:
    command = ["discover", "--database", shop, "--output", "c.yaml", "--tables"]
    assert CliRunner().invoke(app, [*command, "vi*s"]).exit_code == 0
    assert set(Catalog.load(Path("c.yaml")).tables) == {"views", "visits"}
    before = Path("c.yaml").read_text(encoding="utf-8")
    result = CliRunner().invoke(app, [*command, "order"])
    assert result.exit_code == 2
    assert "'order' is no table of the database; did you mean orders?" in " ".join(
        result.stderr.replace("│", " ").split()
    )
    assert Path("c.yaml").read_text(encoding="utf-8") == before


def test_tables_whose_names_fall_together_or_are_too_long_get_names_of_their_own(shop: str, server: Server) -> None:
    long = "顧" * 45
    with server.connect(shop) as connection, connection.cursor() as cursor:
        for name in ("Orders", "ORDERS", long):
            cursor.execute(f"CREATE TABLE `{name}` (id INT PRIMARY KEY)")
    assert CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"]).exit_code == 0
    tables = Catalog.load(Path("c.yaml")).tables
    assert {tables[name].target for name in ("orders", "Orders", "ORDERS")} == {"orders", "orders_2", "orders_3"}
    assert tables[long].target == "顧" * 42
    with server.connect(shop) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE oRDERS (id INT PRIMARY KEY)")
    assert CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"]).exit_code == 0
    assert Catalog.load(Path("c.yaml")).tables["oRDERS"].target == "orders_4"


def test_m13_a_table_that_would_be_a_temporary_one_in_redshift_gets_another_name(shop: str, server: Server) -> None:
    with server.connect(shop) as connection, connection.cursor() as cursor:
        for name in ("#orders", "_orders", "#"):
            cursor.execute(f"CREATE TABLE `{name}` (id INT PRIMARY KEY)")
    assert CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"]).exit_code == 0
    tables = Catalog.load(Path("c.yaml")).tables
    assert {name: tables[name].target for name in ("#", "#orders", "_orders")} == {
        "#": "_",
        "#orders": "_orders",
        "_orders": "_orders_2",
    }


ZONE = (
    "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (1, 'N')",
    "INSERT INTO mysql.time_zone_name VALUES ('Asia/Tokyo', 1)",
    "INSERT INTO mysql.time_zone_transition_type VALUES (1, 0, 32400, 0, 'JST')",
    "SET GLOBAL time_zone = 'Asia/Tokyo'",
)


def test_a_new_catalogs_zone_is_the_servers_where_it_has_a_name(shop: str, server: Server) -> None:
    with server.connect(shop) as connection, connection.cursor() as cursor:
        try:
            for statement in ZONE:
                cursor.execute(statement)
            assert CliRunner().invoke(app, ["discover", "--database", shop, "--output", "c.yaml"]).exit_code == 0
        finally:
            cursor.execute("SET GLOBAL time_zone = 'SYSTEM'")
    assert Catalog.load(Path("c.yaml")).timezone == "Asia/Tokyo"
