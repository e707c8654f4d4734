"""A mart's columns and their types where no warehouse is asked: what its header declares, and what its SQL itself says.

BI tools want them before anything is built. A build compares what is declared with what its query gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse.marts.model import MartError, kind

if TYPE_CHECKING:
    from sqlglot import exp

    from aurora_dwh.warehouse.marts.model import Mart

_UNKNOWN = "UNKNOWN"


def column_types(marts: Sequence[Mart]) -> dict[str, dict[str, str]]:
    """Return the columns of marts with their types in Redshift, in the order of each one's SELECT.

    The header's `columns` goes before what the SQL says. A column that another of the marts makes has its type there.

    Raises:
        MartError: Of some columns neither says the type; the message names each file and column, and what to write.
    """
    known = {mart.name: mart for mart in marts}
    found: dict[str, dict[str, str]] = {}
    problems: list[str] = []

    def look(mart: Mart) -> None:
        if mart.name in found:
            return
        found[mart.name] = {}  # a mart that reads itself, which Dagster refuses, ends here
        for schema, name in mart.inputs:
            if schema == "bi" and name in known:
                look(known[name])
        types = _types(mart, found)
        problems.extend(_problems(mart, types))
        found[mart.name] = types

    for mart in marts:
        look(mart)
    if problems:
        raise MartError("\n".join(problems))
    return {mart.name: found[mart.name] for mart in marts}


def check_declared(mart: Mart, made: Iterable[tuple[str, str]]) -> None:
    """Refuse a build that gave other columns than the header declares or describes.

    Args:
        made: Its columns' names and types in Redshift; none where Redshift does not tell them, as of some views.

    Raises:
        MartError: A column that is declared is not there, or is of another kind.
    """
    live = {fold(name): type_name for name, type_name in made}
    if not live:
        return
    for field in ("columns", "descriptions"):
        for name in map(fold, getattr(mart.header, field)):
            if name not in live:
                raise MartError(f"{mart.name}.sql: {field}: {name}: the query has no such column; the old rows stay")
    for name, declared in _declared(mart).items():
        if kind(declared) != kind(live[name]):
            raise MartError(
                f"{mart.name}.sql: columns: {name} is declared {declared} and the query gives {live[name]}; the old "
                "rows stay. Correct the header, or CAST the column"
            )


def _declared(mart: Mart) -> dict[str, str]:
    return {fold(name): type_name for name, type_name in mart.header.columns.items()}


def _types(mart: Mart, others: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return a mart's columns; `UNKNOWN` is the type of one that nothing says."""
    said, declared = _said(mart, others), _declared(mart)
    if "*" in said:  # what it stands for only the header can say
        said = {name: type_name for name, type_name in said.items() if name != "*"} | declared if declared else {}
    return {name: declared.get(name, type_name) for name, type_name in said.items()}


def _said(mart: Mart, others: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify

    tree: Any = sqlglot.parse_one(mart.query, read="redshift").transform(_doubted)
    made: dict[str, object] = {name: dict(columns) for name, columns in others.items() if columns}
    schema: dict[str, object] | None = {"bi": made} if made else None
    try:
        tree = qualify(tree, schema=schema, dialect="redshift", validate_qualify_columns=False)
        tree = annotate_types(tree, schema=schema, dialect="redshift")
    except SqlglotError:
        return {fold(one.alias_or_name): _UNKNOWN for one in tree.selects}
    united = isinstance(tree, exp.SetOperation)  # each of its parts has types of its own
    return {
        fold(one.alias_or_name): _UNKNOWN if united or one.type is None else one.type.sql("redshift")
        for one in tree.selects
    }


def _doubted(node: exp.Expression) -> exp.Expression:
    """Return a function as one that nothing is known of, unless its type in Redshift is the one that sqlglot says."""
    from sqlglot import exp

    sure = (
        *(exp.Cast, exp.Count, exp.CurrentDate, exp.RowNumber, exp.Min, exp.Max, exp.Case, exp.If, exp.Coalesce),
        *(exp.Nullif, exp.Upper, exp.Lower, exp.Substring, exp.Trim, exp.Connector, exp.Anonymous),
    )
    if not isinstance(node, exp.Func) or isinstance(node, sure):
        return node
    return exp.Anonymous(this="unknown", expressions=[*node.iter_expressions()])


def _problems(mart: Mart, types: Mapping[str, str]) -> list[str]:
    file = f"{mart.name}.sql"
    strange = [name for name in _declared(mart) if name not in types]
    problems = [f"{file}: columns: {name}: the query has no such column" for name in strange]
    if not types:
        problems.append(
            f"{file}: its SELECT * does not say which columns it has; declare them in its header, `columns`"
        )
    return problems + [
        f"{file}: the type of column {name} cannot be told from its SQL; declare it in the header, such as "
        f"`columns: {{{name}: INTEGER}}`, or CAST it"
        for name, type_name in types.items()
        if type_name == _UNKNOWN
    ]
