"""The texts of the proof's expressions, where what they say matters apart from the servers that they run on."""

from __future__ import annotations

import pytest

from aurora_dwh.core.schema import TYPE_RULES, Column, TableSchema
from aurora_dwh.proof import digest
from aurora_dwh.proof.digest import AURORA, REDSHIFT
from docs._generate.types_page import _SAMPLES, _plain

ID = Column("Id", "int", "int")
DOC = Column("doc", "json", "json")


@pytest.mark.parametrize("rule", TYPE_RULES, ids=lambda rule: rule.mysql)
def test_every_type_of_the_map_has_as_many_texts_on_either_side(rule: object) -> None:
    column = next(_SAMPLES.get(r.mysql) or _plain(r) for r in TYPE_RULES if r is rule)
    there, here = AURORA.texts(column), REDSHIFT.texts(column)
    assert len(there) == len(here)
    assert all(f"`{column.name}`" in text for text in there)
    assert all(f'"{column.name}"' in text for text in here)
    if not digest.is_document(column):
        assert len(AURORA.item(column)) == len(REDSHIFT.item(column))


def test_what_the_source_computes_is_compared_and_not_the_column() -> None:
    masked = Column("Mail", "varchar", "varchar(64)", length=64, charset="utf8mb4", read_as="SHA2({0}, 256)")
    assert AURORA.texts(masked) == ["CONVERT(CAST(SHA2(`Mail`, 256) AS CHAR) USING utf8mb4)"]
    assert REDSHIFT.texts(masked) == ['"mail"']


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column("n", "int", "int(10) unsigned zerofill"), "CAST(`n` + 0 AS CHAR)"),
        (Column("n", "year", "year(4)"), "CAST(`n` + 0 AS CHAR)"),
        (Column("n", "bit", "bit(1)", precision=1), "CAST(`n` + 0 AS CHAR)"),
        (Column("n", "enum", "enum('zerofill')", charset="utf8mb4"), "CONVERT(CAST(`n` AS CHAR) USING utf8mb4)"),
        (Column("n", "varchar", "varchar(9)", length=9, charset="utf8mb4"), "`n`"),
        (Column("n", "varchar", "varchar(9)", length=9, charset="cp932"), "CONVERT(CAST(`n` AS CHAR) USING utf8mb4)"),
        (Column("n", "bigint", "bigint"), "CAST(`n` AS CHAR)"),
        (Column("n", "varbinary", "varbinary(9)", length=9), "HEX(`n`)"),
    ],
)
def test_aurora_writes_numbers_without_padding_and_words_as_they_are(column: Column, text: str) -> None:
    assert AURORA.texts(column) == [text]


def test_no_text_of_bytes_is_longer_than_redshift_takes() -> None:
    assert REDSHIFT.texts(Column("b", "blob", "blob")) == [
        "UPPER(FROM_VARBYTE(CAST(SUBSTRING(\"b\", 1, 32000) AS VARBYTE(32000)), 'hex'))",
        "NULLIF(UPPER(FROM_VARBYTE(CAST(SUBSTRING(\"b\", 32001) AS VARBYTE(32000)), 'hex')), '')",
    ]


def test_documents_are_left_to_redshift_to_which_null_is_no_text() -> None:
    assert digest.comparable(TableSchema("shop", "t", (ID, DOC))) == [ID]
    assert digest.carried(TableSchema("shop", "t", (ID, DOC))) == [DOC]
    assert REDSHIFT.texts(DOC) == ['CASE WHEN "doc" IS NULL THEN NULL ELSE JSON_SERIALIZE("doc") END']
    assert "CASE WHEN \"doc\" IS NULL THEN '~' ELSE" in digest.carried_digest([DOC], is_text=False)
    assert "CASE WHEN JSON_PARSE(\"doc\") IS NULL THEN '~' ELSE" in digest.carried_digest([DOC], is_text=True)
    assert digest.carried_digest([], is_text=True) == "0"
    assert AURORA.digest([]) == "LEFT(SHA2('', 256), 14)"


def test_what_is_hashed_with_a_key_is_carried_as_its_hash_and_is_in_no_digest_of_the_source() -> None:
    kind = "varchar(64)"
    keyed = Column("Mail", "varchar", kind, length=64, read_as="CONVERT({0} USING utf8mb4)", keyed=True)
    schema = TableSchema("shop", "t", (ID, keyed))
    assert digest.comparable(schema) == [ID]
    assert digest.carried(schema) == [keyed]
    assert AURORA.texts(keyed) == ["CONVERT(`Mail` USING utf8mb4)"]
    assert "COALESCE(\"mail\", '~')" in digest.carried_digest([keyed], is_text=True)


def test_a_row_is_hashed_once_unless_its_texts_may_be_long() -> None:
    short = [Column(f"c{n}", "int", "int") for n in range(100)]
    wide = Column("note", "text", "text", length=65_535, charset="utf8mb4")
    for dialect in (AURORA, REDSHIFT):
        assert dialect.digest(short).count("SHA2(") == 1
        assert dialect.digest([*short, wide]).count("SHA2(") == 2
        assert "MD5(" not in dialect.digest(short)  # MySQL 9.6 and later have none


def test_m05_many_columns_are_joined_without_nesting_deeply() -> None:
    sql = REDSHIFT.digest([Column(f"c{n}", "int", "int") for n in range(1_598)])
    assert "(" * 14 not in sql
    assert sql.count("SHA2(") > 1
