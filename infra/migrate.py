"""Brings Dagster's database to the schema of the version in the image: run as a task, by the command of the stack.

`dagster instance migrate` would ask ECS about the run launcher too, which is no business of this role.
"""

from __future__ import annotations

import sys

from dagster import DagsterInstance


def main() -> None:
    """Migrate, and print what the schema was and is."""

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")

    with DagsterInstance.get() as instance:
        say(f"before:\n{instance.schema_str()}")
        instance.upgrade(say)
        say(f"after:\n{instance.schema_str()}")


if __name__ == "__main__":
    main()
