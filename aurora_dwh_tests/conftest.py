"""Services that tests share: each is started once for a session, and only if a test asks for it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from aurora_dwh_tests.servers import database, mariadb, mysql, server  # noqa: F401 - fixtures
from aurora_dwh_tests.services import connected, lake, lake_server, redshift, s3, warehouse  # noqa: F401 - fixtures
from aurora_dwh_tests.tls import certificate, tls_server  # noqa: F401 - fixtures

gc.set_threshold(100_000, 20, 20)  # else a twentieth of the time of Dagster's runs goes into looking for garbage
settings.register_profile("soak", max_examples=2_000, print_blob=True)  # `make soak`


class _Scheduling(LoadFileScheduling):
    """A file goes to one process, and so do all files of `infra`: they share what takes half a minute to make."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "infra" if "/infra/" in file else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Say how tests are given to processes."""
    return _Scheduling(config, log)
