"""How often a server is asked which variables it has."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aurora_dwh.source import variables


def test_a_server_is_asked_once_which_variables_it_has_and_each_session_is_set_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variables, "_had", {})

    def sent(server: str) -> list[str]:
        statements: list[str] = []

        def run(statement: str) -> list[tuple[Any, ...]]:
            statements.append(statement)
            return [("tx_isolation", "")] if statement.startswith("SHOW") else []

        variables.prepare(run, timedelta(hours=1), server)
        return statements

    first, later = sent("host:3306 8.0.36"), sent("host:3306 8.0.36")
    assert [text.split()[0] for text in first] == ["SET", "SHOW", "SET"]
    assert later == [f"{first[0]}, {first[2].removeprefix('SET SESSION ')}"]
    assert first[2] == "SET SESSION tx_isolation = 'REPEATABLE-READ'"
    assert sent("host:3306 8.0.40") == first, "another version, as after an upgrade"
