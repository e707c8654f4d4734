"""Services that tests share: each is started once for a session, and only if a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from aurora_dwh_tests.mariadb import MariaDB
from aurora_dwh_tests.services import lake, lake_server, redshift, s3, warehouse  # noqa: F401 - fixtures
from aurora_dwh_tests.tls import certificate, tls_server  # noqa: F401 - fixtures

settings.register_profile("soak", max_examples=2_000, print_blob=True)  # `make soak`


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A real MariaDB server; its absence fails the test, with the command that installs it."""
    server = MariaDB()
    yield server
    server.close()


@pytest.fixture
def database(mariadb: MariaDB) -> str:
    """An empty database on the MariaDB server."""
    return mariadb.database()
