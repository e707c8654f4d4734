"""Imports what the product imports only when it needs it: that is not to be measured."""

from __future__ import annotations

import sys
from importlib import import_module


def preload(*libraries: str) -> None:
    """Import libraries by name, the product before them: it says how Arrow takes its memory.

    pandas is kept out: Arrow imports it wherever it is installed, and only the extra of that name installs it.
    """
    sys.modules["pandas"] = None  # type: ignore[assignment]
    for name in ("aurora_dwh", *libraries):
        import_module(name)
