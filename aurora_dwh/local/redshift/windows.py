"""Window functions that PostgreSQL lacks: IGNORE NULLS, and ordered aggregates over a partition.

Belongs here: turning such a call and its OVER into a call of an aggregate of ``sql/windows.sql``, or of PostgreSQL's
own, over the frame that gives the same. Does not belong here: window functions that both have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_dwh.local.redshift.errors import syntax_error, unsupported

if TYPE_CHECKING:
    from aurora_dwh.local.redshift.rewrite import Rewriter

WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
_AFTER = "ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING"
Rewriting = tuple[str, int]


def passing_over_nulls(rewriter: Rewriter, index: int, close: int) -> Rewriting | None:
    """FIRST_VALUE, LAST_VALUE, NTH_VALUE, LAG and LEAD with IGNORE NULLS or RESPECT NULLS, within ``()`` or behind."""
    sql = rewriter.sql
    last, after, mode = close, close + 1, ""
    if sql.at(close - 1, "NULLS") and sql.upper(close - 2) in ("IGNORE", "RESPECT"):
        last, mode = close - 2, sql.upper(close - 2)
    elif sql.upper(after) in ("IGNORE", "RESPECT") and sql.at(after + 1, "NULLS"):
        after, mode = close + 3, sql.upper(after)
    if not mode:
        return None
    word = sql.upper(index)
    if mode == "RESPECT":
        return f"{sql[index].text}({rewriter.text(index + 2, last)})", after
    window, end = _window(rewriter, after)
    value, *offset = (rewriter.text(a, b) for a, b in sql.split(index + 2, last))
    if word in ("FIRST_VALUE", "LAST_VALUE"):
        aggregate = "first_present" if word == "FIRST_VALUE" else "last_present"
        return f"pg_catalog.{aggregate}({value}) OVER ({window})", end
    steps = offset[0].strip() if offset else "1"
    if word == "NTH_VALUE":
        return f"({_present(value, window)})[{steps}]", end
    if not steps.isdigit():
        raise unsupported(f"{word} with IGNORE NULLS and an offset that is not a number, in the local stand-in,")
    if int(steps) == 0:
        return f"({value})", end
    framed = f"{window} {_BEFORE if word == 'LAG' else _AFTER}"
    if int(steps) == 1:
        aggregate = "last_present" if word == "LAG" else "first_present"
        return f"pg_catalog.{aggregate}({value}) OVER ({framed})", end
    place = f"(COUNT({value}) OVER ({framed}))::integer - {int(steps) - 1}" if word == "LAG" else steps
    return f"({_present(value, framed)})[{place}]", end


def _present(value: str, window: str) -> str:
    return f"array_agg({value}) FILTER (WHERE ({value}) IS NOT NULL) OVER ({window})"


def _window(rewriter: Rewriter, over: int) -> Rewriting:
    """What the parentheses of an OVER hold, and the index behind them."""
    sql = rewriter.sql
    if not sql.at(over, "OVER", "("):
        raise syntax_error(sql[over].text)
    end = sql.close(over + 1)
    return rewriter.text(over + 2, end), end + 1


def listagg(rewriter: Rewriter, index: int, close: int) -> Rewriting | None:
    """LISTAGG over a partition; without OVER it is a plain aggregate."""
    sql, start, order, over = rewriter.sql, index + 2, "", close + 1
    if sql.at(over, "WITHIN", "GROUP", "("):
        end = sql.close(over + 2)
        order, over = rewriter.text(over + 3, end), end + 1
    if not sql.at(over, "OVER"):
        return None
    aggregate = "string_agg"
    if sql.upper(start) in ("DISTINCT", "ALL"):
        aggregate, start = ("pg_catalog.list_distinct" if sql.at(start, "DISTINCT") else aggregate), start + 1
    value, *rest = (rewriter.text(a, b) for a, b in sql.split(start, close))
    window, after = _window(rewriter, over)
    delimiter = rest[0] if rest else "''"
    return f"{aggregate}(({value})::text, {delimiter}) OVER ({window} {order} {WHOLE})", after


def percentile(rewriter: Rewriter, index: int, close: int) -> Rewriting | None:
    """PERCENTILE_CONT and PERCENTILE_DISC over a partition; without OVER they are PostgreSQL's own."""
    sql = rewriter.sql
    if not sql.at(close + 1, "WITHIN", "GROUP", "("):
        return None
    end = sql.close(close + 3)
    if not sql.at(end + 1, "OVER"):
        return None
    key = close + 6
    last = next((i for i in range(key, end) if sql.upper(i) in ("ASC", "DESC", "NULLS")), end)
    value, order = rewriter.text(key, last), rewriter.text(key - 2, end)
    window, after = _window(rewriter, end + 1)
    is_cont = sql.at(index, "PERCENTILE_CONT")
    sorted_values = _present(f"({value})::double precision" if is_cont else value, f"{window} {order} {WHOLE}")
    function = "percentile_cont_of" if is_cont else "percentile_disc_of"
    return f"pg_catalog.{function}({sorted_values}, {rewriter.text(index + 2, close)})", after
