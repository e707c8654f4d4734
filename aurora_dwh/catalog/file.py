"""Reading a catalog file: YAML with line numbers in, a `Catalog` or every problem of the file out.

What the fields mean and how they go together is `model`. Writing the file is `commands.catalog_edit`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from aurora_dwh.catalog.fields import PauseAbove, Pools
from aurora_dwh.catalog.model import CATALOG_VARIABLE, POINTLESS, Catalog, CatalogError, Problem, Table, TableFields
from aurora_dwh.catalog.quicksight import QuickSight, QuickSightDataset
from aurora_dwh.core.spelling import near_match
from aurora_dwh.core.yaml_reader import placed_reader, plain_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails
    from ruamel.yaml import YAML

Location = tuple[int | str, ...]
"""The steps from a file's top to one of its values."""

GROUPS: dict[str, tuple[type[BaseModel], ...]] = {
    "pause_above": (PauseAbove,),
    "pools": (Pools,),
    "quicksight": (QuickSight, QuickSightDataset),
}
"""Fields of the catalog that hold fields of their own."""

HEAD_FIELDS = frozenset(Catalog.model_fields) - {"tables"}
TOP_FIELDS = (*Catalog.model_fields, "defaults")
TOP_DEMANDS = {
    "timezone": "say at whose midnight days are cut: `timezone: Asia/Tokyo`",
    "start_date": "say which day is the first: `start_date: 2024-01-01`",
    "tables": "list the tables to copy, or run `aurora-dwh discover`",
}
ADVICE = {
    "string_type": "write a text, in quotes where YAML would read a number or a date",
    "string_too_short": "write a text, or leave the field out",
    "tuple_type": "write a name, or a list such as [a, b]",
    "dict_type": "write pairs, such as {name: value}",
    "int_type": "write a whole number",
}
"""Pydantic's error types -> what to write instead."""


def read_catalog(path: Path) -> Catalog:
    """Read and check a catalog file; raises a CatalogError that carries every problem found."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        remedy = f"name a catalog in {CATALOG_VARIABLE}, or write one with `aurora-dwh discover --output FILE`"
        message = f"cannot be read ({error.strerror}); {remedy}"
        raise CatalogError([Problem(shown_path(path), None, None, None, message)]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise CatalogError([Problem(shown_path(path), None, None, None, message)]) from None
    return parse_catalog(text, path)


def parse_catalog(text: str, path: Path) -> Catalog:
    """Check the text of a catalog file.

    Args:
        path: The file, for the errors.

    Raises:
        CatalogError: The text is wrong; it carries every problem found.
    """
    try:
        return _Reader(text, path, plain_reader()).read()
    except CatalogError:
        return _Reader(text, path, placed_reader()).read()  # five times slower, and knows the lines of what is wrong


class _Reader:
    """One reading of one file, which gathers problems on its way."""

    def __init__(self, text: str, path: Path, yaml: YAML) -> None:
        self.text = text
        self.yaml = yaml
        self.file = shown_path(path)
        self.problems: list[Problem] = []
        self.root: Any = None

    def read(self) -> Catalog:
        self.root = self._parse()
        if not isinstance(self.root, dict):
            message = "must hold fields such as `timezone:` and `tables:`"
            raise CatalogError([Problem(self.file, None, None, None, message)])
        fields: dict[str, Any] = _plain(self.root)
        self._check_top_names(fields)
        head = self._head({name: fields[name] for name in fields if name in HEAD_FIELDS and fields[name]})
        defaults = self._defaults(fields.get("defaults"))
        if head:
            defaults.setdefault("cursor_timezone", head.timezone)
        tables = self._tables(fields.get("tables"), defaults)
        if head:
            self._check_ignored(head, tables)
        if head is None or self.problems:
            raise CatalogError(self.problems)
        return head.model_copy(update={"tables": tables})

    def _parse(self) -> Any:
        line = None
        try:
            return self.yaml.load(self.text)
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            message = _yaml_message(error)
        except YAMLError as error:
            message = f"is not YAML: {error}"
        raise CatalogError([Problem(self.file, line, None, None, message)])

    def _check_top_names(self, fields: Mapping[str, Any]) -> None:
        for name in fields:
            if name not in TOP_FIELDS:
                self._add((name,), f"not a field of the catalog{near_match(str(name), TOP_FIELDS)}")
        for name, demand in TOP_DEMANDS.items():
            if not fields.get(name):
                self._add((name,), demand)

    def _head(self, fields: Mapping[str, Any]) -> Catalog | None:
        """Return the catalog without its tables, None where it cannot be read; a field left out is known already."""
        try:
            head = Catalog.model_validate({**fields, "tables": {}})
        except ValidationError as error:
            for location, message in _complaints(error, Catalog):
                if location[0] in fields:
                    self._add(location, message)
            return None
        if head.start_date > datetime.now(head.zone).date():
            self._add(("start_date",), f"{head.start_date} lies in the future; write today or an earlier day")
        return head

    def _defaults(self, written: Any) -> dict[str, Any]:
        """Return the default fields that can be used; the others are reported once, here."""
        if written is None:
            return {}
        if not isinstance(written, dict):
            self._add(("defaults",), "must hold table fields, such as `defaults: {cursor: updated_at}`")
            return {}
        complaints = _try(TableFields, written)
        for location, message in complaints:
            self._add(("defaults", *location), message)
        bad = {location[0] for location, _ in complaints}
        return {name: value for name, value in written.items() if name not in bad}

    def _tables(self, written: Any, defaults: dict[str, Any]) -> dict[str, Table]:
        if written and not isinstance(written, dict):
            self._add(("tables",), "must hold one entry for each table, such as `tables: {orders: {key: order_id}}`")
        if not written or not isinstance(written, dict):
            return {}
        tables = [self._table(str(name), own, defaults) for name, own in written.items()]
        good = {table.name: table for table in tables if table is not None}
        self._check_targets(good.values())
        return good

    def _table(self, name: str, own: Any, defaults: dict[str, Any]) -> Table | None:
        path = ("tables", name)
        if own is not None and not isinstance(own, dict):
            self._add(path, f"must hold fields, such as `{name}: {{key: id}}`, or nothing")
            return None
        own = own or {}
        if "name" in own:
            self._add((*path, "name"), "a table's name is the word before the colon; leave this field out")
        fields = _inherited(own, defaults) | own | {"name": name}
        complaints = _try(Table, fields)
        if bad := {location[0] for location, _ in complaints} & fields.keys():
            rest = {field: value for field, value in fields.items() if field not in bad}
            complaints += [c for c in _try(Table, rest) if c[0][0] not in bad and "mode" not in bad]
        for location, message in dict.fromkeys(complaints):
            self._add((*path, *location), message)
        if complaints:
            return None
        return Table.model_validate(fields)

    def _check_targets(self, tables: Iterable[Table]) -> None:
        seen: dict[str, str] = {}
        for table in tables:
            other = seen.setdefault(table.target, table.name)
            if other != table.name:
                message = f"table {other} goes to {table.target!r} in Redshift too; set another `target_table`"
                self._add(("tables", table.name, "target_table"), message)

    def _check_ignored(self, head: Catalog, tables: Iterable[str]) -> None:
        for name in tables:
            if pattern := head.ignored_by(name):
                remedy = "take either the table or the pattern out"
                self._add(("tables", name), f"is listed, and {pattern!r} of `ignore` leaves it out; {remedy}")

    def _add(self, path: Location, message: str) -> None:
        in_table = path[0] == "tables" and len(path) > 1
        field = ".".join(str(step) for step in (path[2:] if in_table else path) if isinstance(step, str))
        table = str(path[1]) if in_table else None
        self.problems.append(Problem(self.file, _line(self.root, path), table, field or None, message))


def shown_path(path: Path) -> str:
    """Return a path as its reader would type it: from the working directory where it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _inherited(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults that mean something in the table's mode."""
    mode = own.get("mode", defaults.get("mode", "incremental"))
    pointless = POINTLESS.get(mode, frozenset()) if isinstance(mode, str) else frozenset()
    return {name: value for name, value in defaults.items() if name not in pointless}


def _try(model: type[BaseModel], fields: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Return what is wrong with the fields of a model, by place."""
    try:
        model.model_validate(fields)
    except ValidationError as error:
        return list(_complaints(error, model))
    return []


def _complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Location, str]]:
    for detail in error.errors():
        if detail["type"] == "table_rules":
            yield from (((field,), message) for field, message in detail["ctx"]["problems"])
        else:
            location = tuple(step for step in detail["loc"] if step != "[key]")
            group = str(location[0]) if len(location) > 1 and location[0] in GROUPS else None
            models = GROUPS[group] if group else (model,)
            fields = [name for of in models for name in of.model_fields if group or name != "name"]
            yield location, _message(detail, fields, group or "a table")


def _message(detail: ErrorDetails, fields: Iterable[str], owner: str) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden":
            return f"not a field of {owner}{near_match(str(detail['loc'][-1]), fields)}"
        case "missing":
            return "must be given"
        case "model_type" | "model_attributes_type":
            return f"{detail['input']!r} is not what belongs here: write fields, as docs/catalog.md shows"
        case "literal_error":
            return f"{detail['input']!r} is none of {context['expected']}"
        case "greater_than_equal":
            return f"{detail['input']!r} is too small; write {context['ge']} or more"
    advice = ADVICE.get(detail["type"], detail["msg"])
    return f"{detail['input']!r} is not what belongs here: {advice}"


def _yaml_message(error: MarkedYAMLError) -> str:
    if isinstance(error, DuplicateKeyError):
        name = str(error.problem).partition(" with value ")[0].removeprefix("found duplicate key ").strip('"')
        return f"{name!r} is written twice here; keep one of the two"
    text = ", ".join(str(part) for part in (error.context, error.problem) if part)
    return f"is not YAML: {text}"


def _plain(node: Any) -> Any:
    """Return a YAML tree as plain dicts and lists, with merged keys in place."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node


def _line(node: Any, path: Location) -> int:
    """Return the line of the deepest step of a path that stands in the file."""
    line = 1
    for step in path:
        if isinstance(node, CommentedMap) and step in (node.lc.data or ()):
            line = node.lc.key(step)[0] + 1
        elif isinstance(node, CommentedSeq) and step in (node.lc.data or ()):
            line = node.lc.item(step)[0] + 1
        else:
            break
        node = node[step]
    return line
