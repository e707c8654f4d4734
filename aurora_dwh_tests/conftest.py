"""Services that tests share: each is started once for a session, and only if a test asks for it."""

from __future__ import annotations

import gc
import signal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from aurora_dwh_tests.chromium import browser, page  # noqa: F401 - fixtures
from aurora_dwh_tests.servers import database, mariadb, mysql, server  # noqa: F401 - fixtures
from aurora_dwh_tests.services import connected, lake, lake_server, redshift, s3, warehouse  # noqa: F401 - fixtures
from aurora_dwh_tests.tls import certificate, tls_server  # noqa: F401 - fixtures

gc.set_threshold(100_000, 20, 20)  # else a twentieth of the time of Dagster's runs goes into looking for garbage
# In a shell's background the interrupt is ignored, and by Dagster's runs SIGTERM with it: what they start then does not
# end, and each end is waited for in vain for half a minute.
signal.signal(signal.SIGINT, signal.default_int_handler)
# With other examples each time a change would fail for what it has nothing to do with: `make soak` looks for that.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("soak", derandomize=False, max_examples=2_000, print_blob=True)  # `make soak`
settings.load_profile("repeatable")


LONG = (
    "infra/",
    "over_time/",
    "browser/",
    "e2e/test_foreign",
    "e2e/test_init",
    "e2e/test_backfill",
    "e2e/test_pages",
    "e2e/test_stop",
)
"""What takes minutes and cannot be divided: it goes first, or one process would be at it after all others had ended."""

TOGETHER = ("infra", "browser", "clients", "standin")
"""Folders in whose files tests share what takes long to make."""


class _Scheduling(LoadFileScheduling):
    """All tests of a function go to one process, all of a file whose tests share something, and all files of `infra`.

    So no process is idle at the end for longer than a function takes.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        if "/infra/" in file:
            return "infra"
        return file if _is_shared(file) else nodeid.partition("[")[0]


@cache
def _is_shared(file: str) -> bool:
    path = Path(__file__).parents[1] / file
    return path.parent.name in TOGETHER or 'scope="module"' in path.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in LONG))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Say how tests are given to processes."""
    return _Scheduling(config, log)
