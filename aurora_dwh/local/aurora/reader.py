"""Reading MySQL's text by hand: tokens, and a place among them.

For the statements that are small or whose text must be kept as it is written (DDL, SHOW, KILL); queries are parsed by
`dialect`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aurora_dwh.local.aurora.errors import AuroraError, syntax_error

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<comment>--\s[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<name>`(?:[^`]|``)*`)
    |(?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")
    |(?P<word>[A-Za-z_$@\u0080-\uffff][\w$@]*)
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<mark>.))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
_ESCAPE: Final = re.compile(r"\\(.)|''|\"\"", re.DOTALL)


@dataclass(frozen=True)
class Token:
    """One token: its kind (name, text, word, number, mark) and its value without quotes."""

    kind: str
    value: str

    def is_word(self, *words: str) -> bool:
        """Whether this is one of these bare words or marks, whatever the case."""
        return self.kind in {"word", "mark"} and self.value.upper() in words


END: Final = Token("end", "")
"""What comes after the last token."""


def unescape(literal: str) -> str:
    """The text of a quoted MySQL string literal."""
    quote, inside = literal[0], literal[1:-1]
    if "\\" not in inside and quote * 2 not in inside:
        return inside

    def one(match: re.Match[str]) -> str:
        escaped = match.group(1)
        if escaped is None:
            return quote if match.group() == quote * 2 else match.group()
        return _ESCAPES.get(escaped, escaped)

    return _ESCAPE.sub(one, inside)


def tokens_of(sql: str) -> list[Token]:
    """Split a statement; comments are dropped."""
    return [token for _, token in spans_of(sql)]


def spans_of(sql: str) -> list[tuple[int, Token]]:
    """Split a statement, each token with the place where it begins; comments are dropped."""
    found = []
    for match in _TOKEN.finditer(sql.rstrip().rstrip(";")):
        kind = match.lastgroup or "mark"
        value = match.group(kind)
        if kind == "name":
            value = value[1:-1].replace("``", "`")
        elif kind == "text":
            value = unescape(value)
        if kind != "comment" and value.strip() + ("x" if kind in {"name", "text"} else ""):
            found.append((match.start(kind), Token(kind, value)))
    return found


class Reader:
    """A place in a statement's tokens."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self._tokens = tokens_of(sql)
        self._at = 0

    @property
    def next(self) -> Token:
        """The token to come."""
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def take(self) -> Token:
        """Step over one token."""
        token = self.next
        self._at += 1
        return token

    def skip(self, *words: str) -> bool:
        """Step over these words when they all come next."""
        ahead = self._tokens[self._at : self._at + len(words)]
        if len(ahead) == len(words) and all(token.is_word(word) for token, word in zip(ahead, words, strict=True)):
            self._at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        """Step over these words, or fail."""
        if not self.skip(*words):
            raise self.error()

    def name(self) -> str:
        """An identifier, quoted or not."""
        token = self.take()
        if token.kind not in {"name", "word"}:
            self._at -= 1
            raise self.error()
        return token.value

    def table_name(self, schema: str) -> tuple[str, str]:
        """`schema`.`table`, or a table of the current schema."""
        first = self.name()
        return (first, self.name()) if self.skip(".") else (schema, first)

    def parenthesised(self) -> str:
        """The text of a balanced parenthesis, without the outer pair."""
        self.need("(")
        depth = 1
        words: list[str] = []
        while True:
            token = self.take()
            if token is END:
                raise self.error()
            depth += {"(": 1, ")": -1}.get(token.value if token.kind == "mark" else "", 0)
            if depth == 0:
                return " ".join(words)
            words.append({"text": f"'{token.value}'", "name": f"`{token.value}`"}.get(token.kind, token.value))

    def error(self) -> AuroraError:
        """Error 1064 at this place."""
        rest = " ".join(token.value for token in self._tokens[self._at :])
        return syntax_error(rest or self.sql)
