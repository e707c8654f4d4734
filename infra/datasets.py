"""What QuickSight's datasets are made of: the columns of the user's own marts. A template asks no warehouse."""

from __future__ import annotations

from pathlib import Path

from aurora_dwh.warehouse.marts.columns import column_types
from aurora_dwh.warehouse.marts.model import MartError, kind, read_marts

KINDS = ("STRING", "INTEGER", "DECIMAL", "DATETIME", "BIT")
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-quicksight-dataset-inputcolumn.html"""


def read_datasets(folder: Path) -> dict[str, dict[str, str]]:
    """Return mart -> column -> QuickSight's type, of the marts of a folder.

    Raises:
        MartError: A file cannot be used, or a column's type cannot be told or is none of QuickSight's; the message
            names each file and column, and what to write.
    """
    marts = read_marts(folder)
    datasets = {
        mart: {column: kind(type_name) for column, type_name in types.items()}
        for mart, types in column_types(marts).items()
    }
    problems = [
        f"{mart}.sql: QuickSight has no type for {found}, which column {column} is; CAST it to VARCHAR or TIMESTAMP, "
        "or leave it out"
        for mart, columns in datasets.items()
        for column, found in columns.items()
        if found not in KINDS
    ]
    if problems:
        raise MartError("\n".join(problems))
    return datasets
