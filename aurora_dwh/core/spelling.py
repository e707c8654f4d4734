"""How texts are written in messages: long ones, and words that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def beginning(text: str, most: int) -> str:
    """Return a text on one line, and of one with more characters its beginning."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[:most] + "..."


def near_words(word: str, choices: Iterable[str], *, n: int = 1) -> list[str]:
    """Return the choices that are written most like a word, whatever their case; the nearest first."""
    by_fold = {choice.lower(): choice for choice in choices}
    return [by_fold[match] for match in difflib.get_close_matches(word.lower(), by_fold, n=n)]


def near_match(word: str, choices: Iterable[str]) -> str:
    """Return `, did you mean X?` for the choice that is written most like the word; empty where none is."""
    return "".join(f", did you mean `{near}`?" for near in near_words(word, choices))
