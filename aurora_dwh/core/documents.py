"""JSON documents by their contents: one text for all documents that say the same."""

from __future__ import annotations

import json
from decimal import Context, Decimal
from typing import Any

_EXACT = Context(prec=1_000)


def canonical_text(document: str) -> str:
    """Return a document's text with its members sorted and its numbers written by their value: 1.0 is 1.

    Raises:
        ValueError: The text is no JSON document.
    """
    return _canonical(json.loads(document, parse_float=Decimal, parse_int=Decimal))


def _canonical(value: Any) -> str:
    match value:
        case dict():
            members = (f"{json.dumps(name, ensure_ascii=False)}: {_canonical(value[name])}" for name in sorted(value))
            return f"{{{', '.join(members)}}}"
        case list():
            return f"[{', '.join(map(_canonical, value))}]"
        case Decimal():
            return str(value.normalize(_EXACT)) if value else "0"
    return json.dumps(value, ensure_ascii=False)
