"""What messages and pages have somebody run in Redshift, taken at its word: it is run as it stands there.

The stand-in refuses what Redshift refuses; each statement is run through it, and what it was to mend is mended.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

import aurora_dwh
from aurora_dwh.commands.doctor import warehouse as doctor
from aurora_dwh.commands.doctor.check import Check, State
from aurora_dwh.commands.doctor.contract.report import assumptions
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.warehouse import connection
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.marts.build import build
from aurora_dwh.warehouse.marts.model import MartError
from aurora_dwh_tests.integration.test_marts import SCHEMAS, table
from aurora_dwh_tests.services import query

PASSWORD = "Other12345"


@contextmanager
def user(warehouse: Warehouse, redshift: RedshiftStandIn, rights: str) -> Iterator[Warehouse]:
    """Give the warehouse as another user, who is there for a while."""
    name = f"user_{secrets.token_hex(4)}"
    with redshift.admin(str(warehouse.settings.database)) as admin:
        admin.query(f"CREATE ROLE {name} LOGIN {rights} PASSWORD '{PASSWORD}'")
        yield Warehouse(replace(warehouse.settings, user=name, password=SecretStr(PASSWORD)))
        admin.query(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.fixture
def administrator(warehouse: Warehouse, redshift: RedshiftStandIn) -> Iterator[Warehouse]:
    with user(warehouse, redshift, "SUPERUSER") as made:
        yield made


@pytest.fixture
def runner(warehouse: Warehouse, redshift: RedshiftStandIn) -> Iterator[Warehouse]:
    """The warehouse as a user who was allowed nothing."""
    with user(warehouse, redshift, "") as made:
        yield made


def told(text: str, *, behind: str) -> str:
    """Return the statement that a text has somebody run, which goes on to a comma, a semicolon, a quote or its end."""
    return re.split(r"; |, or |`|$", text.partition(behind)[2])[0]


def test_what_doctor_has_an_administrator_run_mends_what_it_found(
    warehouse: Warehouse, administrator: Warehouse, runner: Warehouse
) -> None:
    query(administrator, "CREATE SCHEMA staging")

    def checks() -> list[Check]:
        with closing(runner.connect()) as session:
            return [
                *doctor.check_schemas(session, runner.settings),
                *(check(session) for check in (doctor.check_grants, doctor.check_column_grants, doctor.check_policies)),
            ]

    found = checks()
    assert [check.name for check in found if check.state is State.OK] == []
    for check in found:
        query(administrator, told(check.remedy, behind="administrator run "))
    assert [check for check in checks() if check.state is not State.OK] == []


def test_a_table_of_another_user_is_given_over(administrator: Warehouse, runner: Warehouse) -> None:
    for statement in ("CREATE SCHEMA staging", "CREATE TABLE staging.t (a INTEGER)"):
        query(administrator, statement)
    query(administrator, f"GRANT USAGE ON SCHEMA staging TO {runner.settings.user}")
    more = 'ALTER TABLE "staging"."t" ADD COLUMN b INTEGER'
    with pytest.raises(WarehouseError) as caught:
        query(runner, more)
    give = told(str(caught.value), behind="administrator run ").replace(
        "this process's user, whom", f"{runner.settings.user}"
    )
    query(administrator, give.strip())
    query(runner, more)


def test_who_keeps_a_session_waiting_is_found_and_ended(
    administrator: Warehouse, runner: Warehouse, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_SECONDS", 1.0)
    query(warehouse, f"GRANT CREATE ON DATABASE {warehouse.settings.database} TO {runner.settings.user}")
    query(runner, "CREATE SCHEMA own")
    query(runner, "CREATE TABLE own.t (a INTEGER)")
    query(runner, "GRANT USAGE ON SCHEMA own TO PUBLIC")
    query(runner, "GRANT SELECT ON own.t TO PUBLIC")
    with closing(warehouse.connect()) as reader, closing(runner.connect()) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT a FROM own.t")
        with pytest.raises(WarehouseError) as caught:
            writer.execute("ALTER TABLE own.t ADD COLUMN b INTEGER")
        said = str(caught.value)
        find = told(said, behind="finds it by: ").partition(". ")[0].replace("schema.table", "own.t")
        assert reader.pid in [int(pid) for _, pid, *_ in query(administrator, find)]
        end = told(said, behind="end them: ").replace("(pid)", f"({reader.pid})")
        query(administrator, end)
        query(runner, "ALTER TABLE own.t ADD COLUMN b INTEGER")


def test_a_mart_by_day_whose_columns_changed_is_dropped(warehouse: Warehouse) -> None:
    query(warehouse, "CREATE SCHEMA staging")
    mart = table("m", "SELECT 1 AS a, DATE '2024-01-10' AS day", materialization="incremental", day_column="day")
    build(warehouse, mart, schemas=SCHEMAS)
    changed = replace(mart, query="SELECT 'x' AS a, DATE '2024-01-10' AS day")
    with pytest.raises(MartError) as caught:
        build(warehouse, changed, schemas=SCHEMAS)
    query(warehouse, told(str(caught.value), behind="run ").partition(" and build")[0])
    build(warehouse, changed, schemas=SCHEMAS)


def test_what_pages_and_the_contract_have_an_administrator_run_is_accepted(
    administrator: Warehouse, runner: Warehouse
) -> None:
    text = (Path(aurora_dwh.__file__).parents[1] / "docs" / "operation.md").read_text(encoding="utf-8")
    with closing(runner.connect()) as session:
        names = {"<user>": str(runner.settings.user), "<pid>": str(session.pid)}
        of_page = [fill(statement, names) for statement in re.findall(r"`((?:ALTER|SELECT) [^`]*<\w+>[^`]*)`", text)]
        assert len(of_page) == 2
        for statement in of_page:
            query(administrator, statement)
        with pytest.raises(WarehouseError, match="connection to Redshift lost"):
            session.execute("SELECT 1")
    named = {"DATABASE ...": f"DATABASE {runner.settings.database}", "USER ...": f"USER {runner.settings.user}"}
    of_contract = {found[1] for one in assumptions() if (found := re.search(r"run (ALTER .*)$", one.meaning))}
    assert len(of_contract) == 2
    for statement in of_contract:
        query(administrator, fill(statement, named))


def fill(statement: str, names: dict[str, str]) -> str:
    """Put names into a statement."""
    for place, name in names.items():
        statement = statement.replace(place, name)
    return statement
