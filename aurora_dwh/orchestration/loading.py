"""How a code location is loaded: once in a process, and with the garbage collector out of the way.

What is in it is `definitions`. Dagster asks for a location twice in each process that serves or validates one, and
building 1,000 tables makes some million objects that stay for the process's life, some here and some in Dagster:
looking whether they are garbage takes a third of the time of loading them.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

Location = TypeVar("Location")

_THRESHOLDS = 2_000, 20, 20
"""When to look for garbage: among what is new a third as often as Python's own, and no less, since pages of rows are in
it; a quarter as often among all there is."""


def loaded_once(files: Callable[[], Iterable[Path]]) -> Callable[[Callable[[], Location]], Callable[[], Location]]:
    """Return a decorator for a function that builds a location, which keeps what was built last.

    It is built anew where the environment or the text of a file has changed.

    Args:
        files: Returns the files that the location is made from; those that are missing count as such.
    """

    def decorate(build: Callable[[], Location]) -> Callable[[], Location]:
        @lru_cache(maxsize=1)
        def built(_inputs: Hashable) -> Location:
            with _no_collection():
                return build()

        @wraps(build)
        def load() -> Location:
            texts = tuple((path, path.read_bytes()) for path in files() if path.is_file())
            return built((tuple(sorted(os.environ.items())), texts))

        return load

    return decorate


@contextmanager
def _no_collection() -> Iterator[None]:
    """Make objects while the garbage collector rests. Those of a process's first time it never looks at.

    What is made later may become garbage like anything else, when it is built anew once more.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.set_threshold(*_THRESHOLDS)
            atexit.register(gc.freeze)  # the interpreter looks once more while it ends
        if was_enabled:
            gc.enable()
