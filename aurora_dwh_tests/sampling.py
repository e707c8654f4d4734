"""Which of a test's values `make test` takes, where `make soak` goes through all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def soak(*values: Any) -> Any:
    """Return a test's parameters as a case of `make soak` alone."""
    return pytest.param(*values, marks=pytest.mark.soak)


def sample(values: Iterable[Any], *taken: Any) -> list[Any]:
    """Return values for `parametrize`, of which `make test` takes some and `make soak` the others."""
    return [value if value in taken else soak(*value) if isinstance(value, tuple) else soak(value) for value in values]
