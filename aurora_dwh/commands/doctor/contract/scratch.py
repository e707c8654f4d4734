"""A schema of its own in the warehouse, two sessions on it, and files in the lake; all of it is removed in the end."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_dwh.lake.parquet import FORMAT
from aurora_dwh.warehouse.connection import Answer, Session, Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.sql import identifier, literal, qualified, role

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.settings.config import LakeSettings

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds after which a statement that has not ended is taken to wait: Redshift compiles for some seconds."""

REFUSED, PASSING = "refused", "refused, and tried again"
"""What is found where a statement fails: for good, or in a way that another attempt may not meet."""


class Scratch:
    """Where assumptions are measured, in the sessions `first` and `second`."""

    def __init__(self, warehouse: Warehouse, lake: LakeSettings) -> None:
        self.warehouse, self.lake = warehouse, lake
        self.schema = f"dwh_contract_{secrets.token_hex(4)}"
        self.statements: list[str] = []  # what both have run for the assumption that is measured
        self.client = lake.client()
        self._prefix = "/".join(part for part in (lake.prefix, f".{self.schema}") if part)
        self._names = 0

    def __enter__(self) -> Scratch:
        """Open the sessions and make the schema; raises WarehouseError where the user may not."""
        self.first, self.second = self.warehouse.connect(), self.warehouse.connect()
        self.first.execute(f"CREATE SCHEMA {identifier(self.schema)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove all that was made."""
        for session in (self.first, self.second):
            session.close()
        for item in self.client.list_objects_v2(Bucket=self.lake.bucket, Prefix=self._prefix).get("Contents", ()):
            self.client.delete_object(Bucket=self.lake.bucket, Key=item["Key"])
        self.warehouse.persist(lambda session: session.execute(f"DROP SCHEMA {identifier(self.schema)} CASCADE"))

    def reset(self) -> None:
        """End what the assumption before has left, on sessions that may be lost."""
        self.statements.clear()
        for name in ("first", "second"):
            try:
                getattr(self, name).execute("ROLLBACK")
            except WarehouseError:
                getattr(self, name).close()
                setattr(self, name, self.warehouse.connect())

    def name(self, word: str = "t") -> str:
        """Return the quoted name of a table that is not there."""
        self._names += 1
        return qualified(self.schema, f"{word}{self._names}")

    def run(self, session: Session, *statements: str) -> Answer:
        """Run statements and return the last one's answer."""
        for statement in statements:
            self.statements.append(statement)
            answer = session.execute(statement)
        return answer

    def rows(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the first session and return the last one's rows."""
        return self.run(self.first, *statements).rows

    def ask(self, session: Session, work: Callable[[Session], T]) -> T:
        """Have a part of the product ask a session, and return what it makes of the answers."""
        before = len(session.statements)
        try:
            return work(session)
        finally:
            self.statements += session.statements[before:]

    def told(self, session: Session, *statements: str) -> str:
        """Run statements that may fail and return `done`, or how the first that fails does, with its SQLSTATE."""
        try:
            self.run(session, *statements)
        except PassingError:
            return PASSING
        except WarehouseError as error:
            return f"{REFUSED} {error.state}".strip()
        return "done"

    def beside(self, *statements: str) -> Beside:
        """Begin statements in the second session, and return when they have ended or can be taken to wait."""
        return Beside(self, statements)

    def put(self, name: str, body: bytes) -> str:
        """Put an object into the lake and return its address."""
        self.client.put_object(Bucket=self.lake.bucket, Key=self.key(name), Body=body)
        return f"s3://{self.lake.bucket}/{self.key(name)}"

    def key(self, name: str) -> str:
        """Return an object's key."""
        return f"{self._prefix}/{name}"

    def manifest(self, table: pa.Table, **entry: Any) -> str:
        """Put a table into the lake as the product writes Parquet, and return the address of its manifest."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **FORMAT)
        body = bytes(sink.getvalue())
        self._names += 1
        url = self.put(f"{self._names}.parquet", body)
        entries = [{"url": url, "mandatory": True, "meta": {"content_length": len(body)}, **entry}]
        return self.put(f"{self._names}.json", json.dumps({"entries": entries}).encode())

    def copy(self, table: str, manifest: str) -> str:
        """Return the COPY of a manifest."""
        by = role(self.warehouse.settings.iam_role)
        return f"COPY {table} FROM {literal(manifest)} IAM_ROLE {by} FORMAT AS PARQUET MANIFEST"


class Beside:
    """Statements of the second session that run while the first goes on."""

    def __init__(self, scratch: Scratch, statements: Sequence[str]) -> None:
        self._outcome = "waits"
        self._thread = Thread(target=self._run, args=(scratch, statements), daemon=True)
        self._thread.start()
        self._thread.join(PATIENCE)
        self.waits = self._thread.is_alive()

    def _run(self, scratch: Scratch, statements: Sequence[str]) -> None:
        outcome = "lost"
        with suppress(Exception):  # what is found is then that
            outcome = scratch.told(scratch.second, *statements)
        self._outcome = outcome

    def ended(self) -> str:
        """Return how the statements ended, once they may."""
        self._thread.join(6 * PATIENCE)
        return f"waits, then {self._outcome}" if self.waits else self._outcome
