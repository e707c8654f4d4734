"""Imports what the product imports only when it needs it: that is not to be measured."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


class _Absent(MetaPathFinder):
    """Says that there is no pandas: imports that Cython compiled take a None in `sys.modules` for the module."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name=fullname)
        return None


def warm_up_imports(*libraries: str) -> None:
    """Import libraries by name, the product before them: it says how Arrow takes its memory.

    pandas is kept out: Arrow imports it wherever it is installed, and only the extra of that name installs it.
    """
    sys.meta_path.insert(0, _Absent())
    for name in ("aurora_dwh", *libraries):
        import_module(name)
