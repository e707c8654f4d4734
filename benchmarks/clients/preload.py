"""Imports what the product imports only when it needs it: that is not to be measured."""

from __future__ import annotations

from importlib import import_module


def preload(*libraries: str) -> None:
    """Import libraries by name, the product before them: it says how Arrow takes its memory."""
    for name in ("aurora_dwh", *libraries):
        import_module(name)
