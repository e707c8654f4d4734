"""Redshift's own session parameters, which PostgreSQL does not have: they are kept and shown.

Belongs here: their names and defaults ("Configuration reference" of the guide), and what a session has set. Two change
what is done: whether names in double quotes and attributes of SUPER keep their case, which reading a name needs
everywhere (r_enable_case_sensitive_identifier.md, r_enable_case_sensitive_super_attribute.md). Does not belong here:
parameters that PostgreSQL has too; SHOW (``show``).

A session is served by a thread of its own, so what it has set is the thread's context.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

from aurora_dwh.local.redshift.errors import RedshiftError
from aurora_dwh.local.redshift.plans import Context

IDENTIFIERS = "enable_case_sensitive_identifier"
ATTRIBUTES = "enable_case_sensitive_super_attribute"
DEFAULTS = {
    "analyze_threshold_percent": "10",
    "cast_super_null_on_error": "on",
    "describe_field_name_in_uppercase": "off",
    "downcase_delimited_identifier": "on",
    IDENTIFIERS: "off",
    ATTRIBUTES: "off",
    "enable_numeric_rounding": "on",
    "enable_result_cache_for_session": "on",
    "enable_vacuum_boost": "off",
    "error_on_nondeterministic_update": "off",
    "max_concurrency_scaling_clusters": "1",
    "mv_enable_aqmv_for_session": "on",
    "navigate_super_null_on_error": "on",
    "query_group": "unset",
    "wlm_query_slot_count": "1",
}
_SWITCHES = {"on": "on", "true": "on", "t": "on", "1": "on", "off": "off", "false": "off", "f": "off", "0": "off"}
_set: ContextVar[Mapping[str, str]] = ContextVar("parameters", default=MappingProxyType({}))


def value(name: str) -> str:
    """Returns the session's value of a parameter."""
    return _set.get().get(name, DEFAULTS[name])


def is_on(name: str) -> bool:
    """Returns whether a parameter that is a switch is on."""
    return value(name) == "on"


@dataclass(frozen=True)
class Setting:
    """SET or RESET of a parameter.

    Args:
        name: of the parameter.
        value: what it is set to; ``default`` resets it.
        tag: what the client is told was done.
    """

    name: str
    value: str
    tag: str

    def run(self, _: Context) -> str:
        """Changes the session's parameter.

        Raises:
            RedshiftError: a switch is neither on nor off.
        """
        default = DEFAULTS[self.name]
        changed = default if self.value.lower() == "default" else self.value
        if default in _SWITCHES.values():
            if changed.lower() not in _SWITCHES:
                raise RedshiftError("22023", f'parameter "{self.name}" requires a Boolean value')
            changed = _SWITCHES[changed.lower()]
        _set.set({**_set.get(), self.name: changed})
        return self.tag
