"""Redshift's expressions and queries as PostgreSQL's.

Belongs here: functions, operators and clauses that PostgreSQL spells otherwise, identifiers, late-binding views in
FROM. Does not belong here: refusing (``refuse``), DDL (``create_table``, ``alter_table``). A rewrite walks the tokens
once and keeps all text it has no reason to touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from aurora_dwh.local.redshift.calls import CALLS
from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error
from aurora_dwh.local.redshift.names import POSTGRES_BYTES, physical
from aurora_dwh.local.redshift.navigation import Pieces, navigation
from aurora_dwh.local.redshift.pivot import pivoted
from aurora_dwh.local.redshift.plans import LoadState
from aurora_dwh.local.redshift.scopes import NO_ALIAS, begins_clause
from aurora_dwh.local.redshift.selects import LIST_ENDS, group_by_all, select_list, stands_alone, with_before
from aurora_dwh.local.redshift.sqltext import Name, Sql, quote, read_name
from aurora_dwh.local.redshift.types import read_type
from aurora_dwh.local.redshift.upstream import literal

ViewKey = tuple[str | None, str]

DATE_PARTS = {
    alias: part
    for part, aliases in {
        "millennium": "millennium millennia mil mils",
        "century": "century centuries c cent cents",
        "decade": "decade decades dec decs",
        "year": "year years y yr yrs",
        "quarter": "quarter quarters qtr qtrs",
        "month": "month months mon mons",
        "week": "week weeks w",
        "day": "day days d",
        "hour": "hour hours h hr hrs",
        "minute": "minute minutes m min mins",
        "second": "second seconds s sec secs",
        "millisecond": "millisecond milliseconds ms msec msecs msecond mseconds millisec millisecs millisecon",
        "microsecond": "microsecond microseconds microsec microsecs microsecond usecond useconds us usec usecs",
        "dow": "dow dayofweek dw weekday",
        "doy": "doy dayofyear dy yearday",
        "epoch": "epoch",
    }.items()
    for alias in aliases.split()
}
_RENAMED = {"NVL": "COALESCE", "JSON_SERIALIZE": 'pg_catalog."json_serialize"', "GROUPING_ID": "GROUPING"}
_SHA2_BITS = {"0": 256, "224": 224, "256": 256, "384": 384, "512": 512}
_SET_OPERATORS = {"UNION", "EXCEPT", "MINUS", "INTERSECT"}
_AFTER_FROM = {
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "WINDOW",
    "SET",
    "SELECT",
    "ON",
    "QUALIFY",
} | _SET_OPERATORS


@dataclass(frozen=True)
class LateQuery:
    """A late-binding view.

    Args:
        text: its query, Redshift SQL.
        columns: of another user's view, its columns with their types.
        is_granted: whether the user may read it.
        barred: the schemas that the user may not use.
    """

    text: str
    columns: str = ""
    is_granted: bool = True
    barred: frozenset[str] = frozenset()

    def read(self, name: Name, query: str, computed: Callable[[str], str]) -> str:
        """Returns what stands for the view: its query, which is read with the rights of whoever made the view.

        But the schemas that it names are used by whoever reads it: r_CREATE_VIEW.md of the guide.
        """
        if not self.columns:
            return query
        if not self.is_granted:
            raise RedshiftError("42501", f"permission denied for relation {name.table}")
        sql = Sql(self.text)
        for index in (*sql.all("FROM"), *sql.all("JOIN")):
            if sql[index + 2].text == "." and (schema := sql[index + 1].name) in self.barred:
                raise RedshiftError("42501", f"permission denied for schema {schema}")
        return f"SELECT * FROM pg_standin.read({literal(computed(query))}) AS late({self.columns})"


@dataclass
class Rewriter:
    """Rewrites one statement.

    Args:
        sql: the statement.
        loads: the session's counters, written into calls of ``pg_last_copy_count()`` and its kin.
        views: the late-binding views a query may name, by (schema, name); their queries are Redshift SQL.
        columns_of: returns the column headings of a query, for what the list of a SELECT or QUALIFY leaves unsaid.
        computed: returns a query of PostgreSQL's with the casts of its decimals, for one that stands in a string.
    """

    sql: Sql
    loads: LoadState
    views: Mapping[ViewKey, LateQuery] = field(default_factory=dict)
    columns_of: Callable[[str], list[str]] | None = None
    computed: Callable[[str], str] = str
    volatile: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pieces(self) -> Pieces:
        """What takes the place of tokens, decided before they are read: paths into SUPER, GROUP BY ALL."""
        return navigation(self.sql)

    @contextmanager
    def aliased(self, aliases: Mapping[str, str]) -> Iterator[None]:
        """Within it, the names ``aliases`` stand for expressions."""
        outer, self.aliases = self.aliases, aliases
        try:
            yield
        finally:
            self.aliases = outer

    def text(self, start: int = 0, end: int | None = None) -> str:
        """Returns the tokens ``[start, end)`` rewritten."""
        end = len(self.sql) if end is None else end
        out: list[str] = []
        position, index, in_from = None, start, False
        while index < end:
            token = self.sql[index]
            if position is not None:
                out.append(self.sql.text[position : token.start])
            if token.upper in ("FROM", "JOIN", "USING"):
                in_from = True
            elif token.upper in _AFTER_FROM:
                in_from = False
            piece, after = self._piece(index, end, in_from=in_from)
            out.append(piece)
            position, index = self.sql[after - 1].end, after
        return "".join(out)

    def _piece(self, index: int, end: int, *, in_from: bool) -> tuple[str, int]:
        """Returns the rewriting of what starts at ``index`` and the index behind it."""
        sql, token = self.sql, self.sql[index]
        if piece := self.pieces.get(index):
            return piece
        if in_from and {"PIVOT", "UNPIVOT"} & sql.words and (table := self._pivoted(index)):
            return table
        if self.aliases and token.is_name and token.name in self.aliases and stands_alone(sql, index):
            return self.aliases[token.name], index + 1
        relation = in_from and token.is_name and sql.upper(index - 1) in ("FROM", "JOIN", ",", "USING")
        if relation and (expanded := self.view(index)):
            return expanded
        if sql[index + 3].text == "." and (token.name, sql[index + 2].name) in self.views:
            return quote(physical(sql[index + 2].name)), index + 3  # a column of it: the schema is in the view's text
        if token.kind == "quoted":
            return quote(physical(token.name)), index + 1
        if token.kind == "string" and (sql.at(index + 1, "::", "SUPER") or sql.at(index + 1, "AS", "SUPER", ")")):
            return f"{token.text}::varchar", index + 1  # PostgreSQL would read the literal as JSON
        if token.text == "(":
            close = sql.close(index)
            if not (self.aliases and sql.at(index + 1, "SELECT")):
                return f"({self._gap(index)}{self.text(index + 1, close)}{self._gap(close - 1)})", close + 1
            with self.aliased({}):  # a subquery has its own names
                return f"({self._gap(index)}{self.text(index + 1, close)}{self._gap(close - 1)})", close + 1
        return self._word(index, end) if token.kind == "word" else (token.text, index + 1)

    def _word(self, index: int, end: int) -> tuple[str, int]:
        sql, token = self.sql, self.sql[index]
        word = token.upper
        if word == "SELECT":
            return self._select(index, end)
        if sql[index + 1].text == "(" and (special := self._function(index)):
            return special
        if word == "DATETIME" and sql[index - 1].text == "::":
            return "timestamp", index + 1
        if word == "SYSDATE" and sql[index - 1].text != ".":
            return "pg_catalog.sysdate()", index + 1
        if word == "CURRENT_USER_ID":
            return "pg_catalog.current_user_id()", index + 1
        if word in ("DECIMAL", "NUMERIC") and sql[index + 1].text != "(" and _is_cast(sql, index):
            return "numeric(18,0)", index + 1
        if word == "MINUS" and sql.upper(index + 1) in ("SELECT", "(", "ALL"):
            return "EXCEPT", index + 1
        if word == "APPROXIMATE" and sql.upper(index + 1) in ("COUNT", "PERCENTILE_DISC"):
            return "", index + 1
        if token.text.startswith("#") or len(token.text.encode()) > POSTGRES_BYTES:
            return quote(physical(token.name)), index + 1
        return token.text, index + 1

    def _gap(self, index: int) -> str:
        """The blanks and comments between token ``index`` and the next."""
        return self.sql.text[self.sql[index].end : self.sql[index + 1].start]

    # -- functions -----------------------------------------------------------------------------------------------

    def _function(self, index: int) -> tuple[str, int] | None:
        word, close = self.sql.upper(index), self.sql.close(index + 1)
        if word in _RENAMED:
            return _RENAMED[word], index + 1
        if (call := CALLS.get(word)) and (written := call(self, index, close)):
            return written
        method = getattr(self, f"_fn_{word.lower()}", None)
        if method is None:
            return None
        result: tuple[str, int] | None = method(index, close)
        return result

    def _arguments(self, index: int, close: int) -> list[str]:
        return [self.text(a, b) for a, b in self.sql.split(index + 2, close)]

    def _fn_nvl2(self, index: int, close: int) -> tuple[str, int]:
        test, present, absent = self._exactly(index, close, 3)
        return f"CASE WHEN ({test}) IS NOT NULL THEN {present} ELSE {absent} END", close + 1

    def _fn_concat(self, index: int, close: int) -> tuple[str, int]:
        """CONCAT of NULL is NULL, where PostgreSQL's passes over it."""
        one, other = self._exactly(index, close, 2)
        return f"(({one})::text || ({other})::text)", close + 1

    def _fn_sha2(self, index: int, close: int) -> tuple[str, int] | None:
        """SHA2 with the number of bits as a literal, by PostgreSQL's own functions: a third of a function's call."""
        text, bits = self._exactly(index, close, 2)
        size = _SHA2_BITS.get(bits.strip())
        return (f"encode(sha{size}(convert_to(({text})::text, 'UTF8')), 'hex')", close + 1) if size else None

    def _exactly(self, index: int, close: int, count: int) -> list[str]:
        arguments = self._arguments(index, close)
        if len(arguments) != count:
            raise RedshiftError("42883", f"function {self.sql[index].name}() takes {count} arguments")
        return arguments

    def _fn_decode(self, index: int, close: int) -> tuple[str, int]:
        """DECODE matches NULL with NULL, which CASE alone would not."""
        arguments = self._arguments(index, close)
        if len(arguments) < 3:
            raise RedshiftError("42883", "function decode() takes at least 3 arguments")
        value, rest = arguments[0], arguments[1:]
        default = f" ELSE {rest.pop()}" if len(rest) % 2 else ""
        pairs = zip(rest[::2], rest[1::2], strict=True)
        cases = "".join(f" WHEN ({value}) IS NOT DISTINCT FROM ({search}) THEN {found}" for search, found in pairs)
        return f"CASE{cases}{default} END", close + 1

    def _fn_listagg(self, index: int, close: int) -> tuple[str, int]:
        sql, start = self.sql, index + 2
        distinct = ""
        if sql.upper(start) in ("DISTINCT", "ALL"):
            distinct, start = ("DISTINCT " if sql.at(start, "DISTINCT") else ""), start + 1
        arguments = [self.text(a, b) for a, b in sql.split(start, close)]
        value = f"({arguments[0]})::text"
        delimiter = arguments[1] if len(arguments) > 1 else "''"
        order, after = "", close + 1
        if sql.at(after, "WITHIN", "GROUP"):
            end = sql.close(after + 2)
            keys = [self.text(a, b) for a, b in sql.split(after + 5, end)]
            order = " ORDER BY " + ", ".join(_same_key(key, arguments[0], value) for key in keys)
            after = end + 1
        return f"pg_catalog.listagg_fit(string_agg({distinct}{value}, {delimiter}{order}))", after

    def _fn_ratio_to_report(self, index: int, close: int) -> tuple[str, int]:
        if not self.sql.at(close + 1, "OVER"):
            raise syntax_error(self.sql[close + 1].text)
        end = self.sql.close(close + 2)
        value, window = self.text(index + 2, close), self.text(close + 2, end + 1)
        return f"(({value})::double precision / NULLIF(SUM({value}) OVER {window}, 0))", end + 1

    def _fn_extract(self, index: int, close: int) -> tuple[str, int] | None:
        token = self.sql[index + 2]
        part = DATE_PARTS.get((token.string if token.kind == "string" else token.name).lower())
        return (f"EXTRACT({part} {self.text(index + 3, close)})", close + 1) if part else None

    def _fn_dateadd(self, index: int, close: int) -> tuple[str, int]:
        return self._dated(index, close, "dateadd")

    def _fn_date_add(self, index: int, close: int) -> tuple[str, int]:
        return self._dated(index, close, "dateadd")

    def _fn_datediff(self, index: int, close: int) -> tuple[str, int]:
        return self._dated(index, close, "datediff")

    def _fn_date_diff(self, index: int, close: int) -> tuple[str, int]:
        return self._dated(index, close, "datediff")

    def _fn_date_part(self, index: int, close: int) -> tuple[str, int]:
        return self._dated(index, close, "date_part")

    def _fn_date_trunc(self, index: int, close: int) -> tuple[str, int]:
        return self._dated(index, close, "date_trunc")

    def _dated(self, index: int, close: int, function: str) -> tuple[str, int]:
        token = self.sql[index + 2]
        spelled = (token.string if token.kind == "string" else token.name).lower()
        if spelled not in DATE_PARTS:
            return f"{function}({self.text(index + 2, close)})", close + 1
        start, _ = self.sql.split(index + 2, close)[-1]
        bare = function in ("dateadd", "date_trunc") and start == close - 1 and self.sql[start].kind == "string"
        last = start if bare else close
        tail = f" timestamp {self.sql[last].text}" if last < close else ""  # PostgreSQL would take it for a timestamptz
        return f"{function}('{DATE_PARTS[spelled]}'{self.text(index + 3, last)}{tail})", close + 1

    def _fn_convert(self, index: int, close: int) -> tuple[str, int]:
        kind = read_type(self.sql, index + 2, in_memory=True)
        return f"CAST({self.text(kind.end + 1, close)} AS {kind.sql})", close + 1

    def _fn_varchar(self, index: int, close: int) -> tuple[str, int]:
        if not self.sql.at(index + 2, "MAX"):
            return self.sql.slice(index, close + 1), close + 1
        return "varchar(65535)", close + 1

    def _counter(self, name: str, value: int, close: int) -> tuple[str, int]:
        self.volatile = True
        return f"pg_catalog.{name}({value})", close + 1

    def _fn_pg_last_copy_count(self, _: int, close: int) -> tuple[str, int]:
        return self._counter("pg_last_copy_count", self.loads.copy_count, close)

    def _fn_pg_last_copy_id(self, _: int, close: int) -> tuple[str, int]:
        return self._counter("pg_last_copy_id", self.loads.copy_id, close)

    def _fn_pg_last_unload_count(self, _: int, close: int) -> tuple[str, int]:
        return self._counter("pg_last_unload_count", self.loads.unload_count, close)

    def _fn_pg_last_unload_id(self, _: int, close: int) -> tuple[str, int]:
        return self._counter("pg_last_unload_id", self.loads.unload_id, close)

    # -- clauses -------------------------------------------------------------------------------------------------

    def _select(self, index: int, end: int) -> tuple[str, int]:
        """A SELECT, once: those around it that ask for their columns would have it written again at each level."""
        written = self._written(index, end)
        if not self.aliases:
            self.pieces[index] = written
        return written

    def _written(self, index: int, end: int) -> tuple[str, int]:
        """SELECT TOP and QUALIFY; without them only the word itself is taken."""
        sql, stop = self.sql, self._select_end(index, end)
        top = sql.at(index + 1, "TOP") and (sql[index + 2].kind == "number" or sql[index + 2].text == "(")
        qualify = self.level(index, stop, {"QUALIFY"})
        first = (sql.close(index + 2) + 1 if sql[index + 2].text == "(" else index + 3) if top else index + 1
        end = self.level(first, stop, LIST_ENDS)
        end = stop if end < 0 else end
        if {"GROUP", "ALL"} <= sql.words:
            group_by_all(self, first, end, stop)
        listed = select_list(self, first, end, stop)
        if not top and qualify < 0:
            return (sql[index].text, index + 1) if listed is None else (f"SELECT {listed}", end)
        limit = f" LIMIT {self.text(index + 2, first)}" if top else ""
        if qualify >= 0:
            return self._qualify(first, qualify, stop, listed) + limit, stop
        body = self.text(first, stop) if listed is None else f"{listed} {self.text(end, stop)}"
        return f"SELECT {body}{limit}", stop

    def _qualify(self, first: int, qualify: int, stop: int, listed: str | None) -> str:
        """A query whose window functions are computed one level down and filtered above."""
        tail = self.level(qualify, stop, {"ORDER", "LIMIT", "OFFSET"})
        tail = stop if tail < 0 else tail
        from_at = self.level(first, qualify, {"FROM"})
        if from_at < 0:
            raise syntax_error("QUALIFY")
        items, source = listed or self.text(first, from_at), self.text(from_at, qualify)
        condition = self.text(qualify + 1, tail)
        names = self._headings(first, from_at, f"{with_before(self, first)}SELECT {items} {source}")
        kept = ", ".join(quote(name) for name in names)
        inner = f'SELECT {items}, ({condition}) AS "qualify~" {source}'
        order = f" {self.text(tail, stop)}" if tail < stop else ""
        return f'SELECT {kept} FROM ({inner}) AS "qualified~" WHERE "qualify~"{order}'

    def _headings(self, start: int, end: int, query: str) -> list[str]:
        names = []
        for a, b in self.sql.split(start, end):
            last = self.sql[b - 1]
            plain = b - a == 1 or self.sql[b - 2].text == "." or self.sql.at(b - 2, "AS") or self.sql[b - 2].text == ")"
            if not (last.is_name and plain and last.upper != "END"):
                if self.columns_of is None:
                    raise RedshiftError("0A000", "QUALIFY needs a name for every column here")
                return self.columns_of(query)
            names.append(physical(last.name))
        return names

    def _select_end(self, index: int, end: int) -> int:
        found = self.level(index + 1, end, _SET_OPERATORS)
        return end if found < 0 else found

    def level(self, start: int, end: int, words: Set[str]) -> int:
        """Index of the first of ``words`` in ``[start, end)`` outside all parentheses; -1 when there is none."""
        index = start
        while index < end:
            if self.sql[index].text == "(":
                index = self.sql.close(index)
            elif self.sql.upper(index) in words and begins_clause(self.sql, index):
                return index
            index += 1
        return -1

    def _pivoted(self, index: int) -> tuple[str, int] | None:
        """The relation at ``index`` with its PIVOT or UNPIVOT."""
        starts = self.sql.upper(index - 1) in ("FROM", "JOIN", ",") or self.sql[index - 1].text == "("
        is_relation = self.sql[index].text == "(" or self.sql[index].is_name
        return pivoted(self, index) if starts and is_relation else None

    def view(self, index: int) -> tuple[str, int] | None:
        """A late-binding view in FROM becomes a subquery: its names are looked up now, as the real one's are."""
        if not self.views:
            return None
        name = read_name(self.sql, index)
        late = self.views.get((name.schema, name.table))
        if late is None:
            return None
        self.volatile = True
        others = {key: other for key, other in self.views.items() if other != late}
        inner = late.read(
            name, Rewriter(Sql(late.text), self.loads, others, self.columns_of, self.computed).text(), self.computed
        )
        following = self.sql[name.end]
        aliased = following.upper == "AS" or (following.is_name and following.upper not in NO_ALIAS)
        alias = "" if aliased else f" AS {quote(physical(name.table))}"
        return f"({inner}){alias}", name.end


def _is_cast(sql: Sql, index: int) -> bool:
    """Whether the type at ``index`` is what something is cast to, and not a name."""
    if sql[index - 1].text == "::":
        return True
    return sql.at(index - 1, "AS") and any(
        sql.upper(opening - 1) == "CAST" and close == index + 1 for opening, close in sql.closing.items()
    )


def _same_key(key: str, argument: str, value: str) -> str:
    """An ORDER BY key of LISTAGG, in the form of its argument when it is that: DISTINCT needs them equal."""
    head, _, direction = key.partition(" ")
    if key.strip() == argument.strip():
        return value
    return f"{value} {direction}" if head.strip() == argument.strip() else key
