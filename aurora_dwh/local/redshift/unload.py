"""UNLOAD: a query's result to S3, as Parquet or text, with a manifest.

Belongs here: UNLOAD's grammar, its files and manifest. Does not belong here: the query itself (``rewrite``), reading
(``copy``).
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aurora_dwh.local.redshift import sources
from aurora_dwh.local.redshift.copy_options import AUTHORIZATION, check_authorization
from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error, unsupported
from aurora_dwh.local.redshift.plans import Context
from aurora_dwh.local.redshift.sqltext import Sql
from aurora_dwh.local.redshift.upstream import Row
from aurora_dwh.local.s3 import client as s3_client

FLAGS = frozenset(
    {"MANIFEST", "HEADER", "GZIP", "ZSTD", "BZIP2", "ADDQUOTES", "ALLOWOVERWRITE", "CLEANPATH", "ESCAPE", "VERBOSE"}
)
STRINGS = frozenset({"DELIMITER", "NULL", "REGION", "EXTENSION"})
ABSENT = {"PARTITION": "PARTITION BY", "KMS_KEY_ID": "KMS_KEY_ID", "MASTER_SYMMETRIC_KEY": "MASTER_SYMMETRIC_KEY"}
FORMATS = frozenset({"CSV", "PARQUET", "JSON"})
FETCH_ROWS = 50_000


@dataclass
class UnloadPlan:
    """An UNLOAD, read: the PostgreSQL query, the destination and the options."""

    query: str
    url: str
    format: str = "DELIMITED"
    given: dict[str, str] = field(default_factory=dict)

    def run(self, session: Context) -> str:
        """Writes the result; an empty one writes nothing, not even a manifest."""
        if session.s3 is None:
            raise RedshiftError("XX000", "S3ServiceException: the stand-in was started without S3")
        s3 = s3_client(session.s3)
        bucket, prefix = sources.split_url(self.url)
        self._prepare(s3, bucket, prefix)
        query_id = session.query_id
        with session.atomic():
            schema = self._schema(session)
            rows = self._fetch(session)
            written = self._write(s3, bucket, prefix, schema, rows)
        if "MANIFEST" in self.given and written:
            body = json.dumps({"entries": written})
            s3.put_object(Bucket=bucket, Key=f"{prefix}manifest", Body=body.encode())
        session.loads.unload_count = sum(entry["meta"]["record_count"] for entry in written)
        session.loads.unload_id = query_id
        session.notice(f"UNLOAD completed, {session.loads.unload_count} record(s) unloaded successfully.")
        return "UNLOAD"

    def _prepare(self, s3: Any, bucket: str, prefix: str) -> None:
        if "ALLOWOVERWRITE" in self.given:
            return
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        if found and "CLEANPATH" not in self.given:
            text = (
                "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, "
                "manually removing the target files in S3, or using the ALLOWOVERWRITE option."
            )
            raise RedshiftError("XX000", text)
        for item in found:
            s3.delete_object(Bucket=bucket, Key=item["Key"])

    def _schema(self, session: Context) -> list[tuple[str, str, int]]:
        upstream = session.upstream
        upstream.query(f"CREATE TEMP VIEW standin_unload AS {self.query}")
        rows = upstream.query(
            "SELECT attname, format_type(atttypid, NULL), atttypmod FROM pg_attribute"
            " WHERE attrelid = 'standin_unload'::regclass AND attnum > 0 ORDER BY attnum"
        )
        upstream.query("DROP VIEW standin_unload")
        return [(str(name), str(kind), int(typmod or -1)) for name, kind, typmod in rows]

    def _fetch(self, session: Context) -> Iterator[list[Row]]:
        upstream = session.upstream
        upstream.query(f"DECLARE standin_unload NO SCROLL CURSOR FOR {self.query}")
        while rows := upstream.query(f"FETCH {FETCH_ROWS} FROM standin_unload"):
            yield rows
        upstream.query("CLOSE standin_unload")

    def _write(
        self, s3: Any, bucket: str, prefix: str, schema: list[tuple[str, str, int]], batches: Iterator[list[Row]]
    ) -> list[dict[str, Any]]:
        written = []
        serial = self.given.get("PARALLEL") in ("OFF", "FALSE")
        for number, rows in enumerate(batches):
            name = f"{number:03}" if serial else f"{number:04}_part_00"
            key = f"{prefix}{name}{self._suffix()}"
            body = self._parquet(schema, rows) if self.format == "PARQUET" else self._text(schema, rows)
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            meta = {"content_length": len(body), "record_count": len(rows)}
            written.append({"url": f"s3://{bucket}/{key}", "mandatory": True, "meta": meta})
        return written

    def _suffix(self) -> str:
        if self.format == "PARQUET":
            return ".parquet"
        compressed = {"GZIP": ".gz", "ZSTD": ".zst", "BZIP2": ".bz2"}
        return next((suffix for option, suffix in compressed.items() if option in self.given), "")

    def _parquet(self, schema: list[tuple[str, str, int]], rows: list[Row]) -> bytes:
        columns = list(zip(*rows, strict=True))
        arrays = [_array(values, kind, typmod) for values, (_, kind, typmod) in zip(columns, schema, strict=True)]
        sink = io.BytesIO()
        table = pa.Table.from_arrays(arrays, names=[name for name, _, _ in schema])
        pq.write_table(table, sink, compression="snappy", use_deprecated_int96_timestamps=True, store_schema=False)
        return sink.getvalue()

    def _text(self, schema: list[tuple[str, str, int]], rows: list[Row]) -> bytes:
        csv = self.format == "CSV"
        delimiter = self.given.get("DELIMITER", "," if csv else "|")
        lines = [[name for name, _, _ in schema]] if "HEADER" in self.given else []
        shaped = [[self._field(value, delimiter, csv=csv) for value in row] for row in rows]
        data = "".join(delimiter.join(line) + "\n" for line in [*lines, *shaped]).encode()
        if "GZIP" in self.given:
            return gzip.compress(data)
        return pa.compress(data, codec="zstd", asbytes=True) if "ZSTD" in self.given else data

    def _field(self, value: str | None, delimiter: str, *, csv: bool) -> str:
        if value is None:
            return self.given.get("NULL", "" if csv else r"\N" if "ESCAPE" in self.given else "")
        value = value.removeprefix("\\x")
        if csv:
            special = any(mark in value for mark in (delimiter, '"', "\n", "\r"))
            return '"{}"'.format(value.replace('"', '""')) if special else value
        if "ESCAPE" in self.given:
            for mark in ("\\", delimiter, "\n", "\r"):
                value = value.replace(mark, f"\\{mark}")
        return f'"{value}"' if "ADDQUOTES" in self.given else value


def unload(sql: Sql, rewrite: Callable[[str], str]) -> UnloadPlan:
    """Returns the plan of an UNLOAD.

    Raises:
        RedshiftError: its grammar or options are not Redshift's.
    """
    if sql[1].text != "(" or sql[2].kind != "string" or sql[3].text != ")" or not sql.at(4, "TO"):
        raise syntax_error(sql[1].text)
    if sql[5].kind != "string":
        raise syntax_error(sql[5].text)
    inner = Sql(sql[2].string)
    if not inner.starts("SELECT") and not inner.starts("WITH"):
        raise syntax_error(inner[0].text)
    if _outer_limit(inner):
        raise RedshiftError("0A000", "LIMIT clause is not supported in the outer SELECT of UNLOAD")
    plan = UnloadPlan(rewrite(inner.text), sql[5].string)
    index = 6
    while index < len(sql):
        index = _option(sql, index, plan)
    check_authorization({k: v for k, v in plan.given.items() if k in AUTHORIZATION})
    if plan.format == "JSON" or "BZIP2" in plan.given:
        raise unsupported("UNLOAD with FORMAT JSON or BZIP2 in the local stand-in")
    if plan.format == "PARQUET":
        for option in ("DELIMITER", "ADDQUOTES", "ESCAPE", "NULL", "HEADER", "GZIP", "ZSTD"):
            if option in plan.given:
                raise RedshiftError("0A000", f"{option} is not supported for UNLOAD to PARQUET")
    return plan


def _outer_limit(sql: Sql) -> bool:
    depth = 0
    for token in sql.tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.upper == "LIMIT":
            return True
    return False


def _option(sql: Sql, index: int, plan: UnloadPlan) -> int:
    word, after = sql.upper(index), index + 1
    if word in ("FORMAT", "AS", "WITH"):
        return after
    if word in FORMATS:
        plan.format = word
        return after
    if word == "IAM_ROLE" and sql.at(after, "DEFAULT"):
        plan.given[word] = "default"
        return after + 1
    if word in STRINGS or word in AUTHORIZATION:
        after += sql.at(after, "AS")
        if sql[after].kind != "string":
            raise syntax_error(sql[after].text)
        plan.given[word] = sql[after].string
        return after + 1
    if word in ("PARALLEL", "MAXFILESIZE", "ROWGROUPSIZE"):
        after += sql.at(after, "AS")
        plan.given[word] = sql.upper(after)
        after += 1
        return after + (sql.upper(after) in ("MB", "GB"))
    if word == "ENCRYPTED":  # by S3, with the bucket's own key
        plan.given[word] = word
        return after + sql.at(after, "AUTO")
    if word in ABSENT:
        raise unsupported(f"UNLOAD with {ABSENT[word]} in the local stand-in")
    if word not in FLAGS:
        raise syntax_error(sql[index].text)
    plan.given[word] = word
    return after


def _array(values: tuple[str | None, ...], kind: str, typmod: int) -> Any:
    """One column from PostgreSQL's text form into the Arrow type that Redshift would write."""
    if kind == "boolean":
        return pa.array([None if v is None else v == "t" for v in values], pa.bool_())
    if kind in ("varbyte", "bytea"):
        return pa.array([None if v is None else bytes.fromhex(v.removeprefix("\\x")) for v in values], pa.binary())
    text = pa.array(values, pa.string())
    if kind == "numeric":
        precision, scale = ((typmod - 4) >> 16, (typmod - 4) & 0xFFFF) if typmod > 0 else (38, 10)
        return text.cast(pa.decimal128(precision, scale))
    plain = {
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "real": pa.float32(),
        "double precision": pa.float64(),
        "date": pa.date32(),
        "timestamp without time zone": pa.timestamp("us"),
    }
    return text.cast(plain[kind]) if kind in plain else text
