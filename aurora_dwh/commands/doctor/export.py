"""What `doctor` checks where tables are written by Aurora itself: privilege, role and the way to S3, by trying it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from aurora_dwh.commands.doctor.check import Attempts
from aurora_dwh.commands.doctor.lake import probe_key
from aurora_dwh.lake import aurora_manifest
from aurora_dwh.lake.layout import Layout
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.source.connection import execute, open_session
from aurora_dwh.source.export import require_export
from aurora_dwh.source.outfile import into_s3

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.settings.config import LakeSettings

REMEDY = (
    "let the user and the cluster write to the lake, see docs/catalog.md, `extract: outfile`; the instance needs a way "
    "to S3, such as a gateway endpoint"
)


def check(run: Attempts, catalog: Catalog | None, lake: LakeSettings) -> None:
    """Have Aurora write a row to the lake, where a table is copied so."""
    if catalog and any(table.extract == "outfile" for table in catalog.tables.values()):
        run.attempt("aurora: SELECT INTO OUTFILE S3", lambda: export_a_row(lake), remedy=REMEDY)


def export_a_row(lake: LakeSettings) -> None:
    """Have Aurora write a row to the lake, and delete it again.

    Raises:
        DataError: A privilege or the cluster's role is missing, or what Aurora wrote is not there.
        SourceError: The source is out of reach.
        pymysql.err.Error: Aurora could not write.
    """
    settings = AuroraSettings.from_env()
    layout, key = Layout(lake.bucket, lake.prefix, settings.database), probe_key(lake)
    client = lake.client()
    with closing(open_session(settings)) as connection:
        require_export(connection)
        execute(connection, into_s3("SELECT 1", layout.url(key)))
    try:
        aurora_manifest.parts_of(client, layout, f"{key}.manifest")
    finally:
        for made in (f"{key}.manifest", f"{key}.part_00000"):
            client.delete_object(Bucket=lake.bucket, Key=made)
