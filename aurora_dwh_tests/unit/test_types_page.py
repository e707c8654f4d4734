"""docs/types.md says what the map says."""

from __future__ import annotations

from docs._generate.types_page import PAGE, page


def test_the_page_of_types_is_what_the_map_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m docs._generate.types_page"
