"""The IO manager of Redshift: rows of any kind become a table, and a table the rows that an asset asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from aurora_dwh.core import frames
from aurora_dwh.core.days import ends
from aurora_dwh.core.frames import FrameError
from aurora_dwh.core.schema import fold
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.orchestration.failures import attempts_left, named_failures
from aurora_dwh.orchestration.io_managers.partitions import windows
from aurora_dwh.orchestration.io_managers.rows import Computed, wanted
from aurora_dwh.orchestration.staging import Record, load_days
from aurora_dwh.orchestration.stopping import stoppable
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.transforms.computed import Storing
from aurora_dwh.warehouse import rows
from aurora_dwh.warehouse.connection import Warehouse, open_warehouse
from aurora_dwh.warehouse.errors import CheckError
from aurora_dwh.warehouse.load.statements import DAY
from aurora_dwh.warehouse.sql import identifier, literal, qualified


class RedshiftIOManager(dg.ConfigurableIOManager):
    """Tables in Redshift.

    An asset gives rows as to an `S3IOManager`; they are written into the lake, and copied from there. Its metadata may
    say how they are stored, as `Storing` has it. A downstream asset gets the rows of its own days (all rows, where the
    table has no days) by its annotation; they come through a cursor, a batch at a time.

    Attributes:
        folder: The folder in the lake that rows lie in; without it the one named as the source's database.
    """

    folder: str = ""
    _servers: Servers = PrivateAttr(default=ENVIRONMENT)
    _warehouse: Warehouse | None = PrivateAttr(default=None)

    @staticmethod
    def of(servers: Servers) -> RedshiftIOManager:
        """Return the IO manager of a warehouse that settings name; they are asked for in the first step."""
        made = RedshiftIOManager()
        made._servers = servers
        return made

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Begin anew; the environment is read in the first step, whose failure can name what is wrong with it."""
        self._warehouse = None

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse behind the manager."""
        if self._warehouse is None:
            self._warehouse = open_warehouse(self._servers)
        return self._warehouse

    @property
    def schemas(self) -> Mapping[str, str]:
        """What the schemas that marts name are called in this warehouse."""
        return self.warehouse.settings.schemas

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write rows into the lake, and load them from there."""
        with named_failures(context.asset_key, attempts_left=attempts_left(context)), stoppable(context):
            computed, lake = Computed.of(context), open_lake(self._servers, self.folder)
            manifests = [manifest for manifest, _ in lake.write_each(computed.extracts(obj, lake))]
            schema = self._schema(context.asset_key, computed.storing)
            record, table, keys = Record.of(context), computed.table, computed.keys
            try:
                load_days(record, self.warehouse, lake, table, computed.rules, manifests, schema=schema, keys=keys)
            except CheckError as error:  # the step itself could only tell of checks that it comes to
                evaluation = dg.AssetCheckEvaluation(
                    context.asset_key, error.check, passed=False, description=str(error), blocking=True
                )
                dg.DagsterEvent.asset_check_evaluation(context.step_context, evaluation)
                raise

    def load_input(self, context: dg.InputContext) -> Any:
        """Give the rows of the run's days, or of the whole table, as the input is annotated."""
        upstream = context.upstream_output
        asset, metadata = context.asset_key, upstream.definition_metadata if upstream else {}
        kind = wanted(context)
        with named_failures(asset, attempts_left=attempts_left(context)):
            known = Storing.of_metadata(asset.to_user_string(), metadata)
            days = [window.day for window in windows(context).values()]
            if not frames.is_kind(kind):
                told = f" {ends(days)}".rstrip()
                raise FrameError(
                    f"{asset.to_user_string()}{told} can be taken as {', '.join(frames.KINDS)}, not as "
                    f"{frames.name_of(kind)}; annotate the input with one of them"
                )
            query = f"SELECT * FROM {qualified(self._schema(asset, known), known.target or fold(asset.path[-1]))}"
            if days:
                column = identifier(known.day_column or DAY)
                query += f" WHERE {column} IN ({', '.join(literal(day) for day in days)})"
            return frames.frame(rows.reader(self.warehouse, query), kind)

    def _schema(self, asset: dg.AssetKey, known: Storing) -> str:
        if known.schema_name:
            return known.schema_name
        return self.schemas.get(asset.path[-2], asset.path[-2]) if len(asset.path) > 1 else self.schemas["staging"]
