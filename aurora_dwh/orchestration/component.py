"""A project as a Dagster component: a `defs.yaml` names a catalog, and the rest follows, as in `build_definitions`.

    type: aurora_dwh.AuroraToRedshiftComponent
    attributes: {catalog: catalog.yaml}

https://docs.dagster.io/guides/build/components
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import dagster as dg
from dotenv import dotenv_values
from pydantic import Field

from aurora_dwh.orchestration.project import build_definitions, build_location_definitions
from aurora_dwh.settings.config import AuroraSettings, ConfigError, LakeSettings, RedshiftSettings

T = TypeVar("T")


class CatalogScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` that names the catalog, which `aurora-dwh discover` then writes beside it."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the file."""
        dg.scaffold_component(request, {"catalog": "catalog.yaml"})


@dg.scaffold_with(CatalogScaffolder)
class AuroraToRedshiftComponent(dg.Component, dg.Model, dg.Resolvable):
    """Tables of an Aurora MySQL database, copied through S3 into Redshift every day, proven, with marts upon them."""

    catalog: Annotated[str, Field(description="The catalog's file; paths begin at the folder of defs.yaml.")]
    marts: Annotated[str | None, Field(description="The folder of marts. Default: `marts` beside the catalog.")] = None
    transforms: Annotated[
        str | None, Field(description="The folder of transforms. Default: `transforms` beside the catalog.")
    ] = None
    env_file: Annotated[
        str | None,
        Field(
            description="A file of AURORA_*, LAKE_* and REDSHIFT_* variables, read when they are needed, that win over "
            "the environment's. Default: the environment alone."
        ),
    ] = None
    key_prefix: Annotated[
        str | list[str] | None, Field(description="What all asset keys begin with, one part or several.")
    ] = None
    group_prefix: Annotated[
        str | None, Field(description="What the names of the asset groups begin with. Default: as `key_prefix`.")
    ] = None
    location: Annotated[
        bool,
        Field(
            description="Whether what a code location has once comes along: executor, retention and alerts. Of several "
            "components of a location, one has it."
        ),
    ] = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the definitions; raises what `build_definitions` raises."""
        file = context.path / self.env_file if self.env_file else None
        defs = build_definitions(
            catalog=context.path / self.catalog,
            marts=context.path / self.marts if self.marts else None,
            transforms=context.path / self.transforms if self.transforms else None,
            source=_reader(AuroraSettings.from_env, file),
            lake=_reader(LakeSettings.from_env, file),
            warehouse=_reader(RedshiftSettings.from_env, file),
            key_prefix=self.key_prefix,
            group_prefix=self.group_prefix,
        )
        return dg.Definitions.merge(defs, build_location_definitions()) if self.location else defs


def _reader(read: Callable[[Mapping[str, str]], T], file: Path | None) -> Callable[[], T] | None:
    """Return what reads settings of a file and the environment, None where there is no file."""
    if file is None:
        return None

    def read_now() -> T:
        if not file.is_file():
            raise ConfigError([f"{file}: there is no such file, and `env_file` in the defs.yaml beside it names it"])
        given = {name: value for name, value in dotenv_values(file).items() if value is not None}
        return read({**os.environ, **given})

    return read_now
