"""The C client: MariaDB Connector/C reads all rows of a table and throws them away.

`mysql_free_result` of an unbuffered result receives all packets in C and looks at none of them, so no client of the
protocol can have rows sooner. ctypes has no part in it but the few calls before.

    python -m benchmarks.clients.floor text|binary TABLE
"""

from __future__ import annotations

import ctypes.util
import os
import sys

from benchmarks.clients.output_format import Clock

CONNECT_WITH_UTF8 = 7
"""MYSQL_SET_CHARSET_NAME, an option of `mysql_options`."""


def main(protocol: str, table: str) -> None:
    """Read the table once."""
    library = _library()
    clock = Clock()
    connection = library.mysql_init(None)
    library.mysql_options(connection, CONNECT_WITH_UTF8, b"utf8mb4")
    host, user, password, database = (
        os.environ[f"AURORA_{name}"].encode() for name in ("HOST", "USER", "PASSWORD", "DATABASE")
    )
    port = int(os.environ["AURORA_PORT"])
    if not library.mysql_real_connect(connection, host, user, password, database, port, None, ctypes.c_ulong(0)):
        sys.exit(library.mysql_error(connection).decode())
    read = {"text": _read_text, "binary": _read_binary}[protocol]
    read(library, connection, f"SELECT * FROM {table}".encode())
    clock.say()


def _read_text(library: ctypes.CDLL, connection: int, statement: bytes) -> None:
    _check(library, connection, library.mysql_real_query(connection, statement, ctypes.c_ulong(len(statement))))
    library.mysql_free_result(library.mysql_use_result(connection))
    _check(library, connection, library.mysql_errno(connection))


def _read_binary(library: ctypes.CDLL, connection: int, statement: bytes) -> None:
    prepared = library.mysql_stmt_init(connection)
    _check(library, connection, library.mysql_stmt_prepare(prepared, statement, ctypes.c_ulong(len(statement))))
    _check(library, connection, library.mysql_stmt_execute(prepared))
    library.mysql_stmt_free_result(prepared)
    _check(library, connection, library.mysql_errno(connection))


def _check(library: ctypes.CDLL, connection: int, code: int) -> None:
    if code:
        sys.exit(library.mysql_error(connection).decode())


def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("mariadb")
    if name is None:
        sys.exit("the C client is missing: install libmariadb3, or on macOS mariadb-connector-c")
    library = ctypes.CDLL(name)
    for function in ("mysql_init", "mysql_use_result", "mysql_stmt_init", "mysql_real_connect"):
        getattr(library, function).restype = ctypes.c_void_p
    library.mysql_error.restype = ctypes.c_char_p
    handle, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong
    library.mysql_options.argtypes = [handle, ctypes.c_int, text]
    library.mysql_real_connect.argtypes = [handle, text, text, text, text, ctypes.c_uint, text, size]
    library.mysql_real_query.argtypes = [handle, text, size]
    library.mysql_stmt_prepare.argtypes = [handle, text, size]
    for function in (
        *("mysql_use_result", "mysql_free_result", "mysql_errno", "mysql_error", "mysql_stmt_init"),
        *("mysql_stmt_execute", "mysql_stmt_free_result"),
    ):
        getattr(library, function).argtypes = [handle]
    return library


if __name__ == "__main__":
    main(*sys.argv[1:])
