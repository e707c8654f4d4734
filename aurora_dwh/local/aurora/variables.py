"""System variables: what an Aurora MySQL 3 answers to @@name, and what a session may set."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Any, Final

from aurora_dwh.local.aurora.errors import AuroraError

VERSION: Final = "8.0.39"
_DEFAULTS: Final[dict[str, Any]] = {
    "version": VERSION,
    "version_comment": "Source distribution",
    "version_compile_os": "Linux",
    "aurora_version": "3.08.0",
    "aurora_server_id": "embedded-aurora",
    "hostname": "embedded-aurora",
    "server_id": 1,
    "server_uuid": "00000000-0000-0000-0000-000000000001",
    "port": 3306,
    "read_only": 0,
    "super_read_only": 0,
    "innodb_read_only": 0,
    "autocommit": 1,
    "time_zone": "SYSTEM",
    "system_time_zone": "UTC",
    "sql_mode": "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION",
    "transaction_isolation": "REPEATABLE-READ",
    "tx_isolation": "REPEATABLE-READ",
    "transaction_read_only": 0,
    "character_set_client": "utf8mb4",
    "character_set_connection": "utf8mb4",
    "character_set_results": "utf8mb4",
    "character_set_server": "utf8mb4",
    "character_set_database": "utf8mb4",
    "collation_connection": "utf8mb4_0900_ai_ci",
    "collation_server": "utf8mb4_0900_ai_ci",
    "collation_database": "utf8mb4_0900_ai_ci",
    "max_allowed_packet": 67_108_864,
    "max_execution_time": 0,
    "max_connections": 1000,
    "net_read_timeout": 30,
    "net_write_timeout": 60,
    "net_buffer_length": 16_384,
    "wait_timeout": 28_800,
    "interactive_timeout": 28_800,
    "lock_wait_timeout": 31_536_000,
    "innodb_lock_wait_timeout": 50,
    "lower_case_table_names": 0,
    "sql_safe_updates": 0,
    "sql_select_limit": 18_446_744_073_709_551_615,
    "foreign_key_checks": 1,
    "unique_checks": 1,
    "sql_log_bin": 1,
    "log_bin": 0,
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "gtid_mode": "OFF",
    "ssl_cipher": "",
    "require_secure_transport": 0,
    "have_ssl": "DISABLED",
    "license": "GPL",
    "init_connect": "",
    "performance_schema": 0,
    "query_cache_type": "OFF",
    "query_cache_size": 0,
    "group_concat_max_len": 1024,
    "explicit_defaults_for_timestamp": 1,
    "aurora_parallel_query": 0,
    "aws_default_s3_role": "",
    "aurora_select_into_s3_role": "",
}
_OFFSET: Final = re.compile(r"([+-])(\d{1,2}):(\d{2})\Z")
_ON: Final = {"ON": 1, "OFF": 0, "TRUE": 1, "FALSE": 0}


class Variables:
    """One session's system and user variables."""

    def __init__(self, **own: Any) -> None:
        """Begin with the defaults, and with the server's own values."""
        self._values = {**_DEFAULTS, **own}
        self.offset = 0

    def get(self, name: str) -> Any:
        """A variable's value, or error 1193."""
        folded = name.lower()
        if folded not in self._values:
            raise AuroraError(1193, f"Unknown system variable '{name}'")
        return self._values[folded]

    def set(self, name: str, value: Any) -> None:
        """Set a variable; `None` brings back its default."""
        folded = name.lower()
        current = self.get(folded)
        if value is None:
            value = _DEFAULTS[folded]
        if isinstance(current, int) and not isinstance(value, int):
            value = _ON.get(str(value).upper(), value)
            if not isinstance(value, int) and not str(value).isdigit():
                raise AuroraError(1231, f"Variable '{name}' can't be set to the value of '{value}'")
            value = int(value)
        if folded == "time_zone":
            self.offset = seconds_ahead(str(value))
        self._values[folded] = value

    def listing(self) -> list[tuple[str, str]]:
        """For SHOW VARIABLES."""
        return [(name, str(value)) for name, value in sorted(self._values.items())]


def seconds_ahead(zone: str) -> int:
    """Seconds that a time zone is ahead of UTC now, or error 1298."""
    if zone.upper() in {"SYSTEM", "UTC"}:
        return 0
    found = _OFFSET.match(zone)
    if found:
        seconds = int(found.group(2)) * 3600 + int(found.group(3)) * 60
        return seconds if found.group(1) == "+" else -seconds
    try:
        offset = dt.datetime.now(zoneinfo.ZoneInfo(zone)).utcoffset()
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise AuroraError(1298, f"Unknown or incorrect time zone: '{zone}'") from None
    return int(offset.total_seconds()) if offset is not None else 0
