"""Brings Dagster's database to the schema of the version in the image, before that image's processes start.

`dagster instance migrate` would ask ECS about the run launcher too, which is no business of this container.
"""

from __future__ import annotations

import sys

from dagster import DagsterInstance

from aurora_dwh.instance.migration import migrate


def main() -> None:
    """Migrate, and print what is done."""

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    with DagsterInstance.get() as instance:
        migrate(instance, say)


if __name__ == "__main__":
    main()
