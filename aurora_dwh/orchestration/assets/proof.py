"""The factory of `proof/<table>` assets: one, without days, for each table, with the check `equal`.

Here the source, the lake and the warehouse are joined for it; what a proof does is the package `proof`.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import dagster as dg

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.orchestration.assets.names import PLAIN, Names
from aurora_dwh.orchestration.assets.step import build_step
from aurora_dwh.orchestration.failures import attempts_left, named_failures
from aurora_dwh.orchestration.io_managers.lake import S3IOManager
from aurora_dwh.orchestration.io_managers.warehouse import RedshiftIOManager
from aurora_dwh.proof.engine import Places
from aurora_dwh.proof.nightly import Outcome, prove_and_repair
from aurora_dwh.proof.verdict import GONE, KINDS, LATE, counted
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.source.connection import open_session
from aurora_dwh.source.factory import rules
from aurora_dwh.warehouse.removal import MAX_SHARE

EQUAL = "equal"
"""The check of a proof."""

_CONFIG = {
    "max_share": dg.Field(
        float,
        default_value=MAX_SHARE,
        is_required=False,
        description="The share of a table's live rows, from 0 to 1, that may be gone from the source. More is refused, "
        "for it is rather a wrong source than deleted rows; 1 allows all of them.",
    )
}


def build_proof_assets(
    *, catalog: Catalog, names: Names = PLAIN, servers: Servers = ENVIRONMENT
) -> list[dg.AssetsDefinition]:
    """Return the assets that prove the catalog's tables equal to their sources."""
    return [_proof(table, catalog, names, servers) for table in catalog.tables.values()]


def _proof(table: Table, catalog: Catalog, names: Names, servers: Servers) -> dg.AssetsDefinition:
    s3_key, redshift_key = names.of_project("s3_io"), names.of_project("redshift_io")

    def prove(context: dg.AssetExecutionContext, _inputs: Mapping[str, Any]) -> Iterator[Any]:
        s3_io: S3IOManager = getattr(context.resources, s3_key)
        redshift_io: RedshiftIOManager = getattr(context.resources, redshift_key)
        max_share = context.op_execution_context.op_config["max_share"]
        with named_failures(context.asset_key, attempts_left=attempts_left(context)):
            settings = servers.source()
            lake, warehouse = s3_io.lake, redshift_io.warehouse
            places = Places(lake, warehouse, catalog.pause_above, context.log.warning, servers.source)
            with closing(open_session(settings)) as connection:
                outcome = prove_and_repair(
                    connection,
                    settings.database,
                    places,
                    catalog,
                    table,
                    rules(table, catalog, servers.source),
                    run_id=context.run_id,
                    max_share=max_share,
                )
        yield dg.MaterializeResult(metadata=_metadata(outcome))
        yield _result(table, outcome)
        with named_failures(context.asset_key):
            if outcome.repaired.refused:
                raise outcome.repaired.refused

    staging = names.table_key("staging", table)
    spec = dg.AssetSpec(
        names.table_key("proof", table),
        deps=[staging],
        group_name=names.group("proof"),
        kinds={"mysql", "redshift"},
        owners=table.owners,
        tags=table.tags,
        description=(
            f"`staging.{table.target}` is compared with its source, row by row.\n\n"
            f"{_MENDED[table.repair] if table.mode != 'full' else _BY_LOAD}"
        ),
        metadata={"dagster/table_name": f"staging.{table.target}"},
    )
    check = dg.AssetCheckSpec(
        EQUAL,
        asset=spec.key,
        description="Each row of the source is in Redshift with the same values, and no other row is; rows that were "
        "written since the last load are late and no difference. A warning where rows differed and were mended.",
    )
    return build_step(
        prove,
        spec=spec,
        out=dg.Out(dg.Nothing),
        checks=[check],
        resources={s3_key, redshift_key},
        pool=names.of_project("aurora"),
        config=_CONFIG,
    )


_MENDED = {
    "missing": "Rows that are missing or have other values are read again; rows that are gone follow `deletes`.",
    "report": "What differs is told and left as it is.",
    "all": "Rows that are missing or have other values are read again, and rows that are gone are removed.",
}
_BY_LOAD = "What differs is told, and mended by the next load, which copies the whole table."


def _result(table: Table, outcome: Outcome) -> dg.AssetCheckResult:
    verdict, mended = outcome.verdict, {k: n for k, n in outcome.mended.items() if k in KINDS}
    told = [f"{verdict.proven:,} of {verdict.source_rows:,} rows are equal"]
    told += [f"{counted(mended)}: mended"] if mended else []
    told += [f"not equal: {counted({k: n for k, n in verdict.kinds.items() if k in KINDS})}"] if verdict.wrong else []
    told += [str(one) for one in (verdict.shown or outcome.found.shown)]
    removed_by_policy = table.deletes != "keep" and set(mended) <= {"extra"}
    return dg.AssetCheckResult(
        check_name=EQUAL,
        passed=verdict.equal and (not mended or removed_by_policy),
        severity=dg.AssetCheckSeverity.WARN if verdict.equal else dg.AssetCheckSeverity.ERROR,
        description="; ".join(told),
        metadata={"rows_proven": verdict.proven, "differing": verdict.wrong},
    )


def _metadata(outcome: Outcome) -> dict[str, Any]:
    """Return what the UI shows of a proof, and plots over time."""
    found, left, done = outcome.found, outcome.verdict, outcome.repaired
    shown = [str(one) for one in found.shown]
    return {
        "source_rows": left.source_rows,
        "staging_rows": left.staged_rows,
        "rows_proven": left.proven,
        "share": round(left.share, 6),
        **{kind: found.kinds.get(kind, 0) for kind in (*KINDS, LATE, GONE)},
        "differing": left.wrong,
        "rows_repaired": done.rows,
        "rows_removed": done.removed,
        "rows_examined": left.examined,
        "statements": left.statements,
        "longest_statement_seconds": round(left.longest, 3),
        "seconds": round(left.seconds, 3),
        **({"read_at": dg.MetadataValue.timestamp(left.read_at)} if left.read_at else {}),
        **({"differences": dg.MetadataValue.md("\n".join(f"- {one}" for one in shown))} if shown else {}),
        **({"stale_columns": dg.MetadataValue.json(dict(found.columns))} if found.columns else {}),
        **({"repairs": dg.MetadataValue.json(done.done)} if done.done else {}),
    }
