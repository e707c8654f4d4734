"""TLS on real servers: whose certificate is trusted, what is said of the others, and logins through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from aurora_dwh.commands.doctor.check import State
from aurora_dwh.commands.doctor.source import check_tls
from aurora_dwh.core.models import DataError
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.source.connection import connect, execute
from aurora_dwh_tests.authority import Certified, trusted
from aurora_dwh_tests.servers import Kind, Server

KINDS = ("mysql", "mariadb")
ROOT = Certified.authority("root")
ISSUER = Certified.authority("issuer", by=ROOT)
STRANGER = Certified.authority("stranger")
UNKNOWN = (
    "; set AURORA_TLS to a file with the CA that signed it: Amazon's global-bundle.pem, or ca.pem of the server's data "
    "folder"
)


class Place:
    """A server with a certificate, and a folder for files of certificates to trust."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server

    def settings(self, tls: str, **changed: Any) -> AuroraSettings:
        """Return settings that lead here."""
        password = SecretStr(self.server.password)
        known = {"host": self.server.host, "port": self.server.port, "user": "root", "password": password}
        return AuroraSettings(database="mysql", tls=tls, **{**known, **changed})

    def file(self, *certificates: Certified) -> str:
        """Return a file that holds certificates."""
        return str(trusted(self.folder, "trusted", *certificates))

    def enter(self, tls: str, **changed: Any) -> str:
        """Log in and return the cipher of the session, empty where it is in the clear."""
        with connect(**self.settings(tls, **changed).connect_arguments()) as session:
            ((_, cipher),) = execute(session, "SHOW STATUS LIKE 'Ssl_cipher'")
        return str(cipher)

    def refused(self, tls: str, **changed: Any) -> str:
        """Return the message of a login that no other attempt makes better."""
        with pytest.raises(DataError) as caught:
            self.enter(tls, **changed)
        return str(caught.value)

    def run(self, *statements: str) -> None:
        """Run statements as an administrator."""
        with self.server.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@contextmanager
def place(folder: Path, kind: Kind, *chain: Certified) -> Iterator[Place]:
    """Run a server that shows a chain of certificates, its own first."""
    server = Server(kind, *chain[0].options(folder, "server", *chain[1:]))
    try:
        yield Place(folder, server)
    finally:
        server.remove()


NAMED, NAMELESS = ISSUER.server("127.0.0.1"), ISSUER.server()


@pytest.fixture(scope="module", params=KINDS)
def chained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server whose certificate a root's issuer signed; it sends the issuer's, too."""
    with place(tmp_path_factory.mktemp("chained"), request.param, NAMED, ISSUER) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS)
def nameless(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server whose certificate names no host, and that sends nothing of who signed it."""
    with place(tmp_path_factory.mktemp("nameless"), request.param, NAMELESS) as made:
        yield made


def test_a_chain_is_verified_up_to_any_certificate_of_the_file(chained: Place) -> None:
    for known in ((ROOT,), (ISSUER,), (NAMED,), (ROOT, ISSUER), (STRANGER, ROOT)):
        assert chained.enter(chained.file(*known)), known


def test_a_chain_whose_middle_the_server_does_not_send_is_verified_by_a_file_that_has_it(nameless: Place) -> None:
    for known in ((ISSUER,), (ROOT, ISSUER), (NAMELESS,)):
        assert nameless.enter(f"verify-ca:{nameless.file(*known)}"), known
    assert "unable to get local issuer certificate" in nameless.refused(f"verify-ca:{nameless.file(ROOT)}")


@pytest.mark.parametrize("form", ["", "verify-ca:"])
def test_a_certificate_of_a_stranger_is_refused_once_and_the_message_says_what_to_set(
    chained: Place, form: str
) -> None:
    message = chained.refused(form + chained.file(STRANGER))
    assert "certificate verify failed: unable to get local issuer certificate" in message
    assert message.endswith(UNKNOWN)
    assert chained.refused("verify").endswith(UNKNOWN)


def test_m12_a_certificate_for_another_host_is_refused_and_verify_ca_takes_it(chained: Place) -> None:
    known = chained.file(ROOT)
    message = chained.refused(known, host="localhost")
    assert "Hostname mismatch, certificate is not valid for 'localhost'" in message
    assert "set AURORA_HOST to a name that is in the certificate; where none is" in message
    assert chained.enter(f"verify-ca:{known}", host="localhost")


def test_m12_a_certificate_that_names_no_host_is_refused_and_verify_ca_takes_it(nameless: Place) -> None:
    known = nameless.file(ROOT, ISSUER)
    message = nameless.refused(known)
    assert message.endswith("set AURORA_TLS to verify-ca:<file with the server's CA>")
    assert nameless.enter(message.rpartition(" to ")[2].replace("<file with the server's CA>", known))


def test_m12_the_certificate_that_mysql_makes_for_itself_is_trusted_by_its_ca_without_a_name() -> None:
    server = Server("mysql", "--auto-generate-certs=ON")
    try:
        own, known = Place(server.data, server), str(server.data / "ca.pem")
        assert own.refused("verify").endswith(UNKNOWN)
        assert "where none is, as in one that MySQL made for itself" in own.refused(known)
        assert own.enter(f"verify-ca:{known}")
    finally:
        server.remove()


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_has_expired_is_refused_in_every_form(kind: Kind, tmp_path: Path) -> None:
    with place(tmp_path, kind, ROOT.server("127.0.0.1", days=-1)) as old:
        known = old.file(ROOT)
        for tls in (known, f"verify-ca:{known}"):
            message = old.refused(tls)
            assert "certificate has expired" in message
            assert message.endswith("give the server a certificate that is valid today")


def test_a_server_without_tls_is_not_spoken_to_in_the_clear(mariadb: Server, mysql: Server, tmp_path: Path) -> None:
    for server in (mysql, mariadb):
        plain = Place(tmp_path, server)
        known = plain.file(ROOT)
        for tls in ("verify", known, f"verify-ca:{known}"):
            message = plain.refused(tls)
            assert "SSL is required but the server doesn't support it" in message
            assert "give the server a certificate" in message


def test_doctor_says_what_was_verified(chained: Place) -> None:
    known = chained.file(ROOT)
    for tls, verified in (
        (known, "certificate and host name"),
        (f"verify-ca:{known}", "certificate without host name"),
    ):
        settings = chained.settings(tls)
        with connect(**settings.connect_arguments()) as session:
            found = check_tls(session, settings)
        assert (found.state, found.detail) == (State.OK, f"TLSv1.3, {verified} verified against {known}")
    settings = chained.settings("disabled")
    with connect(**settings.connect_arguments()) as session:
        assert check_tls(session, settings).state is State.WARNING


@pytest.mark.parametrize("demand", ["REQUIRE SSL", "require_secure_transport"])
def test_an_account_and_a_server_that_demand_tls_are_reached_by_it_alone(chained: Place, demand: str) -> None:
    known, account = chained.file(ROOT), {"user": "app", "password": SecretStr("sécret")}
    chained.run("CREATE USER app IDENTIFIED BY 'sécret'", "GRANT SELECT ON mysql.* TO app")
    on_server = demand == "require_secure_transport"
    chained.run(f"SET GLOBAL {demand} = ON" if on_server else f"ALTER USER app {demand}")
    try:
        assert "set AURORA_TLS to verify, or to a file with the server's CA" in chained.refused("disabled", **account)
        assert chained.enter(known, **account)
        assert "check the user" in chained.refused(known, **{**account, "password": SecretStr("secret")})
    finally:
        with connect(**chained.settings(known).connect_arguments()) as session:
            execute(session, "SET GLOBAL require_secure_transport = OFF")
        chained.run("DROP USER app")


def test_a_password_that_the_server_does_not_remember_goes_through_tls(chained: Place) -> None:
    known, account = chained.file(ROOT), {"user": "app", "password": SecretStr("sécret")}
    chained.run("CREATE USER app IDENTIFIED BY 'sécret'", "GRANT SELECT ON mysql.* TO app")
    for _ in range(2):
        chained.run("FLUSH PRIVILEGES")
        assert "check the user" in chained.refused(known, **{**account, "password": SecretStr("secret")})
        assert chained.enter(known, **account)
        assert chained.enter(known, **account)
    chained.server.stop()
    chained.server.start()
    assert chained.enter(known, **account)
    chained.run("DROP USER app")
