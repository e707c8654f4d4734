"""Reading the configuration's file: YAML in, a `Config` or every problem of the file out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from infra.config import Config

if TYPE_CHECKING:
    from pathlib import Path


class ConfigError(Exception):
    """A file that cannot be used; `problems` names every place and what to write there."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def read_config(path: Path) -> Config:
    """Read and check a file.

    Raises:
        ConfigError: It is missing or wrong; every problem is named with file and field.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        written = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        example = "copy infra/config.example.yaml and fill it in"
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); {example}"]) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not YAML: {error}"]) from None
    return parse_config(written, str(path))


def parse_config(written: object, file: str = "config") -> Config:
    """Check what a file holds.

    Raises:
        ConfigError: It is wrong; every problem is named with file and field.
    """
    if not isinstance(written, dict):
        raise ConfigError([f"{file}: must hold fields such as `account:` and `source:`"])
    try:
        return Config.model_validate(written)
    except ValidationError as error:
        raise ConfigError([_problem(file, dict(found)) for found in error.errors()]) from None


def _problem(file: str, found: dict[str, Any]) -> str:
    place = ".".join(str(step) for step in found["loc"])
    kind, message = found["type"], found["msg"]
    if kind == "extra_forbidden":
        message = "is not a field"
    elif kind == "missing":
        message = "is missing"
    elif kind == "string_pattern_mismatch":
        message = f"{found['input']!r} does not have the form {found['ctx']['pattern'][4:-2]}"
    elif kind == "string_type":
        message = f"must be a text; put {found['input']!r} in quotes"
    message = message.removeprefix("Value error, ")
    return f"{file}: {place}: {message}" if place else f"{file}: {message}"
