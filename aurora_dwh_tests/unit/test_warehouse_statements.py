"""The whole text of every statement of a load. `integration/test_load.py` runs the same statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone

import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.load import statements as sql
from aurora_dwh.warehouse.load.statements import Target

SCHEMA = TableSchema(
    "shop",
    "Order",
    (
        Column("Id", "bigint", "bigint unsigned", False),
        Column("group", "varchar", "varchar(10)", False, 10),
        Column("Doc", "json", "json"),
        Column("Updated", "datetime", "datetime(6)"),
    ),
    ("Id", "group"),
)
TARGET = Target("staging", "Order", ("Id", "group"), "Updated", dist_key="Id", sort_key=("Updated", "Id"))
BARE = Target("staging", "log")


def test_create_table_names_keys_distribution_and_sorting() -> None:
    assert sql.create_table(TARGET, SCHEMA) == (
        'CREATE TABLE "staging"."order" (\n'
        '  "id" DECIMAL(20,0) NOT NULL,\n'
        '  "group" VARCHAR(40) NOT NULL,\n'
        '  "doc" SUPER,\n'
        '  "updated" TIMESTAMP,\n'
        '  "_dwh_day" DATE,\n'
        '  "_dwh_loaded_at" TIMESTAMP\n'
        ")\n"
        'DISTSTYLE KEY DISTKEY ("id")\n'
        'COMPOUND SORTKEY ("updated", "id")'
    )


def test_create_table_leaves_to_redshift_what_is_not_asked_for() -> None:
    text = sql.create_table(BARE, SCHEMA)
    assert "NOT NULL" not in text
    assert text.endswith(")\nDISTSTYLE AUTO\nSORTKEY AUTO")


def test_alter_table_is_one_action_a_statement() -> None:
    assert sql.add_column(TARGET, SCHEMA.columns[2]) == 'ALTER TABLE "staging"."order" ADD COLUMN "doc" SUPER'
    assert sql.widen_column(TARGET, SCHEMA.columns[1]) == (
        'ALTER TABLE "staging"."order" ALTER COLUMN "group" TYPE VARCHAR(40)'
    )


def test_a_column_is_added_without_not_null_though_the_source_has_it() -> None:
    assert "NOT NULL" not in sql.add_column(TARGET, SCHEMA.columns[1])


def test_create_stage_has_the_types_that_copy_loads() -> None:
    assert sql.create_stage(SCHEMA) == (
        'CREATE TEMP TABLE "dwh_stage" ("id" DECIMAL(20,0), "group" VARCHAR(40), "doc" VARCHAR(65535), '
        '"updated" TIMESTAMP, "_dwh_day" DATE, "_dwh_loaded_at" TIMESTAMP)'
    )


@pytest.mark.parametrize(
    ("role", "clause"),
    [
        ("default", "IAM_ROLE default"),
        ("arn:aws:iam::123456789012:role/r", "IAM_ROLE 'arn:aws:iam::123456789012:role/r'"),
        ("arn:a,arn:b", "IAM_ROLE 'arn:a,arn:b'"),
    ],
)
def test_a23_copy_lists_the_files_columns_and_takes_the_manifest_alone(role: str, clause: str) -> None:
    assert sql.copy(SCHEMA, "s3://lake/it's/_manifest.json", role) == (
        'COPY "dwh_stage" ("id", "group", "doc", "updated", "_dwh_day", "_dwh_loaded_at") '
        f"FROM 's3://lake/it''s/_manifest.json' {clause} FORMAT AS PARQUET MANIFEST"
    )


def test_the_count_is_asked_of_the_session_that_copied() -> None:
    assert sql.COPY_COUNT == "SELECT pg_last_copy_count()"


def test_a15_pick_newest_orders_by_reading_cursor_and_day() -> None:
    assert sql.pick_newest(TARGET) == (
        'CREATE TEMP TABLE "dwh_fresh" AS\n'
        'SELECT s.*, t."id" IS NULL AS "_dwh_is_new", t."updated" AS "_dwh_old", FALSE AS "_dwh_is_alike"\n'
        "FROM (\n"
        '  SELECT s.*, ROW_NUMBER() OVER (PARTITION BY s."id", s."group" ORDER BY s."_dwh_loaded_at" DESC, '
        's."updated" DESC NULLS LAST, s."_dwh_day" DESC) AS "_dwh_rank",\n'
        '    COUNT(*) OVER (PARTITION BY s."id", s."group", s."_dwh_day") AS "_dwh_copies"\n'
        '  FROM "dwh_stage" s\n'
        ") s\n"
        "LEFT JOIN (\n"
        '  SELECT t."id", t."group", t."_dwh_loaded_at", t."_dwh_day", t."updated"\n'
        '  FROM "staging"."order" t\n'
        '  JOIN (SELECT DISTINCT "id", "group" FROM "dwh_stage" r) k ON t."id" = k."id" AND t."group" = k."group"\n'
        ') t ON s."id" = t."id" AND s."group" = t."group"\n'
        'WHERE s."_dwh_rank" = 1 AND (t."id" IS NULL OR '
        's."_dwh_loaded_at" > t."_dwh_loaded_at" OR (s."_dwh_loaded_at" = t."_dwh_loaded_at" AND '
        "(COALESCE(s.\"updated\", '0001-01-01 00:00:00') > COALESCE(t.\"updated\", '0001-01-01 00:00:00') OR "
        "(COALESCE(s.\"updated\", '0001-01-01 00:00:00') = COALESCE(t.\"updated\", '0001-01-01 00:00:00') AND "
        's."_dwh_day" >= t."_dwh_day")))) OR s."_dwh_copies" > 1'
    )


def test_keys_that_differ_in_blanks_at_the_end_are_marked_and_never_passed_over() -> None:
    statement = sql.pick_newest(TARGET, ["Group"])
    alike = (
        '(s."_dwh_length_min_0" <> s."_dwh_length_max_0" OR '
        'COALESCE(OCTET_LENGTH(s."group") <> OCTET_LENGTH(t."group"), FALSE))'
    )
    assert f'{alike} AS "_dwh_is_alike"\n' in statement
    assert statement.endswith(f' OR {alike}) OR s."_dwh_copies" > 1')
    assert (
        'MIN(OCTET_LENGTH(s."group")) OVER (PARTITION BY s."id", s."group") AS "_dwh_length_min_0",\n'
        '    MAX(OCTET_LENGTH(s."group")) OVER (PARTITION BY s."id", s."group") AS "_dwh_length_max_0"\n'
    ) in statement
    assert sql.unfit_rows(TARGET, 1, TARGET.key) == (
        'SELECT DISTINCT "id", "group" FROM "dwh_fresh" WHERE "_dwh_is_alike" ORDER BY "id", "group" LIMIT 3'
    )


def test_pick_newest_without_a_cursor_orders_by_reading_and_day() -> None:
    assert sql.pick_newest(Target("staging", "t", ("Id",))) == (
        'CREATE TEMP TABLE "dwh_fresh" AS\n'
        'SELECT s.*, t."id" IS NULL AS "_dwh_is_new", t."_dwh_day" AS "_dwh_old", FALSE AS "_dwh_is_alike"\n'
        "FROM (\n"
        '  SELECT s.*, ROW_NUMBER() OVER (PARTITION BY s."id" ORDER BY s."_dwh_loaded_at" DESC, s."_dwh_day" DESC)'
        ' AS "_dwh_rank",\n'
        '    COUNT(*) OVER (PARTITION BY s."id", s."_dwh_day") AS "_dwh_copies"\n'
        '  FROM "dwh_stage" s\n'
        ") s\n"
        "LEFT JOIN (\n"
        '  SELECT t."id", t."_dwh_loaded_at", t."_dwh_day"\n'
        '  FROM "staging"."t" t\n'
        '  JOIN (SELECT DISTINCT "id" FROM "dwh_stage" r) k ON t."id" = k."id"\n'
        ') t ON s."id" = t."id"\n'
        'WHERE s."_dwh_rank" = 1 AND (t."id" IS NULL OR s."_dwh_loaded_at" > t."_dwh_loaded_at" OR '
        '(s."_dwh_loaded_at" = t."_dwh_loaded_at" AND s."_dwh_day" >= t."_dwh_day")) OR s."_dwh_copies" > 1'
    )


def test_count_fresh_tells_new_rows_from_replaced_ones_and_from_those_that_cannot_be_by_day() -> None:
    assert sql.count_fresh(TARGET) == (
        'SELECT "_dwh_day", SUM(CASE WHEN "_dwh_is_new" THEN 1 ELSE 0 END), '
        'SUM(CASE WHEN NOT "_dwh_is_new" THEN 1 ELSE 0 END), '
        'SUM(CASE WHEN "id" IS NULL OR "group" IS NULL THEN 1 ELSE 0 END), '
        'SUM(CASE WHEN "_dwh_is_alike" THEN 1 ELSE 0 END), SUM(CASE WHEN "_dwh_copies" > 1 THEN 1 ELSE 0 END), '
        'CASE WHEN COUNT("_dwh_old") = SUM(CASE WHEN NOT "_dwh_is_new" THEN 1 ELSE 0 END) THEN MIN("_dwh_old") END, '
        'CASE WHEN COUNT("_dwh_old") = SUM(CASE WHEN NOT "_dwh_is_new" THEN 1 ELSE 0 END) THEN MAX("_dwh_old") END '
        'FROM "dwh_fresh" GROUP BY "_dwh_day"'
    )


def test_c18_rows_without_a_key_are_told_by_other_columns_too() -> None:
    assert sql.rows_without_key(("Id", "Group"), ("id", "group", "updated"), '"dwh_stage"') == (
        'SELECT "id", "group", "updated" FROM "dwh_stage" s WHERE "id" IS NULL OR "group" IS NULL '
        'ORDER BY "id", "group", "updated" LIMIT 3'
    )


def test_a_delete_has_no_alias_on_its_target_and_is_bounded_by_the_rows_own_range() -> None:
    deleted = (
        'DELETE FROM "staging"."order" USING "dwh_fresh" WHERE "staging"."order"."id" = "dwh_fresh"."id" '
        'AND "staging"."order"."group" = "dwh_fresh"."group"'
    )
    assert sql.delete_replaced(TARGET, None) == deleted
    assert sql.delete_replaced(TARGET, (datetime(2024, 1, 1, 2), datetime(2024, 1, 4))) == (  # noqa: DTZ001
        f'{deleted} AND "staging"."order"."updated" BETWEEN '
        "'2024-01-01 02:00:00.000000' AND '2024-01-04 00:00:00.000000'"
    )
    assert sql.delete_replaced(replace(TARGET, sort_key=()), (date(2024, 1, 1), date(2024, 1, 4))) == (
        f'{deleted} AND "staging"."order"."_dwh_day" BETWEEN \'2024-01-01\' AND \'2024-01-04\''
    )
    assert sql.delete_days(BARE, ["2024-01-05", "2024-01-06"]) == (
        'DELETE FROM "staging"."log" WHERE "_dwh_day" IN (\'2024-01-05\', \'2024-01-06\')'
    )
    assert sql.delete_all(BARE) == 'DELETE FROM "staging"."log"'


def test_a29_insert_names_both_sides_and_parses_json() -> None:
    assert sql.insert(TARGET, SCHEMA, sql.FRESH) == (
        'INSERT INTO "staging"."order" ("id", "group", "doc", "updated", "_dwh_day", "_dwh_loaded_at") '
        'SELECT "id", "group", JSON_PARSE("doc"), "updated", "_dwh_day", "_dwh_loaded_at" FROM "dwh_fresh" s'
    )
    assert sql.insert(TARGET, SCHEMA, sql.STAGE).endswith(' FROM "dwh_stage" s')


def test_a_column_whose_name_has_braces_or_percents_is_only_a_name() -> None:
    odd = TableSchema("shop", "t", (Column("{0} %s", "json", "json"),))
    assert 'JSON_PARSE("{0} %s")' in sql.insert(BARE, odd, sql.STAGE)


FLAGGED = replace(TARGET, flags_deletes=True)
READ_AT = datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=timezone.utc)


def test_a16_the_flag_is_a_column_that_a_load_leaves_false() -> None:
    assert '  "_dwh_deleted" BOOLEAN DEFAULT FALSE NOT NULL\n)' in sql.create_table(FLAGGED, SCHEMA)
    assert sql.add_deleted(FLAGGED) == (
        'ALTER TABLE "staging"."order" ADD COLUMN "_dwh_deleted" BOOLEAN DEFAULT FALSE NOT NULL'
    )
    assert "_dwh_deleted" not in sql.insert(FLAGGED, SCHEMA, sql.FRESH)
    assert sql.create_table(TARGET, SCHEMA).count("_dwh_") == 2


def test_a16_a_flagged_row_yields_to_a_later_reading_alone() -> None:
    plain, flagged = sql.pick_newest(TARGET), sql.pick_newest(FLAGGED)
    head, rule = plain.split('(t."id" IS NULL OR ')
    head = head.replace('t."_dwh_day", t."updated"\n', 't."_dwh_day", t."updated", t."_dwh_deleted"\n')
    end = ') OR s."_dwh_copies" > 1'
    assert flagged == (
        f'{head}(t."id" IS NULL OR CASE WHEN t."_dwh_deleted" THEN s."_dwh_loaded_at" > t."_dwh_loaded_at" '
        f"ELSE {rule.removesuffix(end)} END{end}"
    )


def test_a16_gone_rows_are_deleted_or_flagged_unless_they_were_read_later() -> None:
    read = "\"_dwh_loaded_at\" <= '2024-01-02 03:04:05.000678'"
    assert sql.delete_rows(TARGET, "id = 1 OR id = 2", READ_AT) == (
        f'DELETE FROM "staging"."order" WHERE (id = 1 OR id = 2) AND {read}'
    )
    assert sql.flag_rows(FLAGGED, "id = 1 OR id = 2", READ_AT) == (
        'UPDATE "staging"."order" SET "_dwh_deleted" = TRUE, "_dwh_loaded_at" = \'2024-01-02 03:04:05.000678\' '
        f'WHERE (id = 1 OR id = 2) AND {read} AND NOT "_dwh_deleted"'
    )


def test_the_label_is_the_name_as_people_write_it() -> None:
    assert TARGET.label == "staging.Order"
    assert TARGET.sql == '"staging"."order"'


def test_the_audit_schema_is_made_by_statements_that_may_run_again() -> None:
    history, proofs = load_history.DDL
    assert proofs.startswith('CREATE TABLE IF NOT EXISTS "dwh"."proof_history" (\n')
    assert history == (
        'CREATE TABLE IF NOT EXISTS "dwh"."load_history" (\n'
        "  load_id VARCHAR(64) NOT NULL,\n"
        "  run_id VARCHAR(64),\n"
        "  table_name VARCHAR(255) NOT NULL,\n"
        "  day DATE NOT NULL,\n"
        "  mode VARCHAR(16) NOT NULL,\n"
        "  manifest_url VARCHAR(2048) NOT NULL,\n"
        "  attempt VARCHAR(64) NOT NULL,\n"
        "  snapshot_at TIMESTAMP NOT NULL,\n"
        "  rows_in_manifest BIGINT NOT NULL,\n"
        "  rows_inserted BIGINT NOT NULL,\n"
        "  rows_updated BIGINT NOT NULL,\n"
        "  converted VARCHAR(65535) NOT NULL,\n"
        "  loaded_at TIMESTAMP NOT NULL,\n"
        "  in_target BOOLEAN NOT NULL,\n"
        "  key_columns VARCHAR(16384), cursor_column VARCHAR(512), rules VARCHAR(65535), rows_behind BIGINT\n"
        ") DISTSTYLE AUTO SORTKEY AUTO"
    )


def test_history_rows_go_in_by_one_insert() -> None:
    moment = datetime(2024, 1, 6, 1, 2, 3, tzinfo=timezone.utc)
    row: load_history.Row = {
        "load_id": "load",
        "run_id": None,
        "table_name": "staging.it's",
        "day": date(2024, 1, 5),
        "mode": "append",
        "manifest_url": "s3://m",
        "attempt": "a",
        "snapshot_at": moment,
        "rows_in_manifest": 3,
        "rows_inserted": 2,
        "rows_updated": 1,
        "converted": '{"c": "\\u0041"}',
        "loaded_at": moment,
        "key_columns": '["id"]',
        "cursor_column": None,
        "rules": "{}",
        "rows_behind": 4,
        "in_target": True,
    }
    values = (
        "('load', NULL, 'staging.it''s', '2024-01-05', 'append', 's3://m', 'a', '2024-01-06 01:02:03.000000', 3, 2, 1, "
        "'{\"c\": \"\\\\u0041\"}', '2024-01-06 01:02:03.000000', '[\"id\"]', NULL, '{}', 4, TRUE)"
    )
    assert load_history.insert_history([row, row]) == (
        'INSERT INTO "dwh"."load_history" ("load_id", "run_id", "table_name", "day", "mode", "manifest_url", '
        '"attempt", "snapshot_at", "rows_in_manifest", "rows_inserted", "rows_updated", "converted", "loaded_at", '
        '"key_columns", "cursor_column", "rules", "rows_behind", "in_target") VALUES\n'
        f"{values},\n{values}"
    )


def test_the_audits_questions() -> None:
    assert load_history.find_load("ab") == 'SELECT COUNT(*) FROM "dwh"."load_history" WHERE load_id = \'ab\''
    assert load_history.standing("staging.t", '"staging"."t"', "s3://b/it's/t/day=", '{"a": 1}') == (
        "SELECT table_name, day, rows_in_manifest, NVL(rows_behind, 0), snapshot_at, loaded_at, in_target, mode, "
        "key_columns, cursor_column, manifest_url, CASE WHEN rules = '{\"a\": 1}' THEN '' ELSE rules END AS rules, "
        '(SELECT COUNT(*) FROM (SELECT 1 AS one FROM "staging"."t" LIMIT 1) t)\n'
        "FROM (\n"
        "  SELECT h.*, ROW_NUMBER() OVER (PARTITION BY table_name, day "
        "ORDER BY CASE WHEN in_target THEN 0 ELSE 1 END, snapshot_at DESC, loaded_at DESC) AS of_day\n"
        '  FROM "dwh"."load_history" h\n'
        "  WHERE (table_name = 'staging.t' OR LEFT(manifest_url, 18) = 's3://b/it''s/t/day=') "
        "AND LEFT(attempt, 7) <> 'repair-'\n"
        ") h\n"
        "WHERE of_day = 1\n"
        "ORDER BY loaded_at"
    )
    assert ", rules, 0\nFROM" in load_history.standing("staging.t", None, "s3://b/t/day=", None)
    assert load_history.missing_columns({"load_id", "rules"}) == [
        'ALTER TABLE "dwh"."load_history" ADD COLUMN "key_columns" VARCHAR(16384)',
        'ALTER TABLE "dwh"."load_history" ADD COLUMN "cursor_column" VARCHAR(512)',
        'ALTER TABLE "dwh"."load_history" ADD COLUMN "rows_behind" BIGINT',
    ]
    assert load_history.missing_columns([]) == []
    assert load_history.count_loads("staging.t") == (
        'SELECT COUNT(*) FROM "dwh"."load_history" WHERE table_name = \'staging.t\''
    )


BYTES = TableSchema("shop", "t", (Column("id", "binary", "binary(16)", length=16), Column("doc", "json", "json")))


def test_csv_is_loaded_with_a_mark_for_null_and_bytes_lose_their_lead() -> None:
    assert sql.create_stage(BYTES, "csv") == (
        'CREATE TEMP TABLE "dwh_stage" ("id" VARBYTE(64001), "doc" VARCHAR(65535), "_dwh_day" DATE, '
        '"_dwh_loaded_at" TIMESTAMP)'
    )
    assert sql.copy(BYTES, "s3://lake/m.json", "default", "csv") == (
        'COPY "dwh_stage" ("id", "doc", "_dwh_day", "_dwh_loaded_at") FROM \'s3://lake/m.json\' IAM_ROLE default '
        "FORMAT AS CSV NULL AS '<aurora-dwh NULL>' MANIFEST"
    )
    rows = '(SELECT SUBSTRING("id", 2) AS "id", "doc", "_dwh_day", "_dwh_loaded_at" FROM "dwh_stage")'
    assert sql.staged(BYTES, "csv") == rows
    assert sql.insert(BARE, BYTES, sql.STAGE, "csv") == (
        'INSERT INTO "staging"."log" ("id", "doc", "_dwh_day", "_dwh_loaded_at") '
        f'SELECT "id", JSON_PARSE("doc"), "_dwh_day", "_dwh_loaded_at" FROM {rows} s'
    )
    assert f"FROM {rows} s" in sql.pick_newest(TARGET, (), rows)


def test_a_stage_without_bytes_is_read_as_it_is_whatever_filled_it() -> None:
    assert sql.staged(SCHEMA, "csv") == '"dwh_stage"' == sql.staged(BYTES, "parquet")


def test_rows_on_the_stage_are_made_those_of_another_day() -> None:
    stage = sql.identifier(sql.STAGE)
    assert sql.set_day(date(2024, 1, 5)) == f"UPDATE {stage} SET \"_dwh_day\" = '2024-01-05'"
