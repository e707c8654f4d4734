"""A project's file of SQL, of a mart or a transform: one SELECT under a header, which is YAML in the first comment."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from aurora_dwh.core.models import DataError

_FILE = re.compile(r"\A\s*/\*(?P<header>.*?)\*/\s*(?P<query>.*?);?\s*\Z", re.DOTALL)


def read_sql_file(path: Path, error: type[DataError]) -> tuple[Any, str]:
    """Return a file's header and its query without a semicolon; `error` is raised where there is no such header."""
    from ruamel.yaml.error import YAMLError

    from aurora_dwh.core.yaml_reader import plain_reader

    match = _FILE.match(path.read_text(encoding="utf-8"))
    if not match:
        raise error(f"{path.name}: the file must open with a /* header */ and go on with one SELECT")
    try:
        return plain_reader().load(io.StringIO(match["header"])), match["query"]
    except YAMLError as problem:
        raise error(f"{path.name}: header: {problem}") from problem
