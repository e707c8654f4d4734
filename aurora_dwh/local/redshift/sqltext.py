"""A small tokenizer of Redshift SQL, and edits at token positions.

Belongs here: cutting a statement into tokens, matching parentheses, replacing tokens while the rest of the text stays
as the user wrote it. Does not belong here: what any token means to Redshift or PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.parameters import IDENTIFIERS, is_on

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<string>[eEnNxXbB]?'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
    | (?P<param>\$\d+)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>\#?[^\W\d][\w$]*)
    | (?P<op>::|:=|<=|>=|<>|!=|\|\||[<>=!~|&^@\#%*/+-])
    | (?P<punct>[(),;.\[\]:{}?])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """One token; ``upper`` is the upper-case word for bare words and the text itself for all else."""

    kind: str
    text: str
    start: int
    end: int
    upper: str

    @property
    def is_name(self) -> bool:
        """Whether the token can name something: a bare or a quoted word."""
        return self.kind in ("word", "quoted")

    @property
    def name(self) -> str:
        """The identifier the token stands for, folded to lower case as Redshift does even within quotes by default."""
        if self.kind != "quoted":
            return self.text.lower()
        name = self.text[1:-1].replace('""', '"')
        return name if is_on(IDENTIFIERS) else name.lower()

    @property
    def string(self) -> str:
        """The value of a string literal, backslash escapes decoded."""
        body = self.text[self.text.index("'") + 1 : -1]
        return re.sub(r"\\(.)|''", lambda m: _ESCAPES.get(m[1], m[1]) if m[1] else "'", body, flags=re.DOTALL)


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_END = Token("end", "", 0, 0, "")


def tokenize(text: str) -> list[Token]:
    """Returns the tokens of ``text`` without blanks and comments.

    Raises:
        RedshiftError: 42601 for an unterminated string, identifier or comment.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            opener = text[position : position + 20]
            kind = {"'": "string", '"': "identifier"}.get(text[position])
            raise (
                RedshiftError("42601", f"unterminated quoted {kind} at or near {opener!r}")
                if kind
                else syntax_error(opener)
            )
        kind = str(match.lastgroup if match.lastgroup != "tag" else "dollar")
        value = match.group()
        if kind not in ("space", "comment"):
            upper = value.upper() if kind == "word" else value
            tokens.append(Token(kind, value, position, position + len(value), upper))
        position += len(value)
    return tokens


@dataclass
class Sql:
    """A statement's text with its tokens and the edits made to it so far."""

    text: str
    tokens: list[Token] = field(init=False)
    _edits: list[tuple[int, int, str]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = tokenize(self.text)
        while self.tokens and self.tokens[-1].text == ";":
            self.text = self.text[: self.tokens.pop().start].rstrip()

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Token:
        return self.tokens[index] if 0 <= index < len(self.tokens) else _END

    @cached_property
    def _uppers(self) -> tuple[str, ...]:
        return tuple(token.upper for token in self.tokens)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for i, upper in enumerate(self._uppers):
            places.setdefault(upper, []).append(i)
        return places

    def upper(self, index: int) -> str:
        """The word at ``index`` in upper case; empty beyond the ends."""
        return self._uppers[index] if 0 <= index < len(self._uppers) else ""

    def at(self, index: int, *words: str) -> bool:
        """Whether the bare words or marks ``words`` stand at ``index``."""
        return index >= 0 and self._uppers[index : index + len(words)] == words

    def starts(self, *words: str) -> bool:
        """Whether the statement begins with ``words``."""
        return self.at(0, *words)

    @cached_property
    def words(self) -> frozenset[str]:
        """All bare words of the statement, upper case."""
        return frozenset(t.upper for t in self.tokens if t.kind == "word")

    def find(self, word: str, start: int = 0) -> int:
        """Index of the first ``word`` at or after ``start``; -1 when there is none."""
        return next((i for i in self._places.get(word, ()) if i >= start), -1)

    def all(self, *words: str) -> Iterator[int]:
        """Indices of every place where ``words`` stand."""
        return (i for i in self._places.get(words[0], ()) if self.at(i, *words))

    @cached_property
    def closing(self) -> dict[int, int]:
        """Index of each opening parenthesis -> index of its closing one."""
        pairs: dict[int, int] = {}
        stack: list[int] = []
        for i, token in enumerate(self.tokens):
            if token.text in ("(", "["):
                stack.append(i)
            elif token.text in (")", "]"):
                if not stack:
                    raise syntax_error(token.text)
                pairs[stack.pop()] = i
        if stack:
            raise RedshiftError("42601", "syntax error at end of input")
        return pairs

    def close(self, index: int) -> int:
        """Index of the parenthesis that closes the one at ``index``."""
        return self.closing[index]

    def split(self, start: int, end: int, mark: str = ",") -> list[tuple[int, int]]:
        """Cuts the tokens ``[start, end)`` at the top-level ``mark``; returns index ranges."""
        parts, begin, i = [], start, start
        while i < end:
            if self.tokens[i].text in ("(", "["):
                i = self.close(i)
            elif self.tokens[i].text == mark:
                parts.append((begin, i))
                begin = i + 1
            i += 1
        return [*parts, (begin, end)] if end > start else []

    def slice(self, start: int, end: int) -> str:
        """The text of the tokens ``[start, end)`` as written."""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end] if end > start else ""

    def rest(self, start: int) -> str:
        """The text from token ``start`` on."""
        return self.slice(start, len(self.tokens))

    def replace(self, start: int, end: int, text: str) -> None:
        """Replaces the tokens ``[start, end)`` by ``text``; an empty range inserts before token ``start``."""
        if end > start:
            self._edits.append((self.tokens[start].start, self.tokens[end - 1].end, text))
        else:
            position = self.tokens[start].start if start < len(self.tokens) else len(self.text)
            self._edits.append((position, position, text))

    def render(self) -> str:
        """The text with all edits applied."""
        if not self._edits:
            return self.text
        out, position = [], 0
        for start, end, text in sorted(self._edits, key=lambda e: (e[0], e[1])):
            out += [self.text[position:start], text]
            position = max(position, end)
        return "".join([*out, self.text[position:]])


@dataclass(frozen=True)
class Name:
    """A possibly qualified name, as written in a statement."""

    parts: tuple[str, ...]
    end: int
    """Index of the token behind the name."""

    @property
    def schema(self) -> str | None:
        """The schema, when the name is qualified."""
        return self.parts[-2] if len(self.parts) > 1 else None

    @property
    def table(self) -> str:
        """The last part."""
        return self.parts[-1]

    @property
    def sql(self) -> str:
        """The name quoted for PostgreSQL."""
        return ".".join(quote(part) for part in self.parts)


def read_name(sql: Sql, index: int) -> Name:
    """Reads a name that starts at ``index``.

    Raises:
        RedshiftError: 42601 when there is no name.
    """
    parts = []
    while True:
        token = sql[index]
        if not token.is_name:
            raise syntax_error(token.text) if token.text else RedshiftError("42601", "syntax error at end of input")
        parts.append(token.name)
        if sql[index + 1].text != ".":
            return Name(tuple(parts), index + 1)
        index += 2


def name_list(sql: Sql, opening: int) -> list[str]:
    """Returns the names of a parenthesised list that opens at ``opening``."""
    return [read_name(sql, start).table for start, _ in sql.split(opening + 1, sql.close(opening))]


def quote(identifier: str) -> str:
    """Returns ``identifier`` quoted."""
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'


def join_names(names: Sequence[str]) -> str:
    """Returns a comma-separated list of quoted names."""
    return ", ".join(quote(name) for name in names)
