"""One client's session: the protocol's state machine between the client's socket and its PostgreSQL connection.

Belongs here: the order of messages, transaction status, prepared statements, faults on their way. Does not belong here:
what a statement means (``translate``), how a load works (``copy``), framing (``wire``).

The protocol is worked half-duplex: one message of the client at a time, and its reply before the next.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import select
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from aurora_dwh.local.redshift import wire
from aurora_dwh.local.redshift.errors import (
    ABORTED_TRANSACTION,
    Fields,
    RedshiftError,
    UpstreamError,
    UpstreamLostError,
    from_postgres,
    serialization_failure,
)
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.local.redshift.history import Course, History
from aurora_dwh.local.redshift.plans import LoadState, Plan, Relay
from aurora_dwh.local.redshift.results import Results, Statement, binary_results, grown_table, plain_hex
from aurora_dwh.local.redshift.sqltext import Sql, tokenize
from aurora_dwh.local.redshift.translate import NO_TYPES, changed_table, named_tables, translate
from aurora_dwh.local.redshift.upstream import Upstream, literal
from aurora_dwh.local.s3 import S3Access

if TYPE_CHECKING:
    from aurora_dwh.local.redshift.standin import RedshiftStandIn

SESSION_OPTIONS = (
    r"-c default_transaction_isolation=repeatable\ read -c standard_conforming_strings=off"
    " -c escape_string_warning=off -c backslash_quote=on -c bytea_output=hex -c timezone=UTC"
    " -c default_statistics_target=10"  # enough to tell a small table from a large one, of a few thousand rows
)
LOG = logging.getLogger(__name__)
SILENT_NOTICES = frozenset({"25001", "25P01", "42622"})
"""PostgreSQL warns of nested BEGIN, of ROLLBACK outside a transaction and of cut names; Redshift does not."""
LOST = RedshiftError("57P01", "terminating connection: the database process is gone", severity="FATAL")


class DroppedError(Exception):
    """A fault cuts the client's connection."""


class Session:
    """Serves one authenticated client until it leaves."""

    def __init__(
        self, standin: RedshiftStandIn, client: wire.Stream, upstream: Upstream, user: str, database: str
    ) -> None:
        self.loads = LoadState()
        self._standin = standin
        self._client = client
        self._upstream = upstream
        self._user = user
        self._database = database
        self._statements: dict[str, Statement] = {}
        self._portals: dict[str, Statement] = {}
        self._skipping = False
        self._dirty = False
        self._grown: set[str] = set()
        self._seen = standin.made
        self._course = Course(standin.history, upstream.pid, user, database)
        self._out = bytearray()
        self._results = Results(upstream, standin.names)
        self._long_names: dict[str, str] = {}
        self._handlers = {
            b"P": self._on_parse,
            b"D": self._on_describe,
            b"B": self._on_bind,
            b"E": self._on_execute,
            b"C": self._on_close,
            b"Q": self._on_query,
        }

    # -- what plans see ------------------------------------------------------------------------------------------

    @property
    def upstream(self) -> Upstream:
        """The client's own connection to PostgreSQL."""
        return self._upstream

    @property
    def s3(self) -> S3Access | None:
        """Where S3 is."""
        return self._standin.s3

    @property
    def user(self) -> str:
        """The user who is logged in."""
        return self._user

    @property
    def database(self) -> str:
        """The database the session is in."""
        return self._database

    @property
    def scratch(self) -> str:
        """A folder for files in flight."""
        return str(self._standin.scratch)

    def admin(self) -> AbstractContextManager[Upstream]:
        """A superuser's connection to the session's database."""
        return self._standin.admin(self._database)

    @contextlib.contextmanager
    def atomic(self) -> Iterator[None]:
        """The client's open transaction, or one made for the occasion."""
        if self._upstream.status == "T":
            yield
            return
        self._upstream.query("BEGIN")
        try:
            yield
            self._upstream.query("COMMIT")
        except UpstreamLostError:
            raise
        except BaseException:
            self._upstream.query("ROLLBACK")
            raise

    def notice(self, text: str) -> None:
        """Sends the client an INFO notice."""
        self._send(wire.notice(text))

    @property
    def history(self) -> History:
        """What was run, by all sessions."""
        return self._standin.history

    @property
    def query_id(self) -> int:
        """The number of the statement that is being run."""
        return self._course.query_id

    # -- the loop ------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Works the client's messages off until it leaves or the connection breaks."""
        try:
            while self._step():
                pass
        except UpstreamLostError:
            with contextlib.suppress(OSError):
                self._send(wire.fields_message(b"E", LOST.fields))
                self._flush()
        except (DroppedError, OSError):
            pass  # the client is gone, or a fault says so: there is nobody to tell
        finally:
            self._course.end("canceled")
            self._upstream.close()

    def _step(self) -> bool:
        if not self._client.buffered:
            self._flush()
            self._await_client()
        kind, payload = self._client.message()
        if kind == b"X":
            return False
        if kind == b"S":
            self._skipping = False
            self._upstream.send(wire.pack(b"S"))
            self._relay({b"Z"})
            self._dirty = False
            self._analyze_grown()
        elif kind == b"H":
            self._flush()
        elif not self._skipping:
            self._handle(kind, payload)
        return True

    def _handle(self, kind: bytes, payload: bytes) -> None:
        handler = self._handlers.get(kind)
        if handler is None:
            raise ConnectionError(f"unexpected message {kind!r}")
        try:
            handler(payload)
        except RedshiftError as error:
            self._refuse(error)
        except UpstreamError as error:
            self._fail(from_postgres(error.fields))
        except (UpstreamLostError, DroppedError, OSError):
            raise
        except Exception as error:
            LOG.exception("the stand-in failed at a message of type %r", kind)
            self._refuse(RedshiftError("XX000", f"internal error of the stand-in: {error!r}"))

    def _await_client(self) -> None:
        """Waits for the client, but notices at once when PostgreSQL goes away under an idle session."""
        upstream = self._upstream.stream
        while True:
            try:
                readable, _, _ = select.select([self._client.sock, upstream.sock], [], [])
            except ValueError as closed:  # by the server, which stops
                raise DroppedError from closed
            if upstream.sock in readable:
                message = self._upstream.receive()
                if message.kind == b"E":
                    raise UpstreamLostError(wire.parse_fields(message.payload).get("M", ""))
            if self._client.sock in readable:
                return

    # -- messages ------------------------------------------------------------------------------------------------

    def _on_parse(self, payload: bytes) -> None:
        name, offset = wire.split_cstring(payload)
        text, offset = wire.split_cstring(payload, offset)
        sql = Sql(text)
        self._lock(sql)
        plan = self._plan(sql, payload[offset:])
        statement = Statement(text, plan, payload[offset:])
        if isinstance(plan, Relay):
            self._prepare(name, statement)
        self._statements[name] = statement
        self._send(wire.pack(b"1"))

    def _lock(self, sql: Sql) -> None:
        """Locks the table that a statement changes, or waits for whoever writes it, before a snapshot is taken.

        Readers do not wait: https://docs.aws.amazon.com/redshift/latest/dg/c_write_readwrite.html
        """
        table = changed_table(sql)
        if not table or self._upstream.status == "E":
            return
        if self._dirty:
            self._upstream.sync()
            self._dirty = False
        lock = f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"
        if self._upstream.status == "T":
            self._upstream.query(lock)
            return
        try:
            self._upstream.query(f"BEGIN; {lock}; COMMIT")
        except UpstreamError:
            self._upstream.query("ROLLBACK")
            raise

    def _check_age(self, sql: Sql) -> None:
        """Refuses a table that was made after the transaction's snapshot.

        Source: "Serializable isolation" of the guide. PostgreSQL would find it, and no row in it.
        """
        if self._upstream.status != "T":
            self._seen = self._standin.made
        elif self._seen != self._standin.made:
            for name in named_tables(sql):
                table = f"to_regclass({literal(name)})"
                young = f"SELECT {table} IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class WHERE oid = {table}::oid)"
                if self._upstream.query(young) == [("t",)]:
                    raise RedshiftError("XX000", "1018", "Relation does not exist.")

    def _plan(self, sql: Sql, types: bytes = NO_TYPES) -> Plan:
        aborted = RedshiftError("25P02", ABORTED_TRANSACTION)
        try:
            self._check_age(sql)
            plan = translate(sql, self, types)
        except RedshiftError as error:
            raise aborted if self._upstream.status == "E" else error from None
        if not isinstance(plan, Relay) and self._upstream.status == "E":
            raise aborted
        return plan

    def _prepare(self, name: str, statement: Statement) -> None:
        """Prepares a relayed statement at PostgreSQL, in the place of an older one of that name."""
        if not isinstance(statement.plan, Relay):
            return
        self._dirty = True
        sql = wire.cstring(name) + wire.cstring(statement.plan.sql) + statement.types
        self._upstream.send(wire.pack(b"C", b"S" + wire.cstring(name)) + wire.pack(b"P", sql) + wire.pack(b"H"))
        while (message := self._upstream.receive()).kind != b"1":
            if message.kind == b"E":
                raise UpstreamError(wire.parse_fields(message.payload))

    def _on_describe(self, payload: bytes) -> None:
        name = wire.split_cstring(payload, 1)[0]
        statement = self._find(payload[:1], name)
        if isinstance(statement.plan, Relay):
            self._forward(b"D", payload)
            self._relay({b"T", b"n"}, statement)
        else:
            if payload[:1] == b"S":
                self._send(wire.pack(b"t", b"\0\0"))
            self._send(wire.pack(b"n"))

    def _on_bind(self, payload: bytes) -> None:
        portal, offset = wire.split_cstring(payload)
        name, _ = wire.split_cstring(payload, offset)
        statement = self._find(b"S", name)
        if isinstance(statement.plan, Relay):
            if name:  # one without a name was parsed, and locked its table, just now
                self._lock(Sql(statement.text))
            if statement.plan.volatile:
                statement.plan = self._plan(Sql(statement.text), statement.types)
                self._prepare(name, statement)
            statement.binary_results = binary_results(payload) if statement.bytes_columns else []
            self._forward(b"B", payload)
            self._relay({b"2"})
        else:
            self._send(wire.pack(b"2"))
        self._portals[portal] = statement

    def _on_execute(self, payload: bytes) -> None:
        statement = self._find(b"P", wire.split_cstring(payload)[0])
        self._before(statement.text)
        if isinstance(statement.plan, Relay):
            self._forward(b"E", payload)
            self._relay({b"C", b"I", b"s"}, statement)
        else:
            self._run_local(statement.plan)
        if not self._skipping:
            self._after(statement.text)

    def _on_close(self, payload: bytes) -> None:
        registry = self._statements if payload[:1] == b"S" else self._portals
        registry.pop(wire.split_cstring(payload, 1)[0], None)
        self._forward(b"C", payload)
        self._relay({b"3"})

    def _on_query(self, payload: bytes) -> None:
        """The simple protocol: what psql speaks. Several statements in one string are run one after the other."""
        text = wire.split_cstring(payload)[0]
        try:
            statements = _split_statements(text)
            if not statements:
                self._send(wire.pack(b"I"))
            for statement in statements:
                self._simple(statement)
                if self._skipping:
                    break
        except RedshiftError as error:
            self._refuse(error)
        except UpstreamError as error:
            self._fail(from_postgres(error.fields))
        self._skipping = False
        self._send(wire.ready(self._upstream.status))

    def _simple(self, sql: Sql) -> None:
        text = sql.text
        self._lock(sql)
        plan = self._plan(sql)
        self._before(text)
        if isinstance(plan, Relay):
            self._upstream.send(wire.pack(b"Q", wire.cstring(plan.sql)))
            self._relay({b"Z"}, Statement(text, plan, b""), hide_ready=True)
            self._analyze_grown()
        else:
            self._run_local(plan)
        if not self._skipping:
            self._after(text)

    def _run_local(self, plan: Plan) -> None:
        assert not isinstance(plan, Relay)  # noqa: S101 - narrows the union for mypy
        if self._dirty:
            self._upstream.sync()
            self._dirty = False
        self._send(wire.command_complete(plan.run(self)))

    def _analyze_grown(self) -> None:
        """Gathers statistics of tables that grew, as Redshift does by itself: plans without any can be very slow."""
        if self._grown and self._upstream.status != "E":
            self._upstream.query("; ".join(f"ANALYZE {table}" for table in sorted(self._grown)))
        self._grown.clear()

    def _find(self, kind: bytes, name: str) -> Statement:
        registry = self._statements if kind == b"S" else self._portals
        if name not in registry:
            what, code = ("prepared statement", "26000") if kind == b"S" else ("portal", "34000")
            raise RedshiftError(code, f'{what} "{name}" does not exist')
        return registry[name]

    # -- faults --------------------------------------------------------------------------------------------------

    def _before(self, text: str) -> None:
        self._standin.statements.append(text)
        self._course.begin(text, in_transaction=self._upstream.status != "I")
        for fault in self._standin.faults.take(text, "before"):
            self._inject(fault, text)

    def _after(self, text: str) -> None:
        if text.lstrip()[:6].upper() in ("CREATE", "COMMIT"):
            self._standin.made += 1
        for fault in self._standin.faults.take(text, "after"):
            if fault.action in ("drop", "1023", "57014"):
                self._upstream.sync()  # outside a transaction block this is what commits the statement
            self._inject(fault, text)
        self._course.end("success")

    def _inject(self, fault: Fault, text: str) -> None:
        if fault.action == "delay":
            fault.until.wait(fault.seconds)
            return
        if fault.action == "drop":
            raise DroppedError
        if text.strip().upper().startswith(("COMMIT", "END")) and self._upstream.status == "T":
            self._upstream.sync()
            self._upstream.query("ROLLBACK")  # a COMMIT that fails leaves no transaction behind
        raise serialization_failure() if fault.action == "1023" else RedshiftError("57014", "Query cancelled")

    # -- replies -------------------------------------------------------------------------------------------------

    def _refuse(self, error: RedshiftError) -> None:
        """Reports the front's own refusal; like any error it aborts an open transaction."""
        if self._upstream.status == "T":
            with contextlib.suppress(UpstreamError):
                if self._dirty:
                    self._upstream.sync()
                    self._dirty = False
                self._upstream.query("SELECT 1/0")
        self._fail(error.fields)

    def _fail(self, fields: Fields) -> None:
        self._skipping = True
        self._course.end("canceled" if fields["C"] == "57014" else "failed", fields["M"])
        expand = self._standin.names.expand
        self._send(wire.fields_message(b"E", {code: expand(text) for code, text in fields.items()}))

    def _forward(self, kind: bytes, payload: bytes) -> None:
        self._dirty = True
        self._upstream.send(wire.pack(kind, payload) + wire.pack(b"H"))

    def _relay(self, last: set[bytes], statement: Statement | None = None, *, hide_ready: bool = False) -> None:
        """Passes PostgreSQL's replies to the client, up to a message of a kind in ``last`` or an error."""
        raw = statement is None or not statement.bytes_columns
        while True:
            if raw and (rows := self._upstream.stream.rows()):
                self._send(rows)
                continue
            message = self._upstream.receive()
            kind = message.kind
            if kind == b"E":
                self._fail(from_postgres(wire.parse_fields(message.payload)))
                if not hide_ready:
                    return
                continue
            if not (hide_ready and kind == b"Z"):
                self._send(self._translated(message, statement))
            raw = statement is None or not statement.bytes_columns
            if kind in last:
                return

    def _translated(self, message: wire.Message, statement: Statement | None) -> bytes:
        """Returns one of PostgreSQL's messages as Redshift would send it; nothing where Redshift is silent."""
        kind, payload = message
        if kind == b"N" and wire.parse_fields(payload).get("C") in SILENT_NOTICES:
            return b""
        if kind == b"S" and payload.startswith(b"server_version\0"):
            return b""
        if kind == b"C":
            self._course.count(wire.split_cstring(payload)[0])
        if kind == b"C" and statement is not None and (table := grown_table(payload, statement)):
            self._grown.add(table)
        if kind == b"T" and statement is not None:
            return self._results.describe(payload, statement)
        if kind == b"D" and statement is not None and statement.bytes_columns:
            return plain_hex(payload, statement)
        return message.pack()

    def _send(self, data: bytes) -> None:
        self._out += data
        if len(self._out) > 1 << 16:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            self._client.send(self._out)
            self._out = bytearray()

    def learn_names(self, found: dict[str, str]) -> None:
        """Notes shortened names, for this process and for the system views of the session's database."""
        new = {short: full for short, full in found.items() if short not in self._long_names}
        if not new:
            return
        rows = ", ".join(f"({literal(short)}, {literal(full)})" for short, full in new.items())
        with self.admin() as admin:
            admin.query(f"INSERT INTO pg_standin.long_name VALUES {rows} ON CONFLICT DO NOTHING")
        self._long_names |= new
        self._standin.names.learn(new)


def _split_statements(text: str) -> list[Sql]:
    marks = [0, *(t.end for t in tokenize(text) if t.text == ";"), len(text)]
    pieces = (Sql(text[a:b].strip()) for a, b in itertools.pairwise(marks))
    return [piece for piece in pieces if len(piece)]
