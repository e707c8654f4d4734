"""A mart's file: its header, its query, what it reads, and its query as it is sent."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from aurora_dwh.catalog.model import PACKAGED_CATALOG, marts_folder
from aurora_dwh.warehouse.marts.checks import sum_query
from aurora_dwh.warehouse.marts.lineage import column_origins, lineage_list
from aurora_dwh.warehouse.marts.model import Mart, MartError, read_mart, read_marts, render

BI = marts_folder(PACKAGED_CATALOG)
HEAD = "materialization: table\ndescription: What\ngrain: [a]\n"
SAME = {"staging": "staging", "bi": "bi"}
DAYS = (date(2024, 1, 5), date(2024, 1, 8))


def mart(tmp_path: Path, query: str, header: str = HEAD, name: str = "sales") -> Mart:
    path = tmp_path / f"{name}.sql"
    path.write_text(f"/*\n{dedent(header)}*/\n{query}", encoding="utf-8")
    return read_mart(path)


def test_a_file_is_header_and_query(tmp_path: Path) -> None:
    header = """\
        materialization: incremental
        description: |
          First line.
          Sécond: line
        grain: [day, path]
        day_column: day
        dist_key: path
        sort_key: [day, path]
        owners: ["team:data"]
        sums: {visits: staging.v.visits}
        columns: {day: DATE}
        descriptions: {path: "What was asked for, without the host"}
    """
    query = "SELECT day, path FROM staging.v WHERE day >= :first_day AND day < :end_day -- a comment"
    found = mart(tmp_path, query + ";\n\n", header)
    assert (found.name, found.query) == ("sales", query)
    assert found.header.model_dump() == {
        "materialization": "incremental",
        "description": "First line.\nSécond: line\n",
        "grain": ("day", "path"),
        "day_column": "day",
        "dist_key": "path",
        "sort_key": ("day", "path"),
        "owners": ("team:data",),
        "sums": {"visits": "staging.v.visits"},
        "columns": {"day": "DATE"},
        "descriptions": {"path": "What was asked for, without the host"},
    }
    assert found.file == tmp_path / "sales.sql"


def test_c20_a_name_that_redshift_would_cut_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    assert mart(tmp_path, "SELECT 1", name="売" * 42).name == "売" * 42
    with pytest.raises(MartError, match="Redshift cuts names at 127 bytes; give the file a shorter name"):
        mart(tmp_path, "SELECT 1", name="売" * 43)


@pytest.mark.parametrize(
    ("query", "inputs"),
    [
        ("SELECT 1", ()),
        ("SELECT a FROM staging.b, bi.c", (("bi", "c"), ("staging", "b"))),
        ("SELECT a FROM staging.b AS x JOIN staging.b AS y ON x.a = y.a", (("staging", "b"),)),
        ("WITH w AS (SELECT a FROM staging.b) SELECT a FROM w", (("staging", "b"),)),
        ("SELECT a FROM (SELECT a FROM staging.b UNION SELECT a FROM bi.c)", (("bi", "c"), ("staging", "b"))),
        ("SELECT a FROM staging.b WHERE a IN (SELECT a FROM bi.d)", (("bi", "d"), ("staging", "b"))),
        ('SELECT a FROM staging."Order"', (("staging", "Order"),)),
        ("SELECT 'FROM staging.x' /* staging.y */ FROM staging.b -- staging.z", (("staging", "b"),)),
        ("SELECT DATEDIFF(day, a, b), LISTAGG(c, ',') WITHIN GROUP (ORDER BY c) FROM staging.b", (("staging", "b"),)),
        ("SELECT a FROM staging.b QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1", (("staging", "b"),)),
    ],
)  # fmt: skip
def test_what_a_query_reads_is_found_in_its_text(tmp_path: Path, query: str, inputs: object) -> None:
    assert mart(tmp_path, query).inputs == inputs


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1", "must open with a /* header */"),
        ("/* materialization: [ */ SELECT 1", "header:"),
        ("/* materialization: table */ SELECT 1", "Field required"),
        ("/*\nmaterialization: tabel\ndescription: x\ngrain: [a]\n*/ SELECT 1", "Input should be 'table', 'view'"),
        (f"/*\n{HEAD}colour: red\n*/ SELECT 1", "Extra inputs are not permitted"),
        (f"/*\n{HEAD}*/ SELECT FROM WHERE", "sales.sql"),
        (f"/*\n{HEAD}*/ SELECT a FROM b, c", "name the schema of b, c"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "sales.sql"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MartError) as caught:
        read_mart(path)
    assert str(caught.value).startswith("sales.sql: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("column", "query"),
    [
        ("", "SELECT a FROM staging.b WHERE a >= :first_day AND a < :end_day"),
        ("day_column: a\n", "SELECT a FROM staging.b"),
        ("day_column: a\n", "SELECT a FROM staging.b WHERE a >= :first_day"),
        ("day_column: a\n", "SELECT a::first_day, a::end_day FROM staging.b"),
    ],
)
def test_an_incremental_mart_says_which_days_it_computes(tmp_path: Path, column: str, query: str) -> None:
    with pytest.raises(MartError, match="needs `day_column`, and :first_day and :end_day in its query"):
        mart(tmp_path, query, HEAD.replace("table", "incremental") + column)


@pytest.mark.parametrize(
    ("query", "rendered"),
    [
        ("SELECT staging.a.b FROM staging.a", 'SELECT "raw".a.b FROM "raw".a'),
        ('SELECT b FROM staging."Order"', 'SELECT b FROM "raw"."Order"'),
        ("SELECT x FROM bi.m JOIN staging.a", 'SELECT x FROM "reports".m JOIN "raw".a'),
        ("SELECT my_staging.a, x.staging.b FROM my_staging", "SELECT my_staging.a, x.staging.b FROM my_staging"),
    ],
)
def test_schemas_are_named_as_in_this_warehouse(query: str, rendered: str) -> None:
    assert render(query, {"staging": "raw", "bi": "reports"}, None) == rendered
    assert render(query, SAME, None) == query


@pytest.mark.parametrize(
    ("sums", "complaint"),
    [
        ("b: staging.b", "sums: b: 'staging.b' is neither `schema.table.column` nor a SELECT of one number"),
        ("b: staging.c.b", "sums: b: the mart does not read staging.c"),
        ("b: SELECT SUM(c.b) FROM staging.b JOIN staging.c", "sums: b: the mart does not read staging.c"),
        ("b: SELECT SUM(b) FROM", "Expected table name"),
    ],
)
def test_sums_are_compared_with_what_the_mart_reads(tmp_path: Path, sums: str, complaint: str) -> None:
    with pytest.raises(MartError) as caught:
        mart(tmp_path, "SELECT a, b FROM staging.b", f"{HEAD}sums:\n  {sums}\n")
    assert str(caught.value).startswith("sales.sql: ")
    assert complaint in str(caught.value)


def test_the_sums_of_an_incremental_mart_are_those_of_its_days(tmp_path: Path) -> None:
    header = HEAD.replace("table", "incremental") + "day_column: a\nsums:\n  "
    query = "SELECT a, b FROM staging.b WHERE a >= :first_day AND a < :end_day"
    assert mart(tmp_path, query, f"{header}b: staging.b.b\n").header.sums == {"b": "staging.b.b"}
    with pytest.raises(MartError, match="sums: b: the SELECT needs :first_day and :end_day, as the mart's query"):
        mart(tmp_path, query, f"{header}b: SELECT SUM(b) FROM staging.b\n")


def test_a_column_to_compare_with_becomes_its_sum() -> None:
    assert sum_query(" staging.b.c ", by_day=False) == "SELECT SUM(c) FROM staging.b"
    assert sum_query("staging.b.c", by_day=True) == (
        "SELECT SUM(c) FROM staging.b WHERE _dwh_day >= :first_day AND _dwh_day < :end_day"
    )
    assert sum_query("SELECT 1\n", by_day=True) == "SELECT 1"


ORIGINS = [
    ("SELECT a FROM staging.b", [("a", ("staging.b.a",), "")]),
    ("SELECT x.a AS c, 1 AS d FROM staging.b AS x", [("c", ("staging.b.a",), ""), ("d", (), "1")]),
    (
        "WITH w AS (SELECT a * r AS n FROM staging.b) SELECT SUM(w.n) AS total FROM w",
        [("total", ("staging.b.a", "staging.b.r"), "SUM(w.n)")],
    ),
    (
        "SELECT x.a FROM staging.b AS x UNION ALL SELECT y.c FROM bi.d AS y",
        [("a", ("bi.d.c", "staging.b.a"), "x.a")],
    ),
    ("SELECT COUNT(*) AS n FROM staging.b", [("n", (), "COUNT(*)")]),
    ("SELECT * FROM staging.b", []),
    ("SELECT a FROM staging.b, staging.c", [("a", (), "a")]),  # whose it is, only the server knows
]


@pytest.mark.parametrize(("query", "origins"), ORIGINS)
def test_where_a_column_comes_from_is_found_in_the_query(tmp_path: Path, query: str, origins: object) -> None:
    found = column_origins(mart(tmp_path, query))
    assert [(o.name, o.sources, o.expression) for o in found] == origins


def test_p20_the_lineage_is_a_list_of_markdown(tmp_path: Path) -> None:
    found = column_origins(mart(tmp_path, 'SELECT a || r AS "a|`r", a, COUNT(*) AS n FROM staging.b'))
    assert lineage_list(found) == (
        "- `` a|`r ``: from `staging.b.a`, `staging.b.r`, as `b.a || b.r`\n"
        "- `a`: from `staging.b.a`\n"
        "- `n`: as `COUNT(*)`"
    )


def test_schemas_whose_names_are_swapped_are_not_swapped_back() -> None:
    assert render("FROM staging.a, bi.b", {"staging": "bi", "bi": "staging"}, None) == 'FROM "bi".a, "staging".b'


def test_days_become_typed_literals_and_casts_stay_casts() -> None:
    query = "SELECT a::date, ':first_days' WHERE d >= :first_day AND d < :end_day AND :first_day < :end_day"
    assert render(query, SAME, DAYS) == (
        "SELECT a::date, ':first_days' WHERE d >= DATE '2024-01-05' AND d < DATE '2024-01-08' "
        "AND DATE '2024-01-05' < DATE '2024-01-08'"
    )


def test_the_shops_marts_read_the_tables_that_they_should() -> None:
    marts = {m.name: m for m in read_marts(BI)}
    shop = ("order_details_master", "orders_master", "products_master")
    lines = tuple(("staging", name) for name in shop)
    assert {name: m.inputs for name, m in marts.items()} == {
        "daily_page_views": (("staging", "page_view"),),
        "daily_sales": lines,
        "order_detail": lines,
        "order_fulfilment": (("staging", "orders_master"),),
        "stock_cover": lines,
    }
    assert {name: m.header.materialization for name, m in marts.items()} == {
        "daily_page_views": "incremental",
        "daily_sales": "table",
        "order_detail": "view",
        "order_fulfilment": "table",
        "stock_cover": "table",
    }


def test_the_incremental_mart_is_sent_with_the_days_of_the_run() -> None:
    assert render(read_mart(BI / "daily_page_views.sql").query, SAME, DAYS) == (
        "SELECT\n"
        "  _dwh_day AS view_day,\n"
        "  path,\n"
        "  COUNT(*) AS views,\n"
        "  COUNT(DISTINCT session_id) AS visits\n"
        "FROM staging.page_view\n"
        "WHERE _dwh_day >= DATE '2024-01-05'\n"
        "  AND _dwh_day < DATE '2024-01-08'\n"
        "GROUP BY 1, 2"
    )
