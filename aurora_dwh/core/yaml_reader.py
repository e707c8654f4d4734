"""Reading the project's YAML files: what is written as a date and is none, such as 2024-02-30, is the text that it is.

The parser would end at such a scalar with a `ValueError` that knows no line; as a text it is refused by whatever field
it was given for, with its place.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor, SafeConstructor

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


def _moment_or_text(constructor: Any, node: Any) -> Any:
    try:
        return super(type(constructor), constructor).construct_yaml_timestamp(node)
    except ValueError:
        return node.value


class PlainConstructor(SafeConstructor):
    """Makes plain values."""


class PlacedConstructor(RoundTripConstructor):
    """Makes values that know their lines and their comments."""


PlainConstructor.add_constructor(_TIMESTAMP, _moment_or_text)
PlacedConstructor.add_constructor(_TIMESTAMP, _moment_or_text)


def plain_reader(*, constructor: type[PlainConstructor] = PlainConstructor, pure: bool = False) -> YAML:
    """Return what reads a file into plain values; pure Python, as some constructors need, is five times slower."""
    yaml = YAML(typ="safe", pure=pure)
    yaml.Constructor = constructor
    return yaml


def placed_reader() -> YAML:
    """Return what reads a file into values that know their lines and their comments, and writes it as it was."""
    yaml = YAML()
    yaml.Constructor = PlacedConstructor
    return yaml
