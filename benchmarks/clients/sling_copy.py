"""Sling from MySQL to CSV files on local disk: its Parquet needs a program that comes with no package.

Runs in the peers' environment, where its own program is.

    python -m benchmarks.clients.sling_copy FOLDER TABLE...

A table that cannot be copied does not keep the next from being tried; its error is said.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.clients.output_format import Clock


def program() -> Path:
    """Return the program that came with the package of this platform."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"{ {'Darwin': 'mac'}.get(platform.system(), 'linux') }-{machine}"
    spec = find_spec(f"sling_{name.replace('-', '_')}")
    if spec is None or spec.origin is None:
        sys.exit(f"there is no Sling for {name}")
    return Path(spec.origin).parent / "bin" / f"sling-{name}"


def main(folder: str, *tables: str) -> None:
    """Copy the tables into an empty folder, each as TABLE.csv."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    user, password, host, port, database = (
        os.environ[f"AURORA_{name}"] for name in ("USER", "PASSWORD", "HOST", "PORT", "DATABASE")
    )
    settings = {
        **os.environ,
        "SOURCE": f"mysql://{user}:{password}@{host}:{port}/{database}",
        "SLING_HOME_DIR": folder,
        "SLING_DISABLE_TELEMETRY": "true",
    }
    errors = {}
    clock = Clock()
    for table in tables:
        target = f"file://{folder}/{table}.csv"
        command = [str(program()), "run", "--src-conn", "SOURCE", "--src-stream", f"{database}.{table}"]
        command += ["--tgt-object", target, "--tgt-options", "{format: csv}"]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        if done.returncode:
            errors[table] = (done.stdout + done.stderr).strip()[-300:]
    clock.say(errors=errors)


if __name__ == "__main__":
    main(*sys.argv[1:])
