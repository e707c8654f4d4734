"""How a code location is loaded: once in a process, for Dagster asks for it twice where it serves or validates one."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

Location = TypeVar("Location")


def loaded_once(files: Callable[[], Iterable[Path]]) -> Callable[[Callable[[], Location]], Callable[[], Location]]:
    """Return a decorator for a function that builds a location, which keeps what was built last.

    It is built anew where the environment or the text of one of the files, that it is made from, has changed.
    """

    def decorate(build: Callable[[], Location]) -> Callable[[], Location]:
        @lru_cache(maxsize=1)
        def built(_inputs: Hashable) -> Location:
            return build()

        @wraps(build)
        def load() -> Location:
            texts = tuple((path, path.read_bytes()) for path in files() if path.is_file())
            return built((tuple(sorted(os.environ.items())), texts))

        return load

    return decorate
