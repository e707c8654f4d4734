"""The errors an Aurora answers with: MySQL's numbers, SQLSTATEs and wording. Nothing else belongs here."""

from __future__ import annotations

from typing import Final

_SQLSTATES: Final = {
    1045: "28000",
    1046: "3D000",
    1048: "23000",
    1049: "42000",
    1050: "42S01",
    1051: "42S02",
    1054: "42S22",
    1060: "42S21",
    1062: "23000",
    1064: "42000",
    1068: "42000",
    1072: "42000",
    1136: "21S01",
    1146: "42S02",
    1193: "HY000",
    1205: "HY000",
    1213: "40001",
    1231: "42000",
    1235: "42000",
    1264: "22003",
    1292: "22007",
    1317: "70100",
    1366: "HY000",
    1406: "22001",
    1792: "25006",
}


class AuroraError(Exception):
    """A MySQL error as the client sees it.

    Args:
        code: MySQL's error number.
        message: MySQL's wording.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def sqlstate(self) -> str:
        """The five characters that go with the number."""
        return _SQLSTATES.get(self.code, "HY000")


def syntax_error(sql: str, why: str = "") -> AuroraError:
    """Error 1064, naming the place (or the start) of the statement that was not understood."""
    near = " ".join(sql.split())[:80]
    detail = f" ({why})" if why else ""
    return AuroraError(
        1064,
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version "
        f"for the right syntax to use near '{near}'{detail}",
    )


def unknown_table(schema: str, table: str) -> AuroraError:
    """Error 1146."""
    return AuroraError(1146, f"Table '{schema}.{table}' doesn't exist")


def unknown_column(name: str, where: str = "field list") -> AuroraError:
    """Error 1054."""
    return AuroraError(1054, f"Unknown column '{name}' in '{where}'")


def not_supported(what: str) -> AuroraError:
    """Error 1235: what a real server does and the embedded one does not."""
    return AuroraError(1235, f"The embedded Aurora doesn't support '{what}'")
