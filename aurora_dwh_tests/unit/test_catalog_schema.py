"""The catalog's JSON Schema and its page in docs/ say what the model says."""

import json
import re
from pathlib import Path
from typing import Any

from aurora_dwh.catalog.file import TOP_FIELDS
from aurora_dwh.catalog.json_schema import SCHEMA_FILE, editor_schema, schema_text
from aurora_dwh.catalog.model import PACKAGED_CATALOG, Catalog, TableFields

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of a section's table by the field that each row begins with."""
    lines = re.findall(r"^\| `(\w+)` \| (.*) \|$", section(heading), re.MULTILINE)
    return {field: cells.split(" | ") for field, cells in lines}


def test_the_schema_file_is_not_stale() -> None:
    stale = "run `python -m aurora_dwh.catalog.json_schema`"
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), stale


def test_the_schema_describes_every_field_and_allows_no_others() -> None:
    schema = editor_schema()
    table = schema["$defs"]["table"]
    assert set(schema["properties"]) == set(TOP_FIELDS)
    assert set(table["properties"]) == set(TableFields.model_fields)
    for part in (schema, table):
        assert part["additionalProperties"] is False
        assert all(field["description"] for field in part["properties"].values())


def test_the_schema_takes_single_columns_and_nulls() -> None:
    table: dict[str, Any] = editor_schema()["$defs"]["table"]["properties"]
    assert {option["type"] for option in table["key"]["anyOf"]} == {"string", "array", "null"}
    assert None in table["zero_dates"]["enum"]
    assert re.match(table["lookback"]["anyOf"][0]["pattern"], "90m")
    json.dumps(table)


def test_the_packaged_catalog_names_the_schema() -> None:
    first = PACKAGED_CATALOG.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../catalog/{SCHEMA_FILE.name}"


def test_every_field_is_documented_with_type_default_meaning_and_example() -> None:
    assert list(rows("A table")) == list(TableFields.model_fields)
    assert set(rows("The file")) == set(TOP_FIELDS)
    for cells in [*rows("A table").values(), *rows("The file").values()]:
        assert len(cells) == 4
        assert all(cells)


def test_the_documented_examples_are_read(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(example.group(1), encoding="utf-8")
    assert list(Catalog.load(catalog).tables) == ["products_master", "order_details_master", "country", "page_view"]
