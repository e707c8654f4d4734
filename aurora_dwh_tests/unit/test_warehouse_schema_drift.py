"""What is done about a source whose columns are not the target's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Answer
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.load.schema_drift import (
    DriftError,
    Preparation,
    absent,
    adapt,
    changes,
    holds,
    live_columns,
    prepare,
)
from aurora_dwh.warehouse.load.statements import Target, add_deleted, create_table

TARGET = Target("staging", "orders", ("Id",), "Updated")
SCHEMA = TableSchema(
    "shop",
    "orders",
    (
        Column("Id", "bigint", "bigint"),
        Column("note", "varchar", "varchar(10)", length=10),
        Column("price", "decimal", "decimal(12,2)", precision=12, scale=2),
    ),
)
LIVE = {
    "id": "BIGINT",
    "note": "VARCHAR(40)",
    "price": "DECIMAL(12,2)",
    "_dwh_day": "DATE",
    "_dwh_loaded_at": "TIMESTAMP",
}


def live(**other: str) -> dict[str, str]:
    return {**LIVE, **other}


def prepared(*states: list[tuple[Any, ...]], schemas: Sequence[TableSchema] = (SCHEMA,), **other: Any) -> Preparation:
    session: Any = Session(*states)
    return prepare(session, replace(TARGET, **other), schemas[-1], schemas)


def test_c23_a_table_that_is_not_there_is_made_by_the_transaction_that_loads_it() -> None:
    session: Any = Session([])
    assert prepare(session, TARGET, SCHEMA, [SCHEMA]) == Preparation(making=(create_table(TARGET, SCHEMA),))
    assert create_table(TARGET, SCHEMA) not in session.ran
    assert [statement for statement in load_history.DDL if statement not in session.ran] == []


def test_c23_columns_are_added_by_the_transaction_and_widened_before_it() -> None:
    rows = [row for row in WHOLE if row[2] not in ("price", "note")]
    note = ("staging", "orders", "note", "character varying", 39, None, None)
    assert prepared([*rows, note, *HISTORY]) == Preparation(
        adding=('ALTER TABLE "staging"."orders" ADD COLUMN "price" DECIMAL(12,2)',),
        widening=('ALTER TABLE "staging"."orders" ALTER COLUMN "note" TYPE VARCHAR(40)',),
    )


def test_c23_of_days_with_other_columns_each_change_is_made_once() -> None:
    wider = replace(SCHEMA, columns=(*SCHEMA.columns, Column("alter column", "varchar", "varchar(20)", length=20)))
    widest = replace(SCHEMA, columns=(*SCHEMA.columns, Column("alter column", "varchar", "varchar(30)", length=30)))
    assert prepared([*WHOLE, *HISTORY], schemas=[SCHEMA, wider, SCHEMA, widest, wider]) == Preparation(
        adding=('ALTER TABLE "staging"."orders" ADD COLUMN "alter column" VARCHAR(80)',),
        widening=('ALTER TABLE "staging"."orders" ALTER COLUMN "alter column" TYPE VARCHAR(120)',),
    )
    flagged = prepared([*WHOLE, *HISTORY], schemas=[SCHEMA, wider], flags_deletes=True)
    assert len(flagged.adding) == 2


def test_a20_what_cannot_be_followed_changes_nothing() -> None:
    rows = [row for row in WHOLE if row[2] not in ("price", "note")]
    found = prepared([*rows, ("staging", "orders", "note", "super", None, None, None), *HISTORY])
    assert (found.making, found.adding, found.widening) == ((), (), ())
    assert "'note' is SUPER in Redshift and now VARCHAR(40)" in str(found.misfit)


def test_the_history_of_an_older_version_gets_what_it_lacks() -> None:
    session: Any = Session([*WHOLE, *HISTORY[:1]])
    prepare(session, TARGET, SCHEMA, [SCHEMA])
    assert session.ran == load_history.missing_columns(["load_id"])
    assert len(session.ran) == 4


def test_a_table_that_fits_needs_nothing() -> None:
    assert changes(TARGET, SCHEMA, live()) == []


@pytest.mark.parametrize("frozen", [False, True])
def test_a16_a_table_whose_deletes_are_flagged_gets_the_flag_once(frozen: bool) -> None:
    target = replace(TARGET, flags_deletes=True, frozen=frozen)
    assert changes(target, SCHEMA, live()) == [add_deleted(target)]
    assert changes(target, SCHEMA, live(_dwh_deleted="BOOLEAN")) == []
    assert changes(TARGET, SCHEMA, live(_dwh_deleted="BOOLEAN")) == []


def test_a20_a_column_that_is_gone_from_the_source_stays_in_the_target() -> None:
    assert changes(TARGET, SCHEMA, live(once="SUPER")) == []


def test_a20_new_columns_are_added_and_wider_ones_widened_one_statement_each() -> None:
    present = live(note="VARCHAR(39)")
    del present["price"], present["id"]
    assert changes(TARGET, SCHEMA, present) == [
        'ALTER TABLE "staging"."orders" ADD COLUMN "id" BIGINT',
        'ALTER TABLE "staging"."orders" ALTER COLUMN "note" TYPE VARCHAR(40)',
        'ALTER TABLE "staging"."orders" ADD COLUMN "price" DECIMAL(12,2)',
    ]


def test_a20_a_narrower_source_leaves_the_target_as_wide_as_it_is() -> None:
    assert changes(TARGET, SCHEMA, live(note="VARCHAR(65535)")) == []


@pytest.mark.parametrize(
    ("name", "there", "wanted", "remedy"),
    [
        ("Id", "INTEGER", "BIGINT (bigint in MySQL)", "rebuild orders"),
        ("price", "DECIMAL(12,3)", "DECIMAL(12,2) (decimal(12,2) in MySQL)", "rebuild orders --from source"),
        ("price", "BIGINT", "DECIMAL(12,2) (decimal(12,2) in MySQL)", "rebuild orders --from source"),
        ("price", "DECIMAL(10,2)", "DECIMAL(12,2) (decimal(12,2) in MySQL)", "rebuild orders"),
        ("note", "SUPER", "VARCHAR(40) (varchar(10) in MySQL)", "rebuild orders --from source"),
    ],
)
def test_a20_c17_a_changed_type_stops_the_load_and_says_what_to_do(
    name: str, there: str, wanted: str, remedy: str
) -> None:
    with pytest.raises(DriftError) as caught:
        changes(TARGET, SCHEMA, live(**{name.lower(): there}))
    assert str(caught.value) == (
        f"staging.orders: column {name.lower()!r} is {there} in Redshift and now {wanted}, "
        f"which Redshift cannot change in place; run `aurora-dwh {remedy}`"
    )


@pytest.mark.parametrize(
    ("type_", "other"),
    [
        ("BIGINT", "SMALLINT"),
        ("BIGINT", "INTEGER"),
        ("INTEGER", "SMALLINT"),
        ("DOUBLE PRECISION", "REAL"),
        ("TIMESTAMP", "DATE"),
        ("VARCHAR(8)", "VARCHAR(4)"),
        ("DECIMAL(20,0)", "BIGINT"),
        ("DECIMAL(19,0)", "BIGINT"),
        ("DECIMAL(14,4)", "DECIMAL(12,2)"),
    ],
)
def test_a20_a_wider_type_holds_a_narrower_one_and_not_the_other_way(type_: str, other: str) -> None:
    assert holds(type_, other)
    assert holds(type_, type_)
    assert not holds(other, type_)


@pytest.mark.parametrize(
    ("type_", "other"),
    [
        ("DECIMAL(18,0)", "BIGINT"),
        ("DECIMAL(12,4)", "DECIMAL(12,2)"),
        ("BIGINT", "DECIMAL(5,0)"),
        ("REAL", "SMALLINT"),
        ("SUPER", "VARCHAR(4)"),
        ("VARCHAR(4)", "SUPER"),
        ("BOOLEAN", "SMALLINT"),
    ],
)
def test_a20_types_that_might_lose_a_value_do_not_fit(type_: str, other: str) -> None:
    assert not holds(type_, other)


def test_columns_that_the_source_has_no_more_are_known() -> None:
    assert absent(SCHEMA, live(once="SUPER")) == ["once"]


def test_a_table_without_the_products_columns_is_not_ours() -> None:
    present = live()
    del present["_dwh_day"]
    with pytest.raises(DriftError, match=r"staging\.orders exists and lacks _dwh_day: it was not made by aurora-dwh"):
        changes(TARGET, SCHEMA, present)


class Session:
    """A session that answers with the target's columns, and refuses what it is told to."""

    def __init__(self, *states: list[tuple[Any, ...]], refusing: dict[str, list[WarehouseError]] | None = None) -> None:
        self.states = list(states)
        self.refusing = refusing or {}
        self.ran: list[str] = []

    def execute(self, statement: str) -> Answer:
        if "svv_all_columns" in statement:
            return Answer(self.states.pop(0) if len(self.states) > 1 else self.states[0], -1)
        self.ran.append(statement)
        for match, errors in self.refusing.items():
            if match in statement and errors:
                raise errors.pop(0)
        return Answer([], -1)


WHOLE: list[tuple[Any, ...]] = [
    ("staging", "orders", "id", "bigint", None, 64, 0),
    ("staging", "orders", "note", "character varying", 40, None, None),
    ("staging", "orders", "price", "numeric", None, 12, 2),
    ("staging", "orders", "_dwh_day", "date", None, None, None),
    ("staging", "orders", "_dwh_loaded_at", "timestamp without time zone", None, None, None),
]
HISTORY: list[tuple[Any, ...]] = [
    ("dwh", "load_history", name, "character varying", 64, None, None)
    for name in ("load_id", "key_columns", "cursor_column", "rules")
]


@pytest.mark.parametrize(
    ("row", "spelled"),
    [
        (("c", "smallint", None, 16, 0), "SMALLINT"),
        (("c", "integer", None, 32, 0), "INTEGER"),
        (("c", "real", None, 24, None), "REAL"),
        (("c", "double precision", None, 53, None), "DOUBLE PRECISION"),
        (("c", "boolean", None, None, None), "BOOLEAN"),
        (("c", "super", None, None, None), "SUPER"),
        (("c", "binary varying", 64_000, None, None), "VARBYTE"),
        (("c", "binary varying(64000)", 64_000, None, None), "VARBYTE"),
        (("c", "character varying(7)", 7, None, None), "VARCHAR(7)"),
        (("c", "numeric", None, 38, 10), "DECIMAL(38,10)"),
        (("c", "timestamp without time zone", None, None, None), "TIMESTAMP"),
        (("c", "timestamp with time zone", None, None, None), "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_redshifts_spellings_are_read_in_the_maps(row: tuple[Any, ...], spelled: str) -> None:
    session: Any = Session([("staging", "orders", *row)])
    assert live_columns(session, TARGET) == {"c": spelled}


def test_adapt_runs_what_is_needed_and_returns_it() -> None:
    session: Any = Session([row for row in WHOLE if row[2] != "price"])
    assert adapt(session, TARGET, SCHEMA) == ['ALTER TABLE "staging"."orders" ADD COLUMN "price" DECIMAL(12,2)']
    assert session.ran == ['ALTER TABLE "staging"."orders" ADD COLUMN "price" DECIMAL(12,2)']


def test_adapt_makes_schemas_and_audit_tables_before_a_first_load() -> None:
    session: Any = Session([])
    ran = adapt(session, TARGET, SCHEMA)
    assert [statement.split("(")[0].split(" SELECT")[0].strip() for statement in ran] == [
        'CREATE SCHEMA "staging"',
        'CREATE SCHEMA "dwh"',
        'CREATE TABLE IF NOT EXISTS "dwh"."load_history"',
        'CREATE TABLE IF NOT EXISTS "dwh"."proof_history"',
        'CREATE TABLE "staging"."orders"',
    ]


def test_a24_a_column_that_another_writer_added_first_is_no_failure() -> None:
    refusal = WarehouseError("exists", statement="ALTER 1", state="42701")
    session: Any = Session([r for r in WHOLE if r[2] != "price"], WHOLE, refusing={"ADD COLUMN": [refusal]})
    assert adapt(session, TARGET, SCHEMA) == []


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (WarehouseError("exists", statement="A", state="42701"), 2),
        (WarehouseError("exists", statement="A", state="42710"), 2),
        (WarehouseError("no", statement="A", state="42501"), 1),
        (PassingError("lost"), 1),
    ],
)
def test_what_redshift_goes_on_refusing_is_raised(error: WarehouseError, tries: int) -> None:
    session: Any = Session([r for r in WHOLE if r[2] != "price"], refusing={"ADD COLUMN": [error] * 9})
    with pytest.raises(type(error)):
        adapt(session, TARGET, SCHEMA)
    assert len([statement for statement in session.ran if statement != "ROLLBACK"]) == tries


def test_drift_looks_at_the_one_table_by_the_name_that_redshift_keeps() -> None:
    class Noting(Session):
        def execute(self, statement: str) -> Answer:
            self.ran.append(statement)
            return Answer([], -1)

    session: Any = Noting([])
    live_columns(session, replace(TARGET, name="It's"))
    (statement,) = session.ran
    assert statement == (
        "SELECT schema_name, table_name, column_name, data_type, character_maximum_length, numeric_precision, "
        "numeric_scale FROM svv_all_columns WHERE database_name = current_database() "
        "AND ((schema_name = 'staging' AND table_name = 'it''s') "
        "OR (schema_name = 'dwh' AND table_name = 'load_history')) ORDER BY ordinal_position"
    )
