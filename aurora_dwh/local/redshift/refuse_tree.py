"""What Redshift refuses and PostgreSQL would take, where only the meaning of names tells.

Belongs here: checks of the tree of a statement, which knows the types of expressions and which query a column is of.
Does not belong here: what the tokens alone tell (``refuse``).
"""

from __future__ import annotations

from aurora_dwh.local.redshift.errors import RedshiftError
from aurora_dwh.local.redshift.parse_tree import Node

BOOLEAN = 16
IN = "2"
COUNTING = frozenset({*range(2100, 2115), 2147, 2803})
"""AVG, SUM and COUNT."""
BOOLEAN_TO_TEXT = 2971
CONCATENATIONS = frozenset({2003, 2004})
"""Of a text and a value of any type."""


def check(tree: Node) -> None:
    """Refuses a statement that Redshift would.

    Raises:
        RedshiftError: with Redshift's SQLSTATE and manner.
    """
    for node in tree.walk():
        if node.kind == "QUERY":
            _correlations(node)
        if node.kind == "TARGETENTRY" and any(value.kind == "BOOLEANTEST" for value in node.nodes("expr")):
            raise RedshiftError("0A000", "Not implemented")  # r_Boolean_type of the guide
    _booleans(tree)


def _booleans(tree: Node) -> None:
    """A BOOLEAN is no string, nor becomes one: c_Supported_data_types of the guide."""
    stack = [(tree, False)]
    while stack:
        node, is_cast = stack.pop()
        is_cast = "1" in (node.fields.get("funcformat"), node.fields.get("relabelformat")) or (
            is_cast and node.kind in ("FUNCEXPR", "RELABELTYPE")
        )
        if node.number("funcid") == BOOLEAN_TO_TEXT:
            if is_cast:
                raise RedshiftError("42846", "cannot cast type boolean to character varying")
            raise RedshiftError("42804", "column is of type character varying but expression is of type boolean")
        if node.number("opfuncid") in CONCATENATIONS and any(a.type == BOOLEAN for a in node.nodes("args")):
            raise RedshiftError("42883", "operator does not exist: boolean || character varying")
        stack += ((child, is_cast) for child in node.children)


def _correlations(query: Node) -> None:
    """What r_correlated_subqueries of the guide lists."""
    grouped = {group.fields.get("tleSortGroupRef") for group in query.nodes("groupClause")}
    places = [target for target in query.nodes("targetList") if target.fields.get("ressortgroupref") in grouped]
    places += (group for entry in query.nodes("rtable") for group in entry.nodes("groupexprs"))
    joins = (node for tree in query.nodes("jointree") for node in tree.walk() if node.kind == "JOINEXPR")
    places += (condition for join in joins for condition in join.nodes("quals"))
    subqueries = (node for place in places for node in place.walk() if node.kind == "SUBLINK")
    if (
        _reaches(query) > 1
        or (query.fields.get("hasWindowFuncs") == "true" and _reaches(query) > 0)
        or any(_counts_groups(node) for node in query.walk() if node.fields.get("subLinkType") == IN)
        or any(_reaches(inner) > 0 for subquery in subqueries for inner in subquery.nodes("subselect"))
    ):
        raise RedshiftError("XX000", "This type of correlated subquery pattern is not supported due to internal error")


def _counts_groups(subquery: Node) -> bool:
    """Whether a correlated subquery of IN holds an aggregate, but MIN and MAX, and GROUP BY."""
    return any(
        inner.nodes("groupClause")
        and _reaches(inner) > 0
        and any(node.number("aggfnoid") in COUNTING for target in inner.nodes("targetList") for node in target.walk())
        for inner in subquery.nodes("subselect")
    )


def _reaches(query: Node) -> int:
    """How many queries out the farthest column lies that a query names."""
    farthest = 0
    stack = [(query, 0)]
    while stack:
        node, depth = stack.pop()
        if node.kind == "RANGETBLFUNCTION":  # an iteration over SUPER, which is a path from another table of the FROM
            continue
        if node.kind == "VAR":
            farthest = max(farthest, node.number("varlevelsup") - depth)
        stack += ((child, depth + (child.kind == "QUERY")) for child in node.children)
    return farthest
