"""The one map: each MySQL type with the types it has in the lake, in the stage and in the staging table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from aurora_dwh.core.schema import TYPE_RULES, Column, TableSchema, UnsupportedTypeError, fold


def column(column_type: str, name: str = "c", **fields: Any) -> Column:
    data_type = column_type.replace("(", " ").split()[0]
    return Column(name=name, data_type=data_type, column_type=column_type, **fields)


def table(*columns: Column, key: tuple[str, ...] = ()) -> TableSchema:
    return TableSchema("shop", "orders", columns, key)


MAP: list[tuple[Column, pa.DataType, str, str]] = [
    (column("tinyint(1)"), pa.int16(), "SMALLINT", "SMALLINT"),
    (column("tinyint"), pa.int16(), "SMALLINT", "SMALLINT"),
    (column("tinyint unsigned"), pa.int16(), "SMALLINT", "SMALLINT"),
    (column("smallint"), pa.int16(), "SMALLINT", "SMALLINT"),
    (column("smallint unsigned"), pa.int32(), "INTEGER", "INTEGER"),
    (column("smallint(5) zerofill"), pa.int32(), "INTEGER", "INTEGER"),
    (column("mediumint"), pa.int32(), "INTEGER", "INTEGER"),
    (column("mediumint unsigned"), pa.int32(), "INTEGER", "INTEGER"),
    (column("int"), pa.int32(), "INTEGER", "INTEGER"),
    (column("int(10) unsigned"), pa.int64(), "BIGINT", "BIGINT"),
    (column("bigint"), pa.int64(), "BIGINT", "BIGINT"),
    (column("bigint unsigned"), pa.decimal128(20, 0), "DECIMAL(20,0)", "DECIMAL(20,0)"),
    (column("decimal(12,2)", precision=12, scale=2), pa.decimal128(12, 2), "DECIMAL(12,2)", "DECIMAL(12,2)"),
    (column("decimal(10,0)", precision=10, scale=0), pa.decimal128(10, 0), "DECIMAL(10,0)", "DECIMAL(10,0)"),
    (column("decimal(18,2)", precision=18, scale=2), pa.decimal128(18, 2), "DECIMAL(18,2)", "DECIMAL(18,2)"),
    (column("decimal(19,2)", precision=19, scale=2), pa.decimal128(20, 2), "DECIMAL(20,2)", "DECIMAL(20,2)"),
    (column("decimal(19,19)", precision=19, scale=19), pa.decimal128(20, 19), "DECIMAL(20,19)", "DECIMAL(20,19)"),
    (column("decimal(38,30)", precision=38, scale=30), pa.decimal128(38, 30), "DECIMAL(38,30)", "DECIMAL(38,30)"),
    (column("decimal(39,0)", precision=39, scale=0), pa.string(), "VARCHAR(42)", "VARCHAR(42)"),
    (column("decimal(65,30)", precision=65, scale=30), pa.string(), "VARCHAR(68)", "VARCHAR(68)"),
    (column("float"), pa.float32(), "REAL", "REAL"),
    (column("double"), pa.float64(), "DOUBLE PRECISION", "DOUBLE PRECISION"),
    (column("bit(1)", precision=1), pa.bool_(), "BOOLEAN", "BOOLEAN"),
    (column("bit(2)", precision=2), pa.int64(), "BIGINT", "BIGINT"),
    (column("bit(63)", precision=63), pa.int64(), "BIGINT", "BIGINT"),
    (column("bit(64)", precision=64), pa.decimal128(20, 0), "DECIMAL(20,0)", "DECIMAL(20,0)"),
    (column("year"), pa.int16(), "SMALLINT", "SMALLINT"),
    (column("date"), pa.date32(), "DATE", "DATE"),
    (column("datetime(6)"), pa.timestamp("us"), "TIMESTAMP", "TIMESTAMP"),
    (column("timestamp"), pa.timestamp("us"), "TIMESTAMP", "TIMESTAMP"),
    (column("time(6)"), pa.string(), "VARCHAR(18)", "VARCHAR(18)"),
    (column("char(3)", length=3), pa.string(), "VARCHAR(12)", "VARCHAR(12)"),
    (column("char(0)", length=0), pa.string(), "VARCHAR(1)", "VARCHAR(1)"),
    (column("varchar(100)", length=100), pa.string(), "VARCHAR(400)", "VARCHAR(400)"),
    (column("varchar(16383)", length=16_383), pa.string(), "VARCHAR(65532)", "VARCHAR(65532)"),
    (column("varchar(16384)", length=16_384), pa.string(), "VARCHAR(65535)", "VARCHAR(65535)"),
    (column("tinytext", length=255), pa.string(), "VARCHAR(1020)", "VARCHAR(1020)"),
    (column("text", length=65_535), pa.string(), "VARCHAR(65535)", "VARCHAR(65535)"),
    (column("mediumtext", length=16_777_215), pa.string(), "VARCHAR(65535)", "VARCHAR(65535)"),
    (column("longtext", length=4_294_967_295), pa.string(), "VARCHAR(65535)", "VARCHAR(65535)"),
    (column("enum('small','café')"), pa.string(), "VARCHAR(5)", "VARCHAR(5)"),
    (column("enum('')"), pa.string(), "VARCHAR(1)", "VARCHAR(1)"),
    (column("set('a','b','été')"), pa.string(), "VARCHAR(9)", "VARCHAR(9)"),
    (column("uuid"), pa.string(), "VARCHAR(36)", "VARCHAR(36)"),
    (column("inet4"), pa.string(), "VARCHAR(15)", "VARCHAR(15)"),
    (column("inet6"), pa.string(), "VARCHAR(39)", "VARCHAR(39)"),
    (column("json"), pa.string(), "VARCHAR(65535)", "SUPER"),
    (column("binary(16)", length=16), pa.binary(), "VARBYTE", "VARBYTE"),
    (column("varbinary(255)", length=255), pa.binary(), "VARBYTE", "VARBYTE"),
    *((column(f"{size}blob"), pa.binary(), "VARBYTE", "VARBYTE") for size in ("tiny", "", "medium", "long")),
    (column("vector(3)", length=12), pa.binary(), "VARBYTE", "VARBYTE"),
    *(
        (column(kind), pa.binary(), "VARBYTE", "VARBYTE")
        for kind in ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")
    ),
    (column("geometrycollection"), pa.binary(), "VARBYTE", "VARBYTE"),
    (column("geomcollection"), pa.binary(), "VARBYTE", "VARBYTE"),
]


@pytest.mark.parametrize(("mysql", "arrow", "stage", "redshift"), MAP, ids=[row[0].column_type for row in MAP])
def test_a02_a03_a04_each_mysql_type_has_its_types_in_lake_stage_and_staging_table(
    mysql: Column, arrow: pa.DataType, stage: str, redshift: str
) -> None:
    assert (mysql.arrow_type, mysql.stage_type, mysql.redshift_type) == (arrow, stage, redshift)


def test_every_rule_of_the_map_is_met_by_a_type_of_this_module() -> None:
    assert {id(row[0].rule) for row in MAP} == {id(rule) for rule in TYPE_RULES}


def test_a_type_that_the_map_does_not_know_is_named() -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        _ = column("xmltype(3)", "page").rule
    assert str(caught.value) == "column 'page': MySQL type 'xmltype(3)' is not known"


@pytest.mark.parametrize(
    ("mysql", "limit"),
    [
        (column("varchar(100)", length=100), 400),
        (column("mediumtext", length=16_777_215), 65_535),
        (column("json"), 65_535),
        (column("longblob"), 64_000),
        (column("geometry"), 64_000),
        (column("int"), None),
        (column("enum('a')"), None),
    ],
    ids=lambda value: value.column_type if isinstance(value, Column) else str(value),
)
def test_a06_a_type_that_may_outgrow_redshift_states_its_bytes(mysql: Column, limit: int | None) -> None:
    assert mysql.byte_limit == limit


def test_only_json_is_turned_into_another_type_on_its_way_from_the_stage() -> None:
    assert {rule.mysql: rule.load for rule in TYPE_RULES if rule.load != "{}"} == {"JSON": "JSON_PARSE({})"}
    assert [rule.mysql for rule in TYPE_RULES if rule.stage] == ["JSON"]


def test_a30_members_keep_their_quotes_commas_and_brackets() -> None:
    assert column("enum('it''s','a,b','(c)','')").members == ("it's", "a,b", "(c)", "")
    assert column("enum('it''s','a,b','(c)','')").redshift_type == "VARCHAR(4)"


def test_an_enum_member_called_unsigned_makes_nothing_unsigned_that_matters() -> None:
    assert column("enum('unsigned')").redshift_type == "VARCHAR(8)"


def test_names_fold_as_redshift_folds_them() -> None:
    assert [fold(name) for name in ("Group", "ÄÖ", "a b")] == ["group", "äö", "a b"]
    assert column("int", "OrderId").target_name == "orderid"


def test_a_column_is_found_however_its_case_is_written() -> None:
    schema = table(column("int", "OrderId"))
    assert schema.column("ORDERID") is schema.columns[0]
    with pytest.raises(KeyError, match=r"table shop\.orders has no column 'order_id'"):
        schema.column("order_id")


def test_the_arrow_schema_has_folded_names_in_source_order_all_nullable() -> None:
    schema = table(column("int", "Id", nullable=False), column("datetime", "Seen_At"))
    assert schema.arrow_schema == pa.schema([("id", pa.int32()), ("seen_at", pa.timestamp("us"))])
    assert all(field.nullable for field in schema.arrow_schema)


def test_select_keeps_source_order_key_and_comment() -> None:
    schema = TableSchema("shop", "t", (column("int", "a"), column("int", "B"), column("int", "c")), ("a",), "a comment")
    assert [c.name for c in schema.select(include=("c", "b")).columns] == ["B", "c"]
    assert [c.name for c in schema.select(exclude=("b",)).columns] == ["a", "c"]
    assert [c.name for c in schema.select(include=("a", "b"), exclude=("a",)).columns] == ["B"]
    assert schema.select() == schema


def test_select_names_a_column_that_is_not_there() -> None:
    with pytest.raises(KeyError, match="no column 'x'"):
        table(column("int", "a")).select(include=("x",))
    with pytest.raises(KeyError, match="no column 'y'"):
        table(column("int", "a")).select(exclude=("y",))


def test_select_refuses_to_leave_no_column() -> None:
    with pytest.raises(ValueError, match="include and exclude leave no column"):
        table(column("int", "a")).select(exclude=("a",))


def test_a22_two_columns_that_fold_to_one_name_are_refused() -> None:
    schema = table(column("int", "ÄB"), column("int", "äb"))
    with pytest.raises(ValueError, match="columns 'ÄB' and 'äb' both become 'äb' in Redshift") as caught:
        schema.select()
    assert "leave one out with `exclude`" in str(caught.value)


def test_json_brings_back_every_field_of_a_schema() -> None:
    schema = TableSchema(
        "shop",
        "t",
        (
            Column("Id", "bigint", "bigint unsigned", False, comment="the key"),
            Column("price", "decimal", "decimal(12,2)", True, None, 12, 2),
            Column("kind", "enum", "enum('it''s','日本')", True, 4),
        ),
        ("Id",),
        "comment of the table",
    )
    assert TableSchema.from_json(schema.to_json()) == schema
