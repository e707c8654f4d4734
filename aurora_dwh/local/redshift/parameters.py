"""Redshift's own session parameters, which PostgreSQL does not have: they are kept and shown, and change nothing.

Belongs here: their names and defaults ("Configuration reference" of the guide). Does not belong here: parameters that
PostgreSQL has too.
"""

from __future__ import annotations

from aurora_dwh.local.redshift.plans import Relay
from aurora_dwh.local.redshift.sqltext import Sql, quote
from aurora_dwh.local.redshift.upstream import literal

DEFAULTS = {
    "analyze_threshold_percent": "10",
    "cast_super_null_on_error": "on",
    "describe_field_name_in_uppercase": "off",
    "downcase_delimited_identifier": "on",
    "enable_case_sensitive_identifier": "off",
    "enable_case_sensitive_super_attribute": "off",
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


def set_parameter(sql: Sql, index: int) -> Relay:
    """Returns the plan of a SET whose parameter stands at ``index``."""
    return Relay(f"{sql.slice(0, index)} {_kept(sql[index].name)} {sql.rest(index + 1)}")


def reset_parameter(sql: Sql) -> Relay:
    """Returns the plan of a RESET."""
    return Relay(f"RESET {_kept(sql[1].name)}")


def show_parameter(sql: Sql) -> Relay:
    """Returns the plan of a SHOW."""
    name = sql[1].name
    kept = f"nullif(current_setting({literal(_kept(name))}, true), '')"
    return Relay(f"SELECT coalesce({kept}, {literal(DEFAULTS[name])}) AS {quote(name)}")


def _kept(name: str) -> str:
    return f"standin.{name}"
