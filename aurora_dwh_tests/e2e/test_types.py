"""Every type of the map, through the whole chain: equal by an independent comparison and by the product's proof."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.proof import verdict as verdicts
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh.proof.verdict import Verdict
from aurora_dwh_tests.e2e import type_samples
from aurora_dwh_tests.e2e.type_samples import SAMPLES
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import one_server, server  # noqa: F401 - both servers here, unlike elsewhere in this folder

DAY = "2024-01-01"


def write(world: World, table: str, count: int, seed: int, names: Sequence[str] = tuple(SAMPLES)) -> None:
    """Make a table of samples and fill it by a client of its own."""
    with world.source() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute(type_samples.create(table, names))
        type_samples.write(connection, table, type_samples.rows(count, seed, names), names)


def at_source(world: World, table: str, names: Sequence[str] = tuple(SAMPLES)) -> dict[int, tuple[Any, ...]]:
    """Return the source's rows by id, in plain values."""
    columns = ", ".join(SAMPLES[name].read.format(f"`{name}`") for name in names)
    return _plain(world.ask_source(f"SELECT id, {columns} FROM {table}"), names)


def in_staging(world: World, table: str, names: Sequence[str] = tuple(SAMPLES)) -> dict[int, tuple[Any, ...]]:
    """Return the staging table's rows by id, in plain values."""
    columns = ", ".join(f'"{name}"' for name in names)
    return _plain(world.ask_warehouse(f"SELECT id, {columns} FROM staging.{table}"), names)


def _plain(rows: list[tuple[Any, ...]], names: Sequence[str]) -> dict[int, tuple[Any, ...]]:
    found = {
        row[0]: tuple(type_samples.plain(name, value) for name, value in zip(names, row[1:], strict=True))
        for row in rows
    }
    assert len(found) == len(rows), "an id is there twice"
    return found


def assert_equal(world: World, table: str, names: Sequence[str] = tuple(SAMPLES)) -> None:
    """Compare both sides, value by value."""
    there, here = at_source(world, table, names), in_staging(world, table, names)
    assert there.keys() == here.keys()
    assert there
    wrong = [
        f"{name} of {key}: {original!r:.200} in the source, {copied!r:.200} in staging"
        for key in there
        for name, original, copied in zip(names, there[key], here[key], strict=True)
        if original != copied
    ]
    assert not wrong, "\n".join(wrong[:20])


def verify(table: str) -> Verdict:
    """Return what `aurora-dwh verify` finds."""
    catalog = Catalog.load()
    (verdict,) = compare_tables(catalog, [catalog.tables[table]])
    return verdict


@pytest.mark.parametrize("count", [500, soak(3_000)])
def test_every_type_of_the_map_arrives_exactly(world: World, count: int) -> None:
    world.catalog("every: {key: id, cursor: changed}")
    write(world, "every", count, seed=1)
    world.load(DAY, "every")
    assert_equal(world, "every")
    verdict = verify("every")
    assert verdict.equal, verdict.error or verdict.differences
    assert verdict.source_rows == verdict.staged_rows == count
    assert world.day_metadata("lake/every", DAY)["converted_values"] == 0


AT_ONCE = 35
"""How many values are changed before each comparison, every one in a row and column of its own."""


@one_server  # the values that differ are Redshift's
def test_a_single_value_that_differs_is_found_whatever_its_type(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "SHOWN_ROWS", AT_ONCE)
    world.catalog("every: {key: id, cursor: changed}")
    write(world, "every", 2 * AT_ONCE, seed=2)
    world.load(DAY, "every")
    kinds = dict(
        world.ask_warehouse(
            "SELECT column_name, data_type FROM svv_all_columns WHERE schema_name = 'staging' AND table_name = 'every'"
        )
    )
    catalog = Catalog.load()

    def compare() -> tuple[str, ...]:
        return next(compare_tables(catalog, [catalog.tables["every"]])).differences

    assert compare() == ()
    names = list(SAMPLES)
    listed = ", ".join(f'"{name}"' for name in names)
    copied = world.ask_warehouse(f"SELECT id, {listed} FROM staging.every ORDER BY id DESC")
    for group in (names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE)):
        changed: dict[int, tuple[str, Any]] = {}  # each in a row of its own
        updates = []
        for number, name in enumerate(group):
            there = ((row[0], row[1 + names.index(name)]) for row in copied)
            key, value = next(row for row in there if row[1] is not None and row[0] not in changed)
            other = "NULL" if number % 5 == 0 else literal(kinds[name], neighbour(kinds[name], value))
            updates.append(f'UPDATE staging.every SET "{name}" = {other} WHERE id = {key}')
            changed[key] = name, value
        world.at_warehouse(*updates)
        columns, *rows = compare()
        assert sorted(columns.removeprefix("columns that differ: ").split(", ")) == sorted(group)
        assert {row.partition(" is ")[0] for row in rows} == {f"id='{k}': {name}" for k, (name, _) in changed.items()}
        world.at_warehouse(
            *(
                f'UPDATE staging.every SET "{name}" = {literal(kinds[name], value)} WHERE id = {key}'
                for key, (name, value) in changed.items()
            )
        )
    assert compare() == ()


def neighbour(kind: str, value: Any) -> Any:
    """Return the value next to a value of a Redshift type: one letter, bit, step or microsecond away."""
    match value:
        case bool():
            return not value
        case int():
            return value - 1 if value else 1
        case Decimal():
            return Decimal(f"{value:f}"[:-1] + ("1" if f"{value:f}"[-1] != "1" else "2"))
        case float() if kind == "real":
            (bits,) = struct.unpack("<I", struct.pack("<f", value))
            return struct.unpack("<f", struct.pack("<I", bits ^ 1))[0]
        case float():
            return math.nextafter(value, 0.0)
        case datetime():
            return value + timedelta(microseconds=1 if value.year < 9999 else -1)
        case date():
            return value + timedelta(days=1 if value.year < 9999 else -1)
    if kind == "super":
        return f"[{value}]"
    if kind == "binary varying":
        return value[:-2] + ("01" if value[-2:] == "00" else "00")
    return value[:-1] + " " if value[-1:] != " " else value[:-1] + "."


def literal(kind: str, value: Any) -> str:
    """Return a value of a Redshift type as a literal."""
    match value:
        case bool() | int():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case float():
            return f"'{value!r}'::{kind}"
    text = str(value).replace("\\", "\\\\").replace("'", "''")
    shapes = {"binary varying": "TO_VARBYTE('{}', 'hex')", "super": "JSON_PARSE('{}')"}
    return shapes.get(kind, "'{}'").replace("{}", text)
