"""A disk without room: the error names the folder and what to do. `/dev/full` refuses as such a disk does."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import contents
from aurora_dwh.lake.store import Lake
from aurora_dwh.orchestration.failures import named_failures
from aurora_dwh.source.cursor import Span
from aurora_dwh.source.wire import day_splitter
from aurora_dwh.source.wire.day_splitter import Split
from aurora_dwh_tests.services import extract

DAY = date(2024, 1, 5)
SCHEMA = TableSchema("shop", "orders", (Column("id", "int", "int", False),), ("id",))


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return (
        f"lake/orders: no room is left for temporary files in {tmp_path} (No space left on device); set TMPDIR to a "
        "folder on a larger disk, or make room there"
    )


def test_o18_a_scan_whose_rows_find_no_room_names_the_folder(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_splitter, "GATHERED_BYTES", 1)
    rows = pa.record_batch({"day": pa.array([DAY], pa.date32())})
    with Split(rows.schema, "day", [Span(DAY, None, None)]) as parted:
        (folder,) = tmp_path.iterdir()
        (folder / f"{DAY}.arrows").symlink_to("/dev/full")
        with pytest.raises(dg.Failure) as caught, named_failures(dg.AssetKey(["lake", "orders"])):
            parted.add(rows, Counter())
    assert caught.value.description == said
    assert caught.value.allow_retries is False


def test_o18_a_file_of_the_lake_that_finds_no_room_names_the_folder(
    said: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> Any:
        return Path("/dev/full").open("r+b", buffering=0)

    manifest = lake.write("orders", extract(SCHEMA, DAY, [{"id": 1}]))
    monkeypatch.setattr(contents, "TemporaryFile", full)
    with pytest.raises(dg.Failure) as caught, named_failures(dg.AssetKey(["lake", "orders"])):
        lake.reader([manifest]).read_all()
    assert caught.value.description == said
