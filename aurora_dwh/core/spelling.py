"""What a word that nobody knows may have been meant for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_words(word: str, choices: Iterable[str], *, n: int = 1) -> list[str]:
    """Return the choices that are written most like a word, whatever their case; the nearest first.

    Args:
        word: The word.
        choices: The words that are known.
        n: How many are returned at the most.
    """
    by_fold = {choice.lower(): choice for choice in choices}
    return [by_fold[match] for match in difflib.get_close_matches(word.lower(), by_fold, n=n)]


def near_match(word: str, choices: Iterable[str]) -> str:
    """Return `, did you mean X?` for the choice that is written most like the word; empty where none is."""
    return "".join(f", did you mean `{near}`?" for near in near_words(word, choices))
