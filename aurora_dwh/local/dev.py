"""`make dev`: the embedded stack with the sample shop, and the Dagster UI in front of it until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from aurora_dwh.local import stack
from aurora_dwh.local.demo import use
from aurora_dwh.local.shop_project import live_on
from aurora_dwh.orchestration.automation.alert_settings import UI


def main() -> int:
    """Start the stack where it does not run, let the shop live until yesterday, and run `dagster dev`."""
    parser = argparse.ArgumentParser(prog="make dev", description=__doc__)
    parser.add_argument("--state", type=Path, default=stack.default_state(), help="folder of the embedded stack")
    parser.add_argument("--port", type=int, default=3000, help="port of the UI")
    arguments = parser.parse_args()
    try:
        stack.up(arguments.state)
        live_on(arguments.state)
    except RuntimeError as error:
        print(f"The stack did not start: {error}", file=sys.stderr)
        return 1
    use(arguments.state)
    os.environ.setdefault(UI, f"http://127.0.0.1:{arguments.port}")
    program = Path(sys.executable).with_name("aurora-dwh")
    address = ["-h", "127.0.0.1", "-p", str(arguments.port)]
    command = [str(program), "dagster", "dev", "-m", "aurora_dwh.definitions", *address]
    # Ctrl-C reaches Dagster from the terminal; whoever waits for it must not kill it while it ends its runs.
    signal.signal(signal.SIGINT, lambda *_: None)
    ended = subprocess.Popen(command, env=os.environ).wait()  # noqa: S603 - our own program
    print(f"The stack goes on; stop it with: aurora-dwh local down --state {arguments.state}")
    return max(ended, 0)


if __name__ == "__main__":
    sys.exit(main())
