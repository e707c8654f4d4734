"""Who imports whom: what CONTRIBUTING says of the folders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from pymysql.connections import Connection

from aurora_dwh.source.internals import USED

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "aurora_dwh"
ENGINES = ("source", "lake", "warehouse")


def named(file: Path) -> str:
    """Return a module's file as it lies in the product."""
    return file.relative_to(PRODUCT).as_posix()


@cache
def imports(file: Path) -> frozenset[str]:
    """Return the modules that a file imports when it runs, wherever in it, and the names that it takes out of them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(_imported(tree))


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            yield from (name for one in child.orelse for name in _imported(one))
        else:
            yield from _imported(child)


def importers(folder: Path, module: str) -> set[str]:
    """Return the files of a folder that import a module or what is in it."""
    return {
        named(file) for file in folder.rglob("*.py") if any(f"{one}.".startswith(f"{module}.") for one in imports(file))
    }


def rooms(files: set[str]) -> set[str]:
    """Return the folders of files, or those that lie in none."""
    return {file.partition("/")[0] for file in files}


def test_dagster_is_imported_where_it_is_orchestrated() -> None:
    assert rooms(importers(PRODUCT, "dagster")) == {"orchestration", "instance", "definitions.py", "locations.py"}


def test_what_pymysql_does_not_export_is_used_in_one_module() -> None:
    """Any attribute with an underscore that its connections have, and none of our own classes."""
    private = {name for name in vars(Connection) if re.match("_[a-z]", name)} | set(USED)
    users = {
        named(file)
        for file in (PRODUCT / "source").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in private and getattr(node.value, "id", "") != "self"
    }
    assert users == {"source/internals.py"}


def test_what_dagster_does_not_export_is_imported_in_one_folder() -> None:
    deployment = {file for part in ("*.py", "stacks/*.py") for file in (ROOT / "infra").glob(part)}
    private = {file for file in {*PRODUCT.rglob("*.py"), *deployment} if any(map(_is_internal, imports(file)))}
    assert {file.parent for file in private} == {PRODUCT / "instance"}


def _is_internal(module: str) -> bool:
    return module.startswith("dagster") and ("._" in module or module.startswith("dagster_shared"))


@pytest.mark.parametrize("room", ENGINES)
@pytest.mark.parametrize("other", [*ENGINES, "proof", "transforms", "orchestration", "commands", "local"])
def test_source_lake_and_warehouse_import_neither_one_another_nor_what_is_made_of_them(room: str, other: str) -> None:
    if room != other:
        assert importers(PRODUCT / room, f"aurora_dwh.{other}") == set()


def test_the_core_imports_nothing_of_ours() -> None:
    found = {name for file in (PRODUCT / "core").rglob("*.py") for name in imports(file) if "aurora_dwh" in name}
    assert {".".join(name.split(".")[:2]) for name in found} == {"aurora_dwh.core"}


def test_the_stack_is_imported_by_commands_alone() -> None:
    assert rooms(importers(PRODUCT, "aurora_dwh.local")) == {"commands", "local"}


def test_no_module_imports_one_that_imports_it() -> None:
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in PRODUCT.rglob("*.py")}
    graph = {
        name: {next((m for m in (one, one.rpartition(".")[0]) if m in modules), name) for one in imports(file)} - {name}
        for name, file in modules.items()
    }
    graph["aurora_dwh.catalog.model"].remove("aurora_dwh.catalog.file")  # `Catalog.load`, which reads the file
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    assert len(order) == len(modules)


def test_a_plan_is_made_without_dagster_and_without_what_decodes_rows() -> None:
    program = (
        "import sys; from aurora_dwh.commands.plan import make_plan\n"
        "try: make_plan('nothing', None)\n"
        "except Exception as error: assert 'nothing' in str(error), error\n"
        "else: raise AssertionError\n"
        "print(*(name in sys.modules for name in ('dagster', 'numpy', 'pyarrow', 'aurora_dwh.warehouse.dry_run')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False", "True"]


def test_the_places_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+/)`", text)
    assert len(places) > 20
    roots = (PRODUCT, ROOT, ROOT / "aurora_dwh_tests", ROOT / "aurora_dwh_tests" / "unit")
    assert [place for place in places if not any((root / place).exists() for root in roots)] == []
