"""More code locations beside the default one, a catalog each, with its marts and transforms beside it.

All that Dagster calls by a name begins with the location's, so that they share one Dagster, source and Redshift.

The attribute `crm` of this module is the location of `crm/catalog.yaml` in the folder that AURORA_DWH_LOCATIONS names.
`dagster api grpc -m aurora_dwh.locations -a crm` serves it, and the runs that it launches find it by the same two
names, whatever else stands in their environment.
"""

from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import location_catalog
from aurora_dwh.orchestration.project import build_definitions, build_location_definitions


def __getattr__(name: str) -> Any:
    file = None if name.startswith("_") else location_catalog(name)
    if file is None or not file.is_file():
        there = f": there is no file {file}" if file else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{there}")
    return _location(name, file)


@cache
def _location(name: str, file: Path) -> Any:
    @dg.definitions
    def location() -> dg.Definitions:
        return dg.Definitions.merge(build_definitions(catalog=file, key_prefix=name), build_location_definitions())

    return location
