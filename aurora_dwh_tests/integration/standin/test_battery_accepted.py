"""What Redshift accepts and a mart may say: each row a statement, the rows it must give, and where that is written.

Sources are pages of the Amazon Redshift Developer Guide (without ``.html``). The values are those of the page wherever it
has an example that fits.
"""
# ruff: noqa: DTZ001, E501 - a TIMESTAMP has no zone; a row is a line

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.integration.standin.conftest import Session
from aurora_dwh_tests.services import empty_database

Row = tuple[str, list[tuple[Any, ...]], str]

# fmt: off - one row a line
SETUP = (
    "CREATE TABLE staff (id int, name varchar(20), dept varchar(10), salary decimal(10,2), hired date, seen timestamp, active boolean)",
    "INSERT INTO staff VALUES (1, 'ann', 'x', 10, '2024-01-31', '2024-01-31 10:00', true), (2, 'bob', 'x', 20, '2024-02-29', '2024-02-29 11:00', false), (3, 'cat', 'y', NULL, '2024-03-15', '2024-03-15 12:00', NULL), (4, NULL, 'y', 40, NULL, NULL, true)",
    "CREATE TABLE document (id int, d super)",
    'INSERT INTO document SELECT 1, JSON_PARSE(\'{"a":{"b":[10,20,{"c":"x"}]},"n":5,"name":"Jane","Mixed":1,"yes":true,"items":[{"sku":"p","q":2},{"sku":"q","q":3}]}\')',
    'INSERT INTO document SELECT 2, JSON_PARSE(\'{"n":7,"items":[]}\')',
    "CREATE TABLE part (partname varchar, manufacturer varchar, quality int, price decimal(12,2))",
    "INSERT INTO part VALUES ('prop', 'local parts co', 2, 10.00), ('prop', 'big parts co', NULL, 9.00), ('prop', 'small parts co', 1, 12.00), ('rudder', 'local parts co', 1, 2.50), ('rudder', 'big parts co', 2, 3.75), ('rudder', 'small parts co', NULL, 1.90), ('wing', 'local parts co', NULL, 7.50), ('wing', 'big parts co', 1, 15.20), ('wing', 'small parts co', NULL, 11.80)",
    "CREATE TABLE count_by_color (quality varchar, red int, green int, blue int)",
    "INSERT INTO count_by_color VALUES ('high', 15, 20, 7), ('normal', 35, NULL, 40), ('low', 10, 23, NULL)",
    "CREATE VIEW late_document AS SELECT id, d.n AS n, d.items[0].sku AS first FROM public.document WITH NO SCHEMA BINDING",
)

LATERAL: list[Row] = [
    (
        "SELECT id, salary * 2 AS twice, twice + 1 AS more FROM staff WHERE id < 3 ORDER BY id",
        [(1, Decimal("20.00"), Decimal("21.00")), (2, Decimal("40.00"), Decimal("41.00"))],
        "r_SELECT_list",
    ),
    ("SELECT x.p AS p, p + 1 AS q FROM (SELECT 5 AS p) x", [(5, 6)], "r_SELECT_list"),
    ("SELECT x.p * 10 AS p, p + 1 AS q FROM (SELECT 5 AS p) x", [(50, 6)], "r_SELECT_list: FROM's column comes first"),
    ("SELECT 1 AS a, a + 1 AS b, b * 10 AS c", [(1, 2, 20)], "r_SELECT_list"),
    ("SELECT 1 a, a + 1 b", [(1, 2)], "r_SELECT_list: AS is optional"),
    (
        "WITH a AS (SELECT 1 AS i), b AS (SELECT i AS j, j + 1 AS k FROM a) SELECT k AS kk, kk * 2 AS z FROM b",
        [(2, 4)],
        "r_SELECT_list",
    ),
    (
        "SELECT dept AS k, COUNT(*) AS n, n * 2 AS twice FROM staff GROUP BY k ORDER BY k",
        [("x", 2, 4), ("y", 2, 4)],
        "r_SELECT_list",
    ),
    (
        "SELECT SUM(salary) AS total, COUNT(salary) AS n, (total / n)::int AS mean FROM staff",
        [(Decimal("70.00"), 3, 23)],
        "r_SELECT_list",
    ),
    ("SELECT DISTINCT dept AS k, k || '!' AS kk FROM staff ORDER BY kk", [("x", "x!"), ("y", "y!")], "r_SELECT_list"),
    ("SELECT TOP 1 id AS k, k + 1 AS kk FROM staff ORDER BY id DESC", [(4, 5)], "r_SELECT_list"),
    (
        "SELECT id AS k, k * 2 AS kk FROM staff s QUALIFY ROW_NUMBER() OVER (ORDER BY id) = 2",
        [(2, 4)],
        "r_QUALIFY_clause",
    ),
    (
        "SELECT hired AS day, EXTRACT(day FROM hired)::int AS n, day + n AS later FROM staff WHERE id = 1",
        [(date(2024, 1, 31), 31, date(2024, 3, 2))],
        "r_SELECT_list: a part of a date is no alias",
    ),
    (
        "SELECT id AS k, (SELECT MAX(k) FROM (SELECT 9 AS k) x) AS inner_k FROM staff WHERE id = 1",
        [(1, 9)],
        "r_SELECT_list: a subquery has its own names",
    ),
    ("SELECT id AS i, i + 1 AS j, n FROM late_document ORDER BY 1", [(1, 2, "5"), (2, 3, "7")], "r_CREATE_VIEW"),
    ("SELECT CASE dept WHEN 'x' THEN 1 ELSE 0 END AS f, f + 1 AS g FROM staff WHERE id = 1", [(1, 2)], "r_SELECT_list"),
    (
        "SELECT LISTAGG(name, ',') WITHIN GROUP (ORDER BY id) AS names, names || '!' AS loud FROM staff",
        [("ann,bob,cat", "ann,bob,cat!")],
        "r_SELECT_list",
    ),
    (
        "SELECT CASE WHEN id = 1 THEN 'a' END AS c, c || 'b' AS cb FROM staff WHERE id = 1",
        [("a", "ab")],
        "r_SELECT_list",
    ),
    (
        "SELECT id, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY id) AS rn, CASE WHEN rn = 1 THEN 'first' ELSE 'later' END AS which FROM staff ORDER BY id",
        [(1, 1, "first"), (2, 2, "later"), (3, 1, "first"), (4, 2, "later")],
        "r_SELECT_list",
    ),
    (
        "SELECT hired AS date, date + 1 AS next, CAST('2024-01-01' AS date) AS first FROM staff WHERE id = 1",
        [(date(2024, 1, 31), date(2024, 2, 1), date(2024, 1, 1))],
        "r_SELECT_list: a type is no alias",
    ),
    (
        "SELECT TRUNC(DATE_TRUNC('month', seen)) AS month, DATEADD(month, 1, month) AS later FROM staff WHERE id = 1",
        [(date(2024, 1, 1), datetime(2024, 2, 1))],
        "r_SELECT_list: a part of a date is no alias",
    ),
    (
        "SELECT id AS a, a + 1 AS b FROM staff UNION ALL SELECT id AS c, c + 2 AS d FROM staff ORDER BY 1, 2 LIMIT 2",
        [(1, 2), (1, 3)],
        "r_SELECT_list",
    ),
]

CONVERSIONS: list[Row] = [
    ("SELECT LEFT(20240105, 4), LEN(123), REPLACE(101, '0', '-')", [("2024", 3, "1-1")], "r_Type_conversion"),
    ("SELECT 1 || 2, 1.5 || 'x', 'x' || id FROM staff WHERE id = 1", [("12", "1.5x", "x1")], "r_concat_op"),
    (
        "SELECT SUBSTRING(hired, 1, 7), SPLIT_PART(seen, ' ', 2) FROM staff WHERE id = 1",
        [("2024-01", "10:00:00")],
        "r_Type_conversion",
    ),
    ("SELECT id FROM staff WHERE hired LIKE '2024-02%'", [(2,)], "r_Type_conversion: predicates such as LIKE"),
    (
        "SELECT COUNT(*) FROM (SELECT '5'::varchar AS v) x WHERE v = 5 AND v <> 05.0",
        [(1,)],
        "r_Type_conversion: compared with a string, a number is converted to a string",
    ),
    (
        "SELECT LPAD(id, 3, '0'), UPPER(hired), TRIM(id), MD5(1) = MD5('1') FROM staff WHERE id = 1",
        [("001", "2024-01-31", "1", True)],
        "r_Type_conversion",
    ),
    ("SELECT LISTAGG(id, ',') WITHIN GROUP (ORDER BY id) FROM staff", [("1,2,3,4",)], "r_LISTAGG"),
    ("SELECT CAST(5 AS VARBYTE), 258::smallint::varbyte", [("00000005", "0102")], "r_VARBYTE_type"),
    (
        "SELECT '2024-01-01'::datetime, CAST('2024-01-02 03:04' AS DATETIME)",
        [(datetime(2024, 1, 1, 0, 0), datetime(2024, 1, 2, 3, 4))],
        "c_Supported_data_types",
    ),
    (
        "SELECT TRY_CAST('x' AS int), TRY_CAST('5' AS int), TRY_CAST(name AS date) FROM staff WHERE id = 1",
        [(None, 5, None)],
        "r_TRY_CAST",
    ),
]

WINDOWS: list[Row] = [
    (
        "SELECT id, LAST_VALUE(salary IGNORE NULLS) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)::int FROM staff ORDER BY id",
        [(1, 10), (2, 20), (3, 20), (4, 40)],
        "r_WF_first_value",
    ),
    (
        "SELECT id, FIRST_VALUE(salary) IGNORE NULLS OVER (PARTITION BY dept ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)::int FROM staff ORDER BY id",
        [(1, 10), (2, 10), (3, 40), (4, 40)],
        "r_WF_first_value",
    ),
    (
        "SELECT id, LAG(salary, 1) IGNORE NULLS OVER (ORDER BY id)::int, LAG(salary) OVER (ORDER BY id)::int FROM staff ORDER BY id",
        [(1, None, None), (2, 10, 10), (3, 20, 20), (4, 20, None)],
        "r_WF_LAG",
    ),
    (
        "SELECT id, LAG(salary, 2) IGNORE NULLS OVER (ORDER BY id)::int, LEAD(salary) IGNORE NULLS OVER (ORDER BY id)::int, LEAD(salary, 2) RESPECT NULLS OVER (ORDER BY id)::int, LEAD(salary, 2) IGNORE NULLS OVER (ORDER BY id)::int FROM staff ORDER BY id",
        [(1, None, 20, None, 40), (2, None, 40, 40, None), (3, 10, 40, None, None), (4, 10, None, None, None)],
        "r_WF_LEAD",
    ),
    (
        "SELECT id, NTH_VALUE(salary, 3) IGNORE NULLS OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)::int FROM staff WHERE id = 1 OR id > 1 ORDER BY id LIMIT 1",
        [(1, 40)],
        "r_WF_NTH",
    ),
    (
        "SELECT id, LISTAGG(name, ',') WITHIN GROUP (ORDER BY id DESC) OVER (PARTITION BY dept) FROM staff ORDER BY id",
        [(1, "bob,ann"), (2, "bob,ann"), (3, "cat"), (4, "cat")],
        "r_WF_LISTAGG",
    ),
    (
        "SELECT DISTINCT LISTAGG(DISTINCT dept, '|') WITHIN GROUP (ORDER BY dept DESC) OVER () FROM staff",
        [("y|x",)],
        "r_WF_LISTAGG",
    ),
    (
        "SELECT id, PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY salary) OVER (PARTITION BY dept) FROM staff ORDER BY id",
        [(1, 15.0), (2, 15.0), (3, 40.0), (4, 40.0)],
        "r_WF_PERCENTILE_CONT",
    ),
    (
        "SELECT id, PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY salary DESC) OVER ()::int FROM staff ORDER BY id LIMIT 1",
        [(1, 20)],
        "r_WF_PERCENTILE_DISC",
    ),
    (
        "SELECT DISTINCT dept, MEDIAN(salary) OVER (PARTITION BY dept) FROM staff ORDER BY 1",
        [("x", Decimal("15")), ("y", Decimal("40"))],
        "r_WF_MEDIAN",
    ),
    (
        "SELECT NTILE(2) OVER (ORDER BY id), DENSE_RANK() OVER (ORDER BY dept) FROM staff ORDER BY id",
        [(1, 1), (1, 1), (2, 2), (2, 2)],
        "r_WF_NTILE",
    ),
    ("SELECT id, RATIO_TO_REPORT(id) OVER () FROM staff ORDER BY id LIMIT 1", [(1, 0.1)], "r_WF_RATIO_TO_REPORT"),
]

PIVOTS: list[Row] = [
    (
        "SELECT prop::decimal(10,2), wing::decimal(10,2) FROM (SELECT partname, price FROM part) PIVOT (AVG(price) FOR partname IN ('prop', 'rudder', 'wing'))",
        [(Decimal("10.33"), Decimal("11.50"))],
        "r_FROM_clause-pivot-unpivot-examples",
    ),
    (
        "SELECT * FROM (SELECT quality, manufacturer FROM part) PIVOT (count(*) FOR quality IN (1, 2, NULL)) ORDER BY 1",
        [("big parts co", 1, 1, 1), ("local parts co", 1, 1, 1), ("small parts co", 1, 0, 2)],
        "r_FROM_clause-pivot-unpivot-examples",
    ),
    (
        "SELECT manufacturer, high_count, low_count, na_count FROM (SELECT quality, manufacturer FROM part) PIVOT (count(*) AS count FOR quality IN (1 AS high, 2 AS low, NULL AS na)) ORDER BY 1",
        [("big parts co", 1, 1, 1), ("local parts co", 1, 1, 1), ("small parts co", 1, 0, 2)],
        "r_FROM_clause-pivot-unpivot-examples",
    ),
    (
        "WITH c AS (SELECT partname, price FROM part) SELECT p.prop FROM c PIVOT (MAX(price) FOR partname IN ('prop')) AS p",
        [(Decimal("12.00"),)],
        "r_FROM_clause-pivot-unpivot-examples: PIVOT of a CTE",
    ),
    (
        "SELECT * FROM part PIVOT (SUM(price) FOR partname IN ('prop' AS p, 'wing' AS w)) WHERE quality = 1 ORDER BY 1",
        [
            ("big parts co", 1, None, Decimal("15.20")),
            ("local parts co", 1, None, None),
            ("small parts co", 1, Decimal("12.00"), None),
        ],
        "r_FROM_clause-pivot-unpivot-examples: PIVOT of a table",
    ),
    (
        "SELECT * FROM late_document PIVOT (COUNT(first) FOR id IN (1, 2)) ORDER BY 1",
        [("5", 1, 0), ("7", 0, 0)],
        "r_FROM_clause-pivot-unpivot-examples: PIVOT of a view",
    ),
    (
        "SELECT * FROM count_by_color UNPIVOT (cnt FOR color IN (red AS r, green, blue)) ORDER BY quality, color",
        [
            ("high", "blue", 7),
            ("high", "green", 20),
            ("high", "r", 15),
            ("low", "green", 23),
            ("low", "r", 10),
            ("normal", "blue", 40),
            ("normal", "r", 35),
        ],
        "r_FROM_clause-pivot-unpivot-examples",
    ),
    (
        "SELECT u.color, COUNT(*) FROM (SELECT red, green FROM count_by_color) UNPIVOT INCLUDE NULLS (cnt FOR color IN (red, green)) u GROUP BY 1 ORDER BY 1",
        [("green", 3), ("red", 3)],
        "r_FROM_clause-pivot-unpivot-examples",
    ),
]

DOCUMENTS: list[Row] = [
    (
        "SELECT d.n, document.d.name, d.a.b[0], d.nothing.there FROM document ORDER BY id",
        [("5", '"Jane"', "10", None), ("7", None, None, None)],
        "query-super: navigation, lax",
    ),
    ("SELECT t.d.a.b[2].c FROM document AS t WHERE t.d.a.b[0] = 10", [('"x"',)], "query-super: navigation"),
    (
        "SELECT public.document.d.n FROM public.document WHERE public.document.id = 2",
        [("7",)],
        "query-super: navigation",
    ),
    (
        "SELECT d.n::int + 1, d.name::varchar, d.name::int, d.items::varchar FROM document ORDER BY id",
        [(6, "Jane", None, None), (8, None, None, None)],
        "query-super: lax semantics; limitations-super",
    ),
    (
        "SELECT id FROM document WHERE d.name = 'Jane' AND d.n > 4.5 AND d.yes = true AND 'Jane' = d.name AND d.name IN ('Joe', 'Jane')",
        [(1,)],
        "query-super: dynamic typing",
    ),
    (
        "SELECT id, d.name = 5, d.name <= 5 FROM document WHERE id = 1",
        [(1, False, None)],
        "query-super: dynamic and static typing",
    ),
    (
        "SELECT t.id, o FROM document t, t.d.items o ORDER BY 1, 2",
        [(1, '{"sku":"p","q":2}'), (1, '{"sku":"q","q":3}')],
        "query-super: unnesting",
    ),
    (
        "SELECT o.sku, i FROM document t, t.d.items AS o AT i ORDER BY i",
        [('"p"', 0), ('"q"', 1)],
        "query-super: unnesting, AT",
    ),
    (
        "SELECT t.id, o.q FROM document t LEFT JOIN t.d.items AS o ON true ORDER BY 1, 2",
        [(1, "2"), (1, "3"), (2, None)],
        "query-super: unnesting",
    ),
    (
        "SELECT * FROM (SELECT id, d.items AS d FROM document) t, t.d AS o WHERE o.q = 3",
        [(1, '[{"sku":"p","q":2},{"sku":"q","q":3}]', '{"sku":"q","q":3}')],
        "query-super: unnesting",
    ),
    (
        "SELECT array, element FROM (SELECT JSON_PARSE('[[1.1,1.2],[2.1,2.2]]') AS m) AS f, f.m AS array, array AS element",
        [("[1.1,1.2]", "1.1"), ("[1.1,1.2]", "1.2"), ("[2.1,2.2]", "2.1"), ("[2.1,2.2]", "2.2")],
        "query-super: unnesting",
    ),
    (
        "SELECT id, (SELECT COUNT(*) FROM t.d.items) FROM document t ORDER BY id",
        [(1, 2), (2, 0)],
        "query-super: unnesting in a subquery",
    ),
    (
        "SELECT attr, val FROM document t, UNPIVOT t.d AS val AT attr WHERE t.id = 2 ORDER BY attr",
        [("items", "[]"), ("n", "7")],
        "query-super: object unpivoting",
    ),
    (
        "SELECT u.item.sku FROM document t, UNNEST(t.d.items) AS u(item) ORDER BY 1",
        [('"p"',), ('"q"',)],
        "r_FROM_clause-unnest-examples",
    ),
    (
        "SELECT pos, item FROM document t, UNNEST(t.d.a.b) WITH OFFSET AS u(item, pos) ORDER BY pos",
        [(0, "10"), (1, "20"), (2, '{"c":"x"}')],
        "r_FROM_clause-unnest-examples",
    ),
    (
        "SELECT SUM(o.q), SUM(o.q * 10), MAX(o.sku), AVG(o.q::int) >= 2 FROM document t, t.d.items o",
        [("5", "50", '"q"', True)],
        "r_SUM, r_MAX: SUPER",
    ),
    (
        "SELECT d.n, COUNT(*) FROM document GROUP BY d.n ORDER BY d.n DESC",
        [("7", 1), ("5", 1)],
        "query-super: GROUP BY and ORDER BY",
    ),
    ("SELECT a.id FROM document a JOIN document b ON a.d.n = b.d.n ORDER BY 1", [(1,), (2,)], "query-super: joins"),
    (
        "SELECT v FROM (SELECT ARRAY(1, 'abc', null) AS v UNION ALL SELECT 1::super UNION ALL SELECT 'AWS'::super UNION ALL SELECT -2.5::super UNION ALL SELECT 10::super UNION ALL SELECT true::super UNION ALL SELECT OBJECT()) x ORDER BY v",
        [("true",), ("-2.5",), ("1",), ("10",), ('"AWS"',), ('[1,"abc",null]',), ("{}",)],
        "query-super: order by",
    ),
    (
        "SELECT COUNT(DISTINCT v) FROM (SELECT 1.0::super AS v UNION ALL SELECT 1::super) x",
        [(1,)],
        "query-super: dynamic typing",
    ),
    (
        "SELECT 5::super::bool, 5.0::super::bool, 'a'::super, CAST('b' AS SUPER)",
        [(True, None, '"a"', '"b"')],
        "limitations-super",
    ),
    (
        "SELECT ARRAY(), ARRAY(1,50,null,100), ARRAY(1,'abc',true,3.14)",
        [("[]", "[1,50,null,100]", '[1,"abc",true,3.14]')],
        "r_array",
    ),
    (
        "SELECT OBJECT(), OBJECT('a', 1, 'b', true, 'c', 3.14), OBJECT('a', OBJECT('aa', 1), 'b', ARRAY(2,3), 'c', JSON_PARSE('{}'))",
        [("{}", '{"a":1,"b":true,"c":3.14}', '{"a":{"aa":1},"b":[2,3],"c":{}}')],
        "r_object_function",
    ),
    (
        "SELECT ARRAY_CONCAT(ARRAY(10001,10002), ARRAY('ab','cd')), GET_ARRAY_LENGTH(ARRAY(1,2))",
        [('[10001,10002,"ab","cd"]', 2)],
        "r_array_concat",
    ),
    (
        "SELECT ARRAY_FLATTEN(ARRAY(ARRAY(1,2,3,4),ARRAY(5,6,7,8),ARRAY(9,10)))",
        [("[1,2,3,4,5,6,7,8,9,10]",)],
        "array_flatten",
    ),
    (
        "SELECT SUBARRAY(ARRAY('a','b','c','d','e','f'), 2, 3), SPLIT_TO_ARRAY('12|345|6789', '|')",
        [('["c","d","e"]', '["12","345","6789"]')],
        "r_subarray, split_to_array",
    ),
    (
        "SELECT JSON_TYPEOF(d.items), IS_ARRAY(d.items), IS_OBJECT(d), IS_SCALAR(d.name), IS_VARCHAR(d.name), IS_CHAR(d.name) FROM document WHERE id = 1",
        [("array", True, True, True, True, True)],
        "r_json_typeof, r_is_array",
    ),
    (
        "SELECT IS_SMALLINT(d.n), IS_INTEGER(d.n), IS_BIGINT(40000000000::super), IS_INTEGER(40000000000::super), IS_DECIMAL(1.22::super), IS_FLOAT(JSON_PARSE('2.22e0')), IS_BOOLEAN(d.yes), IS_INTEGER(d.none) FROM document WHERE id = 1",
        [(True, True, True, False, True, True, True, False)],
        "r_is_integer, r_is_float",
    ),
    (
        "SELECT JSON_SIZE(JSON_PARSE('[10001,10002,\"⬤\"]')), JSON_SERIALIZE_TO_VARBYTE(JSON_PARSE('[1]'))",
        [(19, "5b315d")],
        "r_json_size, JSON_SERIALIZE_TO_VARBYTE",
    ),
    ("SELECT n, first FROM late_document ORDER BY id", [("5", '"p"'), ("7", None)], "r_CREATE_VIEW"),
    (
        'SELECT d."MIXED", d.mixed FROM document WHERE id = 1',
        [(None, None)],
        "r_enable_case_sensitive_super_attribute: off",
    ),
    (
        "SELECT NVL(d.none, d.n), DECODE(d.name, 'Jane', 1, 0), NULLIF(d.n, 5) FROM document WHERE id = 1",
        [("5", 1, None)],
        "query-super: dynamic typing",
    ),
    ("SELECT id FROM document WHERE d.name LIKE 'J%' AND d.name IS NOT NULL", [(1,)], "query-super: dynamic typing"),
    (
        "SELECT CASE WHEN d.n > 5 THEN 1 ELSE 0 END AS big, d.name, LISTAGG(d.n::int) WITHIN GROUP (ORDER BY staff.id) OVER () FROM document, staff WHERE staff.id = document.id AND document.id = 1",
        [(0, '"Jane"', "5")],
        "query-super: navigation",
    ),
    (
        "SELECT pos, staff.id FROM document t, UNNEST(t.d.a.b) WITH OFFSET AS u(item, pos), staff WHERE staff.id = 2 AND pos = 1",
        [(1, 2)],
        "r_FROM_clause-unnest-examples",
    ),
    (
        "SELECT ABS(x), FLOOR(x), CEIL(x), CEILING(x), ROUND(x), TRUNC(x), SIGN(x), -x FROM (SELECT JSON_PARSE('-1.50') AS x) y",
        [("1.50", "-2", "-1", "-1", "-2", "-1", "-1", "1.50")],
        "operators-functions, r_SIGN",
    ),
    (
        "SELECT DECIMAL_SCALE(3.14159::super), DECIMAL_PRECISION(3.14159::super), ABS('a'::super)",
        [(5, 6, None)],
        "r_decimal_scale, r_decimal_precision",
    ),
    (
        "SELECT d.n + 1, 10 - d.n, d.n * 2, (d.n + 0.5) * 2, d.n / 2, d.n % 3, d.name + '!', d.name + 1, +d.n, -d.name FROM document WHERE id = 1",
        [("6", "5", "10", "11.0", "2", "2", '"Jane!"', None, "5", None)],
        "operators-functions",
    ),
    (
        "WITH x AS (SELECT d FROM document), y AS (SELECT o.sku AS sku, o.q::int AS q, q * 2 AS dq FROM x, x.d.items AS o) SELECT sku, SUM(dq) AS t, t + 1 AS u FROM y GROUP BY sku ORDER BY sku",
        [('"p"', 4, 5), ('"q"', 6, 7)],
        "query-super: unnesting; r_SELECT_list",
    ),
    ("SELECT q.n FROM (SELECT d.n FROM document) q WHERE q.n > 5", [("7",)], "query-super: navigation"),
]

CLAUSES: list[Row] = [
    (
        "SELECT * EXCLUDE salary, seen FROM staff WHERE id = 1",
        [(1, "ann", "x", date(2024, 1, 31), True)],
        "r_EXCLUDE_list",
    ),
    (
        "SELECT s.* EXCLUDE (salary, seen, hired), 1 AS one FROM staff s WHERE id = 1",
        [(1, "ann", "x", True, 1)],
        "r_EXCLUDE_list",
    ),
    ("SELECT dept, COUNT(*) FROM staff GROUP BY ALL ORDER BY 1", [("x", 2), ("y", 2)], "r_GROUP_BY_clause: ALL"),
    (
        "SELECT dept, active, SUM(id) + 1 FROM staff GROUP BY ALL HAVING SUM(id) > 2 ORDER BY 1, 2",
        [("y", True, 5), ("y", None, 4)],
        "r_GROUP_BY_clause: ALL",
    ),
    ("SELECT COUNT(*) FROM staff GROUP BY ALL", [(4,)], "r_GROUP_BY_clause: ALL"),
    (
        "SELECT dept, active, GROUPING(dept), COUNT(*) FROM staff GROUP BY ROLLUP (dept, active) ORDER BY 1, 2 LIMIT 2",
        [("x", False, 0, 1), ("x", True, 0, 1)],
        "r_GROUP_BY_aggregation-extensions",
    ),
    (
        "SELECT dept, COUNT(*) FROM staff GROUP BY GROUPING SETS ((dept), ()) ORDER BY 1",
        [("x", 2), ("y", 2), (None, 4)],
        "r_GROUP_BY_aggregation-extensions",
    ),
    (
        "SELECT dept, GROUPING_ID(dept), COUNT(*) FROM staff GROUP BY CUBE (dept) ORDER BY 1",
        [("x", 0, 2), ("y", 0, 2), (None, 1, 4)],
        "r_GROUP_BY_aggregation-extensions",
    ),
    ("SELECT id FROM staff MINUS SELECT 1 ORDER BY 1 LIMIT 1", [(2,)], "r_UNION"),
    ("SELECT TOP 2 id FROM staff ORDER BY id", [(1,), (2,)], "r_SELECT_list"),
    (
        "SELECT id FROM staff s QUALIFY ROW_NUMBER() OVER (PARTITION BY dept ORDER BY id DESC) = 1 ORDER BY id",
        [(2,), (4,)],
        "r_QUALIFY_clause",
    ),
    (
        """SELECT 2 * "a}b{c)d(e:f,g<h" AS "i j\"\"k" FROM (SELECT 1.5 AS "a}b{c)d(e:f,g<h") "l(m" """,
        [(Decimal("3.0"),)],
        "r_names: any letters within double quotes",
    ),
    ("SELECT x FROM (SELECT 1 AS x)", [(1,)], "r_FROM_clause30: a subquery needs no alias"),
]

FUNCTIONS: list[Row] = [
    (
        "SELECT FNV_HASH(1::smallint), FNV_HASH(1), FNV_HASH(1::bigint)",
        [(589727492704079044, -5968735742475085980, -8517097267634966620)],
        "r_FNV_HASH",
    ),
    (
        "SELECT FNV_HASH('Amazon Redshift'), FNV_HASH('Amazon Redshift', FNV_HASH(1)), FNV_HASH('cd', FNV_HASH('ab'))",
        [(7783490368944507294, -2202602717770968555, -281581062704388899)],
        "r_FNV_HASH",
    ),
    (
        "SELECT TO_DATE('02 Oct 2001', 'DD Mon YYYY'), TO_DATE('20010631', 'YYYYMMDD'), TO_DATE('20010631', 'YYYYMMDD', FALSE)",
        [(date(2001, 10, 2), date(2001, 7, 1), date(2001, 7, 1))],
        "r_TO_DATE_function",
    ),
    (
        "SELECT TO_TIMESTAMP('2011-12-18 24:38:15', 'YYYY-MM-DD HH24:MI:SS')",
        [(datetime(2011, 12, 19, 0, 38, 15, tzinfo=timezone.utc),)],
        "r_TO_TIMESTAMP",
    ),
    (
        "SELECT NEXT_DAY('2014-08-20', 'Tuesday'), NEXT_DAY(date '2014-08-20', 'W'), NEXT_DAY(timestamp '2014-08-20 10:00', 'th')",
        [(date(2014, 8, 26), date(2014, 8, 27), date(2014, 8, 21))],
        "r_NEXT_DAY",
    ),
    (
        "SELECT STRTOL('0xf', 16), STRTOL('abcd1234', 16), STRTOL('1234567', 8), STRTOL('110101', 2), STRTOL('-0x1F', 16)",
        [(15, 2882343476, 342391, 53, -31)],
        "r_STRTOL",
    ),
    (
        "SELECT JSON_EXTRACT_PATH_TEXT('{\"f2\":{\"f3\":1}', 'f2', 'f3', true), JSON_EXTRACT_PATH_TEXT('{\"f4\":{\"f6\":\"star\"}}', 'f4', 'f6', false)",
        [(None, "star")],
        "JSON_EXTRACT_PATH_TEXT",
    ),
    (
        "SELECT JSON_ARRAY_LENGTH('[1', true), JSON_ARRAY_LENGTH('[1]', true), JSON_EXTRACT_ARRAY_ELEMENT_TEXT('[1,2', 0, true), JSON_EXTRACT_ARRAY_ELEMENT_TEXT('[1,2]', 1, true)",
        [(None, 1, None, "2")],
        "JSON_ARRAY_LENGTH",
    ),
    (
        "SELECT CAN_JSON_PARSE('[10001]'), CAN_JSON_PARSE('{'), IS_VALID_JSON('{}'), IS_VALID_JSON_ARRAY('[]')",
        [(True, False, True, True)],
        "CAN_JSON_PARSE",
    ),
    (
        "SELECT DATE_PART_YEAR(date '2008-01-05'), LAST_DAY('2024-02-05'), ADD_MONTHS('2008-03-31', -1)",
        [(2008, date(2024, 2, 29), datetime(2008, 2, 29, 0, 0))],
        "r_DATE_PART_YEAR, r_ADD_MONTHS",
    ),
    (
        "SELECT DATE_CMP('2008-01-01', '2008-01-02'), TIMESTAMP_CMP('2008-01-24 06:43:29', '2008-01-24 06:43:29'), INTERVAL_CMP('3 days', '1 year')",
        [(-1, 0, -1)],
        "r_DATE_CMP, r_INTERVAL_CMP",
    ),
    (
        "SELECT DATEADD(month, 18, date '2008-02-28'), DATEDIFF(qtr, '1998-07-01', '2024-01-01'), DATEDIFF(hour, date '2024-01-01', timestamp '2024-01-02 01:00')",
        [(datetime(2009, 8, 28, 0, 0), 102, 25)],
        "r_DATEADD_function, r_DATEDIFF_function",
    ),
    (
        "SELECT EXTRACT(dayofweek FROM seen)::int, EXTRACT(qtr FROM seen)::int, DATE_PART(dow, hired)::int FROM staff WHERE id = 1",
        [(3, 1, 3)],
        "r_Dateparts_for_datetime_functions",
    ),
    (
        "SELECT CONVERT_TIMEZONE('EST', 'PST8PDT', timestamp '2008-03-05 09:25:29'), TIMEZONE('Asia/Tokyo', timestamp '2024-01-01 09:00')",
        [(datetime(2008, 3, 5, 6, 25, 29), datetime(2024, 1, 1, 0, 0, tzinfo=timezone.utc))],
        "CONVERT_TIMEZONE, r_TIMEZONE",
    ),
    (
        "SELECT TRUNC(timestamp '2011-07-21 10:32:38'), GETDATE() <= SYSDATE + INTERVAL '1 minute', TRUNC(SYSDATE) = CURRENT_DATE",
        [(date(2011, 7, 21), True, True)],
        "r_TRUNC_date, r_SYSDATE",
    ),
    (
        "SELECT REGEXP_SUBSTR('user@example.org', '@(.+)', 1, 1, 'e'), REGEXP_SUBSTR('the fox', 'FOX', 1, 1, 'i'), REGEXP_SUBSTR('a1b22', '[0-9]+', 1, 2)",
        [("example.org", "fox", "22")],
        "REGEXP_SUBSTR",
    ),
    (
        "SELECT REGEXP_INSTR('the fox', 'FOX', 1, 1, 0, 'i'), REGEXP_INSTR('a1b22', '[0-9]+', 1, 2, 1), REGEXP_COUNT('a1B2', '[B]', 1, 'i')",
        [(5, 6, 1)],
        "REGEXP_INSTR, REGEXP_COUNT",
    ),
    (
        "SELECT CHARINDEX('fish', 'dogfish'), STRPOS('dogfish', 'fish'), POSITION('fish' IN 'dogfish'), LEN('é '), OCTET_LENGTH('é')",
        [(4, 4, 4, 2, 2)],
        "r_CHARINDEX, r_LEN",
    ),
    (
        "SELECT QUOTE_IDENT('A b'), QUOTE_LITERAL('it''s'), TRANSLATE('mint tea', 'inea', 'osin'), BTRIM('xyzaxyzbxyz', 'xyz'), INITCAP('n.y. city')",
        [('"A b"', "'it''s'", "most tin", "axyzb", "N.Y. City")],
        "r_QUOTE_IDENT, r_TRANSLATE",
    ),
    (
        "SELECT SPLIT_PART('abc$def$ghi', '$', 2), REPEAT('a', 3), REVERSE('abc'), CHR(65), ASCII('a'), LPAD('cat', 5), RIGHT('chicago', 3)",
        [("def", "aaa", "cba", "A", 97, "  cat", "ago")],
        "SPLIT_PART, r_REPEAT",
    ),
    (
        "SELECT SOUNDEX('Tymczak'), SOUNDEX('Pfister'), DIFFERENCE('Amazon', '+-*/%'), DIFFERENCE('AC/DC', 'Ay See Dee See')",
        [("T522", "P236", 0, 4)],
        "SOUNDEX, DIFFERENCE",
    ),
    (
        "SELECT MD5('Amazon Redshift'), SHA('Amazon Redshift') = FUNC_SHA1('Amazon Redshift'), SHA2('Amazon Redshift', 0) = SHA2('Amazon Redshift', 256)",
        [("f7415e33f972c03abd4f3fed36748f7a", True, True)],
        "r_MD5, SHA1",
    ),
    (
        "SELECT NVL(NULL, 'a'), NVL2(NULL, 1, 2), DECODE(NULL, 1, 'one', NULL, 'none'), GREATEST(1, NULL, 3), LEAST(NULL, 2)",
        [("a", 2, "none", 3, 2)],
        "r_NVL_function, r_GREATEST_LEAST",
    ),
    (
        "SELECT ROUND(28.05::float8, 1), TRUNC(111.86::float8, 1), ROUND(28.05, 1), TRUNC(15, -1)",
        [(28.1, 111.8, Decimal("28.1"), Decimal("10"))],
        "r_ROUND, r_TRUNC",
    ),
    (
        "SELECT LOG(100), DLOG10(100), LN(1), DEXP(0), CBRT(8), SQRT(16), POW(2, 3), MOD(7, 3), SIGN(-3), CEILING(1.2), FLOOR(1.7)",
        [(2.0, 2.0, 0.0, 1.0, 2.0, 4.0, 8.0, 1, -1.0, Decimal("2"), Decimal("1"))],
        "r_LOG, r_DEXP",
    ),
    (
        "SELECT MEDIAN(salary), (SELECT MEDIAN(hired) FROM staff WHERE id < 3), (SELECT MEDIAN(seen) FROM staff WHERE id < 3) FROM staff WHERE id < 3",
        [(Decimal("15"), date(2024, 2, 14), datetime(2024, 2, 14, 22, 30))],
        "r_MEDIAN",
    ),
    (
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY salary), APPROXIMATE PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY salary), (SELECT APPROXIMATE COUNT(DISTINCT dept) FROM staff), (SELECT HLL(dept) FROM staff) FROM staff",
        [(20.0, Decimal("20.00"), 2, 2)],
        "r_PERCENTILE_CONT, r_HLL_function",
    ),
    (
        "SELECT BOOL_OR(active), BOOL_AND(active), BIT_AND(id), BIT_OR(id), ANY_VALUE(1), STDDEV_POP(id)::decimal(5,3), VAR_SAMP(id)::decimal(5,3) FROM staff",
        [(True, False, 0, 7, 1, Decimal("1.118"), Decimal("1.667"))],
        "r_BIT_AND, r_BOOL_OR",
    ),
    ("SELECT LISTAGG(DISTINCT dept, ',') WITHIN GROUP (ORDER BY dept DESC) FROM staff", [("y,x",)], "r_LISTAGG"),
    (
        "SELECT TO_CHAR(timestamp '2009-12-31 23:15:59', 'MONTH-DY-DD-YYYY HH12:MIPM'), TO_NUMBER('12,454.8-', '99G999D9S'), TO_HEX(255)",
        [("DECEMBER -THU-31-2009 11:15PM", Decimal("-12454.8"), "ff")],
        "r_TO_CHAR, r_TO_NUMBER",
    ),
]

# fmt: on


@pytest.fixture(scope="module")
def shop(standin: RedshiftStandIn) -> Iterator[Session]:
    """One database for all rows that only read."""
    with empty_database(standin, "battery_accepted") as database:
        session = Session(standin, database)
        for statement in SETUP:
            session.sql(statement)
        yield session
        session.close()


@pytest.mark.parametrize(
    ("statement", "rows", "source"),
    [*LATERAL, *CONVERSIONS, *WINDOWS, *PIVOTS, *DOCUMENTS, *CLAUSES, *FUNCTIONS],
)
def test_a_query_that_redshift_takes_gives_its_rows(
    shop: Session, statement: str, rows: list[tuple[Any, ...]], source: str
) -> None:
    assert shop.sql(statement) == rows, source


@pytest.mark.parametrize(
    ("statement", "headings", "types"),
    [
        (
            "SELECT d.n, d.items[0], d.name::varchar(10), d.a.b[0]::int FROM document",
            ["n", "items", "name", "b"],
            [4000, 4000, 1043, 23],
        ),
        ("SELECT o FROM document t, t.d.items o", ["o"], [4000]),
        ("SELECT id AS k, k + 1 AS kk FROM staff", ["k", "kk"], [23, 23]),
        (
            "SELECT * FROM (SELECT dept, id FROM staff) PIVOT (COUNT(id) FOR dept IN ('x', 'y' AS why))",
            ["x", "why"],
            [20, 20],
        ),
        (
            "SELECT * FROM (SELECT red FROM count_by_color) UNPIVOT (cnt FOR color IN (red))",
            ["color", "cnt"],
            [1043, 23],
        ),
        (
            "SELECT FNV_HASH(1), NEXT_DAY('2024-01-01', 'Mon'), DATE_PART_YEAR('2024-01-01')",
            ["fnv_hash", "next_day", "date_part_year"],
            [20, 1082, 23],
        ),
        ("SELECT ARRAY(1) AS a, OBJECT() AS o, '1'::super AS s", ["a", "o", "s"], [4000, 4000, 4000]),
    ],
)
def test_names_and_types_of_columns(shop: Session, statement: str, headings: list[str], types: list[int]) -> None:
    shop.sql(statement)
    assert [column[0] for column in shop.cursor.description] == headings
    assert [column[1] for column in shop.cursor.description] == types


def test_targets_of_update_and_delete(db: Session) -> None:
    """r_UPDATE: an alias on the target; r_DELETE: FROM is optional without USING."""
    db.sql("CREATE TABLE t (id int, v varchar(10))")
    db.sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    db.sql("CREATE TABLE s (id int, v varchar(10))")
    db.sql("INSERT INTO s VALUES (2, 'new')")
    db.sql("UPDATE t AS x SET v = 'z' WHERE x.id = 1")
    db.sql("UPDATE t x SET v = s.v FROM s WHERE x.id = s.id")
    db.sql("DELETE t WHERE id = 3")
    assert db.cursor.rowcount == 1
    assert db.sql("SELECT * FROM t ORDER BY id") == [(1, "z"), (2, "new")]
    assert db.refused("DELETE t USING s WHERE t.id = s.id")["C"] == "42601"
    db.sql("DELETE public.t")
    assert db.one("SELECT COUNT(*) FROM t") == 0


def test_documents_in_statements_that_change_tables(db: Session) -> None:
    db.sql("CREATE TABLE t (id int, d super)")
    db.sql('INSERT INTO t SELECT 1, JSON_PARSE(\'{"n":5,"tags":["a","b"]}\')')
    db.sql(
        "CREATE TABLE flat AS SELECT t.id, label::varchar(10) AS label, id * 10 AS k, k + 1 AS kk FROM t, t.d.tags AS label"
    )
    assert db.sql("SELECT * FROM flat ORDER BY label") == [(1, "a", 10, 11), (1, "b", 10, 11)]
    db.sql("INSERT INTO flat (SELECT x.id + 1, x.d.tags[0]::varchar, 0, 0 FROM t x)")
    db.sql("UPDATE t SET id = 7 WHERE t.d.n = 5")
    db.sql("DELETE FROM flat USING t WHERE flat.id = t.d.n - 3")
    assert db.one("SELECT COUNT(*) FROM flat WHERE id = 2") == 0
    db.sql(
        "MERGE INTO flat USING (SELECT t.d.n::int AS n, n * 2 AS m FROM t) s ON flat.id = s.n"
        " WHEN MATCHED THEN UPDATE SET k = s.m WHEN NOT MATCHED THEN INSERT (id, k) VALUES (s.n, s.m)"
    )
    assert db.sql("SELECT id, k FROM flat WHERE id = 5") == [(5, 10)]
    db.sql("CREATE MATERIALIZED VIEW mv AUTO REFRESH NO AS SELECT d.n::int AS n, n + 1 AS more FROM t")
    assert db.sql("SELECT * FROM mv") == [(5, 6)]
    db.sql("CREATE VIEW bound AS SELECT d.n AS n, id AS i, i + 1 AS j FROM t")
    assert db.sql("SELECT * FROM bound") == [("5", 7, 8)]
    db.sql("INSERT INTO t VALUES (8, ARRAY(1, 2)), (9, OBJECT('a', 1))")
    assert db.sql("SELECT d FROM t WHERE id > 7 ORDER BY id") == [("[1,2]",), ('{"a":1}',)]
    assert db.sql("SELECT id AS i, i + %s AS j FROM t WHERE d.n = %s", (1, 5)) == [(7, 8)]
    db.sql("BEGIN")
    db.sql("CREATE TABLE other (id int)")
    db.sql("SELECT id AS i, i + 1 AS j FROM (SELECT * FROM t) x")
    db.sql("SELECT x.id, n FROM t x LEFT JOIN x.d.tags.more.parts AS n ON true")
    db.sql("SELECT * EXCLUDE d FROM t")
    db.sql("COMMIT")


def test_values_become_strings_and_booleans_where_they_are_assigned(db: Session) -> None:
    """r_Type_conversion: implicit conversions in assignments."""
    db.sql("CREATE TABLE t (b boolean, v varchar(20), at DATETIME)")
    db.sql("INSERT INTO t SELECT 1, 5, '2024-01-01'")
    db.sql("INSERT INTO t (v) SELECT date '2024-01-01'")
    assert db.sql("SELECT * FROM t ORDER BY v") == [(None, "2024-01-01", None), (True, "5", datetime(2024, 1, 1))]
    assert db.one("SELECT data_type FROM svv_all_columns WHERE table_name = 't' AND column_name = 'at'") == (
        "timestamp without time zone"
    )


def test_show_describes_tables_as_statements_that_make_them_again(db: Session) -> None:
    """r_SHOW_TABLE, r_SHOW_COLUMNS, r_SHOW_TABLES, r_SHOW_SCHEMAS."""
    db.sql(
        "CREATE TABLE t (id int NOT NULL DISTKEY, v varchar(30) DEFAULT 'x' ENCODE zstd, b varbyte(10),"
        " d decimal(10,2), j super, PRIMARY KEY (id)) SORTKEY (id, d)"
    )
    shown = db.one("SHOW TABLE public.t")
    assert db.cursor.description[0][0] == "Show Table DDL statement"
    assert shown.startswith("CREATE TABLE public.t (")
    db.sql("DROP TABLE t")
    db.sql(shown)
    assert db.one("SHOW TABLE t") == shown
    database = db.one("SELECT CURRENT_DATABASE()")
    listed = db.sql(f"SHOW COLUMNS FROM TABLE {database}.public.t LIKE '_' LIMIT 2")
    assert [row[:5] for row in listed] == [(database, "public", "t", "v", 2), (database, "public", "t", "b", 3)]
    assert [row[2] for row in db.sql("SHOW TABLES FROM SCHEMA public")] == ["t"]
    assert db.sql(f"SHOW SCHEMAS FROM DATABASE {database} LIKE 'pub%'")[0][1] == "public"
    assert db.refused("SHOW TABLES FROM SCHEMA other.public")["C"] == "0A000"
    assert db.refused("SHOW TABLE missing")["C"] == "42P01"


def test_a_session_may_keep_the_case_of_quoted_names(connect: Any) -> None:
    """r_enable_case_sensitive_identifier, r_enable_case_sensitive_super_attribute."""
    db, other = connect(), connect()
    db.sql("SET enable_case_sensitive_identifier TO true")
    assert db.one("SHOW enable_case_sensitive_identifier") == "on"
    db.sql('CREATE TABLE "MixedCased" ("MixedColumn" int, mixedcolumn int)')
    db.sql("CREATE TABLE MixedCased (MixedColumn int)")
    db.sql('INSERT INTO "MixedCased" ("MixedColumn", mixedcolumn) VALUES (1, 2)')
    assert db.sql('SELECT "MixedColumn", MIXEDCOLUMN FROM "MixedCased"') == [(1, 2)]
    assert [column[0] for column in db.cursor.description] == ["MixedColumn", "mixedcolumn"]
    assert other.sql('SELECT "MixedColumn" FROM "MixedCased"') == []
    document = '(SELECT JSON_PARSE(\'{"ITEMS":{"Name":"TV"},"price":345}\') AS data) AS t'
    assert db.sql(f'SELECT t.data."ITEMS"."Name", t.data.price FROM {document}') == [('"TV"', "345")]
    db.sql("RESET enable_case_sensitive_identifier")
    assert db.sql('SELECT * FROM "MixedCased"') == []
    assert db.sql(f'SELECT t.data.price, t.data."ITEMS"."Name" FROM {document}') == [("345", None)]
    db.sql("SET enable_case_sensitive_super_attribute TO true")
    assert db.sql(f"SELECT t.data.ITEMS.Name FROM {document}") == [('"TV"',)]


@pytest.mark.parametrize(
    ("statement", "code", "words"),
    [
        ("SELECT OBJECT('k', '2008-12-31'::date)", "42846", "cannot cast type date to super"),
        ("SELECT '2019-09-09'::date::super", "42846", "cannot cast type date to super"),
        ("SELECT TO_DATE('20010631', 'YYYYMMDD', TRUE)", "22008", "out of range"),
        ("SELECT NEXT_DAY('2024-01-01', 'x')", "22023", "day name"),
        ("SELECT STRTOL('0xg', 16)", "XX000", "base 16"),
        ("SELECT JSON_EXTRACT_PATH_TEXT('{', 'a', false)", "XX000", "JSON"),
        ("SELECT * FROM part PIVOT (MEDIAN(price) FOR partname IN ('prop'))", "0A000", "PIVOT supports"),
        ("SELECT * FROM part PIVOT (MAX(price) FOR nothing IN ('prop'))", "42703", '"nothing"'),
        ("SELECT * FROM part UNPIVOT (v FOR n IN (price, nothing))", "42703", '"nothing"'),
        ("SELECT * EXCLUDE nothing FROM part", "42703", '"nothing"'),
        ("SELECT name.first FROM staff", "42883", "cannot navigate into a value of type character varying"),
        ("SELECT twice, id * 2 AS twice FROM staff", "42703", '"twice"'),
        ("SELECT id * 2 AS twice FROM staff GROUP BY 1 HAVING twice > 2", "42703", '"twice"'),
        ("SELECT SUM(id) AS total FROM staff WHERE total > 1", "42803", "aggregate"),
        # What the stand-in lacks says so.
        ("SELECT o FROM document t, t.d.n AS o", "0A000", "local stand-in"),
        ("SELECT FNV_HASH(1.5)", "0A000", "local stand-in"),
        ("SELECT d.name || '!' FROM document", "0A000", "local stand-in"),
        ("SELECT NVL(d.name, 'none') FROM document", "0A000", "local stand-in"),
        ("SELECT * FROM staff GROUP BY ALL", "0A000", "local stand-in"),
        ("SELECT * EXCLUDE (name) FROM staff a JOIN staff b ON a.id = b.id", "0A000", "local stand-in"),
        ("SELECT LAG(salary, id) IGNORE NULLS OVER (ORDER BY id) FROM staff", "0A000", "local stand-in"),
    ],
)
def test_what_stays_refused_says_why(shop: Session, statement: str, code: str, words: str) -> None:
    error = shop.refused(statement)
    assert (error["C"], words in error["M"]) == (code, True), error
