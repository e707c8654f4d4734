"""CREATE USER and ALTER USER: what Redshift says of a user and PostgreSQL does not.

Belongs here: PASSWORD DISABLE and SYSLOG ACCESS. All other options are PostgreSQL's own.
"""

from __future__ import annotations

from aurora_dwh.local.redshift.errors import syntax_error
from aurora_dwh.local.redshift.plans import Script
from aurora_dwh.local.redshift.sqltext import Sql, quote
from aurora_dwh.local.redshift.upstream import literal


def user(sql: Sql) -> Script:
    """Returns the plan of a statement that makes or changes a user.

    Raises:
        RedshiftError: for another access to system logs than RESTRICTED and UNRESTRICTED.
    """
    statements: list[str] = []
    for index in sql.all("PASSWORD", "DISABLE"):
        sql.replace(index + 1, index + 2, "NULL")
    for index in sql.all("SYSLOG", "ACCESS"):
        access = sql.upper(index + 2)
        if access not in ("RESTRICTED", "UNRESTRICTED"):
            raise syntax_error(sql[index + 2].text)
        sql.replace(index, index + 3, "")
        statements.append(f"SELECT pg_standin.set_syslog_access({literal(sql[2].name)}, {literal(access)})")
    verb = f"{sql.upper(0)} USER"
    rest = sql.render().split(None, 3)[3:]
    if verb == "CREATE USER" or rest:
        statements.insert(0, f"{verb} {quote(sql[2].name)} {' '.join(rest)}")
    return Script(tuple(statements), verb)
