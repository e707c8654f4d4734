"""What a deployment grants is what each user needs: the runs' user, QuickSight's reader, an analyst with a grant."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.marts.build import build
from aurora_dwh_tests.infra.deployments import DEPLOYMENTS, FIRST
from aurora_dwh_tests.integration.test_marts import MARTS, SCHEMAS, STAGING
from aurora_dwh_tests.services import query
from infra import grants
from infra.config_file import parse_config

BI_PASSWORD, OTHER_PASSWORD = "Quick12345", "Other12345"
VIEW, TABLE = MARTS["order_detail"], MARTS["daily_sales"]


def as_user(warehouse: Warehouse, user: str, password: str) -> Warehouse:
    return Warehouse(replace(warehouse.settings, user=user, password=SecretStr(password)))


@pytest.fixture
def runner(warehouse: Warehouse, redshift: RedshiftStandIn) -> Iterator[Warehouse]:
    """The warehouse as the runs' user, after an administrator has run the deployment's grants twice."""
    written = DEPLOYMENTS[FIRST]
    config = parse_config({**written, "warehouse": {"database": warehouse.settings.database}})
    user, boss = grants.runner(config), f"boss_{secrets.token_hex(4)}"
    with redshift.admin("postgres") as admin:
        admin.query(f"CREATE ROLE {boss} LOGIN SUPERUSER PASSWORD '{OTHER_PASSWORD}'")
    administrator = as_user(warehouse, boss, OTHER_PASSWORD)
    for _ in range(2):
        existing = {str(name) for (name,) in query(administrator, "SELECT usename FROM pg_user")}
        for statement in grants.statements(config, existing=existing, bi_password=BI_PASSWORD):
            query(administrator, statement)
    # The role's user has no password, and the stand-in no roles of AWS.
    query(administrator, f"ALTER USER {grants.quoted(user)} PASSWORD '{OTHER_PASSWORD}'")
    yield as_user(warehouse, user.lower(), OTHER_PASSWORD)
    with redshift.admin(str(warehouse.settings.database)) as admin:
        for name in (user.lower(), grants.BI_USER, boss):
            admin.query(f'DROP OWNED BY "{name}" CASCADE; DROP ROLE "{name}"')


def test_the_runs_user_makes_what_quicksight_s_reader_may_read_and_nothing_else(runner: Warehouse) -> None:
    for statement in STAGING.split(";")[:-1]:
        if "CREATE SCHEMA" not in statement:
            query(runner, statement)
    for mart in (VIEW, TABLE):
        build(runner, mart, schemas=SCHEMAS)
    reader = as_user(runner, grants.BI_USER, BI_PASSWORD)
    for mart in (VIEW, TABLE):
        rows = f"SELECT COUNT(*) FROM bi.{mart.name}"
        assert query(reader, rows) == query(runner, rows) != [(0,)]
    for refused in (
        "SELECT * FROM staging.orders_master",
        f"DELETE FROM bi.{TABLE.name}",
        "CREATE TABLE bi.own (a INTEGER)",
        "CREATE TABLE staging.own (a INTEGER)",
    ):
        with pytest.raises(WarehouseError, match="permission denied"):
            query(reader, refused)


def test_a_mart_that_is_made_anew_stays_readable_for_the_reader_and_an_analyst(
    runner: Warehouse, redshift: RedshiftStandIn
) -> None:
    analyst = f"analyst_{secrets.token_hex(4)}"
    with redshift.admin("postgres") as admin:
        admin.query(f"CREATE ROLE {analyst} LOGIN PASSWORD '{OTHER_PASSWORD}'")
    for statement in STAGING.split(";")[:-1]:
        if "CREATE SCHEMA" not in statement:
            query(runner, statement)
    build(runner, TABLE, schemas=SCHEMAS)
    query(runner, f"GRANT USAGE ON SCHEMA bi TO {analyst}")
    query(runner, f"GRANT SELECT ON bi.{TABLE.name} TO {analyst}")
    changed = replace(TABLE, query=f"SELECT m.*, 1 AS more FROM ({TABLE.query.rstrip().rstrip(';')}) m")
    build(runner, changed, schemas=SCHEMAS)
    for user, password in ((grants.BI_USER, BI_PASSWORD), (analyst, OTHER_PASSWORD)):
        assert query(as_user(runner, user, password), f"SELECT MAX(more) FROM bi.{TABLE.name}") == [(1,)]
    with redshift.admin(str(runner.settings.database)) as admin:
        admin.query(f"DROP OWNED BY {analyst} CASCADE; DROP ROLE {analyst}")
