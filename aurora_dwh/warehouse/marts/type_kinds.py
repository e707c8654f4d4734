"""Kinds of Redshift's types, as QuickSight calls them: what matters to whoever reads a column."""

from __future__ import annotations


def kind(type_name: str) -> str:
    """Return which kind of type one of Redshift's is, as QuickSight calls it; its own name where QuickSight has none.

    Types of a kind take one another's values: `INTEGER` and `BIGINT`, whatever the lengths of two texts.

    Args:
        type_name: Such as `DECIMAL(10,2)` or `character varying(60)`.

    Raises:
        ValueError: Redshift has no such type.
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = exp.DataType.build(type_name, dialect="redshift", udt=False)
    except (SqlglotError, ValueError):
        raise ValueError(f"{type_name!r} is no type of Redshift") from None
    for name, types in {
        "STRING": exp.DataType.TEXT_TYPES,
        "INTEGER": exp.DataType.INTEGER_TYPES,
        "DECIMAL": exp.DataType.REAL_TYPES,
        "DATETIME": {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP},
        "BIT": {exp.DataType.Type.BOOLEAN},
    }.items():
        if found.this in types:
            return name
    return str(found.this.value)
