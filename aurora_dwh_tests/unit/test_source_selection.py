"""What a schema alone decides of a table: which of its columns are copied, and why it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.selection import most_columns, selected, why_not

ID = Column("Id", "int", "int", nullable=False)
AT = Column("at", "datetime", "datetime")
NOTE = Column("note", "varchar", "varchar(9)", length=9)
BYTES = Column("raw", "blob", "blob", length=65_535)
STRANGE = Column("odd", "strange", "strange(3)")


def table(**fields: Any) -> Table:
    return Table(**{"name": "t", "key": ("id",), "cursor": "at", **fields})


def schema(*columns: Column) -> TableSchema:
    return TableSchema("d", "t", columns or (ID, AT, NOTE, BYTES), ("Id",))


def test_the_columns_of_the_catalog_are_selected_and_treated() -> None:
    chosen = selected(schema(), table(exclude=("RAW",), mask={"note": "sha256"}))
    assert [(c.name, c.column_type) for c in chosen.columns] == [
        ("Id", "int"),
        ("at", "datetime"),
        ("note", "varchar(64)"),
    ]


@pytest.mark.parametrize(
    ("columns", "fields", "message"),
    [
        ((), {"exclude": ("no",)}, "`exclude` names 'no', which"),
        ((), {"include": ("id", "at", "no")}, "`include` names 'no', which"),
        ((), {"key": ("no",)}, "`key` names 'no', which is no column of the table, or none that this user may read"),
        ((), {"cursor": "no"}, "`cursor` names 'no', which"),
        ((), {"soft_delete": "no"}, "`soft_delete` names 'no', which"),
        ((), {"dist_key": "no"}, "`dist_key` names 'no', which"),
        ((), {"sort_key": ("id", "no")}, "`sort_key` names 'no', which"),
        ((), {"mask": {"no": "sha256"}}, "`mask` names 'no', which"),
        ((), {"cursor": "note"}, "the cursor 'note' is of type varchar(9), and only TIMESTAMP, DATETIME and DATE say"),
        ((), {"dist_key": "raw"}, "`dist_key` names 'raw', which is a VARBYTE in Redshift and can be none"),
        ((), {"sort_key": ("raw",)}, "`sort_key` names 'raw', which is a VARBYTE in Redshift and can be none"),
        ((ID, AT, STRANGE), {}, "column 'odd': its type strange(3) is not known; leave it out with `exclude: [odd]`"),
        (
            (ID, AT, STRANGE),
            {"key": ("odd",)},
            "its type strange(3) is not known; leave it out with `exclude: [odd]`, and name another column in `key`",
        ),
        ((ID, AT, Column("ID", "int", "int")), {}, "columns 'Id' and 'ID' both become 'id' in Redshift"),
    ],
)
def test_what_cannot_be_copied_is_named_with_what_to_do(
    columns: tuple[Column, ...], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as refused:
        selected(schema(*columns), table(**fields))
    assert str(refused.value).startswith("table t: ")
    assert message in str(refused.value)


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(DataError) as refused:
        selected(schema(ID, AT, STRANGE, Column("ctid", "int", "int")), table(soft_delete="gone"))
    assert str(refused.value).count("; leave it out with") == 2
    assert "`soft_delete` names 'gone'" in str(refused.value)


def test_a_column_that_is_left_out_may_be_anything() -> None:
    chosen = selected(schema(ID, AT, STRANGE, Column("xmin", "int", "int")), table(exclude=("odd", "xmin")))
    assert [column.name for column in chosen.columns] == ["Id", "at"]


@pytest.mark.parametrize(
    ("name", "fits"), [("é" * 63, True), ("é" * 64, False), ("_dwh", True), ("_Dwh_x", False), ("CTID", False)]
)
def test_m09_names_that_redshift_keeps_to_itself_or_would_cut(name: str, fits: bool) -> None:
    assert (why_not(Column(name, "int", "int")) == "") is fits


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"mode": "full", "cursor": None}, 1_598),
        ({"mode": "append"}, 1_598),
        ({"mode": "append", "deletes": "flag"}, 1_597),
        ({"mode": "append", "deletes": "remove"}, 1_598),
        ({}, 1_593),
        ({"deletes": "flag"}, 1_593),
        ({"key": ("id", "note")}, 1_591),
    ],
)
def test_m09_how_many_columns_there_is_room_for(fields: dict[str, Any], most: int) -> None:
    assert most_columns(schema(), table(**fields)) == most
    columns = (ID, AT, NOTE, *(Column(f"c{n}", "int", "int") for n in range(most - 3)))
    assert len(selected(schema(*columns), table(**fields)).columns) == most
    with pytest.raises(DataError, match=f"{most + 1:,} columns are to be copied, and Redshift has room for {most:,}"):
        selected(schema(*columns, BYTES), table(**fields))
