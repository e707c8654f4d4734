"""Waiting in tests for what other threads, processes and servers do in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(done: Callable[[], bool], seconds: float = 60.0, state: Callable[[], object] = lambda: "") -> float:
    """Wait until something is so, and return how many seconds that took; fail where it takes too long."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {state()}"
        time.sleep(0.05)
    return time.monotonic() - began
