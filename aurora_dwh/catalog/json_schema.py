"""The JSON Schema of catalog.yaml, by which editors complete and check it as it is typed.

It is made from the same fields that read the file: `python -m aurora_dwh.catalog.json_schema` writes it,
and a test fails where that was forgotten. Rules between fields are told when the file is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aurora_dwh.catalog.file import GROUPS
from aurora_dwh.catalog.model import Catalog, TableFields

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema of a catalog file."""
    whole = Catalog.model_json_schema()
    catalog = {
        name: {"description": Catalog.model_fields[name].description, **f} for name, f in whole["properties"].items()
    }
    sections = {
        model.__name__: {
            **_object(str(model.__doc__), whole["$defs"][model.__name__]["properties"]),
            "required": whole["$defs"][model.__name__].get("required", []),
        }
        for models in GROUPS.values()
        for model in models
    }
    table = _object("One table's fields.", TableFields.model_json_schema()["properties"])
    table["properties"]["lookback"]["default"] = 0
    sections["QuickSightDataset"]["properties"]["timeout"]["default"] = "1h"
    sections["PauseAbove"]["properties"]["give_up_after"]["default"] = "30m"
    tables = {
        "description": catalog["tables"]["description"],
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"minLength": 1},
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/table"}, {"type": "null"}]},
    }
    defaults = {"description": "Fields of every table that does not set them itself.", "$ref": "#/$defs/table"}
    properties = catalog | {"defaults": defaults, "tables": tables}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aurora-dwh catalog",
        **_object(str(Catalog.__doc__), properties),
        "required": ["timezone", "start_date", "tables"],
        "$defs": {"table": table, **sections},
    }


def schema_text() -> str:
    """Return the JSON Schema as it lies in the repository."""
    return json.dumps(editor_schema(), indent=2) + "\n"


def _object(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    fields = {
        name: {key: " ".join(value.split()) if key == "description" else value for key, value in field.items()}
        for name, field in properties.items()
    }
    for field in fields.values():
        field.pop("title", None)
    return {"type": "object", "description": description, "additionalProperties": False, "properties": fields}


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
