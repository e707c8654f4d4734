"""A code location is built once for what it is made from."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from aurora_dwh.definitions import defs
from aurora_dwh.orchestration.loading import loaded_once


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return tmp_path / "catalog.yaml"


@pytest.fixture
def load(catalog: Path) -> Callable[[], object]:
    @loaded_once(lambda: [catalog])
    def build() -> object:
        return object()

    return build


def test_the_second_time_the_location_is_the_same(catalog: Path, load: Callable[[], object]) -> None:
    catalog.write_text("a")
    assert load() is load()
    assert defs() is defs()


def test_a_changed_file_or_environment_is_another_location(
    catalog: Path, load: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_file = load()
    catalog.write_text("a")
    first = load()
    catalog.write_text("b")
    second = load()
    monkeypatch.setenv("REDSHIFT_DATABASE", "another")
    third = load()
    assert len({without_file, first, second, third}) == 4


def test_a_location_that_was_built_later_and_replaced_is_given_back(catalog: Path) -> None:
    class Location:
        def __init__(self) -> None:
            self.itself = self

    load = loaded_once(lambda: [catalog])(Location)
    built = []
    for text in "abc":
        catalog.write_text(text)
        built.append(weakref.ref(load()))
    gc.collect()
    assert built[1]() is None
    assert built[2]() is not None
