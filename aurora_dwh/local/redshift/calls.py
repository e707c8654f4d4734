"""Calls whose grammar PostgreSQL does not know, by the name of the function.

Belongs here: the table of them, and those that need no module of their own. Does not belong here: functions that SQL
can define (``sql/``), window functions (``windows``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aurora_dwh.local.redshift import windows
from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.types import read_type
from aurora_dwh.local.redshift.upstream import literal

if TYPE_CHECKING:
    from aurora_dwh.local.redshift.rewrite import Rewriter

Call = Callable[["Rewriter", int, int], "tuple[str, int] | None"]
"""Takes the rewriter, the index of the function's name and that of its closing parenthesis."""


def _array(rewriter: Rewriter, index: int, close: int) -> tuple[str, int]:
    values = _documents(rewriter, rewriter.sql.split(index + 2, close))
    return (f"pg_catalog.super_array({values})" if values else "'[]'::json::super"), close + 1


def _object(rewriter: Rewriter, index: int, close: int) -> tuple[str, int]:
    parts = rewriter.sql.split(index + 2, close)
    if len(parts) % 2:
        raise RedshiftError("42883", "function object() takes pairs of a key and a value")
    if not parts:
        return "'{}'::json::super", close + 1
    keys = ", ".join(f"({rewriter.text(a, b)})::text" for a, b in parts[::2])
    return f"pg_catalog.super_object(ARRAY[{keys}], ARRAY[{_documents(rewriter, parts[1::2])}])", close + 1


def _documents(rewriter: Rewriter, parts: list[tuple[int, int]]) -> str:
    return ", ".join(f"pg_catalog.super_of({rewriter.text(a, b)})::json" for a, b in parts)


def _json_path(rewriter: Rewriter, index: int, close: int) -> tuple[str, int] | None:
    """JSON_EXTRACT_PATH_TEXT with null_if_invalid at its end."""
    parts = rewriter.sql.split(index + 2, close)
    last = rewriter.sql.upper(parts[-1][0]) if len(parts) > 2 and parts[-1][1] - parts[-1][0] == 1 else ""
    if last not in ("TRUE", "FALSE"):
        return None
    document, *path = (rewriter.text(a, b) for a, b in parts[:-1])
    text = f"pg_catalog.valid_json({document})" if last == "TRUE" else document
    return f"json_extract_path_text({text}, {', '.join(path)})", close + 1


def _cast(rewriter: Rewriter, index: int, close: int) -> tuple[str, int] | None:
    """CAST to DATETIME, another name of TIMESTAMP."""
    if not rewriter.sql.at(close - 2, "AS", "DATETIME"):
        return None
    return f"CAST({rewriter.text(index + 2, close - 2)} AS timestamp)", close + 1


def _try_cast(rewriter: Rewriter, index: int, close: int) -> tuple[str, int]:
    sql = rewriter.sql
    at = next((i for i in range(close - 1, index, -1) if sql.at(i, "AS")), -1)
    if at < 0:
        raise syntax_error(")")
    value, kind = rewriter.text(index + 2, at), read_type(sql, at + 1).sql
    if at == index + 3 and sql[index + 2].kind == "string":
        value = f"{value}::text"  # a literal alone would be read as the other type at once
    return f"CASE WHEN pg_catalog.can_cast({value}, {literal(kind)}) THEN CAST({value} AS {kind}) END", close + 1


def _hll(rewriter: Rewriter, index: int, close: int) -> tuple[str, int]:
    """An estimate of the number of distinct values; the stand-in counts them."""
    start = index + (3 if rewriter.sql.upper(index + 2) in ("ALL", "DISTINCT") else 2)
    return f"COUNT(DISTINCT {rewriter.text(start, close)})", close + 1


def _regexp_part(rewriter: Rewriter, index: int, close: int) -> tuple[str, int] | None:
    """REGEXP_SUBSTR and REGEXP_INSTR with parameters: ``e`` asks for the first group, ``p`` for PCRE."""
    sql, parts = rewriter.sql, rewriter.sql.split(index + 2, close)
    if len(parts) != (5 if sql.at(index, "REGEXP_SUBSTR") else 6) or sql[parts[-1][0]].kind != "string":
        return None
    flags = sql[parts[-1][0]].string
    written = ", ".join(rewriter.text(a, b) for a, b in parts[:-1])
    kept = literal(flags.replace("e", "").replace("p", ""))
    return f"{sql[index].text}({written}, {kept}{', 1' if 'e' in flags else ''})", close + 1


CALLS: dict[str, Call] = {
    "ARRAY": _array,
    "OBJECT": _object,
    "JSON_EXTRACT_PATH_TEXT": _json_path,
    "CAST": _cast,
    "TRY_CAST": _try_cast,
    "HLL": _hll,
    "REGEXP_SUBSTR": _regexp_part,
    "REGEXP_INSTR": _regexp_part,
    "LISTAGG": windows.listagg,
    "PERCENTILE_CONT": windows.percentile,
    "PERCENTILE_DISC": windows.percentile,
    **dict.fromkeys(("FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "LAG", "LEAD"), windows.passing_over_nulls),
}
