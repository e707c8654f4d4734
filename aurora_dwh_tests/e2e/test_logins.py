"""Days that are loaded by logins as Aurora's: over TLS and in the clear, by accounts and servers that demand something.

`doctor` looks at each login before, and where one is refused, the run says what mends it, at its first attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterEventType

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.commands.doctor import source
from aurora_dwh.commands.doctor.check import Attempts, Check, State
from aurora_dwh.proof.engine import compare_tables
from aurora_dwh_tests.authority import Certified, trusted
from aurora_dwh_tests.e2e.world import Run, World, chain
from aurora_dwh_tests.servers import KINDS, Server, servers_in_turn

PASSWORD = "p'ässwörd"
ROOT = Certified.authority("root")
ISSUER = Certified.authority("issuer", by=ROOT)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the root of the servers' certificates."""
    return trusted(tmp_path_factory.mktemp("ca"), "root", ROOT)


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, ca: Path) -> Iterator[Server]:
    """A server with a certificate that the root's issuer signed, of this module's own as its settings change."""
    made = Server(request.param, *ISSUER.server("127.0.0.1").options(ca.parent, request.param, ISSUER))
    yield made
    made.remove()


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with a table, which is entered by the account `app` that may read it and nothing else."""
    world.catalog("item: {key: id, cursor: changed}\ncountry: {mode: full, key: code}")
    world.at_source(
        "CREATE TABLE item (id INT PRIMARY KEY, changed DATETIME NOT NULL, KEY (changed))",
        "INSERT INTO item VALUES (1, '2024-01-01 10:00:00'), (2, '2024-01-01 11:00:00')",
        "CREATE TABLE country (code CHAR(2) PRIMARY KEY)",
        "INSERT INTO country VALUES ('JP'), ('FR')",
        f"CREATE USER app IDENTIFIED BY '{PASSWORD.replace(chr(39), chr(39) * 2)}'",
        f"GRANT SELECT ON {world.database}.* TO app",
    )
    monkeypatch.setenv("AURORA_USER", "app")
    monkeypatch.setenv("AURORA_PASSWORD", PASSWORD)
    yield world
    world.at_source("DROP USER app")


def checks() -> dict[str, Check]:
    """Return what `doctor` finds of the source, by name."""
    run = Attempts()
    source.check(run, Catalog.load())
    return {check.name: check for check in run.checks}


def assert_well(world: World, *warned: str) -> None:
    """Expect `doctor` to warn of this alone, and of what an account without PROCESS cannot see; and load a day."""
    found = checks()
    assert {name: check for name, check in found.items() if check.state is State.FAILED} == {}
    assert {name for name, check in found.items() if check.state is State.WARNING} == {*warned, "aurora: who waits"}
    world.load("2024-01-01", "item", "country")
    world.assert_equal("item", "country")


def test_a_day_is_loaded_in_the_clear_by_an_account_that_may_only_select(shop: World) -> None:
    shop.at_source("FLUSH PRIVILEGES")  # MySQL then asks for the password itself, in RSA
    assert_well(shop, "aurora: TLS", "aurora: instance")


def test_c21_a_day_is_loaded_by_an_account_without_a_password(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.at_source("ALTER USER app IDENTIFIED BY ''")
    monkeypatch.setenv("AURORA_PASSWORD", "")
    assert_well(shop, "aurora: TLS", "aurora: instance")
    assert all(verdict.equal for verdict in compare_tables(Catalog.load(), Catalog.load().tables.values()))


@servers_in_turn("form", ["", "verify-ca:"])
def test_a_day_is_loaded_over_tls_where_all_is_demanded(
    shop: World, ca: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_mariadb = shop.server.is_mariadb
    monkeypatch.setenv("AURORA_TLS", f"{form}{ca}")
    shop.at_source(
        f"REVOKE SELECT ON {shop.database}.* FROM app",
        "CREATE ROLE reading",
        f"GRANT SELECT ON {shop.database}.* TO reading",
        "GRANT reading TO app",
        *(["SET DEFAULT ROLE reading FOR app"] if is_mariadb else []),
        "GRANT PROCESS ON *.* TO app",
        "ALTER USER app REQUIRE SSL",
        "FLUSH PRIVILEGES",
    )
    admin = shop.source()
    with admin.cursor() as cursor:
        cursor.execute(f"SET GLOBAL {'read_only' if is_mariadb else 'super_read_only'} = ON")
        cursor.execute("SET GLOBAL require_secure_transport = ON")
        try:
            assert_well_over_tls(shop)
        finally:
            cursor.execute("SET GLOBAL require_secure_transport = OFF")
            cursor.execute("SET GLOBAL read_only = OFF")
            cursor.execute("DROP ROLE reading")
    admin.close()


def assert_well_over_tls(world: World) -> None:
    """Expect what `assert_well` does of a server that its plain helpers cannot reach."""
    found = checks()
    assert {check.state for check in found.values()} == {State.OK}, found
    assert "verified against" in found["aurora: TLS"].detail
    world.load("2024-01-01", "item", "country")
    assert world.ask_warehouse("SELECT id, changed FROM staging.item ORDER BY id")[1][0] == 2
    assert world.ask_warehouse("SELECT code FROM staging.country ORDER BY code") == [("FR",), ("JP",)]


REFUSED = (
    ("ALTER USER app ACCOUNT LOCK", "ALTER USER app ACCOUNT UNLOCK", "ACCOUNT UNLOCK"),
    ("ALTER USER app REQUIRE SSL", "ALTER USER app REQUIRE NONE", "set AURORA_TLS to verify"),
    ("SET GLOBAL require_secure_transport = ON", "SET GLOBAL require_secure_transport = OFF", "set AURORA_TLS to"),
    ("ALTER USER app PASSWORD EXPIRE", "DO 0", "PASSWORD EXPIRE NEVER"),
)
"""What lets no one in, what undoes it, and what is said then."""


def test_m12_a_login_that_is_refused_fails_a_run_once_with_what_mends_it(shop: World) -> None:
    admin = shop.source()
    with admin.cursor() as cursor:
        for statement, undo, remedy in REFUSED:
            cursor.execute(statement)
            run = shop.run("2024-01-01", None, chain("item")[:1])
            found = checks()["aurora: connection"]
            cursor.execute(undo)
            assert not run.success
            assert remedy in run.failure
            assert attempts(run) == 1, run.failure
            assert (found.state, remedy in found.detail) == (State.FAILED, True)
    admin.close()


def test_m12_a_role_that_is_not_active_is_used_or_named_with_the_statement_that_makes_it_so(shop: World) -> None:
    shop.at_source(
        f"REVOKE SELECT ON {shop.database}.* FROM app",
        f"GRANT SELECT ON {shop.database}.country TO app",
        "CREATE ROLE reading",
        f"GRANT SELECT ON {shop.database}.item TO reading",
        "GRANT reading TO app",
    )
    if shop.server.is_mariadb:
        statement = "SET DEFAULT ROLE `reading` FOR 'app'@'%'"
        assert statement in checks()["aurora: table item"].remedy
        run = shop.run("2024-01-01", None, chain("item")[:1])
        assert statement in run.failure
        assert attempts(run) == 1
        shop.at_source(statement)
    assert_well(shop, "aurora: TLS", "aurora: instance")
    shop.at_source("DROP ROLE reading")


def test_m12_a_table_without_a_right_fails_a_run_once_and_doctor_has_the_statement(shop: World) -> None:
    shop.at_source(
        f"REVOKE SELECT ON {shop.database}.* FROM app",
        f"GRANT SELECT ON {shop.database}.country TO app",
        f"GRANT INSERT ON {shop.database}.item TO app",  # so that it is seen, and yet not read
    )
    run = shop.run("2024-01-01", None, chain("item")[:1])
    assert "(MySQL error 1142); have an administrator grant SELECT to the user or to a role of its" in run.failure
    assert attempts(run) == 1
    found = checks()["aurora: table item"]
    assert "SELECT command denied to user 'app'@'localhost'" in found.detail
    statement = found.remedy.removeprefix("have an administrator run ").partition(", or mend")[0]
    assert statement == f"GRANT SELECT ON `{shop.database}`.`item` TO 'app'@'%'"
    shop.at_source(statement)
    assert_well(shop, "aurora: TLS", "aurora: instance", "aurora: privileges")


def attempts(run: Run) -> int:
    """Return how often a run of one step tried it."""
    return sum(event.event_type is DagsterEventType.STEP_START for event in run.events) + sum(
        event.event_type is DagsterEventType.STEP_RESTARTED for event in run.events
    )
