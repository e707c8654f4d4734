"""Programs that tests run as a user does."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_program(program: Sequence[str], folder: Path, variables: Mapping[str, str], *, exit_code: int = 0) -> str:
    """Run a program without a terminal, expect its exit code, and return what it printed."""
    done = subprocess.run(
        program, cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == exit_code, said[-6000:]
    return said
