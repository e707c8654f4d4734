"""The code servers that a webserver and a daemon ask, as files of Dagster's: `workspace.yaml`, and `locations.yaml`.

    python -m infra.workspace dagster-webserver -h 0.0.0.0 -p 3000 -w workspace.yaml

runs the command in its place, with the locations of `DAGSTER_CODE_LOCATIONS` besides: `{"crm": ["host", 4000]}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "DAGSTER_CODE_LOCATIONS"
FILE = "locations.yaml"


def servers(environment: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return all code servers by the names of their locations: host and port.

    Args:
        environment: What `infra.stacks.tasks` sets.
    """
    main = environment["DAGSTER_CODE_HOST"], int(environment["DAGSTER_CODE_PORT"])
    more = json.loads(environment.get(VARIABLE, "{}"))
    return {"aurora_dwh": main, **{name: (host, port) for name, (host, port) in more.items()}}


def main() -> None:
    """Write the file, where there is more than one location, and become the command."""
    command, (_, *more) = sys.argv[1:], servers(os.environ).items()
    if more:
        loaded = [{"grpc_server": {"host": h, "port": p, "location_name": name}} for name, (h, p) in more]
        Path(FILE).write_text(json.dumps({"load_from": loaded}), encoding="utf-8")  # which is YAML, too
        command += ["-w", FILE]
    os.execvp(command[0], command)  # noqa: S606 - the container's own command


if __name__ == "__main__":
    main()
