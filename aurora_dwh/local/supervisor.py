"""The process that runs the parts of the embedded stack until it is told to stop.

`python -m aurora_dwh.local.supervisor STATE PART...` starts the parts, writes `stack.json` when all of them answer, and
stops them on SIGTERM or SIGINT. Children are started by its main thread, which stays: they die with it. Callers use
`stack`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aurora_dwh.local.aurora import EmbeddedAurora, Exports
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.processes import keep_ports, random_secret, read_json, start_time, write_private_json
from aurora_dwh.local.redshift import RedshiftStandIn, S3Access

USER: Final = "aurora_dwh"
AURORA_DATABASE: Final = "shop"
WAREHOUSE_DATABASE: Final = "dev"

_log = logging.getLogger("aurora_dwh.local.supervisor")


class Supervisor:
    """The parts of one stack.

    Args:
        state: The stack's folder.
        parts: Which parts to run.
    """

    def __init__(self, state: Path, parts: list[str]) -> None:
        self._state = state
        self._wanted = parts
        self._stops: list[Callable[[], None]] = []
        self._secrets = self._kept_secrets()
        self._ports = keep_ports(state / "ports.json", ["aurora", "warehouse"])

    def start(self) -> dict[str, Any]:
        """Start the wanted parts; return what `stack.json` says of each."""
        lake = self._launch_lake() if "lake" in self._wanted else None
        aurora = self._launch_aurora(_access(lake)) if "aurora" in self._wanted else None
        found: dict[str, Any] = {}
        if "warehouse" in self._wanted:
            found["warehouse"] = self._start_warehouse(_access(lake))
        if aurora is not None:
            aurora.wait_until_ready()
            found["aurora"] = _aurora_note(aurora)
        if lake is not None:
            lake.wait_until_ready()
            found["lake"] = _lake_note(lake)
        return found

    def stop(self) -> None:
        """Stop all parts, side by side: each needs its own second."""
        threads = [threading.Thread(target=_quietly, args=(stop,)) for stop in self._stops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _kept_secrets(self) -> dict[str, str]:
        path = self._state / "credentials.json"
        known = read_json(path)
        kept = {name: str(known.get(name) or random_secret()) for name in ("aurora", "warehouse")}
        if kept != known:
            write_private_json(path, kept)
        return kept

    def _launch_lake(self) -> LakeServer:
        lake = LakeServer(self._state / "lake")
        self._stops.append(lake.stop)
        lake.launch()
        return lake

    def _launch_aurora(self, access: S3Access | None) -> EmbeddedAurora:
        aurora = EmbeddedAurora(
            self._state / "aurora",
            user=USER,
            password=self._secrets["aurora"],
            database=AURORA_DATABASE,
            port=self._ports["aurora"],
            exports=Exports(access),
        )
        self._stops.append(aurora.stop)
        aurora.launch()
        return aurora

    def _start_warehouse(self, access: S3Access | None) -> dict[str, Any]:
        warehouse = RedshiftStandIn(
            self._state / "warehouse",
            s3=access,
            user=USER,
            password=self._secrets["warehouse"],
            database=WAREHOUSE_DATABASE,
            port=self._ports["warehouse"],
        )
        self._stops.append(warehouse.stop)
        warehouse.start()
        variables = {
            "REDSHIFT_HOST": warehouse.host,
            "REDSHIFT_PORT": str(warehouse.port),
            "REDSHIFT_DATABASE": WAREHOUSE_DATABASE,
            "REDSHIFT_USER": USER,
            "REDSHIFT_PASSWORD": self._secrets["warehouse"],
            "REDSHIFT_TLS": "disabled",
            "REDSHIFT_IAM_ROLE": "default",
        }
        return _note(warehouse.postgres_pid, f"{warehouse.host}:{warehouse.port}", variables)


def _aurora_note(aurora: EmbeddedAurora) -> dict[str, Any]:
    variables = {
        "AURORA_HOST": aurora.host,
        "AURORA_PORT": str(aurora.port),
        "AURORA_DATABASE": aurora.database,
        "AURORA_USER": aurora.user,
        "AURORA_PASSWORD": aurora.password,
        "AURORA_TLS": "disabled",
        "AURORA_SOURCE": f"{aurora.database}@embedded",  # one source, though its port may become another
    }
    return _note(aurora.pid, f"{aurora.host}:{aurora.port}", variables)


def _lake_note(lake: LakeServer) -> dict[str, Any]:
    variables = {
        "LAKE_URI": f"s3://{lake.bucket}/lake",
        "AWS_ENDPOINT_URL_S3": lake.endpoint_url,
        "AWS_ACCESS_KEY_ID": lake.access_key,
        "AWS_SECRET_ACCESS_KEY": lake.secret_key,
        "AWS_REGION": lake.region,
        "AWS_DEFAULT_REGION": lake.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return _note(lake.pid, f"127.0.0.1:{lake.port}", variables)


def _note(pid: int | None, address: str, variables: Mapping[str, str]) -> dict[str, Any]:
    started = None if pid is None else start_time(pid)
    return {"pid": pid, "started": started, "address": address, "environment": dict(variables)}


def _access(lake: LakeServer | None) -> S3Access | None:
    """How the servers reach S3: the embedded lake, else what the AWS variables lead to, else not at all."""
    if lake is not None:
        return S3Access(lake.endpoint_url, lake.region, lake.access_key, lake.secret_key)
    variables = os.environ
    key, secret = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return None
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
    return S3Access(endpoint or f"https://s3.{region}.amazonaws.com", region, key, secret)


def _quietly(stop: Callable[[], None]) -> None:
    try:
        stop()
    except Exception:
        _log.exception("a part did not stop as it should")


def main() -> int:
    """Run the stack until a signal; return the process's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state, parts = Path(sys.argv[1]), sys.argv[2:]
    told_to_stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: told_to_stop.set())
    identity = {"pid": os.getpid(), "started": start_time(os.getpid())}
    note = state / "stack.json"
    supervisor = Supervisor(state, parts)
    try:
        found = supervisor.start()
        write_private_json(note, {**identity, "parts": found})
        _log.info("ready: %s", ", ".join(f"{name} on {part['address']}" for name, part in found.items()))
        told_to_stop.wait()
    except Exception as problem:
        _log.exception("the stack did not start")
        write_private_json(note, {**identity, "error": str(problem) or type(problem).__name__})
        return 1
    finally:
        supervisor.stop()
        _log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
