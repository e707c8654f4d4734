"""What is wrong with a catalog, said so that its author can mend it: file, line, table, field, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Problem:
    """One thing to mend in a catalog."""

    file: str  # the file, as its reader would name it
    line: int | None  # the line, counted from 1; None where the file as a whole is meant
    table: str | None  # the table's name in the catalog; None where the problem is not one table's
    # the field, with dots below the top level: `defaults.cursor`, `mask.email`; None where none is meant
    field: str | None
    message: str  # what is wrong and what to do

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        table = None if self.table is None else f"table {self.table}"
        return ": ".join(part for part in (place, table, self.field, self.message) if part is not None)


class CatalogError(Exception):
    """A catalog that cannot be used; `problems` holds all that is wrong with it, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = sorted(problems, key=lambda p: p.line or 0)
        super().__init__("\n".join(str(problem) for problem in self.problems))
