"""What `doctor` checks of Redshift: the session, the schemas that loads write to, COPY and its role, Region, clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from aurora_dwh.commands.doctor.check import SETTINGS_REMEDY, Attempts, Check, State, clock_check, ok_or_warning
from aurora_dwh.commands.doctor.days import check_days, check_record
from aurora_dwh.commands.doctor.lake import Bucket, probe_key
from aurora_dwh.commands.doctor.relations import check_relations
from aurora_dwh.settings.config import RedshiftSettings
from aurora_dwh.settings.environment import DISABLED
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.dependents import SECURITY_ROLES, roles, sees_policies
from aurora_dwh.warehouse.sql import identifier, literal, role

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.settings.config import LakeSettings

_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.redshift(?:-serverless)?\.amazonaws\.com")


def check(run: Attempts, catalog: Catalog | None, bucket: Bucket | None) -> None:
    """Check the warehouse, and where the lake works COPY and the days that were loaded."""
    settings = run.attempt("redshift: settings", RedshiftSettings.from_env, remedy=SETTINGS_REMEDY)
    if settings is None:
        return
    if bucket and bucket.region:
        run.add(*check_region(bucket.region, settings))
    session = run.attempt(
        "redshift: connection",
        Warehouse(settings).connect,
        remedy="check host, port, user and security group; with REDSHIFT_WORKGROUP allow this process "
        "redshift-serverless:GetWorkgroup and GetCredentials",
    )
    if session is None:
        return
    with closing(session):
        run.add(check_tls(settings), *check_schemas(session, settings), check_grants(session))
        if catalog is not None:
            run.gather("redshift: tables", lambda: check_relations(session, catalog, settings))
            run.gather("redshift: record", lambda: check_record(session, catalog, settings.staging_schema))
        run.gather("redshift: column grants", lambda: [check_column_grants(session)])
        run.gather("redshift: security policies", lambda: [check_policies(session)])
        run.gather("redshift: clock", lambda: [clock_check("redshift: clock", lambda: _now(session))])
        if bucket is not None:
            lake = bucket.settings
            if catalog is not None:
                run.gather("redshift: days", lambda: check_days(session, catalog, settings.staging_schema))
            run.attempt(
                "redshift: COPY from the lake",
                lambda: copy_a_row(session, settings, lake),
                remedy=f"attach a role to the namespace (REDSHIFT_IAM_ROLE: {settings.iam_role}) and allow it "
                f"s3:GetObject and s3:ListBucket on {lake.uri}, in the Region of Redshift",
            )


def check_tls(settings: RedshiftSettings) -> Check:
    """Check that sessions are encrypted; the driver opens none otherwise than the settings say."""
    if settings.tls != DISABLED:
        return Check("redshift: TLS", State.OK, "certificate and host name verified")
    remedy = f"leave REDSHIFT_TLS={DISABLED} to servers on this machine, and leave it out otherwise"
    return Check("redshift: TLS", State.WARNING, "the session is not encrypted", remedy)


def check_region(bucket_region: str, settings: RedshiftSettings) -> Iterator[Check]:
    """Check that bucket and Redshift are in one Region, which a COPY of Parquet demands; say nothing where unknown."""
    match = _HOST.search(settings.host or "")
    region = match[1] if match else settings.region
    if region is None:
        return
    if region == bucket_region:
        yield Check("redshift: Region", State.OK, f"{region}, as the bucket")
    else:
        detail = f"Redshift is in {region} and the bucket in {bucket_region}; COPY of Parquet crosses no Regions"
        yield Check("redshift: Region", State.FAILED, detail, f"name a bucket of {region} in LAKE_URI")


def check_schemas(session: Session, settings: RedshiftSettings) -> Iterator[Check]:
    """Check that tables can be made in each schema that loads write to, or the schema itself."""
    for schema in (settings.staging_schema, settings.bi_schema, load_history.SCHEMA):
        name = f"redshift: schema {schema}"
        try:
            exists = session.execute(f"SELECT nspname FROM pg_namespace WHERE nspname = {literal(schema)}").rows
            privilege = (
                f"has_schema_privilege(current_user, {literal(schema)}, 'CREATE')"
                if exists
                else "has_database_privilege(current_user, current_database(), 'CREATE')"
            )
            [[allowed, user]] = session.execute(f"SELECT {privilege}, current_user").rows
        except Exception as error:  # whatever the server says is the answer
            yield Check(name, State.FAILED, str(error), "let the user read pg_namespace")
            continue
        database = identifier(settings.database)
        what = f"ALL ON SCHEMA {identifier(schema)}" if exists else f"CREATE ON DATABASE {database}"
        if allowed:
            yield Check(name, State.OK, "" if exists else "made by the first load")
        else:
            remedy = f"have an administrator run GRANT {what} TO {identifier(user)}"
            yield Check(name, State.FAILED, "CREATE is not allowed", remedy)


def check_grants(session: Session) -> Check:
    """Check that the user sees what others were granted on its tables, which it gives again where it makes one anew."""
    name = "redshift: grants"
    try:
        [[user, is_superuser, access]] = session.execute(
            "SELECT user_name, superuser, syslog_access FROM svv_user_info WHERE user_name = current_user"
        ).rows
    except Exception as error:  # whatever the server says is the answer
        return Check(name, State.FAILED, str(error), "let the user read svv_user_info")
    are_hidden = (
        "those of others are not seen, and lost where a table is made anew (a rebuild, a mart whose columns change)"
    )
    return ok_or_warning(
        name,
        "" if is_superuser or str(access).strip() == "UNRESTRICTED" else are_hidden,
        "those of others are seen, and given again where a table is made anew",
        f"have an administrator run ALTER USER {identifier(user)} SYSLOG ACCESS UNRESTRICTED",
    )


def check_column_grants(session: Session) -> Check:
    """Check that the user sees what others were granted on columns, which it gives again likewise."""
    are_hidden = "grants of others on columns (GRANT SELECT (a, b)) are not seen, and lost where a table is made anew"
    return ok_or_warning(
        "redshift: column grants",
        "" if roles(session) & {"sys:monitor", "sys:superuser"} else are_hidden,
        "those of others are seen, and given again where a table is made anew",
        f"where there are any, have an administrator run GRANT ROLE sys:monitor TO {_user(session)}",
    )


def check_policies(session: Session) -> Check:
    """Check that the user is told of security policies, with which it does not make a table anew."""
    are_hidden = (
        "whether row-level security or masking is attached to a table is hidden, and lost where it is made anew"
    )
    return ok_or_warning(
        "redshift: security policies",
        "" if sees_policies(session) else are_hidden,
        "a table with row-level security or masking is not made anew, which would lose it",
        f"where there is any, have an administrator run GRANT ROLE {SECURITY_ROLES[0]} TO {_user(session)}, or attach "
        "it again behind each rebuild",
    )


def _user(session: Session) -> str:
    [[user]] = session.execute("SELECT current_user").rows
    return identifier(user)


def copy_a_row(session: Session, settings: RedshiftSettings, lake: LakeSettings) -> None:
    """Put a Parquet file of one row and its manifest into the lake and COPY it into a temporary table.

    Raises:
        WarehouseError: Redshift refused.
        ValueError: COPY succeeded without the row.
    """
    client, key = lake.client(), probe_key(lake)
    data, manifest = f"{key}.parquet", f"{key}.manifest"
    body = _one_row()
    entry = {"url": f"s3://{lake.bucket}/{data}", "mandatory": True, "meta": {"content_length": len(body)}}
    source = literal(f"s3://{lake.bucket}/{manifest}")
    try:
        client.put_object(Bucket=lake.bucket, Key=data, Body=body)
        client.put_object(Bucket=lake.bucket, Key=manifest, Body=json.dumps({"entries": [entry]}).encode())
        session.execute('CREATE TEMP TABLE "dwh_doctor" ("n" INTEGER)')
        session.execute(
            f'COPY "dwh_doctor" FROM {source} IAM_ROLE {role(settings.iam_role)} FORMAT AS PARQUET MANIFEST'
        )
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


def _now(session: Session) -> datetime:
    [[now]] = session.execute("SELECT GETDATE()").rows
    return now.replace(tzinfo=timezone.utc) if isinstance(now, datetime) else datetime.fromisoformat(f"{now}+00:00")
