"""Who imports whom: what CONTRIBUTING says of the folders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "aurora_dwh"
ENGINE = ("source", "lake", "warehouse", "proof")
DOORS = {"source/resource.py", "lake/io_manager.py", "warehouse/io_manager.py"}
"""What stands between Dagster and the engine."""


def imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in it, and the names that it takes out of them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(file: Path) -> str:
    return file.relative_to(PRODUCT).as_posix()


def importers(folder: Path, module: str) -> set[str]:
    """Return the files of a folder that import a module or what is in it."""
    return {
        named(file) for file in folder.rglob("*.py") if any(f"{one}.".startswith(f"{module}.") for one in imports(file))
    }


@pytest.mark.parametrize("room", ENGINE)
def test_the_engine_needs_no_dagster(room: str) -> None:
    assert importers(PRODUCT / room, "dagster") == {door for door in DOORS if door.startswith(f"{room}/")}


@pytest.mark.parametrize("room", ENGINE[:3])
@pytest.mark.parametrize("other", ENGINE)
def test_source_lake_and_warehouse_never_import_one_another(room: str, other: str) -> None:
    if room != other:
        assert importers(PRODUCT / room, f"aurora_dwh.{other}") <= DOORS


def test_the_stack_is_imported_by_commands_alone() -> None:
    found = {file for file in importers(PRODUCT, "aurora_dwh.local") if not file.startswith("local/")}
    assert found
    assert {file.partition("/")[0] for file in found} == {"commands"}


def test_a_plan_is_made_without_dagster() -> None:
    program = (
        "import sys; from aurora_dwh.commands.plan import make_plan\n"
        "try: make_plan('nothing', None)\n"
        "except Exception as error: assert 'nothing' in str(error), error\n"
        "else: raise AssertionError\n"
        "print('dagster' in sys.modules, 'aurora_dwh.warehouse.plan' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_places_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+/)`", text)
    assert len(places) > 20
    roots = (PRODUCT, ROOT, ROOT / "aurora_dwh_tests", ROOT / "aurora_dwh_tests" / "unit")
    assert [place for place in places if not any((root / place).exists() for root in roots)] == []
