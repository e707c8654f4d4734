"""What a mart's columns are made of, by its SQL alone: Dagster's open-source UI draws no lineage of columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot.lineage import Node

    from aurora_dwh.warehouse.marts.model import Mart


@dataclass(frozen=True)
class ColumnOrigin:
    """A mart's column."""

    name: str
    # the columns of other tables that it is made of, as `schema.table.column`; none for a constant
    sources: tuple[str, ...]
    expression: str  # how it is computed, empty where it is one of those columns as it is


def column_origins(mart: Mart) -> list[ColumnOrigin]:
    """Return where each column of a mart comes from, in their order; none where its SQL does not say it.

    `SELECT *` does not, and neither does a column that one of several tables may have: nothing is asked of a server.
    """
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    try:
        columns = lineage(None, mart.query, {}, dialect="redshift")
    except SqlglotError:
        return []
    assert isinstance(columns, dict)  # noqa: S101 - of one column it would be the node alone
    return [_origin(name, node) for name, node in columns.items() if name != "*"]


def lineage_list(origins: list[ColumnOrigin]) -> str:
    """Return the columns as a list in Markdown; the UI breaks no line within a table's cell, and cuts what is wide."""
    return "\n".join(f"- {_code(origin.name)}{_told(origin)}" for origin in origins)


def _told(origin: ColumnOrigin) -> str:
    sources = f" from {', '.join(map(_code, origin.sources))}" if origin.sources else ""
    computed = f" as {_code(origin.expression)}" if origin.expression else ""
    return f":{sources}{',' if sources and computed else ''}{computed}"


def _origin(name: str, node: Node) -> ColumnOrigin:
    from sqlglot import exp

    leaves = [leaf for leaf in node.walk() if isinstance(leaf.source, exp.Table) and leaf is not node]
    sources = sorted({_path(leaf) for leaf in leaves})
    computed = node.expression.unalias()
    is_plain = isinstance(computed, exp.Column) and [source.rpartition(".")[2] for source in sources] == [computed.name]
    return ColumnOrigin(name, tuple(sources), "" if is_plain else computed.sql(dialect="redshift"))


def _path(leaf: Node) -> str:
    from sqlglot import exp

    table = leaf.source
    schema = table.db if isinstance(table, exp.Table) else ""
    return ".".join(part for part in (schema, table.name, leaf.name.rpartition(".")[2].strip('"')) if part)


def _code(text: str) -> str:
    """Return text as code within a line, between more backquotes than it has in a row itself."""
    line = " ".join(text.split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"
