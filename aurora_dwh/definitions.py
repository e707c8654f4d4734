"""The default code location: the catalog that the environment names, with its marts; nothing else."""

import warnings
from pathlib import Path

import dagster as dg

from aurora_dwh.catalog.model import catalog_path, marts_folder, transforms_folder
from aurora_dwh.orchestration.loading import loaded_once

# Beta parts of Dagster 1.13 are used; without this each process prints the same lines.
for category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=category)


def _files() -> list[Path]:
    from aurora_dwh.transforms.model import transform_files

    return [catalog_path(), *sorted(marts_folder().glob("*.sql")), *transform_files(transforms_folder())]


@dg.definitions
@loaded_once(_files)
def defs() -> dg.Definitions:
    """Assemble the code location from the environment."""
    from aurora_dwh.orchestration.project import build_definitions, build_location_definitions

    return dg.Definitions.merge(build_definitions(), build_location_definitions())
