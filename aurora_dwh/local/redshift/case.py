"""Whether names in double quotes keep their case: the session's settings, which reading a name needs everywhere.

A session is served by a thread of its own, so its settings are the thread's context. Sources:
r_enable_case_sensitive_identifier.md and r_enable_case_sensitive_super_attribute.md of the guide.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from aurora_dwh.local.redshift.errors import RedshiftError
from aurora_dwh.local.redshift.plans import Context

IDENTIFIERS: ContextVar[bool] = ContextVar("enable_case_sensitive_identifier", default=False)
ATTRIBUTES: ContextVar[bool] = ContextVar("enable_case_sensitive_super_attribute", default=False)
SETTINGS = {setting.name: setting for setting in (IDENTIFIERS, ATTRIBUTES)}


@dataclass(frozen=True)
class CaseSetting:
    """SET or RESET of one of the two settings.

    Args:
        name: of the setting.
        value: what it is set to, as written; ``default`` resets it.
        tag: what the client is told was done.
    """

    name: str
    value: str
    tag: str

    def run(self, _: Context) -> str:
        """Changes the session's setting."""
        known = {"true": True, "on": True, "t": True, "1": True, "false": False, "off": False, "f": False, "0": False}
        if self.value not in {*known, "default"}:
            raise RedshiftError("22023", f'parameter "{self.name}" requires a Boolean value')
        SETTINGS[self.name].set(known.get(self.value, False))
        return self.tag
