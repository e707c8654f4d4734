"""One asset with one step, as `@dg.asset` makes it, where the names of its inputs are known only as it is built."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from aurora_dwh.orchestration.failures import RETRY
from aurora_dwh.orchestration.stopping import stoppable_parts

Work = Callable[[dg.AssetExecutionContext, Mapping[str, Any]], Iterator[Any]]
"""What a step does: it takes the context and the inputs by name, and yields results."""

BACKFILL = dg.BackfillPolicy.single_run()
"""A range of days is one run: Dagster keeps a chain's assets together only where this is equal for all of them."""

_CHECKED = dg.Out(dg.Any)


def build_step(
    work: Work,
    *,
    spec: dg.AssetSpec,
    ins: Mapping[str, tuple[dg.AssetKey, dg.In]] | None = None,
    out: dg.Out,
    checks: Sequence[dg.AssetCheckSpec] = (),
    resources: set[str],
    pool: str,
    config: Mapping[str, dg.Field] | None = None,
) -> dg.AssetsDefinition:
    """Return the asset whose days are made by a step, which in a run comes behind all of the spec's `deps`.

    Args:
        work: What the step does. It yields a `MaterializeResult`, and the results of the checks.
        ins: Those of the `deps` whose values the step is handed, by the name of the input.
    """

    def stoppable_work(context: dg.AssetExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Any]:
        from aurora_dwh.instance.details import drop_repeated_columns

        for result in stoppable_parts(context, work(context, inputs)):
            yield result
            if isinstance(result, dg.MaterializeResult):
                drop_repeated_columns(context.instance, spec.key)

    name = spec.key.to_python_identifier()
    checked = {f"{name}_{check.name}": check for check in checks}
    handed = dict(ins or {})
    followed = {dep.asset_key for dep in spec.deps} - {key for key, _ in handed.values()}
    inputs = handed | {key.to_python_identifier(): (key, dg.In(dg.Nothing)) for key in sorted(followed)}
    step = dg.OpDefinition(
        compute_fn=stoppable_work,
        name=name,
        description=spec.description,
        ins={name: given for name, (_, given) in inputs.items()},
        outs={"result": out, **dict.fromkeys(checked, _CHECKED)},
        required_resource_keys=resources,
        retry_policy=RETRY,
        pool=pool,
        config_schema=dict(config or {}),
    )
    return dg.AssetsDefinition(
        node_def=step,
        keys_by_input_name={name: key for name, (key, _) in inputs.items()},
        keys_by_output_name={"result": spec.key},
        specs=[spec],
        check_specs_by_output_name=checked,
        backfill_policy=BACKFILL,
    )


def code_link(file: Path | None) -> dict[str, Any]:
    """Return the metadata that link an asset's page to the file that it is written in, if there is one."""
    if file is None:
        return {}
    link = dg.LocalFileCodeReference(file_path=str(file.resolve()), line_number=1, label=file.name)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[link])}
