"""The check `glue` of the lake's assets: whether Athena finds in Glue what lies in the lake.

There is one where LAKE_GLUE_DATABASE is set when the definitions are loaded. A failure of Glue is a warning: the day is
in the lake, and goes on into Redshift; the next load of the table brings Glue up to date with all of its days.
"""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from aurora_dwh.core.models import DataError
from aurora_dwh.orchestration.assets.addresses import Addresses
from aurora_dwh.orchestration.io_managers.lake import S3IOManager

GLUE = "glue"


def glue_check_specs(key: dg.AssetKey, places: Addresses, *, is_parquet: bool = True) -> list[dg.AssetCheckSpec]:
    """Return the check of an asset in the lake, if Glue has tables for Athena."""
    if places.glue is None or not is_parquet:
        return []
    text = f"Athena finds the table's days in database {places.glue} of Glue, and no others."
    return [dg.AssetCheckSpec(GLUE, asset=key, blocking=False, description=text)]


def glue_check_result(s3_io: S3IOManager, table: str, days: Iterable[date]) -> dg.AssetCheckResult:
    """Bring a table in Glue up to date, and return how that went."""
    glue = s3_io.glue
    if glue is None:
        return _result("LAKE_GLUE_DATABASE is not set where this ran, so Glue was not brought up to date")
    try:
        done = glue.publish(s3_io.lake, table, days)
    except DataError as error:
        return _result(f"Glue was not brought up to date, which the next load tries again: {error}")
    changes = f"{done.added:,} are new, {done.removed:,} were removed"
    text = f"{glue.name}.{done.name} has {done.partitions:,} days with rows; {changes}"
    return dg.AssetCheckResult(check_name=GLUE, passed=True, description=text, metadata={"days": done.partitions})


def _result(warning: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=GLUE, passed=False, severity=dg.AssetCheckSeverity.WARN, description=warning)
