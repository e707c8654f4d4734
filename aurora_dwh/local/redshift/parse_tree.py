"""How PostgreSQL understands a statement: its tree after names are looked up, with types and places in the text.

Belongs here: asking PostgreSQL for the tree (``debug_print_parse``, which needs no run of the statement) and reading
it. Does not belong here: what Redshift makes of it (``decimals``, ``refuse_tree``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Union

from aurora_dwh.local.redshift import wire
from aurora_dwh.local.redshift.errors import UpstreamError
from aurora_dwh.local.redshift.upstream import Upstream

Value = Union[str, "Node", list["Value"]]
STATEMENT = "standin_tree"
_TOKEN = re.compile(r'[{}()]|"(?:\\.|[^"\\])*"|(?:\\.|[^\s{}()"\\])(?:\\.|[^\s{}()\\])*', re.DOTALL)
_OBJECT = re.compile(r" :(?:relid|resorigtbl|checkAsUser) \d+")
_ON = "SET client_min_messages = log; SET debug_print_parse = on"
_OFF = "SET debug_print_parse = off; SET client_min_messages = notice"
_TYPES = ("vartype", "consttype", "opresulttype", "funcresulttype", "aggtype", "wintype", "resulttype", "casetype")


@dataclass(frozen=True, eq=False)
class Node:
    """One node: its kind, such as ``OPEXPR``, and its fields. Names are PostgreSQL's own (primnodes.h)."""

    kind: str
    fields: dict[str, Value]

    def number(self, name: str) -> int:
        """Returns a field that holds a number; -1 where there is none."""
        value = self.fields.get(name)
        return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else -1

    def nodes(self, name: str) -> list[Node]:
        """Returns the nodes of a field that holds some."""
        return list(_nodes(self.fields.get(name, "")))

    @property
    def type(self) -> int:
        """The type of an expression's value, by its oid; -1 of what is none."""
        return next((self.number(name) for name in _TYPES if name in self.fields), -1)

    @cached_property
    def children(self) -> tuple[Node, ...]:
        """The nodes right below this one, which each check of a tree asks for again."""
        return tuple(node for value in self.fields.values() if not isinstance(value, str) for node in _nodes(value))

    def walk(self) -> Iterator[Node]:
        """Returns this node and all below."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += node.children

    def locations(self) -> Iterator[int]:
        """Returns the places in the text, in bytes, of all that this node is made of."""
        return (place for node in self.walk() if (place := node.number("location")) >= 0)


def _nodes(value: Value) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def understand(upstream: Upstream, sql: str, types: bytes) -> str:
    """Returns the tree of ``sql``, PostgreSQL's SQL, as PostgreSQL spells it; empty of what has none.

    Which tables it names is left out, so that a statement has the same tree on tables that are alike.

    Args:
        upstream: where the statement would run; its transaction is left as any error of the statement would leave it.
        sql: one statement.
        types: the parameters' types, in the form of a Parse message.

    Raises:
        UpstreamError: PostgreSQL refuses the statement.
    """
    body = wire.cstring(STATEMENT) + wire.cstring(sql) + types
    parse = wire.pack(b"P", body) + wire.pack(b"C", b"S" + wire.cstring(STATEMENT)) + wire.pack(b"S")
    upstream.send(_query(_ON) + parse + _query(_OFF))  # at once: each wait for an answer takes longer than the answer
    _, answer, _ = _answer(upstream), _answer(upstream), _answer(upstream)  # where it fails, ROLLBACK takes back _ON
    found = ""
    for message in answer:
        fields = wire.parse_fields(message.payload) if message.kind in (b"N", b"E") else {}
        if message.kind == b"E":
            raise UpstreamError(fields)
        if fields.get("M") == "parse tree:":
            found = fields.get("D", "")
    return _OBJECT.sub("", found)


def _answer(upstream: Upstream) -> list[wire.Message]:
    """Returns all messages up to the next ReadyForQuery."""
    return list(itertools.takewhile(lambda message: message.kind != b"Z", iter(upstream.receive, None)))


def _query(sql: str) -> bytes:
    return wire.pack(b"Q", wire.cstring(sql))


def read(text: str) -> Node | None:
    """Returns the node that ``text`` spells; trees of a long UNION are too deep to read by recursion."""
    unfinished: list[list[Value]] = [[]]
    for word in _TOKEN.findall(text):
        if word in ("{", "("):
            unfinished.append([])
        elif word in ("}", ")"):
            words = unfinished.pop()
            unfinished[-1].append(_node(words) if word == "}" else words)
        else:
            unfinished[-1].append(word)
    return next(_nodes(unfinished[0]), None)


def _node(words: list[Value]) -> Node:
    """Returns the node of its words: the kind, then the fields' names, with a colon, and values."""
    fields: dict[str, Value] = {}
    index = 1
    while index < len(words):
        end = index + 2
        while end < len(words) and not (isinstance(words[end], str) and str(words[end]).startswith(":")):
            end += 1
        value = words[index + 1 : end]  # several words are the bytes of a constant
        fields[str(words[index])[1:]] = value[0] if len(value) == 1 else value
        index = end
    return Node(str(words[0]), fields)
