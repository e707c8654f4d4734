"""A user that may read some columns of some tables and nothing else: every command works, with those columns."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor.check import Attempts, Check, State
from aurora_dwh.commands.doctor.source import TABLE, check
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh_tests.e2e.world import World, chain
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
    servers_in_turn,
)

DAY = "2024-01-01"
GRANTS = {
    "orders": "id, note, updated_at",
    "secret_key": "n, updated_at",
    "kept": "id, doc",
}
"""Table -> columns that the user may read."""


@pytest.fixture
def narrow(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose user may read but some columns."""
    world.at_source(
        "CREATE TABLE orders (id INT PRIMARY KEY, secret INT, note TEXT, updated_at DATETIME NOT NULL, "
        "KEY (updated_at), UNIQUE (secret))",
        "CREATE TABLE secret_key (secret INT, n INT NOT NULL, updated_at DATETIME NOT NULL, PRIMARY KEY (secret, n), "
        "UNIQUE (secret), KEY (updated_at))",
        "CREATE TABLE kept (id INT PRIMARY KEY, secret INT, doc JSON)",
        "CREATE TABLE unseen (id INT PRIMARY KEY)",
        "CREATE VIEW orders_view AS SELECT * FROM orders",
        "INSERT INTO orders VALUES (1, 42, 'a', '2023-12-31'), (2, 43, NULL, '2023-12-31')",
        "INSERT INTO secret_key VALUES (42, 1, '2023-12-31'), (43, 2, '2023-12-31')",
        """INSERT INTO kept VALUES (1, 42, '{"a": 1}')""",
        "CREATE USER narrow IDENTIFIED BY 'n'",
        *(f"GRANT SELECT ({columns}) ON {world.database}.{name} TO narrow" for name, columns in GRANTS.items()),
    )
    monkeypatch.setenv("AURORA_USER", "narrow")
    monkeypatch.setenv("AURORA_PASSWORD", "n")
    yield world
    world.at_source("DROP USER narrow")


def doctor() -> dict[str, Check]:
    attempts = Attempts()
    check(attempts, Catalog.load())
    return {found.name: found for found in attempts.checks}


def test_m10_what_may_be_read_is_offered_checked_planned_loaded_and_proven(narrow: World) -> None:
    narrow.catalog("")
    found = CliRunner().invoke(app, ["discover", "--output", str(narrow.catalog_file), "--json"])
    assert found.exit_code == 0, (found.stderr, found.exception)
    assert json.loads(found.stdout)["refused"] == {}
    tables = Catalog.load().tables
    assert {name: (table.mode, table.key) for name, table in tables.items()} == {
        "kept": ("full", ("id",)),
        "orders": ("incremental", ("id",)),
        "secret_key": ("full", ()),
    }
    checks = doctor()
    assert [check.name for check in checks.values() if check.state is State.FAILED] == []
    assert [checks[f"{TABLE}{name}"].state for name in GRANTS] == [State.OK] * 3
    for name in GRANTS:
        planned = CliRunner().invoke(app, ["plan", name, "--day", DAY])
        assert planned.exit_code == 0, (planned.stderr, planned.exception)
        assert "secret`" not in planned.stdout
    narrow.load(DAY, *GRANTS)
    assert [verdict.equal for verdict in compare_tables(Catalog.load(), tables.values())] == [True] * 3
    for name in GRANTS:
        columns = narrow.ask_warehouse(
            f"SELECT column_name FROM svv_all_columns WHERE schema_name = 'staging' AND table_name = '{name}'"
        )
        assert ("secret",) not in columns


@servers_in_turn(
    "case",
    [
        ("{key: secret, cursor: updated_at}", "`key` names 'secret', which is no column of the table, or none that"),
        ("{key: id, cursor: updated_at, mask: {secret: sha256}}", "`mask` names 'secret', which is no column of"),
        ("{key: id, cursor: updated_at, filter: secret > 0}", "for column 'secret' in table 'orders'"),
    ],
)
def test_m10_an_entry_that_needs_what_may_not_be_read_fails_in_doctor_as_in_a_load(
    narrow: World, case: tuple[str, str]
) -> None:
    entry, said = case
    narrow.catalog(f"orders: {entry}")
    found = doctor()[f"{TABLE}orders"]
    assert found.state is State.FAILED
    assert said in found.detail
    assert f"GRANT SELECT ON `{narrow.database}`.`orders`" in found.remedy
    run = narrow.run(DAY, None, chain("orders"))
    assert not run.success
    assert said in run.failure
    narrow.at_source(f"GRANT SELECT ON `{narrow.database}`.`orders` TO narrow")  # the remedy
    assert doctor()[f"{TABLE}orders"].state is State.OK
    narrow.load(DAY, "orders")


@mariadb_in_soak
def test_m06_a_table_whose_check_costs_the_session_costs_no_other_its_check(narrow: World) -> None:
    names = ", ".join(f"a_column_of_a_long_name_{number} INT" for number in range(700))
    narrow.at_source(
        f"CREATE TABLE wide (id INT PRIMARY KEY, {names})", f"GRANT SELECT ON {narrow.database}.wide TO narrow"
    )
    narrow.catalog("kept: {mode: full, key: id}\nwide: {mode: full, key: id}\norders: {key: id, cursor: updated_at}")
    ((size,),) = narrow.ask_source("SELECT @@max_allowed_packet")
    narrow.at_source("SET GLOBAL max_allowed_packet = 1024")
    try:
        checks = doctor()
    finally:
        narrow.at_source(f"SET GLOBAL max_allowed_packet = {size}")
    assert checks[f"{TABLE}kept"].state is State.OK
    assert checks[f"{TABLE}wide"].state is State.FAILED
    assert checks[f"{TABLE}wide"].detail.startswith("the connection to Aurora was lost: ")
    assert checks[f"{TABLE}orders"].state is State.OK
