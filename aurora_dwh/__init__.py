"""aurora-dwh: Aurora MySQL through S3 into Redshift, every day, with proof.

What other code may use is named here, and imported when it is asked for: the command line has no use for Dagster.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.orchestration.component import AuroraToRedshiftComponent
    from aurora_dwh.orchestration.project import build_definitions, build_location_definitions
    from aurora_dwh.settings.config import AuroraSettings, LakeSettings, RedshiftSettings

__all__ = [
    "AuroraSettings",
    "AuroraToRedshiftComponent",
    "Catalog",
    "LakeSettings",
    "RedshiftSettings",
    "build_definitions",
    "build_location_definitions",
]

# Read when numpy is first imported, whose matrix algebra nobody uses here: each of its threads keeps memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if sys.platform == "linux":
    # Arrow reads this when it is first imported. mimalloc, its own choice, holds 40 MB more at the peak of a copy, and
    # the system's allocator takes a twentieth longer.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")

_MODULES = {
    "AuroraSettings": "settings.config",
    "AuroraToRedshiftComponent": "orchestration.component",
    "Catalog": "catalog.model",
    "LakeSettings": "settings.config",
    "RedshiftSettings": "settings.config",
    "build_definitions": "orchestration.project",
    "build_location_definitions": "orchestration.project",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"aurora_dwh.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:  # by which `dg` finds components
    return sorted({*globals(), *__all__})
