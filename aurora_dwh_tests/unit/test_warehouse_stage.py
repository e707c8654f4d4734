"""The columns of a stage that several days share, decided without a server."""

from __future__ import annotations

import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.warehouse.load.stage import union


def schema(*columns: Column, comment: str = "") -> TableSchema:
    return TableSchema("shop", "t", columns, ("id",), comment)


ID = Column("Id", "int", "int")


def varchar(length: int) -> Column:
    return Column("note", "varchar", f"varchar({length})", length=length)


def test_a20_the_stage_has_the_columns_of_all_days() -> None:
    more, other = Column("more", "int", "int"), Column("other", "json", "json")
    whole = union([schema(ID, more), schema(ID, other, comment="last")])
    assert whole == schema(ID, more, other, comment="last")


@pytest.mark.parametrize("lengths", [(10, 20, 15), (20, 10, 10), (10, 10, 20)])
def test_a20_the_stage_holds_the_widest_of_the_days(lengths: tuple[int, ...]) -> None:
    whole = union([schema(ID, varchar(length)) for length in lengths])
    assert whole.column("note").stage_type == "VARCHAR(80)"


def test_a_column_is_as_the_latest_day_has_it_otherwise() -> None:
    late = Column("id", "int", "int", comment="now with a comment")
    assert union([schema(ID), schema(late)]).columns == (late,)
