"""The precision and scale of decimals that a statement computes, where PostgreSQL's have none.

Belongs here: the rules of "Computations with numeric values" of the guide (r_numeric_computations201), of SUM and AVG,
and casts to their results, which are written into a statement's text. Does not belong here: the types of functions that
PostgreSQL can be given (``sql/functions.sql``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from aurora_dwh.local.redshift.parse_tree import Node
from aurora_dwh.local.redshift.sqltext import Sql

Kind = tuple[int, int]
"""Precision and scale."""

NUMERIC = 1700
LARGEST = 38
OF_64_BITS = 19
# Functions of PostgreSQL by their oids, which never change.
ADD, SUBTRACT, MULTIPLY, DIVIDE, MINUS = 1724, 1725, 1726, 1727, 1771
LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
INTEGERS = {1782: (5, 0), 1740: (10, 0), 1781: (19, 0)}
"""Casts of SMALLINT, INTEGER and BIGINT to decimals, and what they are cast to."""
TOTALS = frozenset({2114, 2103})
AVERAGE_OF_BIGINT, TRUNCATE = 2100, 1710
SAME = frozenset({1704, 1705, 1707, 1708, 1709, 1710, 1711, 1712, 2167, 2130, 2146, *range(3106, 3115)})
"""ABS, ROUND, TRUNC, CEIL, FLOOR, MAX, MIN, LAG, LEAD, FIRST_VALUE and their kin, whose result is as their argument."""
_NO_CALL = frozenset({
    "SELECT", "DISTINCT", "ALL", "WHERE", "AND", "OR", "NOT", "ON", "HAVING", "BY", "IN", "BETWEEN", "WHEN", "THEN",
    "ELSE", "CASE", "SET", "VALUES", "LIKE", "IS", "LIMIT", "OFFSET", "RETURNING", "USING", "AS", "FROM",
})  # fmt: skip


_BEHIND_A_KEY = frozenset({"", ",", ")", "ASC", "DESC", "NULLS", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION"})


def computed(text: str, tree: Node) -> str:
    """Returns ``text`` with a cast around each decimal that it computes; the same when nothing is left to cast."""
    return _Casts(Sql(text), tree).text()


def of_result(operation: int, one: Kind, other: Kind) -> Kind:
    """Returns precision and scale of an operation's result."""
    (p1, s1), (p2, s2) = one, other
    if operation in (ADD, SUBTRACT):
        scale = max(s1, s2)
        return min(max(p1 - s1, p2 - s2) + 1 + scale, LARGEST), scale
    if operation == MULTIPLY:
        return min(p1 + p2 + 1, LARGEST), s1 + s2
    scale = max(4, s1 + p2 - s2 + 1)
    precision = p1 - s1 + s2 + scale
    if precision > LARGEST:
        return LARGEST, max(LARGEST + scale - precision, 4)
    return precision, scale


def common(kinds: Iterable[Kind]) -> Kind:
    """Returns what decimals of several kinds become in one column, of UNION, CASE or COALESCE."""
    listed = list(kinds)
    scale = max(s for _, s in listed)
    limit = OF_64_BITS if all(p <= OF_64_BITS for p, _ in listed) else LARGEST
    return min(max(p - s for p, s in listed) + scale, limit), scale


def _of_modifier(modifier: int) -> Kind | None:
    return ((modifier - 4) >> 16, (modifier - 4) & 0x7FF) if modifier >= 4 else None


@dataclass
class _Casts:
    sql: Sql
    tree: Node
    places: dict[int, int] = field(init=False)
    known: dict[Node, Kind | None] = field(init=False, default_factory=dict)
    edits: list[tuple[int, int, str, str]] = field(init=False, default_factory=list)
    """First and last token, and what goes before and behind them."""

    def __post_init__(self) -> None:
        text = self.sql.text
        if text.isascii():
            self.places = {token.start: i for i, token in enumerate(self.sql.tokens)}
        else:
            self.places = {len(text[: token.start].encode()): i for i, token in enumerate(self.sql.tokens)}

    def text(self) -> str:
        """Returns the text with its casts."""
        stack = [(self.tree, self.tree)]
        while stack:
            node, parent = stack.pop()
            self._visit(node, parent)
            stack += ((child, node) for child in node.children)
        return self._edited()

    def _visit(self, node: Node, parent: Node) -> None:
        if node.fields.get("aggfnoid", node.fields.get("winfnoid")) == str(AVERAGE_OF_BIGINT):
            if parent.number("funcid") != TRUNCATE:
                self._wrap(node, "CAST(TRUNC(", ") AS bigint)")
        elif node.kind == "QUERY" and node.nodes("setOperations"):
            self._promote(node)
        elif parent.kind == "TARGETENTRY" and node.kind == "CONST":
            self._cast(node, self.kind(node))
        elif _computes(node) and (kind := self.kind(node)) not in (None, _cast_to(parent), _declared(node)):
            self._cast(node, kind)

    def _cast(self, node: Node, kind: Kind | None) -> None:
        if kind is not None:
            self._wrap(node, "CAST(", f" AS numeric({kind[0]},{kind[1]}))")

    def _promote(self, query: Node) -> None:
        """Gives the decimals of one column of a UNION one type."""
        parts = [part for entry in query.nodes("rtable") for part in entry.nodes("subquery")]
        columns = ([t for t in part.nodes("targetList") if t.fields["resjunk"] == "false"] for part in parts)
        for column in zip(*columns, strict=False):
            values = [value for target in column for value in target.nodes("expr")]
            kinds = [self.kind(value) for value in values]
            found = [kind for kind in kinds if kind is not None]
            if len(found) == len(kinds) > 0 and len(set(found)) > 1:
                for value in values:
                    if common(found) not in (_declared(value), self.kind(value)):
                        self._cast(value, common(found))

    # -- kinds ---------------------------------------------------------------------------------------------------

    def kind(self, node: Node) -> Kind | None:
        """Returns precision and scale of an expression; None where it is no decimal, or it cannot be known."""
        if node not in self.known:
            self.known[node] = self._kind(node)
        return self.known[node]

    def _kind(self, node: Node) -> Kind | None:
        if (declared := _declared(node)) is not None:
            return declared
        if node.kind == "CONST":
            return self._literal(node)
        if node.kind == "SUBLINK":
            return next(
                (self.kind(e) for q in node.nodes("subselect") for e in q.nodes("targetList")[0].nodes("expr")), None
            )
        arguments = [self.kind(argument) for argument in _arguments(node)]
        if node.kind in ("CASEEXPR", "COALESCEEXPR", "MINMAXEXPR"):
            found = [kind for kind in arguments if kind is not None]
            unknown = [a for a, kind in zip(_arguments(node), arguments, strict=True) if kind is None and not _null(a)]
            return common(found) if found and not unknown and node.type in (NUMERIC, -1) else None
        if not arguments or None in arguments[:1]:
            return INTEGERS.get(node.number("funcid"))
        return self._of_call(node, [kind for kind in arguments if kind is not None])

    def _of_call(self, node: Node, arguments: list[Kind]) -> Kind | None:
        function = next(
            (node.number(n) for n in ("opfuncid", "funcid", "aggfnoid", "winfnoid") if n in node.fields), -1
        )
        if function in (ADD, SUBTRACT, MULTIPLY, DIVIDE):
            return of_result(function, *arguments) if len(arguments) == 2 else None
        if function in TOTALS:
            return LARGEST, arguments[0][1]
        if function in SAME or function == MINUS or node.kind == "NULLIFEXPR":
            return arguments[0] if node.type in (NUMERIC, -1) else None
        return None

    def _literal(self, node: Node) -> Kind | None:
        """Precision and scale of a number as it is written."""
        index = self.places.get(node.number("location"), -1)
        token = self.sql[index + 1] if self.sql[index].text in ("-", "+") else self.sql[index]
        if node.type != NUMERIC or token.kind != "number" or "e" in token.text.lower():
            return None
        whole, _, fraction = token.text.partition(".")
        return max(len(whole.lstrip("0")) + len(fraction), 1), len(fraction)

    # -- text ----------------------------------------------------------------------------------------------------

    def _wrap(self, node: Node, before: str, behind: str) -> None:
        first = last = -1
        index = self.places.get(node.number("location"), -1)
        if node.kind == "OPEXPR" and len(node.nodes("args")) == 2:
            first = self._start(node.nodes("args")[0], index)
            last = self._operand(index + 1, LEVELS.get(self.sql[index].text, 9)) if index > 0 else -1
        elif index >= 0 and self.sql[index].text != "*":
            first, last = index, self._primary(index, postfix=False)
        if 0 <= first <= last < len(self.sql):
            self.edits.append((first, last, before, behind))

    def _start(self, node: Node, operator: int) -> int:
        """The first token of the left operand of the ``operator``."""
        first = self.places.get(min(node.locations(), default=-1), -1)
        while first > 0 and self.sql[first - 1].text == "(" and self.sql.close(first - 1) < operator:
            first -= 1
            while first > 0 and self.sql[first - 1].is_name and self.sql.upper(first - 1) not in _NO_CALL:
                first -= 2 if self.sql[first - 2].text == "." else 1
        return first

    def _operand(self, index: int, level: int) -> int:
        """The last token of the operand that starts at ``index``, right of an operator of this level."""
        last = self._primary(index, postfix=True)
        while LEVELS.get(self.sql[last + 1].text, 0) > level:
            last = self._primary(last + 2, postfix=True)
        return last

    def _primary(self, index: int, *, postfix: bool) -> int:
        """The last token of what starts at ``index`` and holds no operator outside parentheses."""
        sql, token = self.sql, self.sql[index]
        if token.text in ("-", "+"):
            return self._primary(index + 1, postfix=True)
        if token.text == "(":
            last = sql.close(index)
        elif token.upper == "CASE":
            last = self._case_end(index)
        else:
            last = index
            while token.is_name and sql[last + 1].text == ".":
                last += 2
            if token.is_name and sql[last + 1].text == "(":
                last = sql.close(last + 1)
            last = self._over(last)
        while postfix and sql[last + 1].text == "::":
            last += 3 if sql.upper(last + 3) in ("PRECISION", "VARYING") else 2
            if sql[last + 1].text == "(":
                last = sql.close(last + 1)
        return last

    def _over(self, last: int) -> int:
        """The end of an aggregate's clauses."""
        while (word := self.sql.upper(last + 1)) in ("OVER", "FILTER", "WITHIN"):
            last = self.sql.close(last + (3 if word == "WITHIN" else 2))
        return last

    def _case_end(self, index: int) -> int:
        depth = 0
        for at in range(index, len(self.sql)):
            depth += {"CASE": 1, "END": -1}.get(self.sql.upper(at), 0)
            if depth == 0:
                return at
        return index

    def _repeated(self) -> None:
        """Casts what ORDER BY or GROUP BY repeats of the select list, which PostgreSQL's tree has in one place."""
        for first, last, before, behind in list(self.edits):
            words = [self.sql.upper(i) for i in range(first, last + 1)]
            for index in self.sql.all(*words):
                end = index + last - first
                if index != first and self._is_key(index, end):
                    self.edits.append((index, end, before, behind))

    def _is_key(self, first: int, last: int) -> bool:
        """Whether these tokens are all of one key of an ORDER BY or GROUP BY."""
        if self.sql.upper(last + 1) not in _BEHIND_A_KEY or self.sql.upper(first - 1) not in ("BY", ","):
            return False
        index = first - 1
        while index > 0 and self.sql.upper(index) not in ("BY", "(", "SELECT", "FROM"):
            index = next((o for o, c in self.sql.closing.items() if c == index), index) - 1
        return self.sql.at(index, "BY")

    def _edited(self) -> str:
        self._repeated()
        tokens, text = self.sql.tokens, self.sql.text
        inserts: list[tuple[int, int, int, str]] = []
        for first, last, before, behind in dict.fromkeys(self.edits):
            inserts.append((tokens[first].start, 1, first - last, before))  # the longer one begins first
            inserts.append((tokens[last].end, 0, last - first, behind))
        out, position = [], 0
        for place, _, _, inserted in sorted(inserts):
            out += [text[position:place], inserted]
            position = place
        return "".join([*out, text[position:]])


def _computes(node: Node) -> bool:
    """Whether PostgreSQL forgets the precision of what this node gives."""
    if node.kind in ("CASEEXPR", "COALESCEEXPR", "MINMAXEXPR"):
        return True
    numeric = node.type == NUMERIC and node.kind in ("OPEXPR", "FUNCEXPR", "AGGREF", "WINDOWFUNC")
    return numeric and node.number("funcid") not in INTEGERS and _cast_to(node) is None


def _arguments(node: Node) -> Iterator[Node]:
    """The expressions that a node's value comes from."""
    if node.kind == "CASEEXPR":
        yield from (result for when in node.nodes("args") for result in when.nodes("result"))
        yield from node.nodes("defresult")
    elif node.kind == "AGGREF":
        yield from (value for target in node.nodes("args") for value in target.nodes("expr"))
    else:
        yield from node.nodes("args") or node.nodes("arg")


def _cast_to(node: Node) -> Kind | None:
    """What a cast to a decimal gives: a function of a value and a type modifier."""
    arguments = node.nodes("args")
    if node.kind != "FUNCEXPR" or node.type != NUMERIC or node.number("funcformat") == 0 or len(arguments) != 2:
        return None
    value = arguments[1].fields.get("constvalue")
    if not isinstance(value, list):
        return None
    numbers = [int(v) & 0xFF for v in value[2:-1] if isinstance(v, str)]
    return _of_modifier(int.from_bytes(bytes(numbers[:4]), "little"))


def _declared(node: Node) -> Kind | None:
    """The precision and scale that PostgreSQL itself knows of an expression."""
    if node.kind == "VAR":
        return _of_modifier(node.number("vartypmod")) if node.type == NUMERIC else None
    if node.kind == "RELABELTYPE":
        return _of_modifier(node.number("resulttypmod")) if node.type == NUMERIC else None
    if node.kind == "NULLIFEXPR":
        return _declared(node.nodes("args")[0])
    if node.kind in ("CASEEXPR", "COALESCEEXPR", "MINMAXEXPR"):
        kinds = {_declared(argument) for argument in _arguments(node)}
        return kinds.pop() if len(kinds) == 1 else None
    return _cast_to(node)


def _null(node: Node) -> bool:
    return node.fields.get("constisnull") == "true"
