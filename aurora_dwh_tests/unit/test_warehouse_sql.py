"""Quoting: every name and value that becomes SQL text for Redshift."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pytest

from aurora_dwh.warehouse.sql import identifier, identifiers, literal, qualified


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("order", '"order"'),
        ("Case", '"case"'),
        ("a b", '"a b"'),
        ('say "hi"', '"say ""hi"""'),
        ("日本", '"日本"'),
        ("50%", '"50%"'),
        ("a\\b", '"a\\b"'),
        ("x" * 127, '"' + "x" * 127 + '"'),
    ],
)
def test_a22_an_identifier_is_quoted_and_in_lower_case(name: str, quoted: str) -> None:
    assert identifier(name) == quoted


@pytest.mark.parametrize("name", ["", "x" * 128, "日" * 43, "a\0b"], ids=["empty", "long", "long in bytes", "NUL"])
def test_a22_a_name_that_redshift_would_cut_or_refuse_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a Redshift name: 1 to 127 bytes are allowed"):
        identifier(name)


def test_names_are_listed_and_qualified() -> None:
    assert qualified("Staging", "Order") == '"staging"."order"'
    assert identifiers(("A", "b")) == '"a", "b"'
    assert identifiers(("A", "b"), of="s") == 's."a", s."b"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (0, "0"),
        (-7, "-7"),
        ("", "''"),
        ("it's", "'it''s'"),
        ("a\\", "'a\\\\'"),
        ("\\'; DROP TABLE x; --", "'\\\\''; DROP TABLE x; --'"),
        (date(2024, 1, 5), "'2024-01-05'"),
        (datetime(2024, 1, 5, 1, 2, 3, tzinfo=timezone.utc), "'2024-01-05 01:02:03.000000'"),
        (datetime(2024, 1, 5, 1, 2, 3, 4, tzinfo=timezone.utc), "'2024-01-05 01:02:03.000004'"),
    ],
)
def test_a_literal_is_read_by_redshift_as_the_value(value: Any, text: str) -> None:
    assert literal(value) == text
