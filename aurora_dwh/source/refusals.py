"""What the source refuses: which errors come again at every attempt, and what mends them.

The codes are MySQL's ("Server Error Message Reference" of its manual), MariaDB's where it has one of its own, and those
of the driver (2...). How an error is told, and as what it is raised, is `connection`'s business.
"""

from __future__ import annotations

import ssl
from typing import Final

import pymysql

_GRANT: Final = "have an administrator grant SELECT to the user or to a role of its"
_RENEW: Final = "have an administrator run ALTER USER {account} IDENTIFIED BY '<password>' PASSWORD EXPIRE NEVER"
_PLUGIN: Final = (
    "have an administrator run ALTER USER {account} IDENTIFIED WITH caching_sha2_password BY '<password>' "
    "(MariaDB: IDENTIFIED BY '<password>')"
)
_TLS: Final = "set AURORA_TLS to verify, or to a file with the server's CA"
_UNLOCK: Final = "have an administrator run ALTER USER {account} ACCOUNT UNLOCK"
_CONNECTIONS: Final = "lower `pools: {{aurora: ...}}` in the catalog, or have the server allow more connections"

_LOCKED: Final = "somebody else has locked the table; run it again when that is over"

_PASSING: Final = {1040: _CONNECTIONS, 1203: _CONNECTIONS, 1205: _LOCKED, 1226: _CONNECTIONS}
"""Errors that another attempt may not meet -> what keeps them away."""

_LASTING: Final = {
    1044: _GRANT,
    1045: "check the user, its password, and the hosts that the account may come from",
    1049: "check AURORA_DATABASE",
    1129: "have an administrator run TRUNCATE TABLE performance_schema.host_cache (MariaDB: FLUSH HOSTS)",
    1130: "have an administrator make the account for this host",
    1142: _GRANT,
    1143: _GRANT,
    1251: _PLUGIN,
    1524: _PLUGIN,
    1698: _PLUGIN,  # the account's is for another way in than a password
    1820: _RENEW,
    1862: _RENEW,
    2026: "give the server a certificate, or set AURORA_TLS to disabled where nobody else can reach the line",
    2059: _PLUGIN,
    3118: _UNLOCK,
    3159: _TLS,
    3955: _UNLOCK,
    4150: "have an administrator run FLUSH PRIVILEGES",
    4151: _UNLOCK,
}
"""Errors of an account, a right or a setting -> what mends them."""

_STATES: Final = ("28", "42")
"""The classes of SQLSTATE that are about who asks and what: invalid authorization, syntax error or access violation."""


def is_permanent(error: BaseException) -> bool:
    """Return whether an error is about account, rights, certificate or statement, so that it comes at every attempt."""
    code, state = code_of(error), getattr(error, "sqlstate", None) or ""
    is_refusal = code not in _PASSING and state.startswith(_STATES)
    return is_refusal or code in _LASTING or _certificate_error(error) is not None


def remedy(error: BaseException, *, account: str = "'<user>'@'%'", is_encrypted: bool = True) -> str:
    """Return what mends a driver's error, empty where its message says it all or nothing is known.

    Args:
        account: The account that logs in, as SQL names it.
        is_encrypted: Whether the session speaks TLS.
    """
    if refused := _certificate_error(error):
        return _of_certificate(refused)
    code = code_of(error)
    text = (_LASTING | _PASSING).get(code, "").format(account=account)
    if code == 1045 and not is_encrypted:
        text += f"; where it has REQUIRE SSL, which is refused in the same words, {_TLS}"
    return text


def code_of(error: BaseException) -> int:
    """Return the code of a driver's error, 0 where it has none."""
    code = error.args[0] if isinstance(error, pymysql.err.MySQLError) and error.args else 0
    return code if isinstance(code, int) else 0


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return why a server's certificate is not trusted, where a connection failed for that."""
    cause = getattr(error, "original_exception", None)
    return cause if isinstance(cause, ssl.SSLCertVerificationError) else None


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    match error.verify_code:
        case 62 | 64:  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return (
                "set AURORA_HOST to a name that is in the certificate; where none is, as in one that MySQL made for "
                "itself, set AURORA_TLS to verify-ca:<file with the server's CA>"
            )
        case 9 | 10:  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
            return "give the server a certificate that is valid today"
    return (
        "set AURORA_TLS to a file with the CA that signed it: Amazon's global-bundle.pem, or ca.pem of the server's "
        "data folder"
    )
