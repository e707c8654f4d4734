"""The texts of the proof's queries, where what they say matters apart from the servers that they run on."""

from __future__ import annotations

import pytest

from aurora_dwh import fingerprint
from aurora_dwh.fingerprint import AURORA, REDSHIFT
from aurora_dwh.schema import TYPE_RULES, Column, TableSchema
from aurora_dwh.types_page import _SAMPLES, _plain

ID = Column("Id", "int", "int")


@pytest.mark.parametrize("rule", TYPE_RULES, ids=lambda rule: rule.mysql)
def test_every_type_of_the_map_has_a_text_on_both_sides(rule: object) -> None:
    column = next(_SAMPLES.get(r.mysql) or _plain(r) for r in TYPE_RULES if r is rule)
    assert f"`{column.name}`" in AURORA.text(column)
    assert f'"{column.name}"' in REDSHIFT.text(column)


def test_what_the_source_computes_is_compared_and_not_the_column() -> None:
    masked = Column("Mail", "varchar", "varchar(64)", length=64, read_as="SHA2({0}, 256)")
    assert AURORA.text(masked) == "CONVERT(CAST(SHA2(`Mail`, 256) AS CHAR) USING utf8mb4)"
    assert REDSHIFT.text(masked) == '"mail"'


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column("n", "int", "int(10) unsigned zerofill"), "CAST(`n` + 0 AS CHAR)"),
        (Column("n", "year", "year(4)"), "CAST(`n` + 0 AS CHAR)"),
        (Column("n", "bit", "bit(1)", precision=1), "CAST(`n` + 0 AS CHAR)"),
        (Column("n", "enum", "enum('zerofill')"), "CONVERT(CAST(`n` AS CHAR) USING utf8mb4)"),
        (Column("n", "bigint", "bigint"), "CAST(`n` AS CHAR)"),
        (Column("n", "blob", "blob"), "HEX(`n`)"),
    ],
)
def test_aurora_writes_numbers_without_padding_and_words_as_they_are(column: Column, text: str) -> None:
    assert AURORA.text(column) == text


def test_documents_are_left_to_the_comparison_by_content() -> None:
    schema = TableSchema("shop", "t", (ID, Column("doc", "json", "json")))
    assert fingerprint.comparable(schema) == [ID]
    assert AURORA.text(schema.columns[1]) == "CONVERT(CAST(`doc` AS CHAR) USING utf8mb4)"
    assert REDSHIFT.text(schema.columns[1]) == 'JSON_SERIALIZE("doc")'


def test_a_key_is_found_however_its_case_is_written_and_every_column_is_the_key_without_one() -> None:
    columns = (ID, Column("v", "int", "int"))
    keyed = fingerprint.row_sums(REDSHIFT, columns, ["ID"], "t", "TRUE")
    of_id = "COALESCE(SUBSTRING(SHA2(CAST(\"id\" AS VARCHAR(64)), 256), 1, 15), '-')"
    assert f"SUBSTRING(SHA2({of_id}, 256), 1, 15) AS h_key" in keyed
    keyless = fingerprint.row_sums(REDSHIFT, columns, [], "t", "TRUE")
    assert keyless.count("SHA2(CONCAT(") == 1, "a row is its own key, and hashed once"


def test_many_columns_are_joined_without_nesting_deeply() -> None:
    columns = [Column(f"c{n}", "int", "int") for n in range(1_000)]
    sql = fingerprint.row_sums(REDSHIFT, columns, ["c0"], "t", "TRUE")
    assert "CONCAT(" * 10 in sql
    assert "CONCAT(" * 11 not in sql
    assert sql.count("CONCAT(") == 999


def test_m05_no_query_asks_for_more_at_once_than_redshift_takes_however_wide_a_table_is() -> None:
    columns = [Column(f"c{n}", "int", "int") for n in range(1_598)]
    queries = fingerprint.column_sums(REDSHIFT, columns, "t", "TRUE")
    assert [sql.count("SUM(") for sql in queries] == [400, 400, 400, 398]
    assert [f'"c{n}"' in queries[n // 400] for n in (0, 399, 400, 1_597)] == [True] * 4


def test_m04_the_one_hash_is_one_that_every_version_of_every_server_has() -> None:
    columns = (ID, Column("v", "int", "int"))
    for dialect in (AURORA, REDSHIFT):
        asked = [
            fingerprint.row_sums(dialect, columns, ["id"], "t", "TRUE"),
            *fingerprint.column_sums(dialect, columns, "t", "TRUE"),
            fingerprint.bucket_sums(dialect, columns, ["id"], "t", "TRUE"),
            fingerprint.rows_of_buckets(dialect, columns, ["id"], "t", "TRUE", ["0a"]),
            *fingerprint.pages(dialect, columns, ["id"], 100_000),
        ]
        for sql in asked:
            assert "SHA2(" in sql
            assert "MD5(" not in sql


def test_a_table_of_documents_alone_still_has_rows_to_count() -> None:
    assert "COUNT(*)" in fingerprint.row_sums(AURORA, [], [], "`t`", "TRUE")
    assert fingerprint.column_sums(AURORA, [], "`t`", "TRUE") == []
