"""Local disk, where rows wait that come in another order than they are written in, or must be read twice."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import gettempdir

from aurora_dwh.core.models import DataError


class DiskFullError(DataError):
    """There is no room on this machine's disk; another attempt would read as much."""


@contextmanager
def local_disk() -> Iterator[None]:
    """Write to the folder for temporary files; raises a DiskFullError that names it where there is no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f"no room is left for temporary files in {gettempdir()} ({error.strerror}); set TMPDIR to a folder on a "
            "larger disk, or make room there"
        ) from error
