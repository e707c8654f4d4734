"""Where this process's threads are, asked many times a second: a profile that costs next to nothing."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL = 0.004
"""Seconds between two looks."""


class Sampler:
    """Looks at all other threads until it is stopped."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str]] = Counter()
        self._looks = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> list[tuple[str, str, float]]:
        """Stop, and return thread, place in the product and share of the time, the largest first."""
        self._stopped.set()
        self._thread.join()
        return [(thread, place, n / self._looks) for (thread, place), n in self._seen.most_common()]

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._looks += 1
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != self._thread.ident:
                    self._seen[names.get(ident, "?"), _place(frame)] += 1


def _place(frame: FrameType | None) -> str:
    """Return the innermost function of the product, and the line of it that runs or waits."""
    while frame is not None:
        parts = Path(frame.f_code.co_filename).parts
        if "aurora_dwh" in parts:
            module = "/".join(parts[parts.index("aurora_dwh") + 1 :])
            return f"{module}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"
