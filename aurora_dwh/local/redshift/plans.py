"""What the front does with a statement: hand it to PostgreSQL, run a script there, or carry it out itself.

Belongs here: the kinds of plan and the view of a session that a plan works with. Does not belong here: choosing a plan
(see ``translate``), the loaders themselves.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from aurora_dwh.local.redshift.errors import RedshiftError
from aurora_dwh.local.redshift.history import History
from aurora_dwh.local.redshift.upstream import Upstream
from aurora_dwh.local.s3 import S3Access


@dataclass
class LoadState:
    """What ``pg_last_copy_count()`` and its kin report: the session's own, untouched by rollbacks and refused COPYs."""

    copy_count: int = 0
    copy_id: int = -1
    unload_count: int = 0
    unload_id: int = -1


class Context(Protocol):
    """The session, as plans and the translator see it."""

    loads: LoadState

    @property
    def upstream(self) -> Upstream:
        """The client's own connection to PostgreSQL."""

    @property
    def s3(self) -> S3Access | None:
        """Where S3 is; None when the stand-in was started without."""

    @property
    def user(self) -> str:
        """The user who is logged in."""

    @property
    def database(self) -> str:
        """The database the session is in."""

    @property
    def scratch(self) -> str:
        """A folder for files in flight."""

    def admin(self) -> AbstractContextManager[Upstream]:
        """A superuser's connection of its own, whose work outlives the client's rollback."""

    def atomic(self) -> AbstractContextManager[None]:
        """The client's open transaction, or one made for the occasion."""

    def notice(self, text: str) -> None:
        """Sends the client a notice."""

    @property
    def history(self) -> History:
        """What was run, by all sessions."""

    @property
    def query_id(self) -> int:
        """The number of the statement that is being run."""

    def learn_names(self, found: dict[str, str]) -> None:
        """Notes names that are shortened for PostgreSQL: ``shortened -> full``."""


class Local(Protocol):
    """A plan the front carries out itself."""

    def run(self, session: Context) -> str:
        """Runs the plan and returns the command tag."""


@dataclass(frozen=True)
class Relay:
    """PostgreSQL runs ``sql``.

    ``volatile`` plans hold something of the session's state in their text and are made anew for every execution.
    """

    sql: str
    volatile: bool = False


@dataclass(frozen=True)
class Script:
    """PostgreSQL runs several statements as one.

    Args:
        statements: run in one transaction: the client's, or their own.
        tag: what the client is told was done.
        alone: name of the command when Redshift refuses it inside a transaction block.
        commits: whether Redshift ends the client's transaction with it.
    """

    statements: tuple[str, ...]
    tag: str
    alone: str | None = None
    commits: bool = False

    def run(self, session: Context) -> str:
        """Runs the script."""
        upstream = session.upstream
        if self.alone and upstream.status != "I":
            raise RedshiftError("25001", f"{self.alone} cannot run inside a transaction block")
        if self.statements:
            upstream.query(";\n".join(self.statements))
        if self.commits and upstream.status == "T":
            upstream.query("COMMIT")
        return self.tag


Plan = Relay | Local
