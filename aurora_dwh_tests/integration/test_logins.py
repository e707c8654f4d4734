"""Logins on real servers: plugins, roles, accounts that are refused, and what a message says then, by doing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from aurora_dwh.core.models import DataError
from aurora_dwh.source.connection import Connection, SourceError, connect, execute
from aurora_dwh.source.discovery import read_schema, read_tables
from aurora_dwh.source.refusals import is_permanent, remedy
from aurora_dwh_tests.servers import Kind, Server

PASSWORD = "le mot de passe 'é'"
KINDS = ("mysql", "mariadb")


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this module's own, whose settings a test may change."""
    made = Server(request.param)
    yield made
    made.remove()


@pytest.fixture
def run(server: Server, database: str) -> Iterator[Callable[..., None]]:
    """Runs statements as an administrator, in a database with a table that the account `app` may read."""
    with server.connect(database) as connection, connection.cursor() as cursor:

        def statements(*texts: str) -> None:
            for text in texts:
                cursor.execute(text)

        statements(
            "CREATE TABLE t (id INT PRIMARY KEY)",
            "INSERT INTO t VALUES (1), (2), (3)",
            f"CREATE USER app IDENTIFIED BY {connection.escape(PASSWORD)}",
            f"GRANT SELECT ON {database}.* TO app",
        )
        yield statements
        statements("DROP USER app")


def arguments(server: Server, database: str | None, **changed: Any) -> dict[str, Any]:
    """Return what `connect` is called with for the account `app`, whose password is sent as UTF-8."""
    return {**server.arguments(database), "user": "app", "password": PASSWORD.encode(), **changed}


def enter(server: Server, database: str | None, **changed: Any) -> Connection:
    return connect(**arguments(server, database, **changed))


def assert_reads(server: Server, database: str, **changed: Any) -> None:
    with enter(server, database, **changed) as session:
        assert execute(session, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


def refused(server: Server, database: str | None, **changed: Any) -> str:
    """Return the message of a login that no other attempt makes better."""
    with pytest.raises(DataError) as caught:
        enter(server, database, **changed)
    return str(caught.value)


def advised(message: str) -> str:
    """Return the statement that a message has an administrator run."""
    return message.partition("have an administrator run ")[2].replace("<password>", "another")


# Plugins.


def plugins(kind: Kind) -> list[str]:
    return {"mysql": ["caching_sha2_password", "sha256_password"], "mariadb": ["mysql_native_password"]}[kind]


@pytest.mark.parametrize(
    ("server", "plugin"), [(kind, plugin) for kind in KINDS for plugin in plugins(kind)], indirect=["server"]
)
def test_an_account_enters_by_its_plugin_without_tls(
    server: Server, database: str, run: Callable[..., None], plugin: str
) -> None:
    secret = "PASSWORD('secret')" if server.is_mariadb else "'secret'"
    run(f"ALTER USER app IDENTIFIED {'VIA' if server.is_mariadb else 'WITH'} {plugin} "
        f"{'USING' if server.is_mariadb else 'BY'} {secret}")  # fmt: skip
    assert_reads(server, database, password=b"secret")
    assert "Access denied" in refused(server, database, password=b"Secret")
    assert "Access denied" in refused(server, database, password=b"")
    assert_reads(server, database, password=b"secret")


def test_a_password_is_known_again_after_the_server_forgot_it(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    assert_reads(server, database)  # MySQL remembers it, so that the next login is short
    run("FLUSH PRIVILEGES")
    assert "Access denied" in refused(server, database, password=b"wrong")
    assert_reads(server, database)
    run("FLUSH PRIVILEGES")
    assert_reads(server, database)
    assert_reads(server, database)


@pytest.mark.parametrize("kind", KINDS)
def test_a_password_is_known_after_a_restart(kind: Kind) -> None:
    server = Server(kind)
    try:
        with server.connect("mysql") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER app IDENTIFIED BY %s", (PASSWORD,))
        server.stop()
        server.start()
        assert "Access denied" in refused(server, None, password=b"wrong")
        enter(server, None).close()
    finally:
        server.remove()


def test_an_account_without_a_password_enters_without_one(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run("ALTER USER app IDENTIFIED BY ''")
    assert_reads(server, database, password=b"")


# What a session may read.


def test_an_account_that_may_only_select_reads(server: Server, database: str, run: Callable[..., None]) -> None:
    assert_reads(server, database)
    with enter(server, database) as session, pytest.raises(pymysql.err.Error, match="DELETE command denied"):
        execute(session, "DELETE FROM t")


@pytest.mark.parametrize("variable", ["read_only", "super_read_only"])
def test_a_server_that_takes_no_writes_is_read(
    server: Server, database: str, run: Callable[..., None], variable: str
) -> None:
    if server.is_mariadb:
        variable = "read_only"  # the other is MySQL's
    run(f"SET GLOBAL {variable} = ON")
    try:
        assert_reads(server, database)
    finally:
        run("SET GLOBAL read_only = OFF")


def test_m12_a_role_that_is_not_active_by_default_is_used_or_named(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run(
        f"REVOKE SELECT ON {database}.* FROM app",
        "CREATE ROLE `the reader`",
        f"GRANT SELECT ON {database}.* TO `the reader`",
        "GRANT `the reader` TO app",
    )
    if server.is_mariadb:  # which has one active role at a time, of the administrator's choice
        message = refused(server, database)
        assert "Access denied" in message
        assert advised(message) == "SET DEFAULT ROLE `the reader` FOR 'app'@'%'"
        run(advised(message))
    assert_reads(server, database)
    run("DROP ROLE `the reader`")


def test_m12_a_table_that_an_inactive_role_hides_is_not_there_and_the_role_is_named(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run(
        f"REVOKE SELECT ON {database}.* FROM app",
        "CREATE TABLE other (id INT PRIMARY KEY)",
        f"GRANT SELECT ON {database}.other TO app",
        "CREATE ROLE reader",
        f"GRANT SELECT ON {database}.t TO reader",
        "GRANT reader TO app",
    )
    if server.is_mariadb:
        with enter(server, database) as session, pytest.raises(DataError, match="is not there") as caught:
            read_schema(session, database, "t")
        run(advised(str(caught.value)))
    with enter(server, database) as session:
        assert read_tables(session, database) == ("other", "t")
        assert read_schema(session, database, "t").columns
    run("DROP ROLE reader")


def test_m12_all_roles_count_and_not_the_default_ones_alone(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run("CREATE ROLE one", "CREATE ROLE two", "GRANT one TO app", "GRANT two TO app")
    run("SET DEFAULT ROLE one FOR app" if server.is_mariadb else "SET DEFAULT ROLE one TO app")
    run(f"REVOKE SELECT ON {database}.* FROM app", f"GRANT SELECT ON {database}.* TO two")
    if server.is_mariadb:
        message = refused(server, database)
        assert "roles that are not active (two)" in message
        run(advised(message))
    assert_reads(server, database)
    run("DROP ROLE one", "DROP ROLE two")


def test_m12_a_database_without_a_right_says_what_grants_it(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run(f"REVOKE SELECT ON {database}.* FROM app")
    message = refused(server, database)
    assert advised(message) == f"GRANT SELECT ON `{database}`.* TO 'app'@'%'"
    run(advised(message))
    assert_reads(server, database)


def test_a_database_that_is_not_there_is_named(server: Server) -> None:
    message = refused(server, "nowhere", user=server.user, password=server.password)
    assert "Unknown database 'nowhere' (MySQL error 1049); check AURORA_DATABASE" in message


# Accounts that are refused.

REFUSED = {
    "locked": ("ALTER USER app ACCOUNT LOCK", {"mysql": 3118, "mariadb": 4151}),
    "expired": ("ALTER USER app PASSWORD EXPIRE", {"mysql": 1862, "mariadb": 1820}),
}


@pytest.mark.parametrize("how", REFUSED)
def test_m12_an_account_that_is_locked_or_expired_is_refused_once_and_mended_as_the_message_says(
    server: Server, database: str, run: Callable[..., None], how: str
) -> None:
    statement, codes = REFUSED[how]
    run(statement)
    message = refused(server, database)
    assert f"(MySQL error {codes['mariadb' if server.is_mariadb else 'mysql']})" in message
    run(advised(message))
    assert_reads(server, database, password=b"another" if how == "expired" else PASSWORD.encode())


def test_m12_a_password_that_must_be_changed_is_refused_by_a_server_that_lets_it_in() -> None:
    lenient = Server("mysql", "--disconnect-on-expired-password=OFF")
    try:
        with lenient.connect("mysql") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER app IDENTIFIED BY 'old' PASSWORD EXPIRE")
            message = refused(lenient, "mysql", password=b"old")
            assert "(MySQL error 1820)" in message
            cursor.execute(advised(message))
            cursor.execute("GRANT SELECT ON mysql.* TO app")
        enter(lenient, "mysql", password=b"another").close()
    finally:
        lenient.remove()


def test_m12_an_account_that_wrong_passwords_blocked_is_mended_as_the_message_says(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    if server.is_mariadb:
        run("SET GLOBAL max_password_errors = 1")
    else:
        run("ALTER USER app FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED")
    try:
        refused(server, database, password=b"wrong")
        message = refused(server, database)
        assert f"(MySQL error {4150 if server.is_mariadb else 3955})" in message
        run(advised(message))
        assert_reads(server, database)
    finally:
        if server.is_mariadb:
            run("SET GLOBAL max_password_errors = DEFAULT")


def test_m12_an_account_with_another_way_in_than_a_password_gets_one(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    if server.is_mariadb:
        run("ALTER USER app IDENTIFIED VIA unix_socket")
    else:
        run("INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'", "ALTER USER app IDENTIFIED WITH auth_socket")
    message = refused(server, database)
    assert "(MySQL error 1698)" in message
    mysql, _, mariadb = advised(message).removesuffix(")").partition(" (MariaDB: ")
    run(f"ALTER USER app {mariadb}" if server.is_mariadb else mysql)
    assert_reads(server, database, password=b"another")
    if not server.is_mariadb:
        run("ALTER USER app IDENTIFIED WITH auth_socket", "UNINSTALL PLUGIN auth_socket")
        assert "Plugin 'auth_socket' is not loaded (MySQL error 1524); have an admin" in refused(server, database)


@pytest.mark.parametrize("demand", ["SSL", "X509"])
def test_m12_an_account_that_demands_tls_says_what_to_set(
    server: Server, database: str, run: Callable[..., None], demand: str
) -> None:
    run(f"ALTER USER app REQUIRE {demand}")
    message = refused(server, database)
    assert "(MySQL error 1045); check the user, its password" in message
    assert message.endswith("where it has REQUIRE SSL, which is refused in the same words, set AURORA_TLS to verify, "
                            "or to a file with the server's CA")  # fmt: skip


def test_m12_a_server_that_demands_tls_says_what_to_set(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run("SET GLOBAL require_secure_transport = ON")
    try:
        message = refused(server, database)
    finally:
        run("SET GLOBAL require_secure_transport = OFF")
    assert f"(MySQL error {1045 if server.is_mariadb else 3159})" in message
    assert message.endswith("set AURORA_TLS to verify, or to a file with the server's CA")


def test_m12_too_many_connections_pass(server: Server, database: str, run: Callable[..., None]) -> None:
    run("ALTER USER app WITH MAX_USER_CONNECTIONS 1")
    with enter(server, database), pytest.raises(SourceError, match=r"\(MySQL error 1226\); lower `pools: {aurora:"):
        enter(server, database)
    run("ALTER USER app WITH MAX_USER_CONNECTIONS 0")


def test_m12_what_is_said_of_a_host_that_is_blocked_can_be_run(run: Callable[..., None], server: Server) -> None:
    blocked = pymysql.err.OperationalError(1129, "Host '10.0.0.1' is blocked because of many connection errors")
    mysql, _, mariadb = advised(remedy(blocked)).removesuffix(")").partition(" (MariaDB: ")
    run(mariadb if server.is_mariadb else mysql)


@pytest.mark.parametrize(
    ("error", "lasts"),
    [
        (pymysql.err.OperationalError(1040, "Too many connections", sqlstate="08004"), False),
        (pymysql.err.OperationalError(1129, "Host '10.0.0.1' is blocked", sqlstate=None), True),
        (pymysql.err.OperationalError(1130, "Host '10.0.0.1' is not allowed to connect", sqlstate=None), True),
        (pymysql.err.OperationalError(1205, "Lock wait timeout exceeded", sqlstate="HY000"), False),
        (pymysql.err.OperationalError(1213, "Deadlock found", sqlstate="40001"), False),
        (pymysql.err.OperationalError(1251, "Client does not support authentication", sqlstate="08004"), True),
        (pymysql.err.OperationalError(1305, "FUNCTION f does not exist", sqlstate="42000"), True),
        (pymysql.err.OperationalError(1370, "execute command denied", sqlstate="42000"), True),
        (pymysql.err.OperationalError(2013, "Lost connection"), False),
        (pymysql.err.OperationalError(3024, "maximum statement execution time exceeded", sqlstate="HY000"), False),
        (pymysql.err.OperationalError(3032, "The server is currently in offline mode", sqlstate="HY000"), False),
        (pymysql.err.InterfaceError("no code"), False),
        (OSError(13, "denied"), False),
    ],
)
def test_m12_which_errors_come_again(error: Exception, lasts: bool) -> None:
    assert is_permanent(error) is lasts


def test_m12_a_login_that_the_driver_cannot_do_is_an_error_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cannot connect to Aurora: encoding with 'idna' codec failed"):
        connect(host="a..b", user="app", password=b"")

    def connecting(**_: Any) -> None:
        raise RuntimeError("'pynacl' package is required for ed25519_password auth method")

    monkeypatch.setattr(pymysql, "connect", connecting)
    with pytest.raises(DataError, match="cannot connect to Aurora: 'pynacl' package is required"):
        connect(host="a", user="app", password=b"")


# Limits that a server sets for people.


def test_a_limit_on_the_rows_of_a_select_does_not_cut_a_table_short(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run("SET GLOBAL sql_select_limit = 2")
    try:
        assert_reads(server, database)
    finally:
        run("SET GLOBAL sql_select_limit = DEFAULT")


def test_m13_a_limit_on_the_rows_that_are_looked_at_does_not_refuse_a_table(
    server: Server, database: str, run: Callable[..., None]
) -> None:
    run("SET GLOBAL max_join_size = 1")
    try:
        assert_reads(server, database)
    finally:
        run("SET GLOBAL max_join_size = DEFAULT")
