"""What `doctor` checks: each connection, privilege, index, bucket and role, and how to mend the one that fails.

A check never ends the run: it is a `Check` with its state, and the next one follows where it still makes sense.
"""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_dwh.catalog import Catalog
from aurora_dwh.config import AuroraSettings, LakeSettings, RedshiftSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aurora_dwh.catalog import Table
    from aurora_dwh.source.connection import Connection
    from aurora_dwh.warehouse.connection import Session

T = TypeVar("T")

PROBE = ".aurora-dwh-doctor"
"""How the objects begin that the checks put into the lake and delete again."""


class State(str, Enum):
    """How a check came out; a warning is not a failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One check and its outcome.

    Attributes:
        name: What was checked.
        state: How it came out.
        detail: What was found.
        remedy: What to do; empty where nothing is to be done.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""


class Attempts:
    """The checks of one run, in order."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def attempt(self, name: str, work: Callable[[], T], *, remedy: str, detail: str = "") -> T | None:
        """Do a piece of work and note how it came out; return its result, None where it failed."""
        try:
            result = work()
        except Exception as error:  # whatever a driver raises is the answer that the check was after
            self.checks.append(Check(name, State.FAILED, str(error) or type(error).__name__, remedy))
            return None
        self.checks.append(Check(name, State.OK, detail))
        return result

    def add(self, *checks: Check) -> None:
        """Note checks that were made elsewhere."""
        self.checks.extend(checks)


def run_checks() -> list[Check]:
    """Check everything that a load of a day needs."""
    run = Attempts()
    catalog = run.attempt("catalog", Catalog.load, remedy="mend the lines named, see docs/catalog.md")
    tables = catalog.tables if catalog else {}
    _check_source(run, tables)
    lake = run.attempt("lake: settings", LakeSettings.from_env, remedy="set the variables, see .env.example")
    bucket_works = lake is not None and _check_bucket(run, lake)
    if lake is not None and bucket_works and any(table.extract == "outfile" for table in tables.values()):
        run.attempt("aurora: SELECT INTO OUTFILE S3", partial(export_a_row, lake), remedy=EXPORT_REMEDY)
    _check_warehouse(run, lake if bucket_works else None)
    return run.checks


def _check_source(run: Attempts, tables: dict[str, Table]) -> None:
    from aurora_dwh.source.connection import connect

    settings = run.attempt("aurora: settings", AuroraSettings.from_env, remedy="set the variables, see .env.example")
    if settings is None:
        return
    connection = run.attempt(
        "aurora: connection",
        lambda: connect(**settings.connect_arguments()),
        remedy="check host, port, user and security group; for Amazon's certificates set AURORA_TLS to the path of "
        "global-bundle.pem",
    )
    if connection is not None:
        with closing(connection):
            for table in tables.values():
                run.add(check_table(connection, settings.database, table))


def check_table(connection: Connection, database: str, table: Table) -> Check:
    """Check that a table may be read, has the columns that the catalog names, and an index on its cursor."""
    from aurora_dwh.source.connection import execute
    from aurora_dwh.source.discovery import index_ddl, indexes, read_schema
    from aurora_dwh.source.quoting import identifier

    name, place = f"aurora: table {table.name}", identifier(database, table.name)
    try:
        schema = read_schema(connection, database, table.name)
        selected = schema.select(include=table.include, exclude=table.exclude)
        for name_in_catalog in (*table.key, *([table.cursor] if table.cursor else [])):
            selected.column(name_in_catalog)
        for column in selected.columns:
            _ = column.rule
        execute(connection, f"SELECT * FROM {place} LIMIT 0")
        has_index = table.cursor is None or indexes(connection, database, table.name, table.cursor)
    except Exception as error:  # whatever the server or the schema says is the answer
        message = str(error.args[0]) if isinstance(error, KeyError) else str(error)
        return Check(name, State.FAILED, message, f"GRANT SELECT ON {place}, or mend the table's entry in the catalog")
    if not has_index:
        remedy = index_ddl(database, table.name, str(table.cursor))
        return Check(name, State.WARNING, f"cursor {table.cursor} has no index: each day scans the table", remedy)
    return Check(name, State.OK, "")


def _check_bucket(run: Attempts, lake: LakeSettings) -> bool:
    """Check that objects can be written, read and deleted; return whether they can."""
    client, key = lake.client(), probe_key(lake)
    place = {"Bucket": lake.bucket, "Key": key}
    arn = f"arn:aws:s3:::{lake.bucket}/{lake.prefix}*"
    steps: tuple[tuple[str, str, Callable[[], Any]], ...] = (
        ("put", "s3:PutObject", lambda: client.put_object(**place, Body=b"doctor")),
        ("get", "s3:GetObject", lambda: client.get_object(**place)["Body"].read()),
        ("delete", "s3:DeleteObject", lambda: client.delete_object(**place)),
    )
    for verb, action, step in steps:
        remedy = f"check LAKE_URI and the Region, and allow this process {action} on {arn}"
        run.attempt(f"lake: {verb} object", step, remedy=remedy)
        if run.checks[-1].state is State.FAILED:
            return False
    return True


def probe_key(lake: LakeSettings) -> str:
    """Return the key of an object that no one else writes."""
    return "/".join(part for part in (lake.prefix, f"{PROBE}-{uuid.uuid4().hex}") if part)


def _check_warehouse(run: Attempts, lake: LakeSettings | None) -> None:
    settings = run.attempt(
        "redshift: settings", RedshiftSettings.from_env, remedy="set the variables, see .env.example"
    )
    if settings is None:
        return
    session = run.attempt(
        "redshift: connection",
        lambda: _session(settings),
        remedy="check host, port, user and security group; with REDSHIFT_WORKGROUP allow this process "
        "redshift-serverless:GetWorkgroup and GetCredentials",
    )
    if session is not None:
        with closing(session):
            run.add(*check_schemas(session, settings))
            if lake is not None:
                run.attempt(
                    "redshift: COPY from the lake",
                    lambda: copy_a_row(session, settings, lake),
                    remedy=f"attach a role to the namespace (REDSHIFT_IAM_ROLE: {settings.iam_role}) and allow it "
                    f"s3:GetObject and s3:ListBucket on {lake.uri}, in the Region of Redshift",
                )


EXPORT_REMEDY = (
    "let the user and the cluster write to the lake, see docs/catalog.md, `extract: outfile`; the instance needs a way "
    "to S3, such as a gateway endpoint"
)


def export_a_row(lake: LakeSettings) -> None:
    """Have Aurora write a row to the lake, and delete it again.

    Raises:
        DataError: A privilege or the cluster's role is missing, or what Aurora wrote is not there.
        SourceError: The source is out of reach.
        pymysql.err.Error: Aurora could not write.
    """
    from aurora_dwh.lake import intake
    from aurora_dwh.lake.layout import Layout
    from aurora_dwh.source.connection import connect, execute
    from aurora_dwh.source.export import require_export
    from aurora_dwh.source.outfile import into_s3

    settings = AuroraSettings.from_env()
    layout, key = Layout(lake.bucket, lake.prefix, settings.database), probe_key(lake)
    client = lake.client()
    with closing(connect(**settings.connect_arguments())) as connection:
        require_export(connection)
        execute(connection, into_s3("SELECT 1", layout.url(key)))
    try:
        intake.parts_of(client, layout, f"{key}.manifest")
    finally:
        for made in (f"{key}.manifest", f"{key}.part_00000"):
            client.delete_object(Bucket=lake.bucket, Key=made)


def _session(settings: RedshiftSettings) -> Session:
    import redshift_connector

    from aurora_dwh.warehouse.connection import Session

    return Session(redshift_connector.connect(**settings.connect_arguments()))


def check_schemas(session: Session, settings: RedshiftSettings) -> Iterator[Check]:
    """Check that tables can be made in each schema that loads write to, or the schema itself."""
    from aurora_dwh.warehouse import audit
    from aurora_dwh.warehouse.sql import identifier, literal

    for schema in (settings.staging_schema, settings.bi_schema, audit.SCHEMA):
        name = f"redshift: schema {schema}"
        try:
            exists = session.execute(f"SELECT nspname FROM pg_namespace WHERE nspname = {literal(schema)}").rows
            privilege = (
                f"has_schema_privilege(current_user, {literal(schema)}, 'CREATE')"
                if exists
                else "has_database_privilege(current_user, current_database(), 'CREATE')"
            )
            [[allowed]] = session.execute(f"SELECT {privilege}").rows
        except Exception as error:  # whatever the server says is the answer
            yield Check(name, State.FAILED, str(error), "let the user read pg_namespace")
            continue
        grant = (
            f"GRANT ALL ON SCHEMA {identifier(schema)}" if exists else f"GRANT CREATE ON DATABASE {settings.database}"
        )
        if allowed:
            yield Check(name, State.OK, "" if exists else "made by the first load")
        else:
            yield Check(name, State.FAILED, "CREATE is not allowed", f"{grant} TO the user of the loads")


def copy_a_row(session: Session, settings: RedshiftSettings, lake: LakeSettings) -> None:
    """Put a Parquet file of one row and its manifest into the lake and COPY it into a temporary table.

    Raises:
        WarehouseError: Redshift refused.
        ValueError: COPY succeeded without the row.
    """
    from aurora_dwh.warehouse.sql import literal

    client, key = lake.client(), probe_key(lake)
    data, manifest = f"{key}.parquet", f"{key}.manifest"
    body = _one_row()
    entry = {
        "url": f"s3://{lake.bucket}/{data}",
        "mandatory": True,
        "meta": {"content_length": len(body)},
    }
    role = "default" if settings.iam_role == "default" else literal(settings.iam_role)
    source = literal(f"s3://{lake.bucket}/{manifest}")
    try:
        client.put_object(Bucket=lake.bucket, Key=data, Body=body)
        client.put_object(Bucket=lake.bucket, Key=manifest, Body=json.dumps({"entries": [entry]}).encode())
        session.execute('CREATE TEMP TABLE "dwh_doctor" ("n" INTEGER)')
        session.execute(f'COPY "dwh_doctor" FROM {source} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST')
        [[rows]] = session.execute('SELECT count(*) FROM "dwh_doctor"').rows
    finally:
        for made in (data, manifest):
            client.delete_object(Bucket=lake.bucket, Key=made)
    if rows != 1:
        raise ValueError(f"COPY ended without an error and loaded {rows} rows of 1")


def _one_row() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": pa.array([1], pa.int32())}), sink)
    return bytes(sink.getvalue())
