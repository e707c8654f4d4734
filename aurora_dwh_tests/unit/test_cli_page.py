"""docs/cli.md says what the commands say."""

from __future__ import annotations

from docs._generate.cli_page import PAGE, page


def test_the_page_of_commands_is_what_the_commands_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m docs._generate.cli_page"
