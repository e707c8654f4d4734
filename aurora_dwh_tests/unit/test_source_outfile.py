"""The statement by which Aurora writes a day to S3, as text."""

from __future__ import annotations

from datetime import date

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.outfile import NOW, into_s3, select_csv
from aurora_dwh.source.value_checks import count_rows, misfits

SCHEMA = TableSchema(
    "shop",
    "odd`s",
    (
        Column("id", "binary", "binary(16)", nullable=False, length=16),
        Column("Price", "float", "float"),
        Column("flags", "bit", "bit(8)", precision=8),
        Column("n", "int", "int(10) zerofill"),
        Column("note", "varchar", "varchar(40)", length=40),
        Column("doc", "json", "json"),
        Column("born", "date", "date"),
        Column("took", "time", "time"),
        Column("pin", "int", "int", read_as="NULL"),
        Column("kind", "enum", "enum('zerofill')"),
    ),
    ("id",),
)
TABLE = Table(name="odd`s", key="id", cursor="born")

GOLDEN = """\
SELECT COALESCE(CONCAT('00', HEX(`id`)), '<aurora-dwh NULL>') AS `id`,
       COALESCE(`Price` * 1e0, '<aurora-dwh NULL>') AS `Price`,
       COALESCE(`flags` + 0, '<aurora-dwh NULL>') AS `flags`,
       COALESCE(`n` + 0, '<aurora-dwh NULL>') AS `n`,
       COALESCE(CONVERT(`note` USING utf8mb4), '<aurora-dwh NULL>') AS `note`,
       COALESCE(CONVERT(`doc` USING utf8mb4), '<aurora-dwh NULL>') AS `doc`,
       COALESCE(IF(YEAR(`born`) = 0 OR MONTH(`born`) = 0 OR DAY(`born`) = 0 OR DAY(`born`) > \
DAY(LAST_DAY(DATE_FORMAT(`born`, '%Y-%m-01'))), NULL, `born`), \
'<aurora-dwh NULL>') AS `born`,
       COALESCE(CAST(`took` AS CHAR), '<aurora-dwh NULL>') AS `took`,
       '<aurora-dwh NULL>' AS `pin`,
       COALESCE(CONVERT(`kind` USING utf8mb4), '<aurora-dwh NULL>') AS `kind`,
       '2024-01-05' AS `_dwh_day`,
       UTC_TIMESTAMP(6) AS `_dwh_loaded_at`
FROM `shop`.`odd``s`
WHERE (`born` >= '2024-01-05')
  AND (id <> '')
INTO OUTFILE S3 's3://lake/it''s/day=2024-01-05/part-x-000'
CHARACTER SET utf8mb4
FORMAT CSV
MANIFEST ON
OVERWRITE OFF"""


def test_the_statement_brings_every_type_to_plain_text() -> None:
    where = ["`born` >= '2024-01-05'", "id <> ''"]
    select = select_csv(SCHEMA, TABLE, where=where, day=date(2024, 1, 5), read_at=NOW)
    assert into_s3(select, "s3://lake/it's/day=2024-01-05/part-x-000") == GOLDEN


def test_the_count_looks_for_what_a_column_may_hold_and_for_nothing_else() -> None:
    kinds = misfits(SCHEMA, TABLE)
    assert [(k.column.name, k.reason, k.is_refused) for k in kinds] == [
        ("note", "nul_bytes", True),
        ("note", "null_mark", True),
        ("doc", "oversize", True),
        ("born", "zero_date", False),
        ("born", "invalid_date", False),
        ("kind", "nul_bytes", True),
    ]
    chosen = [kinds[0], kinds[1], kinds[2]]
    assert count_rows(SCHEMA, chosen, ["TRUE"], newest="born") == (
        "SELECT COUNT(*), MAX(`born`),\n"
        "       COUNT(CASE WHEN LOCATE(x'00', CAST(CONVERT(`note` USING utf8mb4) AS BINARY)) > 0 THEN 1 END),\n"
        "       COUNT(CASE WHEN CONVERT(`note` USING utf8mb4) = '<aurora-dwh NULL>' COLLATE utf8mb4_bin THEN 1 END),\n"
        "       COUNT(CASE WHEN OCTET_LENGTH(CONVERT(`doc` USING utf8mb4)) > 65535 THEN 1 END)\n"
        "FROM `shop`.`odd``s`\n"
        "WHERE (TRUE)"
    )


def test_policies_decide_what_is_refused() -> None:
    table = Table(name="t", key="id", cursor="at", zero_dates="fail", oversize="truncate", nul_bytes="remove")
    schema = TableSchema(
        "shop",
        "t",
        (Column("t", "text", "text", length=65_535), Column("doc", "json", "json"), Column("d", "date", "date")),
    )
    refused = {(k.column.name, k.reason): k.is_refused for k in misfits(schema, table)}
    assert refused == {
        ("t", "nul_bytes"): False,
        ("t", "null_mark"): True,
        ("t", "oversize"): False,
        ("doc", "oversize"): True,  # a document cannot be cut
        ("d", "zero_date"): True,
        ("d", "invalid_date"): True,
    }
