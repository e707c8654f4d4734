"""COPY: from S3 into a table, over the client's own connection.

Belongs here: the course of a COPY and its records (pg_last_copy_count, sys_load_history, sys_load_error_detail). The
rows go through ``COPY ... FROM STDIN`` of the client's own session, so temporary tables, the open transaction and its
rollback are right by themselves; the records are written over a connection of their own, so that they outlive a
rollback. Does not belong here: grammar (``copy_options``), files (``sources``), formats (``parquet``, ``csv_load``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from aurora_dwh.local.redshift import sources
from aurora_dwh.local.redshift.copy_options import CopyOptions, read_copy
from aurora_dwh.local.redshift.csv_load import CsvLoad
from aurora_dwh.local.redshift.errors import RedshiftError, UpstreamError
from aurora_dwh.local.redshift.load_target import LoadError, Target, find_target
from aurora_dwh.local.redshift.parquet import ParquetFile
from aurora_dwh.local.redshift.plans import Context
from aurora_dwh.local.redshift.sources import Source
from aurora_dwh.local.redshift.sqltext import Sql
from aurora_dwh.local.redshift.upstream import literal
from aurora_dwh.local.s3 import client as s3_client


def copy(sql: Sql) -> CopyPlan:
    """Returns the plan of a COPY.

    Raises:
        RedshiftError: its options are not Redshift's.
    """
    return CopyPlan(read_copy(sql))


@dataclass(frozen=True)
class CopyPlan:
    """A COPY whose options are read and checked."""

    options: CopyOptions

    def run(self, session: Context) -> str:
        """Loads the files; sets the session's counters, writes the records, tells the client the count."""
        target = find_target(session.upstream, self.options)
        if session.s3 is None:
            raise RedshiftError("XX000", "S3ServiceException: the stand-in was started without S3")
        load = _Load(self.options, target, session)
        load.run()
        name = self.options.table.table
        session.notice(f"Load into table '{name}' completed, {load.rows} record(s) loaded successfully.")
        return "COPY"


@dataclass
class _Load:
    options: CopyOptions
    target: Target
    session: Context
    rows: int = 0
    files: list[Source] = field(default_factory=list)

    def run(self) -> None:
        """Carries the load out."""
        query_id = self.session.query_id
        started = datetime.now(timezone.utc)
        clock = time.monotonic()
        failure: LoadError | None = None
        try:
            self._load()
        except LoadError as error:
            failure = error
            raise error.report or self._generic_error() from error
        except (RedshiftError, UpstreamError) as error:
            failure = LoadError(sources.S3_ERROR, str(error))
            raise
        finally:
            loads = self.session.loads
            loads.copy_count, loads.copy_id = (0 if failure else self.rows), query_id
            self._record(query_id, started, time.monotonic() - clock, failure)

    def _generic_error(self) -> RedshiftError:
        return RedshiftError(
            "XX000",
            f"Load into table '{self.options.table.table}' failed."
            " Check 'sys_load_error_detail' system table for details.",
        )

    def _load(self) -> None:
        assert self.session.s3 is not None  # noqa: S101 - checked by CopyPlan.run
        s3 = s3_client(self.session.s3)
        self.files = sources.resolve(self.options, s3)
        columnar = self.options.format == "PARQUET"
        defaults = self._defaults()
        chunks = self._columnar(s3, defaults) if columnar else self._textual(s3, defaults)
        self.rows = self.session.upstream.copy_in(f"COPY {self.target.copy_list} FROM STDIN (FORMAT csv)", chunks)

    def _columnar(self, s3: Any, defaults: dict[str, str]) -> Iterator[bytes]:
        for source in self.files:
            with sources.fetched(s3, source, self.session.scratch) as path, _named(source):
                yield from ParquetFile(
                    path,
                    source,
                    self.target.columns,
                    fill=self.options.flag("FILLRECORD"),
                    serialize=self.options.flag("SERIALIZETOJSON"),
                    defaults=defaults,
                ).chunks()

    def _textual(self, s3: Any, defaults: dict[str, str]) -> Iterator[bytes]:
        load = CsvLoad(self.options, self.target, defaults)
        for source in self.files:
            with _named(source):
                yield from load.chunks(sources.opened(s3, source))

    def _defaults(self) -> dict[str, str]:
        """The values of the defaults of NOT NULL columns, computed before the load occupies the connection."""
        values = {}
        for column in self.target.columns:
            if column.not_null and column.default is not None:
                found = self.session.upstream.query(f"SELECT ({column.default})::{column.type}")[0][0]
                if found is not None:
                    values[column.name] = found
        return values

    # -- records -------------------------------------------------------------------------------------------------

    def _record(self, query_id: int, started: datetime, seconds: float, failure: LoadError | None) -> None:
        failures = [failure] if failure and failure.code != sources.S3_ERROR else []
        with self.session.admin() as admin:
            user = f"(SELECT oid::int FROM pg_roles WHERE rolname = {literal(self.session.user)})"
            common = [user, str(query_id), "0", str(self.session.upstream.pid), literal(self.session.database)]
            begun = literal(started.strftime("%Y-%m-%d %H:%M:%S.%f"))
            history = [
                literal("aborted" if failure else "completed"),
                literal(self.options.table.table),
                begun,
                "statement_timestamp()::timestamp",
                str(int(seconds * 1_000_000)),
                literal(self.options.source),
                literal(self.options.format.lower()),
                str(0 if failure else self.rows),
                str(sum(f.size for f in self.files)),
                str(len(self.files)),
                str(sum(f.size for f in self.files)),
                str(len(self.files)),
                str(sum(f.size for f in self.files)),
                str(len(failures)),
                "0",
            ]
            statements = [f"INSERT INTO pg_standin.load_history VALUES ({', '.join(common + history)})"]
            statements += [self._error_row(common, begun, one) for one in failures]
            statements += [self._file_row(common, begun, file) for file in self.files]
            admin.query(";".join(statements))

    def _error_row(self, common: list[str], begun: str, failure: LoadError) -> str:
        column = failure.column
        values = [
            str(self.target.oid),
            begun,
            literal(failure.file),
            str(failure.line),
            literal(column.name if column else ""),
            literal(column.declared if column else ""),
            literal(str(column.length) if column and column.typmod > 0 else ""),
            "0",
            str(failure.code),
            literal((f"{failure.reason}" + (f" [{failure.value}]" if failure.value else ""))[:512]),
        ]
        return f"INSERT INTO pg_standin.load_error_detail VALUES ({', '.join(common + values)})"

    def _file_row(self, common: list[str], begun: str, source: Source) -> str:
        values = [
            common[0],
            common[1],
            literal(source.url),
            str(source.size),
            "0",
            begun,
            "1",
            begun,
            begun,
            literal(source.etag),
            begun,
        ]
        return f"INSERT INTO pg_standin.load_detail VALUES ({', '.join(values)})"


@contextmanager
def _named(source: Source) -> Iterator[None]:
    """Puts the file's name on a failure that passes through."""
    try:
        yield
    except LoadError as failure:
        failure.file = failure.file or source.url
        raise
