"""Adding tables to a catalog file: what stands in it, comments and layout included, stays as it is to the byte."""

from __future__ import annotations

import io
import re
import textwrap
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from aurora_dwh.catalog.errors import CatalogError, Problem
from aurora_dwh.catalog.file import parse_catalog, shown_path
from aurora_dwh.commands.console import plain
from aurora_dwh.core.schema import fold
from aurora_dwh.core.yaml_reader import placed_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.commands.suggest import Suggestion

_NEW = """\
# What is copied. Every field is described in docs/catalog.md; `aurora-dwh discover` adds tables and changes no others.

timezone: {zone} # days are cut at midnight in this zone
start_date: {start} # the first partition holds all history up to its end
schedule: "01:00" # when yesterday is loaded

defaults:
  lookback: 1h # a read begins this much before its day, for rows that were committed late

tables:
"""
_OF_ONE_TABLE = ("key", "soft_delete")
"""Fields that a table has not by default where nothing is suggested for it."""

_VIEW = "a view: take the # away to copy it, all of it each day"

_EMPTY_TABLES = re.compile(r"^tables:(?:[ \t]*(?:\{[ \t]*\}|null|~))?([ \t]+#.*)?[ \t]*(?=\r?$)", re.MULTILINE)
_PLAIN_IN_LIST = re.compile(r"\w+")
"""Texts that may be a list's member without quotes, unless YAML reads them as something else than a text."""


class CatalogFile:
    """A catalog file that is being added to; one that does not exist begins with the usual fields.

    Args:
        start: The first day of a new file.
        zone: The time zone of a new file; None is UTC.

    Raises:
        CatalogError: The file is not YAML with one line or more for each table.
    """

    def __init__(self, path: Path, *, start: date, zone: str | None = None) -> None:
        self.path = path
        self._text = path.read_bytes().decode() if path.exists() else _NEW.format(start=start, zone=zone or "UTC")
        try:
            self._root = placed_reader().load(self._text)
        except YAMLError as error:
            raise self._error(f"is not YAML: {error}") from None
        if not isinstance(self._root, CommentedMap) or not isinstance(self._root.get("tables") or {}, dict):
            raise self._error("must hold `tables:` with one entry for each table")
        if self.tables and self._root["tables"].fa.flow_style():
            raise self._error("write each table on a line of its own below `tables:`, so that others can be added")

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables in the file."""
        return tuple(map(str, self._root.get("tables") or ()))

    def is_ignored(self, table: str) -> bool:
        """Return whether the file says that a table is not to be added."""
        written = self._root.get("ignore")
        patterns = written if isinstance(written, list) else [written or ""]
        return any(fnmatchcase(table, str(pattern)) for pattern in patterns)

    @property
    def queries(self) -> tuple[str, ...]:
        """The names of those in the file that have a `query`, which are no tables of the database."""
        tables = self._root.get("tables") or {}
        return tuple(str(name) for name, fields in tables.items() if (fields or {}).get("query"))

    @property
    def targets(self) -> set[str]:
        """The names in Redshift of the tables in the file."""
        tables = self._root.get("tables") or {}
        return {fold(str((fields or {}).get("target_table") or name)) for name, fields in tables.items()}

    def add(self, suggestions: Iterable[Suggestion], refused: Mapping[str, str] = MappingProxyType({})) -> None:
        """Add tables behind those of the file, each after its warnings as comments.

        Args:
            suggestions: The tables. A view's entry is a comment itself, which is not repeated.
            refused: Tables that cannot be copied -> the reason, which stands in a comment of its own for each.

        Raises:
            CatalogError: The file is written in a way that others cannot be added to.
        """
        entries = {s.table: self._entry(s) for s in suggestions if s.table not in refused and not self._has_offer(s)}
        entries |= {table: f"# {_refusal(table)}{plain(reason)}\n" for table, reason in refused.items()}
        self._forget_refusals(entries)
        lines = self._text.splitlines(keepends=True)
        at, indent = self._place(lines)
        new = textwrap.indent("".join(entries[table] for table in sorted(entries)), " " * indent)
        if "\r\n" in self._text:
            new = new.replace("\n", "\r\n")
        before = "".join(lines[:at])
        self._text = before + ("" if before.endswith("\n") else "\n") + new + "".join(lines[at:])
        try:
            self._root = placed_reader().load(self._text)
        except YAMLError:
            advice = "write `tables:` with a line for each table below it, or nothing, so that others can be added"
            raise self._error(advice) from None

    def _forget_refusals(self, tables: Iterable[str]) -> None:
        """Take out the comments that an earlier run left about tables of which another is to be said now."""
        outdated = tuple(f"# {_refusal(table)}" for table in tables)
        lines = self._text.splitlines(keepends=True)
        self._text = "".join(line for line in lines if not line.lstrip().startswith(outdated))
        self._root = placed_reader().load(self._text)

    def read(self) -> Catalog:
        """Return the catalog that the product reads in the file as it is to be; raises CatalogError."""
        return parse_catalog(self._text, self.path)

    def save(self) -> None:
        """Write the file, at once or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.draft")
        draft.write_bytes(self._text.encode())
        draft.replace(self.path)

    def _place(self, lines: list[str]) -> tuple[int, int]:
        """Return the line behind the last table's, counted from 0, and how far tables are indented."""
        if not self.tables:
            self._text = _EMPTY_TABLES.sub(r"tables:\1", self._text)
            lines[:] = self._text.splitlines(keepends=True)
            if "tables" not in self._root:
                lines.append("tables:\n")
                return len(lines), 2
            return self._root.lc.key("tables")[0] + 1, 2
        tables = self._root["tables"]
        line, indent = tables.lc.key(next(iter(tables)))
        behind = line + 1
        for number in range(line, len(lines)):
            content = lines[number].rstrip()
            if content and len(content) - len(content.lstrip()) < indent:
                break
            behind = number + 1 if content else behind
        return behind, indent

    def _has_offer(self, suggestion: Suggestion) -> bool:
        """Return whether a view stands in the file as a comment, whatever has become of its fields."""
        beginning = f"# {_dumped(CommentedMap({_node(suggestion.table): None})).rstrip()}"
        return suggestion.is_view and any(line.lstrip().startswith(beginning) for line in self._text.splitlines())

    def _offer(self, view: Suggestion) -> str:
        """Return a view's entry as the line of a comment, which is an entry as soon as the # is taken away."""
        fields = CommentedMap({name: _node(value) for name, value in self._written(view).items()})
        fields.fa.set_flow_style()
        return f"# {_dumped(CommentedMap({_node(view.table): fields})).rstrip()} # {_VIEW}\n"

    def _entry(self, suggestion: Suggestion) -> str:
        """Return a table's lines, not indented."""
        if suggestion.is_view:
            return self._offer(suggestion)
        written = CommentedMap({name: _node(value) for name, value in self._written(suggestion).items()})
        remarks = (suggestion.reason, *suggestion.warnings)
        comments = "".join(f"# {remark}\n" for remark in remarks if remark)
        return comments + _dumped(CommentedMap({_node(suggestion.table): written or None}))

    def _written(self, suggestion: Suggestion) -> dict[str, Any]:
        """Return the fields of a table that the file must say of it, as others are what its defaults say."""
        zone = self._root.get("timezone")
        defaults = {"mode": "incremental", "cursor_timezone": zone} | dict(self._root.get("defaults") or {})
        fields = {name: None for name in _OF_ONE_TABLE if defaults.get(name)} | suggestion.fields
        return {n: v for n, v in fields.items() if n == "key" or defaults.get(n) != v}

    def _error(self, message: str) -> CatalogError:
        return CatalogError([Problem(shown_path(self.path), None, None, None, message)])


def _dumped(node: CommentedMap) -> str:
    yaml, stream = placed_reader(), io.StringIO()
    yaml.width = 1_000_000
    yaml.dump(node, stream)
    return stream.getvalue()


def _refusal(table: str) -> str:
    """Return how the comment about a table that cannot be copied begins."""
    return f"{plain(table)} is not copied: "


def _node(value: Any) -> Any:
    """Return a list on one line, a list of one name as the name, and what is not printable in a text spelled out."""
    if isinstance(value, str):
        return value if value.isprintable() else _quoted(value)
    if not isinstance(value, tuple):
        return value
    if len(value) == 1:
        return _node(value[0])
    names = CommentedSeq(_node(name) if _PLAIN_IN_LIST.fullmatch(name) else _quoted(name) for name in value)
    names.fa.set_flow_style()
    return names


def _quoted(text: str) -> str:
    kind: type[str] = SingleQuotedScalarString if text.isprintable() else DoubleQuotedScalarString
    return kind(text)
