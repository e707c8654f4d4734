"""What a statement answers: done, or rows a batch at a time. Plain values between the statements and the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mysql_mimic.types import ColumnType

from aurora_dwh.local.aurora import fields
from aurora_dwh.local.aurora.fields import Field


@dataclass(frozen=True)
class Done:
    """A statement without rows: what its OK packet says."""

    affected: int = 0
    last_insert_id: int = 0


@dataclass(frozen=True)
class Rows:
    """A result: its columns, and its rows; `fetch` blocks, and gives an empty batch at the end."""

    fields: Sequence[Field]
    fetch: Callable[[int], list[Any]]


Result: TypeAlias = "Done | Rows"


def listed(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> Rows:
    """A small result that is at hand; integers are BIGINT, the rest is text."""
    remaining = list(rows)
    first = remaining[0] if remaining else [None] * len(titles)

    def fetch(_: int) -> list[Any]:
        batch = list(remaining)
        remaining.clear()
        return batch

    return Rows([field_of_value(title, value) for title, value in zip(titles, first, strict=True)], fetch)


def field_of_value(title: str, value: Any) -> Field:
    """A result column whose type only its first value tells."""
    if isinstance(value, int):
        return fields.integer(title)
    if isinstance(value, float):
        return fields.plain(title, ColumnType.DOUBLE)
    return fields.plain(title, ColumnType.BLOB) if isinstance(value, bytes) else fields.text(title)
