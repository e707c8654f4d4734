"""The files of a new project, made from `template/`; what the user was asked for is `init`'s business."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from aurora_dwh.commands.local import dotenv_value
from aurora_dwh.warehouse.marts.cases import SUFFIX
from aurora_dwh.warehouse.sql import qualified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_TEMPLATES = Path(__file__).with_name("template")


@dataclass(frozen=True)
class Project:
    """A project that is to be written."""

    folder: Path  # where; an absolute path
    database: str  # the source's database
    table: str  # a table of the catalog, for the example
    target: str  # the table's name in Redshift
    asset: str  # the table's name in asset keys
    start: date  # the catalog's first day
    variables: Mapping[str, str]  # what `.env` holds
    embedded: tuple[str, ...]  # the parts of the embedded stack that the project uses

    @property
    def package(self) -> str:
        """The name of the project's Python package: the folder's, unless something else is called so."""
        name = re.sub(r"\W", "_", self.folder.name.lower(), flags=re.ASCII).strip("_") or "dwh"
        if name[0].isdigit() or name == "tests" or find_spec(name) is not None:
            name = f"dwh_{name}"
        return name

    @property
    def mart(self) -> str:
        """The name of the example mart."""
        return f"{re.sub(r'[^a-z0-9_]', '_', self.table.lower())}_by_day"[:100]

    def files(self) -> dict[str, str]:
        """Return the project's files, but for the catalog: path in its folder -> text."""
        return {
            "pyproject.toml": self._made("pyproject.toml"),
            "workspace.yaml": self._made("workspace.yaml"),
            "dagster.yaml": (_TEMPLATES / "dagster.yaml").read_text(encoding="utf-8"),
            "README.md": self._made("README.md"),
            ".gitignore": self._made("gitignore"),
            ".env": self._dotenv(),
            f"marts/{self.mart}.sql": self._made("mart.sql"),
            f"marts/{self.mart}{SUFFIX}": self._made("mart.test.yaml"),
            "transforms/_example.py": self._made("transform.py"),
            f"{self.package}/__init__.py": self._made("__init__.py"),
            f"{self.package}/definitions.py": self._made("definitions.py"),
            f"{self.package}/assets.py": self._made("assets.py"),
            "tests/test_day.py": self._made("test_day.py"),
            "infra/config.yaml": self._made("infra.yaml"),
        }

    def _made(self, name: str) -> str:
        without = ",".join(part for part in ("aurora", "lake", "warehouse") if part not in self.embedded)
        local = f"    aurora-dwh local up --without {without}     # the embedded {' and '.join(self.embedded)}\n"
        values = {
            "package": self.package,
            "extra": "[embedded]" if self.embedded else "",
            "database": self.database,
            "table": self.table,
            "asset": self.asset,
            "staging": qualified("staging", self.target),
            "input": json.dumps(f"staging.{self.target}"),  # which YAML takes as it is
            "mart": self.mart,
            "day": self.start.isoformat(),
            "local": local if self.embedded else "",
            "source_database": json.dumps(self.database),
            "source_host": self.variables.get("AURORA_HOST", "127.0.0.1"),
            "source_port": self.variables.get("AURORA_PORT", "3306"),
            "warehouse_database": json.dumps(self.variables.get("REDSHIFT_DATABASE", "dwh")),
            "region": self._region(),
        }
        return Template((_TEMPLATES / f"{name}.tmpl").read_text(encoding="utf-8")).substitute(values)

    def _region(self) -> str:
        """Return the Region that the environment names, or the source's address; else the deployment's default."""
        named = self.variables.get("AWS_REGION") or self.variables.get("AWS_DEFAULT_REGION")
        of_host = re.search(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com", self.variables.get("AURORA_HOST", ""))
        return named or (of_host[1] if of_host else "ap-northeast-1")

    def _dotenv(self) -> str:
        lines = [f"{name}={dotenv_value(value)}" for name, value in self.variables.items()]
        return "\n".join(["# Read by `aurora-dwh` and `dagster` in this folder.", *lines, ""])


def write(project: Project) -> list[str]:
    """Write a project's files, and return their paths; `.env` can be read by its owner alone."""
    files = project.files()
    for name, text in files.items():
        path = project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == ".env":
            path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return list(files)
